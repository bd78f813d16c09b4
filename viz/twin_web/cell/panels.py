"""The panels of a model: which contexts measured the same genes, and share a map."""

from collections.abc import Sequence
from dataclasses import dataclass

from twin.data.contexts import Context
from twin.model.contract import WorldModel
from twin.model.masked import MaskedDiffusion
from twin_web.cell.chart import panel_id

COURSE = (
    "course"  # kind of a perturbation, and what contexts of a course are called: development, nothing done to cells
)


@dataclass(frozen=True)
class Panel:
    """Contexts of a model that measured the same genes.

    id : of the genes. name : in words. genes, contexts : in the model's order.
    """

    id: str
    name: str
    genes: tuple[str, ...]
    contexts: tuple[str, ...]
    tissue: str
    species: str
    technology: str


def described(model: WorldModel, context: str) -> Context:
    """Return what a model tells of a context; of one that tells nothing, its name."""
    if isinstance(model, MaskedDiffusion):
        return model.knowledge.contexts[model.contexts.index(context)]
    return Context(context, context, "", "", "", ())


def panels_of(model: WorldModel) -> tuple[Panel, ...]:
    """Return the panels of a model, in the order of their first contexts; developmental courses are left out."""
    members: dict[tuple[str, ...], list[str]] = {}
    for name, genes in zip(model.contexts, model.panels(), strict=True):
        if not name.startswith(f"{COURSE} "):
            members.setdefault(genes, []).append(name)
    return tuple(_panel(model, genes, names) for genes, names in members.items())


def _panel(model: WorldModel, genes: tuple[str, ...], names: Sequence[str]) -> Panel:
    told = [described(model, name) for name in names]
    tissue, species, technology = (
        _common([getattr(c, word) for c in told]) for word in ("tissue", "species", "technology")
    )
    words = [word for word in (tissue, species, technology) if word]
    return Panel(panel_id(genes), " · ".join(words) or model.name, genes, tuple(names), tissue, species, technology)


def _common(words: Sequence[str]) -> str:
    """Return a word that all share, else what they have in common before a colon, else the first few."""
    distinct = list(dict.fromkeys(word for word in words if word))
    if len(distinct) < 2:
        return "".join(distinct)
    starts = {word.split(":")[0] for word in distinct}
    if len(starts) == 1:
        return starts.pop()
    return ", ".join(distinct[:2]) + (" …" if len(distinct) > 2 else "")
