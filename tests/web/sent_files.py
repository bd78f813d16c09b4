"""Files of cells as users, and those who mean no good, send them."""

import pickle
from pathlib import Path

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import scipy.sparse as sp

GENES = ("ISG15", "IFI6", "IFIT1", "MX1", "STAT1", "CD14", "LYZ", "S100A8", "IL7R", "CD3E", "ACTB", "MALAT1")
TYPES = ("CD14 Mono", "CD4 Naive T", "my own cells")


def cells(n: int = 60, seed: int = 3) -> ad.AnnData:
    """Return cells with raw counts of genes that the model knows, of three types, two of which it knows, in a plane."""
    rng = np.random.default_rng(seed)
    counts = sp.csr_matrix(rng.poisson(2.0, (n, len(GENES))).astype(np.float32))
    obs = pd.DataFrame(
        {"cell_type": pd.Categorical([TYPES[i % 3] for i in range(n)]), "donor": ["a", "b"] * (n // 2), "age": 1.5},
        index=[f"cell{i}" for i in range(n)],
    )
    made = ad.AnnData(counts, obs=obs, var=pd.DataFrame(index=list(GENES)))
    made.obsm["spatial"] = rng.uniform(0, 100, (n, 2))
    return made


def write(path: Path, made: ad.AnnData | None = None) -> Path:
    """Write a file of cells, as their owner does."""
    (cells() if made is None else made).write_h5ad(path)
    return path


def hostile(folder: Path) -> dict[str, tuple[Path, str]]:
    """Write files that mean no good, each with words of the sentence by which it is refused."""
    secret = folder / "secret.h5"
    with h5py.File(secret, "w") as file:
        file["values"] = np.arange(720.0)
    (folder / "secret.bin").write_bytes(bytes(5760))
    made: dict[str, tuple[Path, str]] = {}

    def spoilt(name: str, words: str) -> Path:
        made[name] = write(folder / f"{name}.h5ad"), words
        return made[name][0]

    with h5py.File(spoilt("external link", "external link"), "a") as file:
        del file["X"]
        file["X"] = h5py.ExternalLink(str(secret), "values")
    with h5py.File(spoilt("soft link", "soft link"), "a") as file:
        file["obsm/other"] = h5py.SoftLink("/X")
    with h5py.File(spoilt("external storage", "in another file"), "a") as file:
        del file["X"]
        outside = [(str(folder / "secret.bin"), 0, 5760)]
        file.create_dataset("X", (60, 12), np.float64, external=outside)
    with h5py.File(spoilt("virtual dataset", "virtual dataset"), "a") as file:
        layout = h5py.VirtualLayout((720,), np.float64)
        layout[:] = h5py.VirtualSource(str(secret), "values", (720,))
        file.create_virtual_dataset("layers/other", layout)
    with h5py.File(spoilt("bomb", "GB of memory"), "a") as file:  # some kB that unpack to 80 GB
        del file["X"]
        file.create_dataset("X", (60, 166_000_000), np.float64, chunks=(1, 1_000_000), compression="gzip")
    with h5py.File(spoilt("uns bomb", "GB of memory"), "a") as file:
        file.create_dataset("uns/big", (10**12,), np.float64, chunks=(10**6,), compression="gzip")
    with h5py.File(spoilt("shape that lies", "has the shape"), "a") as file:
        file["X"].attrs["shape"] = np.array([10**9, 10**9])
    with h5py.File(spoilt("indices beyond", "'indices' point beyond"), "a") as file:
        file["X/indices"][3] = 10**6
    with h5py.File(spoilt("negative indices", "'indices' point beyond"), "a") as file:
        file["X/indices"][3] = -5
    with h5py.File(spoilt("indptr falls", "'indptr' falls"), "a") as file:
        file["X/indptr"][5] = 10**4
    with h5py.File(spoilt("indptr ends", "do not belong together"), "a") as file:
        file["X/indptr"][60] = 10**6
    with h5py.File(spoilt("circle", "circle"), "a") as file:
        file["uns/round"] = file["uns"]
    with h5py.File(spoilt("deep", "groups deep"), "a") as file:
        file.create_group("uns/" + "/".join("abcdefghijklmnop"))
    with h5py.File(spoilt("references", "references"), "a") as file:
        file.create_dataset("uns/refs", (2,), h5py.ref_dtype)
    with h5py.File(spoilt("opaque", "opaque bytes"), "a") as file:
        file["uns/object"] = np.void(pickle.dumps({"a": 1}))
    with h5py.File(spoilt("varying", "varying length"), "a") as file:
        file.create_dataset("uns/lists", (2,), h5py.vlen_dtype(np.int32))
    with h5py.File(spoilt("many objects", "objects"), "a") as file:
        for i in range(20_001):
            file.create_group(f"uns/g{i}")
    with h5py.File(spoilt("no obs", "no 'obs'"), "a") as file:
        del file["obs"]
    normalised = cells()
    normalised.X = normalised.X / 3
    made["normalised"] = write(folder / "normalised.h5ad", normalised), "raw integer counts are needed"
    negative = cells()
    negative.X.data[7] = -4
    made["negative"] = write(folder / "negative.h5ad", negative), "negative values"
    foreign = cells()
    foreign.var_names = [f"gene{i}" for i in range(len(GENES))]
    made["foreign genes"] = write(folder / "foreign.h5ad", foreign), "shares no gene"
    nothing = cells()[:0].copy()
    made["no cells"] = write(folder / "nothing.h5ad", nothing), "no cells"
    whole = write(folder / "whole.h5ad").read_bytes()
    for name, text, words in (
        ("cut short", whole[: len(whole) // 2], "cannot be read"),
        ("flipped", whole[:600] + bytes(900) + whole[1500:], ""),
        ("pickle", pickle.dumps({"X": [1]}), "no HDF5 file"),
        ("text", b"gene,cell\n1,2\n", "no HDF5 file"),
        ("empty", b"", "is empty"),
    ):
        path = folder / f"{name}.h5ad"
        path.write_bytes(text)
        made[name] = path, words
    return made
