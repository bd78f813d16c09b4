"""Built tissues in a run: who stands where, and measured transcriptomes drawn for them."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from twin.anatomy.build import BuiltCells, Document, anatomy_of, build
from twin.data.counts import CountData, read_counts
from twin.data.peek import Contents, peek
from twin.errors import InputError
from twin.kernels.random import Streams
from twin.scenario.builders import Built
from twin.scenario.load import LoadedScenario
from twin.scenario.schema import Compartment, MeasuredCells

Index = NDArray[np.intp]

HELD = 8  # placed tissues that are remembered: a run asks twice for each; our choice


def contents_of(loaded: LoadedScenario, compartment: Compartment) -> tuple[Contents, str | None]:
    """Return what a built compartment holds, and which of its types the file of its transcriptomes lacks, if any.

    Raises
    ------
    InputError
        If its measures contradict each other or do not fit its box, or the file cannot be used.
    """
    cells = compartment.cells
    assert isinstance(cells, Built)
    anatomy = anatomy_of(cells, compartment.box)
    anatomy.check_room(np.array(compartment.box))
    found = cells.transcriptomes
    if found is None:
        return Contents(anatomy.n_cells, frozenset(anatomy.types), 0, has_places=True), None
    theirs = peek(loaded.resolve(found.file), found.cell_type, found.where)
    lacking = [found.named(t) for t in anatomy.types if found.named(t) not in theirs.cell_types]
    contents = Contents(anatomy.n_cells, frozenset(anatomy.types), theirs.n_genes, has_places=True)
    if not lacking:
        return contents, None
    kinds = "the type" if len(lacking) == 1 else "the types"
    return contents, (
        f"{found.file} has no cell of {kinds} {', '.join(map(repr, dict.fromkeys(lacking)))}: say under types what "
        f"each is called there; it has {', '.join(sorted(theirs.cell_types))}"
    )


def types_of_built(compartment: Compartment) -> tuple[str, ...]:
    """Return the cell types of a built compartment, in the order of its parts."""
    assert isinstance(compartment.cells, Built)
    return anatomy_of(compartment.cells, compartment.box).types


def file_source(compartment: Compartment) -> MeasuredCells | None:
    """Return where a compartment's transcriptomes are measured ones of a file; None where the model draws them."""
    cells = compartment.cells
    if isinstance(cells, MeasuredCells):
        return cells
    if isinstance(cells, Built) and cells.transcriptomes is not None:
        given = cells.transcriptomes
        return MeasuredCells(source="h5ad", file=given.file, cell_type=given.cell_type, where=given.where)
    return None


def read_transcriptomes(loaded: LoadedScenario, name: str, compartment: Compartment) -> CountData:
    """Return the measured cells of a built compartment's types; the column of types says what the tissue calls them.

    Raises
    ------
    InputError
        If the file cannot be read, or has no cell of a type.
    """
    source, cells = file_source(compartment), compartment.cells
    assert source is not None
    assert isinstance(cells, Built)
    assert cells.transcriptomes is not None
    data = read_counts(loaded.resolve(source.file))
    keep = np.ones(data.n_cells, np.bool_)
    for column, value in source.where.items():
        keep &= data.column(column, column) == value
    theirs = data.column("cell_type", source.cell_type)
    rows: list[Index] = []
    called: list[str] = []
    for cell_type in types_of_built(compartment):
        of_type = np.flatnonzero(keep & (theirs == cells.transcriptomes.named(cell_type)))
        if not len(of_type):
            raise InputError(
                f"compartments.{name}.cells.transcriptomes: {source.file} has no cell of the type "
                f"{cells.transcriptomes.named(cell_type)!r}; name what it is called there under types, or leave it out"
            )
        rows.append(of_type)
        called += [cell_type] * len(of_type)
    taken = data.take(np.concatenate(rows))
    obs = taken.obs.copy()
    obs[source.cell_type] = called
    return CountData(taken.counts, taken.genes, obs, taken.source, None)


def drawn_rows(own: NDArray[np.str_], wanted: NDArray[np.str_], ids: NDArray[np.uint64], streams: Streams) -> Index:
    """Return a measured cell for each cell of a tissue, at random among those of its type, with replacement, (cell,).

    own : (measured cell,) types. wanted : (cell,) types.
    """
    luck = streams.stream("measured cell").uniform(ids, 1)[:, 0]
    rows = np.empty(len(wanted), np.intp)
    for cell_type in np.unique(wanted):
        mine, there = wanted == cell_type, np.flatnonzero(own == cell_type)
        rows[mine] = there[(luck[mine] * len(there)).astype(np.intp)]
    return rows


def standing(name: str, document: Compartment, types: tuple[str, ...], streams: Streams) -> BuiltCells:
    """Return who stands where in a built compartment; worked out once.

    types : all that cells of the compartment can be of.

    Raises
    ------
    InputError
        If the cells do not fit.
    """
    assert isinstance(document.cells, Built)
    return _standing(Document(document.cells), document.box, types, name, streams)


@lru_cache(maxsize=HELD)
def _standing(
    same: Document, box: tuple[float, float, float], types: tuple[str, ...], name: str, streams: Streams
) -> BuiltCells:
    try:
        return build(anatomy_of(same.cells, box), box, types, name, streams)
    except InputError as error:
        raise InputError(f"compartments.{name}.cells: {error}") from error
