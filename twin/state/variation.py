"""What the donors, the batch and the operator of one replicate are like, as numbers."""

from dataclasses import dataclass
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]


class OfCells(TypedDict):
    """What donors make of cells, as `twin.model.condition.Condition` has it."""

    gain: Float | None
    tone: Float | None
    offset: Float | None


@dataclass(frozen=True)
class Drawn:
    """The effects that one replicate has in one compartment; None or 1: nobody differs.

    present : codes of the donors whose cells the replicate holds; () where none are declared.
    ec50, library : (donor,) factors on the EC50 and on the library size; rows as `names["donor"]`.
    odds : (donor, type) what is added to the log of each type's share.
    gain, tone : (donor, type, perturbation) as `twin.model.condition.Condition` has them.
    offset : (donor, latent) of the centre of z, the batch's shift in it.
    depth : the batch's factor on the depth at which cells are read.
    dose, seeding : the operator's factors on what is added and on how many cells are put in.
    delay : ticks by which the operator is late.
    """

    present: tuple[int, ...] = ()
    ec50: Float | None = None
    library: Float | None = None
    odds: Float | None = None
    gain: Float | None = None
    tone: Float | None = None
    offset: Float | None = None
    depth: float = 1.0
    dose: float = 1.0
    seeding: float = 1.0
    delay: int = 0

    def of_cells(self, donor: NDArray[Any], cell_type: NDArray[Any]) -> OfCells:
        """Return gain and tone, (cell, perturbation), and offset, (cell, latent), of cells by their codes."""
        return {
            "gain": None if self.gain is None else self.gain[donor, cell_type],
            "tone": None if self.tone is None else self.tone[donor, cell_type],
            "offset": None if self.offset is None else self.offset[donor],
        }

    def depth_of(self, depth: Float, donor: NDArray[Any]) -> Float:
        """Return depths, (cell,), as this donor's cells in this batch are read; at least 1."""
        if self.library is None and self.depth == 1.0:
            return depth
        own = 1.0 if self.library is None else self.library[donor]
        return np.asarray(np.maximum(np.round(depth * own * self.depth), 1.0))


ALIKE = Drawn()
