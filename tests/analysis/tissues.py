"""Constructed tissues whose contacts are known: cells on a square lattice, each touching its four neighbours."""

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp

from twin.kernels.contacts import contact_areas
from twin.kernels.neighbours import contact_graph

SPACING = 9.5  # µm, of cells of radius 5: they overlap


def lattice(types: np.ndarray, counts: np.ndarray | None = None, genes: tuple[str, ...] = ("g",)) -> ad.AnnData:
    """Return cells of these types, (row, column) of names, with contacts and areas as a run's cells have them."""
    rows, columns = types.shape
    x, y = np.meshgrid(np.arange(columns), np.arange(rows))
    position = SPACING * np.stack([x.ravel(), y.ravel(), np.zeros(x.size)], axis=1).astype(np.float64)
    radius = np.full(x.size, 5.0)
    contacts = contact_graph(position, radius)
    names = np.arange(x.size).astype(str).astype(object)
    data = np.ones((x.size, len(genes)), np.float32) if counts is None else counts.astype(np.float32)
    return ad.AnnData(
        sp.csr_matrix(data),
        obs=pd.DataFrame(
            {"id": np.arange(x.size), "cell_type": types.ravel(), "radius": radius, "alive": True}, index=names
        ),
        var=pd.DataFrame(index=list(genes)),
        obsm={"spatial": position},
        obsp={
            "contacts": sp.csr_matrix(contacts),
            "contact_area": sp.csr_matrix(contact_areas(position, radius, contacts)),
        },
    )


def board(n: int) -> np.ndarray:
    """Return a chess board of two types."""
    return np.where(np.add.outer(np.arange(n), np.arange(n)) % 2 == 0, "black", "white")


def halves(n: int) -> np.ndarray:
    """Return two types side by side."""
    return np.where(np.arange(n)[None, :] < n // 2, "black", "white").repeat(n, axis=0)
