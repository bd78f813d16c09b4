"""A model beside its baselines on cells that it never saw."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from twin.analysis.scores import dispersion_genes, lognorm, mse, pearson, slope, split_half
from twin.data.counts import CountData, held_out
from twin.errors import InputError
from twin.kernels.random import Streams
from twin.model.contract import Condition, WorldModel
from twin.model.effects import TEMPERATURE
from twin.model.fit import Columns, Experiment, assemble

Float = NDArray[np.float64]

N_GENES = 1_000
LEAST_CELLS = 50  # cells of a group in each arm of the whole data; as the reference tables
DRAWS = 4  # predictions of each cell; averaged, so that a score is not the luck of one draw


@dataclass(frozen=True)
class Row:
    """One predictor's scores, per group in the order of the table's groups."""

    name: str
    pearson: tuple[float, ...]
    mse: tuple[float, ...]
    slope: tuple[float, ...] = ()

    def mean(self, scores: Sequence[float]) -> float:
        """Return the unweighted mean over groups."""
        return float(np.mean(scores)) if len(scores) else float("nan")


@dataclass(frozen=True)
class Evaluation:
    """The table of one perturbation."""

    perturbation: str
    groups: tuple[str, ...]
    n_control: tuple[int, ...]
    n_treated: tuple[int, ...]
    rows: tuple[Row, ...]
    about: str
    genes: int
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Arms:
    """Log-normalised cells over the scored genes: (cell, gene) by group, arm and split."""

    test_control: Float
    test_treated: Float
    train_control: Float
    train_treated: Float


def evaluate(
    model: WorldModel,
    files: Sequence[CountData],
    *,
    holdout: float,
    group_by: str | None = None,
    columns: Columns | None = None,
    on_group: Callable[[str], None] | None = None,
) -> list[Evaluation]:
    """Score a model on held-out cells, beside baselines made of the cells that it may have seen.

    Delta = mean log1p(CP10k) of treated minus control cells. The held-out cells are told by a hash of their names
    (`twin.data.counts.held_out`), so that anybody can repeat the split. Scored over the 1,000 genes of largest
    dispersion among the genes that all files share.

    Parameters
    ----------
    holdout : share of the cells that the model has not seen (a checkpoint records it).
    group_by : obs column of the groups that are scored; without it `cell_type_broad` if there, else the cell type.

    Raises
    ------
    InputError
        If the files name no perturbation that the model knows, or no group has enough cells.
    """
    columns = columns or Columns()
    data = assemble(files, columns)
    test = held_out(data.names, holdout)
    groups = _groups(files, data, group_by)
    shared = np.flatnonzero(data.measured.all(axis=0))
    logged = lognorm(data.counts[:, shared])
    scored = dispersion_genes(logged, min(N_GENES, len(shared)))
    dense = logged[:, scored].toarray().astype(np.float64)
    place = {gene: i for i, gene in enumerate(model.genes)}
    axis = np.array([place.get(g, -1) for g in data.genes])
    if (axis < 0).any():
        raise InputError(
            f"{int((axis < 0).sum())} of the data's {len(data.genes)} genes are not on the model's axis; "
            "evaluate it on the files it was trained on, or on files of the same genes"
        )
    strangers = sorted(set(data.contexts) - set(model.contexts))
    if strangers:
        raise InputError(
            f"the model does not know the cell types {', '.join(strangers)}; it knows {', '.join(model.contexts)}"
        )
    onto = _onto(data, axis, len(model.genes))
    known = {p.name: i for i, p in enumerate(model.perturbations)}
    tables = []
    for p, perturbation in enumerate(data.perturbations):
        if perturbation.name not in known:
            continue
        arms = {}
        for group in sorted(set(groups)):
            mine = groups == group
            treated, control = mine & (data.treatment == p), mine & (data.treatment < 0)
            enough = min(int(treated.sum()), int(control.sum())) >= LEAST_CELLS
            if enough and all((a & test).sum() >= 2 and (a & ~test).any() for a in (treated, control)):
                arms[group] = _Arms(
                    dense[control & test], dense[treated & test], dense[control & ~test], dense[treated & ~test]
                )
        if not arms:
            continue
        rows = _baselines(arms)
        predicted: dict[str, tuple[Float, Float]] = {}
        for group in arms:
            if on_group is not None:
                on_group(group)
            cells = np.flatnonzero((groups == group) & (data.treatment < 0) & test)
            predicted[group] = _predict(model, data, onto, cells, known[perturbation.name], axis[shared], scored)
        rows = [
            _row(f"{model.name}: these cells, perturbed", arms, {g: m for g, (m, _) in predicted.items()}),
            _row(f"{model.name}: population, sampled", arms, {g: m for g, (_, m) in predicted.items()}),
            *rows,
        ]
        tables.append(
            Evaluation(
                perturbation.name,
                tuple(arms),
                tuple(len(a.test_control) for a in arms.values()),
                tuple(len(a.test_treated) for a in arms.values()),
                tuple(rows),
                f"{100 * holdout:g} % of the cells held out by name ({int(test.sum())} of {len(test)})",
                len(scored),
            )
        )
    if not tables:
        raise InputError(
            "nothing to score: no group of cells has "
            f"{LEAST_CELLS} control and {LEAST_CELLS} treated cells under a perturbation that the model knows "
            f"({', '.join(known) or 'none'})"
        )
    return tables


def _groups(files: Sequence[CountData], data: Experiment, group_by: str | None) -> NDArray[np.str_]:
    if group_by is None:
        shared = all(f.find_column("cell_type_broad") == "cell_type_broad" for f in files if "cell_type_broad" in f.obs)
        group_by = "cell_type_broad" if shared and all("cell_type_broad" in f.obs for f in files) else None
    columns = [f.column(group_by or "cell_type", group_by) for f in files]
    return np.array([columns[f][r] for f, r in zip(data.file, data.row, strict=True)], dtype=np.str_)


def _onto(data: Experiment, axis: NDArray[np.intp], n_genes: int) -> sp.csr_array:
    """Return the counts on the model's axis."""
    c = data.counts.tocoo()
    counts = sp.csr_array((c.data, (c.row, axis[c.col])), shape=(c.shape[0], n_genes), dtype=np.int32)
    counts.sort_indices()
    return counts


def _predict(
    model: WorldModel,
    data: Experiment,
    counts: sp.csr_array,
    cells: NDArray[np.intp],
    perturbation: int,
    shared: NDArray[np.intp],
    scored: NDArray[np.intp],
) -> tuple[Float, Float]:
    """Return two predicted pseudobulks over the scored genes: these cells perturbed, and as many sampled."""
    contexts = {name: i for i, name in enumerate(model.contexts)}
    context = np.array([contexts[data.contexts[c]] for c in data.context[cells]])
    dose = np.zeros((len(cells), len(model.perturbations)))
    reference = model.perturbations[perturbation].reference
    dose[:, perturbation] = reference if np.isfinite(reference) else 1.0
    condition = Condition(
        np.arange(len(cells), dtype=np.uint64),
        context,
        np.asarray(counts[cells].sum(axis=1), dtype=np.float64).ravel(),
        dose,
        np.full(dose.shape, np.nan),
        np.ones(len(cells)),
    )
    means: tuple[list[Float], list[Float]] = ([], [])
    for draw in range(DRAWS):
        streams = Streams(draw, 0, 0)
        both = (model.perturb(counts[cells], condition, streams), model.sample(condition, streams)[0])
        for mean, result in zip(means, both, strict=True):
            mean.append(lognorm(result[:, shared])[:, scored].toarray().mean(axis=0))
    return np.mean(means[0], axis=0), np.mean(means[1], axis=0)


def _row(name: str, arms: dict[str, _Arms], predicted: dict[str, Float]) -> Row:
    rs, ms, slopes = [], [], []
    for group, a in arms.items():
        control, treated = a.test_control.mean(axis=0), a.test_treated.mean(axis=0)
        rs.append(pearson(predicted[group] - control, treated - control))
        ms.append(mse(predicted[group], treated))
        slopes.append(slope(predicted[group] - control, treated - control))
    return Row(name, tuple(rs), tuple(ms), tuple(slopes))


def _baselines(arms: dict[str, _Arms]) -> list[Row]:
    """Return the simple predictors' rows: made of training cells, scored on the held-out ones."""
    groups = list(arms)
    profile = {g: a.train_control.mean(axis=0) for g, a in arms.items()}
    delta = {g: a.train_treated.mean(axis=0) - profile[g] for g, a in arms.items()}
    own = {g: a.test_control.mean(axis=0) for g, a in arms.items()}
    cells = np.array([len(a.train_treated) for a in arms.values()], dtype=np.float64)
    every = np.stack([delta[g] for g in groups])

    def weighted(group: str) -> Float:
        like = np.array([pearson(own[group], profile[g]) for g in groups])
        w = cells * np.exp(like / TEMPERATURE)
        return np.asarray(w @ every / w.sum())

    halves = [split_half(a.test_control, a.test_treated) for a in arms.values()]
    return [
        _row("control copied", arms, own),
        _row("mean shift (all types equal)", arms, {g: own[g] + every.mean(axis=0) for g in groups}),
        _row("similarity-weighted shift", arms, {g: own[g] + weighted(g) for g in groups}),
        _row("own type's shift", arms, {g: own[g] + delta[g] for g in groups}),
        _row("own type's treated mean", arms, {g: a.train_treated.mean(axis=0) for g, a in arms.items()}),
        Row(
            "two halves of the held-out cells (noise)",
            tuple(r for r, _ in halves),
            tuple(m for _, m in halves),
        ),
        Row(
            "ceiling: a noise-free shift, sqrt(2r/(1+r))",
            tuple(float(np.sqrt(max(0.0, 2 * r / (1 + r)))) for r, _ in halves),
            tuple(m / 4 for _, m in halves),
        ),
    ]


def markdown(table: Evaluation) -> str:
    """Return the table as Markdown: Pearson-delta per group, then means of Pearson, MSE and slope."""

    def number(x: float, digits: int = 3) -> str:
        return f"{x:.{digits}f}" if np.isfinite(x) else "–"

    width = max(len(r.name) for r in table.rows)
    head = f"| {'Pearson of delta':<{width}} | " + " | ".join(table.groups) + " | mean | MSE | slope |"
    lines = [
        f"{table.perturbation}: {table.about}; {table.genes:,} genes of largest dispersion; held-out control / treated "
        "cells: "
        + ", ".join(f"{g} {c}/{t}" for g, c, t in zip(table.groups, table.n_control, table.n_treated, strict=True)),
        "",
        head,
        "|" + "---|" * (len(table.groups) + 4),
    ]
    for r in table.rows:
        cells = " | ".join(f"{number(x):>{max(5, len(g))}}" for g, x in zip(table.groups, r.pearson, strict=True))
        last = f"{number(r.mean(r.pearson))} | {number(r.mean(r.mse), 4)} | {number(r.mean(r.slope), 2)}"
        lines.append(f"| {r.name:<{width}} | {cells} | {last} |")
    lines += [
        "",
        "A treated *level* (sampled population, own type's treated mean) shares the control cells' noise with the true "
        "delta, which raises its Pearson; the MSE is free of that.",
    ]
    return "\n".join(lines)
