"""What each cell notices, signal by signal."""

from collections.abc import Iterator, Sequence

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from twin.gates import cell_rates
from twin.kernels.exposure import sample_field
from twin.process import (
    BEHAVIOUR,
    CLAMP,
    CONCENTRATION,
    CONTACTS,
    DEPTH,
    DOSE,
    EC50_FACTOR,
    EXPRESSION,
    LATENT,
    POSITION,
    RADIUS,
    TIME_SINCE,
    Port,
    View,
)
from twin.scenario.behaviours import name_in
from twin.scenario.signals import GENE, PROGRAM, entry

Float = NDArray[np.float64]

OF_GENES = (LATENT, DEPTH, DOSE, TIME_SINCE, EC50_FACTOR, CLAMP, Port("id", ("cell",), "1"))
DEATHS = {"apoptotic": [1.0], "necrotic": [2.0, 3.0]}  # what the column `death_phase` of `death` means
CORE_PORTS = {
    "{substance}": (CONCENTRATION, POSITION),
    "{substance} gradient": (CONCENTRATION, POSITION),
    "volume": (RADIUS,),
    "custom:{name}": (BEHAVIOUR,),
}


def ports_of(word: str, *, counts: bool) -> Iterator[Port]:
    """Yield the ports that a signal is read from.

    counts : whether genes are read as counts.
    """
    found = entry(word)
    column = found.port_of(word)
    if column:
        yield Port(column, ("cell",), found.units)
    if _is_contact(found.word):
        yield CONTACTS
    if found.word in ("gene:{gene}", "program:{program}"):
        yield from (EXPRESSION,) if counts else OF_GENES
    yield from CORE_PORTS.get(found.word, ())


def signal_of(view: View, word: str, rows: NDArray[np.intp], *, counts: bool) -> Float:
    """Return a signal in some cells, (row,), in its inner unit (nM, nM/µm, µm³, h, 1).

    rows : the cells that are asked for, ascending.
    counts : whether genes are read as counts, not as the world model's expected rates.
    """
    found = entry(word)
    if _is_contact(found.word):
        return _touched(view, word, rows)
    match found.word:
        case "{substance}":
            return _field(view, word, rows)
        case "{substance} gradient":
            return _steepness(view, name_in(found.word, word) or "", rows)
        case "volume":
            return np.asarray(4.0 / 3.0 * np.pi * view["radius"][rows] ** 3)
        case "time":
            return np.full(len(rows), view.time)
        case "dead":
            return np.asarray(~view["alive"][rows], dtype=np.float64)
        case "custom:{name}":
            return view.behaviour(word, default=0.0)[rows]
        case "gene:{gene}":
            return _genes(view, [word.removeprefix(GENE)], rows, counts=counts)[:, 0]
        case "program:{program}":
            genes = view.scenario.observe.programs[word.removeprefix(PROGRAM)]
            return np.asarray(np.log1p(_genes(view, genes, rows, counts=counts)).mean(axis=1))
        case "apoptotic" | "necrotic":
            return np.asarray(_died_of(view, found.word)[rows], dtype=np.float64)
    return np.asarray(view[found.port_of(word)][rows], dtype=np.float64)


def _is_contact(pattern: str) -> bool:
    return pattern.startswith("contact with") and pattern != "contact with basement membrane"


def _touched(view: View, word: str, rows: NDArray[np.intp]) -> Float:
    """Return how many cells of a kind each cell touches, (row,)."""
    match word:
        case "contact with live cell":
            kind = view["alive"]
        case "contact with dead cell":
            kind = ~view["alive"]
        case "contact with apoptotic cell":
            kind = _died_of(view, "apoptotic")
        case "contact with necrotic cell":
            kind = _died_of(view, "necrotic")
        case "contact with other dead cell":
            kind = ~view["alive"] & ~_died_of(view, "apoptotic") & ~_died_of(view, "necrotic")
        case _:
            kind = view.type_is([word.removeprefix("contact with ")])
    near = view.contacts[rows]
    touches = sp.csr_array((near.data != 0, near.indices, near.indptr), shape=near.shape, dtype=np.float64)
    return np.asarray(touches @ kind.astype(np.float64))


def _died_of(view: View, how: str) -> NDArray[np.bool_]:
    """Return which cells are dead of apoptosis or of necrosis, (cell,)."""
    return np.isin(view["death_phase"], DEATHS[how])


def _field(view: View, name: str, rows: NDArray[np.intp]) -> Float:
    field = view["concentration"][view.substances.index(name)]
    return sample_field(field, view["position"][rows], view.grid.origin, view.spacing)


def _steepness(view: View, name: str, rows: NDArray[np.intp]) -> Float:
    """Return |∇c| at cells, nM/µm: central differences between voxels, one-sided at walls, 0 along a single voxel."""
    field = view["concentration"][view.substances.index(name)]
    square = np.zeros(len(rows))
    for axis, n in enumerate(field.shape):
        if n > 1:
            slope = np.gradient(field, view.spacing, axis=axis)  # (z, y, x)
            square += sample_field(slope, view["position"][rows], view.grid.origin, view.spacing) ** 2
    return np.sqrt(square)


def _genes(view: View, genes: Sequence[str], rows: NDArray[np.intp], *, counts: bool) -> Float:
    """Return genes of some cells, (row, gene), per 10,000: what the model expects, or what they hold."""
    columns = view.genes_of(genes)
    if columns is None:  # cells of another world model, which do not have them
        return np.zeros((len(rows), len(genes)))
    if not counts:
        return cell_rates(view, columns, rows) if len(rows) else np.zeros((0, len(genes)))
    held = np.zeros((view.n_cells, len(genes)))
    for chunk in view.expression.slices():
        of_chunk = view.expression.counts(chunk, view.ids)
        total = np.asarray(of_chunk.sum(axis=1), dtype=np.float64).ravel()
        held[chunk] = of_chunk[:, columns].toarray() * (1e4 / np.maximum(total, 1.0))[:, None]
    return np.asarray(held[rows])
