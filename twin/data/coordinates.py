"""Coordinates of measured cells and spots: checked, in µm, without cells that were counted twice."""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from twin.errors import InputError

Float = NDArray[np.float64]
Index = NDArray[np.intp]

LEAST_SPACING = 2.0  # µm between neighbours, median; our choice: a nucleus is larger, so no tissue is as dense
FEW = 10  # rows below which their spacing says nothing of the unit; our choice


def checked_coordinates(spatial: Float | None, names: NDArray[np.str_], source: str) -> Float:
    """Return the file's coordinates as they are, (row, 2 or 3).

    names : (row,) of the cells or spots, for the message.

    Raises
    ------
    InputError
        If there are none, they are not two or three a row, or one is not finite.
    """
    if spatial is None:
        raise InputError(
            f"{source} has no obsm['spatial']; leave `spatial` out to have the cells packed into the box, or put "
            "their coordinates there"
        )
    width = spatial.shape[1] if spatial.ndim == 2 else 0
    if width not in (2, 3):
        raise InputError(
            f"obsm['spatial'] of {source} has the shape {spatial.shape}; it must have 2 or 3 columns, x, y and z in um"
        )
    lost = ~np.isfinite(spatial).all(axis=1)
    if lost.any():
        raise InputError(
            f"{int(lost.sum())} cells of {source} have a place that is not finite, the first is "
            f"{names[int(np.argmax(lost))]}; leave them out of the file"
        )
    return spatial


def nearest(position: Float, section: Index) -> Float:
    """Return each row's distance to its nearest neighbour in its section, (row,); infinite where it has none.

    position : (row, axis). section : (row,).
    """
    away = np.full(len(position), np.inf)
    for one in np.unique(section):
        rows = np.flatnonzero(section == one)
        if len(rows) > 1:
            away[rows] = cKDTree(position[rows]).query(position[rows], k=2)[0][:, 1]
    return away


def in_micrometres(
    spatial: Float, section: Index, source: str, scale: float | None = None, pitch: float | None = None
) -> Float:
    """Return places in µm, (row, 3), z = 0 where the file has none.

    Parameters
    ----------
    spatial : (row, 2 or 3) in the file's unit. Not modified.
    section : (row,) neighbours are looked for within a section.
    scale : µm a unit; None: 1, or what `pitch` says.
    pitch : µm between neighbours: the median distance to the nearest neighbour becomes this.

    Raises
    ------
    InputError
        If the scale cannot be: no two neighbours, or so near to each other that the unit is no µm.
    """
    position = np.zeros((len(spatial), 3))
    position[:, : spatial.shape[1]] = spatial
    away = nearest(position, section)
    apart = float(np.median(away[away > 0])) if (away > 0).any() else np.inf
    if pitch is not None:
        if not np.isfinite(apart):
            raise InputError(f"{source} has no two rows beside each other to tell a pitch by: give `scale` instead")
        scale = pitch / apart
    position *= 1.0 if scale is None else scale
    apart *= 1.0 if scale is None else scale
    if len(position) >= FEW and apart < LEAST_SPACING:
        said = "these coordinates are no um" if scale is None else f"a unit of them is not {scale:g} um"
        raise InputError(
            f"neighbours in {source} lie {apart:.3g} um apart (median), so {said}: say what a unit is, like "
            "spatial: {scale: 0.1 um}, or how far neighbouring spots are apart, like {pitch: 100 um}"
        )
    return position


def first_of_twins(position: Float, within: float | None, names: NDArray[np.str_], source: str) -> NDArray[np.bool_]:
    """Return which rows stay where of those within a distance of each other the first is kept, (row,).

    Parameters
    ----------
    position : (row, axis) µm.
    within : µm; None: nothing is dropped, and rows in exactly the same place are refused.

    Raises
    ------
    InputError
        If `within` is None and two rows are in the same place.
    """
    keep = np.ones(len(position), np.bool_)
    if within is None:
        _, first, number = np.unique(position, axis=0, return_inverse=True, return_index=True)
        again = np.flatnonzero(first[number.ravel()] != np.arange(len(position)))
        if len(again):
            twin = first[number.ravel()[again[0]]]
            raise InputError(
                f"{len(again)} cells of {source} stand exactly where another does, the first is {names[again[0]]} on "
                f"{names[twin]}: were they segmented twice? Keep one of each by spatial: {{drop_within: 0.1 um}}"
            )
        return keep
    pairs = cKDTree(position).query_pairs(within, output_type="ndarray")  # (pair, 2), each once
    pairs = np.sort(pairs, axis=1)
    for one, other in pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]:
        if keep[one]:
            keep[other] = False
    return keep


def stacked(position: Float, section: Index, spacing: float) -> Float:
    """Return places with section k moved up by k · spacing, (row, 3) µm."""
    moved = position.copy()
    moved[:, 2] += section * spacing
    return moved


def largest_radii(position: Float, limit: Float) -> Float:
    """Return radii so large that no two cells overlap, (cell,) µm: half the way to the nearest, at most `limit`.

    The nearest neighbour of either is no farther than the other, so the radii of two cells never add up to more than
    their distance.

    position : (cell, axis) µm. limit : (cell,) µm.
    """
    return np.minimum(limit, nearest(position, np.zeros(len(position), np.intp)) / 2)
