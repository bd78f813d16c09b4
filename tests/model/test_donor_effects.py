"""What a donor makes of the same dose: gain, baseline and identity."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from tests.model.synthetic import FIRST, RESPONDERS
from tests.model.test_treatments import CYT, asked, felt, response
from twin.kernels.dose import of_donor
from twin.kernels.random import Streams
from twin.model.condition import Condition
from twin.model.masked import MaskedDiffusion


def columns(value: float, n: int = 1) -> np.ndarray:
    out = np.zeros((n, 2))
    out[:, CYT] = value
    return out


def test_a_gain_multiplies_a_tone_fills_what_the_dose_leaves() -> None:
    h = np.array([0.0, 0.25, 1.0])
    np.testing.assert_allclose(of_donor(h, np.full(3, 1.2), np.full(3, 0.1)), [0.1, 0.375, 1.2])
    assert of_donor(h, None, None) is h


def test_a_gain_of_one_and_no_tone_change_no_bit(dosed_model: MaskedDiffusion) -> None:
    plain = asked(dosed_model, 40, cyt=10.0, hours=5.0)
    ones = replace(plain, gain=np.ones((40, 2)), tone=np.zeros((40, 2)), offset=np.zeros((40, 3)))
    for condition in (plain, ones):
        assert condition.rows(np.arange(3, 9)).n == 6
    luck = Streams(3, 0, 1)
    (a, z), (b, y) = (dosed_model.sample(condition, luck) for condition in (plain, ones))
    np.testing.assert_array_equal(a.toarray(), b.toarray())
    np.testing.assert_array_equal(z, y)
    (a, z), (b, y) = (dosed_model.transition(a, z, c, 1.0, 3.0, luck) for c in (plain, ones))
    np.testing.assert_array_equal(a.toarray(), b.toarray())
    np.testing.assert_array_equal(z, y)


def test_a_donors_gain_scales_the_effect_of_every_dose_and_of_nothing_else(dosed_model: MaskedDiffusion) -> None:
    for dose in (0.1, 10.0, 100.0):
        plain = asked(dosed_model, cyt=dose, drg=10.0, hours=8.0)
        strong = replace(plain, gain=np.array([[1.3, 1.0]]))
        before, after = felt(dosed_model, plain), felt(dosed_model, strong)
        for arm in before:
            factor = 1.3 if "CYT" in arm else 1.0  # the two together by the product of what each does
            assert after[arm] == pytest.approx(factor * before[arm])


def test_a_baseline_acts_without_a_dose_and_not_at_the_full_one(dosed_model: MaskedDiffusion) -> None:
    untreated = asked(dosed_model)
    primed = replace(untreated, tone=columns(0.2))
    assert felt(dosed_model, primed) == {"CYT 1 nM, 8 h": pytest.approx(0.2)}
    low = felt(dosed_model, asked(dosed_model, cyt=1.0, hours=8.0))
    assert felt(dosed_model, replace(asked(dosed_model, cyt=1.0, hours=8.0), tone=columns(0.2))) == low
    full = response(dosed_model, asked(dosed_model, cyt=1.0, hours=8.0), FIRST)
    assert response(dosed_model, primed, FIRST) == pytest.approx(0.2 * full, rel=1e-5)
    assert response(dosed_model, replace(untreated, tone=columns(-0.1)), FIRST) == pytest.approx(-0.1 * full, rel=1e-5)


def test_a_donors_counts_follow(small_model: MaskedDiffusion) -> None:
    n = 600
    nothing = np.zeros((n, 1))
    here = Condition(
        np.arange(n, dtype=np.uint64), np.zeros(n, np.intp), np.full(n, 400.0), nothing, nothing * np.nan, np.ones(n)
    )

    def level(condition: Condition) -> float:
        counts, _ = small_model.sample(condition, Streams(0, 0, 0))
        return float(counts[:, RESPONDERS].sum()) / float(counts.sum())

    treated = replace(here, dose=nothing + 10.0)
    weak, strong = (replace(treated, gain=np.full((n, 1), g)) for g in (0.7, 1.3))
    primed = replace(here, tone=np.full((n, 1), 0.3))
    levels = [level(c) for c in (here, primed, weak, treated, strong)]
    assert levels == sorted(levels)
    assert min(b / a for a, b in pairwise(levels)) > 1.15


def test_a_donors_cells_drift_about_the_donors_own_centre(small_model: MaskedDiffusion) -> None:
    """Drawn there they stay there, with the spread of everybody; cells from elsewhere drift to it."""
    n, off = 3000, 1.5
    nothing = np.zeros((n, 1))
    plain = Condition(
        np.arange(n, dtype=np.uint64), np.zeros(n, np.intp), np.full(n, 400.0), nothing, nothing * np.nan, np.ones(n)
    )
    own = replace(plain, offset=np.full((n, small_model.latent_size), off))
    counts, z = small_model.sample(own, Streams(0, 0, 0))
    _, others = small_model.sample(plain, Streams(0, 0, 0))
    root = small_model.net.prior_root.numpy()[0]
    shift = root @ np.full(small_model.latent_size, off)
    np.testing.assert_allclose(z - others, np.broadcast_to(shift, z.shape), atol=1e-5)
    _, later = small_model.transition(counts, z, own, 500.0, 1.0, Streams(0, 0, 1))
    _, moved = small_model.transition(counts, others, own, 500.0, 1.0, Streams(0, 0, 1))
    np.testing.assert_allclose(moved, later, atol=0.05)  # 500 h are seven half-times
    error = 5 * z.std(axis=0) / np.sqrt(n)
    assert (np.abs(later.mean(axis=0) - z.mean(axis=0)) < np.sqrt(2) * error).all()
    assert (np.abs(later.std(axis=0) / z.std(axis=0) - 1) < 10 / np.sqrt(2 * n)).all()
