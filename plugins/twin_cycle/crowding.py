"""How crowded a cell is: what contact inhibition listens to."""

import numpy as np
from numpy.typing import NDArray

from twin.process import View

Float = NDArray[np.float64]

PRESSURE_SCALE = 0.027288820670331  # 1; PhysiCell 1.14, simple_pressure_scale: 12 neighbours at rest press with 1


def crowding(view: View, by: str) -> Float:
    """Return one measure of crowding of each cell, (cell,), 1.

    pressure: PhysiCell's, Σ (1 − d/R)² over those nearer than R, the sum of radii, over its scale.
    neighbours: how many it touches.
    free_surface: γ, the share of a disc's rim that no neighbour covers, as OpenVT has it: 1 − Σ sin φ / π.
    free_area: β, the share of a disc that no neighbour's half covers: 1 − Σ (φ − sin φ cos φ) / π, where φ is half the
    angle under which the chord of two overlapping discs is seen from the centre.

    Source
    ------
    `Cell::add_potentials` of PhysiCell 1.14; OpenVT monolayer reference model, PhysiCell's custom module (2026).
    """
    pairs = view.contacts.tocoo()
    i, j = pairs.row, pairs.col
    if by == "neighbours":
        return np.bincount(i, minlength=view.n_cells).astype(np.float64)
    radius, position = view["radius"], view["position"]
    distance = np.linalg.norm(position[i] - position[j], axis=1)
    reach = radius[i] + radius[j]
    if by == "pressure":
        return _summed(i, np.maximum(1.0 - distance / reach, 0.0) ** 2 / PRESSURE_SCALE, view.n_cells)
    cosine = (distance**2 - radius[j] ** 2 + radius[i] ** 2) / (2.0 * np.maximum(distance, 1e-9) * radius[i])
    cosine = np.where(distance < reach, np.clip(cosine, -1.0, 1.0), 1.0)
    sine = np.sqrt(1.0 - cosine**2)
    covered = sine if by == "free_surface" else np.arccos(cosine) - cosine * sine
    return np.maximum(1.0 - _summed(i, covered, view.n_cells) / np.pi, 0.0)


def _summed(rows: NDArray[np.intp], values: Float, n: int) -> Float:
    return np.asarray(np.bincount(rows, weights=values, minlength=n), dtype=np.float64)
