"""How fast mechanics is: forces on agents a second, one thread.

The work is that of published comparisons: a hexagonal close-packed ball of PhysiCell's default
cell at 0.95 of two radii, without walls. One agent-step is one evaluation of all forces on one
cell, with its share of moving cells, building lists and the contact graph.
"""

from time import perf_counter

import numpy as np

from twin.kernels.mechanics import MechanicsParams, relax

RADIUS = (2494.0 * 3.0 / (4.0 * np.pi)) ** (1.0 / 3.0)  # µm; PhysiCell's default cell
DURATION = 0.2  # h; 12 min, as in the comparison
REPEATS = 3


def bench_mechanics(sizes: tuple[int, ...] = (2_000, 10_000)) -> dict[str, float]:
    """Return agent-steps a second by number of cells, the best of three."""
    rates = {}
    nowhere = np.full(3, np.inf)
    for n in sizes:
        ball = close_packed_ball(n)
        radius = np.full(n, RADIUS)
        relax(ball, radius, -nowhere, nowhere, MechanicsParams(), 1e-3)  # compile
        best = 0.0
        for _ in range(REPEATS):
            start = perf_counter()
            _, _, stats = relax(ball, radius, -nowhere, nowhere, MechanicsParams(), DURATION)
            best = max(best, n * stats.evaluations / (perf_counter() - start))
        rates[f"mechanics, {n:,} cells: agent-steps/s"] = best
    return rates


def close_packed_ball(n: int) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Return the n sites of a hexagonal close packing nearest to the origin, (n, 3) µm."""
    k = int(n ** (1 / 3)) + 2
    i, j, layer = np.meshgrid(*[np.arange(-k, k + 1)] * 3, indexing="ij")
    x, y = i + (j + layer) % 2 / 2, j * np.sqrt(3) / 2 + layer % 2 * np.sqrt(3) / 6
    sites = np.stack([x, y, layer * np.sqrt(2 / 3)], axis=-1).reshape(-1, 3) * 0.95 * 2 * RADIUS
    nearest: np.ndarray[tuple[int, int], np.dtype[np.float64]]
    nearest = sites[np.argsort((sites**2).sum(axis=1), kind="stable")[:n]]
    return nearest
