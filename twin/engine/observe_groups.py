"""Readouts of niches, organoids and organs: what their living cells are like."""

from collections.abc import Mapping

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from twin.engine.grouping import tree_at_start
from twin.engine.world import World
from twin.errors import InputError
from twin.results import Readout
from twin.state.body import Compartment
from twin.state.groups import BODY, body_tree, paths_of

Float = NDArray[np.float64]

GROUP = "group"  # the axis
SIZE, GAIN, SPAN, RESPONSE = "n_by_group", "gain", "span", "response_by_group"


def group_labels(world: World) -> list[str]:
    """Return the groups of the kinds that are asked for, as paths: tumour/dish 1/rim.

    Raises
    ------
    InputError
        If no compartment has groups of a kind.
    """
    homes = world.scenario.compartments
    whole = body_tree({name: tree_at_start(world, name, document) for name, document in homes.items()})
    found = []
    for kind in world.scenario.observe.by_group:
        of_kind = [path for path, about in whole.nodes(data=True) if about["kind"] == kind]
        if not of_kind:
            raise InputError(f"observe.by_group: no compartment has a {kind}: leave it out, or say how cells lie in it")
        found += of_kind
    return found


def group_readouts(world: World) -> list[Readout]:
    """Return the readouts along the axis `group`; their other axes are those of the readouts by cell type."""
    observe = world.scenario.observe
    found = [
        Readout(SIZE, (GROUP,), "1", "number of living cells"),
        Readout("library_size_by_group", (GROUP,), "count", "mean library size"),
    ]
    if observe.genes:
        found.append(Readout("gene_mean_by_group", (GROUP, "gene"), "counts per 10,000", "mean expression"))
    if observe.columns:
        found.append(Readout("column_mean_by_group", (GROUP, "column"), "as the column", "mean of living cells"))
    if observe.programs:
        found.append(Readout("program_score_by_group", (GROUP, "program"), "1", "mean log1p(CP10k) of a program"))
    if world.substances.names:
        found.append(Readout("concentration_by_group", (GROUP, "substance"), "nM", "mean concentration at the cells"))
    if observe.response is not None:
        found.append(Readout(RESPONSE, (GROUP,), "1", "response: 0 = control, 1 = full trained dose"))
    return found


class Tally:
    """Sums over the living cells of each group, filled compartment by compartment: an organ may have several."""

    def __init__(self, world: World) -> None:
        self.labels = group_labels(world)
        self.size = np.zeros(len(self.labels))
        self.sums: dict[str, Float] = {}

    def add(self, home: Compartment, numbers: Mapping[str, Float]) -> None:
        """Add the cells of a compartment.

        numbers : readout → (cell,) or (cell, k); for the response `GAIN` and `SPAN`.
        """
        members = _members(home.groups)
        for name, values in numbers.items():
            self.sums.setdefault(name, np.zeros((len(self.labels), *values.shape[1:])))
        for i, label in enumerate(self.labels):
            mine = home.cells.alive & np.isin(home.cells.group, members.get(label, []))
            if not mine.any():
                continue
            self.size[i] += mine.sum()
            for name, values in numbers.items():
                self.sums[name][i] += values[mine].sum(axis=0)

    def write(self, out: dict[str, Float]) -> None:
        """Put numbers and means of all groups into the readouts; of a group without cells the means are NaN."""
        out[SIZE][:] = self.size
        n = np.where(self.size > 0, self.size, np.nan)
        for name, sums in self.sums.items():
            if name in out:
                out[name][:] = sums / n.reshape(-1, *[1] * (sums.ndim - 1))
        if RESPONSE in out and GAIN in self.sums:
            whole = self.sums[SPAN]
            out[RESPONSE][:] = np.where(
                np.abs(whole) > 1e-12, self.sums[GAIN] / np.where(whole == 0, 1.0, whole), np.nan
            )


def _members(tree: "nx.DiGraph[int]") -> dict[str, list[int]]:
    """Return by path the nodes that are, or lie in, each group of a compartment's tree; of the body all."""
    paths = paths_of(tree)
    found = {path: [node, *nx.descendants(tree, node)] for node, path in paths.items()}
    return {**found, BODY: list(tree)}
