"""PEtab problems against analytic solutions: parameters, conditions, periods, observables; and what is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.interop.petab_problems import YAML, YAML_2, Rows, measured, write_problem
from tests.interop.sbml_models import apply, decay, reaction, renewal, sbml, species
from twin.errors import InputError
from twin.interop.petab import load_problems, simulate

pytest.importorskip("roadrunner")

K = 0.1


def simulated(folder: Path, **problem: Any) -> list[float]:
    (read,) = load_problems(write_problem(folder, **problem))
    return [float(value) for value in simulate(read)]


def test_the_nominal_value_is_linear_whatever_the_scale(tmp_path: Path) -> None:
    found = simulated(tmp_path, measurements=[measured("obs_a", t) for t in (10, 0, 5)])
    assert found == pytest.approx(10 * np.exp(-K * np.array([10, 0, 5])), rel=1e-8)


def test_observables_have_placeholders_and_are_linear_even_under_a_logarithm(tmp_path: Path) -> None:
    formula = "observableParameter1_o + observableParameter2_o * B / (A + B) + late * time"
    found = simulated(
        tmp_path,
        parameters=[
            {"parameterId": "k", "nominalValue": K},
            {"parameterId": "offset", "nominalValue": 2.0},
            {"parameterId": "late", "nominalValue": 100.0},
        ],
        observables=[{"observableId": "o", "observableFormula": formula, "observableTransformation": "log10"}],
        measurements=[
            measured("o", 10, observableParameters="offset;3.0"),
            measured("o", 10, observableParameters="0.5; offset"),
        ],
    )
    part = 1 - np.exp(-1.0)
    assert found == pytest.approx([2 + 3 * part + 1000, 0.5 + 2 * part + 1000], rel=1e-9)


def test_conditions_set_parameters_species_and_sizes_by_numbers_and_by_names(tmp_path: Path) -> None:
    found = simulated(
        tmp_path,
        model=sbml(
            sizes={"c": 1.0},
            species=species("A", 10.0) + species("N", 8.0, amount=True),
            parameters={"k": 9.0, "fixed": 0.5},
            reactions=reaction("r", apply("times", "c", "k", "A"), uses="A")
            + reaction("s", apply("times", "k", "N"), uses="N"),
        ),
        parameters=[{"parameterId": "slow", "nominalValue": 0.01}, {"parameterId": "half", "nominalValue": 0.5}],
        observables=[{"observableId": f"obs_{q}", "observableFormula": q} for q in "ANck"],
        conditions=[
            {"conditionId": "first", "conditionName": "of two", "k": "slow", "A": 4, "N": "half", "c": 2},
            {"conditionId": "second", "k": 0.2, "A": "NaN", "N": "", "c": 1},
        ],
        measurements=[measured(f"obs_{q}", 5, c) for c in ("first", "second") for q in "ANck"],
    )
    first, second = np.exp(-0.05), np.exp(-1.0)
    assert found == pytest.approx([4 * first, 0.5 * first, 2, 0.01, 10 * second, 8 * second, 1, 0.2], rel=1e-8)


def test_before_the_experiment_is_the_steady_state_of_another_condition(tmp_path: Path) -> None:
    found = simulated(
        tmp_path,
        model=renewal(make=2.0, lose=0.5),
        parameters=[{"parameterId": "make", "nominalValue": 3.0}],
        conditions=[
            {"conditionId": "before", "lose": 0.25, "A": 1},
            {"conditionId": "keep", "lose": 1.0, "A": "NaN"},
            {"conditionId": "own", "lose": "NaN", "A": 5},
        ],
        measurements=[
            measured("obs_a", t, c, preequilibrationConditionId="before")
            for t, c in ((0, "keep"), (2, "keep"), (0, "own"), (2, "own"), ("inf", "keep"))
        ],
    )
    kept = 3 + (12 - 3) * np.exp(-2.0)  # it begins at 3/0.25 = 12 and goes to 3/1
    own = 6 + (5 - 6) * np.exp(-1.0)  # lose is the file's 0.5 again
    assert found == pytest.approx([12, kept, 5, own, 3], rel=1e-7)


def test_version_2_has_periods(tmp_path: Path) -> None:
    found = simulated(
        tmp_path,
        yaml=YAML_2,
        model=renewal(make=2.0, lose=0.5),
        parameters=[{"parameterId": "more", "nominalValue": 4.0}],
        conditions=[
            {"conditionId": "rest", "targetId": "lose", "targetValue": "0.25"},
            {"conditionId": "fast", "targetId": "lose", "targetValue": "0.25 * more"},
            {"conditionId": "dose", "targetId": "A", "targetValue": "A + 10"},
        ],
        experiments=[
            {"experimentId": "e", "time": "-inf", "conditionId": "rest"},
            {"experimentId": "e", "time": 0, "conditionId": "fast"},
            {"experimentId": "e", "time": 1, "conditionId": "dose"},
            {"experimentId": "e", "time": 3, "conditionId": ""},
        ],
        observables=[
            {"observableId": "o", "observableFormula": "gain * A", "observablePlaceholders": "gain"},
        ],
        measurements=[
            {"observableId": "o", "experimentId": e, "measurement": 0, "time": t, "observableParameters": g}
            for e, t, g in (("e", 0, 1), ("e", 0.5, "more"), ("e", 1, 1), ("e", 4, 1), ("", 2, 1))
        ],
    )
    at_1 = 2 + 6 * np.exp(-1.0) + 10  # a measurement at the border sees the new period
    at_4 = 2 + (at_1 - 2) * np.exp(-3.0)
    alone = 4 * (1 - np.exp(-1.0))  # no experiment: the model as it is
    assert found == pytest.approx([8, 4 * (2 + 6 * np.exp(-0.5)), at_1, at_4, alone], rel=1e-7)


def test_a_file_may_list_several_problems(tmp_path: Path) -> None:
    part = YAML.partition("problems:\n")[2]
    first, second = load_problems(write_problem(tmp_path, yaml=YAML + part.replace("model.xml", "other.xml")))
    assert (first.model.name, second.model.name) == ("model.xml", "other.xml")


OBSERVED: Rows = [{"observableId": "o", "observableFormula": "A * s"}]
FAULTS: dict[str, dict[str, Any]] = {
    "problem.yaml lists no problem": {"yaml": "format_version: 1\nproblems: []\n"},
    "problem.yaml is no PEtab problem: it holds no format_version": {"yaml": "name: a scenario\n"},
    "problem.yaml is no valid YAML": {"yaml": "a: [1\n"},
    "says format_version '3': versions 1 and 2": {"yaml": "format_version: '3'\n"},
    "observable_files is missing": {"yaml": YAML.replace("  observable_files: [observables.tsv]\n", "")},
    "none.tsv cannot be read: No such file": {"yaml": YAML.replace("observables.tsv", "none.tsv")},
    "none.xml cannot be read: No such file": {"yaml": YAML.replace("model.xml", "none.xml")},
    "at most one is read": {"yaml": YAML.replace("[model.xml]", "[model.xml, other.xml]")},
    "model 'made' is in 'pysb', models in 'sbml' are read": {"yaml": YAML_2.replace("sbml", "pysb")},
    r"measurements.tsv, line 2: no observable is called 'obs_b'; did you mean obs_a": {
        "measurements": [measured("obs_b", 1)]
    },
    r"measurements.tsv, line 3: no condition is called 'plan'; did you mean plain": {
        "measurements": [measured("obs_a", 1), measured("obs_a", 1, "plan")]
    },
    r"measurements.tsv, line 2: time is '1 h', a number should stand there": {
        "measurements": [measured("obs_a", "1 h")]
    },
    r"measurements.tsv, line 2: time is empty": {"measurements": [measured("obs_a", "")]},
    r"measurements.tsv, line 2: time is -1, measurements are not before 0": {"measurements": [measured("obs_a", -1)]},
    r"measurements.tsv has no column simulationConditionId": {
        "measurements": [{"observableId": "obs_a", "measurement": 1, "time": 1}]
    },
    r"observableParameters has 2 entries, 'obs_a' takes 0": {
        "measurements": [measured("obs_a", 1, observableParameters="1;2")]
    },
    r"observables.tsv, line 2, observableFormula: 'A \*' ends where a number": {
        "observables": [{"observableId": "obs_a", "observableFormula": "A *"}]
    },
    r"observables.tsv, line 2: no parameter or quantity of the model is called 's'": {
        "observables": OBSERVED,
        "measurements": [measured("o", 1)],
    },
    r"parameters.tsv, line 3: parameter 's' has no nominalValue, and .*observables.tsv, line 2 needs one": {
        "parameters": [{"parameterId": "k", "nominalValue": 1}, {"parameterId": "s", "nominalValue": ""}],
        "observables": OBSERVED,
        "measurements": [measured("o", 1)],
    },
    r"conditions.tsv, line 2, kk: in .*model.xml no parameter, species or compartment is called 'kk'": {
        "conditions": [{"conditionId": "plain", "kk": 1}]
    },
    r"conditions.tsv, line 2, k: no parameter or quantity of the model is called 'unheard'": {
        "conditions": [{"conditionId": "plain", "k": "unheard"}]
    },
    r"conditions.tsv, line 3: conditionId 'plain' is there already, in line 2": {
        "conditions": [{"conditionId": "plain"}, {"conditionId": "plain"}]
    },
    r"parameters.tsv, line 2: nominalValue is 'fast'": {"parameters": [{"parameterId": "k", "nominalValue": "fast"}]},
    r"model.xml, reaction 'r': fast reactions are not supported": {
        "model": sbml(species=species("A"), reactions=reaction("r", "1", makes="A", fast=True))
    },
    r"model.xml: 'r' is computed by a rate law": {"conditions": [{"conditionId": "plain", "r": 1}]},
    r"model.xml: parameter 'k' has no value, give it one": {
        "model": decay(k=None),
        "parameters": [{"parameterId": "z"}],
    },
}


@pytest.mark.parametrize("told", FAULTS)
def test_bad_problems_are_told_in_one_sentence(told: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=told) as refused:
        simulated(tmp_path, **FAULTS[told])
    assert "\n" not in str(refused.value)
