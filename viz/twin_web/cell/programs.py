"""Gene programs: genes that vary together, found among a model's cells and called by what is known of them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import hypergeom

from twin_web.cell.markers import MARKERS, Markers

Float = NDArray[np.float64]
Index = NDArray[np.intp]

GENES_A_PROGRAM = 500  # aim; our choice: hues of more than some 24 programs are not told apart
BOUNDS = (2, 24)  # programs
COHERENT = 0.35  # least mean cosine of a marker set with its own mean, to begin a program; our choice
LEAST_MARKERS = 3
LEAST_ENRICHED = 1e-5  # p of the hypergeometric tail; our choice
TOP = 8  # genes that are named of each program


@dataclass(frozen=True)
class Program:
    """One program.

    name, zh : in English and Chinese. known : whether it has a name of its own. marked : how many of its markers it
    holds. top : the genes that stand for it most, its markers first.
    """

    name: str
    zh: str
    known: bool
    marked: int
    top: tuple[str, ...]


def plain(gene: str) -> str:
    """Return a gene's symbol as markers are spelt: without case and dashes, so that orthologs often share it."""
    return gene.upper().replace("-", "")


def marked(genes: Sequence[str], markers: Markers) -> Index:
    """Return which genes a set of markers names, (marker,)."""
    pattern = re.compile("|".join(re.escape(m).replace(r"\*", ".*") for m in markers.genes))
    return np.array([i for i, gene in enumerate(genes) if pattern.fullmatch(plain(gene))], dtype=np.intp)


def how_many(n_genes: int) -> int:
    """Return how many programs a number of genes is divided into."""
    return int(np.clip(round(n_genes / GENES_A_PROGRAM), *BOUNDS))


def grouped(directions: Float, genes: Sequence[str], k: int) -> Index:
    """Return the program of each gene, (gene,): `k` clusters by direction (spherical k-means), none of them empty.

    Marker sets whose genes vary together begin a cluster each, those that hang together best first; what is still free
    begins with the genes that are least like any so far. So nothing is left to chance, and what has a name has its
    chance to be found; in the end only the directions decide.

    directions : (gene, component), each of length 1.
    """
    centres: list[Float] = []
    named = []
    for markers in MARKERS:
        at = marked(genes, markers)
        if len(at) >= LEAST_MARKERS:
            mean = directions[at].mean(axis=0)
            tight = float(np.linalg.norm(mean))
            named.append((tight, mean / max(tight, 1e-12)))
    for tight, centre in sorted(named, key=lambda pair: -pair[0])[: k * 2 // 3]:
        if tight >= COHERENT:
            centres.append(centre)
    if not centres:
        centres.append(directions[0])
    nearest = np.max(directions @ np.stack(centres).T, axis=1)
    while len(centres) < k:
        far = int(np.argmin(nearest))
        # the mean about the loneliest gene, not the gene itself: a single one may be an outlier
        around = np.argsort(-(directions @ directions[far]), kind="stable")[: max(len(genes) // (4 * k), 1)]
        centre = directions[around].mean(axis=0)
        centres.append(centre / max(float(np.linalg.norm(centre)), 1e-12))
        nearest = np.maximum(nearest, directions @ centres[-1])
        nearest[far] = 1.0
    middle = np.stack(centres)
    whose = np.full(len(genes), -1)
    for _ in range(100):
        likeness = directions @ middle.T
        new = np.argmax(likeness, axis=1)
        for empty in np.flatnonzero(np.bincount(new, minlength=k) == 0):
            worst = np.argsort(likeness[np.arange(len(genes)), new], kind="stable")
            new[next(int(i) for i in worst if np.sum(new == new[i]) > 1)] = empty
        if np.array_equal(new, whose):
            break
        whose = new
        for j in range(k):
            mean = directions[whose == j].mean(axis=0)
            middle[j] = mean / max(float(np.linalg.norm(mean)), 1e-12)
    return np.asarray(whose, dtype=np.intp)


def typical(directions: Float, whose: Index, mean: Float) -> Float:
    """Return how much each gene stands for its program, (gene,): much of it, and in step with the others.

    mean : (gene,) counts per 10,000.
    """
    centres = np.stack([directions[whose == j].mean(axis=0) for j in range(int(whose.max()) + 1)])
    centres /= np.maximum(np.linalg.norm(centres, axis=1, keepdims=True), 1e-12)
    likeness = np.clip((directions * centres[whose]).sum(axis=1), 0.0, 1.0)
    return np.asarray(likeness**4 * np.log1p(mean))


def called(whose: Index, genes: Sequence[str], weight: Float) -> list[Program]:
    """Return the programs by what they are called: by the marker set that they are richest in, else by their genes.

    weight : (gene,) how much a gene stands for its program (`typical`).
    """
    sets = [(markers, marked(genes, markers)) for markers in MARKERS]
    found: list[Program] = []
    for j in range(int(whose.max()) + 1):
        mine = np.flatnonzero(whose == j)
        mine = mine[np.argsort(-weight[mine], kind="stable")]
        best: tuple[float, Markers | None, Index] = (LEAST_ENRICHED, None, mine[:0])
        for markers, at in sets:
            hits = mine[np.isin(mine, at)]
            p = float(hypergeom.sf(len(hits) - 1, len(genes), len(at), len(mine)))
            if len(hits) >= LEAST_MARKERS and p < best[0]:
                best = (p, markers, hits)
        _, told, hits = best
        top = tuple(genes[i] for i in dict.fromkeys([*hits.tolist(), *mine.tolist()]))[:TOP]
        name, zh = (" · ".join(top[:3]),) * 2 if told is None else (told.name, told.zh)
        found.append(Program(name, zh, told is not None, len(hits), top))
    return _apart(found)


def _apart(programs: Sequence[Program]) -> list[Program]:
    """Tell programs of one name apart by the first gene of each; the one with most markers keeps the name alone."""
    out = []
    for i, program in enumerate(programs):
        richer = [
            p.marked > program.marked or (p.marked == program.marked and j < i)
            for j, p in enumerate(programs)
            if p.name == program.name and j != i
        ]
        if program.known and any(richer):
            suffix = f" · {program.top[0]}"
            program = Program(program.name + suffix, program.zh + suffix, True, program.marked, program.top)
        out.append(program)
    return out
