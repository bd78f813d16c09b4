"""What models tell the tissue at the end of a step: behaviours, doses, releases and uptakes."""

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from twin.kernels.exchange import NANOMOLAR_UM3_PER_AMOL, per_voxel
from twin.process import BEHAVIOUR, SINK, SOURCE, Port, Rate, View
from twin.scenario.behaviours import value_of
from twin.scenario.intracellular import dose_of, doses_of
from twin_sbml.program import Program

Float = NDArray[np.float64]

LEAST = 1e-15  # nM; a concentration below it is none, and nothing is taken up of it; our choice


class Told:
    """What all models of a compartment tell, added up cell by cell."""

    def __init__(self, view: View, programs: Iterable[Program]) -> None:
        """Begin with nothing said."""
        outputs = [program.document.outputs for program in programs]
        self.view = view
        self.shift = np.zeros((view.n_cells, len(view.behaviours.ruled)))  # (cell, behaviour)
        self.doses = {name: np.zeros(view.n_cells) for name in doses_of(view.scenario)}  # nM
        self.released = np.zeros((len(view.substances.names), view.n_cells))  # (substance, cell) amol/h
        self.taken = np.zeros_like(self.released)
        self._drives = any(out.behaviours for out in outputs)
        self._releases, self._takes = any(out.release for out in outputs), any(out.uptake for out in outputs)

    def add(self, program: Program, rows: NDArray[np.intp], values: Mapping[str, Float], flows: Float) -> None:
        """Add what a model says in some cells; a quantity below 0 counts as 0.

        Parameters
        ----------
        values : of each quantity at the end of the step, (row,).
        flows : (row, flow), means of the step.
        """
        out, scenario = program.document.outputs, self.view.scenario
        for word, drive in out.behaviours.items():
            column = self.view.behaviours.ruled.index(word)
            self.shift[rows, column] += np.maximum(values[drive.of], 0.0) * value_of(word, drive.per_unit, scenario)
        for name, dosed in out.doses.items():
            unit = program.nanomolar(dosed.of) if dosed.per_unit is None else dosed.per_unit.value
            assert unit is not None, dosed.of  # the check asks for it
            self.doses[name][rows] += np.maximum(values[dosed.of], 0.0) * unit
        for total, flowing in ((self.released, out.release), (self.taken, out.uptake)):
            for name, flow in flowing.items():
                given = flows[:, program.flowing.index(flow.of)]
                total[self.view.substances.index(name), rows] += np.maximum(given, 0.0) * flow.per_unit

    def rates(self) -> Iterator[Rate]:
        """Yield it as rates."""
        if self._drives:
            yield Rate(BEHAVIOUR, self.shift)
        for name, dose in self.doses.items():
            yield Rate(Port(dose_of(name), ("cell",), "nM"), dose)
        if self._releases:
            yield Rate(SOURCE, self._per_voxel(self.released))
        if self._takes:
            c, taken = self.view["concentration"], self._per_voxel(self.taken)  # (substance, z, y, x) nM, nM/h
            yield Rate(SINK, np.where(c > LEAST, taken / np.maximum(c, LEAST), 0.0))

    def _per_voxel(self, amounts: Float) -> Float:
        """Return what the cells of each voxel give or take, (substance, z, y, x) nM/h, of (substance, cell) amol/h."""
        view = self.view
        voxel = view.grid.voxel_of(view["position"])
        given = [per_voxel(voxel, a * NANOMOLAR_UM3_PER_AMOL, view.grid.shape, view.spacing) for a in amounts]
        return np.asarray(given).reshape(len(amounts), *view.grid.shape)
