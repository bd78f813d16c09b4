"""The user's cells: read, put on human symbols, laid out in space, spots made into cells."""

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from twin.data.counts import CountData, read_counts
from twin.data.orthologs import read_orthologs
from twin.data.peek import Contents, needed_columns, peek, peek_places, rows_where
from twin.engine.spotted import keys_of, spots_to_cells
from twin.errors import InputError
from twin.kernels.random import Streams
from twin.scenario.layout import Layout, laid_out
from twin.scenario.load import LoadedScenario
from twin.scenario.schema import MeasuredCells
from twin.scenario.spatial import Spatial

Index = NDArray[np.intp]

HELD = 2  # tissues that are remembered: a plan and its run ask for the same; our choice


@dataclass(frozen=True)
class MeasuredTissue:
    """Cells of a file, as they are to stand in a compartment.

    data : all cells that the file gives; `spatial` in µm, (cell, 3), where places are taken from it.
    rows : (cell,) those of them that the compartment takes.
    notes : what a run has to record of them, a sentence each.
    """

    data: CountData
    rows: Index
    notes: tuple[str, ...]

    @property
    def cells(self) -> CountData:
        """The cells that the compartment takes."""
        return self.data if len(self.rows) == self.data.n_cells else self.data.take(self.rows)


def read_tissue(loaded: LoadedScenario, name: str, source: MeasuredCells) -> MeasuredTissue:
    """Read the cells of a compartment; the same file with the same settings is read once.

    Raises
    ------
    InputError
        If the file cannot be read or holds no such cells, or its coordinates, spots or reference cannot be used.
    """
    file = loaded.resolve(source.file)
    how = source.spatial if isinstance(source.spatial, Spatial) else Spatial()
    reference = None if how.spots is None or how.spots.reference is None else how.spots.reference.file
    paths = {text: loaded.resolve(text) for text in (source.orthologs, reference) if text is not None}
    changed = tuple(path.stat().st_mtime_ns if path.exists() else 0 for path in (file, *paths.values()))
    return _read_tissue(_Asked(file, paths, name, source, loaded.scenario.seed), changed)


def placed_contents(loaded: LoadedScenario, source: MeasuredCells, found: Contents) -> Contents:
    """Return what a file of spatial data gives, reading its obs and its coordinates only.

    found : of the file as it is.

    Raises
    ------
    InputError
        If its coordinates cannot be places, or the reference of its spots cannot be used.
    """
    how = source.spatial if isinstance(source.spatial, Spatial) else Spatial()
    obs, spatial = peek_places(loaded.resolve(source.file), source.where)
    layout = laid_out(how, obs, spatial, source.file)
    n, types = len(layout.position), frozenset(obs[source.cell_type][layout.keep].astype(str))
    if how.spots is None:
        return Contents(n, types, found.n_genes, has_places=True)
    n *= how.spots.cells_per_spot
    reference = how.spots.reference
    if reference is None:
        return Contents(n, types, found.n_genes, has_places=True)
    theirs = peek(loaded.resolve(reference.file), reference.cell_type, reference.where)
    return Contents(n, theirs.cell_types, theirs.n_genes, has_places=True)


@dataclass(frozen=True)
class _Asked:
    """What a tissue is read by; two that are alike are one."""

    file: Path
    paths: dict[str, Path]
    name: str
    source: MeasuredCells
    seed: int

    def __hash__(self) -> int:
        return hash((self.file, self.name, self.source.model_dump_json(), self.seed))


@lru_cache(maxsize=HELD)
def _read_tissue(asked: _Asked, changed: tuple[int, ...]) -> MeasuredTissue:
    """Read a tissue; `changed` makes a file that was written anew another one."""
    source, key = asked.source, f"compartments.{asked.name}.cells"
    data, notes = read_counts(asked.file), []
    try:
        needed_columns(data.obs, (source.cell_type, *source.where), asked.file)
        keep = rows_where(data.obs, source.where, asked.file)
    except InputError as error:
        raise InputError(f"{key}.where: {error}") from error
    data, number = data.take(keep), np.flatnonzero(keep)  # (row,) in the file: what their luck is keyed by
    if source.orthologs is not None:
        data, told = _on_human_symbols(data, asked.paths[source.orthologs], key)
        notes.append(f"{asked.name}: {told}")
    if source.spatial:
        how = source.spatial if isinstance(source.spatial, Spatial) else Spatial()
        try:
            layout = laid_out(how, data.obs, data.spatial, source.file)
            data = replace(data.take(layout.keep), spatial=layout.position)
            number = number[layout.keep]
            notes += [f"{asked.name}: {note}" for note in _notes(how, layout, data.n_cells)]
            if how.spots is not None:
                reference = how.spots.reference
                file = None if reference is None else asked.paths[reference.file]
                data, told = spots_to_cells(data, how, source.cell_type, file, asked.name, asked.seed)
                notes.append(f"{asked.name}: {told}")
                number = np.arange(data.n_cells)
            if how.thickness is not None:
                data = _spread(data, how.thickness, Streams(asked.seed, 0, 0), asked.name)
        except InputError as error:
            raise InputError(f"{key}.spatial: {error}") from error
    rows = np.arange(data.n_cells)
    if source.count is not None:
        if source.count > len(rows):
            raise InputError(f"{key}.count: {source.count} cells asked, {source.file} has {len(rows)}")
        luck = Streams(asked.seed, 0, 0).stream(f"choose cells of {asked.name}").uniform(number.astype(np.uint64), 1)
        rows = np.sort(np.argsort(luck[:, 0], kind="stable")[: source.count])
    return MeasuredTissue(data, rows, tuple(notes))


def _on_human_symbols(data: CountData, table: Path, key: str) -> tuple[CountData, str]:
    """Return the cells with their genes called by the human ones of a table of orthologs."""
    try:
        orthologs = read_orthologs(table)
        column = data.find_column("species")
        species = sorted({str(word) for word in data.column("species")}) if column is not None else []
        if len(species) != 1:
            found = ", ".join(species) or "none"
            raise InputError(f"obs must name one species for all cells of {data.source}, it names {found}")
        genes = orthologs.to_axis(data.genes, species[0])
    except InputError as error:
        raise InputError(f"{key}.orthologs: {error}") from error
    mapped = sum(":" not in gene for gene in genes)
    return replace(data, genes=genes), (
        f"{mapped:,} of the {len(genes):,} genes of {species[0]} took the symbol of their human ortholog"
    )


def _notes(how: Spatial, layout: Layout, n: int) -> list[str]:
    """Say how the coordinates were read."""
    what = "cells" if how.spots is None else "spots"
    told = [f"{n:,} {what} stand where they were measured, neighbours {layout.apart:.3g} µm apart (median)"]
    if layout.dropped:
        told.append(
            f"{layout.dropped:,} {what} within {how.drop_within:g} µm of another were left out, as counted twice"
        )
    if how.sections is not None:
        told.append(
            f"{len(layout.sections)} sections are stacked, {how.sections.spacing:g} µm from one to the next: "
            f"{', '.join(layout.sections)}"
        )
    return told


def _spread(data: CountData, thickness: float, streams: Streams, name: str) -> CountData:
    """Return the cells spread evenly over the thickness of their section, each by the luck of its name."""
    assert data.spatial is not None
    position = data.spatial.copy()
    luck = streams.stream(f"depth in the section of {name}").uniform(keys_of(data.obs), 1)[:, 0]
    position[:, 2] += thickness * (luck - 0.5)
    return replace(data, spatial=position)
