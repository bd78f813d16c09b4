"""From a file's coordinates to places: which rows stand where, and how large a box they need."""

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import ValidationError

from twin.data.coordinates import (
    checked_coordinates,
    first_of_twins,
    in_micrometres,
    largest_radii,
    nearest,
    stacked,
)
from twin.data.peek import needed_columns, peek_places
from twin.data.spots import least_distance
from twin.errors import InputError
from twin.scenario.overlay import Key, Tree
from twin.scenario.schema import Compartment, MeasuredCells
from twin.scenario.spatial import AreaColumn, Spatial

Float = NDArray[np.float64]

LEAST_RADIUS = 1.0  # µm; our choice: what overlaps so nevertheless is pushed apart by 2 µm at most


@dataclass(frozen=True)
class Layout:
    """Where the rows of a file stand.

    keep : (row,) which of them are used. position : (kept row, 3) µm; with sections, stacked.
    dropped : rows that stand where another does. apart : µm, median distance to the nearest neighbour in a section.
    sections : their names, from the lowest to the highest; () where there are none.
    """

    keep: NDArray[np.bool_]
    position: Float
    dropped: int
    apart: float
    sections: tuple[str, ...]


def laid_out(how: Spatial, obs: pd.DataFrame, spatial: Float | None, source: str) -> Layout:
    """Return where the rows of a file stand.

    Parameters
    ----------
    obs, spatial : of the rows that `where` keeps.
    source : the file, for messages.

    Raises
    ------
    InputError
        If a column is missing, or the coordinates cannot be places.
    """
    names = obs.index.to_numpy(dtype=object).astype(str)
    area = how.radius.area if isinstance(how.radius, AreaColumn) else None
    asked = (how.niche, how.sections.column if how.sections is not None else None, area)
    needed_columns(obs, [column for column in asked if column is not None], Path(source))
    given = checked_coordinates(spatial, names, source)
    section, sections = _sections(how, obs, source)
    position = in_micrometres(given, section, source, how.scale, how.pitch)
    if how.sections is not None:
        position = stacked(position, section, how.sections.spacing)
    keep = first_of_twins(position, how.drop_within, names, source)
    away = nearest(position[keep], section[keep])
    apart = float(np.median(away)) if len(away) else 0.0
    return Layout(keep, position[keep], int((~keep).sum()), apart, sections)


def _sections(how: Spatial, obs: pd.DataFrame, source: str) -> tuple[NDArray[np.intp], tuple[str, ...]]:
    """Return the number of each row's section, (row,), and the names of the sections."""
    if how.sections is None:
        return np.zeros(len(obs), np.intp), ()
    found = obs[how.sections.column].astype(str).to_numpy(dtype=object).astype(str)
    order = how.sections.order or tuple(sorted({str(name) for name in found}))
    strange = sorted({str(name) for name in found} - set(order))
    if strange:
        raise InputError(
            f"sections.order names {', '.join(order)}, but {source} has {strange[0]} under {how.sections.column}: name "
            "it too, or leave its rows out by `where`"
        )
    return np.array([order.index(str(name)) for name in found], np.intp), order


def extent_of(how: Spatial, layout: Layout) -> Float:
    """Return the edges of the block that the tissue fills, (axis,) µm."""
    extent = np.ptp(layout.position, axis=0) if len(layout.position) else np.zeros(3)
    return np.asarray(extent + np.array([2 * how.spot_radius, 2 * how.spot_radius, how.thickness or 0.0]))


def centred(position: Float, low: Float, high: Float) -> Float:
    """Return places with the middle of the tissue in the middle of a box, (cell, 3) µm."""
    if not len(position):
        return position
    return np.asarray(position + (low + high) / 2 - (position.min(axis=0) + position.max(axis=0)) / 2)


def radii_of(how: Spatial, obs: pd.DataFrame, position: Float, by_type: Float, source: str) -> Float:
    """Return the radius of each cell, (cell,) µm: as `how` says, else `by_type`.

    Raises
    ------
    InputError
        If an area is no number above 0, or the cells of a spot do not find room in it.
    """
    if how.radius is None:
        if how.spots is not None:
            room = least_distance(how.spots.cells_per_spot, how.spot_radius) / 2
            if room < float(by_type.max(initial=0.0)):
                raise InputError(
                    f"{how.spots.cells_per_spot} cells in a spot of radius {how.spot_radius:g} um leave each a radius "
                    f"of {room:.3g} um, and {float(by_type.max()):g} um is asked: take fewer cells_per_spot or smaller "
                    "cells (cells.radius), or write spatial.radius: neighbours"
                )
        return by_type
    limit = by_type
    if isinstance(how.radius, AreaColumn):
        area = pd.to_numeric(obs[how.radius.area], errors="coerce").to_numpy(dtype=np.float64)
        wrong = ~(np.isfinite(area) & (area > 0))
        if wrong.any():
            first = int(np.argmax(wrong))
            raise InputError(
                f"{int(wrong.sum())} cells of {source} have no area under {how.radius.area}, the first is "
                f"{obs.index[first]}: areas are numbers above 0, in um^2"
            )
        limit = np.sqrt(area / np.pi)
    return np.maximum(largest_radii(position, limit), LEAST_RADIUS)


def fill_boxes(document: Tree, resolve: Callable[[str], Path]) -> list[tuple[tuple[Key, ...], str]]:
    """Give compartments of spatial data that name no box the one that holds their tissue, in place.

    Returns
    -------
    What is wrong with their files, each with its key.
    """
    faults: list[tuple[tuple[Key, ...], str]] = []
    homes = document.get("compartments")
    for name, home in homes.items() if isinstance(homes, dict) else ():
        cells = home.get("cells") if isinstance(home, dict) else None
        if not isinstance(cells, dict) or not isinstance(cells.get("spatial"), dict) or "volume" in home:
            continue
        if home.get("box") is not None:
            continue
        loc: tuple[Key, ...] = ("compartments", name, "cells")
        source, spacing = _read(cells, home)
        if source is None or not isinstance(source.spatial, Spatial):
            home["box"] = ["1 um"] * 3  # the document's own check tells what is wrong, and of the box nothing
            continue
        try:
            obs, spatial = peek_places(resolve(source.file), source.where)
            layout = laid_out(source.spatial, obs, spatial, source.file)
        except InputError as error:
            faults.append(((*loc, "spatial"), str(error)))
            home["box"] = ["1 um"] * 3
            continue
        edges = extent_of(source.spatial, layout) + 2 * source.spatial.margin
        home["box"] = [f"{ceil(edge / spacing - 1e-9) * spacing:.12g} um" for edge in edges]
    return faults


def _read(cells: Tree, home: Tree) -> tuple[MeasuredCells | None, float]:
    """Return a compartment's cells and the edge of its voxels, µm; None where one of them is wrong."""
    given: dict[str, Any] = {"box": ["1 um"] * 3, "cells": cells}
    if "spacing" in home:
        given["spacing"] = home["spacing"]
    try:
        checked = Compartment.model_validate(given)
    except ValidationError:
        return None, 0.0
    return (checked.cells if isinstance(checked.cells, MeasuredCells) else None), checked.spacing
