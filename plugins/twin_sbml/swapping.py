"""What models swap with the fields around their cells, molecule for molecule.

Cells that share a voxel share its volume: each has the voxel over their number, at the voxel's concentration, and
gives its share back; the voxel's concentration is then the mean of theirs. No two cells take the same molecule.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin.errors import RunError
from twin.kernels.permeation import permeate
from twin.process import View
from twin.scenario.intracellular import Exchange
from twin_sbml.program import Program

Float = NDArray[np.float64]


@dataclass(frozen=True)
class Shares:
    """The voxels of the cells of one model in a compartment.

    voxel : (row,) flat index. count : (voxel,) cells of the model in it. volume : (row,) µm³, each cell's share.
    ratio : (row,) the cell's own volume over its share.
    """

    voxel: NDArray[np.intp]
    count: NDArray[np.intp]
    volume: Float
    ratio: Float


def shares_of(view: View, rows: NDArray[np.intp]) -> Shares:
    """Return which part of which voxel each of these cells has."""
    voxel = view.grid.voxel_of(view["position"][rows])
    count = np.bincount(voxel, minlength=int(np.prod(view.grid.shape)))
    volume = view.grid.voxel_volume / count[voxel]
    return Shares(voxel, count, volume, 4.0 / 3.0 * np.pi * view["radius"][rows] ** 3 / volume)


class Swap:
    """The exchange of one model's cells with fields over one step: before the solver, and after it."""

    def __init__(self, program: Program, view: View, shares: Shares, fields: Float) -> None:
        """Note what is outside each cell now; `fields` (substance, z, y, x), nM, are changed by `after`."""
        self.program, self.view, self.shares, self.fields = program, view, shares, fields
        self._first = {
            symbol: fields[view.substances.index(swap.substance)].ravel()[shares.voxel]
            for symbol, swap in self._swaps()
        }
        self._outside = dict(self._first)

    def before(self, states: Float, dt: float) -> Float:
        """Return the states that the solver starts from: local species as outside, membranes half of their way."""
        states = states.copy()
        for symbol, swap in self._swaps():
            if swap.by == "local":
                states[:, self._place(symbol)] = self._outside[symbol] / self._unit(symbol)
            else:
                self._through(symbol, swap, states, dt / 2)
        return states

    def after(self, states: Float, dt: float) -> Float:
        """Return the states after the other half of the membranes, and give the fields what cells have left.

        Raises
        ------
        RunError
            If a model takes more than there is.
        """
        states = states.copy()
        for symbol, swap in self._swaps():
            if swap.by == "local":
                self._outside[symbol] = states[:, self._place(symbol)] * self._unit(symbol)
            else:
                self._through(symbol, swap, states, dt / 2)
            self._give_back(symbol, swap)
        return states

    def _through(self, symbol: str, swap: Exchange, states: Float, dt: float) -> None:
        assert swap.rate is not None
        k, unit = self._place(symbol), self._unit(symbol)
        inside, self._outside[symbol] = permeate(
            states[:, k] * unit, self._outside[symbol], self.shares.ratio, swap.rate, dt
        )
        states[:, k] = inside / unit

    def _give_back(self, symbol: str, swap: Exchange) -> None:
        shares, i = self.shares, self.view.substances.index(swap.substance)
        left = self._outside[symbol]
        low = -self.program.document.precision * max(1.0, float(np.abs(left).max(initial=0.0)))
        if (left < low).any():
            row = int(np.argmin(left))
            raise RunError(
                f"intracellular.{self.program.name}: {swap.substance} around a cell comes to {left[row]:.3g} nM at "
                f"{self.view.time:g} h: {symbol} of {self.program.document.file} is taken where there is none; let its "
                "rate law go to 0 with it"
            )
        field = self.fields[i].reshape(-1)  # (voxel,), a view
        change = np.maximum(left, 0.0) - self._first[symbol]
        total = np.bincount(shares.voxel, weights=change, minlength=len(field))
        field += total / np.maximum(shares.count, 1)
        np.maximum(field, 0.0, out=field)  # rounding of a share that is empty

    def _swaps(self) -> Iterator[tuple[str, Exchange]]:
        yield from self.program.document.exchange.items()

    def _place(self, symbol: str) -> int:
        return self.program.states.index(symbol)

    def _unit(self, symbol: str) -> float:
        unit = self.program.nanomolar(symbol)
        assert unit is not None, symbol  # the check asks for it
        return unit
