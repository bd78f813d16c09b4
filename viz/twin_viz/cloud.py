"""A substance in the tissue itself, around its cells: as a translucent volume, as iso-surfaces, or as one slice."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import xarray as xr

from twin.errors import InputError
from twin_viz.camera import Float

Style = Literal["block", "slice", "iso", "volume"]  # a block stands beside the cells, in a panel of its own
STYLES: tuple[str, ...] = get_args(Style)
SURFACES = 4  # iso-surfaces, at even steps of the logarithm; our choice


@dataclass(frozen=True)
class Cloud:
    """A substance around cells, on one logarithmic scale for all panels.

    edges : of the voxels along x, y and z, µm. low, high : ends of the scale, in `units`.
    axis, at : the slice stands on `axis` at `at` µm. is_clipped : whether there is less than `low` somewhere.
    """

    substance: str
    units: str
    style: Style
    edges: tuple[Float, Float, Float]
    low: float
    high: float
    axis: int
    at: float
    is_clipped: bool = False

    @property
    def levels(self) -> Float:
        """Concentrations of the iso-surfaces, inside the scale."""
        return np.geomspace(self.low, self.high, SURFACES + 2)[1:-1]

    @property
    def centres(self) -> tuple[Float, Float, Float]:
        """Middles of the voxels along x, y and z, µm."""
        x, y, z = ((e[:-1] + e[1:]) / 2 for e in self.edges)
        return x, y, z

    @property
    def words(self) -> str:
        """What is shown, in a few words."""
        where = f"slice at {'xyz'[self.axis]} = {self.at:.3g} µm"
        return {"slice": where, "iso": "iso-surfaces", "volume": "volume", "block": ""}[self.style]

    def slice_of(self, concentration: Float) -> tuple[Float, Float]:
        """Return corners (row + 1, column + 1, axis) µm and concentrations (row, column) of the slice.

        concentration : (z, y, x).
        """
        values = concentration.transpose(2, 1, 0)  # (x, y, z)
        edges = self.edges[self.axis]
        voxel = int(np.clip(np.searchsorted(edges, self.at, side="right") - 1, 0, len(edges) - 2))
        others = [a for a in range(3) if a != self.axis]
        points = np.empty((len(self.edges[others[0]]), len(self.edges[others[1]]), 3))
        points[..., others[0]], points[..., others[1]] = np.meshgrid(*(self.edges[a] for a in others), indexing="ij")
        points[..., self.axis] = self.at
        return points, np.take(values, voxel, axis=self.axis)


def style_of(word: str) -> Style:
    """Return a style.

    Raises
    ------
    InputError
        If it is none.
    """
    for style in get_args(Style):
        if word == style:
            return style  # type: ignore[no-any-return]  # one of the literals
    raise InputError(f"a field is shown as {', '.join(STYLES[:-1])} or {STYLES[-1]}, not as {word!r}")


def scale_of(values: Sequence[xr.DataArray], decades: float) -> tuple[float, float]:
    """Return the ends of one logarithmic scale for concentrations, at most so many decades wide."""
    high = max((float(v.max()) for v in values), default=0.0) or 1.0
    low = max(min((float(v.min()) for v in values), default=0.0), high / 10**decades)
    return (high / 10 if low > high / 2 else low), high  # nearly even ones: one decade shows that they are
