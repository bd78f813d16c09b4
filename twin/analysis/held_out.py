"""A trained world model on cells that it never saw: every perturbation of its files, as tasks of the protocol."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import NDArray

from twin.analysis.protocol.data import N_GENES, PANEL
from twin.analysis.protocol.families import Family
from twin.analysis.protocol.task import CONTROL, Float, Mask, Prediction, Task, library_sizes
from twin.analysis.scores import dispersion_genes, lognorm
from twin.data.arms import Arm
from twin.data.contexts import Context
from twin.data.counts import held_out
from twin.data.experiment import Experiment
from twin.errors import InputError
from twin.kernels.random import Streams
from twin.model.contract import Condition, WorldModel
from twin.model.masked import MaskedDiffusion
from twin.model.measured import related

Index = NDArray[np.intp]

LEAST_CELLS = 10  # held-out cells an arm, and cells the model may have seen of each; our choice
DRAWS = 4  # predictions of each cell; averaged, so that a score is not the luck of one draw
PLACE = "model_context"  # obs column: index of the cell's context among the model's; −1: unknown


def held_out_families(model: WorldModel, data: Experiment, holdout: float) -> list[Family]:
    """Return a family of tasks for each experiment among the files that holds a perturbation that the model knows.

    Hidden are the held-out treated cells (`twin.data.counts.held_out`), so that anybody can repeat the split; the
    held-out control cells are those to be perturbed. Scored are the genes that the experiment's files share and the
    model has: the 1,000 of largest dispersion, all of a panel.

    Raises
    ------
    InputError
        If there is nothing to score.
    """
    test = held_out(data.names, holdout)
    place = _places(model, data)
    on_axis = np.isin(np.array(data.genes, dtype=object), np.array(model.genes, dtype=object))
    known = {p.name for p in model.perturbations}
    found = []
    for contexts in related(data):
        rows = np.flatnonzero(np.isin(data.context, contexts) & (place[data.context] >= 0))
        arms = [data.arms[a] for a in sorted({int(a) for a in data.arm[rows] if a >= 0})]
        asked = [arm for arm in arms if all(agent.name in known for agent in arm.agents)]
        if asked and _pairs(data, rows, test):
            files = sorted({int(f) for f in data.file[rows]})
            genes = np.flatnonzero(data.measured[files].all(axis=0) & on_axis)
            if len(genes):
                found.append(_family(data, rows, genes, asked, test, place, files, holdout))
    if not found:
        raise InputError(
            f"nothing to score: no context of {model.name} in {', '.join(data.sources[:3])} has {LEAST_CELLS} held-out "
            f"control cells and {LEAST_CELLS} treated ones under a perturbation that the model knows "
            f"({', '.join(sorted(known)[:6]) or 'none'})"
        )
    return found


def _pairs(data: Experiment, rows: Index, test: Mask) -> list[tuple[int, int]]:
    """Return (context, arm) with enough cells in either arm, held out and not."""
    pairs = sorted({(int(c), int(a)) for c, a in zip(data.context[rows], data.arm[rows], strict=True) if a >= 0})

    def enough(mask: Mask) -> bool:
        return bool((mask & test).sum() >= LEAST_CELLS and (mask & ~test).sum() >= LEAST_CELLS)

    here = np.zeros(data.n_cells, np.bool_)
    here[rows] = True
    return [
        (c, a)
        for c, a in pairs
        if enough(here & (data.context == c) & (data.arm == a)) and enough(here & (data.context == c) & (data.arm < 0))
    ]


def words(arms: tuple[Arm, ...]) -> dict[int, str]:
    """Return the word of each arm: its name, or name with dose and time where several share the name."""
    names = [arm.name for arm in arms]
    return {i: arm.name if names.count(arm.name) == 1 else arm.label for i, arm in enumerate(arms)}


def _family(
    data: Experiment,
    rows: Index,
    genes: Index,
    asked: list[Arm],
    test: Mask,
    place: Index,
    files: list[int],
    share: float,
) -> Family:
    word = words(data.arms)
    names = [data.sources[f] for f in files]
    title = f"{', '.join(names)}: held-out cells"
    keys = {arm.key for arm in asked}

    def build(folder: Path) -> Iterator[Task]:
        counts = sp.csr_array(data.counts[rows][:, genes])
        context = np.array([data.contexts[c].name for c in data.context[rows]], dtype=np.str_)
        obs = pd.DataFrame(
            {
                "context": context,
                "donor": [data.donors[d] for d in data.donor[rows]],
                "condition": [word[int(a)] if a >= 0 else CONTROL for a in data.arm[rows]],
                "dose": np.nan,
                "time": np.nan,
                "file": [data.sources[f] for f in data.file[rows]],
                PLACE: place[data.context[rows]],
            },
            index=[data.names[i] for i in rows],
        )
        totals = data.depth[rows]
        logged = lognorm(counts, totals)
        n = len(genes)
        scored = np.arange(n, dtype=np.intp) if n <= PANEL else dispersion_genes(logged, N_GENES)
        dense = logged[:, scored].toarray().astype(np.float64)
        hidden = test[rows] & (data.arm[rows] >= 0)
        for c, a in _pairs(data, rows, test):
            mine = data.context[rows] == c
            if data.arms[a].key in keys:
                yield Task(
                    title,
                    f"{word[a]}/{data.contexts[c].name}",
                    counts,
                    tuple(data.genes[g] for g in genes),
                    totals,
                    obs,
                    ~hidden,
                    mine & test[rows] & (data.arm[rows] < 0),
                    hidden & mine & (data.arm[rows] == a),
                    scored,
                    dense,
                    word[a],
                )

    return Family(
        Path(names[0]).stem,
        title,
        f"{100 * share:g} % of the cells hidden, by a hash of their names",
        "fit, not transfer: the same context and condition are visible in the other cells",
        (),
        build,
    )


def _places(model: WorldModel, data: Experiment) -> Index:
    """Return the index of each of the data's contexts among the model's, (context,); −1: it does not know it."""
    if not isinstance(model, MaskedDiffusion):
        known = {name: i for i, name in enumerate(model.contexts)}
        return np.array([known.get(c.name, known.get(c.cell_type, -1)) for c in data.contexts], dtype=np.intp)
    files = model.card.sources

    def key(context: Context, source: str) -> tuple[str, ...]:
        return (context.cell_type, context.tissue, context.species, context.technology, source)

    known_keys: dict[tuple[str, ...], int] = {}
    for i, context in enumerate(model.knowledge.contexts):
        for f in context.files:
            known_keys.setdefault(key(context, files[f] if f < len(files) else ""), i)
    by_name = {c.name: i for i, c in enumerate(model.knowledge.contexts)}
    out = []
    for context in data.contexts:
        hits = [known_keys.get(key(context, data.sources[f]), -1) for f in context.files]
        out.append(next((h for h in hits if h >= 0), by_name.get(context.name, -1)))
    return np.array(out, dtype=np.intp)


@dataclass(frozen=True)
class Checkpoint:
    """A trained world model as a predictor of `held_out_families`' tasks.

    arms : by their words. sampled : False moves the start cells, True draws as many from nothing.
    """

    model: WorldModel
    arms: Mapping[str, Arm]
    sampled: bool = False

    def __call__(self, task: Task) -> Prediction:
        """Return the start cells under what is asked, and the mean over several draws."""
        rows = np.flatnonzero(task.start)
        model, arm = self.model, self.arms[task.condition]
        place = {gene: i for i, gene in enumerate(model.genes)}
        axis = np.array([place[g] for g in task.genes], dtype=np.intp)
        part = sp.coo_array(task.counts[rows])
        shape = (len(rows), len(model.genes))
        counts = sp.csr_array((part.data, (part.row, axis[part.col])), shape=shape, dtype=np.int32)
        counts.sort_indices()
        condition = self._condition(task, rows, arm)
        drawn, means = [], []
        for draw in range(DRAWS):
            streams = Streams(task.seed, draw, 0)
            whole = model.sample(condition, streams)[0] if self.sampled else model.perturb(counts, condition, streams)
            cells = sp.csr_array(whole[:, axis])
            sizes = library_sizes(task, Prediction(np.zeros(0), cells))
            drawn.append(cells)
            means.append(np.asarray(lognorm(cells, sizes)[:, task.scored].astype(np.float64).mean(axis=0)).ravel())
        support = float(model.support(condition).mean())
        return Prediction(np.mean(means, axis=0), drawn[0], support=support)

    def _condition(self, task: Task, rows: Index, arm: Arm) -> Condition:
        names = [p.name for p in self.model.perturbations]
        n = len(rows)
        dose: Float = np.zeros((n, len(names)))
        time = np.full((n, len(names)), np.nan)
        for agent in arm.agents:
            p = names.index(agent.name)
            reference = self.model.perturbations[p].reference
            dose[:, p] = next((x for x in (agent.dose, reference) if np.isfinite(x)), 1.0)
            time[:, p] = arm.time
        return Condition(
            np.arange(n, dtype=np.uint64),
            task.obs[PLACE].to_numpy(dtype=np.intp)[rows],
            np.maximum(task.totals[rows], 1.0),
            dose,
            time,
            np.ones(n),
        )
