"""From measured cells to a world model: measured tables, training, priors, calibration."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from twin.data.counts import held_out
from twin.data.experiment import Experiment
from twin.data.substances import DEFAULT_EC50_SHARE, Known, known_protein
from twin.errors import InputError
from twin.kernels.random import Streams
from twin.model.backbones.fitting import fit_tokens
from twin.model.backbones.sizes import configuration
from twin.model.backbones.world import Names, TokenWorldModel
from twin.model.contract import HALF_LIFE, Condition, Perturbation
from twin.model.extension import BORROWED
from twin.model.groups import USUAL_DISPERSION, dispersion, summarise
from twin.model.learner import split
from twin.model.likeness import NO_FEATURES, Features
from twin.model.masked import Knowledge, MaskedDiffusion, ModelCard
from twin.model.measured import Measured, measure, treatments_of
from twin.model.network import LEAST_RATE, LatentNetwork, NetworkConfig
from twin.model.shapes import set_shapes, with_own_shapes
from twin.model.spectral import set_codes
from twin.model.training import Runtime, Step, TrainingCells, TrainingConfig, batch_of, batches, train

CALIBRATION_CELLS = 128  # sampled a context to calibrate library sizes; our choice
CALIBRATION_ROUNDS = 3
CONTEXT_WIDTH = 64  # of a token backbone's context vector; our choice


def perturbations_of(data: Experiment) -> tuple[Perturbation, ...]:
    """Return the single perturbations of an experiment, those of combinations included, by name."""
    found = []
    for name in sorted({agent.name for arm in data.arms for agent in arm.agents}):
        mine = [i for i, arm in enumerate(data.arms) if any(a.name == name for a in arm.agents)]
        alone = [data.arms[i] for i in mine if len(data.arms[i].agents) == 1]
        agents = [a.agents[0] for a in alone] or [a for i in mine for a in data.arms[i].agents if a.name == name]
        doses = [a.dose for a in agents if np.isfinite(a.dose)]
        times = {arm.time for arm in alone or (data.arms[i] for i in mine) if np.isfinite(arm.time)}
        reference = max(doses, default=float("nan"))
        known = known_protein(name)
        rows = np.isin(data.arm, mine)
        seen = np.bincount(data.context[rows], minlength=len(data.contexts))
        found.append(
            Perturbation(
                name=name,
                kind=agents[0].kind,
                reference=reference,
                reference_text=next((a.dose_text for a in agents if a.dose == reference), agents[0].dose_text)
                or "unknown",
                ec50=_half_effect(known, doses),
                hill=known.hill if known else 1.0,
                times=tuple(sorted(times)),
                cells={data.contexts[c].name: int(n) for c, n in enumerate(seen) if n},
            )
        )
    return tuple(found)


def _half_effect(known: Known | None, doses: Sequence[float]) -> float:
    """Return an EC50, nM: the table's, else a share of the least trained dose."""
    if known is not None and known.ec50 is not None:
        return known.ec50
    return DEFAULT_EC50_SHARE * min(doses, default=float("nan"))


def training_cells(data: Experiment, model: MaskedDiffusion | None = None) -> TrainingCells:
    """Return what the training loop reads; `model` gives the shifts of treated cells."""
    arms = {arm.key: i for i, arm in enumerate(data.arms)}
    strength = np.zeros((data.n_cells, len(arms)), np.float32)
    treated = np.flatnonzero(data.arm >= 0)
    strength[treated, data.arm[treated]] = 1.0
    shifts = {}
    if model is not None:
        pairs = {(int(a), int(c)) for a, c in zip(data.arm[treated], data.context[treated], strict=True)}
        column = {t.arm.key: i for i, t in enumerate(model.knowledge.treatments)}
        for a, c in pairs:
            if data.arms[a].key in column:
                shifts[a, c] = _whole_shift(model, column[data.arms[a].key], c)
    return TrainingCells(data.counts, data.measured, data.file, data.context, strength, data.depth, shifts)


def fit_backbone(
    data: Experiment,
    kind: str,
    size: str,
    training: TrainingConfig,
    *,
    holdout: float = 0.0,
    name: str = "trained",
    runtime: Runtime = Runtime(),  # noqa: B008 - frozen
    state_file: Path | None = None,
    on_step: Callable[[Step], None] | None = None,
    on_note: Callable[[str], None] | None = None,
) -> TokenWorldModel:
    """Train a `patches` or `lingshu` backbone of a named size; parameters as `fit`."""
    seen = data.take(~held_out(data.names, holdout)) if holdout else data
    perturbations = perturbations_of(seen)
    place = {p.name: i for i, p in enumerate(perturbations)}
    strength = np.zeros((seen.n_cells, len(perturbations)), np.float32)
    for i in np.flatnonzero(seen.arm >= 0):
        strength[i, [place[agent.name] for agent in seen.arms[seen.arm[i]].agents]] = 1.0
    cells = TrainingCells(seen.counts, seen.measured, seen.file, seen.context, strength, seen.depth)
    composition = np.bincount(seen.context[seen.arm < 0], minlength=len(data.contexts)).astype(np.float64)
    names = Names(
        name,
        tuple(data.genes),
        tuple(c.name for c in data.contexts),
        composition / max(composition.sum(), 1.0),
        perturbations,
        np.full(len(data.genes), HALF_LIFE),
        data.sources,
        seen.n_cells,
    )
    config = configuration(
        kind, size, n_genes=len(data.genes), perturbation_width=max(len(perturbations), 1), context_width=CONTEXT_WIDTH
    )
    return fit_tokens(
        cells,
        names,
        config,
        training,
        runtime=runtime,
        state_file=state_file,
        on_step=on_step,
        on_note=on_note,
    )


def _whole_shift(model: MaskedDiffusion, treatment: int, context: int) -> NDArray[np.float32]:
    """Return the shift of a treatment, for a combination with its parts'."""
    shift = model.shift(treatment, context)
    asked = model.knowledge.treatments[treatment]
    if len(asked.agents) > 1:
        alone = {t.agents: i for i, t in enumerate(model.knowledge.treatments) if t.family == asked.family}
        for agent in asked.agents:
            if (agent,) in alone:
                shift = shift + model.shift(alone[agent,], context)
    return shift


def starting_network(
    data: Experiment, measured: Measured, seed: int, sizes: dict[str, int] | None = None
) -> LatentNetwork:
    """Return a network whose tables hold what was measured: rates, depths, dispersions."""
    torch.manual_seed(seed)
    counted = {"n_genes": len(data.genes), "n_contexts": len(data.contexts), "n_assays": int(measured.assay.max()) + 1}
    net = LatentNetwork(NetworkConfig(**counted, **(sizes or {})))
    net.log_rate.copy_(torch.from_numpy(measured.log_rate))
    net.log_rest.copy_(torch.from_numpy(measured.log_rest))
    net.depth_law.copy_(torch.from_numpy(measured.depth_law))
    net.assay.copy_(torch.from_numpy(measured.assay))
    log_theta = np.log(_theta(data, range(len(data.contexts))))
    with torch.no_grad():
        net.log_theta.copy_(torch.from_numpy(log_theta))
    for a in range(net.config.n_assays if net.config.n_assays > 1 else 0):
        own = np.log(_theta(data, np.flatnonzero(measured.assay == a)))
        net.assay_theta[a] = torch.from_numpy(own - log_theta)
    return net


def _theta(data: Experiment, contexts: Iterable[int]) -> NDArray[np.float64]:
    """Return each gene's negative-binomial θ within some contexts, by moments over control cells, (gene,).

    z takes up a part of the variance, so the estimate is a start, and a low one.
    """
    groups = []
    for c in contexts:
        for f in data.contexts[c].files:
            rows = np.flatnonzero((data.context == c) & (data.arm < 0) & (data.file == f))
            if len(rows):
                groups.append(summarise(data.counts[rows], data.measured[f], data.depth[rows]))
    phi = dispersion(groups) if groups else np.full(len(data.genes), USUAL_DISPERSION)
    return np.asarray(np.clip(1.0 / phi, 0.2, 50.0))


def fit(
    data: Experiment,
    training: TrainingConfig | None = TrainingConfig(),  # noqa: B008 - frozen
    *,
    holdout: float = 0.0,
    name: str = "trained",
    sizes: dict[str, int] | None = None,
    features: Features = NO_FEATURES,
    half_life: NDArray[np.float64] | None = None,
    start: MaskedDiffusion | None = None,
    own_shapes: bool = False,
    runtime: Runtime = Runtime(),  # noqa: B008 - frozen
    state_file: Path | None = None,
    on_step: Callable[[Step], None] | None = None,
    on_note: Callable[[str], None] | None = None,
) -> MaskedDiffusion:
    """Train a world model on an experiment; cells held out by name are never seen.

    Parameters
    ----------
    training : None: the weights stay those of `start`, and only what is measured is that of these cells.
    holdout : share of the cells kept away from tables, training and priors (`twin.data.counts.held_out`).
    features : vectors of prior knowledge of genes, by which treatments never seen are told.
    half_life : (gene,) of the messages, h; None: `HALF_LIFE` for all.
    start : a trained model whose weights are the first ones (fine-tuning); genes that it does not know start anew.
    own_shapes : contexts with many cells have shapes of counts of their own (`twin.model.shapes`), not their assay's:
        populations come out nearer, for three numbers more a gene and context.
    """
    seen = data.take(~held_out(data.names, holdout)) if holdout else data
    measured = measure(seen, features, None if on_note is None else lambda text: on_note(f"effects measured: {text}"))
    net = starting_network(
        seen, measured, 0 if training is None else training.seed, {**_sizes_of(start), **(sizes or {})}
    )
    if start is not None:
        warm(net, data.genes, start)
    elif training is not None and training.axes:
        set_codes(net, seen, split(seen.n_cells, training)[0], training.seed)
    perturbations = perturbations_of(seen)
    first = np.isin(seen.file, seen.contexts[0].files) & (seen.arm < 0)
    composition = np.bincount(seen.context[first], minlength=len(data.contexts)).astype(np.float64)
    knowledge = Knowledge(
        tuple(data.genes),
        data.contexts,
        composition / max(composition.sum(), 1.0),
        perturbations,
        measured.families,
        treatments_of(measured.treatments, [p.name for p in perturbations]),
        np.full(len(data.genes), HALF_LIFE) if half_life is None else half_life,
        features,
    )
    card = ModelCard(
        name, data.sources, seen.n_cells, holdout, {} if training is None else training.model_dump(), data.notes
    )
    model = MaskedDiffusion(net, knowledge, card)
    cells = training_cells(seen, model)
    if training is not None:
        train(net, cells, training, runtime=runtime, state_file=state_file, on_step=on_step, on_note=on_note)
    net.eval()
    set_priors(net, cells)
    if own_shapes:
        net = with_own_shapes(net, seen.n_controls)
        model = MaskedDiffusion(net, knowledge, card)
    set_shapes(model, seen)
    return calibrate(MaskedDiffusion(net, knowledge, card))


def _sizes_of(start: MaskedDiffusion | None) -> dict[str, int]:
    if start is None:
        return {}
    config = start.net.config.model_dump()
    return {k: v for k, v in config.items() if k not in ("n_genes", "n_contexts", "n_assays")}


def warm(net: LatentNetwork, genes: Sequence[str], start: MaskedDiffusion) -> None:
    """Copy a trained model's weights, gene by gene, in place.

    Raises
    ------
    InputError
        If the two share no gene, or their sizes differ.
    """
    place = {gene: i for i, gene in enumerate(start.genes)}
    ours = torch.tensor([i for i, gene in enumerate(genes) if gene in place])
    if len(ours) == 0:
        raise InputError(
            f"the data share no gene with {start.name}: its genes are {', '.join(start.genes[:3])}, …; "
            f"the data's {', '.join(list(genes)[:3])}, …"
        )
    theirs = torch.tensor([place[gene] for gene in genes if gene in place])
    known = dict(start.net.named_parameters())
    with torch.no_grad():
        for key, own in net.named_parameters():
            if own.shape[:1] == (len(genes),) and key not in ("levels",) and own.shape[0] == net.config.n_genes:
                if own.shape[1:] != known[key].shape[1:]:
                    raise InputError(f"the sizes of {start.name} and those asked for differ: {key}")
                own[ours] = known[key][theirs]
            elif own.shape == known[key].shape:
                own.copy_(known[key])
            else:
                raise InputError(f"the sizes of {start.name} and those asked for differ: {key}")


def calibrate(model: MaskedDiffusion) -> MaskedDiffusion:
    """Make sampled library sizes equal the asked depth on average, context by context, in place.

    Rounds of sampling and shifting each context's gain. Contexts that measured the same genes are sampled together.
    """
    log_rate = model.net.log_rate
    measured: dict[bytes, list[int]] = {}
    for c in range(len(model.contexts)):
        measured.setdefault((log_rate[c] > LEAST_RATE).numpy().tobytes(), []).append(c)
    for contexts in measured.values():
        small = model.focused([model.contexts[c] for c in contexts])
        where = torch.tensor(contexts)
        context = np.repeat(np.arange(len(contexts)), CALIBRATION_CELLS)
        ids = np.arange(len(context), dtype=np.uint64)
        nothing = np.zeros((len(ids), len(model.perturbations)))
        for round_ in range(CALIBRATION_ROUNDS):
            small = MaskedDiffusion(small.net, small.knowledge, small.card)
            streams = Streams(0, round_, 0)
            depth = small.depths(context, ids, streams)
            condition = Condition(ids, context, depth, nothing, np.full_like(nothing, np.nan), np.ones(len(ids)))
            counts, _ = small.sample(condition, streams)
            on_axis = -np.expm1(small.net.log_rest.numpy().astype(np.float64))  # the share of the depth that is drawn
            drawn = np.bincount(context, weights=np.asarray(counts.sum(axis=1)).ravel(), minlength=len(contexts))
            asked = np.bincount(context, weights=depth, minlength=len(contexts)) * on_axis
            by = torch.from_numpy(np.log(np.maximum(asked, 1.0) / np.maximum(drawn, 1.0)).clip(-1.0, 1.0)).float()
            small.net.log_gain += by
            if small.net is not model.net:
                model.net.log_gain[where] += by
    return MaskedDiffusion(model.net, model.knowledge, model.card)


@torch.no_grad()
def set_priors(net: LatentNetwork, cells: TrainingCells) -> None:
    """Set each context's prior of z to the moments of the encoder's posterior over its control cells.

    Small contexts borrow the covariance of all.
    """
    mean, variance = torch.zeros(cells.n, net.config.latent), torch.zeros(cells.n, net.config.latent)
    for rows in batches(cells, 256):
        batch = batch_of(cells, rows)
        g = net.tables(batch.columns)
        whole = net.visible_sum(g, batch.indptr, batch.gene, batch.count, batch.log_depth)
        vector = net.context_vectors(g, batch.context)
        found, log_var = net.encode(whole, vector, batch.log_depth, net.effect_code(g, batch.shift))
        mean[torch.from_numpy(rows)], variance[torch.from_numpy(rows)] = found, log_var.exp()
    control = torch.from_numpy((cells.strength.sum(axis=1) == 0) if cells.strength.shape[1] else np.ones(cells.n, bool))
    context = torch.from_numpy(cells.context)
    within = torch.zeros(net.config.latent, net.config.latent)
    total = 0
    groups = []
    for c in range(net.config.n_contexts):
        rows_c = control & (context == c)
        rows_c = rows_c if bool(rows_c.any()) else context == c
        if not bool(rows_c.any()):
            groups.append((0, torch.zeros(net.config.latent), torch.zeros_like(within)))
            continue
        m = mean[rows_c]
        centre = m.mean(dim=0)
        scatter = (m - centre).T @ (m - centre) + torch.diag(variance[rows_c].sum(dim=0))
        groups.append((int(rows_c.sum()), centre, scatter))
        within += scatter
        total += int(rows_c.sum())
    within /= max(total, 1)
    for c, (n, centre, scatter) in enumerate(groups):
        covariance = (scatter + BORROWED * within) / (n + BORROWED)
        net.prior_mean[c] = centre
        net.prior_root[c] = torch.linalg.cholesky(covariance + 1e-5 * torch.eye(len(centre)))
