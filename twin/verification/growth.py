"""Cases of the verification suite: growth."""

from twin.verification.case import Case

CASES: tuple[Case, ...] = ()
