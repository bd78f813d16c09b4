"""Compiled models, kept for whoever needs one next: one serves a thread at a time, and any number of cells."""

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock

from twin.interop.sbml import Model, Quantity, load_model
from twin.units import concentration

MOST_KEPT = 8  # models of which idle instances are kept; our choice: an instance takes megabytes
ABSOLUTE = 1e-4  # tolerance of the solver near zero, of its relative one; our choice, in the model's own units

_idle: "OrderedDict[tuple[str, float], list[Model]]" = OrderedDict()
_lock = Lock()
_compiler = Lock()  # one compilation at a time: the compiler's state is the process's


@contextmanager
def borrowed(file: str, text: str, precision: float) -> Iterator[Model]:
    """Lend an instance of a model; whoever borrows it resets it.

    Parameters
    ----------
    file : its name in messages.
    text : SBML.
    precision : relative tolerance of the solver.

    Raises
    ------
    MissingExtraError
        If libRoadRunner is not installed.
    InputError
        If the text is no model that can be run.
    """
    key = (text, precision)
    with _lock:
        waiting = _idle.setdefault(key, [])
        _idle.move_to_end(key)
        model = waiting.pop() if waiting else None
        while len(_idle) > MOST_KEPT:
            _idle.popitem(last=False)
    if model is None:
        with _compiler:
            model = load_model(file, text=text, relative=precision, absolute=ABSOLUTE * precision)
    yield model
    with _lock:  # one that failed is not given back
        if key in _idle:
            _idle[key].append(model)


@dataclass(frozen=True)
class Description:
    """What a model is, as plain data.

    quantities : by SBML id. states : ids of what time changes. time_hours : h in its unit of time; None where it
    states none. reads_time : its equations read the time.
    """

    quantities: Mapping[str, Quantity]
    states: tuple[str, ...]
    time_hours: float | None
    has_events: bool
    reads_time: bool

    @property
    def settable(self) -> tuple[str, ...]:
        """Ids of what can be given a value that stays: parameters, sizes of compartments, boundary species."""
        return tuple(q.id for q in self.quantities.values() if q.settable and q.id not in self.states)

    def nanomolar(self, symbol: str) -> float | None:
        """Return how many nM one unit of a species is by what the file states; None where that is no concentration."""
        try:
            given = concentration(f"1 {self.quantities[symbol].units}")
        except ValueError:
            return None
        return given.value if given.kind == "molar" else None


@lru_cache(maxsize=4 * MOST_KEPT)
def described(file: str, text: str, precision: float) -> Description:
    """Return what a model is; it is compiled for that.

    Raises
    ------
    MissingExtraError, InputError
        As `borrowed`.
    """
    with borrowed(file, text, precision) as model:
        return Description(
            dict(model.quantities), tuple(model.state_ids), model.time_hours, model.has_events, model.reads_time
        )


@lru_cache(maxsize=1024)
def values_at_start(
    file: str, text: str, precision: float, overrides: tuple[tuple[str, float], ...]
) -> dict[str, float]:
    """Return every quantity of a model at its time 0, by SBML id, with other values for some of them.

    Raises
    ------
    InputError
        If one of `overrides` cannot be given a value.
    """
    with borrowed(file, text, precision) as model:
        model.reset(dict(overrides))
        ids = tuple(model.quantities)
        return dict(zip(ids, map(float, model.get(ids)), strict=True))
