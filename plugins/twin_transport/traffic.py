"""Cells that travel from one compartment to another: hazards, gated by homing receptors, drawn cell by cell."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from twin.gates import cell_rates
from twin.kernels.exposure import hill
from twin.process import View
from twin.scenario.organs import Traffic
from twin.scenario.schema import Scenario

Float = NDArray[np.float64]
Way = tuple[str, str]  # from, to


def ways(scenario: Scenario) -> list[Way]:
    """Return every way that some cells may take, once."""
    traffic = scenario.organs.traffic if scenario.organs is not None else ()
    return list(dict.fromkeys((way.source, way.target) for way in traffic))


def departures(views: Mapping[str, View], dt: float) -> dict[Way, NDArray[np.intp]]:
    """Return who leaves within `dt` hours, rows of the source by the way that they take.

    The hazards of all ways that are open to a cell compete: it leaves with probability 1 − exp(−Σ h dt), and by a way
    in proportion to its hazard. This is exact for hazards that stay in the step.
    """
    first = next(iter(views.values()))
    left: dict[Way, NDArray[np.intp]] = {}
    for source, view in views.items():
        mine = [way for way in ways(first.scenario) if way[0] == source]
        if not mine or not view.n_cells:
            continue
        open_to = np.zeros((view.n_cells, len(mine)))  # (cell, way) 1/h
        for traffic in first.scenario.organs.traffic if first.scenario.organs is not None else ():
            if traffic.source == source:
                open_to[:, mine.index((source, traffic.target))] += hazard(views, traffic)
        luck = view.streams.stream("travel").uniform(view.ids, 2)  # (cell, 2)
        total = open_to.sum(axis=1)
        goes = luck[:, 0] < -np.expm1(-total * dt)
        edges = np.cumsum(open_to, axis=1)  # (cell, way)
        taken = np.minimum((luck[:, 1:] * total[:, None] >= edges).sum(axis=1), len(mine) - 1)
        for k, way in enumerate(mine):
            rows = np.flatnonzero(goes & (taken == k))
            if len(rows):
                left[way] = rows[np.argsort(view.ids[rows])]
    return left


def hazard(views: Mapping[str, View], traffic: Traffic) -> Float:
    """Return at what rate each cell of the source takes a way, (cell,) 1/h; 0 for the dead and for other types."""
    view = views[traffic.source]
    out = np.zeros(view.n_cells)
    rows = np.flatnonzero(view["alive"] & view.type_is(traffic.cell_types))
    if not len(rows):
        return out
    out[rows] = traffic.rate
    homing = traffic.homing
    if homing is None:
        return out
    genes = [view.model.genes.index(gene) for gene in homing.receptor]
    out[rows] *= hill(cell_rates(view, genes, rows).min(axis=1), homing.half_max, homing.power)
    if homing.ligand is not None and homing.ligand_half_max is not None:
        target = views[traffic.target]
        held = target["concentration"][target.substances.index(homing.ligand)].mean()
        half = view.scenario.substances[homing.ligand].nanomolar(homing.ligand_half_max, homing.ligand)
        out[rows] *= hill(np.asarray(held), half)
    return out
