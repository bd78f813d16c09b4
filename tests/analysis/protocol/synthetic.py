"""Small tasks with a known answer."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import scipy.sparse as sp

from twin.analysis.protocol.data import Cells
from twin.analysis.protocol.task import CONTROL, Float
from twin.analysis.scores import lognorm

GENES = 40
BASE = np.random.default_rng(7).gamma(2.0, 2.0, GENES)


def cells(groups: Sequence[Mapping[str, object]], rates: Sequence[Float], n: int = 60, seed: int = 0) -> Cells:
    """Return Poisson cells, n a group, of the groups' mean rates (gene,); all genes are scored.

    groups : obs values; context, donor and condition, dose, time where not given are "A", "d", control, NaN.
    """
    rng = np.random.default_rng(seed)
    counts = sp.csr_array(np.vstack([rng.poisson(rate, (n, GENES)) for rate in rates]).astype(np.int32))
    default = {"context": "A", "donor": "d", "condition": CONTROL, "dose": np.nan, "time": np.nan, "file": "x"}
    rows = [{**default, **group} for group in groups for _ in range(n)]
    obs = pd.DataFrame(rows, index=[f"c{i}" for i in range(len(rows))])
    totals = np.asarray(counts.sum(axis=1), dtype=np.float64).ravel()
    genes = tuple(f"G{j}" for j in range(GENES))
    logged = lognorm(counts).toarray().astype(np.float64)
    return Cells(counts, genes, totals, obs, np.arange(GENES, dtype=np.intp), logged)
