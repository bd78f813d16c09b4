"""A world model's network with one more context: what control cells of a stranger say of it."""

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from twin.data.contexts import Context
from twin.model.condition import Counts
from twin.model.knowledge import Knowledge
from twin.model.network import DEPTH_QUANTILES, LEAST_RATE, NOT_MEASURED, LatentNetwork

BORROWED = 30.0  # cells' worth of covariance that a new context borrows from the known ones; our choice
BORROWED_COUNTS = 2_000.0  # counts that a new context borrows from the one most like it; our choice
LOWEST = 2e-9  # rate of a gene that a new context measured and never saw


def with_context(
    net: LatentNetwork, known: Knowledge, name: str, controls: Counts, n_cells: int
) -> tuple[LatentNetwork, Knowledge]:
    """Return network and knowledge with one more context, the last; its prior of z is the standard one.

    Its rates are the cells' own, with a little of those of the known context most like it, and its assay is that one's.

    Parameters
    ----------
    controls : (cell, gene) counts of its control cells. n_cells : how many cells the model was trained on.
    """
    totals = np.asarray(controls.sum(axis=1), dtype=np.float64).ravel()
    pooled = np.asarray(controls.sum(axis=0), dtype=np.float64).ravel()
    logs = net.log_rate.numpy().astype(np.float64)
    rates = np.where(logs > LEAST_RATE, np.exp(logs), 0.0)
    x, y = np.log1p(1e4 * pooled / max(pooled.sum(), 1.0)), np.log1p(1e4 * rates)
    alike = [np.corrcoef(x, row)[0, 1] if row.std() > 0 else -1.0 for row in y]
    closest = int(np.nanargmax(alike))
    nearest = rates[closest]
    rate = (pooled + BORROWED_COUNTS * nearest / nearest.sum()) / (pooled.sum() + BORROWED_COUNTS)
    larger = LatentNetwork(net.config.model_copy(update={"n_contexts": len(known.contexts) + 1}))
    state = dict(net.state_dict())
    logs = np.log(np.maximum(totals, 1.0))
    added = {
        "log_rate": np.where(rate > 0, np.log(np.maximum(rate, LOWEST)), NOT_MEASURED)[None],
        "log_rest": np.full(1, NOT_MEASURED),
        "log_gain": np.zeros(1),
        "depth_law": np.quantile(logs, np.linspace(0, 1, DEPTH_QUANTILES))[None],
        "prior_mean": np.zeros((1, net.config.latent)),
        "prior_root": np.eye(net.config.latent)[None],
    }
    for key, value in added.items():
        state[key] = torch.cat([net.get_buffer(key), torch.from_numpy(value).float()])
    state["assay"] = torch.cat([net.assay, net.assay[closest : closest + 1]])
    larger.load_state_dict(state, strict=False)
    share = len(totals) / max(n_cells, 1)
    context = Context(name, name, "", "", "", ())
    knowledge = replace(
        known,
        contexts=(*known.contexts, context),
        composition=np.append(known.composition, share) / (1 + share),
    )
    return larger, knowledge


def set_last_prior(net: LatentNetwork, encoded: NDArray[np.float32]) -> None:
    """Set the last context's prior of z to the moments of its control cells' encodings, in place.

    encoded : (cell, latent). Their covariance borrows a little from the other contexts.
    """
    z = torch.from_numpy(encoded)
    centred = z - z.mean(dim=0)
    borrowed = net.prior_root[:-1].mean(dim=0)
    covariance = (centred.T @ centred + BORROWED * borrowed @ borrowed.T) / (len(z) + BORROWED)
    net.prior_mean[-1] = z.mean(dim=0)
    net.prior_root[-1] = torch.linalg.cholesky(covariance + 1e-5 * torch.eye(z.shape[1]))
