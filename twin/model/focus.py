"""A world model's network and knowledge for some contexts and genes."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from twin.model.knowledge import Knowledge
from twin.model.network import ASSAY_TABLES, LEAST_RATE, NOT_MEASURED, LatentNetwork

OF_GENES = ("code_in", "code_out", "context_in", "hurdle_bias", "value_bias", "log_theta")
OF_CONTEXTS = ("prior_mean", "prior_root", "log_gain", "depth_law")


def kept_genes(
    net: LatentNetwork, known: Knowledge, rows: Tensor, genes: Sequence[str] | None = None
) -> NDArray[np.intp]:
    """Return the places of some genes, or of those that some contexts measured; rows : (context,) index."""
    if genes is None:
        return np.flatnonzero((net.log_rate[rows] > LEAST_RATE).any(dim=0).numpy())
    place = {gene: i for i, gene in enumerate(known.genes)}
    return np.array([place[gene] for gene in genes], dtype=np.intp)


def narrowed_network(net: LatentNetwork, rows: Tensor, keep: NDArray[np.intp]) -> LatentNetwork:
    """Return the network of some contexts and genes; what is left out stays a share of the transcriptome.

    rows : (context,) index. keep : (gene,) index.
    """
    columns = torch.from_numpy(keep.astype(np.int64))
    assays, assay = torch.unique(net.assay[rows], return_inverse=True)
    sizes = {"n_genes": len(keep), "n_contexts": len(rows), "n_assays": len(assays)}
    small = LatentNetwork(net.config.model_copy(update=sizes))
    state = dict(net.state_dict())
    for key in OF_GENES:
        state[key] = state[key][columns]
    whole = torch.exp(net.log_rate[rows].double())
    kept = whole[:, columns].sum(dim=1)
    dropped = whole.sum(dim=1) - kept + torch.exp(net.log_rest[rows].double())
    state["log_rate"] = net.log_rate[rows][:, columns]
    state["log_rest"] = torch.log(dropped.clamp(min=1e-13)).clamp(min=NOT_MEASURED).float()
    for key in OF_CONTEXTS:
        state[key] = state[key][rows]
    state["assay"] = assay
    for key in ASSAY_TABLES:
        state[key] = state[key][assays][:, columns]
    small.load_state_dict(state, strict=False)
    return small


def narrowed(
    known: Knowledge, rows: NDArray[np.int64], keep: NDArray[np.intp], places: NDArray[np.uint64]
) -> Knowledge:
    """Return what is known of some contexts and genes.

    rows : (context,) index. keep : (gene,) index. places : (gene,) of those kept, by which their luck is keyed.
    """
    number = {int(old): new for new, old in enumerate(rows)}
    composition = known.composition[rows]
    return replace(
        known,
        genes=tuple(known.genes[i] for i in keep),
        contexts=tuple(known.contexts[int(r)] for r in rows),
        composition=composition / composition.sum() if composition.sum() > 0 else composition,
        families=tuple(f.moved(keep, number) for f in known.families),
        half_life=known.half_life[keep],
        places=places,
    )
