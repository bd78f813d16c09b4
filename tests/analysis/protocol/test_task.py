"""A task hides what it has to hide, and says what it is."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp

from tests.analysis.protocol.synthetic import BASE, GENES, cells
from twin.analysis.protocol.task import CONTROL, Prediction, Task, library_sizes
from twin.errors import InputError


@pytest.fixture(scope="module")
def task() -> Task:
    groups = [{"context": c, "condition": k} for c in "AB" for k in (CONTROL, "X")]
    data = cells(groups, [BASE, 2 * BASE, BASE, BASE], n=10)
    hidden = data.where(context="A", condition="X")
    start = data.where(context="A", condition=CONTROL)
    return data.task("toy", "A", start=start, truth=hidden, hidden=hidden, condition="X")


def test_a_blind_task_holds_the_visible_cells_alone(task: Task) -> None:
    blind = task.blind()
    assert len(blind.obs) == 30
    assert blind.visible.all()
    assert not blind.truth.any()
    assert not set(blind.obs.index) & set(task.obs.index[task.truth])
    np.testing.assert_allclose(blind.means(blind.start), task.means(task.start))


def test_cells_can_be_taken_out_of_a_blind_task(task: Task) -> None:
    out = np.zeros(len(task.totals), dtype=np.bool_)
    out[:4] = True
    blind = task.blind(without=out)
    assert blind.start.sum() == 6
    assert not set(blind.obs.index) & set(task.obs.index[:4])


def test_a_hidden_cell_cannot_be_visible(task: Task) -> None:
    with pytest.raises(InputError, match="10 cells are both hidden and visible"):
        replace(task, visible=np.ones(40, dtype=np.bool_))


def test_a_task_starts_from_cells_that_are_visible(task: Task) -> None:
    with pytest.raises(InputError, match="to start from"):
        replace(task, start=np.zeros(40, dtype=np.bool_))


def test_the_digest_changes_with_a_count_a_mask_and_a_condition_but_not_with_the_seed(task: Task) -> None:
    counts = task.counts.copy()
    counts.data[0] += 1
    visible = task.visible.copy()
    visible[-1] = False
    others = [replace(task, counts=counts), replace(task, visible=visible), replace(task, condition="Y")]
    digests = {task.digest(), *(t.digest() for t in others)}
    assert len(digests) == 4
    assert replace(task, seed=5).digest() == task.digest()


def test_library_sizes_of_predicted_cells_keep_what_lies_outside_the_panel(task: Task) -> None:
    predicted = Prediction(np.zeros(GENES), sp.csr_array(task.counts[task.start]))
    np.testing.assert_array_equal(library_sizes(task, predicted), task.totals[task.start])
    panel = replace(task, totals=task.totals + 1000)
    np.testing.assert_array_equal(library_sizes(panel, predicted), task.totals[task.start] + 1000)
    fewer = Prediction(np.zeros(GENES), sp.csr_array(task.counts[task.start][:3]))
    with pytest.raises(InputError, match="library sizes"):
        library_sizes(panel, fewer)
    np.testing.assert_array_equal(library_sizes(panel, replace(fewer, totals=np.ones(3))), np.ones(3))
