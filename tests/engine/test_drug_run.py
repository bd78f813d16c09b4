"""Drugs in whole runs: from a dose to the genes of the cells, by schedule and by what is seen; and what is refused."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from twin.engine.identity import record_of
from twin.engine.loop import segment_ends
from twin.engine.observe import layout_of
from twin.engine.plan import check_file
from twin.engine.segments import jobs_of, segment
from twin.engine.simulation import ready, simulate
from twin.errors import ScenarioError
from twin.results import Run, create_run, differences, open_run

DRUG = {"from_table": "dexamethasone", "oral": {"lag": "20 min"}}
DOSE = {"do": "dose", "drug": "dexamethasone", "route": "oral", "amount": "6 mg"}
DISH: dict[str, Any] = {
    "name": "drug",
    "duration": "6 h",
    "tick": "30 min",
    "world_model": {"name": "none"},
    "subject": {"body_weight": "70 kg"},
    "drugs": {"dexamethasone": DRUG},
    "compartments": {
        "dish": {
            "box": ["60 um", "60 um", "60 um"],
            "spacing": "20 um",
            "cells": {"source": "model", "count": 10, "composition": {"tumour": 1}},
        }
    },
    "substances": {"dexamethasone": {"from_table": "dexamethasone"}},
    "processes": {"pharmacokinetics": {}, "diffusion": {}},
    "timeline": [{**DOSE, "at": "1 h"}],
    "observe": {"every": "1 h", "cells_every": "6 h"},
    "execution": {"commit_every": "6 h"},
}


def write(folder: Path, **changes: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "drug.yaml"
    file.write_text(json.dumps({**DISH, **changes}, indent=1))
    return file


def run(folder: Path, **changes: Any) -> Run:
    loaded, _ = check_file(write(folder, **changes))
    simulate(loaded, folder / "run")
    return open_run(folder / "run")


def levels(data: Run, name: str = "plasma_free", **where: Any) -> np.ndarray:
    values = data.readouts[name].isel(replicate=0).sel(drug="dexamethasone", **where)
    return np.asarray(values, dtype=np.float64)


def test_levels_and_amounts_are_readouts_and_nothing_is_lost(tmp_path: Path) -> None:
    data = run(tmp_path)
    amounts = levels(data, "drug_amount")
    given = levels(data, "drug_given")
    np.testing.assert_allclose(amounts.sum(axis=-1), given, rtol=1e-10)
    assert given[-1] == pytest.approx(6.0 / 392.46 * 1e6)  # nmol
    np.testing.assert_allclose(levels(data), 0.32 * levels(data, "plasma"), rtol=1e-12)
    field = data.readouts["concentration_mean"].isel(replicate=0, compartment=0, substance=0).values
    late = np.asarray(data.readouts["time"].values) > 4
    np.testing.assert_allclose(field[late], levels(data)[late], rtol=0.1)  # minutes behind plasma
    assert "dexamethasone: 392.46 g/mol (recalled" in " ".join(data.attrs["assumptions"])
    assert data.attrs["exposure_start_h"] == 1.0


def test_branches_are_schedules_of_one_past(tmp_path: Path) -> None:
    two = {"timeline": [{**DOSE, "at": "2 h", "every": "1.5 h", "until": "5 h"}]}
    drip = {"timeline": [{**DOSE, "at": "2 h", "route": "infusion", "duration": "100 min"}]}
    data = run(tmp_path, timeline=[], branches={"tablets": two, "drip": drip})
    assert not levels(data, branch="trunk").any()
    given = {branch: levels(data, "drug_given", branch=branch)[-1] for branch in ("tablets", "drip")}
    assert given["tablets"] == pytest.approx(3 * given["drip"])
    assert levels(data, branch="drip")[:3].max() == 0.0
    top = int(np.argmax(levels(data, branch="drip")))
    assert data.readouts["time"].values[top] == 4.0  # it ends at 3:40


def test_a_dose_can_wait_for_the_level_in_plasma_and_a_resumed_run_gives_the_same(tmp_path: Path) -> None:
    again = {**DOSE, "when": {"condition": "free < 25 nM", "again": "while", "refractory": "2 h"}}
    changes: dict[str, Any] = {
        "timeline": [again],
        "observe": {"every": "30 min", "cells_every": "6 h", "quantities": {"free": "plasma_free(dexamethasone)"}},
        "execution": {"commit_every": "3 h"},
    }
    whole = run(tmp_path / "whole", **changes)
    doses = [entry["time"] for entry in whole.log() if entry["what"] == "dose"]
    assert doses[0] == 0.0
    assert len(doses) >= 2
    at = dict(zip(whole.readouts["time"].values.tolist(), levels(whole), strict=True))
    assert all(at[t] < 25 for t in doses)
    np.testing.assert_array_equal(whole.readouts["free"].isel(replicate=0).values, levels(whole))

    loaded, plan = check_file(write(tmp_path / "part", **changes))
    plans, out = ready(loaded), tmp_path / "part" / "run"
    create_run(out, record_of(plan, plans.world), layout_of(plans.world), plans.futures.ensemble, ["dish"])
    segment(loaded, out, jobs_of(plans.futures.ensemble)[0], segment_ends(plans.world)[0])
    simulate(loaded, out, resume=True)
    assert differences(whole.path, out) == []


def test_in_a_network_of_organs_blood_is_the_plasma_and_no_drug_is_lost(tmp_path: Path) -> None:
    organs = {
        "volumes": {"dish": "20 L"},
        "flows": [{"from": "blood", "to": "dish", "flow": "60 L/h"}, {"from": "dish", "to": "blood", "flow": "60 L/h"}],
    }
    data = run(
        tmp_path,
        compartments={**DISH["compartments"], "blood": {"volume": "5 L"}},
        drugs={"dexamethasone": {**DRUG, "into": "blood"}},
        organs=organs,
        processes={"pharmacokinetics": {}, "transport": {}},
        timeline=[{**DOSE, "at": "1 h"}, {**DOSE, "at": "2 h", "route": "bolus"}],
    )
    field = data.readouts["concentration_mean"].isel(replicate=0, substance=0)
    held = 20.0 * field.sel(compartment="dish").values + 5.0 * field.sel(compartment="blood").values  # nmol
    outside = levels(data, "drug_amount").sum(axis=-1) - levels(data, "drug_amount", drug_site="central")
    np.testing.assert_allclose(held + outside, levels(data, "drug_given"), rtol=1e-10)
    assert held[-1] > 0.05 * levels(data, "drug_given")[-1]
    ratio = field.sel(compartment="dish").values[-1] / field.sel(compartment="blood").values[-1]
    assert 1.0 < ratio < 1.5  # washed out of tissue as blood is cleared
    told = " ".join(data.attrs["assumptions"])
    assert "blood is its plasma" in told
    assert "take turns in each tick, in which 79 % of what plasma holds is cleared" in told  # 15.5 L/h of 5 L, 0.5 h


def test_a_tissue_with_vessels_comes_to_the_free_level(tmp_path: Path) -> None:
    slab = {
        "slab": {
            "box": ["120 um", "40 um", "120 um"],
            "spacing": "10 um",
            "cells": {
                "source": "vessel_slab",
                "cells": {"tumour": 1.0},
                "endothelium": {"endothelial": 1.0},
                "packing": 0.3,
            },
        }
    }
    drip = {**DOSE, "at": "0 h", "route": "infusion", "duration": "24 h", "amount": "24 mg"}
    quick = {**DRUG, "clearance": "100 L/h", "equilibration": "1 min"}
    types: dict[str, Any] = {"tumour": {}, "endothelial": {}}
    data = run(tmp_path, compartments=slab, drugs={"dexamethasone": quick}, timeline=[drip], cell_types=types)
    field = data.fields()["concentration"].isel(time=-1, substance=0).values
    np.testing.assert_allclose(field, levels(data)[-1], rtol=0.01)


@pytest.mark.slow
def test_interferon_under_the_skin_turns_on_interferon_genes(tmp_path: Path) -> None:
    """44 µg of interferon beta: picomoles per litre in plasma, near the model's EC50 of 2 pM, answered within hours."""
    changes: dict[str, Any] = {
        "world_model": {"name": "default"},
        "tick": "1 h",
        "duration": "6 h",
        "drugs": {"interferon-beta-1a": {"from_table": "interferon-beta-1a", "substance": "IFNB1"}},
        "substances": {"IFNB1": {"from_table": "IFNB1"}},
        "compartments": {
            "node": {
                "box": ["60 um", "60 um", "40 um"],
                "cells": {"source": "model", "count": 40, "composition": {"CD14 Mono": 1}},
            }
        },
        "signalling": {"reception": [{"substance": "IFNB1", "perturbation": "IFNB1"}]},
        "processes": {name: {} for name in ("pharmacokinetics", "diffusion", "exposure", "transition")},
        "timeline": [],
        "branches": {
            "injected": {
                "timeline": [
                    {
                        "do": "dose",
                        "drug": "interferon-beta-1a",
                        "route": "subcutaneous",
                        "amount": "12 MU",
                        "at": "0 h",
                    }
                ]
            }
        },
        "observe": {
            "every": "1 h",
            "cells_every": "6 h",
            "programs": {"interferon": ["ISG15", "IFI6", "ISG20", "IFIT1", "IFIT3", "MX1", "LY6E"]},
            "response": {"program": "interferon", "perturbation": "IFNB1"},
        },
    }
    data = run(tmp_path, **changes).readouts.isel(replicate=0)
    plasma = data["plasma"].sel(drug="interferon-beta-1a", branch="injected").values
    assert 0.3e-3 < plasma.max() < 3e-3  # nM; 5 U/mL after 60 µg is 0.8 pM, recalled of a label
    field = data["concentration_mean"].sel(branch="injected", substance="IFNB1").values.ravel()
    assert 0.5 * plasma[-1] < field[-1] <= plasma.max()
    response = data["response_by_type"].isel(time=-1).sel(branch=["trunk", "injected"]).values.ravel()
    assert response[1] > response[0] + 0.15


FAULTS: list[tuple[dict[str, Any], str, str]] = [
    (
        {"drugs": {"dexamethasone": {}}},
        "drugs.dexamethasone",
        "lacks molar_mass, fraction_unbound, clearance, volume: write them, or from_table with a drug",
    ),
    (
        {"drugs": {"dexamethasone": {"from_table": "dexametasone"}}},
        "drugs.dexamethasone",
        "no drug of the built-in table is called 'dexametasone'; did you mean dexamethasone?",
    ),
    (
        {"drugs": {"dexamethasone": {**DRUG, "clearance": "15"}}},
        "drugs.dexamethasone.clearance",
        "15 is not a clearance of a body: write a number and a unit, like '15 L/h'",
    ),
    ({"subject": {}}, "drugs.dexamethasone.clearance", "needs the weight of the body"),
    ({"timeline": [{**DOSE, "at": "1.2 h"}]}, "timeline[0].at", "1.2 h is no multiple of the tick 0.5 h"),
    ({"timeline": [{**DOSE, "at": "1 h", "drug": "dexa"}]}, "timeline[0].drug", "no drug is called 'dexa'"),
    ({"timeline": [{**DOSE, "at": "1 h", "amount": "6"}]}, "timeline[0].amount", "6 is not a dose of a drug"),
    (
        {"timeline": [{**DOSE, "at": "1 h", "route": "infusion"}]},
        "timeline[0]",
        "an infusion has a duration, like '1 h', and no other route has one",
    ),
    (
        {"timeline": [{**DOSE, "at": "1 h", "compartment": "dish"}]},
        "timeline[0]",
        "a dose is given to the whole body: leave compartment out",
    ),
    (
        {"timeline": [{**DOSE, "at": "1 h", "route": "subcutaneous"}]},
        "timeline[0].route",
        "how dexamethasone is absorbed is not known: add subcutaneous:",
    ),
    ({"processes": {"diffusion": {}}}, "drugs", "no process takes drugs through the body; add one, like"),
    (
        {"observe": {"quantities": {"level": "plasma(dexa)"}}},
        "observe.quantities.level",
        "no drug is called 'dexa'; known: dexamethasone",
    ),
]


@pytest.mark.parametrize(("changes", "key", "told"), FAULTS, ids=[told[:40] for _, _, told in FAULTS])
def test_what_cannot_be_is_told_once_at_its_line(tmp_path: Path, changes: dict[str, Any], key: str, told: str) -> None:
    file = write(tmp_path, **changes)
    with pytest.raises(ScenarioError) as caught:
        check_file(file)
    (fault,) = caught.value.faults
    assert (fault.key, told in fault.message) == (key, True), fault
    assert fault.line is not None
    line = file.read_text().splitlines()[fault.line - 1]
    assert any(word in line for word in re.findall(r"\w+", key)) or (key, line.strip()) == ("timeline[0]", "{")
