"""A network's measured tables in a file: only where something was measured."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from twin.model.network import ASSAY_TABLES, LEAST_RATE, NOT_MEASURED

PACKED = ("log_rate", *ASSAY_TABLES)


def packed_tables(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Take the measured tables out of a network's state, and return them as the tensors of a file.

    Of the rates the measured ones alone: contexts that measured the same genes share one list of them. Of an assay's
    tables those of the genes that one of its contexts measured.
    """
    log_rate = state.pop("log_rate")
    known = (log_rate > LEAST_RATE).numpy()
    masks, which = np.unique(np.packbits(known, axis=1), axis=0, return_inverse=True)
    tensors = {
        "rates.measured": torch.from_numpy(masks),
        "rates.which": torch.from_numpy(which.ravel().astype(np.int32)),
        "rates.value": log_rate[torch.from_numpy(known)].half(),
    }
    assay = tensors["net.assay"] = state.pop("assay").int()
    there = torch.from_numpy(_any_of(known, assay, len(state[ASSAY_TABLES[0]])))
    return tensors | {name: state.pop(name)[there].half() for name in ASSAY_TABLES}


def unpacked_tables(tensors: dict[str, Tensor], n_genes: int, n_assays: int) -> dict[str, Tensor]:
    """Return the measured tables of a file as parts of a network's state."""
    known = torch.from_numpy(_contexts_measure(tensors, n_genes))
    log_rate = torch.full(known.shape, NOT_MEASURED)
    log_rate[known] = tensors["rates.value"].float()
    there = torch.from_numpy(assays_measure(tensors, tensors["net.assay"], n_genes, n_assays))
    out = {"log_rate": log_rate}
    for name in ASSAY_TABLES:
        out[name] = torch.zeros(there.shape)
        out[name][there] = tensors[name].float()
    return out


def assays_measure(tensors: dict[str, Tensor], assay: Tensor, n_genes: int, n_assays: int) -> NDArray[np.bool_]:
    """Return which genes each assay's contexts measured, (assay, gene); assay : (context,)."""
    return _any_of(_contexts_measure(tensors, n_genes), assay, n_assays)


def _contexts_measure(tensors: dict[str, Tensor], n_genes: int) -> NDArray[np.bool_]:
    masks = np.unpackbits(tensors["rates.measured"].numpy(), axis=1)[:, :n_genes].astype(np.bool_)
    return np.asarray(masks[tensors["rates.which"].numpy()])


def _any_of(known: NDArray[np.bool_], assay: Tensor, n_assays: int) -> NDArray[np.bool_]:
    out = np.zeros((n_assays, known.shape[1]), np.bool_)
    for row, a in zip(known, assay.tolist(), strict=True):
        out[int(a)] |= row
    return out
