"""Which ligands and receptors speak across the contacts of a tissue, by pairs of cell types."""

from collections.abc import Iterable, Sequence

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import NDArray

from twin.data.interactions import Interaction
from twin.errors import InputError, UnknownNameError
from twin.kernels.random import Stream

Float = NDArray[np.float64]

PER = 10_000.0  # counts; rates are given per so many


def score_pairs(
    cells: ad.AnnData,
    interactions: Iterable[Interaction],
    rates: pd.DataFrame | None = None,
    key: str = "cell_type",
    *,
    shuffles: int = 200,
    seed: int = 0,
) -> pd.DataFrame:
    """Score each ligand and receptor over the contacts between each two cell types.

    The score is the mean over contacts of the sender's ligand × the receiver's receptor, both in counts per 10,000;
    of a complex the scarcest subunit counts. Its p-value is the share of shuffles of the types among the cells, the
    graph and the rates left as they are, that score at least as high: (1 + hits) / (1 + shuffles). It is not
    corrected for the number of pairs. O(shuffles × contacts × interactions).

    Parameters
    ----------
    cells : `Run.cells()`, one kept time.
    interactions : those of which a gene is not measured are left out; one that binds both ways is scored both ways.
    rates : (cell, gene), the world model's expected rates, rows as `cells`; without it the cells' counts per 10,000.
    key : obs column of the types.

    Returns
    -------
    A row for each interaction, sender and receiver that touch: interaction, sender, receiver, contacts, score, p_value,
    the highest score first.

    Raises
    ------
    InputError
        If the genes of no interaction are measured, or `rates` are those of other cells.

    Source
    ------
    After Efremova et al., CellPhoneDB, Nature Protocols 15 (2020): means and label permutations; here over contacts.
    """
    pairs = list(interactions)
    pairs += [_turned(one) for one in pairs if not one.is_directed]
    genes = [str(gene) for gene in (cells.var_names if rates is None else rates.columns)]
    place = {gene: i for i, gene in enumerate(genes)}
    pairs = [one for one in dict.fromkeys(pairs) if all(gene in place for gene in (*one.ligand, *one.receptor))]
    if not pairs:
        raise InputError(f"the genes of no interaction are among the {len(genes):,} genes of the cells")
    used = sorted({gene for one in pairs for gene in (*one.ligand, *one.receptor)})
    level = dict(zip(used, _levels(cells, rates, [place[gene] for gene in used]).T, strict=True))
    shown = np.stack([np.min([level[g] for g in one.ligand], axis=0) for one in pairs], axis=1)  # (cell, pair)
    heard = np.stack([np.min([level[g] for g in one.receptor], axis=0) for one in pairs], axis=1)
    graph = cells.obsp["contacts"].tocoo()
    names, code = np.unique(cells.obs[key].astype(str).to_numpy(dtype=object).astype(str), return_inverse=True)
    product = shown[graph.row] * heard[graph.col]  # (contact, pair)
    observed, contacts = _means(product, code[graph.row], code[graph.col], len(names))
    hits = np.zeros_like(observed)
    rows = np.arange(cells.n_obs, dtype=np.uint64)
    for shuffle in range(shuffles):
        mixed = code[np.argsort(Stream(seed).bits(rows, np.array([shuffle], np.uint64)), kind="stable")]
        by_chance, _ = _means(product, mixed[graph.row], mixed[graph.col], len(names))
        hits += np.nan_to_num(by_chance) >= observed * (1 - 1e-12)
    group, pair = np.nonzero(np.broadcast_to(contacts[:, None] > 0, observed.shape))
    table = pd.DataFrame(
        {
            "interaction": np.array([one.name for one in pairs], dtype=object)[pair],
            "sender": names[group // len(names)],
            "receiver": names[group % len(names)],
            "contacts": contacts[group].astype(np.int64),
            "score": observed[group, pair],
            "p_value": (1.0 + hits[group, pair]) / (1.0 + shuffles),
        }
    )
    return table.sort_values("score", ascending=False, kind="stable", ignore_index=True)


def contact_scores(cells: ad.AnnData, ligand: Sequence[str], receptor: Sequence[str]) -> sp.coo_array:
    """Return the sender's ligand × the receiver's receptor of every contact, (cell, cell) from sender to receiver.

    As in `score_pairs`, both in counts per 10,000, and of a complex of genes the scarcest counts.

    Raises
    ------
    UnknownNameError
        If one of the genes is not there.
    """
    names = [str(gene) for gene in cells.var_names]
    for gene in (*ligand, *receptor):
        if gene not in names:
            raise UnknownNameError("gene", gene, names)
    shown, heard = (_levels(cells, None, [names.index(g) for g in genes]).min(axis=1) for genes in (ligand, receptor))
    graph = cells.obsp["contacts"].tocoo()
    return sp.coo_array((shown[graph.row] * heard[graph.col], (graph.row, graph.col)), shape=graph.shape)


def _turned(one: Interaction) -> Interaction:
    return Interaction(one.receptor, one.ligand, one.direction, one.classification, one.evidence)


def _levels(cells: ad.AnnData, rates: pd.DataFrame | None, columns: Sequence[int]) -> Float:
    """Return rates of some genes, (cell, gene), counts per 10,000."""
    if rates is not None:
        if len(rates) != cells.n_obs or [str(i) for i in rates.index] != [str(i) for i in cells.obs_names]:
            raise InputError(f"rates are those of {len(rates)} other cells: give a row for each of {cells.n_obs} cells")
        return rates.to_numpy(dtype=np.float64)[:, list(columns)]
    counts = sp.csr_array(cells.X)
    total = np.maximum(np.asarray(counts.sum(axis=1), dtype=np.float64).ravel(), 1.0)
    return np.asarray(counts[:, list(columns)].toarray() * (PER / total)[:, None], dtype=np.float64)


def _means(product: Float, sender: NDArray[np.intp], receiver: NDArray[np.intp], n: int) -> tuple[Float, Float]:
    """Return the mean of products over the contacts of each two types, (sender × receiver, pair), and their number."""
    group = sender * n + receiver
    number = np.bincount(group, minlength=n * n).astype(np.float64)
    adding = sp.csr_array((np.ones(len(group)), (group, np.arange(len(group)))), shape=(n * n, len(group)))
    total = np.asarray(adding @ product, dtype=np.float64)
    return np.divide(total, number[:, None], out=np.full_like(total, np.nan), where=number[:, None] > 0), number
