"""A checkpoint's card: for people, with its metrics beside the baselines'."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from twin.analysis.metrics.population import GenerationScorer
from twin.data.counts import held_out
from twin.data.experiment import Experiment
from twin.kernels.random import Streams
from twin.model.condition import Condition
from twin.model.masked import MaskedDiffusion

LEAST_HELD_OUT = 20  # control cells of a file for its generation to be scored; our choice
MOST_CELLS = 400  # held-out cells of a file that are scored; our choice
SHOWN = ("mmd", "ilisi", "w1_all", "corr_err", "ks_library")
HEADINGS = ("MMD ↓", "iLISI ↑", "W1 ↓", "corr err ↓", "KS lib ↓")


@dataclass(frozen=True)
class Generated:
    """How well the held-out control cells of one file are generated, beside genes drawn on their own."""

    source: str
    tissues: tuple[str, ...]
    species: tuple[str, ...]
    n_held_out: int
    model: dict[str, float]
    independent: dict[str, float]


def generation(
    model: MaskedDiffusion, data: Experiment, on_part: Callable[[str], None] | None = None
) -> list[Generated]:
    """Score generation file by file: as many cells as were held out, of their contexts, never seen in training.

    Beside it, genes drawn independently within each context from the training cells.
    """
    test = held_out(data.names, model.card.holdout)
    found = []
    for f, source in enumerate(data.sources):
        mine = (data.file == f) & (data.arm < 0)
        seen, unseen = np.flatnonzero(mine & ~test), np.flatnonzero(mine & test)[:MOST_CELLS]
        if len(unseen) < LEAST_HELD_OUT:
            continue
        if on_part is not None:
            on_part(f"scoring generation: {source}")
        genes = np.flatnonzero(data.measured[f])
        real, train = (sp.csr_array(data.counts[rows][:, genes]) for rows in (unseen, seen))
        names = [c.name for c in data.contexts]
        here = sorted({names[c] for c in data.context[unseen]})
        small = model.focused(here, [data.genes[g] for g in genes])
        context = np.array([here.index(names[c]) for c in data.context[unseen]], dtype=np.intp)
        drawn = _drawn(small, context)
        alone = _independent(train, data.context[seen], data.context[unseen])
        contexts = [data.contexts[c] for c in np.unique(data.context[unseen])]
        scorer = GenerationScorer(train, real)
        found.append(
            Generated(
                source,
                tuple(sorted({c.tissue for c in contexts if c.tissue})),
                tuple(sorted({c.species for c in contexts if c.species})),
                len(unseen),
                scorer.scores(drawn),
                scorer.scores(alone),
            )
        )
    return found


def _drawn(model: MaskedDiffusion, context: NDArray[np.intp]) -> sp.csr_array:
    n = len(context)
    ids, streams = np.arange(n, dtype=np.uint64), Streams(0, 0, 0)
    nothing = np.zeros((n, len(model.perturbations)))
    depth = model.depths(context, ids, streams)
    asked = Condition(ids, context, depth, nothing, np.full_like(nothing, np.nan), np.ones(n))
    return sp.csr_array(model.sample(asked, streams)[0])


def _independent(train: sp.csr_array, seen: NDArray[np.intp], wanted: NDArray[np.intp]) -> sp.csr_array:
    """Return cells whose genes are drawn one by one from training cells of their context, or of any if it has none."""
    luck = np.random.default_rng(0)
    dense = train.toarray()
    out = np.zeros((len(wanted), train.shape[1]), dtype=np.int32)
    for c in np.unique(wanted):
        pool = dense[seen == c] if (seen == c).any() else dense
        rows = np.flatnonzero(wanted == c)
        pick = luck.integers(0, len(pool), (len(rows), train.shape[1]))
        out[rows] = pool[pick, np.arange(train.shape[1])]
    return sp.csr_array(out)


def generation_table(rows: Sequence[Generated]) -> str:
    """Return the generation scores as Markdown: each number beside that of independent genes."""
    lines = [
        "| file | species | tissue | cells | " + " | ".join(HEADINGS) + " |",
        "|---" * (4 + len(HEADINGS)) + "|",
    ]
    for row in rows:
        numbers = " | ".join(f"{row.model[k]:.3f} ({row.independent[k]:.3f})" for k in SHOWN)
        species, tissue = ", ".join(row.species), ", ".join(row.tissues[:3]) + (", …" if len(row.tissues) > 3 else "")
        lines.append(f"| {row.source} | {species} | {tissue} | {row.n_held_out} | {numbers} |")
    return "\n".join(lines)


def card_of(model: MaskedDiffusion, data: Experiment, on_part: Callable[[str], None] | None = None) -> str:
    """Return the card of a model trained on this experiment, as Markdown."""
    n_parameters = sum(p.numel() for p in model.net.parameters())
    tissues = sorted({c.tissue for c in data.contexts if c.tissue})
    species = sorted({c.species for c in data.contexts if c.species})
    lines = [
        f"# {model.name}",
        "",
        "A conditional masked discrete diffusion over integer counts, with a per-cell latent (`latent` backbone): "
        f"{len(model.genes):,} genes, {len(model.contexts)} contexts of {len(tissues)} tissues and {len(species)} "
        f"species ({', '.join(species)}), {n_parameters / 1e6:.1f} M trained weights. Effects of treatments are "
        f"measured and kriged: {len(model.knowledge.families)} experiments, {len(model.knowledge.treatments)} "
        "treatments.",
        "",
        "## Data",
        "",
        f"Trained on {model.card.n_cells:,} cells of: {', '.join(model.card.sources)}. "
        f"{100 * model.card.holdout:g} % of the cells were held out by a hash of their names and never seen, "
        "neither by the network nor by the measured tables.",
        "",
        *(f"- {note}" for note in model.card.notes),
        "",
        "## Treatments seen",
        "",
        "| treatment | contexts and treated cells seen |",
        "|---|---|",
    ]
    test = held_out(data.names, model.card.holdout) if model.card.holdout else np.zeros(data.n_cells, dtype=np.bool_)
    for a, arm in enumerate(data.arms):
        n = np.bincount(data.context[(data.arm == a) & ~test], minlength=len(data.contexts))
        cells = ", ".join(f"{data.contexts[c].name} {k}" for c, k in enumerate(n) if k)
        if cells:
            lines.append(f"| {arm.label} | {cells} |")
    settings = ", ".join(f"{k} {v:g}" for k, v in model.card.training.items())
    lines += ["", "## Training", "", settings, "", "## Generation of held-out control cells", ""]
    rows = generation(model, data, on_part) if model.card.holdout else []
    if rows:
        lines += [
            "One draw of as many cells as were held out, of their contexts; in brackets, genes drawn on their own "
            "from training cells of the context. Where few cells were held out, the numbers are mostly noise.",
            "",
            generation_table(rows),
        ]
    else:
        lines += ["Nothing was held out, so nothing is claimed."]
    lines += [
        "",
        "## What it does not know",
        "",
        "Any treatment, dose range, time or context that is not in the tables above; what it says of those comes with "
        "a low support. With one dose, the dose curve (EC50, Hill exponent) is a choice, not a fit; with one time, the "
        "speed of the response is a convention. It describes what was measured in these cells; it is no causal model "
        "and no medical advice.",
        "",
    ]
    return "\n".join(lines)
