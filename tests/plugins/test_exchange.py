"""The processes `exchange` and `internalisation`: PhysiCell's law, and every molecule accounted for."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twin_diffusion import Diffusion
from twin_exchange import Exchange, Internalisation
from twin_exchange.process import DEAD_UPTAKE

from twin.conformance import check_process
from twin.conformance.trial import UniformModel, make_scenario, make_view
from twin.errors import RunError
from twin.process import SINK, SOURCE, Add, Rate, Set, View
from twin.scenario.schema import Scenario

VOLUME = 4 / 3 * np.pi * 4.0**3  # µm³, of a cell of the trial
VOXEL = 1000.0  # µm³
TYPES: dict[str, dict[str, Any]] = {
    "T cell": {"IFNB1 uptake": "10 /min"},
    "Monocyte": {"IFNB1 secretion": "2 /min", "IFNB1 secretion target": "5 nM"},
    "Dendritic": {"IFNB1 export": "0.001 amol/h"},
}
KEPT: dict[str, dict[str, Any]] = {"exchange": {}, "internalisation": {}, "diffusion": {}}
LASTING = {"IFNB1": {"diffusivity": "30 um^2/s"}}


def keeping(share: float) -> dict[str, Any]:
    return KEPT | {"exchange": {"release_at_death": share}}


def scenario_of(**sections: Any) -> Scenario:
    return make_scenario(**({"cell_types": TYPES} | sections))


def exchanged(view: View, dt: float = 0.5, **config: Any) -> dict[str, Any]:
    process = Exchange.made_for(Exchange.Config.model_validate(config), view.scenario)
    updates = list(process.step(view, dt))
    assert {u.port for u in updates if isinstance(u, Rate | Add)} <= set(process.writes)
    return {u.port.name: u.value for u in updates if isinstance(u, Rate | Add)}


def test_each_cell_acts_on_its_own_voxel_by_physicells_law() -> None:
    given = exchanged(make_view(scenario_of(), types=(0, 1, 2, 0)))
    share = VOLUME / VOXEL
    np.testing.assert_allclose(given["sink"][0, 1, 2], np.array([600, 120, 0, 600, 0]) * share)
    np.testing.assert_allclose(given["source"][0, 1, 2], [0, 120 * 5 * share, 0.001 * 1e6 / VOXEL, 0, 0])
    assert given["sink"].sum() == pytest.approx(1320 * share)


def test_the_dead_neither_secrete_nor_export_and_take_up_a_tenth() -> None:
    alive = np.array([False, False, False])
    given = exchanged(make_view(scenario_of(), types=(0, 1, 2), alive=alive))
    assert not given["source"].any()
    assert given["sink"].sum() == pytest.approx(DEAD_UPTAKE * 600 * VOLUME / VOXEL)


def test_the_dead_secrete_what_rules_that_apply_to_them_raise() -> None:
    scenario = scenario_of(
        rules=[
            {
                "cell_type": "Monocyte",
                "signal": "dead",
                "response": "increases",
                "behaviour": "IFNB1 secretion",
                "saturation": "3 /min",
                "half_max": 0.5,
                "applies_to_dead": True,
            }
        ]
    )
    raised = np.array([[0.0], [60.0], [0.0], [60.0]])  # 1/h, by which rules have raised the secretion of 2 /min
    alive = np.array([True, False, False, True])
    view = make_view(scenario, types=(1, 1, 1, 1), alive=alive, rates={"behaviour": raised})
    rate = np.array([120, 60, 0, 180]) * VOLUME / VOXEL  # a body does not secrete by itself
    np.testing.assert_allclose(exchanged(view)["source"][0, 1, 2, :4], 5 * rate)


def test_a_field_with_one_cell_follows_the_law_exactly() -> None:
    """One voxel, one cell: ρ goes to (S ρ* + E/V)/(S + U) at the rate (S + U) V/V_voxel."""
    behaviours = {
        "IFNB1 uptake": "3 /h",
        "IFNB1 secretion": "2 /h",
        "IFNB1 secretion target": "5 nM",
        "IFNB1 export": "0.001 amol/h",
    }
    one = {"node": {"box": ["10 um"] * 3, "cells": {"source": "model", "count": 1}}}
    scenario = scenario_of(cell_types={"default": behaviours}, compartments=one, substances=LASTING)
    view = make_view(scenario, types=(0,), concentration=7.0)
    given = exchanged(view)
    after = 7.0 + stepped(view, given, 0.5)[0].sum()
    share = VOLUME / VOXEL
    end = (2 * 5 + 0.001 * 1e6 / VOLUME) / 5
    assert after == pytest.approx(end + (7 - end) * np.exp(-5 * share * 0.5), rel=1e-12)


def stepped(view: View, given: dict[str, Any], dt: float) -> tuple[np.ndarray, np.ndarray | None]:
    """The change of the field, and its mean where that is counted."""
    with_rates = replace(view, rates=dict(view.rates) | {k: v for k, v in given.items() if k in ("source", "sink")})
    add, *more = Diffusion.made_for(Diffusion.Config(), view.scenario).step(with_rates, dt)
    assert isinstance(add, Add)
    if not more:
        return add.value, None
    assert isinstance(more[0], Rate)
    return add.value, more[0].value


def test_substances_of_which_nothing_is_said_are_left_alone() -> None:
    given = exchanged(make_view(make_scenario()))
    assert set(given) == {SOURCE.name, SINK.name}
    assert not given["source"].any()
    assert not given["sink"].any()


def test_a_rule_shifts_uptake() -> None:
    rule = {
        "cell_type": "T cell",
        "signal": "IFNB1",
        "response": "decreases",
        "behaviour": "IFNB1 uptake",
        "saturation": "0 /h",
        "half_max": "1 nM",
    }
    scenario = scenario_of(rules=[rule])
    shift = np.array([[-600.0], [-300.0], [0.0]])
    given = exchanged(make_view(scenario, types=(0, 0, 0), rates={"behaviour": shift}))
    np.testing.assert_allclose(given["sink"][0, 1, 2, :3], np.array([0, 300, 600]) * VOLUME / VOXEL)
    with pytest.raises(RunError, match="cell 1 at 0 h: its 'IFNB1 uptake' is -100"):
        exchanged(make_view(scenario, types=(0, 0, 0), rates={"behaviour": np.array([[0.0], [-700.0], [0.0]])}))


def test_values_that_cannot_be_are_refused() -> None:
    def told(**values: Any) -> list[str]:
        scenario = scenario_of(cell_types={"T cell": {f"IFNB1 {w.replace('_', ' ')}": v for w, v in values.items()}})
        return Exchange.check(Exchange.Config(), scenario, UniformModel())

    assert told(uptake="1 /h") == []
    assert "cell_types.T cell.IFNB1 uptake: -1 /h is negative" in told(uptake="-1 /h")[0]
    assert "towards which concentration" in told(secretion="1 /h")[0]
    assert told(secretion="1 /h", secretion_target="1 nM") == []


def test_paces_that_would_lose_molecules_are_refused() -> None:
    slow = scenario_of(processes={"exchange": {}, "internalisation": {}, "diffusion": {"interval": "1 h"}})
    assert "interval" in Exchange.check(Exchange.Config(), slow, UniformModel())[0]
    assert "same interval" in Internalisation.check(Internalisation.Config(), slow, UniformModel())[0]
    same = scenario_of(processes={name: {"interval": "1 h"} for name in KEPT})
    assert Exchange.check(Exchange.Config(), same, UniformModel()) == []
    assert Internalisation.check(Internalisation.Config(), same, UniformModel()) == []


def test_giving_back_at_death_needs_a_count() -> None:
    config = Exchange.Config(release_at_death=0.5)
    assert "internalisation" in Exchange.check(config, scenario_of(), UniformModel())[0]
    assert Exchange.check(config, scenario_of(processes=KEPT), UniformModel()) == []


def test_a_division_halves_the_amount_and_keeps_the_concentration() -> None:
    held, inside = Internalisation.columns_for(Internalisation.Config(), scenario_of())
    assert (held.name, held.units, held.inherit) == ("internalised_IFNB1", "amol", "share")
    assert (inside.name, inside.units, inside.inherit) == ("internal_IFNB1", "nM", "copy")


@settings(deadline=None, max_examples=25)
@given(
    seed=st.integers(0, 2**31),
    dt=st.floats(0.01, 5.0),
    uptake=st.floats(0.0, 1e4, allow_subnormal=False),
    share=st.sampled_from([0.0, 0.3, 1.0]),
)
def test_what_leaves_the_field_arrives_in_cells_to_rounding(seed: int, dt: float, uptake: float, share: float) -> None:
    """F6 of the tissue simulators' cases: uptake, and release at death, over several ticks; closed walls."""
    random = np.random.default_rng(seed)
    scenario = scenario_of(
        cell_types={"default": {"IFNB1 uptake": f"{uptake} /h"}}, substances=LASTING, processes=keeping(share)
    )
    n = 12
    position = random.random((n, 3)) * np.array([50.0, 40.0, 30.0])
    c, held = random.random((1, 3, 4, 5)), np.zeros(n)
    total, digested = c.sum() * VOXEL * 1e-6, 0.0  # amol
    for tick in range(4):
        view = make_view(
            scenario,
            types=(0,) * n,
            concentration=c,
            position=position,
            alive=random.random(n) < 0.7 if tick == 2 else np.ones(n, bool),
            extra={"internalised_IFNB1": held, "internal_IFNB1": held},
        )
        given = exchanged(view, dt, release_at_death=share)
        lost = given.get("lost_IFNB1", np.zeros(n))
        digested += (1 - share) * dt * lost.sum()
        change, mean = stepped(view, given, dt)
        c = c + change
        assert mean is not None
        counted = replace(
            view,
            rates={"mean_concentration": mean, "clearance_IFNB1": given["clearance_IFNB1"], "lost_IFNB1": lost},
        )
        process = Internalisation.made_for(Internalisation.Config(), scenario)
        gained, inside = process.step(counted, dt)
        assert isinstance(gained, Add)
        assert isinstance(inside, Set)
        held = held + gained.value
        assert held.min() >= -1e-15 * total
        np.testing.assert_allclose(inside.value, held / VOLUME * 1e6)
        assert c.sum() * VOXEL * 1e-6 + held.sum() + digested == pytest.approx(total, rel=1e-12)
        position = position[::-1]  # they move between ticks


def test_both_keep_the_contract_in_a_scenario_with_everything() -> None:
    scenario = scenario_of(processes=keeping(0.5), substances=LASTING | {"O2 gas": {"diffusivity": "1e5 um^2/min"}})
    assert check_process(Exchange, {"release_at_death": 0.5}, scenario=scenario) == []
    assert check_process(Internalisation, scenario=scenario) == []
    assert check_process(Exchange) == []
    assert check_process(Internalisation) == []


def test_without_cells_there_is_nothing_to_exchange() -> None:
    given = exchanged(make_view(scenario_of(), types=()))
    assert not given["source"].any()
    assert not given["sink"].any()
