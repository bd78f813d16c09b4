"""What a simulation leaves: the counts of all cells at all hours on the disk, until its browser has begun others."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from threading import Lock
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp

from twin.errors import InputError
from twin_web.cell.frame import band, per_10k

TREATED, UNTREATED = "treated", "untreated"
FILE = "result.h5ad"


class Kept:
    """The hours of one simulation, in a folder of its own; written by one thread, read by any.

    genes : of its panel. hours : that are there, in order.
    """

    def __init__(self, folder: Path, genes: tuple[str, ...]) -> None:
        self.folder = folder
        self.genes = genes
        self.hours: list[float] = []
        self._writing = Lock()
        folder.mkdir(parents=True)

    def add(self, hour: float, both: sp.csr_array) -> None:
        """Keep an hour: (2 × cell, gene) counts, the treated cells above their twins."""
        counts = both.data.astype(np.uint16 if both.nnz == 0 or both.data.max() < 2**16 else np.int32)
        file = self._file(len(self.hours))
        columns = both.indices.astype(np.min_scalar_type(max(len(self.genes) - 1, 0)))
        np.savez(file, indptr=both.indptr.astype(np.uint32), indices=columns, data=counts)
        self.hours.append(hour)

    def at(self, k: int) -> sp.csr_array:
        """Return an hour's counts, (2 × cell, gene).

        Raises
        ------
        InputError
            If nothing is there yet.
        """
        if k >= len(self.hours):
            raise InputError("this simulation has not come to that hour yet: wait a moment")
        with np.load(self._file(k)) as held:
            indptr, indices, data = (held[name].astype(np.int32) for name in ("indptr", "indices", "data"))
        return sp.csr_array((data, indices, indptr), shape=(len(indptr) - 1, len(self.genes)))

    def gene(self, place: int) -> dict[str, Any]:
        """Return mean and band of a gene over the replicates at every hour so far, treated and not."""
        bands: dict[str, list[list[float]]] = {TREATED: [], UNTREATED: []}
        hours = list(self.hours)
        for k in range(len(hours)):
            values = per_10k(self.at(k))[:, [place]].toarray()[:, 0]
            n = len(values) // 2
            bands[TREATED].append(band(values[:n]))
            bands[UNTREATED].append(band(values[n:]))
        return {"gene": self.genes[place], "index": place, "hours": hours, **bands}

    def h5ad(self, context: str, about: Mapping[str, Any]) -> Path:
        """Write all cells at all hours so far as one AnnData, once, and return the file.

        Raises
        ------
        InputError
            If nothing is there yet.
        """
        with self._writing:
            n_hours = max(len(self.hours), 1)
            file = self.folder / f"{n_hours}-{FILE}"
            if not file.is_file():
                self._write(file, n_hours, context, about)
        return file

    def _write(self, file: Path, n_hours: int, context: str, about: Mapping[str, Any]) -> None:
        parts, hours = [self.at(k) for k in range(n_hours)], self.hours[:n_hours]
        n = parts[0].shape[0] // 2
        obs = pd.DataFrame(
            {
                "hour": np.repeat(np.asarray(hours, np.float64), 2 * n),
                "replicate": np.tile(np.arange(n), 2 * len(hours)),
                "arm": pd.Categorical(np.tile(np.repeat([TREATED, UNTREATED], n), len(hours))),
                "cell_type": pd.Categorical(np.full(2 * n * len(hours), context, dtype=object)),
            }
        )
        obs.index = pd.Index([f"{r}-{arm}@{h:g}h" for h, r, arm in zip(obs.hour, obs.replicate, obs.arm, strict=True)])
        adata = ad.AnnData(
            sp.csr_matrix(sp.vstack(parts, format="csr")),
            obs=obs,
            var=pd.DataFrame(index=pd.Index(np.asarray(self.genes, dtype=object))),
            uns={"twin": json.dumps(dict(about), sort_keys=True)},
        )
        part = file.with_name(f"partial-{file.name}")
        adata.write_h5ad(part, compression="gzip", compression_opts=1)
        part.replace(file)

    def delete(self) -> None:
        """Take all of it off the disk."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _file(self, k: int) -> Path:
        return self.folder / f"{k}.npz"
