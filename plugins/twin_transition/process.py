"""Cells change their transcriptomes: turnover towards the target that the world model draws."""

from collections.abc import Iterator
from typing import ClassVar

import numpy as np
import scipy.sparse as sp
from pydantic import Field

from twin.model.contract import WorldModel
from twin.process import (
    ALIVE,
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
        """Yield each chunk's new counts and z as soon as they are drawn."""
        kappa = self.kappa if self.kappa is not None else view.model.kappa()
        everybody = view.condition()
        z = view["z"]
        for rows in view.expression.slices():
            counts = view.expression.counts(rows, view.ids)
            condition = everybody.rows(rows)
            alive = np.flatnonzero(view["alive"][rows])
            if len(alive) == len(counts.indptr) - 1:
                new, new_z = view.model.transition(counts, z[rows], condition, dt, kappa, view.streams)
            else:
                some, some_z = view.model.transition(
                    counts[alive], z[rows][alive], condition.rows(alive), dt, kappa, view.streams
                )
                dead = np.flatnonzero(~view["alive"][rows])
                order = np.argsort(np.concatenate([alive, dead]))
                new = sp.vstack([some, counts[dead]], format="csr")[order]
                new_z = z[rows].copy()
                new_z[alive] = some_z
            yield Set(EXPRESSION, new, rows)
            yield Set(LATENT, new_z, rows)
