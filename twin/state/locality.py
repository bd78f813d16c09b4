"""Rows in the order of space: cells of one chunk are neighbours, so that a region is in few chunks and near in memory.

Only the order of rows changes: ids, and with them every random number, stay. It follows from the state alone, so that a
run that is resumed goes on as one that was not.
"""

import scipy.sparse as sp

from twin.kernels.curve import curve_order, mean_step
from twin.state.body import Compartment, reindexed

LEAST_ORDERED = 4096  # cells; our choice: the rows of fewer are near each other in any order
SCATTERED = 4.0  # our choice: mean step from row to row, over the edge of one cell's share of the bounding box


def is_scattered(home: Compartment) -> bool:
    """Return whether so many cells were born, or moved, that rows no longer follow space."""
    position, n = home.cells.position, home.cells.n
    if n < LEAST_ORDERED:
        return False
    edges = position.max(axis=0) - position.min(axis=0)
    share = float((edges.clip(min=1.0).prod() / n) ** (1 / 3))  # µm
    return mean_step(position) > SCATTERED * share


def put_in_order(home: Compartment) -> None:
    """Put the rows of a compartment in the order of space, in place; nobody's id, luck or neighbour changes."""
    rows = curve_order(home.cells.position)
    home.cells = home.cells.take(rows)
    home.expression = home.expression.rebuild(rows)
    home.rates = {port: {p: reindexed(value, rows) for p, value in by.items()} for port, by in home.rates.items()}
    home.contacts = sp.csr_array(home.contacts.tocsr()[rows][:, rows])
