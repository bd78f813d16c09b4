"""Lines between cells: who touches whom, or who sends to whom what the other can hear."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from anndata import AnnData
from numpy.typing import NDArray

from twin.analysis.interactions import contact_scores
from twin.errors import InputError, UnknownNameError
from twin_viz.camera import Float

CONTACTS = "contacts"
MOST = 20_000  # lines that are drawn; our choice: with more nothing is seen but lines
CORE = 0.45  # of their radius, at which cells are drawn where lines are: these would be hidden in them


@dataclass(frozen=True)
class Links:
    """Lines between cells at one time.

    ends : (link, 2, 3) µm. strength : (link,) above 0; of contacts 1. left_out : weaker ones that are not drawn.
    """

    ends: Float
    strength: Float
    left_out: int = 0


def links_of(cells: AnnData, kind: str, stays: NDArray[np.bool_]) -> Links:
    """Return the lines of one kind between cells that are shown.

    Parameters
    ----------
    kind : "contacts", or "LIGAND:RECEPTOR" (of a complex "A+B"): the score of `twin.analysis.interactions`, the higher
        of the two directions; contacts that score 0 have no line.
    stays : (cell,) which are shown.

    Raises
    ------
    InputError
        If it is neither, or a gene is not there.
    """
    alive = np.asarray(cells.obs["alive"], dtype=np.bool_) if "alive" in cells.obs else np.ones(cells.n_obs, np.bool_)
    if kind == CONTACTS:
        found = sp.coo_array(cells.obsp["contacts"])
        scores = np.ones(found.nnz)
    else:
        ligand, receptor = pair_of(kind)
        try:
            found = contact_scores(cells, ligand, receptor)
        except UnknownNameError as error:
            raise InputError(f"links: {error}") from None
        scores = np.asarray(found.data, dtype=np.float64)
    low, high = np.minimum(found.row, found.col), np.maximum(found.row, found.col)
    shown = (scores > 0) & (low != high) & (stays & alive)[low] & (stays & alive)[high]
    low, high, scores = low[shown], high[shown], scores[shown]
    order = np.lexsort((-scores, high, low))  # of each two cells the stronger direction comes first
    low, high, scores = low[order], high[order], scores[order]
    first = np.ones(len(low), np.bool_)
    first[1:] = (low[1:] != low[:-1]) | (high[1:] != high[:-1])
    low, high, scores = low[first], high[first], scores[first]
    strongest = np.argsort(-scores, kind="stable")[:MOST]
    place = np.asarray(cells.obsm["spatial"], dtype=np.float64).reshape(cells.n_obs, 3)
    ends = np.stack([place[low[strongest]], place[high[strongest]]], axis=1)
    return Links(ends, scores[strongest], len(scores) - len(strongest))


def pair_of(kind: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the genes of ligand and receptor that "A:B+C" names.

    Raises
    ------
    InputError
        If it is spelt otherwise.
    """
    parts = [tuple(gene.strip() for gene in part.split("+")) for part in kind.split(":")]
    if len(parts) != 2 or not all(gene for part in parts for gene in part):
        raise InputError(
            f"links: {kind!r} is neither {CONTACTS!r} nor a ligand and its receptor, like CXCL10:CXCR3 or "
            "IFNB1:IFNAR1+IFNAR2"
        )
    return parts[0], parts[1]


def links_key(kind: str, found: Sequence[Links]) -> tuple[str, float]:
    """Return what the lines of a picture stand for, in words with their range, and the strength of the strongest."""
    words = "cells that touch" if kind == CONTACTS else f"{kind.replace(':', ' → ')}, product of counts per 10,000"
    strengths = np.concatenate([one.strength for one in found])
    if not len(strengths):
        return f"{words}: none", 1.0
    if kind != CONTACTS:
        words += f": {strengths.min():.3g} to {strengths.max():.3g}"
    left_out = sum(one.left_out for one in found)
    if left_out:
        words += f"; the strongest {len(strengths):,} of {len(strengths) + left_out:,}"
    return words, float(strengths.max())
