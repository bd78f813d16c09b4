"""What an AnnData file holds, without reading its counts."""

from dataclasses import dataclass
from pathlib import Path

import anndata as ad
import zarr

from twin.errors import InputError, UnknownNameError


@dataclass(frozen=True)
class Contents:
    """What a file of cells holds.

    n_cells : rows that the filter keeps.
    cell_types : types among them.
    n_genes : columns.
    has_places : whether obsm['spatial'] is there.
    """

    n_cells: int
    cell_types: frozenset[str]
    n_genes: int
    has_places: bool


def peek(path: Path, cell_type: str, where: dict[str, str]) -> Contents:
    """Return what a file holds, reading its obs only.

    Parameters
    ----------
    cell_type : the obs column that names the type.
    where : obs column → the value that rows must have.

    Raises
    ------
    InputError
        If the file is not there or is no AnnData, a column or a value is missing, or no row is left.
    """
    if not path.exists():
        raise InputError(f"{path} is not there")
    try:
        if path.is_dir():
            root = zarr.open_group(path, mode="r")
            obs, n_genes = ad.io.read_elem(root["obs"]), len(ad.io.read_elem(root["var"]))
            places = "obsm" in root and "spatial" in root["obsm"]  # type: ignore[operator]  # a zarr group
        else:
            backed = ad.read_h5ad(path, backed="r")
            obs, n_genes, places = backed.obs, backed.n_vars, "spatial" in backed.obsm
            backed.file.close()
    except (OSError, KeyError, ValueError, TypeError) as error:
        reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise InputError(
            f"{path} cannot be read as AnnData ({reason}); is it cut short or of another format?"
        ) from error
    for column in (cell_type, *where):
        if column not in obs.columns:
            raise UnknownNameError("obs column", column, map(str, obs.columns), f"{path}: ")
    for column, value in where.items():
        rows = obs[column].astype(str) == value
        if not rows.any():
            found = sorted(set(obs[column].astype(str)))[:8]
            raise InputError(f"{path}: no cell has {column} = {value!r}; found {', '.join(found)}")
        obs = obs[rows]
    return Contents(len(obs), frozenset(obs[cell_type].astype(str)), n_genes, places)
