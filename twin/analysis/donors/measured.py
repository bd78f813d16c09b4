"""What measured donors tell: the score of a program, with and without a perturbation, by donor and cell type."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from twin.analysis.random_effects import BetweenVariance, between_variance
from twin.data.columns import is_control
from twin.data.counts import CountData
from twin.errors import InputError, UnknownNameError

Float = NDArray[np.float64]
Index = NDArray[np.intp]
What = Literal["response", "control", "treated"]
WHAT: tuple[What, ...] = ("response", "control", "treated")

INTERFERON = ("ISG15", "IFI6", "ISG20", "IFIT1", "IFIT2", "IFIT3", "MX1", "LY6E", "TNFSF10", "OAS1")
LEAST_CELLS = 5  # an arm of a donor and type that counts; our choice: below it its own variance is hardly known
LEAST_DONORS = 4  # in which a type was measured; our choice: three degrees of freedom for a variance
CONTROL, TREATED = 0, 1


@dataclass(frozen=True)
class DonorCells:
    """Cells of several donors, untreated and treated.

    score : (cell,) mean log1p(CP10k) of the program. depth : (cell,) library size.
    donor, cell_type : (cell,) codes. arm : (cell,) 0 control, 1 treated.
    """

    score: Float
    depth: Float
    donor: Index
    cell_type: Index
    arm: Index
    donors: tuple[str, ...]
    cell_types: tuple[str, ...]
    program: tuple[str, ...]
    perturbation: str
    source: str

    def rows(self, donor: int, cell_type: int, arm: int) -> NDArray[np.bool_]:
        """Return which cells are of one donor, type and arm, (cell,)."""
        return np.asarray((self.donor == donor) & (self.cell_type == cell_type) & (self.arm == arm))

    def without(self, donor: int) -> "DonorCells":
        """Return the cells of all donors but one, on the same codes."""
        keep = self.donor != donor
        parts = (self.score[keep], self.depth[keep], self.donor[keep], self.cell_type[keep], self.arm[keep])
        return DonorCells(*parts, self.donors, self.cell_types, self.program, self.perturbation, self.source)


@dataclass(frozen=True)
class Levels:
    """Mean score of each donor, type and arm, with the variance of that mean; NaN where there are too few cells.

    mean, noise : (donor, type, arm). log_depth : (donor, type, arm), mean log of the library size. n : cells.
    """

    mean: Float
    noise: Float
    log_depth: Float
    n: Index

    def of(self, what: What) -> tuple[Float, Float]:
        """Return a number of each donor and type and its sampling variance, (donor, type) each.

        response : treated − control.
        """
        if what == "response":
            return self.mean[..., 1] - self.mean[..., 0], self.noise.sum(axis=2)
        arm = TREATED if what == "treated" else CONTROL
        return self.mean[..., arm], self.noise[..., arm]


def read_donors(files: Sequence[CountData], perturbation: str, program: Sequence[str] = INTERFERON) -> DonorCells:
    """Return the cells of some files that are controls or were given a perturbation, and whose donor is known.

    Library sizes are the files' own totals where they have them, else sums of the rows.

    Raises
    ------
    InputError
        If a gene of the program is in no file, no cell was given the perturbation, or there are fewer than four donors
        with cells of both arms.
    """
    score, depth, donor, kind, arm = [], [], [], [], []
    for data in files:
        missing = [gene for gene in program if gene not in data.genes]
        if missing:
            raise InputError(f"{data.source} does not hold {', '.join(missing)} of the program: give other genes")
        given = data.column("condition")
        control = is_control(given)
        keep = control | (given == perturbation)
        if not (given == perturbation).any():
            others = sorted({str(word) for word in given[~control]})
            raise UnknownNameError(f"treatment of {data.source}", perturbation, others)
        total = data.totals
        if data.find_column("total") is not None:
            total = np.maximum(data.column("total").astype(np.float64), total)
        counts = data.counts[:, [data.genes.index(gene) for gene in program]].toarray()
        score.append(np.log1p(1e4 * counts / np.maximum(total, 1.0)[:, None]).mean(axis=1)[keep])
        depth.append(np.maximum(total, 1.0)[keep])
        donor.append(data.column("donor")[keep])
        kind.append(data.column("cell_type")[keep])
        arm.append(np.where(control, CONTROL, TREATED)[keep])
    donors, of_donor = np.unique(np.concatenate(donor), return_inverse=True)
    types, of_type = np.unique(np.concatenate(kind), return_inverse=True)
    found = DonorCells(
        np.concatenate(score),
        np.concatenate(depth),
        of_donor.astype(np.intp),
        of_type.astype(np.intp),
        np.concatenate(arm).astype(np.intp),
        tuple(str(d) for d in donors),
        tuple(str(t) for t in types),
        tuple(program),
        perturbation,
        " and ".join(data.source for data in files),
    )
    both = [all((found.arm[found.donor == d] == a).any() for a in (CONTROL, TREATED)) for d in range(len(donors))]
    if sum(both) < LEAST_DONORS:
        raise InputError(
            f"{found.source}: {sum(both)} donors have both controls and cells given {perturbation}; "
            f"{LEAST_DONORS} are needed to tell how much donors differ"
        )
    return found


def levels_of(cells: DonorCells) -> Levels:
    """Return mean score, its sampling variance and depth of each donor, type and arm with at least five cells."""
    shape = (len(cells.donors), len(cells.cell_types), 2)
    place = np.ravel_multi_index((cells.donor, cells.cell_type, cells.arm), shape)
    size = int(np.prod(shape))
    n = np.bincount(place, minlength=size)
    told = n >= LEAST_CELLS

    def mean(values: Float) -> Float:
        total = np.bincount(place, values, minlength=size)
        return np.where(told, total / np.maximum(n, 1), np.nan)

    centre = mean(cells.score)
    squares = np.bincount(place, (cells.score - centre[place]) ** 2, minlength=size)
    noise = np.where(told, squares / np.maximum(n - 1, 1) / np.maximum(n, 1), np.nan)
    return Levels(
        centre.reshape(shape),
        noise.reshape(shape),
        mean(np.log(cells.depth)).reshape(shape),
        n.reshape(shape).astype(np.intp),
    )


def told_types(levels: Levels, least: int = LEAST_DONORS) -> list[int]:
    """Return the types of which at least so many donors have enough cells in both arms."""
    response, _ = levels.of("response")
    return np.flatnonzero(np.isfinite(response).sum(axis=0) >= least).tolist()


def variance_of(levels: Levels, what: What, cell_type: int) -> BetweenVariance:
    """Return the variance of a number between the donors in which a type was measured, freed of sampling noise."""
    value, noise = (x[:, cell_type] for x in levels.of(what))
    known = np.isfinite(value) & np.isfinite(noise)
    return between_variance(value[known], noise[known])


def over_types(levels: Levels, types: Sequence[int], n: Float | None = None) -> tuple[Float, Float]:
    """Return how far each donor's response over all types is off the mean, and its sampling variance, (donor,) each.

    The mean over the types that were measured in the donor, weighted as there are cells of them in all donors: so a
    donor's composition does not count.

    n : (type,) weights; None: cells of these levels.
    """
    response, noise = (x[:, list(types)] for x in levels.of("response"))
    known = np.isfinite(response)
    held = np.where(known, response, 0.0)
    mean = held.sum(axis=0) / np.maximum(known.sum(axis=0), 1)  # (type,)
    cells = levels.n.sum(axis=(0, 2))[list(types)] if n is None else n
    weight = known * cells
    weight = weight / np.maximum(weight.sum(axis=1, keepdims=True), 1.0)  # (donor, type)
    value = (weight * np.where(known, response - mean, 0.0)).sum(axis=1)
    variance = (weight**2 * np.where(known, noise, 0.0)).sum(axis=1)
    told = known.any(axis=1)
    return np.where(told, value, np.nan), np.where(told, variance, np.nan)
