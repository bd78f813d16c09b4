"""A population of cells from nothing, as AnnData."""

from collections.abc import Sequence

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp

from twin.errors import InputError, UnknownNameError
from twin.kernels.random import Streams
from twin.model.condition import Condition
from twin.model.contract import WorldModel
from twin.model.prediction import doses_of


def draw(
    model: WorldModel,
    n: int,
    *,
    contexts: Sequence[str] | None = None,
    perturbation: str | None = None,
    dose: str | None = None,
    depth: float | None = None,
    steps: int = 1,
    guidance: float = 0.0,
    seed: int = 0,
) -> ad.AnnData:
    """Return n cells drawn from a world model.

    Parameters
    ----------
    contexts : cell types, in equal shares; None: the model's own composition.
    perturbation : a name the model knows, or several joined by "+"; None: control cells.
    dose : "100 U/mL"; None: the highest measured one.
    depth : library size of all cells; None: from the law of each context.
    steps : rounds in which genes are drawn. guidance : w, effects are scaled by 1 + w.

    Returns
    -------
    An AnnData of integer counts on the genes that these contexts measured; obs has cell_type, condition, total_counts
    and twin_support, obsm the latent `X_twin`.

    Raises
    ------
    InputError
        If a context, perturbation or dose is not known.
    """
    if n < 1:
        raise InputError(f"n is {n}; at least one cell is needed")
    for name in contexts or ():
        if name not in model.contexts:
            raise UnknownNameError("context of this model", name, model.contexts)
    shares = model.composition if contexts is None else np.ones(len(contexts))
    wanted = list(model.contexts) if contexts is None else list(contexts)
    wanted, shares = [c for c, s in zip(wanted, shares, strict=True) if s > 0], shares[shares > 0]
    model = model.focused(wanted)
    ids, streams = np.arange(n, dtype=np.uint64), Streams(seed, 0, 0)
    u = streams.stream("context").uniform(ids, 1)[:, 0]
    pick = np.minimum(np.searchsorted(np.cumsum(shares / shares.sum()), u, side="right"), len(wanted) - 1)
    context = np.array([model.contexts.index(wanted[i]) for i in pick], dtype=np.intp)
    doses = np.zeros((n, len(model.perturbations)))
    if perturbation is not None:
        names = [name.strip() for name in perturbation.split("+")]
        for name in names:
            if name not in [p.name for p in model.perturbations]:
                raise UnknownNameError("perturbation of this model", name, [p.name for p in model.perturbations])
        doses = doses_of(model.perturbations, names, dose, n)
    sizes = model.depths(context, ids, streams) if depth is None else np.full(n, float(depth))
    asked = Condition(ids, context, sizes, doses, np.full(doses.shape, np.nan), np.ones(n))
    counts, z = model.sample(asked, streams, steps=steps, guidance=guidance)
    obs = pd.DataFrame(
        {
            "cell_type": pd.Categorical([wanted[i] for i in pick]),
            "condition": pd.Categorical([perturbation or "control"] * n),
            "total_counts": np.asarray(counts.sum(axis=1)).ravel(),
            "twin_support": model.support(asked),
        },
        index=[f"cell{i}" for i in range(n)],
    )
    cells = ad.AnnData(sp.csr_matrix(counts), obs=obs, var=pd.DataFrame(index=list(model.genes)))
    if z.shape[1]:
        cells.obsm["X_twin"] = z
    cells.uns["twin"] = {"model": model.name, "fingerprint": model.fingerprint, "seed": seed}
    return cells
