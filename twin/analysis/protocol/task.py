"""What is asked of a predictor: measured cells, which of them it may see, and what it has to say of the hidden ones."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import NDArray

from twin.errors import InputError

Float = NDArray[np.float64]
Mask = NDArray[np.bool_]

CONTROL = "control"  # the word of the data files for cells that nothing was done to
COLUMNS = ("context", "donor", "condition", "dose", "time", "file")
SAME = 1e-9  # two doses or times closer than this, relatively, are one; our choice


@dataclass(frozen=True)
class Task:
    """One held-out condition, with everything that a predictor is given.

    What a predictor receives from the protocol is `blind()`: the hidden cells are not in it.

    counts : (cell, gene) raw counts of the family's files on the genes that they share.
    totals : (cell,) library sizes to normalise with: row sums, or those of the whole transcriptome where the file has
        them and holds a panel of genes only.
    obs : a row per cell: context (cell type or line, the unit of similarity), donor, condition, dose, time (h), file;
        further columns of the files where there are any.
    visible : (cell,) cells that a predictor may see.
    start : (cell,) visible control (or earliest) cells of the target context: what is to be perturbed.
    truth : (cell,) hidden cells, to be predicted.
    scored : columns of the genes that are scored.
    logged : (cell, scored) log1p(CP10k), natural log.
    condition, dose, time : what is asked; NaN where the data do not say.
    peers : conditions of the asked one's kind, whose mean effect is a baseline (the single perturbations beside a
        double; the other knock-outs that move).
    panel : conditions among which the asked one must be told apart, itself included; empty where it stands alone.
    features : per perturbed gene a vector of prior knowledge, or empty.
    seed : what a predictor that draws random numbers starts from.
    """

    family: str
    name: str
    counts: sp.csr_array
    genes: tuple[str, ...]
    totals: Float
    obs: pd.DataFrame
    visible: Mask
    start: Mask
    truth: Mask
    scored: NDArray[np.intp]
    logged: Float = field(repr=False)
    condition: str = CONTROL
    dose: float = float("nan")
    time: float = float("nan")
    peers: tuple[str, ...] = ()
    panel: tuple[str, ...] = ()
    features: Mapping[str, Float] = field(default_factory=dict)
    seed: int = 0

    def __post_init__(self) -> None:
        n = self.counts.shape[0]
        lengths = {len(self.totals), len(self.obs), len(self.visible), len(self.start), len(self.truth)}
        assert lengths == {n}, (n, lengths)
        assert self.logged.shape == (n, len(self.scored)), (self.logged.shape, n, len(self.scored))
        if (self.visible & self.truth).any():
            both = int((self.visible & self.truth).sum())
            raise InputError(f"{self.family}, {self.name}: {both} cells are both hidden and visible")
        if not self.start.any() or (self.start & ~self.visible).any():
            raise InputError(f"{self.family}, {self.name}: no visible cells of the target context to start from")

    @property
    def target(self) -> str:
        """The context whose cells are to be perturbed."""
        return str(self.obs["context"].to_numpy()[np.flatnonzero(self.start)[0]])

    def means(self, cells: Mask) -> Float:
        """Return the pseudobulk of some cells: mean log1p(CP10k), (scored,)."""
        return np.asarray(self.logged[cells].mean(axis=0))

    def is_asked(self) -> Mask:
        """Return which cells were given what is asked, in any context, (cell,)."""
        found = self.column("condition") == self.condition
        found &= same(self.numbers("dose"), self.dose) & same(self.numbers("time"), self.time)
        return np.asarray(found, dtype=np.bool_)

    def column(self, name: str) -> NDArray[np.str_]:
        """Return an obs column as text, (cell,)."""
        return np.asarray(self.obs[name].astype(str), dtype=np.str_)

    def numbers(self, name: str) -> Float:
        """Return an obs column as numbers, (cell,)."""
        return np.asarray(self.obs[name], dtype=np.float64)

    def take(self, keep: Mask) -> "Task":
        """Return the task with some of its cells."""
        rows = np.flatnonzero(keep)
        return replace(
            self,
            counts=self.counts[rows],
            totals=self.totals[rows],
            obs=self.obs.iloc[rows],
            visible=self.visible[rows],
            start=self.start[rows],
            truth=self.truth[rows],
            logged=self.logged[rows],
        )

    def blind(self, without: Mask | None = None) -> "Task":
        """Return the task as a predictor gets it: only the visible cells, less those of `without`, (cell,)."""
        keep = self.visible if without is None else self.visible & ~without
        return self.take(keep)

    def digest(self) -> str:
        """Return a hash of all that decides a prediction and its score, but not of the seed."""
        h = hashlib.sha256()
        counts = self.counts
        masks = (self.visible, self.start, self.truth)
        for array in (counts.indptr, counts.indices, counts.data, self.totals, *masks, self.scored):
            h.update(np.ascontiguousarray(array).tobytes())
        h.update(pd.util.hash_pandas_object(self.obs[list(COLUMNS)].astype(str), index=False).to_numpy().tobytes())
        words = (self.family, self.name, self.genes, self.condition, self.dose, self.time, self.peers, self.panel)
        h.update(repr(words).encode())
        for gene in sorted(self.features):
            h.update(gene.encode() + self.features[gene].tobytes())
        return h.hexdigest()


def same(values: Float, value: float) -> Mask:
    """Return which values are the asked one; where the asked one is not known (NaN), all are."""
    if not np.isfinite(value):
        return np.ones(len(values), dtype=np.bool_)
    return np.asarray(np.isclose(values, value, rtol=SAME, atol=0.0), dtype=np.bool_)


@dataclass(frozen=True)
class Prediction:
    """What a predictor says of the hidden cells.

    mean : (scored,) predicted pseudobulk, log1p(CP10k).
    cells : (predicted cell, gene) integer counts on all genes of the task, or None: then nothing of the distribution
        is scored.
    totals : (predicted cell,) library sizes of `cells`; without them the row sums, plus, where the task normalises
        with the whole transcriptome, what the start cells have beyond their row sums (one predicted cell a start cell).
    support : [0, 1], whether anything like what is asked was seen; NaN: not said.
    control : (scored,) the predictor's own pseudobulk of the start cells, untreated, where it has one: its effect is
        then scored against that too.
    """

    mean: Float
    cells: sp.csr_array | None = None
    totals: Float | None = None
    support: float = float("nan")
    control: Float | None = None


Predictor = Callable[[Task], Prediction]
Baseline = Callable[[Task], Prediction | None]  # None: the task has nothing for this baseline to work on


def library_sizes(task: Task, prediction: Prediction) -> Float:
    """Return the library sizes of predicted cells, (predicted cell,).

    Raises
    ------
    InputError
        If they cannot be told: a panel of genes, library sizes of the whole transcriptome, and neither `totals` nor one
        predicted cell a start cell.
    """
    assert prediction.cells is not None
    if prediction.totals is not None:
        return prediction.totals
    sums = np.asarray(prediction.cells.sum(axis=1), dtype=np.float64).ravel()
    rest = task.totals - np.asarray(task.counts.sum(axis=1), dtype=np.float64).ravel()
    rest = rest[task.start]
    if not rest.any():
        return sums
    if len(rest) != len(sums):
        raise InputError(
            f"{task.family}, {task.name}: {len(sums)} predicted cells from {len(rest)} start cells on a panel of "
            "genes: give their library sizes (Prediction.totals), or one predicted cell a start cell"
        )
    return np.asarray(sums + rest)
