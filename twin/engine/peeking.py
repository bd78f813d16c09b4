"""What the files of a scenario hold, as far as it is known before their counts are read."""

import numpy as np

from twin.data.peek import Contents, peek
from twin.data.places import read_places
from twin.engine.built import contents_of
from twin.engine.findings import Findings
from twin.engine.measured import placed_contents
from twin.errors import InputError
from twin.scenario.behaviours import DEFAULT
from twin.scenario.builders import Built
from twin.scenario.load import LoadedScenario
from twin.scenario.overlay import Key
from twin.scenario.schema import TableCells
from twin.scenario.timeline import Assimilate


def peek_files(loaded: LoadedScenario, findings: Findings) -> dict[str, Contents]:
    """Return what the files of measured compartments hold; what cannot be read is a fault."""
    contents: dict[str, Contents] = {}
    for name, compartment in loaded.scenario.compartments.items():
        cells, loc = compartment.cells, ("compartments", name, "cells")
        if cells.source == "table":
            _peek_table(loaded, name, cells, contents, findings)
        if isinstance(cells, Built):
            _peek_built(loaded, name, contents, findings)
        if cells.source != "h5ad":
            continue
        try:
            found = peek(loaded.resolve(cells.file), cells.cell_type, cells.where)
        except InputError as error:
            findings.add((*loc, "file"), str(error))
            continue
        if cells.spatial:
            try:
                found = placed_contents(loaded, cells, found)
            except InputError as error:
                findings.add((*loc, "spatial"), str(error))
        if cells.count is not None and cells.count > found.n_cells:
            findings.add((*loc, "count"), f"{cells.count} cells are asked for, the file has {found.n_cells}")
        contents[name] = found
    return contents


def peek_snapshots(loaded: LoadedScenario, findings: Findings) -> None:
    """Note what is wrong with the files that the timeline assimilates, as far as their obs tells."""
    scenario = loaded.scenario
    for i, event in enumerate(scenario.timeline):
        if not isinstance(event, Assimilate):
            continue
        loc: tuple[Key, ...] = ("timeline", i)
        try:
            found = peek(loaded.resolve(event.file), event.cell_type, event.where)
        except InputError as error:
            findings.add((*loc, "file"), str(error))
            continue
        if event.compartment is None and len(scenario.compartments) > 1:
            findings.add((*loc, "compartment"), f"say which one was measured: {', '.join(scenario.compartments)}")
        for j, name in enumerate(event.cell_types):
            findings.name((*loc, "cell_types", j), f"cell type of {event.file}", name, found.cell_types)


def _peek_built(loaded: LoadedScenario, name: str, contents: dict[str, Contents], findings: Findings) -> None:
    """Note what is wrong with the measures of a built tissue and its file, and put down what it holds."""
    loc = ("compartments", name, "cells")
    if loaded.scenario.compartments[name].well_mixed:
        findings.add(loc, "a well-mixed pool has no shape: name how many cells of which types, with source: model")
        return
    try:
        contents[name], lacking = contents_of(loaded, loaded.scenario.compartments[name])
    except InputError as error:
        findings.add(loc, str(error))
        return
    if lacking is not None:
        findings.add((*loc, "transcriptomes"), lacking)
        del contents[name]  # no world model is made of them


def _peek_table(
    loaded: LoadedScenario, name: str, cells: TableCells, contents: dict[str, Contents], findings: Findings
) -> None:
    """Note what is wrong with a table of cells, and put down what it holds, and what its cells may become."""
    loc = ("compartments", name, "cells")
    try:
        found = read_places(loaded.resolve(cells.file), cells.types)
    except InputError as error:
        findings.add((*loc, "file"), str(error))
        return
    box = np.asarray(loaded.scenario.compartments[name].box)
    inside = found.position - np.asarray(cells.origin)
    outside = np.flatnonzero(((inside < 0) | (inside > box)).any(axis=1))
    if len(outside):
        x, y, z = inside[outside[0]]
        findings.add(
            (*loc, "file"),
            f"{len(outside)} of {found.n_cells} cells of {cells.file} lie outside the box, the first on line "
            f"{found.line[outside[0]]} at ({x:g}, {y:g}, {z:g}) um from its corner; it ends at "
            f"({box[0]:g}, {box[1]:g}, {box[2]:g}) um: widen the box, or set origin to its lower corner in the table",
        )
    if cells.place:
        findings.add((*loc, "place"), "the table says where cells are: leave place out")
    types = {str(t) for t in found.cell_type} | set(loaded.scenario.cell_types) - {DEFAULT}
    contents[name] = Contents(found.n_cells, frozenset(types), 0, has_places=True)
