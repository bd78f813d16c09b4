"""The process `rules`: every signal, how rules join, the dead, and what is refused."""

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.typing import NDArray
from twin_rules import Rules

from twin.conformance import check_process
from twin.conformance.trial import UniformModel, make_scenario, make_view
from twin.kernels.exposure import sample_field
from twin.process import BEHAVIOUR, Rate, View
from twin.scenario.rules import rule_faults
from twin.scenario.schema import Scenario

TYPES = UniformModel().contexts
GAS = {"oxygen": {"diffusivity": "1e5 um^2/min", "solubility": "1.3 uM/mmHg"}}
BASE = {"default": {"custom:mood": 2.0}, "T cell": {"apoptosis": "0.01 /min", "migration speed": "1 um/min"}}


def rule(signal: str, response: str = "increases", **more: Any) -> dict[str, Any]:
    usual = {"cell_type": "T cell", "behaviour": "apoptosis", "saturation": "0.1 /min", "half_max": 1.0, "power": 2}
    return {**usual, "signal": signal, "response": response, **more}


def scenario_of(*rules: dict[str, Any], **sections: Any) -> Scenario:
    usual = {"substances": GAS, "cell_types": BASE, "processes": {"rules": {}}}
    return make_scenario(rules=list(rules), **{**usual, **sections})


def shift(view: View, **config: Any) -> NDArray[np.float64]:
    (update,) = Rules(Rules.Config(**config)).step(view, 0.1)
    assert isinstance(update, Rate)
    assert update.port == BEHAVIOUR
    return update.value


def heard(signal: str, scenario: Scenario | None = None, half: Any = 1.0, **view: Any) -> list[float]:
    """Return what cells hear of a signal, in half-maxes, from a rule of power 1 between 0 and 1."""
    asked = rule(signal, behaviour="custom:heard", saturation=1.0, half_max=half, power=1, applies_to_dead=True)
    sections = {} if scenario is None else {"observe": scenario.observe.model_dump(include={"programs"})}
    config = view.pop("config", {})
    made = make_view(scenario_of(asked, **sections), **{"types": (0, 0, 0), **view})
    value = shift(made, **config)[:, 0]
    return [round(float(v), 9) for v in value / (1 - value)]


ALIVE: dict[str, Any] = {"alive": np.array([True, False, False])}
DIED: dict[str, Any] = {
    "extra": {"death_phase": np.array([0.0, 1.0, 2.0])},
    **ALIVE,
}  # apoptosis in the middle, necrosis at the end


@pytest.mark.parametrize(
    ("signal", "half", "view", "expected"),
    [
        ("oxygen", "2 mmHg", {"concentration": 2600.0}, [1, 1, 1]),
        ("oxygen gradient", "1 nM/um", {"concentration": 2600.0}, [0, 0, 0]),
        ("pressure", 2.0, {"extra": {"pressure": np.array([1.0, 2, 0])}}, [0.5, 1, 0]),
        ("volume", f"{4 / 3 * np.pi * 64:.15g} um^3", {}, [1, 1, 1]),
        ("time", "30 min", {"tick": 3}, [3, 3, 3]),
        ("dead", 1.0, ALIVE, [0, 1, 1]),
        ("apoptotic", 1.0, DIED, [0, 1, 0]),
        ("necrotic", 1.0, DIED, [0, 0, 1]),
        ("contact with T cell", 1.0, {}, [1, 2, 1]),
        ("contact with T cell", 1.0, {"types": (0, 1, 0)}, [0, 0]),
        ("contact with Monocyte", 1.0, {"types": (0, 1, 0)}, [1, 1]),
        ("contact with live cell", 1.0, ALIVE, [0, 1, 0]),
        ("contact with dead cell", 1.0, ALIVE, [1, 1, 1]),
        ("contact with apoptotic cell", 1.0, DIED, [1, 0, 1]),
        ("contact with necrotic cell", 1.0, DIED, [0, 1, 0]),
        ("contact with other dead cell", 1.0, DIED, [0, 0, 0]),
        ("damage", 4.0, {"extra": {"damage": np.array([1.0, 2, 8])}}, [0.25, 0.5, 2]),
        ("total attack time", "30 min", {"extra": {"attack_time": np.array([1.0, 0, 2])}}, [2, 0, 4]),
        ("custom:mood", 4.0, {}, [0.5, 0.5, 0.5]),
        ("gene:ISG15", 1000.0, {}, [2, 2, 2]),  # 10,000 counts over five genes
        ("gene:ISG15", 1000.0, {"clamp": {(0, 3): 0.0}}, [0, 2, 2]),
        ("gene:ISG15", 1000.0, {"config": {"genes": "count"}}, [2, 2, 2]),
    ],
)
def test_each_signal_is_heard(signal: str, half: Any, view: dict[str, Any], expected: list[float]) -> None:
    value = heard(signal, half=half, **view)
    rows = [i for i, t in enumerate(view.get("types", (0, 0, 0))) if t == 0]
    np.testing.assert_allclose([value[i] for i in rows], expected, rtol=1e-6)


def test_a_gene_that_a_latent_hides_is_floored_by_its_type() -> None:
    class Hiding(UniformModel):
        def expected(self, z: Any, condition: Any, genes: Any) -> Any:
            return super().expected(z, condition, genes) * (np.abs(z).sum(axis=1) == 0)[:, None]

    z = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]], np.float32)
    assert heard("gene:ISG15", half=1000.0, model=Hiding(), z=z) == [2, 2, 2]


def test_a_program_is_the_mean_log_of_its_genes() -> None:
    programs = make_scenario(observe={"programs": {"interferon": ["ISG15", "IFNB1"]}})
    model = UniformModel(rates={("T cell", "ISG15"): 9.0, ("T cell", "IFNB1"): 0.0})
    value = heard("program:interferon", programs, half=1.0, model=model)
    np.testing.assert_allclose(value, np.log(10) / 2)


def test_a_slope_is_heard_as_its_steepness() -> None:
    x = np.arange(5) * 10.0 + 5.0  # µm, voxel centres
    y = np.arange(4) * 10.0 + 5.0
    field = np.broadcast_to(3.0 * x + 4.0 * y[:, None], (1, 3, 4, 5))
    np.testing.assert_allclose(heard("oxygen gradient", half="10 nM/um", concentration=field), 0.5)


def test_rules_that_raise_and_one_that_lowers_join_as_in_the_paper() -> None:
    scenario = scenario_of(
        rule("damage", half_max=2.0, power=2),
        rule("pressure", half_max=1.0, power=1),
        rule("oxygen", "decreases", saturation="0 /min", half_max="10 mmHg", power=4),
    )
    extra = {"damage": np.array([0.0, 1, 2, 0]), "pressure": np.array([0.0, 1, 0, 5])}
    oxygen = np.full((1, 3, 4, 5), 13_000.0)  # 10 mmHg
    view = make_view(scenario, types=(0, 0, 0, 1), extra=extra, concentration=oxygen)
    up = np.array([0.0, 1.25 / 2.25, 0.5])
    expected = 60 * ((0.01 + 0.09 * up) * 0.5 - 0.01)  # 1/h
    np.testing.assert_allclose(shift(view)[:, 0], [*expected, 0.0])  # the monocyte has no rule


def test_of_several_saturations_the_furthest_holds_and_is_told() -> None:
    scenario = scenario_of(rule("damage"), rule("pressure", saturation="0.3 /min"))
    extra = {"damage": np.full(3, 1e9), "pressure": np.zeros(3)}
    value = shift(make_view(scenario, types=(0, 0, 0), extra=extra))
    np.testing.assert_allclose(value, 60 * 0.29)
    told = Rules.made_for(Rules.Config(), scenario).assumptions(scenario, UniformModel())
    assert told == ["rules raise 'apoptosis' of T cell to several values; the largest holds, as in PhysiCell 1.14"]


def test_a_dead_cell_hears_only_what_applies_to_the_dead() -> None:
    loud: dict[str, Any] = {
        "extra": {"damage": np.full(3, 1.0), "pressure": np.full(3, 1.0)},
        "types": (0, 0, 0),
        **ALIVE,
    }
    deaf = scenario_of(rule("damage", power=1))
    np.testing.assert_allclose(shift(make_view(deaf, **loud))[:, 0], [60 * 0.045, 0, 0])
    one = scenario_of(rule("damage", power=1, applies_to_dead=True), rule("pressure", power=1))
    both, dead = 60 * 0.09 * 2 / 3, 60 * 0.045
    np.testing.assert_allclose(shift(make_view(one, **loud))[:, 0], [both, dead, dead])


def test_a_ruled_behaviour_reaches_who_asks_the_view() -> None:
    scenario = scenario_of(rule("damage", behaviour="migration speed", saturation="3 um/min", power=1))
    view = make_view(scenario, types=(0, 1), extra={"damage": np.ones(2)})
    moved = make_view(scenario, types=(0, 1), rates={"behaviour": shift(view)})
    np.testing.assert_allclose(moved.behaviour("migration speed"), [120.0, 0.0])


def test_the_contract_is_kept_with_every_kind_of_signal() -> None:
    words = ("damage", "pressure", "contact with Monocyte", "contact with necrotic cell", "gene:ISG15", "custom:mood")
    more = [rule("oxygen", "decreases", half_max="1 mmHg"), rule("time", half_max="1 h"), rule("program:all")]
    scenario = scenario_of(*(rule(word) for word in words), *more, observe={"programs": {"all": ["ISG15", "CD3D"]}})
    assert check_process(Rules, scenario=scenario) == []
    assert check_process(Rules, {"genes": "count"}, scenario=scenario) == []
    reads = {port.name for port in Rules.made_for(Rules.Config(), scenario).reads}
    assert {"damage", "pressure", "contacts", "z", "concentration", "behaviour", "death_phase"} <= reads
    assert "expression" not in reads


@pytest.mark.parametrize(
    ("wrong", "place", "told"),
    [
        (rule("oxygne", half_max="1 mmHg"), "signal", "did you mean oxygen"),
        (rule("contact with Tcell"), "signal", "did you mean contact with T cell"),
        (rule("program:hypoxia"), "signal", "no program under observe.programs is called 'hypoxia'"),
        (rule("custom:moood"), "signal", "no cell type has a 'custom:moood'"),
        (rule("damage", behaviour="apoptosys"), "behaviour", "did you mean apoptosis"),
        (rule("damage", saturation=0.1), "saturation", "write a number and a unit"),
        (rule("damage", saturation="-1 /min"), "saturation", "is below what is possible"),
        (rule("damage", half_max="1 h"), "half_max", "write a plain number"),
        (rule("damage", half_max=0.0), "half_max", "is not above 0"),
        (rule("oxygen", half_max=5.0), "half_max", "is not a concentration"),
        (rule("oxygen gradient", half_max="5 mmHg"), "half_max", "is not a gradient"),
        (rule("time", half_max="5 um"), "half_max", "is not a time"),
    ],
)
def test_what_is_wrong_with_a_rule_is_told_at_its_key(wrong: dict[str, Any], place: str, told: str) -> None:
    found = dict(rule_faults(scenario_of(wrong), TYPES))
    assert set(found) == {("rules", 0, place)}
    assert told in found["rules", 0, place]


def test_one_rule_twice_is_a_fault_and_both_ways_is_none() -> None:
    twice = scenario_of(rule("damage"), rule("damage", power=8))
    assert [place for place, _ in rule_faults(twice, TYPES)] == [("rules", 1, "signal")]
    both = scenario_of(rule("damage"), rule("damage", "decreases", saturation="0 /min", half_max=9.0))
    assert not list(rule_faults(both, TYPES))


def test_contacts_are_counted_whatever_their_weight() -> None:
    weights = sp.csr_array(np.array([[0.0, 0.3, 0.3], [0.3, 0, 0], [0.3, 0, 0]]))
    scenario = scenario_of(rule("contact with live cell", behaviour="custom:heard", saturation=1.0, power=1))
    view = make_view(scenario, types=(0, 0, 0))
    object.__setattr__(view, "contacts", weights)
    np.testing.assert_allclose(shift(view)[:, 0], [2 / 3, 1 / 2, 1 / 2])


def test_a_field_is_heard_where_the_cell_is() -> None:
    field = np.random.default_rng(1).random((1, 3, 4, 5))
    view = make_view(types=(0, 0, 0))
    here = sample_field(field[0], view["position"], view.grid.origin, view.spacing)
    np.testing.assert_allclose(heard("oxygen", half="1 nM", concentration=field), here, rtol=1e-6)
