"""Integer cells from real control cells and a predicted change: molecules added and taken away."""

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy import stats

from twin.analysis.protocol.task import Float, Mask, Prediction, Task, library_sizes
from twin.analysis.scores import lognorm

ROUNDS, STEPS = 3, 18  # updates of the cells' totals; bisections of each; as the reference scorer
MOST_ADDED = 5e3  # CP10k, the largest rise of a gene; as the reference scorer
MOST_MOLECULES = 64  # of a gene in a cell that are thinned one by one; our choice
SMALL_MEAN = 30.0  # molecules; below, Poisson quantiles are summed up, above, scipy inverts them; our choice

Whole = NDArray[np.int64]


def shifted(task: Task, rate_change: Float) -> sp.csr_array:
    """Return the start cells with the mean rate of each scored gene changed.

    A rise d adds Poisson(d * total / 1e4) molecules to each cell; a fall keeps each molecule with probability
    1 + d / m, m the cells' mean rate.

    rate_change : (scored,), CP10k.
    """
    rng = np.random.default_rng(task.seed)
    counts, total, _ = _start(task)
    mean = (counts / np.maximum(total, 1)[:, None] * 1e4).mean(axis=0)
    fall = np.divide(rate_change, mean, out=np.zeros_like(mean), where=mean > 0)
    kept = rng.binomial(counts, np.broadcast_to(np.clip(1 + fall, 0, 1), counts.shape))
    return _joined(task, kept + rng.poisson(np.maximum(rate_change, 0) * total[:, None] / 1e4))


def calibrated(task: Task, target: Float) -> sp.csr_array:
    """Return the start cells with the pseudobulk of each scored gene moved to `target`, as integer counts.

    As `shifted`, but the amount added or the share kept is found by bisection with the random numbers held fixed, so
    that the mean log1p(CP10k) comes out as predicted; the cells' totals are updated between the rounds.

    target : (scored,), log1p(CP10k).
    """
    rng = np.random.default_rng(task.seed)
    counts, total, rest = _start(task)
    new_total = total.copy()
    now = np.log1p(counts / total[:, None] * 1e4).mean(axis=0)
    up = target > now
    rise = _Rise(rng, counts[:, up], total / 1e4)
    fall = _Fall(rng, counts[:, ~up])
    made = counts.copy()
    for _ in range(ROUNDS):
        low, high = np.zeros(len(now)), np.where(up, MOST_ADDED, 1.0)
        for _ in range(STEPS + 1):
            middle = np.where(up, np.sqrt(np.maximum(low, 1e-4) * high), (low + high) / 2)
            made[:, up] = rise(middle[up])
            made[:, ~up] = fall(middle[~up])
            above = np.log1p(made / new_total[:, None] * 1e4).mean(axis=0) > target
            low, high = np.where(above, low, middle), np.where(above, middle, high)
        new_total = made.sum(axis=1) + rest
    return _joined(task, made)


def resampled(task: Task, among: Mask, n: int) -> sp.csr_array:
    """Return n cells drawn with replacement from some of the task's cells."""
    rng = np.random.default_rng(task.seed)
    return task.counts[rng.choice(np.flatnonzero(among), size=n)]


def from_cells(task: Task, cells: sp.csr_array) -> Prediction:
    """Return predicted integer cells with the pseudobulk that they themselves have."""
    sizes = library_sizes(task, Prediction(np.zeros(len(task.scored)), cells))
    mean = lognorm(cells, sizes)[:, task.scored].astype(np.float64).mean(axis=0)
    return Prediction(np.asarray(mean).ravel(), cells, sizes)


class _Rise:
    """Counts plus Poisson molecules, by inverse CDF with uniforms that stay the same."""

    def __init__(self, rng: np.random.Generator, counts: Whole, scale: Float) -> None:
        self.counts, self.scale = counts, scale
        self.uniform = rng.random(counts.shape)

    def __call__(self, rate: Float) -> Whole:
        mean = rate[None, :] * self.scale[:, None]  # (cell, gene)
        return self.counts + poisson_quantile(self.uniform, mean)


class _Fall:
    """Counts thinned: each molecule has a uniform of its own and stays below the share that is kept.

    Entries of many molecules have one uniform each, and the binomial's inverse CDF.
    """

    def __init__(self, rng: np.random.Generator, counts: Whole) -> None:
        self.large = np.nonzero(counts > MOST_MOLECULES)
        self.n, self.one = counts[self.large], rng.random(len(self.large[0]))
        cell, gene = np.nonzero((counts > 0) & (counts <= MOST_MOLECULES))
        times = counts[cell, gene]
        self.shape = counts.shape
        self.flat = np.repeat(cell * counts.shape[1] + gene, times)
        self.gene = np.repeat(gene, times)
        self.uniform = rng.random(len(self.flat))

    def __call__(self, share: Float) -> Whole:
        kept = self.uniform < share[self.gene]
        out = np.bincount(self.flat[kept], minlength=self.shape[0] * self.shape[1]).reshape(self.shape)
        out[self.large] = stats.binom.ppf(self.one, self.n, np.clip(share[self.large[1]], 0, 1)).astype(np.int64)
        return out


def poisson_quantile(uniform: Float, mean: Float) -> Whole:
    """Return the least k with P(Poisson(mean) <= k) >= uniform, elementwise."""
    out = np.zeros(mean.shape, dtype=np.int64)
    small = mean < SMALL_MEAN
    if not small.all():
        out[~small] = stats.poisson.ppf(uniform[~small], mean[~small]).astype(np.int64)
    flat = np.flatnonzero(small & (uniform > np.exp(-mean)))
    u, m = uniform.ravel()[flat], mean.ravel()[flat]
    term = np.exp(-m)
    total = term.copy()
    k = 0
    found = out.reshape(-1)
    while len(flat):
        k += 1
        term = term * m / k
        total = total + term
        done = (u <= total) | (term <= np.finfo(np.float64).tiny)
        found[flat[done]] = k
        keep = ~done
        flat, u, m, term, total = flat[keep], u[keep], m[keep], term[keep], total[keep]
    return out


def _start(task: Task) -> tuple[Whole, Float, Float]:
    """Return the start cells' counts of the scored genes, their totals, and their molecules elsewhere."""
    counts = task.counts[task.start][:, task.scored].toarray().astype(np.int64)
    total = np.maximum(task.totals[task.start], 1.0)
    return counts, total, total - counts.sum(axis=1)


def _joined(task: Task, made: Whole) -> sp.csr_array:
    """Return all genes of the start cells, the scored ones replaced, (cell, gene)."""
    others = np.ones(len(task.genes))
    others[task.scored] = 0
    kept = task.counts[task.start] @ sp.diags_array(others)
    place = sp.csr_array(
        (np.ones(len(task.scored)), (np.arange(len(task.scored)), task.scored)),
        shape=(len(task.scored), len(task.genes)),
    )
    whole = sp.csr_array(kept + sp.csr_array(made) @ place)
    whole.eliminate_zeros()
    whole.sort_indices()
    return sp.csr_array(whole.astype(np.int32))
