"""Pedigrees as trees: who divided when into whom, and where each is drawn."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from twin.analysis.lineage import founders_of
from twin.results.graphs import BIRTH, DEATH

ALIVE, DYING, DIED, DIVIDED, GONE = "alive", "dying", "died", "divided", "gone"


@dataclass
class Branch:
    """The life of one cell.

    begin, end : h. fate : alive, dying (its body is there), died (it is cleared), divided, or gone otherwise.
    place : along the axis of the cells; leaves stand on whole numbers, a mother between her daughters.
    """

    id: int
    begin: float
    end: float
    fate: str
    children: list[int] = field(default_factory=list)
    place: float = 0.0


@dataclass(frozen=True)
class Pedigree:
    """Everyone who ever lived, by id, and the clones they form.

    founders : of clones, those with most living members first, then those with most ever; where no clone has two
        living members, those with most ever first.
    sizes : founder → living members; 0 where extinct.
    """

    branches: Mapping[int, Branch]
    founders: Sequence[int]
    sizes: Mapping[int, int]

    @property
    def is_by_living(self) -> bool:
        """Whether the order of the clones is that of their living members."""
        return max(self.sizes.values(), default=0) > 1

    def members(self, founder: int) -> list[Branch]:
        """Return a clone, mothers before daughters."""
        found, waiting = [], [founder]
        while waiting:
            branch = self.branches[waiting.pop()]
            found.append(branch)
            waiting += reversed(branch.children)
        return found

    def leaves(self, founder: int) -> list[Branch]:
        """Return the members of a clone that have no daughters, in the order in which they are drawn."""
        return [branch for branch in self.members(founder) if not branch.children]


def pedigree(
    lineage: pd.DataFrame, living: Sequence[int], dying: Sequence[int], start: Sequence[int], end: float
) -> Pedigree:
    """Return the pedigree up to a time.

    Parameters
    ----------
    lineage : `Run.lineage()`, events up to `end` alone. living, dying : ids at `end`.
    start : ids of the cells at the first kept time, so that those to whom nothing happened are there. end : h.
    """
    births = lineage[lineage["event"] == BIRTH]
    first = float(min([0.0, *lineage["time"]]))
    entered = dict(zip(lineage["id"].tolist(), lineage["time"].tolist(), strict=True)) if len(lineage) else {}
    injected = lineage[lineage["event"] == "injected"]["id"].tolist()
    branches: dict[int, Branch] = {}

    def at(i: int, begin: float) -> Branch:
        return branches.setdefault(i, Branch(i, begin, end, GONE))

    for i in (*start, *births["parent"].tolist()):
        at(int(i), first)
    for i in injected:
        at(int(i), entered[i]).begin = float(lineage[lineage["id"] == i]["time"].iloc[0])
    for i, parent, time in zip(births["id"].tolist(), births["parent"].tolist(), births["time"].tolist(), strict=True):
        at(int(i), float(time)).begin = float(time)
        mother = at(int(parent), first)
        mother.children.append(int(i))
        mother.end, mother.fate = float(time), DIVIDED
    deaths = lineage[lineage["event"].str.startswith(DEATH)] if len(lineage) else lineage
    for i, time in zip(deaths["id"].tolist(), deaths["time"].tolist(), strict=True):
        cell = at(int(i), first)
        cell.end, cell.fate = float(time), DIED
    alive = {int(i) for i in living}
    for ids, fate in ((alive, ALIVE), ({int(i) for i in dying}, DYING)):
        for i in ids:
            cell = at(i, first)
            cell.fate = fate if cell.fate == GONE else cell.fate
    founder, size = np.unique(founders_of(lineage, sorted(alive)), return_counts=True)
    born = {int(i) for i in births["id"].tolist()}
    sizes = {i: 0 for i in branches if i not in born}
    sizes.update({int(f): int(n) for f, n in zip(founder, size, strict=True)})
    ever = dict(zip(*np.unique(founders_of(lineage, branches), return_counts=True), strict=True))
    tree = Pedigree(branches, [], sizes)
    first_by, then_by = (sizes, ever) if tree.is_by_living else (ever, sizes)
    return replace(tree, founders=sorted(sizes, key=lambda f: (-first_by[f], -then_by[f], f)))


def lay_out(tree: Pedigree, founder: int, first: float) -> float:
    """Give every member of a clone its place from `first` on; return the first that is free after it."""
    members = tree.members(founder)
    free = first
    for branch in members:
        if not branch.children:
            branch.place, free = free, free + 1.0
    for branch in reversed(members):
        if branch.children:
            branch.place = float(np.mean([tree.branches[c].place for c in branch.children]))
    return free
