"""Numbers that belong to a whole trajectory: what a process keeps beside cells and fields."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]


@dataclass(frozen=True)
class Store:
    """Numbers that a process keeps of a whole trajectory, as amounts in plasma; they are a part of its state.

    coords : (axis, its labels) in order; () is one number. An axis that is called as one of the readouts' own
        ("compartment", "substance") has their labels.
    initial : fills it at the start.
    observed : whether it is also a readout of the run, by its name.
    about : one phrase for plots and tables.
    """

    name: str
    units: str
    coords: tuple[tuple[str, tuple[str, ...]], ...] = ()
    initial: float = 0.0
    observed: bool = True
    about: str = ""

    @property
    def dims(self) -> tuple[str, ...]:
        """Return the names of the axes."""
        return tuple(dim for dim, _ in self.coords)

    @property
    def shape(self) -> tuple[int, ...]:
        """Return how many labels each axis has."""
        return tuple(len(labels) for _, labels in self.coords)

    def fresh(self) -> Float:
        """Return it as it is at the start."""
        return np.full(self.shape, self.initial)
