"""Populations generated from nothing: sets, splits, floors and ceilings, and the same in one table."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import NDArray

from twin.analysis.metrics.population import GenerationScorer
from twin.analysis.protocol.quoted import QUOTED_GENERATORS
from twin.analysis.protocol.table import BY_KEY, Kind, Row, Seeds, Table, ordered
from twin.analysis.protocol.task import CONTROL
from twin.data.counts import is_control, read_counts
from twin.errors import InputError, UnknownNameError

SPLIT_SEED = 0  # of the split; as the reference tables
DRAWS = 3  # draws of the floors and ceilings; as the reference tables
FIRST_DRAW = 100  # seed of the first of them; as the reference tables
SMALL = 150  # held-out cells; below, every score gets an interval; our choice
RESAMPLES = 100  # of an interval; our choice
_MODEL: Kind = "model"
_CEILING: Kind = "ceiling"
FIVE = ("mmd", "ilisi", "w1_all", "corr_err", "ks_library")
ABOUT = "a fifth of the cells held out at random, as many generated; all genes of the file"
LIMITS = "one file a set: a new donor or study is not generated; below 50 held-out cells most differences are noise"


@dataclass(frozen=True)
class GenerationSet:
    """A population to generate.

    file : h5ad in the data folder; where it has treated cells, its control cells alone.
    """

    key: str
    name: str
    file: str


SETS: tuple[GenerationSet, ...] = (
    GenerationSet("kang-controls", "PBMC, controls of the IFN-beta study", "kang2018_pbmc_ifnb.h5ad"),
    GenerationSet("pbmc-donor-a", "PBMC, healthy donor A", "zheng2017_pbmc_donor_a.h5ad"),
    GenerationSet("lung-lines", "Five lung adenocarcinoma lines", "tian2019_five_lung_lines.h5ad"),
    GenerationSet("mouse-gut", "Mouse stomach and small intestine", "mouse_gut_mca_subset.h5ad"),
    GenerationSet("fly-gut", "Fly gut", "fly_gut_fca_subset.h5ad"),
)


@dataclass(frozen=True)
class GenerationTask:
    """What a generator is given: the training cells; it has to make as many cells as are held out.

    training : (cell, gene) raw counts. genes : their names. obs : a row per training cell: cell_type, donor, species,
    tissue. n : cells to generate.
    """

    key: str
    name: str
    training: sp.csr_array
    genes: tuple[str, ...]
    obs: pd.DataFrame
    n: int
    seed: int = 0


Generator = Callable[[GenerationTask], sp.csr_array]


@dataclass(frozen=True)
class Population:
    """A set, split; what is scored stays here.

    held_out : (cell, gene) raw counts.
    """

    task: GenerationTask
    held_out: sp.csr_array


def generation_sets(keys: Sequence[str] | None = None) -> list[GenerationSet]:
    """Return the sets of these keys; all without any.

    Raises
    ------
    UnknownNameError
        If a key is not known.
    """
    known = {s.key: s for s in SETS}
    for key in keys or ():
        if key not in known:
            raise UnknownNameError("population to generate", key, known)
    return [s for s in SETS if keys is None or s.key in keys]


def split(n: int, seed: int = SPLIT_SEED) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return (training rows, held-out rows), ascending: held out are the first n / 5 of a random permutation."""
    order = np.random.default_rng(seed).permutation(n)
    cut = round(n / 5)
    return np.sort(order[cut:]), np.sort(order[:cut])


def read_population(folder: Path, wanted: GenerationSet) -> Population:
    """Read a set and split it 80 to 20.

    Raises
    ------
    InputError
        If the file is not there or cannot be read.
    """
    data = read_counts(folder / wanted.file)
    condition = np.asarray(data.obs["condition"].astype(str), dtype=np.str_)
    data = data.take(is_control(condition, CONTROL))
    training, held_out = split(data.n_cells)
    columns = [c for c in ("cell_type", "donor", "species", "tissue") if c in data.obs]
    obs = data.obs.iloc[training][columns].astype(str)
    task = GenerationTask(wanted.key, wanted.name, data.counts[training], data.genes, obs, len(held_out))
    return Population(task, data.counts[held_out])


def independent_genes(task: GenerationTask, rng: np.random.Generator, *, within_types: bool) -> sp.csr_array:
    """Return cells whose genes are drawn independently, each with replacement from its training column.

    within_types : a type is drawn per cell by its share, and the genes from the cells of that type alone.
    """
    counts = task.training.toarray()
    labels = task.obs["cell_type"].to_numpy() if within_types else np.zeros(len(counts), dtype=np.int64)
    group = np.unique(labels, return_inverse=True)[1]
    chosen = group[rng.integers(len(counts), size=task.n)]
    made = np.zeros((task.n, counts.shape[1]), dtype=np.int32)
    for g in np.unique(chosen):
        rows, source = np.flatnonzero(chosen == g), counts[group == g]
        pick = rng.integers(len(source), size=(rows.size, counts.shape[1]))
        made[rows] = np.take_along_axis(source, pick, axis=0)
    return sp.csr_array(made)


CEILING, COPIED = "cells not trained on", "training cells copied"
BY_TYPE, INDEPENDENT = "independent genes within a type", "independent genes"

Scores = dict[str, float]


def floors(population: Population, scorer: GenerationScorer, draws: int = DRAWS) -> dict[str, list[Scores]]:
    """Return the scores of what needs no model, per draw: the floors, and real cells that nothing was fitted on.

    The ceiling are training cells that are taken out before components and gene sets are fitted: copies of training
    cells score far worse than new real cells, as components that are fitted on few cells follow just these.
    """
    out: dict[str, list[Scores]] = {name: [] for name in (COPIED, BY_TYPE, INDEPENDENT, CEILING)}
    task = population.task
    for draw in range(draws):
        resamples = _resamples(task) if draw == 0 else 0
        rng = np.random.default_rng(FIRST_DRAW + draw)
        order = rng.permutation(task.training.shape[0])
        taken, rest = task.training[order[: task.n]], task.training[order[task.n :]]
        fresh = GenerationScorer(rest, population.held_out)
        by_type, independent = (independent_genes(task, rng, within_types=w) for w in (True, False))
        out[CEILING].append(fresh.scores(taken, resamples=resamples))
        for name, cells in ((COPIED, taken), (BY_TYPE, by_type), (INDEPENDENT, independent)):
            out[name].append(scorer.scores(cells, resamples=resamples))
    return out


def _resamples(task: GenerationTask) -> int:
    return RESAMPLES if task.n < SMALL else 0


def generated(
    population: Population, generator: Generator, scorer: GenerationScorer, seed: int, *, interval: bool
) -> Scores:
    """Return the scores of one generated population, on request with intervals where the set is small.

    Raises
    ------
    InputError
        If the generator makes another number of cells or genes.
    """
    task = replace(population.task, seed=seed)
    made = generator(task)
    if made.shape != (task.n, len(task.genes)):
        raise InputError(f"{task.name}: {made.shape} generated; asked are {task.n} cells of {len(task.genes)} genes")
    return scorer.scores(made, resamples=_resamples(task) if interval else 0, seed=seed)


def generation_table(
    generators: Mapping[str, Generator],
    sets: Sequence[GenerationSet] = SETS,
    *,
    folder: Path,
    seeds: Sequence[int] = (0, 1, 2),
    on_row: Callable[[str, str], None] | None = None,
) -> Table:
    """Return one table of all sets: generators (a score per seed), floors and ceiling (per draw), quoted peers.

    Sets without their file are left out. A small set's scores have intervals, `<score>_low` and `<score>_high`, of the
    first seed or draw.

    Parameters
    ----------
    on_row : called with the set's key and a row's name as it is finished.

    Raises
    ------
    InputError
        If the folder has none of the files, or a generator makes the wrong number of cells.
    """
    there = [one for one in sets if (folder / one.file).is_file()]
    if not there:
        raise InputError(f"{folder} has none of {', '.join(one.file for one in sets)}")
    rows: dict[str, dict[str, Seeds]] = {}
    sizes = {}
    for one in there:
        population = read_population(folder, one)
        scorer = GenerationScorer(population.task.training, population.held_out)
        sizes[one.name] = (population.task.training.shape[0], population.task.n)
        for name, generator in generators.items():
            found = [generated(population, generator, scorer, s, interval=s == seeds[0]) for s in seeds]
            rows.setdefault(name, {})[one.name] = _by_metric(found)
            if on_row is not None:
                on_row(one.key, name)
        for name, found in floors(population, scorer).items():
            rows.setdefault(name, {})[one.name] = _by_metric(found)
    kinds = dict.fromkeys(generators, _MODEL) | {CEILING: _CEILING}
    quoted = [q.row() for q in QUOTED_GENERATORS]
    made = [Row(name, kinds.get(name, "baseline"), scores) for name, scores in rows.items()]
    tasks = tuple(one.name for one in there)
    table = Table("generation", "Generation", ABOUT, LIMITS, tasks, sizes, ordered([*made, *quoted]))
    wins = [_wins(table, table.row(name), peer) for name in generators for peer in quoted]
    return replace(table, notes=tuple(line for line in wins if line))


def _by_metric(found: Sequence[Scores]) -> Seeds:
    return {key: tuple(row[key] for row in found if key in row) for key in found[0]}


def better_on(table: Table, row: Row, other: Row) -> dict[str, int]:
    """Return on how many of the five scores a row is nearer to the ideal than another, per set where both have all."""
    columns = [(BY_KEY[m], table.values(row, m), table.values(other, m)) for m in FIVE]
    out = {}
    for i, task in enumerate(table.tasks):
        if all(np.isfinite(a[i]) and np.isfinite(b[i]) for _, a, b in columns):
            out[task] = sum(bool(abs(a[i] - m.ideal) < abs(b[i] - m.ideal)) for m, a, b in columns)
    return out


def _wins(table: Table, row: Row, other: Row) -> str:
    found = ", ".join(f"{task} {n}" for task, n in better_on(table, row, other).items())
    words = " / ".join(BY_KEY[m].label for m in FIVE)
    return f"{row.name} against {other.name}, better on how many of the five ({words}): {found}" if found else ""
