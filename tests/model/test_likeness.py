"""The kernel of treatments: a kernel, whatever was done; additive in agents, linear along a course."""

import math

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from twin.data.arms import Agent, Arm
from twin.model.likeness import (
    COURSE_UNIT,
    DECADE,
    FEATURE_POWER,
    NO_FEATURES,
    Features,
    Likeness,
    background_of,
    several_doses,
)
from twin.model.tuning import LIKENESSES

NAMES = ("A", "B", "C", "D", "E", "F")
WEIGHTS = (
    *LIKENESSES,
    Likeness(0.0, 1.0, 0.0, 0.0),
    Likeness(0.3, 0.7, 0.2, 0.5),
    Likeness(1.0, 0.5, 0.1, 1.0, 0.3, 0.2, ("A",), 0.03),
)


def features(seed: int) -> Features:
    """Return unit vectors of all names but the last, with signs, so that cosines are clipped."""
    x = np.random.default_rng(seed).normal(size=(len(NAMES) - 1, 3))
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    return Features({name: i for i, name in enumerate(NAMES[:-1])}, sp.csr_array(unit))


def gene(*names: str, time: float = math.nan, dose: float = math.nan) -> Arm:
    return Arm(tuple(Agent(name, "gene", dose) for name in names), time)


def course(time: float, name: str = "course: x", since: float = math.nan) -> Arm:
    return Arm((Agent(name, "drug" if math.isfinite(since) else "course"),), time, since)


UNKNOWN = st.just(math.nan)
AGENTS = st.builds(
    Agent, st.sampled_from(NAMES), st.just("drug"), st.one_of(UNKNOWN, st.sampled_from([0.1, 1.0, 7.0, 1e3, 1e5]))
)
TIMES = st.one_of(UNKNOWN, st.sampled_from([0.5, 2.0, 6.0, 24.0, 500.0]))
ARMS = st.one_of(
    st.builds(
        Arm, st.lists(AGENTS, min_size=1, max_size=3, unique_by=lambda a: a.name).map(tuple), TIMES, st.just(math.nan)
    ),
    st.builds(course, TIMES, st.sampled_from(("course: x", "course: y", "A"))),
    st.builds(course, TIMES, st.sampled_from(("A", "B")), st.just(1.0)),
)


@settings(max_examples=150, deadline=None)
@given(arms=st.lists(ARMS, min_size=1, max_size=14), seed=st.integers(0, 50), weights=st.sampled_from(WEIGHTS))
def test_any_set_of_arms_has_a_symmetric_positive_semidefinite_kernel(
    arms: list[Arm], seed: int, weights: Likeness
) -> None:
    for table in (NO_FEATURES, features(seed)):
        k = weights.kernel(arms, arms, table)
        np.testing.assert_allclose(k, k.T, atol=1e-12)
        assert np.linalg.eigvalsh(k).min() >= -1e-9


def test_roots_of_cosines_are_mended_where_they_are_no_kernel() -> None:
    right_angle = np.array([[1.0, 0.0], [np.sqrt(0.5), np.sqrt(0.5)], [0.0, 1.0]])
    table = Features({"A": 0, "B": 1, "C": 2}, sp.csr_array(right_angle))
    arms = [gene("A"), gene("B"), gene("C")]
    assert np.linalg.eigvalsh(table.cosines(NAMES[:3], NAMES[:3]) ** FEATURE_POWER).min() < -0.1
    k = Likeness(0.0, 1.0, 0.0).kernel(arms, arms, table)
    assert np.linalg.eigvalsh(k).min() >= -1e-12
    np.testing.assert_allclose(np.diag(k), 1.0)
    assert k[0, 1] > k[0, 2] >= 0.0


def test_unrelated_agents_share_nothing_and_one_agent_is_itself() -> None:
    arms = [gene("A"), gene("B"), gene("C")]
    np.testing.assert_array_equal(Likeness(1.0, 0.0, 0.0).kernel(arms, arms), np.eye(3))


def test_a_combination_is_the_sum_of_its_parts_and_something_of_its_own() -> None:
    table = features(0)
    singles, double = [gene(name) for name in NAMES], gene("A", "B")
    for weights in WEIGHTS:
        k = weights.kernel([*singles, double], [*singles, double], table)
        sampled = weights.sample * (np.arange(len(singles)) < 2)  # an arm's own, which no other arm shares
        np.testing.assert_allclose(k[-1, :-1], k[0, :-1] + k[1, :-1] - sampled, atol=1e-12)
        parts = k[0, 0] + k[1, 1] + 2 * k[0, 1]
        assert k[-1, -1] == pytest.approx(parts + weights.together - weights.sample)


def test_an_agent_whose_features_are_anothers_is_known_by_it() -> None:
    twins = Features({"A": 0, "B": 0, "C": 1}, sp.csr_array(np.eye(2)))
    k = Likeness(0.5, 2.0, 0.25).kernel([gene("B")], [gene("A"), gene("B"), gene("C"), gene("F")], twins)
    np.testing.assert_allclose(k, [[2.25, 2.75, 0.25, 0.25]])


def test_cosines_are_of_the_vectors_not_below_zero_and_zero_for_strangers() -> None:
    vectors = np.array([[1.0, 0.0], [0.6, 0.8], [-1.0, 0.0]])
    table = Features({"A": 0, "B": 1, "C": 2}, sp.csr_array(vectors))
    found = table.cosines(["A", "X", "C"], ["A", "B", "C", "Y"])
    np.testing.assert_allclose(found, [[1.0, 0.6, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]])
    np.testing.assert_array_equal(NO_FEATURES.cosines(["A"], ["A", "B"]), np.zeros((1, 2)))
    k = Likeness(0.0, 1.0, 0.0).kernel([gene("A")], [gene("B")], table)
    assert k[0, 0] == pytest.approx(0.6**FEATURE_POWER)


def test_near_doses_are_more_alike_and_far_ones_still_half() -> None:
    doses = [1.0, 10.0, 1e3, 1e9]
    arms = [gene("A", dose=d) for d in doses]
    k = Likeness().kernel(arms, arms)[0]
    expected = [0.5 + 0.5 * np.exp(-0.5 * (np.log(d) / DECADE) ** 2) for d in doses]
    np.testing.assert_allclose(k, expected, rtol=1e-12)


def test_near_times_are_more_alike_and_far_ones_not_at_all() -> None:
    arms = [gene("A", time=t) for t in (1.0, 10.0, 1e9)]
    np.testing.assert_allclose(Likeness().kernel(arms, arms)[0], [1.0, np.exp(-0.5), 0.0], atol=1e-12)


def test_a_dose_or_time_that_is_not_known_is_the_middle_one() -> None:
    arms = [gene("A", dose=d, time=t) for d, t in ((1.0, 2.0), (100.0, 8.0))]
    asked, middle = (Likeness().kernel([arm], arms) for arm in (gene("A"), gene("A", dose=10.0, time=4.0)))
    np.testing.assert_allclose(asked, middle, rtol=1e-12)
    alone = Likeness().kernel([gene("A")], [gene("A", dose=3.0, time=6.0)])
    np.testing.assert_allclose(alone, [[1.0]])  # one dose, one time: it is that
    np.testing.assert_allclose(Likeness().kernel([gene("A", dose=3.0, time=6.0)], [gene("A")]), [[1.0]])


@pytest.mark.parametrize(
    ("since", "position"), [(1.0, lambda t: np.log(t)), (math.nan, lambda t: np.log1p(t / COURSE_UNIT))]
)
def test_between_two_times_a_course_is_interpolated_linearly_in_its_clock(since: float, position: object) -> None:
    assert callable(position)
    early, middle, late = (course(t, since=since) for t in (2.0, 4.5, 30.0))
    seen = [early, late]
    k = Likeness().kernel(seen, seen)
    weights = Likeness().kernel([middle], seen) @ np.linalg.inv(k)
    share = (position(4.5) - position(2.0)) / (position(30.0) - position(2.0))
    np.testing.assert_allclose(weights, [[1 - share, share]], atol=1e-12)
    after = Likeness().kernel([course(100.0, since=since)], seen) @ np.linalg.inv(k)
    np.testing.assert_allclose(after, [[0.0, 1.0]], atol=1e-12)  # beyond the last time, that of the last


def test_at_its_reference_a_course_has_done_nothing() -> None:
    arms = [course(t, since=1.0) for t in (1.0, 3.0, 9.0)]
    for weights in WEIGHTS:
        np.testing.assert_array_equal(weights.kernel(arms[:1], arms), np.zeros((1, 3)))


def test_a_course_and_a_treatment_tell_nothing_of_each_other() -> None:
    k = Likeness(1.0, 1.0, 0.5).kernel([course(6.0)], [gene("A"), course(6.0)], features(1))
    assert k[0, 0] == 0.0
    assert k[0, 1] > 0.0
    assert Likeness().kernel([course(6.0)], [gene("A")]).shape == (1, 1)


def test_no_arms_have_a_kernel_without_rows() -> None:
    assert Likeness().kernel([], [gene("A")]).shape == (0, 1)
    assert Likeness().kernel([], []).shape == (0, 0)
    np.testing.assert_array_equal(Likeness(1.0, 1.0, 1.0).kernel([Arm(())], [gene("A")], features(0)), [[0.0]])


def test_the_background_is_what_half_of_the_combinations_hold() -> None:
    stimulated = [gene(name, "F") for name in "ABCD"]
    assert background_of([gene("A"), gene("F"), *stimulated]) == ("F",)
    assert background_of([gene("A"), *stimulated[:3]]) == ()  # too few to tell
    assert background_of([gene("A", "B"), gene("C", "D"), gene("E", "F"), gene("B", "C"), gene("D", "E")]) == ()


def test_beside_a_background_other_agents_are_small_and_every_arm_deviates() -> None:
    weights = Likeness(1.0, sample=0.3, together=0.0, background=("F",), beside=0.04)
    k = weights.kernel([gene("F"), gene("A"), gene("A", "F")], [gene("F"), gene("A"), gene("A", "F")])
    np.testing.assert_allclose(k, [[1.3, 0.0, 1.0], [0.0, 0.34, 0.04], [1.0, 0.04, 1.34]])


def test_what_is_bound_to_the_dose_is_as_large_as_said() -> None:
    arms = [gene("A", dose=1.0), gene("A", dose=1e9)]
    for dose in (0.0, 0.2, 1.0):
        assert Likeness(dose=dose).kernel(arms, arms)[0, 1] == pytest.approx(1.0 - dose)
    assert several_doses(arms)
    assert not several_doses([arms[0], gene("B", dose=2.0)])
