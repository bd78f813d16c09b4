"""Pieces that the viewer fetches: one kept time each, the same for ever once it is committed.

A piece is the length of its header (4 bytes, the lowest first), the header (JSON), and columns as `encode` packs them.
"""

import json
import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from anndata import AnnData
from numpy.typing import NDArray
from twin_viz.camera import Float
from twin_viz.export.html.encode import Codes, packed, to_codes
from twin_viz.export.html.fields import grid_record
from twin_viz.source import assay_end

from twin.errors import UnknownNameError
from twin.results import Run
from twin_web.viewer.columns import coded, numbers

FAST = 1  # of zlib; our choice: the way is short, and the reader waits
DECADES = 6.0  # of concentration that codes tell apart; our choice: the colour bar spans half of them
DEEPEST = 65533  # steps of them; 0 is whatever is less


def frame_piece(run: Run, time: float, replicate: int, compartment: str) -> bytes:
    """Return the cells of one kept time by rising id: places, radii, ids, whether alive, and their columns."""
    cells = by_id(run.cells(time, replicate, compartment, counts=False))
    place = np.asarray(cells.obsm["spatial"], dtype=np.float64).reshape(cells.n_obs, 3)
    radius = np.asarray(cells.obs["radius"], dtype=np.float64)
    alive = np.asarray(cells.obs["alive"], dtype=np.bool_)
    low, high = (place.min(axis=0), place.max(axis=0)) if cells.n_obs else (np.zeros(3), np.zeros(3))
    largest = float(radius.max()) if cells.n_obs else 0.0
    ids = np.asarray(cells.obs["id"], dtype=np.uint64)
    parts = [(ids >> np.uint64(shift)).astype(np.uint16) for shift in (0, 16, 32, 48)]
    columns = list(coded(cells))
    header = {
        "n": cells.n_obs,
        "box": [low.tolist(), high.tolist()],
        "radius": largest,
        "dead": int((~alive).sum()),
        "measured": assay_end(run, cells, time),
        "columns": [{**one.about, "alike": one.codes is None} for one in columns],
    }
    places = [to_codes(place[:, axis], float(low[axis]), float(high[axis])) for axis in range(3)]
    body = [*places, to_codes(radius, 0.0, largest), *parts, alive.astype(np.uint16)]
    return piece(header, [*body, *(one.codes for one in columns if one.codes is not None)])


def paint_piece(run: Run, time: float, replicate: int, compartment: str, name: str) -> bytes:
    """Return log(1 + counts per 10,000) of any gene or program of the run, as codes by rising id.

    Raises
    ------
    UnknownNameError
        If it is neither.
    """
    programs: Mapping[str, Sequence[str]] = run.scenario.get("observe", {}).get("programs", {})
    known = run.genes_of(compartment)
    genes = [name] if name in known else [gene for gene in programs.get(name, ()) if gene in known]
    if not genes:
        raise UnknownNameError("gene or program", name, [*programs, *known])
    found = run.counts_of(genes, time, replicate, compartment)
    made = numbers({"name": name}, found.log_rate[np.argsort(found.id, kind="stable")])
    return piece(
        {"n": len(found.id), **made.about, "alike": made.codes is None}, [made.codes] if made.codes is not None else []
    )


def volume_piece(run: Run, time: float, replicate: int, compartment: str) -> bytes:
    """Return the concentrations of all substances at one kept time, (z, y, x) each, as codes of their logarithm."""
    data = run.fields_at(time, replicate, compartment)
    now = data["concentration"].transpose("substance", "z", "y", "x").to_numpy()
    names = [str(name) for name in data["substance"].values]
    units = str(data["concentration"].attrs.get("units", "nM"))
    ends = [
        {"name": n, "units": units, "least": float(v.min()), "most": float(v.max())}
        for n, v in zip(names, now, strict=True)
    ]
    header = {"n": int(now[0].size), "substances": ends, "grid": grid_record(data), "decades": DECADES}
    return piece(header, [levels(one) for one in now])


def levels(concentration: Float) -> Codes:
    """Return 1 + the place of concentrations on `DECADES` decades below the highest; 0 for less."""
    high = float(concentration.max())
    if high <= 0:
        return np.zeros(concentration.size, np.uint16)
    share = np.log10(np.maximum(concentration.ravel(), high * 1e-300) / high) / DECADES + 1.0
    return np.where(share < 0, 0, np.rint(1 + share * DEEPEST)).astype(np.uint16)


def by_id(cells: AnnData) -> AnnData:
    """Return cells in the order of their ids."""
    order: NDArray[np.intp] = np.argsort(np.asarray(cells.obs["id"], dtype=np.uint64), kind="stable")
    return cells[order]


def piece(header: Mapping[str, Any], columns: Sequence[Codes]) -> bytes:
    """Return a piece as it is sent."""
    head = json.dumps(header, allow_nan=False, separators=(",", ":")).encode("utf-8")
    return struct.pack("<I", len(head)) + head + packed(columns, FAST)
