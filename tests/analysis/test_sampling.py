"""Our model as a generator of populations."""

import numpy as np
import pandas as pd
import scipy.sparse as sp

from tests.model.synthetic import PROGRAMME, synthetic_experiment
from twin.analysis.protocol.bases import Bases
from twin.analysis.protocol.generation import GenerationTask
from twin.analysis.sampling import Sampler
from twin.data.experiment import Experiment
from twin.model.masked import MaskedDiffusion


class OneBase(Bases):
    """Bases that know one trained network."""

    def __init__(self, model: MaskedDiffusion) -> None:
        super().__init__()
        self.model = model

    def base(self, *_: object) -> MaskedDiffusion:
        """Return it whatever the cells."""
        return self.model


def task_of(data: Experiment, n: int) -> GenerationTask:
    control = np.flatnonzero(data.arm < 0)
    types = [data.contexts[c].name for c in data.context[control]]
    obs = pd.DataFrame({"cell_type": types})
    return GenerationTask("toy", "Toy", sp.csr_array(data.counts[control]), data.genes, obs, n, 0)


def programme(cells: sp.csr_array) -> np.ndarray:
    """Return the share of counts in the genes that vary together."""
    dense = cells.toarray()
    return np.asarray(dense[:, PROGRAMME].sum(axis=1) / dense.sum(axis=1))


def test_around_training_cells_each_has_the_size_and_the_state_of_one_and_from_nothing_it_has_not(
    small_model: MaskedDiffusion,
) -> None:
    task = task_of(synthetic_experiment(600, seed=9), 250)
    chosen = np.random.default_rng(0).integers(task.training.shape[0], size=task.n)
    like = task.training[chosen]
    around, fresh = (Sampler(OneBase(small_model), around=a)(task) for a in (True, False))
    totals = [np.log(x.sum(axis=1)) for x in (like, around, fresh)]
    assert np.corrcoef(totals[0], totals[1])[0, 1] > 0.8
    assert abs(np.corrcoef(totals[0], totals[2])[0, 1]) < 0.4
    assert np.corrcoef(programme(like), programme(around))[0, 1] > np.corrcoef(programme(like), programme(fresh))[0, 1]
