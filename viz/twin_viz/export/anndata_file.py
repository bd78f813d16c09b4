"""Cells as one h5ad file that scanpy and squidpy take as it is."""

from pathlib import Path

import anndata as ad
import numpy as np
import scipy.sparse as sp

from twin.results import Run
from twin_viz.export.folder import made_whole

NEIGHBOURS = "spatial_neighbors"  # squidpy's names
CONNECTIVITIES, DISTANCES = "spatial_connectivities", "spatial_distances"


def write_h5ad(
    run: Run,
    out: Path,
    time: float | str | None = None,
    compartment: str | None = None,
    replicate: int = 0,
) -> Path:
    """Write the cells of one kept time, or of all ("all"), to the new file `out` and return it.

    Counts are `X` and `layers["counts"]`, so that normalising `X` loses nothing; who touches whom stands where squidpy
    looks for spatial neighbours, with the distance of their centres in µm; places are `obsm["spatial"]`, µm.

    Raises
    ------
    InputError
        If `out` is there already or cannot be written, or that time was not kept.
    """
    times = [float(t) for t in np.unique(run.times(replicate))] if time == "all" else [time]
    with made_whole(out) as draft:
        parts = [with_neighbours(run.cells(t, replicate, compartment)) for t in times]
        if len(parts) == 1:
            cells = parts[0]
        else:
            hours = [f"{float(part.uns['twin']['time']):g}h" for part in parts]
            cells = ad.concat(parts, pairwise=True, merge="same", keys=hours, index_unique="@")
            cells.uns[NEIGHBOURS] = parts[0].uns[NEIGHBOURS]
            cells.uns["twin"] = {key: v for key, v in parts[0].uns["twin"].items() if key not in ("time", "tick")}
        cells.write_h5ad(draft, compression="gzip")
    return out


def with_neighbours(cells: ad.AnnData) -> ad.AnnData:
    """Return cells with their counts as a layer, and their contacts as squidpy's neighbours."""
    touching = sp.csr_matrix(cells.obsp["contacts"]).astype(bool)
    touching = sp.coo_matrix(touching + touching.T)
    place = np.asarray(cells.obsm["spatial"], dtype=np.float64)
    away = np.linalg.norm(place[touching.row] - place[touching.col], axis=1)
    shape = touching.shape
    cells.obsp[CONNECTIVITIES] = sp.csr_matrix((np.ones(touching.nnz), (touching.row, touching.col)), shape=shape)
    cells.obsp[DISTANCES] = sp.csr_matrix((away, (touching.row, touching.col)), shape=shape)
    cells.uns[NEIGHBOURS] = {
        "connectivities_key": CONNECTIVITIES,
        "distances_key": DISTANCES,
        "params": {"coord_type": "generic", "radius": "contact"},
    }
    cells.layers["counts"] = cells.X.copy()
    return cells
