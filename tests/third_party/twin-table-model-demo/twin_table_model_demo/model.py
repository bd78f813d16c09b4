"""A world model without a network: every gene a Poisson count around its type's rate in a small table.

The numbers of the table are of the right order for blood cells; they are made up, to show how.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from importlib.resources import files

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.stats import poisson

from twin.kernels.dose import strength
from twin.kernels.random import Streams
from twin.kernels.turnover import replaced_fraction
from twin.model.contract import Condition, Counts, Perturbation, WorldModel

Float = NDArray[np.float64]

DEPTH = 2000.0  # counts; median library size, our choice
DEPTH_SPREAD = 0.3  # standard deviation of its natural log, our choice
PSEUDOCOUNT = 0.1  # counts per 10,000 added to the rates of a context learned from cells, our choice
IFNB = Perturbation("IFNB1", "cytokine", 0.02, "100 U/mL", 0.002, 1.0, (6.0,), {"T cell": 1, "Monocyte": 1})


@dataclass
class TableModel(WorldModel):
    """Independent Poisson counts: rate = depth × share of the type × fold change of the perturbation × clamp.

    shares : (context, gene), sum to 1 over genes.
    effect : (gene,) natural log of the fold change at the trained dose.
    half_life : (gene,) h.
    """

    genes: tuple[str, ...]
    contexts: tuple[str, ...]
    shares: Float
    effect: Float
    half_life: Float
    known: int  # contexts that the table itself holds
    name: str = "table"
    perturbations: tuple[Perturbation, ...] = (IFNB,)
    latent_size: int = 0
    notes: tuple[str, ...] = ("table: the rates are made up; counts of different genes are independent",)

    def __post_init__(self) -> None:
        """Give the types of the table equal shares, later ones none."""
        self.composition = np.r_[np.full(self.known, 1 / self.known), np.zeros(len(self.contexts) - self.known)]

    @property
    def fingerprint(self) -> str:
        """Return a hash of the table."""
        parts = (self.shares, self.effect, self.half_life)
        return sha256(b"".join(part.tobytes() for part in parts) + "\n".join(self.contexts).encode()).hexdigest()

    def depths(self, context: NDArray[np.intp], ids: NDArray[np.uint64], streams: Streams) -> Float:
        """Draw log-normal library sizes, (cell,)."""
        return DEPTH * np.exp(DEPTH_SPREAD * streams.stream("table depth").normal(ids, 1)[:, 0])

    def sample(
        self, condition: Condition, streams: Streams, *, steps: int = 1, guidance: float = 0.0
    ) -> tuple[Counts, NDArray[np.float32]]:
        """Draw cells from nothing."""
        luck = streams.stream("table sample").uniform(condition.ids, len(self.genes))
        return _counts(poisson.ppf(luck, self._means(condition))), np.zeros((condition.n, 0), np.float32)

    def encode(self, counts: Counts, condition: Condition) -> NDArray[np.float32]:
        """Return an empty latent, (cell, 0)."""
        return np.zeros((condition.n, 0), np.float32)

    def transition(
        self,
        counts: Counts,
        z: NDArray[np.float32],
        condition: Condition,
        elapsed: float,
        kappa: float,
        streams: Streams,
    ) -> tuple[Counts, NDArray[np.float32]]:
        """Draw anew each gene that is due."""
        target, _ = self.sample(condition, streams)
        due = streams.stream("table due").uniform(condition.ids, len(self.genes))
        replaced = due < replaced_fraction(self.half_life, elapsed, kappa)  # (cell, gene)
        return _counts(np.where(replaced, target.toarray(), counts.toarray())), z

    def perturb(self, counts: Counts, condition: Condition, streams: Streams) -> Counts:
        """Move each count from its place in the untreated law to the same place in the treated one."""
        now = counts.toarray()
        control, treated = self._means(replace(condition, dose=np.zeros_like(condition.dose))), self._means(condition)
        below, luck = (
            poisson.cdf(now - 1, control),
            streams.stream("table perturb").uniform(condition.ids, now.shape[1]),
        )
        place = below + luck * (poisson.cdf(now, control) - below)
        return _counts(np.where(treated == control, now, poisson.ppf(np.clip(place, 0.0, 1.0 - 1e-12), treated)))

    def expected(self, z: NDArray[np.float32], condition: Condition, genes: Sequence[int]) -> Float:
        """Return expected counts per 10,000, (cell, gene)."""
        return np.asarray(1e4 * (self._means(condition) / condition.depth[:, None])[:, list(genes)])

    def support(self, condition: Condition) -> Float:
        """Return 1 for the types of the table, 1/2 for others under a dose, (cell,)."""
        return np.where((condition.context < self.known) | (condition.dose <= 0).all(axis=1), 1.0, 0.5)

    def with_context(self, name: str, controls: Counts) -> "TableModel":
        """Return a model that also knows the rates of these cells."""
        rates = np.asarray(controls.sum(axis=0), np.float64).ravel()
        rates = 1e4 * rates / max(rates.sum(), 1.0) + PSEUDOCOUNT
        return replace(self, contexts=(*self.contexts, name), shares=np.vstack([self.shares, rates / rates.sum()]))

    def _means(self, condition: Condition) -> Float:
        """Return the mean of each count, (cell, gene)."""
        p = self.perturbations[0]
        h = strength(condition.dose[:, 0], p.reference, p.ec50, p.hill, condition.ec50_factor)
        share = self.shares[condition.context] * np.exp(h[:, None] * self.effect)
        share /= share.sum(axis=1, keepdims=True)
        if condition.clamp is not None:
            stored = condition.clamp.tocoo()
            share[stored.row, stored.col] *= stored.data
        return np.asarray(condition.depth[:, None] * share)


def _counts(dense: Float) -> Counts:
    return sp.csr_array(dense.astype(np.int32))


def table() -> TableModel:
    """Return the model of the table that is shipped."""
    with (files("twin_table_model_demo") / "rates.csv").open(encoding="utf-8") as stream:
        header, *rows = csv.reader(stream)
    numbers = np.array([row[1:] for row in rows], dtype=np.float64)  # (gene, half-life, types …, fold change)
    shares = numbers[:, 1:-1].T  # (context, gene)
    return TableModel(
        genes=tuple(row[0] for row in rows),
        contexts=tuple(header[2:-1]),
        shares=shares / shares.sum(axis=1, keepdims=True),
        effect=np.log(2.0) * numbers[:, -1],
        half_life=numbers[:, 0],
        known=shares.shape[0],
    )
