"""Cycles, deaths and populations against published and analytic numbers: one test a case of the suite."""

import pytest

from twin.verification.case import Case
from twin.verification.growth import CASES


@pytest.mark.parametrize("case", [pytest.param(c, id=c.key, marks=[pytest.mark.slow] if c.slow else []) for c in CASES])
def test_growth_is_as_it_is_known_to_be(case: Case) -> None:
    rows = list(case.run())
    assert rows
    assert [row for row in rows if not row.holds] == []


def test_every_case_of_growth_is_there() -> None:
    assert [case.key for case in CASES] == ["G1", "G2", "G3", "G4", "G5", "G6", "G7"]
