"""Cases of the verification suite: motion."""

from twin.verification.case import Case

CASES: tuple[Case, ...] = ()
