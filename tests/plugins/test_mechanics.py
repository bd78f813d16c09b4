"""The mechanics plugin: what it returns, and what a scenario may say."""

from typing import cast

import networkx as nx
import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import ValidationError
from twin_mechanics import Mechanics

from twin.kernels.mechanics import MechanicsParams, relax
from twin.kernels.random import Streams
from twin.model.contract import WorldModel
from twin.process import CONTACTS, POSITION, Add, Set, View
from twin.scenario.schema import Scenario
from twin.state.expression import Expression
from twin.state.fields import Grid, Substances

Float = NDArray[np.float64]

GRID = Grid((3, 4, 5), 10.0, (100.1, 200.3, -20.7))
NONE = np.empty(0)
NO_MODEL, NO_SCENARIO = cast(WorldModel, None), cast(Scenario, None)  # mechanics looks at neither


def view_of(position: Float, alive: NDArray[np.bool_] | None = None, first_id: int = 0) -> View:
    n = len(position)
    arrays = {
        "id": np.arange(first_id, first_id + n, dtype=np.uint64),
        "position": position,
        "radius": np.full(n, 4.0),
        "alive": np.ones(n, bool) if alive is None else alive,
    }
    for values in arrays.values():
        values.flags.writeable = False  # as the engine hands them out
    return View(
        compartment="tissue",
        time=0.0,
        tick=0,
        grid=GRID,
        substances=Substances((), NONE, NONE, (), NONE, (), ()),
        scenario=NO_SCENARIO,
        model=NO_MODEL,
        streams=Streams(0, 0, 0),
        names={"cell_type": ("T",)},
        perturbations=(),
        context=np.zeros(1, np.intp),
        arrays=arrays,
        rates={},
        expression=Expression(1, 16),
        clamp=sp.csr_array((n, 1)),
        contacts=sp.csr_array((n, n)),
    )


def step(
    position: Float, dt: float, alive: NDArray[np.bool_] | None = None, **config: object
) -> tuple[Float, sp.csr_array]:
    """Positions after a step of the plugin, as the engine adds them up, and the contacts."""
    process = Mechanics(Mechanics.Config.model_validate(config))
    move, touch = process.step(view_of(position, alive), dt)
    assert isinstance(move, Add)
    assert isinstance(touch, Set)
    assert (move.port, touch.port) == (POSITION, CONTACTS)
    return position + move.value, touch.value


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
@given(seed=st.integers(0, 2**31), n=st.sampled_from([0, 1, 2, 150]), factor=st.sampled_from([0.0, 1.0]))
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
        move, _ = Mechanics(Mechanics.Config()).step(view_of(start.copy(), first_id=first), 0.01)
        assert isinstance(move, Add)
        ways.append(move.value)
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
