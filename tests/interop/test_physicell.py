"""PhysiCell projects become scenarios that mean the same, with an account of the rest."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.interop.projects import (
    ATTACK,
    CELL,
    KILLER,
    LIFE,
    MOTILITY,
    OXYGEN,
    RULES,
    SECRETION,
    TUMOUR,
    write_project,
)
from twin import registry
from twin.engine.loop import advance
from twin.engine.plan import check_file
from twin.engine.seeding import seed_body
from twin.engine.simulation import prepare
from twin.errors import InputError
from twin.interop.physicell import Imported, import_project
from twin.scenario.behaviours import behaviours_of
from twin.scenario.schema import Scenario
from twin.state.body import Body

TYPES = ("default cell", "killer")


def imported(folder: Path, **project: Any) -> Imported:
    return import_project(write_project(folder / "project", **project), "made")


def scenario_of(made: Imported) -> Scenario:
    return Scenario.model_validate({**made.document, "rules": []})


def written(folder: Path, made: Imported) -> Path:
    file = folder / "made.yaml"
    file.write_text(made.yaml())
    for name, text in made.files.items():
        (folder / name).write_text(text)
    return file


def told(made: Imported, state: Any, what: str) -> str:
    """Return how the report says that a part came along, or why not."""
    found = [entry.how for entry in made.report.of(state) if entry.what.startswith(what)]
    assert found, (what, made.report.text())
    return found[0]


def test_box_times_and_substances_come_along(tmp_path: Path) -> None:
    made = imported(tmp_path)
    scenario = scenario_of(made)
    tissue = scenario.compartments["tissue"]
    assert (tissue.box, tissue.spacing) == ((200.0, 120.0, 40.0), 20.0)
    assert (scenario.duration, scenario.tick, scenario.observe.every, scenario.seed) == (1.0, 0.1, 0.5, 7)
    oxygen, chemokine = scenario.substances["oxygen"], scenario.substances["chemokine"]
    assert (oxygen.diffusivity, oxygen.decay) == (6e6, 6.0)
    assert oxygen.initial is not None
    assert oxygen.nanomolar(oxygen.initial, "oxygen") == pytest.approx(38 * 1340)
    assert chemokine.walls.x_low == chemokine.walls.y_high == "closed"
    walls = {w: getattr(oxygen.walls, w) for w in ("x_low", "x_high", "y_low", "z_high")}
    assert {w: v if isinstance(v, str) else v.text for w, v in walls.items()} == {
        "x_low": "closed",
        "x_high": "20 mmHg",
        "y_low": "38 mmHg",
        "z_high": "38 mmHg",
    }


def test_what_types_do_comes_along_in_our_units(tmp_path: Path) -> None:
    scenario = scenario_of(imported(tmp_path))
    behaviours = behaviours_of(scenario)

    def both(word: str) -> list[float]:
        return [float(value) for value in behaviours.base(word, TYPES)]

    assert both("cycle entry") == pytest.approx([0.0432, 0.1])  # 1/600 min
    assert both("exit from cycle phase 1") == pytest.approx([0.0, 60 / 930])
    assert both("apoptosis") == pytest.approx([60 * 5.31667e-5] * 2)  # the second has it from the first
    assert both("oxygen uptake") == [600.0, 600.0]
    assert both("chemokine secretion") == [30.0, 30.0]
    assert both("chemokine secretion target") == [2.0, 2.0]
    assert both("chemokine export") == pytest.approx([0.006] * 2)  # 100 nM·µm³/min
    assert both("cell-cell repulsion") == [600.0, 600.0]
    assert both("migration speed") == [0.0, 120.0]  # the first does not move
    assert both("migration persistence time") == pytest.approx([1 / 60, 5 / 60])
    assert both("chemotactic response to chemokine") == [0.0, 2.0]
    assert both("attack default cell") == [0.0, 6.0]
    assert both("attack damage rate") == [60.0, 120.0]
    assert both("attack duration") == [0.5, 0.25]
    assert both("phagocytose apoptotic cell") == pytest.approx([0.0, 0.6])
    assert both("transform to default cell") == [0.0, 0.06]
    assert both("damage repair rate") == pytest.approx([0.0, 0.24])
    assert both("custom:mood") == [0.0, 2.5]
    radius = scenario.compartments["tissue"].cells.radius
    assert radius == pytest.approx(dict.fromkeys(TYPES, 8.41271), rel=1e-5)


def test_cycles_and_deaths_become_settings_of_processes(tmp_path: Path) -> None:
    processes = imported(tmp_path).document["processes"]
    cycle, killer = processes["cycle"], processes["cycle"]["types"]["killer"]
    assert cycle["types"]["default cell"] == {"model": "live"}
    assert [(p["name"], p["duration"], p.get("fixed")) for p in killer["phases"]] == [
        ("Ki67-", "600 min", True),  # PhysiCell's own is left by chance
        ("Ki67+", "930 min", True),
    ]
    assert killer["phases"][1]["grows"] is killer["phases"][1]["divides"] is True
    assert processes["death"] == {"apoptosis_time": "516 min"}
    assert processes["volume"]["apoptosis"] == {
        "fluid": "0.05 /min",
        "nuclear": "0.00583333 /min",
        "cytoplasmic": "0.0166667 /min",
    }
    assert set(processes) == {"exchange", "diffusion", "cycle", "volume", "death", "mechanics", "interactions"}


def test_simple_chemotaxis_follows_its_direction(tmp_path: Path) -> None:
    motility = MOTILITY.format(flat="false", simple="true", advanced="false")
    runner = CELL.format(name="runner", number=1, more="", phenotype=motility, custom="")
    words = imported(tmp_path, definitions=TUMOUR + runner).document["cell_types"]["runner"]
    assert words["chemotactic response to chemokine"] == -1.0
    assert "chemotactic response to oxygen" not in words


def test_a_rest_distance_is_brought_about_by_adhesion(tmp_path: Path) -> None:
    wanted = (
        '<options><set_relative_equilibrium_distance enabled="true">1.8</set_relative_equilibrium_distance></options>'
    )
    life = LIFE.replace("</mechanics>", f"{wanted}</mechanics>")
    made = imported(
        tmp_path, definitions=CELL.format(name="a", number=0, more="", phenotype=life, custom=""), cells=None
    )
    adhesion = float(made.document["cell_types"]["a"]["cell-cell adhesion"].split()[0])
    at_rest = 1.8 / 2  # of the sum of radii
    assert adhesion * (1 - at_rest / 1.25) ** 2 == pytest.approx(10.0 * (1 - at_rest) ** 2, rel=1e-5)


def test_cells_of_a_table_keep_their_types_and_places(tmp_path: Path) -> None:
    made = imported(tmp_path)
    assert made.files["made_cells.csv"] == (
        "x,y,z,type\n0,0,0,default cell\n-99,10,0,default cell\n40.5,-20,5,killer\n"
    )
    assert made.document["compartments"]["tissue"]["cells"]["origin"] == ["-100 um", "-60 um", "-20 um"]


def test_a_table_by_name_with_more_columns_and_cells_outside_is_told(tmp_path: Path) -> None:
    cells = "x,y,z,type,volume\n1,2,3,killer,2000\n500,0,0,killer,2000\n"
    made = imported(tmp_path, cells=cells)
    assert made.files["made_cells.csv"] == "x,y,z,type\n1,2,3,killer\n"
    assert "a cell has the values of its type" in told(made, "not carried over", "cells.csv: volume")
    assert "the first on line 3" in told(made, "not carried over", "1 cells of cells.csv")


def test_two_dimensions_are_one_layer_of_voxels(tmp_path: Path) -> None:
    made = imported(tmp_path, flat=True, cells=None, scattered=4)
    tissue = scenario_of(made).compartments["tissue"]
    assert tissue.box == (200.0, 120.0, 20.0)
    assert made.document["processes"]["mechanics"] == {"plane": True}
    assert made.document["processes"]["cycle"]["axis"] == "flat"
    assert "walls" in made.document["substances"]["oxygen"]
    assert not any(wall.startswith("z") for wall in made.document["substances"]["oxygen"]["walls"])
    rows = [line.split(",") for line in made.files["made_cells.csv"].splitlines()[1:]]
    assert [row[3] for row in rows] == ["default cell"] * 4 + ["killer"] * 4
    assert {row[2] for row in rows} == {"0"}
    assert "8 cells at random places" in told(made, "approximated", "number_of_cells")


def test_rules_are_copied_as_they_stand_where_they_can_be(tmp_path: Path) -> None:
    rules = "// kept\nkiller,oxygen,decreases,migration speed,0.5,5,4,0\n"
    made = imported(tmp_path, rules=rules)
    assert made.files["made_rules.csv"] == rules
    assert made.document["rules"] == {"file": "made_rules.csv"}
    assert next(iter(made.document["processes"])) == "rules"


def test_rules_of_a_renamed_type_and_older_columns_are_rewritten(tmp_path: Path) -> None:
    older = "killer,chemokine,increases,attack default,0.1,1,0.5,4,0\n"  # nine columns, with the base value
    oldest = "default,apoptosis,0,5.3e-5,0.01,damage,increases,5,4,0\n"
    made = imported(tmp_path, rules=older + oldest)
    assert made.files["made_rules.csv"] == (
        "killer,chemokine,increases,attack default cell,1,0.5,4,0\ndefault cell,damage,increases,apoptosis,0.01,5,4,0\n"
    )
    assert "base values are those of the cell definitions" in told(made, "carried over", "cell_rules.csv: older")


def test_rules_that_mean_nothing_become_comments_and_are_told(tmp_path: Path) -> None:
    good = "killer,oxygen,decreases,migration speed,0.5,5,4,0\n"
    bad = (
        "killer,contact with killer,decreases migration speed,0.5,5,4,0\n"
        "killer,glucose,decreases,migration speed,0.5,5,4,0\n"
        "nobody,oxygen,decreases,migration speed,0.5,5,4,0\n"
    )
    made = imported(tmp_path, rules=good + bad + good)
    lines = made.files["made_rules.csv"].splitlines()
    assert [line.startswith("// ") for line in lines] == [False, True, True, True, True]
    for number, why in ((2, "has 7 columns"), (3, "no signal is called 'glucose'"), (4, "'nobody'"), (5, "already")):
        assert why in told(made, "not carried over", f"cell_rules.csv, line {number}:")


def test_what_has_no_counterpart_is_told_with_its_place(tmp_path: Path) -> None:
    inner = LIFE + '<intracellular type="maboss"><bnd_filename>a.bnd</bnd_filename></intracellular>'
    spread = (
        '<initial_parameter_distributions enabled="true"><distribution enabled="true" type="Uniform">'
        "<behavior>migration speed</behavior><min>0</min><max>1</max></distribution></initial_parameter_distributions>"
    )
    kind = CELL.format(name="a", number=0, more="", phenotype=inner, custom=spread)
    more = '<PhysiPKPD_profiles enabled="true"><drug>x</drug></PhysiPKPD_profiles>'
    made = imported(tmp_path, definitions=kind, more=more, substrates=OXYGEN, cells=None)
    (tmp_path / "project" / "custom_modules").mkdir()
    (tmp_path / "project" / "custom_modules" / "custom.cpp").write_text("int main() {}")
    made = import_project(tmp_path / "project", "made")
    assert "no process runs it" in told(made, "not carried over", "a: intracellular maboss")
    assert "migration speed" in told(made, "not carried over", "a: initial_parameter_distributions")
    assert "C++ is not read" in told(made, "not carried over", "custom_modules")
    assert told(made, "not carried over", "PhysiPKPD_profiles")


def test_fast_substances_settle_within_a_tick_and_slow_ones_are_followed(tmp_path: Path) -> None:
    diffusion = imported(tmp_path).document["processes"]["diffusion"]
    assert diffusion == {"quasi_steady": {"oxygen": "always"}}  # 38 mmHg at its walls; the chemokine's are closed


def test_rules_bring_the_processes_that_they_need(tmp_path: Path) -> None:
    rules = "a,intracellular oxygen,decreases,apoptosis,0,5,4,0\na,damage,increases,apoptosis,0.1,5,8,0\n"
    uptake = LIFE + SECRETION
    kind = CELL.format(name="a", number=0, more="", phenotype=uptake, custom="")
    processes = imported(tmp_path, definitions=kind, rules=rules, cells=None).document["processes"]
    assert {"internalisation", "interactions", "rules"} <= set(processes)
    rules = "a,contact with BM,decreases,apoptosis,0,5,4,0\na,oxygen,increases,asymmetric division to a,1,5,4,0\n"
    made = import_project(write_project(tmp_path / "other", definitions=kind, rules=rules, cells=None), "made")
    assert "no process brings" in told(made, "not carried over", "cell_rules.csv, line 1")
    assert "mother's type" in told(made, "not carried over", "cell_rules.csv, line 2")


def test_nothing_that_is_read_is_told_as_left_out(tmp_path: Path) -> None:
    made = imported(tmp_path, rules=RULES)
    assert made.report.of("not carried over") == ()
    text = made.report.text()
    assert text.startswith("# project\n\nFrom PhysiCell to twin: ")
    for part in ("## Carried over", "## Approximated", "| dt_mechanics | 0.1 min: mechanics takes adaptive substeps"):
        assert part in text


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"cells": "0,0,0,7\n"}, "cells.csv, line 1: no cell definition is '7'"),
        ({"cells": "0,zero,0,0\n"}, "cells.csv, line 1: 0, zero, 0 is no place"),
        ({"cells": "x,y,type\n"}, "a header needs x, y, z and type"),
        ({"substrates": OXYGEN.replace("38.0", "much")}, "initial_condition: 'much' is not a finite number"),
        ({"definitions": ""}, "defines no cell type"),
        ({"more": "<broken>"}, "is no valid XML"),
        ({"more": "<!ENTITY x 'y'>"}, "declares a document type or entities"),
    ],
)
def test_a_project_that_cannot_be_read_is_refused(tmp_path: Path, change: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError) as caught:
        imported(tmp_path, **change)
    assert told in str(caught.value)


def test_a_folder_that_is_no_project_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has no config/PhysiCell_settings\.xml"):
        import_project(tmp_path, "made")
    with pytest.raises(InputError, match="is not there"):
        import_project(tmp_path / "nowhere", "made")
    (write_project(tmp_path / "project") / "config" / "cells.csv").unlink()
    with pytest.raises(InputError, match=r"the settings name 'cells\.csv' in '\./config'; .* is not there"):
        import_project(tmp_path / "project", "made")


needs_processes = pytest.mark.skipif(
    any(find_spec(f"twin_{name}") is None for name in ("exchange", "cycle", "volume", "death", "interactions")),
    reason="processes of tissues are not installed",
)


@needs_processes
@pytest.mark.parametrize(
    "project",
    [
        {"scattered": 3, "cells": None, "definitions": TUMOUR},
        {"rules": RULES},
        {"flat": True, "rules": RULES, "cells": None, "scattered": 4},
        {
            "definitions": TUMOUR + KILLER.replace(ATTACK, ""),
            "substrates": OXYGEN + OXYGEN.replace("oxygen", "chemokine"),
        },
        {"cells": "x,y,z,type\n"},
    ],
    ids=["template", "rules", "plane", "chemotaxis", "no cells"],
)
def test_an_imported_project_is_accepted_and_runs(tmp_path: Path, project: dict[str, Any]) -> None:
    assert {"exchange", "rules"} <= {entry.name for entry in registry.entries(registry.PLUGINS)}
    made = imported(tmp_path, **project)
    loaded, _ = check_file(written(tmp_path, made))
    world = prepare(loaded)
    body: Body = seed_body(world, 0)
    for _ in range(3):
        advance(world, body, 0)
    home = body.compartments["tissue"]
    assert np.isfinite(home.concentration).all()
    assert (home.concentration >= 0).all()
    assert np.isfinite(home.cells.position).all()
    assert ((home.cells.position >= 0) & (home.cells.position <= home.grid.size)).all()
