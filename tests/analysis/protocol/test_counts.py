"""Integer cells with a wanted pseudobulk."""

import numpy as np
import pytest
from scipy import stats

from tests.analysis.protocol.synthetic import BASE, GENES, cells
from twin.analysis.protocol.counts import calibrated, from_cells, poisson_quantile, resampled, shifted
from twin.analysis.protocol.task import CONTROL, Task


@pytest.fixture(scope="module")
def task() -> Task:
    data = cells([{}, {"condition": "X"}], [4 * BASE, 4 * BASE], n=300)
    hidden = data.where(condition="X")
    return data.task(
        "toy", "A", start=data.where(condition=CONTROL), truth=hidden, hidden=hidden, condition="X"
    ).blind()


def test_poisson_quantiles_are_those_of_scipy() -> None:
    rng = np.random.default_rng(0)
    u, mean = rng.random((200, 30)), np.exp(rng.uniform(-12, 5, (200, 30)))
    np.testing.assert_array_equal(poisson_quantile(u, mean), stats.poisson.ppf(u, mean))


def test_calibrated_cells_have_the_wanted_pseudobulk(task: Task) -> None:
    change = np.random.default_rng(1).normal(0, 0.3, GENES)
    target = np.maximum(task.means(task.start) + change, 0.05)
    made = from_cells(task, calibrated(task, target))
    assert made.cells is not None
    assert made.cells.dtype == np.int32
    assert made.cells.data.min() >= 1
    assert np.abs(made.mean - target).max() < 0.05


def test_calibration_holds_for_read_counts_of_thousands() -> None:
    change = np.where(np.arange(GENES) % 2, 2.0, 0.5)
    data = cells([{}, {"condition": "X"}], [800 * BASE, 800 * BASE * change], n=30)
    hidden = data.where(condition="X")
    task = data.task("t", "A", start=data.where(condition=CONTROL), truth=hidden, hidden=hidden, condition="X")
    target = task.means(task.truth)
    assert np.abs(from_cells(task, calibrated(task.blind(), target)).mean - target).max() < 0.02
    assert np.abs(task.means(task.start) - target).max() > 0.5


def test_no_change_of_rates_leaves_every_cell_as_it_is(task: Task) -> None:
    made = shifted(task, np.zeros(GENES))
    assert (made != task.counts[task.start]).nnz == 0


def test_a_rise_and_a_fall_have_their_rates(task: Task) -> None:
    """Mean CP10k against Poisson noise: five standard errors."""
    before = task.counts[task.start].toarray()
    total = before.sum(axis=1, keepdims=True)
    rates = (before / total * 1e4).mean(axis=0)
    change = np.where(np.arange(GENES) % 2, 40.0, -0.5 * rates)
    after = shifted(task, change).toarray() / total * 1e4
    error = after.std(axis=0, ddof=1) / np.sqrt(len(after))
    assert (np.abs(after.mean(axis=0) - rates - change) < 5 * error + 1e-9).all()


def test_resampled_cells_are_cells(task: Task) -> None:
    made = resampled(task, task.start, 50).toarray()
    assert len(made) == 50
    there = {row.tobytes() for row in task.counts[task.start].toarray()}
    assert {row.tobytes() for row in made} <= there
