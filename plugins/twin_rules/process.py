"""Signals raise and lower what the cells of a type do."""

from collections.abc import Iterable
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from twin.kernels.response import join_signals, respond
from twin.model.contract import WorldModel
from twin.process import ALIVE, BEHAVIOUR, Phase, Port, Process, ProcessConfig, Rate, Update, View
from twin.scenario.behaviours import behaviours_of
from twin.scenario.schema import Scenario
from twin.scenario.signals import GENE, PROGRAM
from twin_rules.ruleset import Response, Term, responses_of, told_of
from twin_rules.signals import ports_of, signal_of

Float = NDArray[np.float64]


class Rules(Process):
    """The rules of the scenario: how far signals shift each behaviour of each cell from its type's base value.

    All rules of one behaviour of a cell type act together: those that raise it as one multivariate Hill response from
    the base value to saturation, then those that lower it from there. A signal of a rule that does not apply to dead
    cells is nothing to a dead cell; where no rule of a behaviour applies, it has the base value. Signals are those of
    the cell when the step begins; behaviours change at once for the processes that run after it in the tick.
    """

    class Config(ProcessConfig):
        """How genes are read; the rules stand under `rules`."""

        genes: Literal["rate", "count"] = Field(
            "rate",
            description="What gene: and program: signals read, per 10,000: 'rate', what the world model expects of the "
            "cell; 'count', what it holds at the moment.",
        )

    config: Config
    reads: ClassVar[tuple[Port, ...]] = (ALIVE, Port("cell_type", ("cell",), "1"))
    writes: ClassVar[tuple[Port, ...]] = (BEHAVIOUR,)
    phase: ClassVar[Phase] = Phase.EXPOSURE  # before whatever the rules act on, and they on columns of its making

    def __init__(self, config: ProcessConfig) -> None:
        super().__init__(config)
        self._put_together: tuple[Scenario, tuple[Response, ...]] | None = None

    @classmethod
    def reads_for(cls, config: ProcessConfig, scenario: Scenario) -> tuple[Port, ...]:
        """Return the ports of the signals."""
        assert isinstance(config, cls.Config)
        counts = config.genes == "count"
        return tuple(dict.fromkeys(port for r in scenario.rules for port in ports_of(r.signal, counts=counts)))

    def assumptions(self, scenario: Scenario, model: WorldModel) -> list[str]:
        """Say what of the rules goes without saying, and how genes are read."""
        told = list(told_of(scenario, behaviours_of(scenario)))
        if any(rule.signal.startswith((GENE, PROGRAM)) for rule in scenario.rules):
            what = (
                "counts at the moment" if self.config.genes == "count" else "expected rates, floored by its type's mean"
            )
            told.append(f"rules read a cell's genes as {what}, per 10,000")
        return told

    def step(self, view: View, dt: float) -> Iterable[Update]:
        """Return how far each cell's ruled behaviours are from their base values."""
        if not view.scenario.rules:
            return []
        shift = np.zeros((view.n_cells, len(view.behaviours.ruled)))  # (cell, behaviour)
        held: dict[tuple[str, str], Float] = {}  # (signal, cell type) → (row,)
        for response in self._responses(view):
            rows = np.flatnonzero(view.type_is([response.cell_type]))
            for term in response.terms:
                key = (term.signal, response.cell_type)
                if key not in held:
                    held[key] = signal_of(view, term.signal, rows, counts=self.config.genes == "count")
            signals = {term.signal: held[term.signal, response.cell_type] for term in response.terms}
            shift[rows, response.column] = _shift(response, signals, view["alive"][rows])
        return [Rate(BEHAVIOUR, shift)]

    def _responses(self, view: View) -> tuple[Response, ...]:
        """Return the rules put together, once a scenario."""
        if self._put_together is None or self._put_together[0] is not view.scenario:
            self._put_together = view.scenario, responses_of(view.scenario, view.behaviours)
        return self._put_together[1]


def _shift(response: Response, signals: dict[str, Float], alive: NDArray[np.bool_]) -> Float:
    """Return how far cells of one type are from the base value of one behaviour, (row,)."""

    def joined(terms: tuple[Term, ...]) -> Float:
        noticed = [signals[t.signal] if t.dead else np.where(alive, signals[t.signal], 0.0) for t in terms]
        return join_signals(
            np.reshape(noticed, (len(terms), len(alive))),
            np.array([t.half_max for t in terms]),
            np.array([t.power for t in terms]),
        )

    value = respond(response.base, joined(response.up), response.highest, joined(response.down), response.lowest)
    applies = alive if not any(t.dead for t in response.terms) else np.ones(len(alive), dtype=np.bool_)
    return np.where(applies, value - response.base, 0.0)
