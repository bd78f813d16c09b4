"""Random effects follow the law that is asked for, and hang on nobody but the donor."""

import numpy as np

from twin.kernels.random import Streams
from twin.kernels.variation import vary, vary_by_kind

N = 20_000
IDS = np.arange(N, dtype=np.uint64)
LUCK = Streams(4, 0, 0)
FIVE = 5 / np.sqrt(N)  # five standard errors of a mean of N standard normals, or of a correlation of 0


def test_effects_are_normal_with_the_spread_that_is_asked_for() -> None:
    drawn = vary(LUCK, "gain", IDS, 2, 0.3)
    assert (np.abs(drawn.mean(axis=0)) < 0.3 * FIVE).all()
    assert (np.abs(drawn.std(axis=0) / 0.3 - 1) < FIVE / np.sqrt(2)).all()
    assert abs(np.corrcoef(drawn[:, 0], drawn[:, 1])[0, 1]) < FIVE
    assert abs((np.abs(drawn) > 0.3 * 1.959964).mean() - 0.05) < 5 * np.sqrt(0.05 * 0.95 / (2 * N))


def test_kinds_have_their_own_spread_and_share_what_they_are_told_to() -> None:
    sd = (0.1, 0.5, 0.0)
    drawn = vary_by_kind(LUCK, "gain", IDS, ("a", "b", "c"), sd, 0.3)
    assert (np.abs(drawn[:, :2].std(axis=0) / sd[:2] - 1) < FIVE / np.sqrt(2)).all()
    assert not drawn[:, 2].any()
    assert abs(np.corrcoef(drawn[:, 0], drawn[:, 1])[0, 1] - 0.3) < FIVE
    same = vary_by_kind(LUCK, "gain", IDS[:5], ("a", "b"), (1.0, 1.0), 1.0)
    np.testing.assert_allclose(same[:, 0], same[:, 1])


def test_a_donor_is_the_same_whoever_else_is_there() -> None:
    whole = vary_by_kind(LUCK, "gain", IDS[:50], ("a", "b"), (0.2, 0.4), 0.5)
    one = vary_by_kind(LUCK, "gain", IDS[7:8], ("z", "b"), (1.0, 0.4), 0.5)
    assert one[0, 1] == whole[7, 1]
    assert vary(Streams(4, 1, 0), "gain", IDS[:1], 1, 1.0) != vary(LUCK, "gain", IDS[:1], 1, 1.0)
