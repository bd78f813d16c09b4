"""Cycle: cells go from phase to phase of their cycle, and divide."""

from collections.abc import Iterable
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from twin.errors import unknown_name
from twin.kernels.random import Streams
from twin.model.contract import WorldModel
from twin.process import (
    ALIVE,
    BEHAVIOUR,
    CONTACTS,
    GROWTH,
    POSITION,
    PROLIFERATION,
    RADIUS,
    Phase,
    Port,
    Process,
    ProcessConfig,
    Rate,
    Set,
    Structure,
    Update,
    View,
)
from twin.scenario.behaviours import DEFAULT, MOST_PHASES
from twin.scenario.schema import Scenario
from twin.state.cells import Column
from twin_cycle.crowding import crowding
from twin_cycle.models import CycleChoice

Float = NDArray[np.float64]
Bool = NDArray[np.bool_]

PHASE = Port("cycle_phase", ("cell",), "1")
TIME = Port("cycle_time", ("cell",), "h")
LAG = Port("cycle_lag", ("cell",), "h")
ENTRY = "cycle entry"
ROUNDING = 1e-9  # h; our choice: times that are sums of ticks are met
SHORTEST = 0.05  # 1; our choice: no cell's own length of a phase is below this share of the mean


class Cycle(Process):
    """Each cell leaves its phase at a rate, on time, or at a size, and divides where its cycle says so.

    Exact in time: waiting times are drawn, not chances per tick, several phases may pass in a tick, and what is left
    of a tick after a division is credited to the daughters (`cycle_lag`). A cell is seen to divide at the end of the
    tick in which it does, so at most a tick late, however many generations.

    Rates are the behaviours "cycle entry" and "exit from cycle phase k" where the scenario gives them, else those of
    the cycle; the rate `proliferation` multiplies them, and 0 is an arrest.

    Source
    ------
    `PhysiCell_standard_models.cpp` of PhysiCell 1.14; its rates are of MCF-10A cells.
    """

    class Config(CycleChoice, ProcessConfig):
        """The cycle of all cell types, and of those that differ."""

        types: dict[str, CycleChoice] = Field(default_factory=dict, description="Cell types that differ.")
        start: Literal["together", "mixed"] = Field(
            "together", description="Where cells begin: all in the first phase, or each somewhere in its cycle."
        )
        axis: Literal["random", "flat"] = Field(
            "random", description="Along which daughters part: any way, or any way in the x-y plane."
        )

    config: Config
    reads: ClassVar[tuple[Port, ...]] = (
        ALIVE,
        POSITION,
        RADIUS,
        CONTACTS,
        BEHAVIOUR,
        PROLIFERATION,
        PHASE,
        TIME,
        LAG,
        Port("cell_type", ("cell",), "1"),
        Port("id", ("cell",), "1"),
    )
    writes: ClassVar[tuple[Port, ...]] = (PHASE, TIME, LAG, GROWTH)
    sets: ClassVar[tuple[Port, ...]] = (PHASE, TIME, LAG)
    delayed: ClassVar[tuple[Port, ...]] = (POSITION, RADIUS, CONTACTS)
    columns: ClassVar[tuple[Column, ...]] = (
        Column("cycle_phase", "1"),
        Column("cycle_time", "h"),
        Column("cycle_lag", "h"),
    )
    acts_on: ClassVar[tuple[str, ...]] = (ENTRY, *(f"exit from cycle phase {k}" for k in range(MOST_PHASES)))
    phase: ClassVar[Phase] = Phase.PHENOTYPE

    @classmethod
    def check(cls, config: ProcessConfig, scenario: Scenario, model: WorldModel) -> list[str]:
        """Return which types are not known, which cycles a tick is too long for, and which rules have no base."""
        assert isinstance(config, cls.Config)
        faults = [
            f"types: {unknown_name('cell type', name, model.contexts)}"
            for name in config.types
            if name not in model.contexts
        ]
        step = config.interval or scenario.tick
        for name, choice in {"the cycle": config, **config.types}.items():
            length = sum(phase.duration or 0.0 for phase in choice.cycle)
            sized = any(phase.radius is not None for phase in choice.cycle)
            if choice.cycle and not sized and length <= step:
                faults.append(
                    f"{name} takes {length:g} h and a step {step:g} h: a cell divides once a step, shorten the tick"
                )
        given = scenario.cell_types
        for rule in scenario.rules:
            word = rule.behaviour
            if word != ENTRY and not word.startswith("exit from cycle phase "):
                continue
            if word not in {**given.get(DEFAULT, {}), **given.get(rule.cell_type, {})}:
                faults.append(
                    f"a rule changes {word!r} of {rule.cell_type}, whose value without the rule is not given: write it "
                    f"under cell_types, like {rule.cell_type}: {{{word}: 0.0432 /h}}"
                )
        return faults

    def assumptions(self, scenario: Scenario, model: WorldModel) -> list[str]:
        """Say which cycles cells have, where their rates are from, and how daughters part."""
        told = []
        for name, choice in {"all other types": self.config, **self.config.types}.items():
            phases = ", ".join(
                phase.name + (f" {phase.duration:.3g} h{' exactly' if phase.fixed else ''}" if phase.duration else "")
                for phase in choice.cycle
            )
            source = "set by the scenario" if choice.phases else "PhysiCell 1.14, MCF-10A"
            told.append(f"cycle of {name}: {phases} ({source})" if choice.cycle else f"{name} do not cycle")
        told.append(
            "daughters part along a random axis"
            + (" of the x-y plane" if self.config.axis == "flat" else "")
            + ", one daughter's radius between their centres"
        )
        return told

    def step(self, view: View, dt: float) -> Iterable[Update]:
        """Return where cells are in their cycles after `dt` hours, and who divides."""
        table = _Table(view, self.config)
        code = view["cell_type"].astype(np.intp)
        phase = np.where(view[PHASE.name] < table.n_phases[code], view[PHASE.name], 0.0).astype(np.intp)
        since, left = view[TIME.name].copy(), view[LAG.name] + dt
        if view.tick == 0 and self.config.start == "mixed":
            phase, since = table.anywhere(view, code)
        stopped = table.stopped(view, code)  # (cell, phase)
        moving = view["alive"] & (table.n_phases[code] > 0)
        divides = np.zeros(view.n_cells, dtype=np.bool_)
        was_grown = table.grown[code, phase] & ~stopped[np.arange(view.n_cells), phase]
        for turn in range(int(table.n_phases.max(initial=0))):
            rows = np.flatnonzero(moving)
            if not len(rows):
                break
            now, kind = phase[rows], code[rows]
            length = table.lengths(view, rows, now, kind, turn)
            wait = np.where(table.timed[kind, now], np.maximum(length - since[rows], 0.0), length)
            wait[stopped[rows, now]] = np.inf
            goes = wait <= left[rows] + ROUNDING
            stays = rows[~goes]
            since[stays] = np.minimum(
                since[stays] + left[stays], np.where(stopped[stays, phase[stays]], length[~goes], np.inf)
            )
            left[stays] = 0.0
            gone = rows[goes]
            left[gone] = np.maximum(left[gone] - wait[goes], 0.0)
            divides[gone] |= table.divides[kind[goes], now[goes]]
            phase[gone] = (now[goes] + 1) % table.n_phases[kind[goes]]
            since[gone] = 0.0
            moving[stays] = False
            moving[gone] = ~divides[gone]
        grown = np.where(divides, was_grown, table.grown[code, phase] & ~stopped[np.arange(view.n_cells), phase])
        yield Set(PHASE, phase.astype(np.float64))
        yield Set(TIME, since)
        yield Set(LAG, np.where(divides, left, 0.0))
        yield Rate(GROWTH, (grown & view["alive"]).astype(np.float64))
        rows = np.flatnonzero(divides)
        yield Structure(divide=rows, axis=self._axis(view, rows))

    def _axis(self, view: View, rows: NDArray[np.intp]) -> Float | None:
        """Return along which way each of these cells divides, (row, 3); None: any."""
        if self.config.axis == "random":
            return None
        angle = 2.0 * np.pi * view.streams.stream("flat division").uniform(view.ids[rows], 1)[:, 0]
        return np.stack([np.cos(angle), np.sin(angle), np.zeros_like(angle)], axis=1)  # (row, axis)


class _Table:
    """The cycles of all cell types side by side, (type, phase), and what holds them up."""

    def __init__(self, view: View, config: Cycle.Config) -> None:
        types = view.names["cell_type"]
        self.view = view
        self.choices = [config.types.get(name, config) for name in types]
        shape = (len(types), MOST_PHASES)
        self.n_phases = np.array([len(choice.cycle) for choice in self.choices], dtype=np.intp)
        self.rate, self.spread, self.radius = np.zeros(shape), np.zeros(shape), np.full(shape, np.nan)
        self.timed, self.divides, self.grown = (np.zeros(shape, dtype=np.bool_) for _ in range(3))
        for t, choice in enumerate(self.choices):
            for k, phase in enumerate(choice.cycle):
                self.rate[t, k] = 1.0 / phase.duration if phase.duration is not None else 0.0
                self.spread[t, k] = phase.spread
                self.radius[t, k] = np.nan if phase.radius is None else phase.radius
                self.timed[t, k], self.divides[t, k], self.grown[t, k] = phase.fixed, phase.divides, choice.grown[k]
        self.luck = Streams(view.streams.seed, view.streams.replicate, 0)  # a cell's own length of a phase stays
        self.speed = np.maximum(view["proliferation"], 0.0)
        self.exit = self._rates()

    def _rates(self) -> Float:
        """Return the rate at which each cell leaves each phase, (cell, phase), 1/h."""
        view = self.view
        types, code = view.names["cell_type"], view["cell_type"]
        out = np.zeros((view.n_cells, MOST_PHASES))
        for k in range(int(self.n_phases.max(initial=0))):
            base = self.rate[:, k].copy()
            shift = np.zeros(view.n_cells)
            for word in (f"exit from cycle phase {k}", *((ENTRY,) if k == 0 else ())):
                given = view.behaviours.given.get(word, {})
                plain = view.behaviours.base(word, types)
                told = np.array([t in given or DEFAULT in given for t in types], dtype=np.bool_)
                base[told] = plain[told]
                shift += view.behaviour(word) - plain[code]
            out[:, k] = np.maximum(base[code] + shift, 0.0) * self.speed
        return out

    def stopped(self, view: View, code: NDArray[np.intp]) -> Bool:
        """Return in which phases crowding stops each cell, (cell, phase)."""
        out = np.zeros((view.n_cells, MOST_PHASES), dtype=np.bool_)
        measured: dict[str, Float] = {}
        for t, choice in enumerate(self.choices):
            rows = np.flatnonzero(code == t)
            names = [phase.name for phase in choice.cycle]
            where = np.array([names.index(name) for name in choice.inhibited or names[:1]], dtype=np.intp)
            for rule in choice.inhibition if len(rows) else ():
                if rule.by not in measured:
                    measured[rule.by] = crowding(view, rule.by)
                level = measured[rule.by][rows]
                too = level > rule.threshold if rule.by in ("pressure", "neighbours") else level < rule.threshold
                out[np.ix_(rows[too], where)] = True
        return out

    def lengths(
        self, view: View, rows: NDArray[np.intp], phase: NDArray[np.intp], kind: NDArray[np.intp], turn: int
    ) -> Float:
        """Return how long each of these cells takes for its phase, h: all of it if timed, else from now on."""
        rate = self.exit[rows, phase]
        with np.errstate(divide="ignore", over="ignore"):
            mean = 1.0 / rate  # infinite where a cell never leaves
        u = view.streams.stream("cycle", turn).uniform(view.ids[rows], 1)[:, 0]
        length = np.where(self.timed[kind, phase], mean, -np.log1p(-u) * np.where(rate > 0, mean, 1.0))
        length[~self.timed[kind, phase] & (rate == 0.0)] = np.inf
        own = self._own(view.ids[rows], phase, self.spread[kind, phase])
        length = np.where(self.timed[kind, phase], length * own, length)
        target = np.pi * self.radius[kind, phase] ** 2 * own  # µm²
        sized = np.isfinite(target)
        big = np.pi * view["radius"][rows] ** 2 >= np.where(sized, target, np.inf)
        return np.where(sized, np.where(big & (self.speed[rows] > 0), 0.0, np.inf), length)

    def _own(self, ids: NDArray[np.uint64], phase: NDArray[np.intp], spread: Float) -> Float:
        """Return each cell's own length of its phase as a share of the mean; it hangs on its id alone."""
        own = np.ones(len(ids))
        for k in np.unique(phase[spread > 0]):
            here = (phase == k) & (spread > 0)
            normal = self.luck.stream("cycle length", int(k)).normal(ids[here], 1)[:, 0]
            own[here] = np.maximum(1.0 + spread[here] * normal, SHORTEST)
        return own

    def anywhere(self, view: View, code: NDArray[np.intp]) -> tuple[NDArray[np.intp], Float]:
        """Return a phase and the time in it for each cell, somewhere in its cycle, all of it equally likely."""
        with np.errstate(divide="ignore", invalid="ignore"):
            mean = np.where(self.exit > 0, 1.0 / self.exit, 0.0)
        mean[np.arange(MOST_PHASES)[None, :] >= self.n_phases[code][:, None]] = 0.0
        ends = np.cumsum(mean, axis=1)  # (cell, phase) h
        at = view.streams.stream("cycle start").uniform(view.ids, 1)[:, 0] * ends[:, -1]
        phase = np.minimum((at[:, None] >= ends).sum(axis=1), np.maximum(self.n_phases[code] - 1, 0))
        begun = np.where(phase > 0, ends[np.arange(len(at)), np.maximum(phase - 1, 0)], 0.0)
        return phase.astype(np.intp), at - begun
