"""Gene perturbations: unseen doubles, unseen knock-outs, knock-outs under a stimulus, knock-out animals."""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from twin.analysis.protocol.combinations import JOIN, parts
from twin.analysis.protocol.data import Cells, read_cells
from twin.analysis.protocol.task import CONTROL, Float, Task
from twin.data.counts import held_out

K562, DOUBLES = "crispr_k562_gbm_500genes.h5ad", "CRISPR doubles, unseen"
THP1, KNOCK_OUTS = "papalexi2021_thp1_ko_299genes.h5ad", "THP-1 knock-outs, leave one out"
JURKAT, STIMULATED = "datlinger2021_jurkat_ko_tcr_2000genes.h5ad", "Jurkat knock-outs under TCR stimulation"
PIG = "pig_small_airway_cftr_ko_1339genes.h5ad"
PIG_TYPES, PIG_ANIMALS = "CFTR, leave one type out", "CFTR, leave one animal out"
MICROGLIA, TREM2 = "trem2_ko_mouse_microglia.h5ad", "TREM2 microglia, held-out cells"

MOVING = ("IFNGR1", "IFNGR2", "STAT1", "SPI1", "MYC", "BRD4")  # targets of THP-1 with 20 and more moving genes
SCORED_TARGETS = ("IFNGR1", "IFNGR2", "STAT1")  # halves of the other three agree below 0.5: nothing to score
STIMULUS = "anti-CD3/CD28"
HELD_OUT = 0.2  # share of the cells, by a hash of their names; as the shipped model's
GENE_SETS = Path("knowledge") / "genesets.gmt"


def doubles(folder: Path) -> Iterator[Task]:
    """Yield the 11 double activations in K562, each hidden while all singles and other doubles are visible."""
    data = read_cells(folder, (K562,), whole_totals=True)
    data = data.take(data.where(context="K562"))
    conditions = _conditions(data)
    singles = [c for c in conditions if JOIN not in c]
    for name in (c for c in conditions if JOIN in c):
        known = sum(p in singles for p in parts(name))
        yield _left_out(data, DOUBLES, f"{name} ({known} known)", name, peers=singles, panel=conditions, folder=folder)


def knock_outs(folder: Path) -> Iterator[Task]:
    """Yield the three THP-1 targets whose effect can be scored, each hidden while the other 19 are visible."""
    data = read_cells(folder, (THP1,))
    for name in SCORED_TARGETS:
        peers = [t for t in MOVING if t != name]
        yield _left_out(data, KNOCK_OUTS, name, name, peers=peers, panel=_conditions(data), folder=folder)


def stimulated(folder: Path) -> Iterator[Task]:
    """Yield the 18 knock-outs under stimulation: the pair hidden, its parts and other pairs visible."""
    data = read_cells(folder, (JURKAT,), whole_totals=True)
    pairs = [c for c in _conditions(data) if JOIN in c]
    for name in pairs:
        peers = [c for c in pairs if c != name]
        yield _left_out(data, STIMULATED, parts(name)[0], name, peers=peers, panel=pairs, folder=folder)


def pig_types(folder: Path) -> Iterator[Task]:
    """Yield the three airway cell types: the knock-out animals' cells of one type hidden."""
    data = read_cells(folder, (PIG,))
    for kind in np.unique(data.obs["context"]):
        control, treated = (data.where(context=kind, condition=c) for c in (CONTROL, "CFTR"))
        yield data.task(PIG_TYPES, str(kind), start=control, truth=treated, hidden=treated, condition="CFTR", dose=1.0)


def pig_animals(folder: Path) -> Iterator[Task]:
    """Yield animal x type: one knock-out animal hidden, the other one and three wild types visible."""
    data = read_cells(folder, (PIG,))
    for animal in np.unique(data.obs["donor"][data.where(condition="CFTR")]):
        for kind in np.unique(data.obs["context"]):
            yield data.task(
                PIG_ANIMALS,
                f"{animal}/{kind}",
                start=data.where(context=kind, condition=CONTROL),
                truth=data.where(context=kind, donor=animal),
                hidden=data.where(donor=animal),
                condition="CFTR",
                dose=1.0,
            )


def trem2(folder: Path) -> Iterator[Task]:
    """Yield the knock-out microglia with a fifth of the cells hidden: one sample a genotype allows no more."""
    data = read_cells(folder, (MICROGLIA,))
    yield from cells_out(data, TREM2, ("TREM2",), 1.0)


def cells_out(
    data: Cells, family: str, conditions: Sequence[str], dose: float, time: float = float("nan")
) -> Iterator[Task]:
    """Yield context x condition with the held-out treated cells hidden; the start cells are the held-out controls."""
    out = held_out(list(data.obs.index.astype(str)), HELD_OUT)
    contexts = np.unique(data.obs["context"])
    for kind in contexts:
        for name in conditions:
            control, treated = (data.where(context=kind, condition=c) & out for c in (CONTROL, name))
            label = str(kind) if len(conditions) == 1 else name if len(contexts) == 1 else f"{name}/{kind}"
            if control.any() and treated.any():
                yield data.task(
                    family, label, start=control, truth=treated, hidden=treated, condition=name, dose=dose, time=time
                )


def _conditions(data: Cells) -> list[str]:
    return [str(c) for c in np.unique(data.obs["condition"]) if c != CONTROL]


def _left_out(
    data: Cells, family: str, name: str, condition: str, *, peers: Sequence[str], panel: Sequence[str], folder: Path
) -> Task:
    hidden = data.where(condition=condition)
    targets = {p for c in _conditions(data) for p in parts(c)} - {STIMULUS}
    return data.task(
        family,
        name,
        start=data.where(condition=CONTROL),
        truth=hidden,
        hidden=hidden,
        condition=condition,
        dose=1.0,
        peers=peers,
        panel=panel,
        features=gene_features(folder.resolve(), frozenset(targets)),
    )


@lru_cache(maxsize=8)
def gene_features(folder: Path, genes: frozenset[str]) -> dict[str, Float]:
    """Return per gene the curated gene sets that it is in, weighted by their rarity, of length 1.

    Empty where the folder has no such file. Weight of a set: log(number of all genes / genes in the set), the inverse
    document frequency.
    """
    file = folder / GENE_SETS
    if not file.is_file():
        return {}
    rows = [line.split("\t")[2:] for line in file.read_text(encoding="utf-8").splitlines() if line]
    everything = len({gene for row in rows for gene in row})
    hits = [row for row in rows if genes.intersection(row)]
    weight = np.log(everything / np.array([len(row) for row in hits], dtype=np.float64))
    out = {}
    for gene in sorted(genes):
        vector = weight * np.array([gene in row for row in hits])
        length = float(np.sqrt(vector @ vector))
        if length > 0:
            out[gene] = vector / length
    return out
