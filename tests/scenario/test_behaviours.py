"""The dictionary of behaviours, and the base values of cell types."""

import numpy as np
import pytest

from twin.conformance.trial import make_scenario, make_view
from twin.scenario.behaviours import Behaviours, base_faults, behaviours_of, entry, value_of, vocabulary, word_fault

TYPES = ("T cell", "tumour")


def test_a_word_with_a_name_in_it_is_found() -> None:
    assert entry("oxygen uptake").word == "{substance} uptake"
    assert entry("oxygen secretion target").word == "{substance} secretion target"
    assert entry("adhesive affinity to T cell").word == "adhesive affinity to {type}"
    assert entry("exit from cycle phase 2").default == 0.0
    with pytest.raises(KeyError):
        entry("apoptosys")


def test_physicells_dictionary_of_one_type_and_one_substance_is_there() -> None:
    words = vocabulary(["oxygen"], ["default"])
    assert {"oxygen secretion", "oxygen export", "attack default", "is_movable", "cell-BM repulsion"} <= set(words)
    assert len(words) == len(set(words)) >= 41


def test_an_unknown_word_is_told_with_the_nearest() -> None:
    assert word_fault("oxygen uptake", ["oxygen"], TYPES) is None
    assert word_fault("custom:memory", [], TYPES) is None
    told = word_fault("glucose uptake", ["oxygen"], TYPES)
    assert told is not None
    assert "oxygen uptake" in told


def test_values_have_units_and_hold_by_type() -> None:
    scenario = make_scenario(
        cell_types={
            "default": {"apoptosis": "0.06 /h", "migration bias": 0.5},
            "T cell": {"apoptosis": "0.002 /min", "migration speed": "1 um/min", "IFNB1 secretion target": "2 nM"},
        }
    )
    found = behaviours_of(scenario)
    np.testing.assert_allclose(found.base("apoptosis", TYPES), [0.12, 0.06])
    np.testing.assert_allclose(found.base("migration speed", TYPES), [60.0, 0.0])
    np.testing.assert_allclose(found.base("migration speed", TYPES, default=6.0), [60.0, 6.0])
    np.testing.assert_allclose(found.base("IFNB1 secretion target", TYPES), [2.0, 0.0])
    assert found.names("{substance} secretion target") == ("IFNB1",)
    assert not list(base_faults(scenario, TYPES))


def test_each_wrong_value_is_told_at_its_place() -> None:
    scenario = make_scenario(
        cell_types={"T cell": {"apoptosis": 0.1, "migration bias": "half", "migraton speed": "1 um/min"}}
    )
    told = dict(base_faults(scenario, TYPES))
    assert "write a number and a unit" in told["cell_types", "T cell", "apoptosis"]
    assert "plain number" in told["cell_types", "T cell", "migration bias"]
    assert "migration speed" in told["cell_types", "T cell", "migraton speed"]
    assert not behaviours_of(scenario).given  # nobody who asks before the faults are told stumbles over them


def test_millimetres_of_mercury_need_a_solubility() -> None:
    gas = {"oxygen": {"diffusivity": "1e5 um^2/min", "solubility": "1.3 uM/mmHg"}}
    scenario = make_scenario(substances=gas, signalling={})
    assert value_of("oxygen secretion target", "38 mmHg", scenario) == pytest.approx(38 * 1300.0)
    dry = make_scenario(substances={"oxygen": {"diffusivity": "1e5 um^2/min"}})
    with pytest.raises(ValueError, match="needs the solubility of oxygen"):
        value_of("oxygen secretion target", "38 mmHg", dry)


def test_a_view_adds_what_rules_shift() -> None:
    rule = {
        "cell_type": "T cell",
        "signal": "IFNB1",
        "response": "increases",
        "behaviour": "apoptosis",
        "saturation": "1 /h",
        "half_max": "1 nM",
    }
    scenario = make_scenario(cell_types={"default": {"apoptosis": "0.5 /h"}}, rules=[rule])
    view = make_view(scenario, rates={"behaviour": np.array([[0.1], [0.0], [0.2]])}, types=(0, 0, 1))
    np.testing.assert_allclose(view.behaviour("apoptosis"), [0.6, 0.5, 0.7])
    np.testing.assert_allclose(view.behaviour("necrosis"), 0.0)
    assert isinstance(view.behaviours, Behaviours)
    assert view.behaviours.ruled == ("apoptosis",)
