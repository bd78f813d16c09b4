"""Cases of the verification suite: rules."""

from twin.verification.case import Case

CASES: tuple[Case, ...] = ()
