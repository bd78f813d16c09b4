"""Fields against analytic and published numbers: one test a case of the suite."""

import numpy as np
import pytest

from twin.verification.biofvm import biofvm
from twin.verification.case import Case
from twin.verification.fields import CASES


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.key)
def test_fields_are_as_they_are_known_to_be(case: Case) -> None:
    rows = list(case.run())
    assert rows
    assert [row for row in rows if not row.holds] == []


def test_every_case_of_fields_is_there() -> None:
    assert [case.key for case in CASES] == ["F1", "F2", "F3", "F4", "F5", "F6", "F7", "F7k", "F9"]


def test_the_peers_scheme_has_the_error_that_was_measured_of_it() -> None:
    """Of F2's mode at dx 20 µm: 12.5, 6.6 and 3.7 % at dt 0.01, 0.005 and 0.0025 min (BioFVM by way of pyphysicell)."""
    x = np.cos(np.pi * (np.arange(20) + 0.5) / 20)
    mode = x[:, None, None] * x[:, None] * x
    law = np.exp(-(3e5 * (np.pi / 400) ** 2 + 0.1) * 0.2)
    for dt, measured in ((0.01, 0.125), (0.005, 0.066), (0.0025, 0.037)):
        c = biofvm(1 + 0.5 * mode, 6e6, 6.0, dt / 60, round(0.2 / dt), 20.0)
        error = 2 * float((c * mode).sum() / (mode**2).sum()) / law - 1
        assert error == pytest.approx(measured, abs=1e-3)
