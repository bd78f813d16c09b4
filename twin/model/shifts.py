"""What is done to cells, as the decoder takes it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]


@dataclass(frozen=True)
class Effects:
    """What is done to a set of cells: shifts of log μ by arm and context, and how strongly each cell feels each arm.

    table : (arm, context, gene) float32. context : (cell,) index into the table's contexts. strength : (cell, arm).
    dispersion : (arm, gene) φ of what an arm adds to a gene's counts; NaN: not known. None: of no gene.
    """

    table: NDArray[np.float32]
    context: NDArray[np.int64]
    strength: Float
    dispersion: NDArray[np.float32] | None = None

    def rows(self, rows: slice | NDArray[np.intp]) -> "Effects":
        """Return those of some cells."""
        return Effects(self.table, self.context[rows], self.strength[rows], self.dispersion)

    def spread(self) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return φ of what the arms add, (set of arms, gene), and which set each cell feels, (cell,).

        Of several arms it is the geometric mean; NaN: not known.
        """
        n_genes = self.table.shape[2]
        felt, of_cell = np.unique(self.strength != 0, axis=0, return_inverse=True)
        out = np.full((len(felt), n_genes), np.nan, np.float32)
        if self.dispersion is not None:
            log_phi = np.log(self.dispersion)
            for i, arms in enumerate(felt):
                told = np.isfinite(log_phi[arms])
                total = np.where(told, log_phi[arms], 0).sum(axis=0)
                out[i] = np.exp(
                    np.divide(total, told.sum(axis=0), out=np.full(n_genes, np.nan), where=told.any(axis=0))
                )
        return out, of_cell.ravel().astype(np.int64)

    def shift(self, genes: NDArray[np.intp] | slice = slice(None)) -> NDArray[np.float32]:
        """Return the shift of each cell, (cell, gene)."""
        n_genes = self.table[:, :, genes].shape[2]
        out = np.zeros((len(self.context), n_genes), np.float32)
        for a in range(self.table.shape[0]):
            felt = np.flatnonzero(self.strength[:, a])
            out[felt] += self.strength[felt, a, None].astype(np.float32) * self.table[a][self.context[felt]][:, genes]
        return out
