"""Predict perturbed counts for a user's own cells: AnnData in, AnnData out."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, Protocol

import anndata as ad
import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from twin.data.columns import Columns
from twin.data.counts import CountData, checked_counts, is_control, onto_axis
from twin.data.substances import to_nanomolar
from twin.errors import InputError, UnknownNameError
from twin.kernels.random import Streams
from twin.model.condition import Condition, Counts, Float, Perturbation, clamp_of
from twin.model.likeness import Features
from twin.units import concentration, quantity

LEAST_NEW = 5  # cells that make a type the model does not know
LEAST_GENES = 1  # of the cells' genes on the model's axis

Output = Literal["cells", "population"]


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

    def sample(
        self, condition: Condition, streams: Streams, *, steps: int = 1, guidance: float = 0.0
    ) -> tuple[Counts, NDArray[np.float32]]:
        """Draw cells from nothing."""

    def support(self, condition: Condition) -> Float:
        """Return how much of what is asked was seen, (cell,)."""

    def with_context(self, name: str, controls: Counts) -> Any:
        """Return a model that also knows these cells."""

    def focused(self, contexts: Sequence[str] | None = None, genes: Sequence[str] | None = None) -> Any:
        """Return the model on some genes."""


def predict(
    model: Predictor,
    adata: ad.AnnData,
    perturbation: str,
    dose: str | None = None,
    *,
    time: str | None = None,
    cell_type: str | None = None,
    output: Output = "cells",
    steps: int = 1,
    guidance: float = 0.0,
    clamp: Mapping[str, float] | None = None,
    features: Features | None = None,
    seed: int = 0,
) -> ad.AnnData:
    """Return what these very cells would hold under a perturbation, as integer counts.

    Parameters
    ----------
    adata : control cells, raw counts; not modified. `obs` has a cell type.
    perturbation : a name the model knows, or several joined by "+". With `features`, also a gene never perturbed.
    dose : "100 U/mL", "10 ng/mL", "1 nM", joined by "+" for several; without it the highest measured one.
    time : since exposure, "6 h"; without it the last measured one.
    cell_type : the obs column of the cell type, where the convention does not find it. A type the model does not know
        gets its meaning from these cells.
    output : "cells": each cell moves from the control law to the treated one along equal quantiles, gene by gene, so
        it stays itself, and a gene without an effect keeps its count. "population": as many new cells are drawn, of
        the same types and library sizes.
    steps : rounds in which a population is drawn; genes of a later round see those of the earlier ones.
    guidance : w; every effect is scaled by 1 + w.
    clamp : known effects: factor by gene on its expression, 0 = gone; a knocked-out gene say {"STAT1": 0}.
    features : vectors of prior knowledge (`twin.model.features.read_features`).
    seed : of the draws.

    Returns
    -------
    An AnnData with the cells' obs, var and places, and new counts in X (what else `adata` held was computed from the
    old counts, and stays behind); obs gains `twin_perturbation`, `twin_dose_nM` and `twin_support` (in [0, 1]; lower
    where less like what is asked was measured, and where the dose is above the measured ones). Genes that the model
    does not know keep their counts.

    Raises
    ------
    InputError
        If the perturbation, a gene or a unit is unknown, the counts are not raw, or treated cells are among them.
    """
    if features is not None and hasattr(model, "with_features"):
        model = model.with_features(features)
    names = [name.strip() for name in perturbation.split("+")]
    for name in names:
        known = [p.name for p in model.perturbations]
        if name not in known:
            extended = model.with_perturbation(name) if hasattr(model, "with_perturbation") else None
            if extended is None:
                raise UnknownNameError("perturbation of this model", name, known)
            model = extended
    data = checked_counts(adata, "the AnnData")
    _refuse_treated(data)
    shared = set(model.genes) & set(data.genes)
    if len(shared) < LEAST_GENES:
        onto_axis(data, model.genes)  # says that nothing is shared
    model = model.focused(genes=[gene for gene in model.genes if gene in shared])
    counts, _ = onto_axis(data, model.genes)
    types = data.column("cell_type", Columns(cell_type=cell_type).cell_type)
    model, place = _with_types(model, counts, types)
    doses = doses_of(model.perturbations, names, dose, data.n_cells)
    hours = float("nan") if time is None else _hours(time)
    condition = Condition(
        np.arange(data.n_cells, dtype=np.uint64),
        place,
        np.maximum(np.asarray(counts.sum(axis=1), dtype=np.float64).ravel(), 1.0),
        doses,
        np.where(doses > 0, hours, np.nan),
        np.ones(data.n_cells),
        clamp_of(clamp, model.genes, data.n_cells),
    )
    streams = Streams(seed, 0, 0)
    if output == "population":
        predicted, _ = model.sample(condition, streams, steps=steps, guidance=guidance)
    else:
        predicted = model.perturb(counts, _guided(condition, guidance), streams)
    result = ad.AnnData(
        sp.csr_matrix(_back(predicted, data.counts, data.genes, model.genes)),
        obs=adata.obs.copy(),
        var=adata.var.copy(),
        obsm={key: np.array(value) for key, value in adata.obsm.items() if key == "spatial"},
    )
    result.obs["twin_perturbation"] = perturbation
    given = doses[:, doses.any(axis=0)]
    result.obs["twin_dose_nM"] = (
        given[:, 0] if given.shape[1] == 1 else [" + ".join(f"{d:g}" for d in g) for g in given]
    )
    result.obs["twin_support"] = model.support(condition)
    result.uns["twin"] = {"model": model.name, "fingerprint": model.fingerprint, "seed": seed}
    return result


def _with_types(model: Predictor, counts: Counts, types: NDArray[np.str_]) -> tuple[Predictor, NDArray[np.intp]]:
    """Return a model that knows all of the cells' types, and the context of each cell."""
    for name in sorted({str(t) for t in types} - set(model.contexts)):
        rows = np.flatnonzero(types == name)
        if len(rows) < LEAST_NEW:
            raise InputError(
                f"cell type {name!r} is not known to the model and has {len(rows)} cells here; {LEAST_NEW} are needed "
                f"to give it a meaning (known: {_some(model.contexts)})"
            )
        model = model.with_context(name, counts[rows])
    place = {name: i for i, name in enumerate(model.contexts)}
    return model, np.array([place[str(t)] for t in types], dtype=np.intp)


def _some(names: Sequence[str], most: int = 12) -> str:
    return ", ".join(names[:most]) + (f", … ({len(names)} in all)" if len(names) > most else "")


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


def doses_of(perturbations: Sequence[Perturbation], names: Sequence[str], dose: str | None, n: int) -> Float:
    """Return the doses, (cell, perturbation) nM."""
    texts = [None] * len(names) if dose is None else [text.strip() for text in dose.split("+")]
    if len(texts) == 1 and len(names) > 1:
        texts = texts * len(names)
    if len(texts) != len(names):
        raise InputError(f"dose: {len(texts)} doses for {len(names)} perturbations; give one for each, joined by +")
    out = np.zeros((n, len(perturbations)))
    place = {p.name: i for i, p in enumerate(perturbations)}
    for name, text in zip(names, texts, strict=True):
        known = perturbations[place[name]]
        if text is None:
            out[:, place[name]] = known.reference if np.isfinite(known.reference) else 1.0
            continue
        try:
            out[:, place[name]] = to_nanomolar(name, concentration(text))
        except ValueError as error:
            raise InputError(f"dose: {error}") from error
    return out


def _hours(time: str) -> float:
    try:
        return quantity(time, "hour", "a time", "6 h")
    except ValueError as error:
        raise InputError(f"time: {error}") from error


def _guided(condition: Condition, guidance: float) -> Condition:
    return replace(condition, guidance=guidance) if guidance else condition


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
