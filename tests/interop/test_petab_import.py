"""A PEtab problem as a scenario: what its run shows is what the problem's own simulation gives."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.interop.petab_problems import YAML, YAML_2, measured, write_problem
from tests.interop.sbml_models import event, renewal, sbml, species
from twin.engine.plan import check_file
from twin.engine.simulation import simulate as run
from twin.errors import InputError
from twin.interop.imported import Imported
from twin.interop.petab import load_problems, simulate
from twin.interop.petab.scenario import import_petab
from twin.interop.sbml import load_model
from twin.interop.sbml.written import with_values
from twin.results import open_run

pytest.importorskip("roadrunner")

PERIODS: dict[str, Any] = {
    "yaml": YAML_2,
    "model": renewal(make=2.0, lose=0.5),
    "parameters": [{"parameterId": "make", "nominalValue": 3.0}, {"parameterId": "few", "nominalValue": 1.5e-7}],
    "conditions": [
        {"conditionId": "rest", "targetId": "lose", "targetValue": "0.25"},
        {"conditionId": "fast", "targetId": "lose", "targetValue": "1"},
        {"conditionId": "stop", "targetId": "make", "targetValue": "few * 2"},
        {"conditionId": "dose", "targetId": "A", "targetValue": "A + 10"},
        {"conditionId": "feedback", "targetId": "make", "targetValue": "A"},
    ],
    "experiments": [
        {"experimentId": "held", "time": "-inf", "conditionId": "rest"},
        {"experimentId": "held", "time": 0, "conditionId": "fast"},
        {"experimentId": "held", "time": 1, "conditionId": "stop"},
        {"experimentId": "held", "time": 2.5, "conditionId": "rest"},
        {"experimentId": "plain one", "time": 0, "conditionId": ""},
        {"experimentId": "dosed", "time": 0, "conditionId": ""},
        {"experimentId": "dosed", "time": 1, "conditionId": "dose"},
        {"experimentId": "fed", "time": 0, "conditionId": ""},
        {"experimentId": "fed", "time": 1, "conditionId": "feedback"},
    ],
}
TIMES = (0.5, 1.5, 4.0)


def measurements(*experiments: str, times: tuple[float, ...] = TIMES) -> list[dict[str, object]]:
    return [
        {"observableId": "obs_a", "experimentId": e, "measurement": 0, "time": t} for e in experiments for t in times
    ]


def written(made: Imported, folder: Path) -> Path:
    for name, text in {"made.yaml": made.yaml(), **made.files}.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder / "made.yaml"


def test_a_run_of_the_scenario_is_the_simulation_of_the_problem(tmp_path: Path) -> None:
    file = write_problem(tmp_path, **PERIODS, measurements=measurements("held", "plain one"))
    made = import_petab(file, "made", "min")
    assert list(made.files) == ["made_held.xml", "made_plain_one.xml"]
    assert (made.document["tick"], made.document["duration"]) == ("30 s", "4 min")
    text = made.report.text()
    assert "From PEtab to twin: 4 carried over, 0 approximated, 1 not carried over." in text
    assert "| experiment held | steady state of 'rest', values of 'fast' from 0 on, values of 'stop' from 1 on" in text
    run(check_file(written(made, tmp_path))[0], tmp_path / "run")
    found = open_run(tmp_path / "run").readouts["column_mean"].sel(column="sbml_model_A")
    found = found.isel(replicate=0, compartment=0, cell_type=0)
    at = np.array(TIMES) / 60
    ours = [found.sel(experiment=name).sel(time=at, method="nearest").values for name in made.files]
    (problem,) = load_problems(file)
    assert np.concatenate(ours) == pytest.approx(simulate(problem), rel=1e-6)


def test_times_without_a_common_tick_are_approximated(tmp_path: Path) -> None:
    file = write_problem(tmp_path, **PERIODS, measurements=measurements("held", times=(0.1234567, 1.0, 4.0)))
    made = import_petab(file, "made", "h")
    assert (made.document["tick"], made.document["observe"]["every"]) == ("1 min", "1 min")
    assert [entry.what for entry in made.report.of("approximated")] == ["times of measurements"]
    check_file(written(made, tmp_path))


@pytest.mark.parametrize(
    ("problem", "unit", "told"),
    [
        ({}, None, "model.xml states no unit of time: give --time-unit, like min"),
        ({}, "nM", "--time-unit nM: '1 nM' is not a unit of time"),
        ({"yaml": YAML + YAML.partition("problems:\n")[2]}, "min", "lists 2 problems: import the files of one"),
        ({**PERIODS, "measurements": measurements("dosed")}, "min", "'A' is a species: a scenario can change param"),
        ({**PERIODS, "measurements": measurements("fed")}, "min", "'make' hangs on 'A', which moves: a scenario can"),
    ],
)
def test_what_cannot_be_a_scenario_is_told(
    problem: dict[str, Any], unit: str | None, told: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=told):
        import_petab(write_problem(tmp_path, **problem), "made", unit)


def test_models_with_events_are_the_plugins_to_refuse(tmp_path: Path) -> None:
    stops = sbml(
        species=species("A", 10.0),
        parameters={"k": 0.1},
        moving=("k",),
        events=event("stop", "<apply><gt/><ci>A</ci><cn>50</cn></apply>", "k", "0"),
    )
    file = write_problem(tmp_path, model=stops, measurements=[measured("obs_a", 1)])
    with pytest.raises(InputError, match="has events"):
        check_file(written(import_petab(file, "made", "h"), tmp_path))


def test_values_and_courses_are_written_into_the_file(tmp_path: Path) -> None:
    file = tmp_path / "model.xml"
    file.write_text(
        sbml(
            sizes={"c": 2.0},
            species=species("A") + species("N", 1.0, amount=True),
            parameters={"k": None, "x": 0.0, "z": 0.0},
            moving=("z",),
            initial={"A": "x"},
            rules="<assignmentRule variable='z'><math xmlns='http://www.w3.org/1998/Math/MathML'><ci>A</ci></math>"
            "</assignmentRule>",
        ),
        encoding="utf-8",
    )
    values = {"c": 3.0, "A": 4.0, "N": 5.0, "k": 1.0, "x": 6.0}
    text = with_values(file, values, {"k": [(0.0, 1.0), (2.0, 2.5e-9), (4.0, -3.0)]})
    model = load_model("made.xml", text=text)
    assert model.get(["c", "A", "N", "x", "z"]).tolist() == [3.0, 4.0, 5.0, 6.0, 4.0]
    assert model.simulate([0, 1.9, 2, 3.9, 4, 9], ["k"])[:, 0].tolist() == [1.0, 1.0, 2.5e-9, 2.5e-9, -3.0, -3.0]
