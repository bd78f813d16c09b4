"""Between two times or doses."""

import numpy as np
import pytest

from tests.analysis.protocol.synthetic import BASE, cells
from twin.analysis.protocol import interpolation as i
from twin.analysis.protocol.task import CONTROL, Prediction, Task


def mean(found: Prediction | None) -> np.ndarray:
    assert found is not None
    return found.mean


@pytest.fixture(scope="module")
def course() -> Task:
    data = cells([{"condition": "L", "time": t} for t in (1.0, 2.0, 6.0)], [BASE, 2 * BASE, BASE[::-1]])
    hidden = data.where(time=2.0)
    return data.task("t", "2", start=data.where(time=1.0), truth=hidden, hidden=hidden, condition="L", time=2.0)


def test_linear_and_logarithmic_weights_between_two_times(course: Task) -> None:
    early, late = (course.means(course.numbers("time") == t) for t in (1.0, 6.0))
    np.testing.assert_allclose(mean(i.linear(course.blind())), early + (late - early) / 5)
    np.testing.assert_allclose(mean(i.logarithmic(course.blind())), early + (late - early) * np.log(2) / np.log(6))
    np.testing.assert_allclose(mean(i.nearest(course.blind())), early)


def test_controls_stand_for_dose_zero() -> None:
    groups: list[dict[str, object]] = [{"dose": 0.0}, {"condition": "D", "dose": 1.0}, {"condition": "D", "dose": 10.0}]
    data = cells(groups, [BASE, 2 * BASE, BASE[::-1]])
    hidden = data.where(dose=1.0)
    task = data.task(
        "t", "1", start=data.where(condition=CONTROL), truth=hidden, hidden=hidden, condition="D", dose=1.0
    )
    low, high = (task.means(task.numbers("dose") == d) for d in (0.0, 10.0))
    np.testing.assert_allclose(mean(i.linear(task.blind())), low + (high - low) / 10)
    share = np.log1p(0.1) / np.log1p(1.0)
    np.testing.assert_allclose(mean(i.logarithmic(task.blind())), low + (high - low) * share)


def test_nothing_lies_between_one_time_and_itself() -> None:
    data = cells([{}, {"condition": "X"}], [BASE, BASE])
    hidden = data.where(condition="X")
    task = data.task("t", "A", start=data.where(condition=CONTROL), truth=hidden, hidden=hidden, condition="X")
    assert i.linear(task.blind()) is None
    assert i.nearest(task.blind()) is None


def test_beyond_the_last_time_nothing_is_interpolated(course: Task) -> None:
    hidden = course.numbers("time") == 6.0
    visible = ~hidden
    late = Task(**{**course.__dict__, "visible": visible, "truth": hidden, "time": 6.0})
    assert i.linear(late.blind()) is None
    assert i.nearest(late.blind()) is not None
