"""Kept instants as AnnData: what is copied out of a compartment, and how it stands on disk."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import anndata as ad
import dask.array as da
import networkx as nx
import numpy as np
import pandas as pd
import scipy.sparse as sp
import zarr
from anndata.experimental import write_dispatched
from dask.delayed import delayed
from numpy.typing import NDArray

from twin.kernels.contacts import contact_areas
from twin.results.arrays import load_csr_rows, save_csr, storage_of
from twin.results.damage import naming_damage
from twin.results.packed import folder_of
from twin.results.waiting import Waiting, wait
from twin.state.body import Compartment
from twin.state.expression import unpack
from twin.state.groups import KINDS, labels, record_of, tree_of_record

MOST_DOSE_COLUMNS = 8  # our choice: with more perturbations, only those that a commit met get columns
GROUPS = "groups"  # key of the tree in the record
LAZY_ROWS = 4096  # our choice: a few MB of counts that are read together
CODED = ("cell_type", "donor", "species", "technology")
PLAIN = ("id", "parent", "group", "radius", "alive", "depth", "ec50_factor")
UNITS = {
    "time": "h",
    "birth": "h",
    "radius": "um",
    "depth": "count",
    "spatial": "um",
    "X": "count",
    "dose": "nM",
    "time_since": "h",
}


@dataclass(frozen=True)
class Snapshot:
    """A compartment at one instant, safe from what the engine does next.

    Dense columns, contacts and concentrations are copies; counts wait as `twin.results.waiting` says.

    time : h.
    """

    tick: int
    time: float
    arrays: dict[str, NDArray[Any]]
    names: Mapping[str, tuple[str, ...]]
    counts: Waiting
    contacts: sp.csr_array
    concentration: NDArray[np.float64]
    groups: "nx.DiGraph[int]"

    @classmethod
    def of(cls, compartment: Compartment, tick: int, time: float, file: Path) -> "Snapshot":
        """Take one; file : where many counts may wait."""
        c = compartment
        assert c.contacts.shape == (c.cells.n, c.cells.n), (c.contacts.shape, c.cells.n)
        assert c.expression.n_cells == c.cells.n, (c.expression.n_cells, c.cells.n)
        arrays = {name: values.copy() for name, values in c.cells.arrays().items()}
        return cls(
            tick=tick,
            time=time,
            arrays=arrays,
            names=dict(c.cells.names),
            counts=wait(c.expression.chunks, file),
            contacts=c.contacts.copy(),
            concentration=c.concentration.copy(),
            groups=c.groups,
        )

    @property
    def n(self) -> int:
        """How many cells."""
        return len(self.arrays["id"])


def key_of(name: str) -> str:
    """Return a name as a key of an AnnData: a slash would make a group of it."""
    return name.replace("/", "_")


def save_frames(
    group: zarr.Group,
    frames: Sequence[Snapshot],
    genes: Sequence[str],
    perturbations: Sequence[str],
    tick_hours: float,
    about: Mapping[str, object],
) -> None:
    """Write snapshots of one compartment into an empty group as one AnnData, rows = cell × time.

    Parameters
    ----------
    tick_hours : h.
    about : what `uns["twin"]` says, JSON; perturbations and units are added.
    """
    obs, obsm = _obs(frames, perturbations, tick_hours)
    tree = record_of(frames[-1].groups)
    record = {**about, "perturbations": list(perturbations), "units": UNITS, GROUPS: tree}
    adata = ad.AnnData(
        obs=obs,
        var=pd.DataFrame(index=pd.Index(np.asarray(genes, dtype=object))),
        obsm=obsm,
        uns={"twin": json.dumps(record, sort_keys=True)},
    )
    write_elements(group, "/", adata)
    sizes = _joined([frame.counts.sizes() for frame in frames])
    save_csr(group, "X", _blocks(frames, len(genes)), len(genes), sizes, np.dtype(np.int32))
    firsts = np.cumsum([0, *(frame.n for frame in frames)])
    touching = ((frame.contacts, int(first)) for frame, first in zip(frames, firsts, strict=False))
    degrees = _joined([np.diff(frame.contacts.indptr) for frame in frames])
    pairs = group.create_group("obsp", attributes={"encoding-type": "dict", "encoding-version": "0.1.0"})
    save_csr(pairs, "contacts", touching, int(firsts[-1]), degrees, frames[0].contacts.dtype)


def write_elements(group: zarr.Group, name: str, element: Any) -> None:
    """Write what anndata can write, each array in our chunks and shards, without empty mappings."""

    def write(write_one: Any, into: zarr.Group, key: str, part: Any, *, dataset_kwargs: Any, iospec: Any) -> None:
        if part is None or (isinstance(part, Mapping) and not part):
            return
        plan = storage_of(part) if isinstance(part, np.ndarray) and part.ndim else dataset_kwargs
        write_one(into, key, part, dataset_kwargs=plan)

    # its own default is a warning; the plans above decide
    with ad.settings.override(zarr_write_format=3, auto_shard_zarr_v3=False):
        write_dispatched(group, name, element, callback=write)


def load_frame(
    group: zarr.Group, rows: tuple[int, int], about: Mapping[str, object], *, lazy: bool = False
) -> ad.AnnData:
    """Return the rows of one instant as an AnnData whose obs_names are the cells' ids.

    `obsp["contacts"]` is stored, `obsp["contact_area"]` (µm², `twin.kernels.contacts`) follows from places and radii.

    Parameters
    ----------
    rows : (first, row after the last) of that instant.
    about : what `uns["twin"]` says besides.
    lazy : leave the counts on the disk: X is then a Dask array of CSR blocks of `LAZY_ROWS` cells, read when they are
        computed.
    """
    first, last = rows
    record = {**json.loads(str(_element(group, "uns/twin"))), **about}
    record.pop(GROUPS, None)  # nested lists of tables, which h5ad cannot hold; `Run.groups` gives the tree
    n = last - first
    obs = _element(group, "obs").iloc[first:last].copy()
    obs.index = pd.Index(obs["id"].to_numpy().astype(str).astype(object))
    unmet: dict[str, NDArray[np.float64]] = {}  # perturbations that no cell of this commit ever met
    for name in map(key_of, record["perturbations"]):
        if f"dose_{name}" not in obs:
            unmet |= {f"dose_{name}": np.zeros(n), f"time_since_{name}": np.full(n, np.nan)}
    if unmet:
        obs = pd.concat([obs, pd.DataFrame(unmet, index=obs.index)], axis=1)
    var = _element(group, "var")
    near, others, starts = load_csr_rows(_group(group, "obsp/contacts"), first, last)
    contacts = sp.csr_matrix((near, others - first, starts), shape=(n, n))
    matrices = {key: np.asarray(values[first:last]) for key, values in _group(group, "obsm").arrays()}
    radius = obs["radius"].to_numpy(dtype=np.float64)
    areas = contact_areas(np.asarray(matrices["spatial"], dtype=np.float64), radius, sp.csr_array(contacts))
    return ad.AnnData(
        X=_lazy_rows(group, first, last, len(var)) if lazy else _rows(group, first, last, len(var)),
        obs=obs,
        var=var,
        obsm=matrices,
        obsp={"contacts": contacts, "contact_area": sp.csr_matrix(areas)},
        uns={"twin": record},
    )


def _rows(group: zarr.Group, first: int, last: int, n_genes: int) -> sp.csr_matrix:
    data, columns, indptr = load_csr_rows(_group(group, "X"), first, last)
    return sp.csr_matrix((data, columns, indptr), shape=(last - first, n_genes))


def _lazy_rows(group: zarr.Group, first: int, last: int, n_genes: int) -> da.Array:
    """Return the counts of some rows as blocks that are read one by one."""
    edges = [*(range(first, last, LAZY_ROWS) or [first]), last]
    blocks = [
        da.from_delayed(  # type: ignore[no-untyped-call]  # Dask's own
            delayed(_named_rows, pure=False)(group, low, high, n_genes),
            shape=(high - low, n_genes),
            dtype=np.dtype(np.int32),
            meta=sp.csr_matrix((0, 0), dtype=np.int32),
        )
        for low, high in pairwise(edges)
    ]
    joined: da.Array = da.concatenate(blocks)  # type: ignore[no-untyped-call]  # as above
    return joined


def _named_rows(group: zarr.Group, first: int, last: int, n_genes: int) -> sp.csr_matrix:
    with naming_damage(folder_of(group)):
        return _rows(group, first, last, n_genes)


def load_genes(group: zarr.Group) -> tuple[str, ...]:
    """Return the gene axis of a commit's cells."""
    return tuple(str(gene) for gene in _element(group, "var").index)


def load_groups(group: zarr.Group) -> "nx.DiGraph[int] | None":
    """Return the tree of groups of a commit's cells; None where an older twin wrote none."""
    record = json.loads(str(_element(group, "uns/twin")))
    return tree_of_record(record[GROUPS]) if GROUPS in record else None


def load_table(group: zarr.Group) -> pd.DataFrame:
    """Return a table that `write_elements` wrote."""
    table = ad.io.read_elem(group)
    assert isinstance(table, pd.DataFrame)
    return table


def _obs(
    frames: Sequence[Snapshot], perturbations: Sequence[str], tick_hours: float
) -> tuple[pd.DataFrame, dict[str, NDArray[Any]]]:
    """Return the columns of `obs` and the matrices of `obsm` of all snapshots, one below the other."""

    def column(name: str) -> NDArray[Any]:
        return np.concatenate([frame.arrays[name] for frame in frames])

    sizes = [frame.n for frame in frames]
    table: dict[str, Any] = {name: column(name) for name in PLAIN}
    table["birth"] = column("birth") * tick_hours
    table["time"] = np.repeat([frame.time for frame in frames], sizes)
    table["tick"] = np.repeat(np.array([frame.tick for frame in frames], dtype=np.int64), sizes)
    for name in CODED:
        words = frames[-1].names[name]
        assert all(frame.names[name] == words[: len(frame.names[name])] for frame in frames), name
        table[name] = pd.Categorical.from_codes(column(name), pd.Index(words, dtype=object))
    for kind in reversed(KINDS):
        codes, words = labels(frames[-1].groups, kind, table["group"])
        if words:
            table[kind] = pd.Categorical.from_codes(codes, pd.Index(words, dtype=object))
    doses, since = column("dose"), column("time_since")  # (cell, perturbation)
    assert doses.shape[1] == len(perturbations), (doses.shape, perturbations)
    for i, name in enumerate(perturbations):
        if len(perturbations) <= MOST_DOSE_COLUMNS or doses[:, i].any() or (~np.isnan(since[:, i])).any():
            table[f"dose_{key_of(name)}"] = doses[:, i]
            table[f"time_since_{key_of(name)}"] = since[:, i]
    matrices = {"spatial": column("position"), "z": column("z")}
    core = {*PLAIN, *CODED, "birth", "position", "z", "dose", "time_since"}
    for name in frames[-1].arrays:
        if name not in core:
            values = column(name)
            (table if values.ndim == 1 else matrices)[key_of(name)] = values
    names = [f"{i}@{frame.time:.12g}h" for frame in frames for i in frame.arrays["id"].tolist()]
    return pd.DataFrame(table, index=pd.Index(np.asarray(names, dtype=object))), matrices


def _blocks(frames: Sequence[Snapshot], n_genes: int) -> Iterator[tuple[sp.csr_array, int]]:
    """Yield the counts of all snapshots, chunk by chunk, each with the column at which it begins."""
    for frame in frames:
        first = 0
        for chunk in frame.counts:
            yield unpack(chunk, n_genes, frame.arrays["id"][first : first + chunk.n_cells]), 0
            first += chunk.n_cells


def _joined(parts: Sequence[NDArray[Any]]) -> NDArray[np.int64]:
    return np.concatenate([np.empty(0, np.int64), *parts])


def _group(group: zarr.Group, name: str) -> zarr.Group:
    found = group[name]
    assert isinstance(found, zarr.Group), name
    return found


def _element(group: zarr.Group, name: str) -> Any:
    return ad.io.read_elem(group[name])
