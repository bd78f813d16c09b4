"""Chunks of one tissue's cells on other workers of a cluster, where it has more workers than there are trajectories.

A worker that runs a segment asks its helpers for chunks and works on some itself. Cells travel straight from worker to
worker, never through the scheduler, and every helper has the world model already or loads it once. The answers are the
model's own wherever they are computed; what a lost helper had in hand is computed at home.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from queue import SimpleQueue
from typing import Any, cast

import numpy as np
import torch
from distributed import Client, Future, get_client, get_worker, secede
from numpy.typing import NDArray

from twin.engine.models import distinct
from twin.engine.segments import world_of
from twin.engine.world import World
from twin.kernels.random import Streams
from twin.model.contract import Condition, Counts, WorldModel
from twin.results import Trajectory
from twin.scenario.load import LoadedScenario

HOME = ""  # the hand that is this process itself
AHEAD = 1  # our choice: chunks that a helper has beside those that its threads are at, so that none has to wait
PATIENCE = 3.0  # s, our choice: for a helper that the scheduler does not know to be there

Helpers = Mapping[str, int]


class SpreadModel:
    """A world model that has cells drawn and moved wherever a hand is free; all else is the model's own.

    Several threads may ask it at once, as many as it has hands: one at home, and those of its helpers.
    """

    shares_threads = True

    def __init__(
        self, model: WorldModel, client: Client, loaded: LoadedScenario, trajectory: Trajectory, helpers: Helpers
    ) -> None:
        self._model, self._client, self._trajectory = model, client, trajectory
        self._loaded: dict[str, Future[Any]] = {}
        self._hands: SimpleQueue[str] = SimpleQueue()
        self._hands.put(HOME)
        there = client.nthreads()  # type: ignore[no-untyped-call]  # Dask's own
        for helper, threads in helpers.items():
            if helper not in there:  # it was lost since it was chosen
                continue
            with suppress(Exception):  # it has just been lost
                self._loaded[helper] = _sent(client, loaded, helper)
                for _ in range(threads + AHEAD):
                    self._hands.put(helper)
        self.n_hands = self._hands.qsize()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def sample(
        self, condition: Condition, streams: Streams, *, steps: int = 1, guidance: float = 0.0
    ) -> tuple[Counts, NDArray[np.float32]]:
        """As the model's."""
        return cast(tuple[Counts, NDArray[np.float32]], self._asked("sample", condition, streams, steps, guidance))

    def encode(self, counts: Counts, condition: Condition) -> NDArray[np.float32]:
        """As the model's."""
        return cast(NDArray[np.float32], self._asked("encode", counts, condition))

    def transition(
        self,
        counts: Counts,
        z: NDArray[np.float32],
        condition: Condition,
        elapsed: float,
        kappa: float,
        streams: Streams,
    ) -> tuple[Counts, NDArray[np.float32]]:
        """As the model's."""
        moved = self._asked("transition", counts, z, condition, elapsed, kappa, streams)
        return cast(tuple[Counts, NDArray[np.float32]], moved)

    def _asked(self, method: str, *given: Any) -> Any:
        """Return what the model says, from whichever hand is free first; a lost helper is not asked again."""
        hand = self._hands.get()
        if hand == HOME:
            try:
                return _answer(self._model, method, given)
            finally:
                self._hands.put(hand)
        try:
            answer, fault = self._from(hand, method, given)
        except Exception:  # noqa: BLE001 - Dask has many words for a worker that is lost; what the model raises is no exception here
            return self._asked(method, *given)
        self._hands.put(hand)
        if fault is not None:
            raise fault
        return answer

    def _from(self, helper: str, method: str, given: tuple[Any, ...]) -> "tuple[Any, Exception | None]":
        sent = _sent(self._client, given, helper)
        asked: Future[Any] = self._client.submit(
            _answer_there,
            self._loaded[helper],
            self._trajectory,
            method,
            sent,
            workers=[helper],
            pure=False,
            priority=10**9,
        )
        told = self._client.gather(asked, direct=True)  # type: ignore[no-untyped-call]  # Dask's own
        return cast("tuple[Any, Exception | None]", told)


@contextmanager
def spread(
    world: World, loaded: LoadedScenario, trajectory: Trajectory, helpers: Helpers
) -> Iterator[tuple[World, int]]:
    """Give a world whose cells are worked on by helpers too, and how many threads it takes to keep them busy.

    It is called on a worker of the cluster. A model that several threads may not ask at once stays at home, and so do
    several models.

    helpers : address of a worker → its threads.
    """
    alone = len(distinct(world.models)) > 1 or not world.model.shares_threads or not world.model.genes
    if not helpers or alone:
        yield world, 1
        return
    secede()  # type: ignore[no-untyped-call]  # Dask's own; whoever else counts on this worker need not wait for us
    others = {address: threads for address, threads in helpers.items() if address != get_worker().address}
    model = SpreadModel(world.model, get_client(), loaded, trajectory, others)
    yield replace(world, models=dict.fromkeys(world.models, cast(WorldModel, model))), model.n_hands


def _sent(client: Client, what: Any, helper: str) -> "Future[Any]":
    """Send something from this worker to another; the scheduler is told where it is, and no more."""
    (sent,) = client.scatter([what], workers=[helper], hash=False, direct=True, timeout=PATIENCE)  # type: ignore[no-untyped-call]  # Dask's own
    return cast("Future[Any]", sent)


def _answer_there(
    loaded: LoadedScenario, trajectory: Trajectory, method: str, given: tuple[Any, ...]
) -> "tuple[Any, Exception | None]":
    """Return what the model says on a helper, or what it raises."""
    torch.set_num_threads(1)  # as in a segment
    try:
        return _answer(world_of(loaded, trajectory).model, method, given), None
    except Exception as error:  # noqa: BLE001 - it is raised where the chunk was asked for
        return None, error


def _answer(model: WorldModel, method: str, given: tuple[Any, ...]) -> Any:
    if method == "sample":
        condition, streams, steps, guidance = given
        return model.sample(condition, streams, steps=steps, guidance=guidance)
    return getattr(model, method)(*given)
