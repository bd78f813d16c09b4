"""Predict perturbed counts for a user's own cells: AnnData in, AnnData out."""

import anndata as ad
import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from twin.data.agents import to_nanomolar
from twin.data.counts import checked_counts, onto_axis
from twin.errors import InputError, UnknownNameError
from twin.kernels.random import Streams
from twin.model.contract import Condition, Perturbation, WorldModel
from twin.units import concentration

LEAST_NEW = 5  # cells that make a type the model does not know


def predict(
    model: WorldModel,
    adata: ad.AnnData,
    perturbation: str,
    dose: str | None = None,
    *,
    cell_type: str | None = None,
    seed: int = 0,
) -> ad.AnnData:
    """Return what these very cells would hold under a perturbation, as integer counts.

    A cell moves from the control law to the treated one along equal quantiles, gene by gene, so it stays itself; genes
    that the model does not know keep their counts.

    Parameters
    ----------
    adata : control cells, raw counts; not modified. `obs` has a cell type.
    perturbation : a name the model knows.
    dose : "100 U/mL", "10 ng/mL", "1 nM"; without it the trained dose.
    cell_type : the obs column of the cell type, where the convention does not find it. A type the model does not know
        gets its meaning from these cells.
    seed : of the draws.

    Returns
    -------
    A copy of `adata` with new counts in X; obs gains `twin_perturbation`, `twin_dose_nM` and
    `twin_support` (in [0, 1]; lower where the dose is above the trained one).

    Raises
    ------
    InputError
        If the perturbation or a unit is unknown, or the counts are not raw.
    """
    names = [p.name for p in model.perturbations]
    if perturbation not in names:
        raise UnknownNameError("perturbation of this model", perturbation, names)
    column = names.index(perturbation)
    data = checked_counts(adata, "the AnnData")
    counts, _ = onto_axis(data, model.genes)
    types = data.column("cell_type", cell_type)
    for name in sorted({str(t) for t in types} - set(model.contexts)):
        rows = np.flatnonzero(types == name)
        if len(rows) < LEAST_NEW:
            raise InputError(
                f"cell type {name!r} is not known to the model and has {len(rows)} cells here; {LEAST_NEW} are needed "
                f"to give it a meaning (known: {', '.join(model.contexts)})"
            )
        model = model.with_context(name, counts[rows])
    place = {name: i for i, name in enumerate(model.contexts)}
    n = data.n_cells
    nanomolar = _nanomolar(model.perturbations[column], dose)
    doses = np.zeros((n, len(names)))
    doses[:, column] = nanomolar
    condition = Condition(
        np.arange(n, dtype=np.uint64),
        np.array([place[str(t)] for t in types], dtype=np.intp),
        np.maximum(np.asarray(counts.sum(axis=1), dtype=np.float64).ravel(), 1.0),
        doses,
        np.full(doses.shape, np.nan),
        np.ones(n),
    )
    predicted = model.perturb(counts, condition, Streams(seed, 0, 0))
    result = adata.copy()
    result.X = sp.csr_matrix(_back(predicted, data.counts, data.genes, model.genes))
    result.obs["twin_perturbation"] = perturbation
    result.obs["twin_dose_nM"] = nanomolar
    result.obs["twin_support"] = model.support(condition)
    result.uns["twin"] = {"model": model.name, "fingerprint": model.fingerprint, "seed": seed}
    return result


def _nanomolar(perturbation: Perturbation, dose: str | None) -> float:
    if dose is None:
        return perturbation.reference if np.isfinite(perturbation.reference) else 1.0
    try:
        return to_nanomolar(perturbation.name, concentration(dose))
    except ValueError as error:
        raise InputError(f"dose: {error}") from error


def _back(
    predicted: sp.csr_array, own: sp.csr_array, own_genes: tuple[str, ...], genes: tuple[str, ...]
) -> sp.csr_array:
    """Return the prediction on the user's gene axis; genes that the model lacks keep their counts."""
    place = {gene: i for i, gene in enumerate(genes)}
    at: NDArray[np.intp] = np.array([place.get(gene, -1) for gene in own_genes], dtype=np.intp)
    known = np.flatnonzero(at >= 0)
    parts = [predicted[:, at[known]], own[:, np.flatnonzero(at < 0)]]
    joined = sp.hstack(parts, format="csc")
    back = np.argsort(np.concatenate([known, np.flatnonzero(at < 0)]))
    return sp.csr_array(joined[:, back]).astype(np.int32)
