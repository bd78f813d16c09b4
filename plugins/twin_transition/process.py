"""Cells change their transcriptomes: turnover towards the target that the world model draws."""

from collections.abc import Iterator
from typing import ClassVar

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from pydantic import Field

from twin.model.contract import Condition, Counts, WorldModel
from twin.process import (
    ALIVE,
    ALONE,
    CLAMP,
    DEPTH,
    DOSE,
    EC50_FACTOR,
    EXPRESSION,
    LATENT,
    TIME_SINCE,
    Phase,
    Port,
    Process,
    ProcessConfig,
    Set,
    Update,
    View,
)
from twin.scenario.schema import Scenario


class Transition(Process):
    """Every living cell takes one step of the world model, chunk by chunk, in place."""

    class Config(ProcessConfig):
        """κ scales the messages' turnover; without it the model's own convention holds."""

        kappa: float | None = Field(None, gt=0, le=1000, description="Scale of the turnover; without it, the model's.")

    phase = Phase.TRANSITION
    reads: ClassVar[tuple[Port, ...]] = (
        EXPRESSION,
        LATENT,
        DOSE,
        TIME_SINCE,
        EC50_FACTOR,
        DEPTH,
        CLAMP,
        ALIVE,
    )
    writes: ClassVar[tuple[Port, ...]] = (EXPRESSION, LATENT)
    sets: ClassVar[tuple[Port, ...]] = (EXPRESSION, LATENT)

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.kappa = config.kappa

    def assumptions(self, scenario: Scenario, model: WorldModel) -> list[str]:
        """Say what κ is and what it means."""
        if not model.turns_over:
            return []
        kappa = self.kappa if self.kappa is not None else model.kappa()
        origin = "set by the scenario" if self.kappa is not None else "the model's"
        text = [
            f"turnover runs at kappa = {kappa:.3g} ({origin}); run again with --set processes.transition.kappa="
            f"{kappa / 2:.3g} and {2 * kappa:.3g} to see what hangs on it"
        ]
        if model.last_time() and scenario.duration > model.last_time():
            text.append(
                f"the last measured time is {model.last_time():g} h after exposure; beyond it the last snapshot "
                "stays the target: extrapolated"
            )
        return text

    def step(self, view: View, dt: float) -> Iterator[Update]:
        """Yield each chunk's new counts and z, in order, as soon as they are drawn."""
        kappa = self.kappa if self.kappa is not None else view.model.kappa()
        everybody = view.condition()
        rows_of = list(view.expression.slices())

        def moved(rows: slice) -> tuple[slice, Counts, NDArray[np.float32]]:
            return rows, *_moved(view, rows, everybody.rows(rows), dt, kappa)

        crew = view.crew if view.model.shares_threads else ALONE
        for rows, counts, z in crew.in_order(moved, rows_of):
            yield Set(EXPRESSION, counts, rows)
            yield Set(LATENT, z, rows)


def _moved(
    view: View, rows: slice, condition: Condition, dt: float, kappa: float
) -> tuple[Counts, NDArray[np.float32]]:
    """Return counts and z of one chunk after `dt` hours; the dead keep theirs."""
    counts, z = view.expression.counts(rows, view.ids), view["z"][rows]
    alive = view["alive"][rows]
    if alive.all():
        return view.model.transition(counts, z, condition, dt, kappa, view.streams)
    living, dead = np.flatnonzero(alive), np.flatnonzero(~alive)
    some, some_z = view.model.transition(counts[living], z[living], condition.rows(living), dt, kappa, view.streams)
    order = np.argsort(np.concatenate([living, dead]))
    new_z = z.copy()
    new_z[living] = some_z
    return sp.vstack([some, counts[dead]], format="csr")[order], new_z
