"""What of a run a plot is of: a branch at a point of the sweep, a compartment, its times, its replicates' cells."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from anndata import AnnData

from twin.errors import InputError, UnknownNameError
from twin.results import Run
from twin.scenario.futures import TRUNK
from twin.units import quantity
from twin_viz.page import EXTRAPOLATED
from twin_viz.source import assay_end, compartment_of, measured_until

Point = Mapping[str, Any] | None
SAME = 1e-6  # h; two spellings of one time
MOST_ASKED = 16  # futures whose cells are asked since when they are exposed; our choice


@dataclass(frozen=True)
class Scene:
    """One branch at one point of the sweep, in one compartment.

    run : of its replicates alone. title : scenario, branch and point in words.
    """

    run: Run
    compartment: str
    title: str

    @property
    def replicates(self) -> range:
        """The numbers of the replicates."""
        return range(self.run.replicates)

    def kept(self) -> dict[int, tuple[float, ...]]:
        """Return at which times (h) cells are kept by now, by replicate; replicates without any are left out.

        Raises
        ------
        InputError
            If none are.
        """
        found = {i: tuple(float(t) for t in np.unique(self.run.times(i))) for i in self.replicates}
        found = {i: times for i, times in found.items() if times}
        if not found:
            raise InputError(f"{self.run.path} keeps no cells of {self.title} yet: wait for its first commit")
        return found

    def hour(self, time: float | str | None, *, first: bool = False) -> float:
        """Return the kept time that `time` names, h; without one the last (or first) at which any replicate has cells.

        Raises
        ------
        InputError
            If no replicate kept cells then; the nearest times are named.
        """
        times = np.unique(np.concatenate([np.array(t) for t in self.kept().values()]))
        if time is None:
            return float(times[0] if first else times[-1])
        try:
            wanted = quantity(time, "hour", "a time", "6 h") if isinstance(time, str) else float(time)
        except ValueError as error:
            raise InputError(str(error)) from None
        near = times[np.argsort(np.abs(times - wanted), kind="stable")]
        if abs(near[0] - wanted) > SAME:
            names = " and ".join(f"{t:g} h" for t in sorted(near[:2]))
            raise InputError(f"no cells were kept at {wanted:g} h; the nearest kept: {names}")
        return float(near[0])

    def living(self, hour: float, *, with_dead: bool = False) -> dict[int, AnnData]:
        """Return the living cells of every replicate that kept that time, by replicate.

        Raises
        ------
        InputError
            If there is no cell in any of them.
        """
        found = {}
        for i, times in self.kept().items():
            if min(abs(t - hour) for t in times) > SAME:
                continue
            cells = self.run.cells(hour, i, self.compartment)
            found[i] = cells if with_dead else cells[cells.obs["alive"].to_numpy(dtype=np.bool_)]
        if not any(cells.n_obs for cells in found.values()):
            raise InputError(f"no cell lives in {self.compartment} at {hour:g} h: choose another time with --time")
        return found

    def living_in(self, replicate: int, hour: float) -> AnnData:
        """Return the living cells of one replicate at a kept time.

        Raises
        ------
        InputError
            If none of that replicate were kept then, or there is no cell in any.
        """
        found = self.living(hour)
        if replicate not in found:
            raise InputError(
                f"no cells of replicate {replicate} were kept at {hour:g} h; there are {', '.join(map(str, found))}"
            )
        return found[replicate]

    def measured_until(self) -> float | None:
        """Return the time (h) up to which the assay reaches, after the first exposure; None where not known.

        What the cells know of their exposure is asked first: of a branch, the trunk's own timeline says nothing.
        """
        for i in self.replicates:
            times = self.run.times(i)
            if len(times):
                last = float(times[-1])
                return assay_end(self.run, self.run.cells(last, i, self.compartment, lazy=True), last)
        return measured_until(self.run)

    def extrapolated(self, hour: float) -> str:
        """Return " (beyond the assay: extrapolated)" where the time is, else ""."""
        limit = self.measured_until()
        return f" ({EXTRAPOLATED})" if limit is not None and hour > limit + SAME else ""


def earliest_limit(scenes: Sequence[tuple[str, Run]], compartment: str) -> float | None:
    """Return the earliest time (h) up to which the assay reaches in any of several futures; None where not known."""
    limits = [Scene(part, compartment, name).measured_until() for name, part in scenes[:MOST_ASKED]]
    return min((limit for limit in limits if limit is not None), default=None)


def scene_of(run: Run, compartment: str | None = None, branch: str | None = None, point: Point = None) -> Scene:
    """Return what is asked for; without a compartment the first, without a branch the trunk.

    Raises
    ------
    InputError
        If there is none of that name, or the sweep has several points and none is given.
    """
    name = compartment_of(run, compartment)
    point = point or only_point(run, branch)
    words = run.ensemble.label(run.ensemble.find(0, branch, point), replicate=False)
    title = str(run.scenario.get("name", run.path.name))
    title += f" · {name}" if len(run.compartments) > 1 else ""
    return Scene(run.at(branch, point), name, f"{title} · {words}" if words else title)


def only_point(run: Run, branch: str | None) -> Point:
    """Return any point of a branch that is the same at all of them, as a trunk is along what only branches vary."""
    mine = [t for t in run.trajectories if t.branch == (branch or TRUNK) and t.replicate == 0]
    if len(mine) != 1:
        return None
    point: dict[str, Any] = {}
    for axis, at in zip(run.ensemble.axes, mine[0].point, strict=True):
        first = axis.coordinates[0]
        point[axis.name] = first.labels[at] if first.name == axis.name else at  # of a sample the number
    return point


def only_type(cells: AnnData, cell_type: str | None) -> AnnData:
    """Return the cells of one type; without one all.

    Raises
    ------
    InputError
        If no cell can be of that type; the nearest names are offered.
    """
    if cell_type is None:
        return cells
    column = cells.obs["cell_type"]
    known = column.cat.categories if hasattr(column, "cat") else column.unique()
    if cell_type not in {str(k) for k in known}:
        raise UnknownNameError("cell type", cell_type, map(str, known))
    return cells[(column == cell_type).to_numpy()]


def names_of(names: str | Sequence[str]) -> tuple[str, ...]:
    """Return names, each once; a single one may come without a list around it."""
    return (names,) if isinstance(names, str) else tuple(dict.fromkeys(names))


def counted(n: int, what: str = "cell") -> str:
    """Return "1 cell", "2,000 cells"."""
    return f"{n:,} {what}" if n == 1 else f"{n:,} {what}s"
