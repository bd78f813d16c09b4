"""What the tissue tells the models: signals at each cell, and the values that a model's quantities have by them."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from twin.errors import RunError
from twin.gates import cell_rates, clamp_factors, type_rates
from twin.kernels.exposure import sample_field
from twin.process import View
from twin.scenario.intracellular import Input
from twin_sbml.program import Program

Float = NDArray[np.float64]

LEAST_RATE = 1e-9  # counts per 10,000; a type's mean below it is no measure for its cells; our choice


def inputs_of(
    program: Program, view: View, rows: NDArray[np.intp], factors: Mapping[str, Float], share: Float
) -> Float:
    """Return the values of what is set in the model of each cell, (row, input), in the model's units.

    rows : the cells. factors : of each quantity that is spread, the cells' own, (row,).
    share : (row,) µm³ of its voxel that each cell has.
    """
    values = np.empty((len(rows), len(program.inputs)))
    knocked = knocked_share(program, view, rows)
    for k, symbol in enumerate(program.inputs):
        value = np.full(len(rows), program.start[symbol])
        given = program.document.inputs.get(symbol)
        if given is not None:
            heard = given.times * signal_of(program, symbol, given, view, rows, share)
            value = value * heard if given.factor else heard
        value = value * factors.get(symbol, 1.0)
        for gene, symbols in program.document.knock_out.items():
            if symbol in symbols:
                value = value * knocked[gene]
        values[:, k] = value
    return values


def knocked_share(program: Program, view: View, rows: NDArray[np.intp]) -> dict[str, Float]:
    """Return what a knock-out leaves of each gene that the model is tied to, (row,): 1 where it is free."""
    return {gene: _clamp(view, gene)[rows] for gene in program.document.knock_out}


def signal_of(program: Program, symbol: str, given: Input, view: View, rows: NDArray[np.intp], share: Float) -> Float:
    """Return the signal of an input at each cell, (row,), concentrations in the model's unit."""
    match given.kind:
        case "field":
            field = view["concentration"][view.substances.index(given.name)]
            return _of_model(
                program, symbol, sample_field(field, view["position"][rows], view.grid.origin, view.spacing)
            )
        case "dose":
            if given.name not in view.perturbations:  # of another compartment's world model
                return np.zeros(len(rows))
            return _of_model(program, symbol, view["dose"][rows, view.perturbations.index(given.name)])
        case "gene":
            return _gene(view, given, rows)
        case "clamp":
            return _clamp(view, given.name)[rows]
        case "volume":
            return np.asarray(4.0 / 3.0 * np.pi * view["radius"][rows] ** 3)
        case "voxel":
            return share
    column = np.asarray(view[given.name], dtype=np.float64)
    if column.ndim != 1:
        raise RunError(f"intracellular.{program.name}.inputs.{symbol}: {given.name} is several numbers a cell")
    return column[rows]


def _of_model(program: Program, symbol: str, nanomolar: Float) -> Float:
    unit = program.nanomolar(symbol)
    assert unit is not None, symbol  # the check asks for it
    return np.asarray(nanomolar / unit, dtype=np.float64)


def _gene(view: View, given: Input, rows: NDArray[np.intp]) -> Float:
    """Return the world model's expected rate of a gene, per 10,000, or that over the mean of the cell's type."""
    columns = view.genes_of([given.name])
    if columns is None or not len(rows):
        return np.zeros(len(rows))
    rates = cell_rates(view, columns, rows)[:, 0]
    if not given.factor:
        return rates
    mean = type_rates(view, columns)[view["cell_type"][rows], 0]
    return np.asarray(np.where(mean > LEAST_RATE, rates / np.maximum(mean, LEAST_RATE), 1.0))


def _clamp(view: View, gene: str) -> Float:
    """Return the clamp of a gene, (cell,); cells of a world model without it are free."""
    columns = view.genes_of([gene])
    return np.ones(view.n_cells) if columns is None else clamp_factors(view, columns)[:, 0]
