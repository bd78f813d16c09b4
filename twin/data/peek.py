"""What an AnnData file holds, without reading its counts."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import zarr
from numpy.typing import NDArray

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
    obs, spatial, n_genes = _read(path)
    needed_columns(obs, (cell_type, *where), path)
    obs = obs[rows_where(obs, where, path)]
    return Contents(len(obs), frozenset(obs[cell_type].astype(str)), n_genes, spatial is not None)


def peek_places(path: Path, where: dict[str, str]) -> tuple[pd.DataFrame, NDArray[np.float64] | None]:
    """Return the obs of the rows that the filter keeps and their coordinates as the file has them, or None.

    Raises
    ------
    InputError
        As `peek`.
    """
    obs, spatial, _ = _read(path)
    needed_columns(obs, where, path)
    rows = rows_where(obs, where, path)
    return obs[rows], None if spatial is None else spatial[rows]


def _read(path: Path) -> tuple[pd.DataFrame, NDArray[np.float64] | None, int]:
    """Return the obs, obsm['spatial'] and the number of genes of a file."""
    if not path.exists():
        raise InputError(f"{path} is not there")
    try:
        if path.is_dir():
            root = zarr.open_group(path, mode="r")
            obs, n_genes = ad.io.read_elem(root["obs"]), len(ad.io.read_elem(root["var"]))
            kept = ad.io.read_elem(root["obsm"]) if "obsm" in root else {}
        else:
            backed = ad.read_h5ad(path, backed="r")
            obs, n_genes, kept = backed.obs, backed.n_vars, backed.obsm
            backed.file.close()
        spatial = np.asarray(kept["spatial"], np.float64) if "spatial" in kept else None
    except (OSError, KeyError, ValueError, TypeError) as error:
        reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise InputError(
            f"{path} cannot be read as AnnData ({reason}); is it cut short or of another format?"
        ) from error
    return obs, spatial, n_genes


def needed_columns(obs: pd.DataFrame, columns: Iterable[str], path: Path) -> None:
    """Raise UnknownNameError where the file has no such obs column."""
    for column in columns:
        if column not in obs.columns:
            raise UnknownNameError("obs column", column, map(str, obs.columns), f"{path}: ")


def rows_where(obs: pd.DataFrame, where: Mapping[str, str], path: Path) -> NDArray[np.bool_]:
    """Return which rows have these values in these columns, (row,); InputError where a value leaves none."""
    keep = np.ones(len(obs), np.bool_)
    for column, value in where.items():
        keep &= (obs[column].astype(str) == value).to_numpy()
        if not keep.any():
            found = sorted(set(obs[column].astype(str)))[:8]
            raise InputError(f"{path}: no cell has {column} = {value!r}; found {', '.join(found)}")
    return keep
