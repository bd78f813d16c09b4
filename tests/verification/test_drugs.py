"""The cases of drugs hold."""

import pytest

from twin.verification.case import MODULES, Case
from twin.verification.drugs import CASES


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.key)
def test_numbers_of_drugs_are_the_closed_solutions(case: Case) -> None:
    rows = list(case.run())
    assert len(rows) >= 3
    for row in rows:
        assert row.expected > 0
        assert row.holds, row


def test_they_are_part_of_the_suite() -> None:
    assert "drugs" in MODULES
