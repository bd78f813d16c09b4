"""What a step's updates come to: checked against the contract, and made comparable."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from twin.conformance.declarations import ONLY_SET, STATE, own_ports
from twin.process import CONTACTS, EXPRESSION, TIME_SINCE, Add, Keep, Port, Process, Rate, Set, Structure, Update, View

Outcome = dict[str, NDArray[Any]]  # "add position" → its whole value, dense; "die by age" → (cell,)
PER_CELL, PER_PAIR, WHOLE = "cell", "pair", "whole"  # how a value turns with the rows


def sizes_of(view: View, process: Process) -> Mapping[str, int]:
    """Return how long each named axis is."""
    nz, ny, nx = view.grid.shape
    return {
        "cell": view.n_cells,
        "axis": 3,
        "gene": len(view.model.genes),
        "latent": view.model.latent_size,
        "perturbation": len(view.perturbations),
        "substance": len(view.substances.names),
        "behaviour": len(view.behaviours.ruled),
        **dict(zip("zyx", (nz, ny, nx), strict=True)),
        **{column.name: column.width for column in process.columns},
    }


class Reading:
    """One step's updates, read: `outcome` where they keep the contract, `faults` where not.

    turns : per entry of `outcome`, whether its rows are cells, pairs of cells, or neither.
    """

    def __init__(self, process: Process, view: View, updates: Sequence[Update]) -> None:
        self.process, self.view = process, view
        self.sizes = sizes_of(view, process)
        self.outcome: Outcome = {}
        self.turns: dict[str, str] = {}
        self.faults: list[str] = []
        for update in updates:
            if isinstance(update, Structure):
                self._structure(update)
            elif isinstance(update, Keep):
                self._keep(update)
            elif not isinstance(update, Add | Rate | Set):
                self.faults.append(f"step gives a {type(update).__name__}, which is no update")
            elif update.port not in process.writes:
                self.faults.append(f"step gives {update.port.name!r}, which is not among what it writes")
            elif isinstance(update, Set):
                self._set(update)
            else:
                self._increment(update)

    def _increment(self, update: Add | Rate) -> None:
        name, word = update.port.name, type(update).__name__.lower()
        is_state = name in STATE or name in own_ports(self.process)
        if is_state == isinstance(update, Rate):
            other = "a part of the state: Add to it or Set it" if is_state else "a rate: give it as Rate"
            self.faults.append(f"step gives {name!r} as {type(update).__name__}, but it is {other}")
            return
        if name in ONLY_SET:
            self.faults.append(f"step adds to {name!r}, which can only be set")
            return
        value = self._dense(update.port, update.value)
        if value is None:
            return
        key = f"{word} {name}"
        if key in self.outcome and isinstance(update, Rate):
            self.faults.append(f"step gives the rate {name!r} twice; only the last would hold")
        before = self.outcome.get(key, np.zeros_like(value))
        self._note(key, update.port, before + value)

    def _set(self, update: Set) -> None:
        port, view = update.port, self.view
        if port not in self.process.sets:
            self.faults.append(f"step sets {port.name!r}, which is not among its `sets`")
            return
        key, rows = f"set {port.name}", update.rows
        if port.name in ONLY_SET:
            value = self._sparse(port, update.value, rows)
        else:
            value = self._dense(port, update.value, rows)
        if value is None:
            return
        if rows is not None:
            start = view.expression.to_counts(view.ids).toarray() if port.name == EXPRESSION.name else view[port.name]
            whole = self.outcome.get(key, start).copy()
            whole[rows] = value
            value = whole
        elif key in self.outcome:
            self.faults.append(f"step sets {port.name!r} twice")
        self._note(key, port, value)

    def _keep(self, update: Keep) -> None:
        shapes = {store.name: store.shape for store in self.process.stores}
        value = np.asarray(update.value)
        if update.store not in shapes:
            self.faults.append(f"step keeps {update.store!r}, which is not among its stores")
        elif value.shape != shapes[update.store]:
            self.faults.append(
                f"step keeps {update.store!r} in the shape {value.shape}, its store has {shapes[update.store]}"
            )
        elif value.dtype.kind not in "biuf" or not np.isfinite(value).all():
            self.faults.append(f"step keeps values of {update.store!r} that are not finite numbers")
        else:
            self.outcome[f"keep {update.store}"], self.turns[f"keep {update.store}"] = value, WHOLE

    def _note(self, key: str, port: Port, value: NDArray[Any]) -> None:
        pairs = port.name == CONTACTS.name
        self.outcome[key] = value
        self.turns[key] = PER_PAIR if pairs else PER_CELL if port.dims[0] == "cell" else WHOLE

    def _shape(self, port: Port, rows: slice | None) -> tuple[int, ...]:
        shape = tuple(self.sizes.get(dim, 2) for dim in port.dims)
        return shape if rows is None else (len(range(self.view.n_cells)[rows]), *shape[1:])

    def _dense(self, port: Port, value: object, rows: slice | None = None) -> NDArray[Any] | None:
        """Return a dense value, or None and a fault."""
        shape = self._shape(port, rows)
        if not isinstance(value, np.ndarray) or value.dtype.kind not in "biuf":
            self.faults.append(f"step gives {port.name!r} as {type(value).__name__}, not as an array of numbers")
        elif value.shape != shape:
            self.faults.append(f"step gives {port.name!r} in the shape {value.shape}, its port has {shape}")
        elif np.isinf(value).any() or (np.isnan(value).any() and port.name != TIME_SINCE.name):
            self.faults.append(f"step gives {port.name!r} values that are not finite")
        else:
            return value
        return None

    def _sparse(self, port: Port, value: object, rows: slice | None) -> NDArray[Any] | None:
        """Return a sparse value made dense (absent = NaN in a clamp), or None and a fault."""
        shape = self._shape(port, rows)
        if not isinstance(value, sp.csr_array):
            self.faults.append(f"step sets {port.name!r} to a {type(value).__name__}, not to a scipy.sparse.csr_array")
        elif value.shape != shape:
            self.faults.append(f"step sets {port.name!r} in the shape {value.shape}, its port has {shape}")
        elif not np.isfinite(value.data).all():
            self.faults.append(f"step sets {port.name!r} to values that are not finite")
        elif port.name == EXPRESSION.name and (value.dtype.kind not in "iu" or (value.data <= 0).any()):
            self.faults.append(f"step sets {port.name!r} to values that are no counts above 0, as a CSR stores them")
        elif port.name == EXPRESSION.name and not value.has_sorted_indices:
            self.faults.append(f"step sets {port.name!r} without sorted indices")
        elif port.name == EXPRESSION.name and rows is not None and rows not in list(self.view.expression.slices()):
            self.faults.append(f"step sets {port.name!r} in rows {rows}, which are no chunk of the view's expression")
        elif port.name == EXPRESSION.name or port.name == CONTACTS.name:
            return np.asarray(value.toarray())
        else:
            dense, stored = np.full(shape, np.nan), value.tocoo()
            dense[stored.row, stored.col] = stored.data
            return dense
        return None

    def _structure(self, update: Structure) -> None:
        """Note births, deaths and changes of type cell by cell."""
        n = self.view.n_cells
        for word, rows in (("divide", update.divide), ("die", update.die), ("retype", update.retype)):
            events = np.asarray(rows)
            if events.dtype.kind not in "iu" or ((events < 0) | (events >= n)).any():
                self.faults.append(f"step lets cells {word} that are not there: rows go from 0 to {n - 1}")
                return
            if len(np.unique(events)) < len(events):
                self.faults.append(f"step lets a cell {word} twice in one step")
        if (
            len(update.to_type) != len(update.retype)
            or ((update.to_type < 0) | (update.to_type >= len(self.view.names["cell_type"]))).any()
        ):
            self.faults.append("step gives to_type codes that are no cell types, or not one for each cell of retype")
            return
        axis = np.full((n, 3), np.nan)
        if update.axis is not None:
            given = np.asarray(update.axis)
            if given.shape != (len(update.divide), 3) or not np.allclose(np.linalg.norm(given, axis=1), 1, atol=1e-6):
                self.faults.append("step gives division axes that are not one unit vector for each dividing cell")
                return
            axis[update.divide] = given
        marks = {"divide": np.zeros(n), f"die, {update.cause}": np.zeros(n), "retype": np.full(n, -1.0)}
        marks["divide"][update.divide] = 1
        marks[f"die, {update.cause}"][update.die] = 1
        marks["retype"][update.retype] = update.to_type
        for word, mark in {**marks, "axis": axis}.items():
            key = f"structure: {word}"
            before = self.outcome.get(key)
            self.outcome[key] = mark if before is None else np.fmax(before, mark)
            self.turns[key] = PER_CELL


def turned(reading: Reading, order: NDArray[np.intp]) -> Outcome:
    """Return the outcome with its cells in another order."""
    out: Outcome = {}
    for key, value in reading.outcome.items():
        turn = reading.turns[key]
        if turn != WHOLE:
            value = value[order]
        out[key] = value[:, order] if turn == PER_PAIR else value
    return out
