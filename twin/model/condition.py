"""What a set of cells is and what is done to them: the question that every world model is asked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self, TypeAlias

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from twin.errors import InputError, UnknownNameError

Float = NDArray[np.float64]
Counts: TypeAlias = sp.csr_array  # (cell, gene), int32, sorted indices

HALF_LIFE = 5.0  # h; median mRNA half-life in human cells, Tani et al., Genome Res 2012 (order of magnitude)


@dataclass(frozen=True)
class Perturbation:
    """One perturbation that a model was trained on.

    name : its word ("IFNB1"); a cytokine or gene by symbol, a drug by generic name.
    kind : "cytokine", "gene" or "drug".
    reference : the trained dose, nM; the effect at this dose is the measured one. NaN: no dose.
    reference_text : the same as the data said it ("100 U/mL").
    ec50 : nM; half-effect dose of the Hill curve by which other doses are read.
    hill : its exponent.
    times : h; the measured times since exposure.
    cells : per context, how many treated cells were seen.
    """

    name: str
    kind: str
    reference: float
    reference_text: str
    ec50: float
    hill: float
    times: tuple[float, ...]
    cells: dict[str, int]


@dataclass(frozen=True)
class Condition:
    """What a set of cells is and what is done to them.

    ids : (cell,) uint64; they key every random number.
    context : (cell,) index into the model's `contexts`.
    depth : (cell,) library size at which the cell is captured.
    dose : (cell, perturbation) nM, columns as the model's `perturbations`.
    time_since : (cell, perturbation) h since exposure began; NaN before it. A model of one measured time, as the
        shipped one, does not look at it.
    ec50_factor : (cell,) factor on every EC50 of this cell.
    clamp : (cell, gene) factors on expression; stored 0 = knocked out, absent = free.
    guidance : w; effects are scaled by 1 + w. 0 in every simulation.
    gain : (cell, perturbation) factors on each effect, of the cell's donor; None: 1.
    tone : (cell, perturbation) how far along each effect a cell stands that is not exposed, as a share of the trained
        effect; below 0 it stands on the other side of the mean of controls. None: 0.
    offset : (cell, latent) by how many of its context's own standard deviations the centre of z lies off. None: 0.
    """

    ids: NDArray[np.uint64]
    context: NDArray[np.intp]
    depth: Float
    dose: Float
    time_since: Float
    ec50_factor: Float
    clamp: sp.csr_array | None = None
    guidance: float = 0.0
    gain: Float | None = None
    tone: Float | None = None
    offset: Float | None = None

    @property
    def n(self) -> int:
        """How many cells."""
        return len(self.ids)

    def rows(self, rows: slice | NDArray[np.intp]) -> Self:
        """Return the condition of some of the cells."""
        return replace(
            self,
            ids=self.ids[rows],
            context=self.context[rows],
            depth=self.depth[rows],
            dose=self.dose[rows],
            time_since=self.time_since[rows],
            ec50_factor=self.ec50_factor[rows],
            clamp=None if self.clamp is None else self.clamp[rows],
            gain=None if self.gain is None else self.gain[rows],
            tone=None if self.tone is None else self.tone[rows],
            offset=None if self.offset is None else self.offset[rows],
        )


def clamp_of(factors: Mapping[str, float] | None, genes: Sequence[str], n: int) -> sp.csr_array | None:
    """Return the factors on expression of `n` cells that are all alike, (cell, gene), or None where there are none.

    factors : by gene; 0 = gone. genes : the model's, as far as the cells have them.

    Raises
    ------
    UnknownNameError
        If a gene is none of these.
    InputError
        If a factor is negative or no number.
    """
    if not factors:
        return None
    place = {gene: i for i, gene in enumerate(genes)}
    for gene, factor in factors.items():
        if gene not in place:
            raise UnknownNameError("gene of this model", gene, genes)
        if not (np.isfinite(factor) and factor >= 0):
            raise InputError(f"clamp: the factor of {gene} is {factor}; it must be 0 (gone) or above")
    columns = np.array(sorted(place[gene] for gene in factors), dtype=np.int32)
    values = np.array([factors[genes[c]] for c in columns], dtype=np.float64)
    indptr = np.arange(n + 1) * len(columns)
    return sp.csr_array((np.tile(values, n), np.tile(columns, n), indptr), shape=(n, len(genes)))
