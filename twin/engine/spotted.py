"""Spots that become cells: pieces of the spots themselves, or single cells of a reference in their places."""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from twin.data.columns import find_column
from twin.data.counts import CountData, read_counts
from twin.data.mixtures import drawn_rows, labelled, mixtures, types_of_cells
from twin.data.peek import needed_columns, rows_where
from twin.data.spots import cells_of_spots, dealt, places_in_spots
from twin.kernels.random import Stream, Streams, hash_words
from twin.scenario.spatial import Reference, Spatial

SPOT = "spot"  # the obs column that names the spot of each cell
UNTOLD = "unknown technology"

Index = NDArray[np.intp]


def keys_of(obs: pd.DataFrame) -> NDArray[np.uint64]:
    """Return what the luck of each row is keyed by, (row,): its name, whatever other rows there are."""
    return np.array([hash_words(str(name)) for name in obs.index], np.uint64)


def spots_to_cells(
    data: CountData, how: Spatial, cell_type: str, reference: Path | None, name: str, seed: int
) -> tuple[CountData, str]:
    """Return the cells of spots, and what a cell is, a sentence.

    Parameters
    ----------
    data : spots; their `spatial` are the places of their centres, (spot, 3) µm.
    cell_type : the obs column that names a spot's type, and is to name a cell's.
    reference : file of single cells that are drawn in the place of the spots' own counts.
    name : of the compartment. seed : of the scenario; replicates hold the same cells.

    Returns
    -------
    Cells with their places, (cell, 3) µm; obs as the spot's, with the name of the spot under `SPOT`, and a technology
    that says what a cell is.

    Raises
    ------
    InputError
        If the reference cannot be read, or names genes or types otherwise than the spots.
    """
    spots, centre = how.spots, data.spatial
    assert spots is not None
    assert centre is not None
    streams, keys = Streams(seed, 0, 0), keys_of(data.obs)

    def luck(what: str) -> Stream:
        return streams.stream(f"{what} of spots of {name}")

    n = cells_of_spots(spots.cells_per_spot, spots.law, data.totals, keys, luck("number"))
    places = places_in_spots(centre, n, how.spot_radius, keys, luck("turn"))
    obs = _obs_of_cells(data.obs, n)
    column = find_column(data.obs, "technology", None, data.source) or "technology"
    technology = obs[column].astype(str).to_numpy(dtype=object) if column in obs else np.full(len(obs), UNTOLD, object)
    several = f"{'about ' if spots.law != 'same' else ''}{spots.cells_per_spot} cells a spot"
    if spots.reference is None or reference is None:
        obs[column] = technology + " (piece of a spot)"
        counts = dealt(data.counts, n, keys, luck("deal"))
        whole, each = float(data.totals.mean()), float(data.totals.sum()) / max(len(obs), 1)
        return CountData(counts, data.genes, obs, data.source, places), (
            f"a cell is a piece of a spot, {several}: the counts of a spot ({whole:,.0f} on average) are dealt out at "
            f"random among its cells, {each:,.0f} to each; they add up to the spot's gene by gene, and each is a "
            "mixture of what the spot holds, no single cell"
        )
    cells, types, told = _drawn(data, n, keys, spots.reference, cell_type, reference, luck("draw"))
    obs[cell_type] = types
    for what in ("donor", "species"):
        theirs = find_column(cells.obs, what, None, cells.source)
        ours = find_column(data.obs, what, None, data.source) or what
        obs[ours] = "unknown" if theirs is None else cells.obs[theirs].astype(str).to_numpy(dtype=object)
    theirs = find_column(cells.obs, "technology", None, cells.source)
    own = np.full(len(obs), UNTOLD, object) if theirs is None else cells.obs[theirs].astype(str).to_numpy(dtype=object)
    obs[column] = own + " (placed by " + technology + ")"
    each = float(cells.totals.mean()) if len(obs) else 0.0
    return CountData(cells.counts, cells.genes, obs, cells.source, places), (
        f"a cell is a single cell of {spots.reference.file}, drawn with replacement, {several}: {told}; its depth is "
        f"that of the reference ({each:,.0f} counts on average), and its donor and species are the reference's; of the "
        "spots come only place and composition"
    )


def _obs_of_cells(obs: pd.DataFrame, n: Index) -> pd.DataFrame:
    """Return the obs of each spot for each of its cells, which are called by the spot and a number."""
    spot = np.repeat(np.arange(len(obs)), n)
    names = obs.index.astype(str).to_numpy(dtype=object)[spot]
    number = np.arange(len(spot)) - np.repeat(np.cumsum(n) - n, n)  # in its spot
    of_cells = obs.iloc[spot].copy()
    of_cells.index = pd.Index([f"{name}.{k}" for name, k in zip(names, number, strict=True)])
    of_cells[SPOT] = names
    return of_cells


def _drawn(
    spots: CountData,
    n: Index,
    keys: NDArray[np.uint64],
    asked: Reference,
    cell_type: str,
    file: Path,
    luck: Stream,
) -> tuple[CountData, NDArray[np.object_], str]:
    """Return cells of a reference for the cells of each spot, their types, and how they were chosen."""
    reference = read_counts(file)
    needed_columns(reference.obs, (asked.cell_type, *asked.where), file)
    reference = reference.take(rows_where(reference.obs, asked.where, file))
    types = reference.column("cell_type", asked.cell_type)
    if asked.types == "label":
        names, shares = labelled(spots.column("cell_type", cell_type), types, asked.file)
        told = f"of the type that {cell_type} of its spot names"
    else:
        found = mixtures(spots, reference, types)
        names, shares = found.types, found.shares
        fit = max(float(np.median(found.fit)), 0.0)
        told = (
            f"types by non-negative least squares of the spot's counts on the {len(names)} mean profiles, over "
            f"{found.n_genes:,} genes, median R² {fit:.2f} (what the reference lacks is taken "
            "for another type)"
        )
    code = types_of_cells(shares, n)
    number = np.arange(len(code)) - np.repeat(np.cumsum(n) - n, n)
    own = np.repeat(keys, n)
    row = drawn_rows(code, types, names, luck.uniform_at(own, number.astype(np.uint64)))
    return reference.take(row), np.array(names, dtype=object)[code], told
