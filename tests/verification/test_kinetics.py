"""The shipped model on its own genes: the response follows the half-life law whatever the tick."""

import numpy as np
import pytest

from twin.kernels.random import Streams
from twin.model.contract import HALF_LIFE, Condition
from twin.model.files import embedded

ISGS = ("ISG15", "IFI6", "ISG20", "IFIT1", "IFIT2", "IFIT3", "MX1", "LY6E", "TNFSF10", "OAS1")


@pytest.mark.slow
@pytest.mark.parametrize("step", [0.25, 1.0, 6.0])
def test_interferon_genes_follow_the_half_life_law(step: float) -> None:
    """Counts of the module, control to full dose: 1 − 2^(−κ t / t½) within 10 % at every tick up to 6 h."""
    model = embedded().focused(["CD14 Mono"], perturbations=["IFNB1"])
    n, genes = 2_000, [model.genes.index(g) for g in ISGS]
    ids = np.arange(n, dtype=np.uint64)
    context = np.full(n, model.contexts.index("CD14 Mono"))
    depth = model.depths(context, ids, Streams(0, 0, 0))

    def at(dose: float) -> Condition:
        return Condition(ids, context, depth, np.full((n, 1), dose), np.full((n, 1), np.nan), np.ones(n))

    counts, z = model.sample(at(0.0), Streams(0, 0, 0))
    exposed = at(model.perturbations[0].reference)
    low = counts[:, genes].sum()
    high = np.mean(
        [model.transition(counts, z, exposed, 1e9, 1.0, Streams(0, 0, 900 + k))[0][:, genes].sum() for k in range(3)]
    )
    kappa = model.kappa()
    for tick in range(round(6.0 / step)):
        counts, z = model.transition(counts, z, exposed, step, kappa, Streams(0, 0, tick + 1))
        law = 1 - 2 ** (-kappa * (tick + 1) * step / HALF_LIFE)
        assert (counts[:, genes].sum() - low) / (high - low) == pytest.approx(law, rel=0.1)
