"""Uploaded cells are checked here, in a process with limits, and rewritten: nothing else ever opens what was sent.

What is kept is a copy of ours: raw counts, the columns of the cells, their places. What else the file holds (graphs,
embeddings, results of other programs) is not read at all.
"""

import resource
from pathlib import Path
from typing import Any

import anndata as ad
import h5py
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from twin.data.columns import find_column
from twin.data.coordinates import nearest
from twin.data.counts import checked_genes
from twin.errors import InputError
from twin_web.runs.child import child, tell
from twin_web.runs.matrix import counts_in, write_counts, write_rest
from twin_web.runs.structure import check_structure

TIME, FILES = 300, 64  # s of CPU, open files; our choice
ROOM = 2 * 2**30  # bytes of one array of the file; our choice, so that a few of them fit
MOST_CELLS, MOST_GENES = 500_000, 200_000  # our choice
MOST_TYPES = 300  # different words of a column that may name types; our choice
LONGEST = 120  # letters of a name
SYMBOLS = ("feature_name", "gene_symbols", "gene_symbol", "gene_name", "gene_names", "symbol", "name")  # columns of var
FEW = 0.05  # of the genes of the file: if the model has fewer, their owner is told; our choice
SAMPLE = 20_000  # cells whose distance is looked at; our choice

# What h5py, anndata and pandas raise over a file that makes no sense.
_BROKEN = (ArithmeticError, AttributeError, EOFError, LookupError, OSError, RuntimeError, TypeError, ValueError)


def main(document: dict[str, Any]) -> None:
    """Take on the limits, then `accept`."""
    for what, most in (
        (resource.RLIMIT_AS, int(document["memory"])),
        (resource.RLIMIT_CPU, TIME),
        (resource.RLIMIT_NOFILE, FILES),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, int(document["room"])),
    ):
        resource.setrlimit(what, (most, most))
    accept(document)


def accept(document: dict[str, Any]) -> None:
    """Check the file "file", called "name", against "genes" and "contexts", write the copy "out", tell what is in it.

    Raises
    ------
    InputError
        With what is wrong with it.
    """
    name = str(document["name"])
    try:
        with h5py.File(document["file"], "r") as file:
            tell("step", step="structure")
            check_structure(file, name, ROOM)
            tell("accepted", **_accepted(file, name, document))
    except MemoryError:
        much = f"{document['memory'] / 2**30:.3g} GB"
        raise InputError(f"{name} needs more than {much} of memory to be read: take fewer cells") from None
    except _BROKEN as error:
        reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise InputError(
            f"{name} cannot be read as AnnData ({reason}); is it cut short or of another format?"
        ) from None


def _accepted(file: h5py.File, name: str, document: dict[str, Any]) -> dict[str, Any]:
    for part in ("obs", "var"):
        if not isinstance(file.get(part), h5py.Group):
            raise InputError(
                f"{name} has no '{part}' as anndata has it since 0.7: read it with anndata.read_h5ad and write it anew"
            )
    tell("step", step="columns")
    obs, var = ad.io.read_elem(file["obs"]), ad.io.read_elem(file["var"])
    n, m = len(obs), len(var)
    if n > MOST_CELLS or m > MOST_GENES:
        raise InputError(f"{name} has {n:,} cells and {m:,} genes; up to {MOST_CELLS:,} and {MOST_GENES:,} are taken")
    genes, told = _genes(var, set(document["genes"]), name, n)
    tell("step", step="counts")
    where, matrix = counts_in(file, n, m, name)
    spatial = _places(file, n)
    tell("step", step="writing")
    columns = _columns(obs)
    kept = _kept(obs)
    with h5py.File(Path(document["out"]), "w") as out:
        entries = write_counts(matrix, n, m, f"{name}: {where}", out.create_group("X"))
        write_rest(out, kept, pd.DataFrame(index=pd.Index(genes, name="gene")), spatial)
    if not entries:
        raise InputError(f"{name}: every count is 0")
    shared = len(set(genes) & set(document["genes"]))
    if shared < FEW * m:
        told.append(f"the model has only {shared:,} of the {m:,} genes of this file: is it of another species?")
    column = find_column(obs, "cell_type", None, name)
    return {
        "cells": n,
        "genes": m,
        "shared": shared,
        "columns": [{"name": key, "types": types} for key, types in columns.items()],
        "types_column": column if column in columns else None,
        "known": sorted({t for types in columns.values() for t in types} & set(document["contexts"])),
        "spatial": spatial is not None,
        "apart": _apart(spatial),
        "counts_from": where,
        "told": told,
    }


def _genes(var: pd.DataFrame, axis: set[str], name: str, n: int) -> tuple[tuple[str, ...], list[str]]:
    """Return the gene axis, the index of `var` or the column that the model knows best, and what is to be told."""
    told: list[str] = []
    chosen = var.index.astype(str)
    for column in SYMBOLS:
        if column in var and len(axis & set(var[column].astype(str))) > len(axis & set(chosen)):
            first = ~var[column].astype(str).duplicated()
            chosen = pd.Index(np.where(first, var[column].astype(str), var.index.astype(str)))
            told = [f"genes are called by var['{column}']"]
            if not first.all():
                told[0] += f"; of {int((~first).sum()):,} names that stand twice the first is taken"
    genes = tuple(gene[:LONGEST] for gene in checked_genes(n, chosen, name))
    if not axis & set(genes):
        alike = [gene.upper() for gene in genes if gene.upper() in axis]
        some = ", ".join((alike or sorted(gene for gene in axis if gene.isalpha()))[:3])
        raise InputError(
            f"{name} shares no gene with the model: its genes are {', '.join(genes[:3])}, …; the model's are symbols, "
            f"like {some}"
        )
    return genes, told


def _columns(obs: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Return the columns that may name types: of words, and not of too many."""
    found = {}
    for key in _fitting(obs):
        if obs[key].dtype.kind in "fiu":
            continue
        words = _words(obs[key]).value_counts()
        if len(words) <= MOST_TYPES:
            found[key] = {str(word): int(many) for word, many in words.items()}
    return found


def _kept(obs: pd.DataFrame) -> pd.DataFrame:
    """Return the columns of numbers and words; names of cells that stand twice get a number."""
    index = pd.Index([str(name)[:LONGEST] for name in obs.index])
    if index.has_duplicates:
        index = pd.Index([f"{name}-{i}" for i, name in enumerate(index)])
    kept = {}
    for key in _fitting(obs):
        values = obs[key]
        kept[key] = _numbers(values) if values.dtype.kind in "fiu" else pd.Categorical(_words(values))
    return pd.DataFrame(kept, index=index)


def _fitting(obs: pd.DataFrame) -> list[str]:
    """Return the columns whose names and values can be kept."""
    names = [c for c in obs.columns if isinstance(c, str) and c.isprintable() and 0 < len(c) <= LONGEST]
    return [c for c in dict.fromkeys(names) if "/" not in c and c != "_index" and obs[c].ndim == 1]


def _numbers(values: "pd.Series[Any]") -> NDArray[Any]:
    if isinstance(values.dtype, np.dtype):
        return values.to_numpy()
    return values.to_numpy(np.float64, na_value=np.nan)  # pandas' own numbers, which may be missing


def _words(values: "pd.Series[Any]") -> "pd.Series[str]":
    return values.astype(object).where(values.notna(), "unknown").astype(str).str.slice(0, LONGEST)


def _places(file: h5py.File, n: int) -> NDArray[np.float64] | None:
    """Return the places of the cells, (cell, 2 or 3), where the file has them and all are there."""
    found = file.get("obsm/spatial")
    if not isinstance(found, h5py.Dataset) or found.dtype.kind not in "iuf":
        return None
    if found.ndim != 2 or found.shape[0] != n or found.shape[1] not in (2, 3):
        return None
    places = np.asarray(found[:], np.float64)
    return places if np.isfinite(places).all() else None


def _apart(spatial: NDArray[np.float64] | None) -> float | None:
    """Return the median distance of neighbours, in the file's unit; None where it says nothing."""
    if spatial is None:
        return None
    some = spatial if len(spatial) <= SAMPLE else spatial[np.lexsort(spatial.T)][:SAMPLE]
    away = nearest(some, np.zeros(len(some), np.intp))
    away = away[np.isfinite(away) & (away > 0)]
    return float(np.median(away)) if len(away) else None


if __name__ == "__main__":
    child(main)
