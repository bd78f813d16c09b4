"""Chunks of one tissue are worked on by several workers of a cluster, and nothing is different for it."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import scipy.sparse as sp
from distributed import Client, LocalCluster

from tests.engine.tiny import write_tiny
from twin.engine import segments
from twin.engine.dispatch import shared_out
from twin.engine.simulation import run
from twin.engine.spread import HOME, SpreadModel, spread
from twin.kernels.random import Streams
from twin.model.contract import Condition
from twin.results import differences


def test_three_workers_share_one_tissue_and_leave_the_same_store(tmp_path: Path) -> None:
    def built() -> int:  # inside, so that it travels by value: a worker need not find this file
        return len(segments._worlds)

    file = write_tiny(tmp_path)
    alone = run(file, tmp_path / "alone")
    with (
        LocalCluster(
            n_workers=3,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            worker_dashboard_address="127.0.0.1:0",
        ) as cluster,  # type: ignore[no-untyped-call]  # Dask's own
        Client(cluster) as client,  # type: ignore[no-untyped-call]  # Dask's own
    ):
        shared = run(file, tmp_path / "shared", cluster=client)
        assert set(client.run(built).values()) == {1}  # each had the model, and so was asked
        assert not client.who_has()  # no cell is left in their memory
    assert differences(alone.path, shared.path) == []


class Lost:
    """A client whose every helper is lost."""

    def nthreads(self) -> dict[str, int]:
        return {"tcp://x": 1}

    def scatter(self, what: list[Any], **how: Any) -> list[Any]:
        return what

    def submit(self, *given: Any, **how: Any) -> None:
        return None

    def gather(self, *given: Any, **how: Any) -> None:
        raise KeyError("tcp://x")


class Twice:
    """A model that doubles."""

    name, shares_threads, genes = "twice", True, ("A", "B")

    def transition(self, counts: sp.csr_array, z: Any, *given: Any) -> tuple[sp.csr_array, Any]:
        return sp.csr_array(2 * counts), z


def condition(n: int) -> Condition:
    none = np.zeros((n, 0))
    return Condition(np.arange(n, dtype=np.uint64), np.zeros(n, np.intp), np.ones(n), none, none, np.ones(n))


class Failing(Twice):
    """A model that fails."""

    def transition(self, counts: sp.csr_array, z: Any, *given: Any) -> tuple[sp.csr_array, Any]:
        raise ValueError("no such cell")


def test_what_the_model_raises_on_a_helper_is_raised_at_home(monkeypatch: pytest.MonkeyPatch) -> None:
    class Near(Lost):
        def submit(self, work: Any, loaded: Any, trajectory: Any, method: str, given: Any, **how: Any) -> Any:
            return work(loaded, trajectory, method, given)

        def gather(self, asked: Any, **how: Any) -> Any:
            return asked

    monkeypatch.setattr("twin.engine.spread.world_of", lambda *_: SimpleNamespace(model=Failing()))
    model = SpreadModel(cast(Any, Twice()), cast(Client, Near()), cast(Any, None), cast(Any, None), {"tcp://x": 1})
    given = sp.csr_array(np.eye(2, dtype=np.int32)), np.zeros((2, 1), np.float32), condition(2), 1.0, 1.0
    model.transition(*given, Streams(0, 0, 0))  # the first hand is the one at home
    with pytest.raises(ValueError, match="no such cell"):
        model.transition(*given, Streams(0, 0, 0))


def test_what_a_lost_helper_had_in_hand_is_computed_at_home() -> None:
    model = SpreadModel(
        cast(Any, Twice()), cast(Client, Lost()), cast(Any, None), cast(Any, None), {"tcp://x": 1, "tcp://gone": 4}
    )
    assert (model.n_hands, model.name) == (3, "twice")
    counts, z = sp.csr_array(np.eye(2, dtype=np.int32)), np.zeros((2, 1), np.float32)
    for _ in range(4):
        moved, _ = model.transition(counts, z, condition(2), 1.0, 1.0, Streams(0, 0, 0))
        np.testing.assert_array_equal(moved.toarray(), 2 * np.eye(2))
    assert model._hands.qsize() == 1  # only the one at home is left
    assert model._hands.get() == HOME


@pytest.mark.parametrize(("shares", "genes"), [(False, ("A",)), (True, ())])
def test_a_model_that_cannot_be_shared_stays_at_home(shares: bool, genes: tuple[str, ...]) -> None:
    model = SimpleNamespace(shares_threads=shares, genes=genes)
    world = cast(Any, SimpleNamespace(model=model, models={"patch": model}))
    with spread(world, cast(Any, None), cast(Any, None), {"tcp://x": 1}) as (same, threads):
        assert same is world
        assert threads == 1


def test_where_there_are_as_many_trajectories_as_workers_none_helps() -> None:
    there = cast(Client, SimpleNamespace(nthreads=lambda: {"c": 2, "a": 1, "b": 1}))
    assert shared_out(there, 3) == ([None] * 3, [{}] * 3)
    assert shared_out(there, 1) == (["a"], [{"b": 1, "c": 2}])
    assert shared_out(there, 2) == (["a", "b"], [{"c": 2}, {}])
