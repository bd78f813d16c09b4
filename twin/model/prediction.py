"""Predict perturbed counts for a user's own cells: AnnData in, AnnData out."""

from typing import Protocol

import anndata as ad
import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from twin.data.agents import to_nanomolar
from twin.data.counts import CountData, checked_counts, is_control, onto_axis
from twin.errors import InputError, UnknownNameError
from twin.kernels.random import Streams
from twin.model.condition import Condition, Counts, Float, Perturbation
from twin.units import concentration

LEAST_NEW = 5  # cells that make a type the model does not know


class Predictor(Protocol):
    """What `predict` needs of a world model."""

    name: str
    genes: tuple[str, ...]
    contexts: tuple[str, ...]
    perturbations: tuple[Perturbation, ...]

    @property
    def fingerprint(self) -> str:
        """A hash of what decides the answers."""

    def perturb(self, counts: Counts, condition: Condition, streams: Streams) -> Counts:
        """Return these very cells under a condition."""

    def support(self, condition: Condition) -> Float:
        """Return how much of what is asked was seen, (cell,)."""

    def with_context(self, name: str, controls: Counts) -> "Predictor":
        """Return a model that also knows these cells."""


def predict(
    model: Predictor,
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
    An AnnData with the cells' obs, var and places, and new counts in X (what else `adata` held was computed from the
    old counts, and stays behind); obs gains `twin_perturbation`, `twin_dose_nM` and
    `twin_support` (in [0, 1]; lower where the dose is above the trained one).

    Raises
    ------
    InputError
        If the perturbation or a unit is unknown, the counts are not raw, or treated cells are among them.
    """
    names = [p.name for p in model.perturbations]
    if perturbation not in names:
        raise UnknownNameError("perturbation of this model", perturbation, names)
    column = names.index(perturbation)
    data = checked_counts(adata, "the AnnData")
    _refuse_treated(data)
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
    result = ad.AnnData(
        sp.csr_matrix(_back(predicted, data.counts, data.genes, model.genes)),
        obs=adata.obs.copy(),
        var=adata.var.copy(),
        obsm={key: np.array(value) for key, value in adata.obsm.items() if key == "spatial"},
    )
    result.obs["twin_perturbation"] = perturbation
    result.obs["twin_dose_nM"] = nanomolar
    result.obs["twin_support"] = model.support(condition)
    result.uns["twin"] = {"model": model.name, "fingerprint": model.fingerprint, "seed": seed}
    return result


def _refuse_treated(data: CountData) -> None:
    """Refuse cells that say of themselves that they are treated: a prediction starts from controls."""
    if data.find_column("condition") is None:
        return
    control = is_control(data.column("condition"))
    if control.any() and not control.all():
        column = data.find_column("condition")
        raise InputError(
            f"{int((~control).sum())} of the {data.n_cells} cells are no controls by obs[{column!r}]: "
            "keep the controls, a prediction starts from them"
        )


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
