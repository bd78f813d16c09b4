"""The mechanics plugin: what it returns, and what a scenario may say."""

from typing import Any, cast

import hypothesis
import networkx as nx
import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import ValidationError
from twin_mechanics import Mechanics
from twin_mechanics.process import PRESSURE

from twin.conformance import check_process
from twin.kernels.mechanics import MechanicsParams, relax
from twin.kernels.random import Streams
from twin.model.contract import WorldModel
from twin.process import CONTACTS, POSITION, Add, Set, Update, View
from twin.scenario.behaviours import Behaviours
from twin.scenario.schema import Scenario
from twin.state.expression import Expression
from twin.state.fields import Grid, Substances

Float = NDArray[np.float64]

GRID = Grid((3, 4, 5), 10.0, (100.1, 200.3, -20.7))
NO_MODEL, NO_SCENARIO = cast(WorldModel, None), cast(Scenario, None)  # mechanics looks at neither


def view_of(
    position: Float,
    alive: NDArray[np.bool_] | None = None,
    first_id: int = 0,
    behaviours: Behaviours | None = None,
    shift: Float | None = None,
) -> View:
    """Cells of two types by turns, T and B, in a field that rises along x."""
    n = len(position)
    rising = np.arange(5.0)[None, None, None, :].repeat(3, 1).repeat(4, 2)  # (substance, z, y, x)
    arrays = {
        "id": np.arange(first_id, first_id + n, dtype=np.uint64),
        "position": position,
        "radius": np.full(n, 4.0),
        "alive": np.ones(n, bool) if alive is None else alive,
        "cell_type": np.arange(n) % 2,
        "concentration": rising,
        "motility_direction": np.zeros((n, 3)),
    }
    for values in arrays.values():
        values.flags.writeable = False  # as the engine hands them out
    return View(
        compartment="tissue",
        time=0.0,
        tick=0,
        grid=GRID,
        substances=Substances(("CXCL10",), np.ones(1), np.zeros(1), (), np.zeros(1), (None,), (None,)),
        scenario=NO_SCENARIO,
        model=NO_MODEL,
        streams=Streams(0, 0, 0),
        names={"cell_type": ("T", "B")},
        perturbations=(),
        context=np.zeros(2, np.intp),
        arrays=arrays,
        rates={} if shift is None else {"behaviour": shift},
        expression=Expression(1, 16),
        clamp=sp.csr_array((n, 1)),
        contacts=sp.csr_array((n, n)),
        behaviours=behaviours or Behaviours({}),
    )


def step(
    position: Float, dt: float, alive: NDArray[np.bool_] | None = None, **config: object
) -> tuple[Float, sp.csr_array]:
    """Positions after a step of the plugin, as the engine adds them up, and the contacts."""
    process = Mechanics(Mechanics.Config.model_validate(config))
    move, touch, press = process.step(view_of(position, alive), dt)
    assert isinstance(move, Add)
    assert isinstance(touch, Set)
    assert isinstance(press, Set)
    assert (move.port, touch.port, press.port) == (POSITION, CONTACTS, PRESSURE)
    return position + move.value, touch.value


def given(updates: list[Update]) -> dict[str, Float]:
    """What a step gives, by port."""
    return {u.port.name: u.value for u in updates if isinstance(u, Add | Set)}


def some_cells(seed: int, n: int) -> Float:
    return GRID.origin + np.random.default_rng(seed).random((n, 3)) * GRID.size


def test_a_step_moves_cells_as_the_kernel_does() -> None:
    start = some_cells(0, 80)
    end, contacts = step(start, 0.5)
    low = np.asarray(GRID.origin)
    expected, graph, _ = relax(start, np.full(80, 4.0), low, low + GRID.size, MechanicsParams(), 0.5)
    np.testing.assert_allclose(end, expected, atol=1e-4)
    np.testing.assert_array_equal(contacts.toarray(), graph.toarray())
    assert nx.from_scipy_sparse_array(contacts).number_of_edges() == contacts.nnz / 2 > 20


@settings(deadline=None, max_examples=30)
@hypothesis.given(seed=st.integers(0, 2**31), n=st.sampled_from([0, 1, 2, 150]), factor=st.sampled_from([0.0, 1.0]))
def test_nobody_is_outside_after_the_increment_is_added(seed: int, n: int, factor: float) -> None:
    start = some_cells(seed, n)
    start[: n // 4] += np.random.default_rng(seed).random((n // 4, 3)) * 1e3  # something pushed them out
    # without forces they stay on the face
    end, contacts = step(start, 0.25, repulsion=f"{600 * factor} um/h", adhesion=f"{24 * factor} um/h")
    low = np.asarray(GRID.origin)
    assert ((end >= low) & (end <= low + GRID.size)).all()
    assert contacts.shape == (n, n)


def test_dead_bodies_push_but_do_not_pull() -> None:
    near, far = (
        np.array([[120.0, 220.0, -5.0], [125.0, 220.0, -5.0]]),
        np.array([[120.0, 220.0, -5.0], [129.0, 220.0, -5.0]]),
    )
    one_dead = np.array([True, False])
    assert np.ptp(step(near.copy(), 0.1, one_dead.copy())[0][:, 0]) > 5.5
    assert np.ptp(step(far.copy(), 0.1, one_dead.copy())[0][:, 0]) == pytest.approx(9.0, abs=1e-12)
    assert np.ptp(step(far.copy(), 0.1)[0][:, 0]) < 8.96


def test_speeds_are_given_with_their_unit() -> None:
    config = Mechanics.Config.model_validate({"repulsion": "5 um/min", "adhesion": "6 um/h"})
    assert (config.repulsion, config.adhesion) == (300.0, 6.0)
    for wrong in (10, "10 um", "-1 um/h"):
        with pytest.raises(ValidationError, match="repulsion"):
            Mechanics.Config.model_validate({"repulsion": wrong})


def test_their_ids_decide_how_cells_at_one_point_part() -> None:
    start = np.tile([120.0, 220.0, -5.0], (2, 1))
    ways = []
    for first in (0, 0, 70):
        ways.append(given(Mechanics(Mechanics.Config()).step(view_of(start.copy(), first_id=first), 0.01))["position"])
    np.testing.assert_array_equal(ways[0], ways[1])
    assert np.abs(ways[0] - ways[2]).max() > 0.1


def test_cells_that_would_fall_into_one_point_are_refused() -> None:
    with pytest.raises(ValidationError, match="adhesion 24 um/h is not below repulsion 24 um/h"):
        Mechanics.Config.model_validate({"repulsion": "0.4 um/min"})


def test_settings_change_the_motion() -> None:
    start = np.array([[120.0, 220.0, -5.0], [125.0, 220.0, -5.0]])
    usual = np.ptp(step(start.copy(), 0.01)[0][:, 0])
    assert np.ptp(step(start.copy(), 0.01, repulsion="5 um/min")[0][:, 0]) < usual
    assert np.ptp(step(start.copy(), 0.01, adhesion="4 um/min")[0][:, 0]) < usual
    assert np.ptp(step(start.copy(), 0.01, adhesion_range=2.0)[0][:, 0]) < usual


def test_the_record_says_whose_law_it_is() -> None:
    usual = " ".join(Mechanics(Mechanics.Config()).assumptions(NO_SCENARIO, NO_MODEL))
    assert "overdamped" in usual
    assert "Repulsion 10 um/min, adhesion 0.4 um/min" in usual
    assert "PhysiCell" in usual
    own = Mechanics(Mechanics.Config.model_validate({"repulsion": "5 um/min"}))
    assert "Repulsion 5 um/min" in " ".join(own.assumptions(NO_SCENARIO, NO_MODEL))
    assert "PhysiCell" not in " ".join(own.assumptions(NO_SCENARIO, NO_MODEL))


PAIR = np.array([[120.0, 220.0, -5.0], [129.0, 220.0, -5.0]])  # a gap of 1 µm


def mechanics(**config: object) -> Mechanics:
    return Mechanics(Mechanics.Config.model_validate(config))


def ways(process: Mechanics, position: Float, dt: float, **view: Any) -> Float:
    return given(process.step(view_of(position.copy(), **view), dt))["position"]


def test_types_have_their_own_strengths_and_rules_shift_them() -> None:
    usual = np.ptp(ways(mechanics(), PAIR, 0.05)[:, 0])
    weak = Behaviours({"cell-cell adhesion": {"T": 6.0}})
    assert np.ptp(ways(mechanics(), PAIR, 0.05, behaviours=weak)[:, 0]) == pytest.approx(usual / 2, rel=0.05)
    ruled = Behaviours({}, ("cell-cell adhesion",))
    none = ways(mechanics(), PAIR, 0.05, behaviours=ruled, shift=np.full((2, 1), -30.0))
    np.testing.assert_array_equal(none, 0.0)


def test_affinity_acts_between_the_types_it_is_given_for() -> None:
    apart = Behaviours({"adhesive affinity to B": {"T": 0.0}})
    np.testing.assert_array_equal(ways(mechanics(), PAIR, 0.05, behaviours=apart), 0.0)
    alike = np.concatenate([PAIR, PAIR + np.array([0.0, 60.0, 0.0])])[[0, 2, 1, 3]]  # T and T face each other
    assert np.abs(ways(mechanics(), alike, 0.05, behaviours=apart)[0]).max() > 1e-3


def test_cells_that_cannot_be_moved_stay() -> None:
    held = Behaviours({"is_movable": {"B": 0.0}})
    moved = ways(mechanics(), PAIR, 0.05, behaviours=held)
    assert moved[0, 0] > 1e-3
    np.testing.assert_array_equal(moved[1], 0.0)


def test_crawling_cells_follow_the_gradient_and_keep_their_direction() -> None:
    lone = np.array([[115.0, 220.0, -5.0]])
    process = mechanics(speed="1 um/min", bias=1.0, chemotaxis={"CXCL10": 1.0})
    told = given(process.step(view_of(lone.copy()), 0.1))
    np.testing.assert_allclose(told["position"], [[6.0, 0.0, 0.0]], atol=1e-5)
    np.testing.assert_allclose(told["motility_direction"], [[1.0, 0.0, 0.0]], atol=1e-9)
    fleeing = Behaviours({"migration speed": {"T": 60.0}, "chemotactic response to CXCL10": {"T": -1.0}})
    assert ways(mechanics(bias=1.0), lone, 0.05, behaviours=fleeing)[0, 0] == pytest.approx(-3.0, abs=1e-5)
    dead = np.zeros(1, bool)
    np.testing.assert_array_equal(ways(process, lone, 0.1, alive=dead), 0.0)


def test_a_monolayer_lies_in_the_middle_of_the_box() -> None:
    end = some_cells(1, 60)
    end = end + ways(mechanics(plane=True, speed="1 um/min"), end, 0.5)
    np.testing.assert_allclose(end[:, 2], GRID.origin[2] + GRID.size[2] / 2, atol=1e-9)


def test_a_periodic_axis_has_no_wall() -> None:
    start = np.array([[100.2, 220.0, -5.0]])
    np.testing.assert_array_equal(ways(mechanics(periodic=["x"]), start, 0.1)[:, 0], 0.0)
    assert ways(mechanics(), start, 0.1)[0, 0] > 1.0


def test_a_membrane_holds_cells_off() -> None:
    start = np.array([[120.0, 220.0, -4.0]])
    wall = {"shape": "plane", "point": ["0 um", "0 um", "-5 um"], "normal": [0, 0, 2]}
    end = start + ways(mechanics(membranes=[wall], membrane_adhesion="0 um/min"), start, 5.0)
    assert end[0, 2] == pytest.approx(-1.0, abs=0.1)
    ball = {"shape": "sphere", "centre": ["120 um", "220 um", "-5 um"], "radius": "10 um"}
    assert np.abs(ways(mechanics(membranes=[ball]), start, 0.1)).max() == pytest.approx(0.0, abs=1e-9)


def test_pressed_cells_say_so() -> None:
    told = given(
        mechanics().step(view_of(np.tile([120.0, 220.0, -5.0], (3, 1)) + np.array([[0.0], [2.0], [30.0]])), 1e-6)
    )
    assert told["pressure"][0] > 5.0
    assert told["pressure"][2] == 0.0


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({"plane": True, "periodic": ["z"]}, "leave z out of periodic"),
        ({"fixed_step": "0.1 min", "max_step": "1 min"}, "not both"),
        ({"periodic": ["w"]}, "periodic"),
        ({"membranes": [{"shape": "plane", "point": ["0 um"] * 3, "normal": [0, 0, 0]}]}, "has no direction"),
        ({"membranes": [{"shape": "cube"}]}, "cube"),
        ({"speed": "1 um"}, "speed"),
        ({"bias": 2.0}, "bias"),
    ],
)
def test_what_cannot_be_is_refused(config: dict[str, object], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        mechanics(**config)


def scenario_with(cell_types: dict[str, object]) -> Scenario:
    return Scenario.model_validate(
        {
            "name": "s",
            "duration": "1 h",
            "tick": "1 h",
            "compartments": {"t": {"box": ["50 um"] * 3, "cells": {"source": "model", "count": 1}}},
            "processes": {"mechanics": {}},
            "cell_types": cell_types,
        }
    )


def test_types_that_would_merge_and_unknown_substances_are_named() -> None:
    sticky = scenario_with({"T": {"cell-cell adhesion": "20 um/min"}, "B": {"adhesive affinity to T": 1.0}})
    faults = Mechanics.check(Mechanics.Config(), sticky, NO_MODEL)
    assert len(faults) == 1
    assert "T cells pull at 1200 um/h and push at 600 um/h" in faults[0]
    smell = Mechanics.Config(chemotaxis={"CXCL9": 1.0})
    assert "no substance is called 'CXCL9'" in Mechanics.check(smell, scenario_with({}), NO_MODEL)[0]
    assert Mechanics.check(Mechanics.Config(), scenario_with({}), NO_MODEL) == []


def test_only_a_scenario_whose_cells_crawl_has_the_columns_for_it() -> None:
    still = Mechanics.made_for(Mechanics.Config(), scenario_with({}))
    crawling = Mechanics.made_for(Mechanics.Config(), scenario_with({"T": {"migration speed": "1 um/min"}}))
    assert [c.name for c in still.columns] == ["pressure"]
    assert [c.name for c in crawling.columns] == ["pressure", "motility_direction"]
    assert "concentration" not in {p.name for p in crawling.reads}
    smelling = Mechanics.made_for(
        Mechanics.Config.model_validate({"speed": "1 um/min", "chemotaxis": {"A": 1.0}}), scenario_with({})
    )
    assert "concentration" in {p.name for p in smelling.reads}


def test_a_device_that_is_not_there_is_told_at_load(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    faults = Mechanics.check(Mechanics.Config(device="cuda"), scenario_with({}), NO_MODEL)
    assert faults == ["device: no CUDA device is here: leave it out, or set it to cpu"]


@pytest.mark.parametrize(
    "config",
    [
        {"fixed_step": "0.1 min", "speed": "1 um/min", "bias": 0.5},
        {"plane": True, "speed": "1 um/min", "threads": 2},
        {"membranes": [{"shape": "sphere", "centre": ["10 um", "10 um", "10 um"], "radius": "30 um"}]},
    ],
)
def test_it_keeps_the_contract_of_plugins_however_it_is_set(config: dict[str, object]) -> None:
    assert check_process(Mechanics, config) == []
