"""Updates applied to a compartment: the only place where a trajectory's state changes."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.stats import binom

from twin.errors import RunError
from twin.kernels.random import Streams, daughter_ids
from twin.process import (
    CLAMP,
    CONCENTRATION,
    CONTACTS,
    EXPRESSION,
    Add,
    Keep,
    Port,
    Process,
    Rate,
    Set,
    Structure,
    Update,
)
from twin.state.body import Compartment, reindexed
from twin.state.expression import Expression
from twin.state.locality import is_scattered, put_in_order

Float = NDArray[np.float64]

BOX_MARGIN = 1e-6  # µm; our choice, as in mechanics: a centre on the upper face itself has no voxel
_SPARSE = (EXPRESSION.name, CLAMP.name, CONTACTS.name)  # ports that are CSR arrays


@dataclass
class Pending:
    """What waits for the end of the tick: structural changes with the process that asked for them."""

    structures: list[tuple[str, Structure]] = field(default_factory=list)


def declared(name: str, process: Process, updates: Iterable[Update]) -> Iterator[Update]:
    """Yield a process's updates as they come, each held to what the process declared.

    Raises
    ------
    RunError
        If one is no update, changes a port that is not among `writes`, or sets one that is not among `sets`.
    """
    writes, sets = {p.name for p in process.writes}, {p.name for p in process.sets}
    for update in updates:
        if not isinstance(update, Update):
            raise RunError(f"plugin {name!r} gave a {type(update).__name__}, which is no Add, Rate, Set or Structure")
        if not isinstance(update, Structure | Keep):
            port = update.port.name
            if port not in writes:
                raise RunError(f"plugin {name!r} changes {port!r}, which is not among the ports that it writes")
            if isinstance(update, Set) and port not in sets:
                raise RunError(f"plugin {name!r} sets {port!r}, which is not among the ports that it declares in sets")
        yield update


def apply_updates(
    home: Compartment,
    process: str,
    updates: Iterable[Update],
    pending: Pending,
    axes: Mapping[str, int] | None = None,
    stores: dict[str, Float] | None = None,
) -> None:
    """Apply one process's updates.

    `Set` with rows (a chunk) is applied while the process still yields, so that a transition holds one chunk at a
    time; everything else when the process has finished, in the order given.

    axes : lengths of axes of rates that the compartment does not know itself.
    stores : what processes keep of the trajectory; a `Keep` changes it.

    Raises
    ------
    RunError
        If an update does not fit the compartment: the process, the port and both shapes are named.
    """
    later: list[Update] = []
    for update in updates:
        if isinstance(update, Keep):
            keep(process, update, {} if stores is None else stores)
            continue
        _check_fit(home, process, update, axes or {})
        if isinstance(update, Set) and update.rows is not None:
            _set_rows(home, update)
        elif isinstance(update, Structure):
            pending.structures.append((process, update))
        else:
            later.append(update)
    for update in later:
        if isinstance(update, Add):
            target = array_of(home, update.port)
            target += update.value
        elif isinstance(update, Rate):
            home.rates.setdefault(update.port.name, {})[process] = update.value
        elif isinstance(update, Set):
            _set(home, update)


def keep(process: str, update: Keep, stores: dict[str, Float]) -> None:
    """Give a store its new value.

    Raises
    ------
    RunError
        If there is no such store, or the value does not fit or is not finite.
    """
    if update.store not in stores:
        raise RunError(f"plugin {process!r} keeps {update.store!r}, which no process declares as a store")
    value = np.asarray(update.value, dtype=np.float64)
    _same_shape(process, update.store, stores[update.store].shape, value.shape)
    if not np.isfinite(value).all():
        raise RunError(f"plugin {process!r} keeps values of {update.store!r} that are not finite")
    stores[update.store] = value.copy()


def _check_fit(home: Compartment, process: str, update: Add | Rate | Set | Structure, axes: Mapping[str, int]) -> None:
    """Refuse what a third party gives in a wrong shape, before it touches the state."""
    n = home.cells.n
    if isinstance(update, Structure):
        for what, rows in (("divide", update.divide), ("die", update.die), ("retype", update.retype)):
            if len(rows) and (int(np.min(rows)) < 0 or int(np.max(rows)) >= n):
                raise RunError(
                    f"plugin {process!r} asks to {what} rows {np.min(rows)} to {np.max(rows)}, {home.name} has "
                    f"cells 0 to {n - 1}"
                )
        if update.axis is not None:
            _same_shape(process, "axis", (len(update.divide), 3), np.shape(update.axis))
        _same_shape(process, "to_type", (len(update.retype),), np.shape(update.to_type))
        return
    port = update.port.name
    if port in _SPARSE and not sp.issparse(update.value):
        raise RunError(f"plugin {process!r} gives {port!r} as {type(update.value).__name__}, not as a CSR array")
    held = port in _SPARSE or port == CONCENTRATION.name or port in home.cells.arrays()
    if held == isinstance(update, Rate):
        what = "is held, not a rate: give Add or Set" if held else "is a rate: give Rate"
        raise RunError(f"plugin {process!r} gives {type(update).__name__} of {port!r}, which {what}")
    wanted = _shape_of(home, update.port, process, axes)
    if isinstance(update, Set) and update.rows is not None:
        if port == EXPRESSION.name and not home.expression.has_chunk(update.rows):
            raise RunError(f"plugin {process!r} sets {update.rows} of {port!r}, which is none of its chunks")
        wanted = (len(range(*update.rows.indices(n))), *wanted[1:])
    _same_shape(process, port, wanted, np.shape(update.value))


def _shape_of(home: Compartment, port: Port, process: str, axes: Mapping[str, int]) -> tuple[int, ...]:
    """Return the full shape of a port, held or a rate."""
    if port.dims == CONCENTRATION.dims:
        return home.concentration.shape
    if port.name in home.cells.arrays():
        return array_of(home, port).shape
    sizes = {"cell": home.cells.n, "axis": 3, "gene": home.expression.n_genes, **axes}
    if not sizes.keys() >= set(port.dims):
        raise RunError(f"plugin {process!r} gives {port.name!r} along {port.dims}: a rate is per cell or per voxel")
    return tuple(sizes[dim] for dim in port.dims)


def _same_shape(process: str, port: str, wanted: tuple[int, ...], given: tuple[int, ...]) -> None:
    if tuple(given) != tuple(wanted):
        raise RunError(f"plugin {process!r} gives {port!r} in the shape {given}, wanted is {wanted}")


def array_of(home: Compartment, port: Port) -> NDArray[Any]:
    """Return the state's own array behind a dense port."""
    if port.name == CONCENTRATION.name:
        return home.concentration
    if port.name in home.cells.extra:
        return home.cells.extra[port.name]
    return np.asarray(getattr(home.cells, port.name))


def joined_rate(home: Compartment, port: Port, shape: tuple[int, ...]) -> Float:
    """Return the sum (or product) of all contributions to a rate, in the order of process names."""
    total = np.zeros(shape) if port.combine == "add" else np.ones(shape)
    for _, value in sorted(home.rates.get(port.name, {}).items()):
        total = total + value if port.combine == "add" else total * value
    return total


def _set_rows(home: Compartment, update: Set) -> None:
    assert update.rows is not None
    if update.port.name == EXPRESSION.name:
        home.expression.replace(update.rows, update.value)
    else:
        array_of(home, update.port)[update.rows] = update.value


def _set(home: Compartment, update: Set) -> None:
    name, value = update.port.name, update.value
    if name == EXPRESSION.name:
        for rows in home.expression.slices():
            home.expression.replace(rows, value[rows])
    elif name == CONTACTS.name:
        home.contacts = value
    elif name == CLAMP.name:
        home.cells.clamp = value
    else:
        array_of(home, update.port)[...] = value


def apply_structure(home: Compartment, pending: Pending, tick: int, streams: Streams) -> None:
    """Apply births and deaths in the order of cell ids, and changes of type (the last word holds), at a tick's end.

    A cell that several processes touch dies rather than divides, and divides once. A mother gives way to two
    daughters: ids hashed from (mother, tick, sibling), halves of her volume and depth, her transcripts dealt out
    between them one by one, her z, clamps and sensitivity inherited; plugins' columns as they declare. In a large
    tissue rows that no longer follow space are put in order (`twin.state.locality`).
    """
    if not pending.structures:
        return
    cells = home.cells
    dead: dict[int, str] = {}
    axis: dict[int, Float | None] = {}
    for _, s in pending.structures:
        for row in s.die:
            dead.setdefault(int(row), s.cause)
        for k, row in enumerate(s.divide):
            axis.setdefault(int(row), None if s.axis is None else s.axis[k])
        for row, code in zip(s.retype, s.to_type, strict=True):
            cells.cell_type[row] = code
            home.lineage.record(int(cells.id[row]), int(cells.parent[row]), tick, "type")
    pending.structures.clear()
    mothers = np.array(sorted(set(axis) - set(dead), key=lambda r: int(cells.id[r])), dtype=np.intp)
    for row in sorted(dead, key=lambda r: int(cells.id[r])):
        home.lineage.record(int(cells.id[row]), int(cells.parent[row]), tick, f"death: {dead[row]}")
    gone = np.zeros(cells.n, dtype=np.bool_)
    gone[list(dead)] = True
    gone[mothers] = True
    keep = np.flatnonzero(~gone)
    if not gone.any():
        return
    rows = np.concatenate([keep, mothers, mothers])
    old_ids = cells.id.copy()
    home.expression = _dealt(home, keep, mothers, old_ids, streams)
    home.rates = {port: {p: reindexed(value, rows) for p, value in by.items()} for port, by in home.rates.items()}
    new = cells.take(rows)
    n_keep, n_mothers = len(keep), len(mothers)
    for sibling in (0, 1):
        here = slice(n_keep + sibling * n_mothers, n_keep + (sibling + 1) * n_mothers)
        new.parent[here] = old_ids[mothers]
        new.id[here] = daughter_ids(old_ids[mothers], tick, sibling)
        new.birth[here] = tick
        new.radius[here] *= 0.5 ** (1 / 3)
        new.depth[here] *= 0.5
        direction = _directions(axis, mothers, old_ids, streams)
        placed = new.position[here] + (0.5 - sibling) * direction * new.radius[here][:, None]
        low = np.asarray(home.grid.origin)
        new.position[here] = np.clip(placed, low, np.maximum(low + home.grid.size - BOX_MARGIN, low))
        for column in cells.columns:
            if column.inherit == "share":
                new.extra[column.name][here] *= 0.5
            elif column.inherit == "zero":
                new.extra[column.name][here] = 0.0
        for cell, parent in zip(new.id[here], new.parent[here], strict=True):
            home.lineage.record(int(cell), int(parent), tick, "birth")
    home.cells = new
    bridge = home.contacts.tocsr()[rows][:, rows]
    home.contacts = sp.csr_array(bridge)
    if is_scattered(home):
        put_in_order(home)


def _dealt(
    home: Compartment, keep: NDArray[np.intp], mothers: NDArray[np.intp], ids: NDArray[np.uint64], streams: Streams
) -> Expression:
    """Return the expression of the kept cells, then of the first, then of the second daughters."""
    if len(mothers) == 0:
        return home.expression.rebuild(keep)
    counts = home.expression.rows(mothers, ids)
    owner = np.repeat(ids[mothers], np.diff(counts.indptr))
    u = streams.stream("deal transcripts").uniform_at(owner, counts.indices.astype(np.uint64))
    first = _binomial_half(counts.data.astype(np.int64), u)
    parts = []
    for share in (first, counts.data - first):
        # a copy: dropping zeros in place would shift the sister's genes
        part = sp.csr_array((share.astype(np.int32), counts.indices, counts.indptr), shape=counts.shape, copy=True)
        part.eliminate_zeros()
        part.sort_indices()
        parts.append(Expression.from_counts(part, home.expression.chunk_size))
    return home.expression.rebuild(keep, parts)


def _binomial_half(n: NDArray[np.int64], u: Float) -> NDArray[np.int64]:
    """Return Binomial(n, 1/2) by inverse CDF, (entry,)."""
    return np.asarray(np.minimum(binom.ppf(u, n, 0.5), n), dtype=np.int64)


def _directions(
    axis: dict[int, Float | None], mothers: NDArray[np.intp], ids: NDArray[np.uint64], streams: Streams
) -> Float:
    """Return the axis of each division: the process's, else a random one, (mother, 3)."""
    random = streams.stream("division axis").normal(ids[mothers], 3)
    random /= np.linalg.norm(random, axis=1, keepdims=True)
    given = [axis[int(row)] for row in mothers]
    chosen = [random[i] if g is None else g for i, g in enumerate(given)]
    return np.asarray(chosen, dtype=np.float64).reshape(len(mothers), 3)
