"""The rules' cases of the verification suite."""

import pytest

from twin.verification.case import Case, cases


@pytest.mark.parametrize("case", cases(("rules",)), ids=lambda case: case.key)
def test_every_row_of_a_case_holds(case: Case) -> None:
    rows = list(case.run())
    assert len(rows) >= 5
    assert [f"{row.what}: {row.ours} for {row.expected}" for row in rows if not row.holds] == []
