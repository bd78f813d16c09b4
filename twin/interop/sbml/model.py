"""One SBML model, compiled and integrated by libRoadRunner: values in, values out, and the state of one instance."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import isfinite, isnan
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from twin.errors import InputError, UnknownNameError
from twin.interop.sbml.backend import roadrunner, validate
from twin.interop.sbml.document import Document, Kind, Quantity, read_document, read_text

Float = NDArray[np.float64]

RELATIVE = 1e-9  # our choice: the simulator's own 1e-6 is 1e-5 off on a plain decay, see test_model.py
ABSOLUTE = 1e-12  # of each state's size, our choice
MOST_STEPS = 100_000  # of the integrator between two times, our choice
SETTLED = 1e-8  # of a state's largest size: what it may still move while as much time passes as has passed, our choice
STILL = 1e-12  # of a state's largest size: a move that is rounding, our choice
LONGEST = 1e12  # units of the model's time that it may take to settle, our choice
NONE: Mapping[str, float] = MappingProxyType({})


def load_model(
    file: str | Path, *, text: str | None = None, relative: float = RELATIVE, absolute: float = ABSOLUTE
) -> "Model":
    """Read, check and compile an SBML model.

    Parameters
    ----------
    file : its file; with `text`, only its name in messages.
    text : the model itself.
    relative, absolute : tolerances of the integrator (CVODE, variable order and step).

    Raises
    ------
    MissingExtraError
        If libRoadRunner is not installed.
    InputError
        If the file is no model that can be run; nothing has run then.
    """
    given = read_text(Path(file)) if text is None else text
    document = read_document(Path(file), given)
    validate(document.file, given)
    return Model(document, relative, absolute)


class Model:
    """One instance of a model: reset it, set values, integrate it, read values; or exchange its whole state.

    A batch of cells shares one: per cell `set_state`, `set`, `advance`, `state`. It holds a compiled module: it is not
    for two threads at once and does not travel between processes.

    file : for messages. id : the model's. quantities : by id, in the file's order. state_ids : what time changes:
    species as amounts, targets of rate rules and events. time_hours : hours in a unit of its time, None where the
    file states none. has_delayed_events : an event waits, so that the state is not all there is to an instance.
    reads_time : its equations read the time.
    """

    def __init__(self, document: Document, relative: float, absolute: float) -> None:
        self.file, self.id, self.time_hours = document.file, document.id, document.time_hours
        self.has_events, self.has_delayed_events = document.has_events, document.delayed
        self.reads_time = document.reads_time
        self._assigned_from = document.assigned_from
        library = roadrunner()
        try:
            self._engine = library.RoadRunner(document.text)
        except RuntimeError as error:
            raise InputError(f"{self.file} cannot be compiled: {_one_line(error)}") from error
        solver = self._engine.getIntegrator()
        solver.setValue("relative_tolerance", relative)
        solver.setValue("absolute_tolerance", absolute)
        solver.setValue("maximum_num_steps", MOST_STEPS)
        self._names = {q.id: f"[{q.id}]" if q.kind == "species" and not q.amount else q.id for q in document.quantities}
        self.quantities: Mapping[str, Quantity] = MappingProxyType(
            {q.id: replace(q, value=self._engine.getValue(self._names[q.id])) for q in document.quantities}
        )
        free = [q for q in self.quantities.values() if q.settable and not q.assigned]
        self._valueless = [q.id for q in free if q.kind == "parameter" and isnan(q.value)]
        places = {name: place for place, name in enumerate(self._engine.model.getFloatingSpeciesIds())}
        self._places = {name: place for name, place in places.items() if self.quantities[name].settable}
        self._floating = tuple(self._places)
        self._moved = tuple(
            q.id for q in document.quantities if q.set_by in ("rate rule", "event") and q.id not in self._floating
        )
        self.state_ids = (*self._floating, *self._moved)

    @property
    def species(self) -> tuple[str, ...]:
        """Ids of the species, in the file's order."""
        return self._of("species")

    @property
    def compartments(self) -> tuple[str, ...]:
        """Ids of the compartments, in the file's order."""
        return self._of("compartment")

    @property
    def parameters(self) -> tuple[str, ...]:
        """Ids of the global parameters, in the file's order."""
        return self._of("parameter")

    @property
    def reactions(self) -> tuple[str, ...]:
        """Ids of the reactions, in the file's order; their values are rates."""
        return self._of("reaction")

    def reset(self, overrides: Mapping[str, float] = NONE) -> None:
        """Go back to time 0 of the file, with other values for some quantities.

        Initial assignments are evaluated anew from them. A concentration that the file states stays one when its
        compartment has another size, an amount stays an amount.

        Parameters
        ----------
        overrides : parameters, sizes of compartments, initial species (concentrations, amounts where they are amounts).

        Raises
        ------
        InputError
            If a quantity is not there or is computed, a value is not finite, or a parameter has no value at all.
        """
        for name, value in overrides.items():
            self._check_settable(name, value)
            self._check_seen(name)
        for name in self._valueless:
            if name not in overrides:
                raise InputError(f"{self.file}: parameter {name!r} has no value, give it one")
        self._engine.resetToOrigin()
        for name, value in overrides.items():
            if self.quantities[name].kind != "species":
                self._engine.setValue(name, value)
        self._assign("compartment", overrides)
        given = {name: value for name, value in overrides.items() if self.quantities[name].kind == "species"}
        for name, value in (self._rescaled() | given).items():
            self._check_seen(name)
            self._begin(name, value)
        self._assign("parameter", overrides)
        self._assign("species", overrides)

    def get(self, ids: Sequence[str]) -> Float:
        """Return the values now: (id,); a species by its concentration, or its amount where it is one; `time` as well.

        Raises
        ------
        UnknownNameError
            If a quantity is not there.
        """
        return np.array([self._engine.getValue(self._name(name)) for name in ids], dtype=np.float64)

    def set(self, ids: Sequence[str], values: Sequence[float] | Float) -> None:
        """Give quantities values now, in the midst of a run; amounts stay when a compartment's size changes.

        Raises
        ------
        InputError
            If a quantity is not there or is computed, or a value is not finite.
        """
        for name, value in zip(ids, values, strict=True):
            self._check_settable(name, float(value))
            self._engine.setValue(self._names[name], float(value))

    def state(self) -> Float:
        """Return what time changes: (state,), in the order of `state_ids`, species as amounts."""
        amounts = np.asarray(self._engine.model.getFloatingSpeciesAmounts(), dtype=np.float64)
        rest = [self._engine.getValue(name) for name in self._moved]
        return np.concatenate([amounts[list(self._places.values())], rest])

    def set_state(self, values: Float) -> None:
        """Put a state back. `values`: (state,), as `state` gives it."""
        n = len(self._floating)
        if n:
            amounts = np.ascontiguousarray(values[:n], dtype=np.float64)
            self._engine.model.setFloatingSpeciesAmounts(list(self._places.values()), amounts)
        for name, value in zip(self._moved, values[n:], strict=True):
            self._engine.setValue(name, float(value))

    def advance(self, start: float, duration: float) -> None:
        """Integrate from `start` over `duration`, in the model's time.

        Events fire when their trigger becomes true within that time; one that `set` or `set_state` makes true does not.

        Raises
        ------
        InputError
            If the integrator gives up.
        """
        self._engine.model.setTime(start)
        self._run(lambda: self._engine.oneStep(start, duration, True), start + duration)

    def simulate(self, times: Sequence[float] | Float, ids: Sequence[str], start: float = 0.0) -> Float:
        """Integrate what is there from `start` on and return the values at `times`: (time, id).

        Parameters
        ----------
        times : not before `start`, in any order, repeated as they may be.

        Raises
        ------
        InputError
            If a quantity is not there, or the integrator gives up.
        """
        names = [self._name(name) for name in ids]
        wanted, place = np.unique(np.asarray(times, dtype=np.float64), return_inverse=True)
        assert wanted.size == 0 or wanted[0] >= start, "times before the start"
        self._engine.model.setTime(start)
        grid = np.unique(np.concatenate([[start], wanted]))
        if grid.size == 1:
            return np.repeat(self.get(ids)[None], len(place), axis=0)
        table = self._run(lambda: self._engine.simulate(times=grid.tolist(), selections=names), grid[-1])
        rows = np.asarray(table, dtype=np.float64)[np.searchsorted(grid, wanted)]  # (wanted, id)
        return rows[place]

    def settle(self) -> None:
        """Integrate from time 0 until nothing moves any more, and set the time back to 0.

        Steady is what moves by less than 1e-8 of its size while as much time passes as has passed, and by less than
        half of what it moved in the time before: a slow exponential in its beginning is not taken for steady.

        Raises
        ------
        InputError
            If it does not come to rest.
        """
        self._engine.model.setTime(0.0)
        before, start, duration = self.state(), 0.0, 1.0
        size, moved = np.abs(before), np.full(before.shape, np.inf)
        while start < LONGEST:
            self.advance(start, duration)
            start, duration = start + duration, start + duration
            now = self.state()
            size = np.maximum(size, np.abs(now))
            move = np.abs(now - before)
            if np.all((move <= STILL * size) | ((move <= SETTLED * size) & (move <= moved / 2))):
                self._engine.model.setTime(0.0)
                return
            before, moved = now, move
        raise InputError(f"{self.file} comes to no steady state in {LONGEST:g} units of its time")

    def _run(self, action: Callable[[], object], end: float) -> object:
        try:
            return action()
        except RuntimeError as error:
            reached = self._engine.model.getTime()
            raise InputError(
                f"{self.file} cannot be integrated to time {end:g}, it stops at {reached:g}: {_one_line(error)}"
            ) from error

    def _rescaled(self) -> dict[str, float]:
        """Return the beginnings that the file states as concentrations in compartments of another size than its own."""
        sizes = {name: self._engine.getValue(name) for name in self.compartments}
        factors = {name: size / self.quantities[name].value for name, size in sizes.items()}
        return {
            q.id: q.value * (factors[q.compartment] if q.amount else 1.0)
            for q in self.quantities.values()
            if q.stated_concentration and q.settable and not q.assigned and factors[q.compartment] != 1.0
        }

    def _begin(self, name: str, value: float) -> None:
        """Let a species begin with a value, so that initial assignments that read it see that."""
        quantity = self.quantities[name]
        if name in self._floating and not quantity.assigned:
            amount = value if quantity.amount else value * self._engine.getValue(quantity.compartment)
            self._engine.model.setFloatingSpeciesInitAmounts([self._places[name]], [amount])
        else:
            self._engine.setValue(self._names[name], value)

    def _assign(self, kind: Kind, overrides: Mapping[str, float]) -> None:
        """Evaluate the initial assignments of one kind of quantity."""
        for name in self._assigned_from:
            if name not in overrides and name in self.quantities and self.quantities[name].kind == kind:
                self._engine.setValue(self._names[name], self._engine.getValue(f"init({self._names[name]})"))

    def _name(self, name: str) -> str:
        if name == "time":
            return name
        if name not in self._names:
            raise UnknownNameError("quantity", name, self._names, f"{self.file}: ")
        return self._names[name]

    def _check_settable(self, name: str, value: float) -> None:
        self._name(name)
        if name == "time" or not self.quantities[name].settable:
            by = "a rate law" if name in self.reactions else "an assignment rule"
            raise InputError(f"{self.file}: {name!r} is computed by {by}, no value can be given to it")
        if not isfinite(value):
            raise InputError(f"{self.file}: {value!r} is no value for {name!r}")

    def _check_seen(self, name: str) -> None:
        """Refuse a beginning that an initial assignment reads, but would not see: the compiled model has its own."""
        quantity = self.quantities[name]
        is_plain = quantity.kind != "species" or name in self._floating
        readers = [other for other, read in self._assigned_from.items() if name in read and other != name]
        if readers and (quantity.assigned or quantity.set_by == "rate rule" or not is_plain):
            raise InputError(
                f"{self.file}: {name!r} cannot begin with another value, the initial assignment of {readers[0]!r} "
                "reads it; give the quantities values that both are made of"
            )

    def _of(self, kind: Kind) -> tuple[str, ...]:
        return tuple(q.id for q in self.quantities.values() if q.kind == kind)


def _one_line(error: Exception) -> str:
    """Return what went wrong without where in the simulator's source it did."""
    return " ".join(str(error).partition("; In ")[0].partition(", at ")[0].split())
