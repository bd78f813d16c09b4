"""Many cells of one model, a step on: by few compiled instances, and those that are alike once."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin.errors import InputError, RunError
from twin.interop.sbml.access import Access
from twin.kernels.blocks import Crew
from twin_sbml.program import Program
from twin_sbml.solvers import borrowed

Float = NDArray[np.float64]

BLOCK = 128  # cells that one instance steps before it is given back; our choice: some 10 ms


@dataclass(frozen=True)
class Stepped:
    """Cells after a step: their state, what else is seen of them, and what flows, the mean of both ends."""

    states: Float
    seen: Float
    flows: Float


def step_cells(
    program: Program, inputs: Float, states: Float, ids: NDArray[np.uint64], time: float, dt: float, crew: Crew
) -> Stepped:
    """Integrate the model of each cell over `dt`, from its state and under its inputs.

    The solver begins anew from the state of every cell, so that a cell's result depends on its own row alone: not on
    the rows before it, on threads or on where a run was taken up. Equal rows are stepped once.

    Parameters
    ----------
    inputs : (cell, input), in the model's units, in the order of `program.inputs`. Not modified.
    states : (cell, state), in the model's units, in the order of `program.states`. Not modified.
    ids : (cell,) for messages.
    time, dt : h.

    Raises
    ------
    RunError
        If the solver gives up in a cell: the model, the cell, the time and what the solver says.
    """
    rows = np.ascontiguousarray(np.hstack([inputs, states]))  # (cell, input + state)
    if not rows.size:
        return _apart(program, np.zeros((len(ids), len(program.states) + len(program.seen) + len(program.flowing))))
    spelt = rows.view(np.dtype((np.void, rows.dtype.itemsize * rows.shape[1]))).ravel()
    _, first, inverse = np.unique(spelt, return_index=True, return_inverse=True)
    start = time / program.hours if program.description.reads_time else 0.0

    def stepped(block: NDArray[np.intp]) -> Float:
        return _block(program, rows[block], ids[block], (start, dt / program.hours), time)

    blocks = [first[k : k + BLOCK] for k in range(0, len(first), BLOCK)]
    found = np.concatenate(list(crew.in_order(stepped, blocks)))  # (unlike row, state + seen + flow)
    return _apart(program, found[inverse.ravel()])


def _block(program: Program, rows: Float, ids: NDArray[np.uint64], span: tuple[float, float], time: float) -> Float:
    document = program.document
    asked, after = (*program.inputs, *program.states), (*program.states, *program.seen)
    out = np.empty((len(rows), len(after) + len(program.flowing)))
    with borrowed(document.file, document.text, document.precision) as model:
        model.reset(program.overrides)
        given, shown, flowing = (Access(model, symbols) for symbols in (asked, after, program.flowing))
        for i, row in enumerate(rows):
            try:
                given.write(row)
                before = flowing.read()
                model.advance(*span)
            except InputError as error:
                raise RunError(f"intracellular.{program.name}: cell {ids[i]} at {time:g} h: {error}") from error
            out[i, : len(after)] = shown.read()
            out[i, len(after) :] = 0.5 * (before + flowing.read())
    lost = ~np.isfinite(out).all(axis=1)
    if lost.any():
        i = int(np.argmax(lost))
        names = (*after, *program.flowing)
        what = names[int(np.argmin(np.isfinite(out[i])))]
        raise RunError(
            f"intracellular.{program.name}: cell {ids[i]} at {time:g} h: {what} of {document.file} is no finite number "
            "after the step"
        )
    return out


def _apart(program: Program, found: Float) -> Stepped:
    n, m = len(program.states), len(program.states) + len(program.seen)
    return Stepped(found[:, :n], found[:, n:m], found[:, m:])
