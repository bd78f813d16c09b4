"""The cells of a compartment: a structure of arrays, one row a cell."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

Float = NDArray[np.float64]

Inherit = Literal["copy", "share", "zero"]  # what a daughter gets: the same, half of it, nothing


@dataclass(frozen=True)
class Column:
    """A numeric per-cell column that a plugin declares.

    `width` 0 is one number a cell, n > 0 is n numbers. `initial` fills founders.
    """

    name: str
    units: str
    width: int = 0
    initial: float = 0.0
    inherit: Inherit = "copy"


@dataclass
class Cells:
    """All cells of a compartment, dead bodies too until they are cleared.

    Rows are in the order of space at first, daughters at the end (`twin.state.locality`); `n` is their number.

    id : (cell,) uint64; a founder's counts along the longest edge of the box, a daughter's is a hash of (parent, tick,
        sibling).
    parent : (cell,) uint64; a founder is its own parent.
    birth : (cell,) int64, tick.
    position : (cell, 3) x, y, z in µm.
    radius : (cell,) µm.
    cell_type, donor, species, technology : (cell,) int16 codes into `names[...]`.
    group : (cell,) int32, leaf of the compartment's tree of groups.
    alive : (cell,) bool.
    depth : (cell,) counts; the library size at which this cell would be captured.
    z : (cell, latent) float32; the world model's slow latent: who this cell is.
    dose : (cell, perturbation) nM at the receptor.
    time_since : (cell, perturbation) h since exposure began; NaN before it.
    ec50_factor : (cell,) inherited spread of sensitivity, 1 on (geometric) average.
    clamp : (cell, gene) CSR of factors on a gene's expression; stored 0 = knocked out, absent = free.
    extra : columns that plugins declared.
    """

    id: NDArray[np.uint64]
    parent: NDArray[np.uint64]
    birth: NDArray[np.int64]
    position: Float
    radius: Float
    cell_type: NDArray[np.int16]
    donor: NDArray[np.int16]
    species: NDArray[np.int16]
    technology: NDArray[np.int16]
    group: NDArray[np.int32]
    alive: NDArray[np.bool_]
    depth: Float
    z: NDArray[np.float32]
    dose: Float
    time_since: Float
    ec50_factor: Float
    clamp: sp.csr_array
    names: Mapping[str, tuple[str, ...]]
    columns: tuple[Column, ...] = ()
    extra: dict[str, Float] = field(default_factory=dict)

    @property
    def n(self) -> int:
        """How many rows there are."""
        return len(self.id)

    def type_names(self) -> NDArray[np.str_]:
        """Return the cell type of each cell as text, (cell,)."""
        return np.asarray(self.names["cell_type"])[self.cell_type]

    @property
    def volume(self) -> Float:
        """Volume of each cell, (cell,) µm³."""
        return 4.0 / 3.0 * np.pi * self.radius**3

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return every dense per-cell array by its port name, plugins' columns among them."""
        core = {name: getattr(self, name) for name in DENSE_COLUMNS}
        return {**core, **self.extra}

    def take(self, rows: NDArray[np.intp]) -> "Cells":
        """Return these rows as cells of their own (copies)."""
        core = {name: getattr(self, name)[rows].copy() for name in DENSE_COLUMNS}
        extra = {name: values[rows].copy() for name, values in self.extra.items()}
        return Cells(**core, clamp=self.clamp[rows], names=self.names, columns=self.columns, extra=extra)

    def append(self, other: "Cells") -> "Cells":
        """Return these cells followed by the other ones; both have the same columns and names."""
        assert self.names == other.names, "cells with other categories cannot be joined"
        core = {k: np.concatenate([getattr(self, k), getattr(other, k)]) for k in DENSE_COLUMNS}
        extra = {k: np.concatenate([v, other.extra[k]]) for k, v in self.extra.items()}
        clamp = sp.vstack([self.clamp, other.clamp], format="csr")
        return Cells(**core, clamp=clamp, names=self.names, columns=self.columns, extra=extra)


DENSE_COLUMNS = (
    "id",
    "parent",
    "birth",
    "position",
    "radius",
    "cell_type",
    "donor",
    "species",
    "technology",
    "group",
    "alive",
    "depth",
    "z",
    "dose",
    "time_since",
    "ec50_factor",
)
