"""One contract for whatever comes in through the door; and a broken contract is seen."""

from collections.abc import Iterable, Iterator
from typing import Any, ClassVar

import numpy as np
import pytest
import scipy.sparse as sp
from pydantic import ConfigDict

from twin import registry
from twin.conformance import check_process
from twin.process import (
    ALIVE,
    CONCENTRATION,
    CONTACTS,
    DOSE,
    EXPRESSION,
    POSITION,
    SOURCE,
    Add,
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
from twin.state.cells import Column

INSTALLED = [entry.name for entry in registry.entries(registry.PLUGINS)]
AGE = Port("age", ("cell",), "h")


@pytest.mark.parametrize("name", INSTALLED)
def test_every_installed_plugin_keeps_the_contract(name: str) -> None:
    assert check_process(registry.plugin(name)) == []


def test_our_own_plugins_are_installed_behind_the_door() -> None:
    assert {"dosing", "secretion", "diffusion", "exposure", "transition", "mechanics"} <= set(INSTALLED)


class Good(Process):
    """Cells age, some divide, some die, all drift: each by their own luck."""

    class Config(ProcessConfig):
        share: float = 0.3

    reads: ClassVar[tuple[Port, ...]] = (AGE, ALIVE, POSITION, Port("hunger", ("cell",), "1/h", "multiply"))
    writes: ClassVar[tuple[Port, ...]] = (AGE, POSITION, SOURCE)
    sets: ClassVar[tuple[Port, ...]] = (AGE,)
    columns: ClassVar[tuple[Column, ...]] = (Column("age", "h", inherit="zero"),)
    phase: ClassVar[Phase] = Phase.PHENOTYPE
    config: Config

    def step(self, view: View, dt: float) -> Iterable[Update]:
        luck = view.streams.stream("good").uniform(view.ids, 2)
        yield Set(AGE, view["age"] + dt * view["hunger"])
        yield Add(POSITION, np.repeat(luck[:, :1], 3, axis=1))
        yield Rate(SOURCE, np.full(view["concentration"].shape, float(view.n_cells)))
        dies = luck[:, 1] < self.config.share
        yield Structure(die=np.flatnonzero(dies), cause="age", divide=np.flatnonzero(~dies & view["alive"]))


def test_a_process_that_keeps_the_contract_has_no_fault() -> None:
    assert check_process(Good) == []
    assert check_process(Good, {"share": 0.9}) == []
    assert check_process(Good, Good.Config(share=0.0)) == []


class Loose(Good):
    class Config(ProcessConfig):
        model_config = ConfigDict(frozen=False, extra="allow")


class Needy(Good):
    class Config(ProcessConfig):
        share: float


class WrongUnit(Good):
    reads = (AGE, Port("radius", ("cell",), "nM"))


class SetsMore(Good):
    sets = (AGE, DOSE)


class Renames(Good):
    writes = (*Good.writes, Port("id", ("cell",), "1"))


class AddsCounts(Good):
    writes = (*Good.writes, EXPRESSION)


class CoreColumn(Good):
    columns = (*Good.columns, Column("radius", "um"))


class NoPhase(Good):
    phase = None  # type: ignore[assignment]  # the fault that is looked for


class Fussy(Good):
    @classmethod
    def check(cls, config: ProcessConfig, scenario: Any, model: Any) -> list[str]:
        return ["TGFB1 is missing"]


@pytest.mark.parametrize(
    ("process", "told"),
    [
        (Loose, "Config: it can be changed"),
        (Loose, "Config: it takes settings that it does not know"),
        (Needy, "Config: share: Field required"),
        (WrongUnit, "'radius' (cell) in nM is meant elsewhere as 'radius' (cell) in um"),
        (SetsMore, "sets: 'dose' is not among what it writes"),
        (Renames, "writes: 'id' is nobody's to write"),
        (AddsCounts, "writes: 'expression' is sparse and can only be set"),
        (CoreColumn, "columns: 'radius' is the core's"),
        (NoPhase, "phase: give one of"),
        (Fussy, "it refuses the scenario it is tried on (TGFB1 is missing)"),
    ],
)
def test_a_wrong_declaration_is_told(process: type[Process], told: str) -> None:
    assert any(told in fault for fault in check_process(process)), check_process(process)


class Stepping(Process):
    """What follows differs in its step alone."""

    reads: ClassVar[tuple[Port, ...]] = (POSITION, DOSE, CONCENTRATION)
    writes: ClassVar[tuple[Port, ...]] = (POSITION, SOURCE, CONTACTS, EXPRESSION)
    sets: ClassVar[tuple[Port, ...]] = (CONTACTS, EXPRESSION)
    phase: ClassVar[Phase] = Phase.PHENOTYPE

    def step(self, view: View, dt: float) -> Iterable[Update]:
        return [Add(POSITION, self.move(view))]

    def move(self, view: View) -> Any:
        return np.zeros((view.n_cells, 3))


class Writes(Stepping):
    def move(self, view: View) -> Any:
        view["position"][:] += 1.0
        return view["position"]


class WritesCounts(Stepping):
    def move(self, view: View) -> Any:
        for chunk in view.expression.chunks:
            chunk.token[:] = 0
        return super().move(view)


class Short(Stepping):
    def move(self, view: View) -> Any:
        return np.zeros(3)


class Endless(Stepping):
    def move(self, view: View) -> Any:
        with np.errstate(divide="ignore", invalid="ignore"):
            return view["position"] / np.zeros((view.n_cells, 1))


class Undeclared(Stepping):
    def step(self, view: View, dt: float) -> Iterable[Update]:
        return [Add(DOSE, view["dose"] * 0)]


class RateOfState(Stepping):
    def step(self, view: View, dt: float) -> Iterable[Update]:
        return [Rate(POSITION, self.move(view))]


class AddsRate(Stepping):
    def step(self, view: View, dt: float) -> Iterable[Update]:
        return [Add(SOURCE, view["concentration"] * 0)]


class SetsUnasked(Stepping):
    def step(self, view: View, dt: float) -> Iterable[Update]:
        return [Set(POSITION, view["position"])]


class DenseCounts(Stepping):
    def step(self, view: View, dt: float) -> Iterable[Update]:
        return [Set(EXPRESSION, view.expression.to_counts(view.ids).toarray())]


class Halves(Stepping):
    def step(self, view: View, dt: float) -> Iterator[Update]:
        for rows in view.expression.slices():
            yield Set(EXPRESSION, sp.csr_array(view.expression.counts(rows, view.ids) * 0.5), rows)


class Remembers(Stepping):
    steps = 0

    def move(self, view: View) -> Any:
        self.steps += 1
        return np.full((view.n_cells, 3), float(self.steps))


class Dice(Stepping):
    rng = np.random.default_rng(0)

    def move(self, view: View) -> Any:
        return self.rng.random((view.n_cells, 3))


class ByRow(Stepping):
    def move(self, view: View) -> Any:
        return np.repeat(np.arange(view.n_cells, dtype=float)[:, None], 3, axis=1)


class FirstDies(Stepping):
    def step(self, view: View, dt: float) -> Iterable[Update]:
        return [Structure(die=np.arange(min(1, view.n_cells)))]


class NobodyThere(Stepping):
    def move(self, view: View) -> Any:
        return view["position"] - view["position"].min()


class Ghosts(Stepping):
    def step(self, view: View, dt: float) -> Iterable[Update]:
        return [Structure(divide=np.array([view.n_cells]))]


@pytest.mark.parametrize(
    ("process", "told"),
    [
        (Writes, "one cell: step fails: ValueError: output array is read-only"),
        (WritesCounts, "one cell: step changes expression of the view"),
        (Short, "'position' in the shape (3,), its port has (1, 3)"),
        (Endless, "'position' values that are not finite"),
        (Undeclared, "gives 'dose', which is not among what it writes"),
        (RateOfState, "'position' as Rate, but it is a part of the state"),
        (AddsRate, "'source' as Add, but it is a rate"),
        (SetsUnasked, "sets 'position', which is not among its `sets`"),
        (DenseCounts, "'expression' to a ndarray, not to a scipy.sparse.csr_array"),
        (Halves, "'expression' to values that are no counts"),
        (Remembers, "a second step of the same view gives another add position"),
        (Dice, "a second step of the same view gives another add position"),
        (ByRow, "with the rows in another order the cells get another add position"),
        (FirstDies, "with the rows in another order the cells get another structure: die, removed"),
        (NobodyThere, "no cells: step fails: ValueError"),
        (Ghosts, "lets cells divide that are not there"),
    ],
)
def test_a_step_that_breaks_the_contract_is_told(process: type[Process], told: str) -> None:
    assert check_process(Stepping) == []
    assert any(told in fault for fault in check_process(process)), check_process(process)
