"""What a simulation leaves: the counts of all cells at all hours on the disk, until its browser has begun others."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp

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
        folder.mkdir(parents=True)

    def add(self, hour: float, both: sp.csr_array) -> None:
        """Keep an hour: (2 × cell, gene) counts, the treated cells above their twins."""
        counts = both.data.astype(np.uint16 if both.nnz == 0 or both.data.max() < 2**16 else np.int32)
        file = self._file(len(self.hours))
        np.savez(file, indptr=both.indptr.astype(np.uint32), indices=both.indices.astype(np.uint16), data=counts)
        self.hours.append(hour)

    def at(self, k: int) -> sp.csr_array:
        """Return an hour's counts, (2 × cell, gene)."""
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
        """Write all cells at all hours so far as one AnnData, and return the file."""
        hours = list(self.hours)
        parts = [self.at(k) for k in range(len(hours))]
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
        file = self.folder / f"{len(hours)}-{FILE}"
        part = file.with_name(f"partial-{file.name}")
        adata.write_h5ad(part, compression="gzip", compression_opts=1)
        part.replace(file)
        return file

    def delete(self) -> None:
        """Take all of it off the disk."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _file(self, k: int) -> Path:
        return self.folder / f"{k}.npz"
