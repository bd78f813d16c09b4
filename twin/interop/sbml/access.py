"""The same quantities of a model, written and read cell by cell: where they lie is looked up once."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twin.errors import InputError
from twin.interop.sbml.model import Model

Float = NDArray[np.float64]

# Kinds that the simulator keeps as vectors, in the order in which they are written: a concentration given after the
# size of its compartment stays what it is. (getter, setter, names; a species' second pair is of amounts)
_VECTORS = (
    ("GlobalParameterValues", "getGlobalParameterIds"),
    ("CompartmentVolumes", "getCompartmentIds"),
    ("BoundarySpeciesConcentrations", "getBoundarySpeciesIds"),
    ("BoundarySpeciesAmounts", "getBoundarySpeciesIds"),
    ("FloatingSpeciesConcentrations", "getFloatingSpeciesIds"),
    ("FloatingSpeciesAmounts", "getFloatingSpeciesIds"),
    ("ReactionRates", "getReactionIds"),
)


class Access:
    """Some quantities of one instance of a model: a species by its concentration, or its amount where it is one.

    For a batch of cells: per cell `write`, `Model.advance`, `read`, each some microseconds, where `Model.set` and
    `Model.get` look every name up anew.
    """

    def __init__(self, model: Model, ids: Sequence[str]) -> None:
        """Look up where they lie.

        Raises
        ------
        UnknownNameError
            If a quantity is not there.
        """
        model.get(ids)  # tells what is not there
        self.model, self.n = model, len(ids)
        engine = model._engine.model
        self._writers: list[tuple[list[int], NDArray[np.intp], Callable[..., Any]]] = []
        self._readers: list[tuple[list[int], NDArray[np.intp], Callable[..., Any]]] = []
        left = dict(enumerate(ids))
        for vector, names in _VECTORS:
            places = {name: i for i, name in enumerate(getattr(engine, names)())}
            here = [
                k
                for k, name in left.items()
                if name in places
                and (model.quantities[name].kind != "species" or model.quantities[name].amount == ("Amounts" in vector))
            ]
            if here:
                index, rows = [places[left[k]] for k in here], np.array(here, dtype=np.intp)
                self._readers.append((index, rows, getattr(engine, f"get{vector}")))
                if vector != "ReactionRates":
                    self._writers.append((index, rows, getattr(engine, f"set{vector}")))
                left = {k: name for k, name in left.items() if k not in here}
        self._rest = tuple(left.values())  # what rules compute and no vector holds
        self._rest_rows = np.array(list(left), dtype=np.intp)

    def write(self, values: Float) -> None:
        """Give them values: (id,). They must be settable, and finite.

        Raises
        ------
        InputError
            If the simulator refuses one.
        """
        for index, rows, put in self._writers:
            try:
                put(index, values[rows])
            except (RuntimeError, ValueError) as error:
                raise InputError(f"{self.model.file}: {' '.join(str(error).split())}") from error

    def read(self) -> Float:
        """Return their values now: (id,)."""
        out = np.empty(self.n)
        for index, rows, take in self._readers:
            out[rows] = take(index)
        if self._rest:
            out[self._rest_rows] = self.model.get(self._rest)
        return out
