"""Mechanistic cells against linear stability analysis: one test a case of the suite, and a pattern that forms."""

import numpy as np
import pytest

from twin.verification import mechanistic
from twin.verification.case import MODULES, Case
from twin.verification.mechanistic import CASES, STEADY, Ring

pytest.importorskip("roadrunner")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.key)
def test_mechanistic_cells_are_as_they_are_known_to_be(case: Case) -> None:
    rows = list(case.run())
    assert rows
    assert [row for row in rows if not row.holds] == []


def test_every_case_is_there() -> None:
    assert [case.key for case in CASES] == ["F9s"]
    assert mechanistic.__name__.rpartition(".")[2] in MODULES


@pytest.mark.slow
@pytest.mark.parametrize(("ratio", "forms"), [(7.0, False), (12.0, True)])
def test_noise_becomes_a_pattern_of_the_critical_wavelength_above_the_ratio_and_dies_below(
    ratio: float, forms: bool
) -> None:
    ring = Ring(ratio, 0.25, n_waves=5)
    noise = np.random.default_rng(3).normal(0.0, 0.01, ring.field.shape)
    ring.field[:] = STEADY[:, None] + noise
    ring.run(400)
    u = ring.field[0]
    waves = np.abs(np.fft.rfft(u - u.mean()))
    assert u.std() > 0.2 if forms else u.std() < 1e-5
    if forms:
        assert int(np.argmax(waves)) == 5
    assert (ring.tissue.home.concentration > 0).all()
