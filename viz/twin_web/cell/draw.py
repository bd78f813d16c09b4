"""Draw the charts of a panel: `python -m twin_web.cell.draw MODEL CONTEXT FILE`, in a process of its own.

Half a minute of work on two cores. Nothing is left to chance: the same model gives the same charts. That of the shipped
model's blood is shipped:

    python -m twin_web.cell.draw default "CD14 Mono" viz/twin_web/cell/shipped
"""

import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from threading import Thread

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from twin.kernels.random import Streams
from twin.model.condition import Condition
from twin.model.contract import WorldModel
from twin.model.rollout import Culture, exposed, rollout
from twin.registry import named_model
from twin_web.cell.chart import ATTENDED, HOURS, Atlas, Chart, Map, chart_name, save_chart
from twin_web.cell.layout import arranged, disc, territories
from twin_web.cell.panels import COURSE, Panel, panels_of
from twin_web.cell.programs import called, grouped, how_many, typical

Float = NDArray[np.float64]
Index = NDArray[np.intp]

CELLS = 2_600  # of an atlas; our choice
EXPECTED = 360  # cells whose expected expression tells which genes vary together; our choice
MOST_ARMS = 2  # treatments shown in an atlas beside the untreated cells; our choice
VARIABLE, COMPONENTS = 1_500, 15  # genes and principal components that an atlas stands on; our choice
FLOOR = 0.02  # counts per 10,000 added before the logarithm: below it no data set sees a difference; our choice
BLOCK = 400  # genes whose expectations are asked for at once: it bounds the memory


def draw(model: WorldModel, panel: Panel, folder: Path) -> Path:
    """Draw the map, then the atlas, and write them as they come; return the file."""
    here = model.focused(panel.contexts)
    file = folder / chart_name(model.fingerprint, panel.id)
    folder.mkdir(parents=True, exist_ok=True)
    arms = strongest(here)
    chart = Chart(model.fingerprint, panel.genes, panel.contexts, map_of(here, arms), None)
    save_chart(chart, file)
    save_chart(replace(chart, atlas=atlas_of(here, arms)), file)
    return file


def strongest(model: WorldModel) -> tuple[str, ...]:
    """Return the perturbations measured in a model's contexts that move most, strongest first, at most `MOST_ARMS`."""
    found = []
    for perturbation in model.perturbations:
        cells = {c: n for c, n in perturbation.cells.items() if c in model.contexts}
        if cells and perturbation.kind != COURSE:
            context = max(cells, key=lambda c: cells[c])
            before, after = (_level(model, [context], name, 1) for name in (None, perturbation.name))
            moved = float(np.abs(np.log(after + 1.0) - np.log(before + 1.0)).sum())
            found.append((moved * np.log1p(sum(cells.values())), perturbation.name))
    found.sort(reverse=True)
    return tuple(name for _, name in found[:MOST_ARMS])


def map_of(model: WorldModel, arms: Sequence[str]) -> Map:
    """Return where genes stand: programs are territories of a disc, alike ones side by side."""
    n = max(EXPECTED // (len(model.contexts) * (1 + len(arms))), 2)
    untreated = _level(model, model.contexts, None, n)
    everything = np.vstack([untreated, *(_level(model, model.contexts, arm, n) for arm in arms)])
    levels = np.log(everything + FLOOR)
    levels -= levels.mean(axis=0)
    levels /= np.maximum(levels.std(axis=0), 1e-6)
    _, size, components = np.linalg.svd(levels, full_matrices=False)
    used = min(40, len(size))
    directions = (components[:used] * size[:used, None]).T  # (gene, component)
    directions /= np.maximum(np.linalg.norm(directions, axis=1, keepdims=True), 1e-12)
    whose = grouped(directions, model.genes, how_many(len(model.genes)))
    mean = untreated.mean(axis=0)
    programs = called(whose, model.genes, typical(directions, whose, everything.mean(axis=0)))
    sizes = np.bincount(whose, minlength=len(programs))
    x, y = disc(len(model.genes))
    owner = territories(x, y, sizes, _begin(directions, whose, x, y))
    order = np.lexsort((-mean, whose))
    place = arranged(x, y, owner, order)
    return Map(x[place], y[place], whose, mean, tuple(programs))


def _begin(directions: Float, whose: Index, x: Index, y: Index) -> Float:
    """Return where the territories begin, (program, 2): alike programs near each other, in the disc."""
    centres = np.stack([directions[whose == j].mean(axis=0) for j in range(whose.max() + 1)])
    centres -= centres.mean(axis=0)
    u, size, _ = np.linalg.svd(centres, full_matrices=False)
    flat = u[:, :2] * size[:2] if u.shape[1] > 1 else np.zeros((len(centres), 2))
    # ranks spread them evenly, as the territories will be
    angle = np.arctan2(flat[:, 1], flat[:, 0])
    radius = np.sqrt((np.argsort(np.argsort(np.linalg.norm(flat, axis=1))) + 0.5) / len(flat))
    turn = 2 * np.pi * np.argsort(np.argsort(angle)) / len(flat)
    half = (max(x.max(), y.max()) + 1) / 2
    return np.asarray(half * 0.8 * radius[:, None] * np.stack([np.cos(turn), np.sin(turn)], axis=1) + half)


def atlas_of(model: WorldModel, arms: Sequence[str]) -> Atlas:
    """Return reference cells in two dimensions: of every context as many, untreated, and under way in each arm."""
    from umap import UMAP  # five seconds of compiling, which only this needs

    n = max(CELLS // (len(model.contexts) * (1 + len(arms))), len(HOURS))
    counts, kind, arm = _reference(model, arms, n)
    library = np.maximum(np.asarray(counts.sum(axis=1), dtype=np.float64).ravel(), 1.0)
    logs = sp.csr_array(counts, dtype=np.float64)
    logs.data = np.log1p(logs.data * np.repeat(1e4 / library, np.diff(logs.indptr)))
    mean = np.asarray(logs.mean(axis=0)).ravel()
    square = np.asarray(logs.multiply(logs).mean(axis=0)).ravel()
    genes = np.sort(np.argsort(-_excess(mean, square - mean**2), kind="stable")[: min(VARIABLE, len(mean))])
    some = logs[:, genes].toarray()
    centre, scale = some.mean(axis=0), np.maximum(some.std(axis=0), 0.1)
    u, size, components = np.linalg.svd((some - centre) / scale, full_matrices=False)
    used = min(COMPONENTS, len(size))
    sign = np.sign(components[:used][np.arange(used), np.abs(components[:used]).argmax(axis=1)])
    loading = (components[:used] * sign[:, None] / scale).T  # (gene, component)
    point = u[:, :used] * size[:used] * sign
    begin = 10 * point[:, :2] / np.abs(point[:, :2]).max()
    flat = UMAP(n_neighbors=30, min_dist=1.0, spread=1.5, random_state=1, n_jobs=1, init=begin).fit_transform(point)
    flat = flat - (flat.max(axis=0) + flat.min(axis=0)) / 2
    names = tuple(_called(model, name) for name in arms)
    place = flat / np.abs(flat).max()
    axes = genes.astype(np.intp), centre, loading
    return Atlas(place, kind, arm, model.contexts, ("untreated", *names), point, *axes)


def _reference(model: WorldModel, arms: Sequence[str], n: int) -> tuple[sp.csr_array, Index, Index]:
    """Return counts of `n` cells of each context and arm, their contexts, and their arms (0 untreated).

    Those of an arm are at different hours, so that the way from untreated to treated is there, too.
    """
    condition = _condition(model, model.contexts, None, n, seed=2)
    counts, z = model.sample(condition, Streams(2, 0, 0))
    culture, turn = Culture(counts, z, condition), np.arange(condition.n) % n % len(HOURS)
    parts, rows = [counts], [np.arange(condition.n)]
    for name in arms:
        known = next(p for p in model.perturbations if p.name == name)
        alone = model.focused(model.contexts, perturbations=[name])
        held = replace(condition, dose=np.zeros((condition.n, 1)), time_since=np.full((condition.n, 1), np.nan))
        dose = known.reference if np.isfinite(known.reference) else 1.0
        treated = exposed(alone, replace(culture, condition=held), {name: dose})
        for moment in rollout(alone, treated, hours=HOURS[-1], seed=2):
            if moment.hour in HOURS:
                rows.append(np.flatnonzero(turn == HOURS.index(moment.hour)))
                parts.append(moment.counts[rows[-1]])
    of = np.repeat(np.arange(1 + len(arms)), condition.n)
    return sp.vstack(parts, format="csr"), condition.context[np.concatenate(rows)], of


def _condition(model: WorldModel, contexts: Sequence[str], arm: str | None, n: int, seed: int) -> Condition:
    places = np.repeat([model.contexts.index(c) for c in contexts], n)
    ids = np.arange(len(places), dtype=np.uint64)
    dose = np.zeros((len(ids), len(model.perturbations)))
    for i, perturbation in enumerate(model.perturbations):
        if perturbation.name == arm:
            dose[:, i] = perturbation.reference if np.isfinite(perturbation.reference) else 1.0
    depth = model.depths(places, ids, Streams(seed, 0, 0))
    return Condition(ids, places, depth, dose, np.full_like(dose, np.nan), np.ones(len(ids)))


def _level(model: WorldModel, contexts: Sequence[str], arm: str | None, n: int) -> Float:
    """Return what is expected of `n` cells of each context, (cell, gene), counts per 10,000."""
    condition = _condition(model, contexts, arm, n, seed=1)
    _, z = model.sample(condition, Streams(1, 0, 0))
    blocks = range(0, len(model.genes), BLOCK)
    found = [model.expected(z, condition, range(b, min(b + BLOCK, len(model.genes)))) for b in blocks]
    return np.concatenate(found, axis=1)


def _excess(mean: Float, variance: Float) -> Float:
    """Return by how much each gene varies more than genes of its mean do, on the scale of logs."""
    order = np.argsort(mean, kind="stable")
    width = max(len(mean) // 20, 1)
    smooth = np.convolve(variance[order], np.ones(width) / width, mode="same")
    usual = np.zeros_like(mean)
    usual[order] = smooth
    return np.asarray((variance - usual) / (usual + 0.02))


def _called(model: WorldModel, name: str) -> str:
    dose = next(p.reference_text for p in model.perturbations if p.name == name)
    return name if dose == "unknown" else f"{name} {dose}"


def main(word: str, context: str, folder: Path, *, attended: bool = False) -> None:
    """Draw the charts of the panel of a context of a model; attended : end when the input ends, with who began it."""
    if attended:
        Thread(target=_end_with_input, daemon=True).start()
    os.nice(5)  # whoever looks at the page comes first
    model = named_model(word)
    panel = next(p for p in panels_of(model) if context in p.contexts)
    draw(model, panel, folder)


def _end_with_input() -> None:
    while os.read(0, 1):  # nothing, when the other end is closed or dies
        pass
    os._exit(1)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), attended=sys.argv[4:] == [ATTENDED])
