"""Heredity: events that stay with a cell and its daughters."""

from collections.abc import Iterable, Iterator
from typing import ClassVar

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from twin.errors import unknown_name
from twin.model.contract import WorldModel
from twin.process import (
    ALIVE,
    APOPTOSIS,
    BEHAVIOUR,
    CLAMP,
    NECROSIS,
    PROLIFERATION,
    Phase,
    Port,
    Process,
    ProcessConfig,
    Rate,
    Set,
    Update,
    View,
)
from twin.scenario.schema import Scenario
from twin.state.cells import Column
from twin_heredity.events import Ageing, Event, Mutation, Senescence

Float = NDArray[np.float64]
Bool = NDArray[np.bool_]

DIVISIONS = Port("divisions_done", ("cell",), "1")
SEEN = Port("birth_seen", ("cell",), "1")
SENESCENT = Port("senescent", ("cell",), "1")
AGE = Port("cell_age", ("cell",), "h")
LARGEST = 700.0  # 1; our choice: exp of it is still a number


class Heredity(Process):
    """Mutations, senescence and ageing, each by its own law; what has happened to a cell its daughters have too.

    A mutation clamps a gene (the world model then turns the cell's transcripts over to what is left of it) or
    multiplies how fast a cell cycles or dies. Senescence stops the cycle for good: after a number of divisions
    (Hayflick's limit), by chance at a division, or at a rate. Ageing adds a hazard of apoptosis that grows
    exponentially with age (Gompertz).

    Source
    ------
    Hayflick, Moorhead, The serial cultivation of human diploid cell strains, Exp Cell Res 25 (1961); Gompertz, Phil
    Trans R Soc 115 (1825).
    """

    class Config(ProcessConfig):
        """What can happen to a line of cells."""

        mutations: tuple[Mutation, ...] = ()
        senescence: Senescence | None = None
        ageing: Ageing | None = None

    config: Config
    reads: ClassVar[tuple[Port, ...]] = (
        ALIVE,
        BEHAVIOUR,
        DIVISIONS,
        SEEN,
        Port("cell_type", ("cell",), "1"),
        Port("id", ("cell",), "1"),
    )
    writes: ClassVar[tuple[Port, ...]] = (PROLIFERATION, APOPTOSIS, NECROSIS, DIVISIONS, SEEN)
    sets: ClassVar[tuple[Port, ...]] = (DIVISIONS, SEEN)
    delayed: ClassVar[tuple[Port, ...]] = (ALIVE,)
    columns: ClassVar[tuple[Column, ...]] = (
        Column("divisions_done", "1"),
        Column("birth_seen", "1", initial=1.0, inherit="zero"),  # 0: born since the last step
    )
    phase: ClassVar[Phase] = Phase.PHENOTYPE

    @classmethod
    def columns_for(cls, config: ProcessConfig, scenario: Scenario) -> tuple[Column, ...]:
        """Return a column for each thing that can have happened."""
        assert isinstance(config, cls.Config)
        found = [Column(mutation.column, "1") for mutation in config.mutations]
        if config.senescence is not None:
            found.append(Column(SENESCENT.name, "1"))
        if config.ageing is not None:
            found.append(Column(AGE.name, "h", inherit="zero" if config.ageing.of == "cell" else "copy"))
        return tuple(found)

    @classmethod
    def sets_for(cls, config: ProcessConfig, scenario: Scenario) -> tuple[Port, ...]:
        """Return those columns, and the clamp where a mutation has a gene."""
        assert isinstance(config, cls.Config)
        own = tuple(Port(c.name, ("cell",), c.units) for c in cls.columns_for(config, scenario))
        return (*own, CLAMP) if any(m.gene is not None for m in config.mutations) else own

    @classmethod
    def writes_for(cls, config: ProcessConfig, scenario: Scenario) -> tuple[Port, ...]:
        """Return the same: what it writes so it sets."""
        return cls.sets_for(config, scenario)

    @classmethod
    def check(cls, config: ProcessConfig, scenario: Scenario, model: WorldModel) -> list[str]:
        """Return which names are not known, and which are used twice."""
        assert isinstance(config, cls.Config)
        faults = []
        names = [m.name for m in config.mutations]
        faults += [f"mutations: two are called {name!r}" for name in sorted({n for n in names if names.count(n) > 1})]
        for k, mutation in enumerate(config.mutations):
            if mutation.gene is not None and mutation.gene not in model.genes:
                faults.append(f"mutations[{k}].gene: {unknown_name('gene', mutation.gene, model.genes)}")
        events: list[Event] = [*config.mutations, *([config.senescence] if config.senescence else [])]
        unknown = {t for event in events for t in event.cell_types if t not in model.contexts}
        return [*faults, *(unknown_name("cell type", t, model.contexts) for t in sorted(unknown))]

    def assumptions(self, scenario: Scenario, model: WorldModel) -> list[str]:
        """Say what can happen to a line, and what of it needs another process."""
        c, told = self.config, []
        for m in c.mutations:
            told.append(f"mutation {m.name}: {m.per_division:g} per daughter, {m.rate:g} /h; it happens once to a line")
        arrests = c.senescence is not None or any(m.proliferation != 1 for m in c.mutations)
        if arrests and "cycle" not in scenario.processes:
            told.append("no process called cycle: what changes proliferation has an effect only where one reads it")
        if c.ageing is not None:
            told.append(f"the hazard of ageing doubles every {np.log(2) / max(c.ageing.growth, 1e-12):.3g} h")
        return told

    def step(self, view: View, dt: float) -> Iterable[Update]:
        """Return what happens to each line in `dt` hours, and what follows from all that has."""
        c = self.config
        born = view[SEEN.name] == 0.0
        divisions = view[DIVISIONS.name] + born
        factor, apoptosis = np.ones(view.n_cells), np.zeros(view.n_cells)
        necrosis = np.zeros(view.n_cells)
        yield Set(SEEN, np.ones(view.n_cells))
        yield Set(DIVISIONS, divisions)
        clamp: list[tuple[Bool, str, float]] = []
        for mutation in c.mutations:
            had = view[mutation.column] > 0.0
            new = ~had & self._happens(view, mutation, f"mutation {mutation.name}", born, dt)
            has = had | new
            yield Set(Port(mutation.column, ("cell",), "1"), has.astype(np.float64))
            factor = np.where(has, factor * mutation.proliferation, factor)
            for word, times, hazard in (
                ("apoptosis", mutation.apoptosis, apoptosis),
                ("necrosis", mutation.necrosis, necrosis),
            ):
                if times != 1.0:
                    hazard += np.where(has, (times - 1.0) * (np.maximum(view.behaviour(word), 0.0) + hazard), 0.0)
            if mutation.gene is not None and new.any():
                clamp.append((new, mutation.gene, mutation.residual))
        if c.senescence is not None:
            old = (view[SENESCENT.name] > 0.0) | self._happens(view, c.senescence, "senescence", born, dt)
            if c.senescence.after is not None:
                old |= (divisions >= c.senescence.after) & _of_types(view, c.senescence.cell_types)
            yield Set(SENESCENT, old.astype(np.float64))
            factor = np.where(old, 0.0, factor)
        if c.ageing is not None:
            yield Set(AGE, view[AGE.name] + dt)
            apoptosis += _gompertz(c.ageing, view[AGE.name], dt)
        yield Rate(PROLIFERATION, factor)
        yield Rate(APOPTOSIS, apoptosis)
        yield Rate(NECROSIS, necrosis)
        yield from self._clamped(view, clamp)

    @staticmethod
    def _happens(view: View, event: Event, purpose: str, born: Bool, dt: float) -> Bool:
        """Return to which living cells an event happens in this step: as it was born, or since, (cell,)."""
        luck = view.streams.stream(purpose).uniform(view.ids, 2)  # (cell, which way)
        now = (born & (luck[:, 0] < event.per_division)) | (luck[:, 1] < -np.expm1(-event.rate * dt))
        return np.asarray(now & view["alive"] & _of_types(view, event.cell_types), dtype=np.bool_)

    @staticmethod
    def _clamped(view: View, new: list[tuple[Bool, str, float]]) -> Iterator[Update]:
        """Return the clamp with the genes of new mutations multiplied by what is left of them."""
        if not new:
            return
        stored = view.clamp.tocoo()
        factor = {(int(i), int(j)): float(v) for i, j, v in zip(stored.row, stored.col, stored.data, strict=True)}
        for rows, gene, residual in new:
            columns = view.genes_of([gene])
            if columns is None:  # cells of another world model, which do not have it
                continue
            (column,) = columns
            for row in np.flatnonzero(rows).tolist():
                factor[row, column] = factor.get((row, column), 1.0) * residual
        places = np.array(list(factor), dtype=np.intp).reshape(-1, 2)
        values = np.array(list(factor.values()), dtype=np.float64)
        clamp = sp.csr_array((values, (places[:, 0], places[:, 1])), shape=view.clamp.shape)  # keeps stored zeros
        clamp.sort_indices()
        yield Set(CLAMP, clamp)


def _of_types(view: View, names: tuple[str, ...]) -> Bool:
    return view.type_is(names) if names else np.ones(view.n_cells, dtype=np.bool_)


def _gompertz(law: Ageing, age: Float, dt: float) -> Float:
    """Return the mean hazard over the next `dt` hours, (cell,) 1/h: exact for survival at the end of the step."""
    x = law.growth * dt
    mean = np.expm1(x) / x if x > 1e-12 else 1.0
    return np.asarray(law.hazard * np.exp(np.minimum(law.growth * age, LARGEST - x)) * mean, dtype=np.float64)
