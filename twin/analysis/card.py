"""A checkpoint's card: for people, with its metrics beside the baselines'."""

from collections.abc import Sequence

from twin.analysis.evaluate import evaluate, markdown
from twin.data.counts import CountData
from twin.errors import InputError
from twin.model.fit import Columns
from twin.model.masked import MaskedDiffusion


def card_of(model: MaskedDiffusion, files: Sequence[CountData], columns: Columns) -> str:
    """Return the card of a model trained on these files, as Markdown."""
    n_parameters = sum(p.numel() for p in model.net.parameters())
    n_tables = sum(b.numel() for b in model.net.buffers())
    lines = [
        f"# {model.name}",
        "",
        "A conditional masked discrete diffusion over integer counts, with a per-cell latent (`latent` backbone): "
        f"{len(model.genes):,} genes, {len(model.contexts)} cell types, {n_parameters / 1e6:.1f} M trained weights and "
        f"{n_tables / 1e6:.1f} M measured table entries, stored in 16 bit.",
        "",
        "## Data",
        "",
        f"Trained on {model.card.n_cells:,} cells of: {', '.join(model.card.sources)}. "
        f"{100 * model.card.holdout:g} % of the cells were held out by a hash of their names and never seen, "
        "neither by the network nor by the measured tables.",
        "",
        "| perturbation | kind | dose | time | treated cells seen, by context |",
        "|---|---|---|---|---|",
    ]
    for p in model.perturbations:
        times = ", ".join(f"{t:g} h" for t in p.times) or "unknown"
        cells = ", ".join(f"{c} {n}" for c, n in p.cells.items() if n)
        lines.append(f"| {p.name} | {p.kind} | {p.reference_text} | {times} | {cells} |")
    settings = ", ".join(f"{k} {v:g}" for k, v in model.card.training.items())
    lines += ["", "## Training", "", settings, "", "## Held-out cells, beside baselines", ""]
    if model.card.holdout:
        try:
            tables = evaluate(model, files, holdout=model.card.holdout, columns=columns)
            lines += ["\n\n".join(markdown(t) for t in tables)]
        except InputError as error:
            lines += [f"Not scored: {error}."]
    else:
        lines += ["Nothing was held out, so nothing is claimed."]
    lines += [
        "",
        "## What it does not know",
        "",
        "Any perturbation, dose range, time or cell type that is not in the table above. With one dose, the dose curve "
        "(EC50, Hill exponent) is a choice, not a fit; with one time, the speed of the response is a convention. It "
        "describes what was measured in these cells; it is no causal model and no medical advice.",
        "",
    ]
    return "\n".join(lines)
