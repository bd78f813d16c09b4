"""The shape of each gene's counts in each assay, by moments: dispersion, zeros and the mean of what is not zero.

What the network learns of shapes is shared by all assays, and molecules, reads and spots in a picture do not scatter
alike. So what an assay adds (`assay_theta`, `assay_hurdle`, `assay_value`) is found in closed form once the network
is trained, from its control cells and the means that the network gives cells of the same contexts and depths, with z
from its prior: drawn cells then have the cells' own share of zeros, mean and variance, gene by gene. Treated cells
tell of the dispersion, too, about the means of their own groups: a gene that is rare and bursty untreated, as those of
interferon are, need not stay so when it is induced. Genes with few counts borrow: the dispersion from the assay's
others, the corrections from none.
"""

import numpy as np
import torch
from numpy.typing import NDArray

from twin.data.experiment import Experiment
from twin.kernels.random import Streams
from twin.model.condition import Condition
from twin.model.groups import USUAL_DISPERSION
from twin.model.masked import MaskedDiffusion
from twin.model.network import ASSAY_TABLES, LatentNetwork

Array = NDArray[np.float32]
Float = NDArray[np.float64]

LEAST_OWN = 40  # control cells of a context that may have shapes of its own; our choice
MOST_CELLS = 400  # of an assay that are looked at, evenly spaced; our choice
DISPERSION_WEIGHT = 2.0  # squared counts' worth of weight that the assay's usual dispersion has; our choice
WELL_MEASURED = 20.0  # squared counts above which a gene tells of its assay's usual dispersion; our choice
LEAST_TREATED = 20  # cells of a treated group that tell of dispersion; our choice
LEAST_COUNTS = 5  # of a gene in the cells that are looked at; below, it takes the usual shape; our choice
BORROWED_CELLS = 20.0  # cells' worth of weight of no correction; our choice
DISPERSIONS = (0.01, 20.0)  # φ = 1 / θ
LARGEST_HURDLE, LARGEST_VALUE = 4.0, 3.0  # of the corrections b and c
LEAST_SLOPE = 1e-6  # cells or counts; below, a correction is not told by the data
LARGEST_STEP = 0.5
ROUNDS = 10


def set_shapes(model: MaskedDiffusion, data: Experiment) -> None:
    """Set dispersion and corrections of every assay to those of its cells, in place; priors are set before."""
    net = model.net
    place = {gene: i for i, gene in enumerate(model.genes)}
    for a in range(net.config.n_assays):
        contexts = np.flatnonzero(net.assay.numpy() == a)
        mine = np.isin(data.context, contexts)
        rows = np.flatnonzero(mine & (data.arm < 0)) if (mine & (data.arm < 0)).any() else np.flatnonzero(mine)
        if len(rows) < 2:
            continue
        rows = rows[np.unique(np.linspace(0, len(rows) - 1, min(MOST_CELLS, len(rows))).astype(np.intp))]
        small = model.focused([model.contexts[c] for c in contexts], perturbations=())
        genes = np.array([place[gene] for gene in small.genes], dtype=np.intp)
        number = np.zeros(len(model.contexts), np.intp)
        number[contexts] = np.arange(len(contexts))
        mean = _means(small, number[data.context[rows]], data.depth[rows])
        mean *= data.measured[data.file[rows]][:, genes]
        counts = data.counts[rows][:, genes].toarray().astype(np.float32)
        theta, hurdle, value = shapes_of(counts, mean, *_treated(data, mine, genes))
        with torch.no_grad():
            columns = torch.from_numpy(genes.astype(np.int64))
            net.assay_theta[a, columns] = torch.from_numpy(np.log(theta)) - net.log_theta[columns]
            net.assay_hurdle[a, columns] = torch.from_numpy(hurdle) - net.hurdle_bias[columns]
            net.assay_value[a, columns] = torch.from_numpy(value) - net.value_bias[columns]


def with_own_shapes(net: LatentNetwork, cells: NDArray[np.intp]) -> LatentNetwork:
    """Return the network with room for the shapes of each context of `LEAST_OWN` cells; the rest share their assay's.

    cells : (context,) how many control cells each context has.
    """
    before = net.assay.numpy()
    label = np.where(cells >= LEAST_OWN, net.config.n_assays + np.arange(len(cells)), before)
    first, assay = np.unique(label, return_index=True, return_inverse=True)[1:]
    wide = LatentNetwork(net.config.model_copy(update={"n_assays": len(first)}))
    state = dict(net.state_dict())
    for key in ASSAY_TABLES:
        state[key] = state[key][torch.from_numpy(before[first])]
    state["assay"] = torch.from_numpy(assay.astype(np.int64))
    wide.load_state_dict(state, strict=False)
    return wide.eval()


def _treated(data: Experiment, mine: NDArray[np.bool_], genes: NDArray[np.intp]) -> tuple[Array, Array]:
    """Return counts of treated cells of an assay and the means of their groups at their depths, (cell, gene) each."""
    counts, means = [np.zeros((0, len(genes)), np.float32)], [np.zeros((0, len(genes)), np.float32)]
    rows = np.flatnonzero(mine & (data.arm >= 0))
    rows = rows[np.unique(np.linspace(0, max(len(rows) - 1, 0), min(MOST_CELLS, len(rows))).astype(np.intp))]
    groups = np.stack([data.context[rows], data.arm[rows], data.file[rows]], axis=1)
    for group in np.unique(groups, axis=0):
        own = rows[(groups == group).all(axis=1)]
        if len(own) < LEAST_TREATED:
            continue
        seen = data.counts[own][:, genes].toarray().astype(np.float32)
        depth = data.depth[own].astype(np.float32)
        counts.append(seen)
        means.append(depth[:, None] * (seen.sum(axis=0) / depth.sum())[None, :])
    return np.concatenate(counts), np.concatenate(means)


def _means(model: MaskedDiffusion, context: NDArray[np.intp], depth: NDArray[np.float64]) -> Array:
    """Return μ of cells drawn from the prior in these contexts and depths, (cell, gene)."""
    n = len(context)
    ids, none = np.arange(n, dtype=np.uint64), np.zeros((n, len(model.perturbations)))
    here = Condition(ids, context, depth, none, np.full_like(none, np.nan), np.ones(n))
    z = model.prior(here, Streams(0, 0, 0).stream("shapes").normal(ids, model.latent_size))
    return np.exp(model.decoder.log_mean(z, here))


def shapes_of(
    counts: Array, mean: Array, treated: Array | None = None, treated_mean: Array | None = None
) -> tuple[Array, Array, Array]:
    """Return θ, the correction b of the hazard and c of the log value by moments, (gene,) each.

    Parameters
    ----------
    counts : (cell, gene). mean : (cell, gene) μ of the same or of like cells; 0 where a gene was not measured.
    treated, treated_mean : the same of other cells, which tell of θ alone.
    """
    told = np.flatnonzero(counts.sum(axis=0) >= LEAST_COUNTS)
    theta = np.full(counts.shape[1], 1.0 / USUAL_DISPERSION, np.float32)
    hurdle, value = np.zeros_like(theta), np.zeros_like(theta)
    if len(told):
        none = np.zeros((0, len(told)), np.float32)
        more = none if treated is None else treated[:, told]
        found = _matched(counts[:, told], mean[:, told], more, none if treated_mean is None else treated_mean[:, told])
        theta[:] = np.median(found[0])
        theta[told], hurdle[told], value[told] = found
    return theta, hurdle, value


def _matched(counts: Array, mean: Array, treated: Array, treated_mean: Array) -> tuple[Array, Array, Array]:
    """Return θ, b and c of genes that have counts: rounds of a Newton step for b and for c, and half of one for θ.

    b matches the share of zeros, c the mean, θ what they leave of the second moment; treated cells stand by it.
    """
    seen, total = (counts > 0).sum(axis=0), counts.sum(axis=0, dtype=np.float64)
    square = (counts.astype(np.float64) ** 2).sum(axis=0)
    varies = np.minimum(seen, len(counts) - seen)  # a gene that all or none of the cells show has no share of zeros
    trust = varies / (varies + BORROWED_CELLS)
    square += (treated.astype(np.float64) ** 2).sum(axis=0)
    first, second = treated_mean.sum(axis=0, dtype=np.float64), (treated_mean.astype(np.float64) ** 2).sum(axis=0)
    theta = _theta(square, total + first, (mean.astype(np.float64) ** 2).sum(axis=0) + second)
    b, c = np.zeros(len(theta)), np.zeros(len(theta))
    for _ in range(ROUNDS):
        hazard = theta * np.log1p(mean / theta)
        with_b = hazard * np.exp(b).astype(np.float32)
        zero = np.exp(-with_b)
        b = _stepped(b, seen - (1.0 - zero).sum(axis=0), (with_b * zero).sum(axis=0), LARGEST_HURDLE)
        shown = -np.expm1(-hazard * np.exp(trust * b).astype(np.float32))  # P(count > 0), (cell, gene)
        nu = mean * np.exp(c).astype(np.float32)
        log_zero = -theta * np.log1p(nu / theta)
        weight = shown / np.maximum(-np.expm1(log_zero), 1e-9)  # (cell, gene)
        value = weight * nu  # E[x]: shown times the mean of a negative binomial that is not zero
        slope = value - value * nu * np.exp(log_zero) / ((1.0 + nu / theta) * np.maximum(-np.expm1(log_zero), 1e-9))
        c = _stepped(c, total - value.sum(axis=0, dtype=np.float64), slope.sum(axis=0), LARGEST_VALUE)
        found = _theta(
            square,
            value.sum(axis=0, dtype=np.float64) + first,
            (value * nu).sum(axis=0, dtype=np.float64) + second,
        )
        theta = np.sqrt(theta * found)  # half a step: θ, b and c lean on each other
    more = np.maximum(total - seen, 0.0)  # only counts above one say how large values are
    return theta, (trust * b).astype(np.float32), (c * more / (more + BORROWED_CELLS)).astype(np.float32)


def _stepped(x: Float, error: Float, slope: Float, most: float) -> Float:
    """Return x after a Newton step, inside [−most, most]; where nothing depends on x it stays."""
    step = np.where(slope > LEAST_SLOPE, error / np.maximum(slope, LEAST_SLOPE), 0.0)
    return np.asarray(np.clip(x + np.clip(step, -LARGEST_STEP, LARGEST_STEP), -most, most))


def _theta(square: Float, first: Float, second: Float) -> Array:
    """Return θ, (gene,), where a sum of squares is first + (1 + 1 / θ) second; few counts take the usual one."""
    excess = np.maximum(square - first - second, 0.0)
    well = second > WELL_MEASURED
    usual = float(np.clip(np.median(excess[well] / second[well]), *DISPERSIONS)) if well.any() else USUAL_DISPERSION
    phi = (excess + usual * DISPERSION_WEIGHT) / (second + DISPERSION_WEIGHT)
    return np.asarray(1.0 / np.clip(phi, *DISPERSIONS), dtype=np.float32)
