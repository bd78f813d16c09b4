"""Cases of the verification suite: fields."""

from twin.verification.case import Case

CASES: tuple[Case, ...] = ()
