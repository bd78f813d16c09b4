"""From measured cells to a world model: axis, contexts, measured effects, training, priors."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray

from twin.data.agents import AGENTS, DEFAULT_EC50_SHARE, to_nanomolar
from twin.data.counts import CountData, held_out, is_control, onto_axis
from twin.errors import InputError
from twin.kernels.random import Streams
from twin.model.contract import Condition, Perturbation
from twin.model.effects import log_rates, measure, summarise
from twin.model.masked import BORROWED, MaskedDiffusion, ModelCard
from twin.model.network import LatentNetwork, NetworkConfig
from twin.model.training import Step, TrainingCells, TrainingConfig, batch_of, batches, train
from twin.units import concentration, quantity

LEAST_CELLS = 5  # control cells that make a context
CALIBRATION_CELLS = 256  # sampled a context to calibrate library sizes; our choice


@dataclass(frozen=True)
class Columns:
    """Which obs columns say what, where the convention does not find them."""

    cell_type: str | None = None
    condition: str | None = None
    control: str | None = None


@dataclass(frozen=True)
class Experiment:
    """Cells of all files on one gene axis, with what was done to them.

    counts (cell, gene); measured (file, gene); file, context (cell,); treatment (cell,) index into
    perturbations or −1; names (cell,) obs names; row (cell,) row in its file.
    """

    counts: sp.csr_array
    measured: NDArray[np.bool_]
    file: NDArray[np.intp]
    genes: tuple[str, ...]
    contexts: tuple[str, ...]
    context: NDArray[np.intp]
    perturbations: tuple[Perturbation, ...]
    treatment: NDArray[np.intp]
    names: tuple[str, ...]
    row: NDArray[np.intp]
    sources: tuple[str, ...]

    def take(self, rows: NDArray[np.bool_]) -> "Experiment":
        """Return some of the cells, on the same axes."""
        keep = np.flatnonzero(rows)
        return Experiment(
            self.counts[keep],
            self.measured,
            self.file[keep],
            self.genes,
            self.contexts,
            self.context[keep],
            self.perturbations,
            self.treatment[keep],
            tuple(self.names[i] for i in keep),
            self.row[keep],
            self.sources,
        )

    def training_cells(self) -> TrainingCells:
        """Return what the training loop reads."""
        strength = np.zeros((len(self.context), len(self.perturbations)), np.float32)
        treated = np.flatnonzero(self.treatment >= 0)
        strength[treated, self.treatment[treated]] = 1.0
        return TrainingCells(self.counts, self.measured, self.file, self.context, strength)


def assemble(files: Sequence[CountData], columns: Columns = Columns()) -> Experiment:
    """Join files of raw counts into one experiment; the first file's genes lead the axis.

    Raises
    ------
    InputError
        If a file has no cell type or condition column, or no control cells.
    """
    genes = list(files[0].genes)
    known = set(genes)
    for data in files[1:]:
        genes += [gene for gene in data.genes if gene not in known]
        known.update(data.genes)
    parts = [onto_axis(data, genes) for data in files]
    types = [data.column("cell_type", columns.cell_type) for data in files]
    conditions = [data.column("condition", columns.condition) for data in files]
    controls = [is_control(c, columns.control) for c in conditions]
    for data, control, condition in zip(files, controls, conditions, strict=True):
        if not control.any():
            raise InputError(
                f"{data.source}: no control cells: conditions are {', '.join(sorted(set(condition))[:6])}; "
                "name the control with --control"
            )
    cell_type, condition = np.concatenate(types), np.concatenate(conditions)
    control = np.concatenate(controls)
    names, n = np.unique(cell_type[control], return_counts=True)
    contexts = tuple(str(name) for name, m in zip(names, n, strict=True) if m >= LEAST_CELLS)
    keep = np.isin(cell_type, contexts)
    place = {name: i for i, name in enumerate(contexts)}
    treatments = sorted(set(condition[~control & keep]))
    file = np.concatenate([np.full(d.n_cells, i) for i, d in enumerate(files)])
    code = {name: i for i, name in enumerate(treatments)}
    treatment = np.array([-1 if k else code.get(c, -1) for c, k in zip(condition, control, strict=True)])
    perturbations = tuple(
        _perturbation(name, files, conditions, cell_type[(condition == name) & ~control]) for name in treatments
    )
    everything = Experiment(
        sp.vstack([counts for counts, _ in parts], format="csr"),
        np.stack([measured for _, measured in parts]),
        file,
        tuple(genes),
        contexts,
        np.array([place.get(str(t), 0) for t in cell_type]),
        perturbations,
        treatment,
        tuple(str(name) for data in files for name in data.obs.index),
        np.concatenate([np.arange(data.n_cells) for data in files]),
        tuple(Path(data.source).name for data in files),
    )
    return everything.take(keep)


def _perturbation(
    name: str, files: Sequence[CountData], conditions: Sequence[NDArray[np.str_]], treated: NDArray[np.str_]
) -> Perturbation:
    """Return what the files say of one perturbation.

    Raises
    ------
    InputError
        If it was given at several doses or measured at several times: they would be pooled into one effect.
    """
    kind, doses, times = "cytokine", set[str](), set[float]()
    for data, condition in zip(files, conditions, strict=True):
        obs = data.obs.iloc[np.flatnonzero(condition == name)]
        if len(obs) == 0:
            continue
        if "perturbation_type" in obs:
            kind = str(obs["perturbation_type"].iloc[0])
        if "dose" in obs and "dose_unit" in obs:
            pairs = obs[["dose", "dose_unit"]].dropna().drop_duplicates()
            doses |= {f"{float(d):g} {u}" for d, u in pairs.itertuples(index=False)}
        if "time" in obs and "time_unit" in obs:
            pairs = obs[["time", "time_unit"]].dropna().drop_duplicates()
            times |= {quantity(f"{float(t):g} {u}", "hour", "a time", "6 h") for t, u in pairs.itertuples(index=False)}
    for what, found in (("doses", sorted(doses)), ("times", [f"{t:g} h" for t in sorted(times)])):
        if len(found) > 1:
            raise InputError(
                f"{name} was measured at several {what} ({', '.join(found)}), and one effect is learned per condition: "
                f"train on one of them, or give each its own name in the condition column"
            )
    dose_text = next(iter(doses), "")
    reference = float("nan")
    if dose_text:
        try:
            reference = to_nanomolar(name, concentration(dose_text))
        except ValueError:
            reference = float("nan")  # the dose has no molar meaning: strength is then 0 or 1
    agent = AGENTS.get(name)
    seen, n = np.unique(treated, return_counts=True)
    return Perturbation(
        name=name,
        kind=kind,
        reference=reference,
        reference_text=dose_text or "unknown",
        ec50=agent.ec50 if agent else DEFAULT_EC50_SHARE * reference,
        hill=agent.hill if agent else 1.0,
        times=tuple(sorted(times)),
        cells={str(t): int(m) for t, m in zip(seen, n, strict=True)},
    )


def starting_network(data: Experiment, config: NetworkConfig, seed: int) -> LatentNetwork:
    """Return a network whose tables hold what was measured: rates, effects, profiles, depths."""
    torch.manual_seed(seed)
    net = LatentNetwork(config)
    totals = np.asarray(data.counts.sum(axis=1), dtype=np.float64).ravel()
    n = len(data.contexts)

    def group(context: int, treatment: int):  # type: ignore[no-untyped-def]
        rows = np.flatnonzero((data.context == context) & (data.treatment == treatment))
        return summarise(data.counts[rows], data.measured[data.file[rows]], totals[rows])

    control = [group(c, -1) for c in range(n)]
    rates = log_rates(control)
    net.log_rate.copy_(torch.from_numpy(rates))
    net.context_code.copy_(torch.from_numpy(context_codes(rates, config.context_code)))
    for p in range(len(data.perturbations)):
        table = measure(control, [group(c, p) for c in range(n)], rates)
        net.hurdle_effect[p].copy_(torch.from_numpy(table.hurdle))
        net.value_effect[p].copy_(torch.from_numpy(table.value))
    for c in range(n):
        logs = np.log(np.maximum(totals[(data.context == c) & (data.treatment < 0)], 1.0))
        net.depth_law[c] = torch.tensor([logs.mean(), max(float(logs.std()), 0.05)])
    with torch.no_grad():
        net.log_theta.copy_(torch.from_numpy(np.log(dispersion(data, rates, totals))))
    return net


def context_codes(rates: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """Return principal coordinates of log1p(CP10k) control profiles, scaled to order one, (context, width)."""
    x = np.log1p(1e4 * np.exp(rates))
    x = x - x.mean(axis=0)
    u, s, _ = np.linalg.svd(x, full_matrices=False)
    codes = np.zeros((len(rates), width))
    k = min(width, len(s))
    codes[:, :k] = u[:, :k] * s[:k] / max(float(s[0]), 1e-9) * np.sqrt(len(rates))
    return codes


def dispersion(data: Experiment, rates: NDArray[np.float64], totals: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return each gene's negative-binomial θ within contexts, by moments over control cells, (gene,).

    z takes up a part of the variance, so the estimate is a start, and a low one.
    """
    excess = np.zeros(len(data.genes))
    square = np.zeros(len(data.genes))
    for c in range(len(data.contexts)):
        rows = np.flatnonzero((data.context == c) & (data.treatment < 0))
        mean = np.exp(rates[c])[None, :] * totals[rows][:, None]  # (cell, gene)
        x = data.counts[rows].toarray()
        excess += ((x - mean) ** 2 - mean).sum(axis=0)
        square += (mean**2).sum(axis=0)
    # shrunk towards 0.2, the usual excess of UMI counts, by one average gene's weight; θ kept in 0.2–50; our choice
    phi = (np.maximum(excess, 0.0) + 0.2 * square.mean()) / (square + square.mean())
    return np.asarray(np.clip(1.0 / np.maximum(phi, 1e-2), 0.2, 50.0))


def fit(
    data: Experiment,
    training: TrainingConfig = TrainingConfig(),  # noqa: B008 - frozen
    *,
    holdout: float = 0.0,
    name: str = "trained",
    sizes: dict[str, int] | None = None,
    state_file: Path | None = None,
    on_step: Callable[[Step], None] | None = None,
) -> MaskedDiffusion:
    """Train a world model on an experiment; cells held out by name are never seen.

    holdout : share of the cells kept away from tables, training and priors (`twin.data.counts.held_out`).
    """
    seen = data.take(~held_out(data.names, holdout)) if holdout else data
    config = NetworkConfig(
        n_genes=len(data.genes),
        n_contexts=len(data.contexts),
        n_perturbations=len(data.perturbations),
        **(sizes or {}),
    )
    net = starting_network(seen, config, training.seed)
    cells = seen.training_cells()
    train(net, cells, training, state_file=state_file, on_step=on_step)
    net.eval()
    set_priors(net, cells)
    composition = np.bincount(seen.context[seen.treatment < 0], minlength=len(data.contexts))
    seen_cells = [
        {c: int(((seen.context == i) & (seen.treatment == p)).sum()) for i, c in enumerate(data.contexts)}
        for p in range(len(data.perturbations))
    ]
    perturbations = tuple(
        Perturbation(**{**vars(p), "cells": cells_of})
        for p, cells_of in zip(data.perturbations, seen_cells, strict=True)
    )
    card = ModelCard(
        name=name,
        sources=data.sources,
        n_cells=cells.n,
        holdout=holdout,
        training=training.model_dump(),
    )
    model = MaskedDiffusion(net, data.genes, data.contexts, composition / composition.sum(), perturbations, card)
    return calibrate(model)


def calibrate(model: MaskedDiffusion) -> MaskedDiffusion:
    """Make sampled library sizes equal the asked depth on average, untreated and at each trained dose.

    Treated and control cells of one depth hold as many messages: what an effect adds it takes away elsewhere. Three
    rounds of sampling and shifting each context's gain, then each effect's two tables alike.
    """
    net, contexts = model.net, len(model.contexts)
    context = np.repeat(np.arange(contexts), CALIBRATION_CELLS)
    ids = np.arange(len(context), dtype=np.uint64)
    arms = [None, *range(len(model.perturbations))]
    for arm in arms:
        dose = np.zeros((len(ids), len(model.perturbations)))
        if arm is not None:
            reference = model.perturbations[arm].reference
            dose[:, arm] = reference if np.isfinite(reference) else 1.0
        for round_ in range(3):
            model = MaskedDiffusion(
                net, model.genes, model.contexts, model.composition, model.perturbations, model.card, model.half_life
            )
            streams = Streams(0, round_, 0)
            depth = model.depths(context, ids, streams)
            condition = Condition(ids, context, depth, dose, np.full(dose.shape, np.nan), np.ones(len(ids)))
            counts, _ = model.sample(condition, streams)
            drawn = np.bincount(context, weights=np.asarray(counts.sum(axis=1)).ravel(), minlength=contexts)
            asked = np.bincount(context, weights=depth, minlength=contexts)
            shift = torch.from_numpy(np.log(asked / np.maximum(drawn, 1.0)).clip(-1.0, 1.0)).float()
            if arm is None:
                net.log_gain += shift
            else:
                net.hurdle_effect[arm] += shift[:, None]
                net.value_effect[arm] += shift[:, None]
    return MaskedDiffusion(
        net, model.genes, model.contexts, model.composition, model.perturbations, model.card, model.half_life
    )


@torch.no_grad()
def set_priors(net: LatentNetwork, cells: TrainingCells) -> None:
    """Set each context's prior of z to the moments of the encoder's posterior over its control cells.

    Small contexts borrow the covariance of all.
    """
    means, variances = [], []
    for rows in batches(cells, 256):
        batch = batch_of(cells, rows)
        whole = net.visible_sum(batch.indptr, batch.gene, batch.count, batch.log_depth)
        mean, log_var = net.encode(whole, batch.context, batch.log_depth, batch.strength)
        means.append(mean)
        variances.append(log_var.exp())
    mean, variance = torch.cat(means), torch.cat(variances)
    control = torch.from_numpy((cells.strength.sum(axis=1) == 0) if cells.strength.shape[1] else np.ones(cells.n, bool))
    context = torch.from_numpy(cells.context)
    within = torch.zeros(net.config.latent, net.config.latent)
    total = 0
    groups = []
    for c in range(net.config.n_contexts):
        rows_c = control & (context == c)
        m = mean[rows_c]
        centre = m.mean(dim=0)
        scatter = (m - centre).T @ (m - centre) + torch.diag(variance[rows_c].sum(dim=0))
        groups.append((int(rows_c.sum()), centre, scatter))
        within += scatter
        total += int(rows_c.sum())
    within /= total
    for c, (n, centre, scatter) in enumerate(groups):
        covariance = (scatter + BORROWED * within) / (n + BORROWED)
        net.prior_mean[c] = centre
        net.prior_root[c] = torch.linalg.cholesky(covariance + 1e-5 * torch.eye(len(centre)))
