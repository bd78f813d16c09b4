"""A case of the verification suite: what is expected, what we get, how far they may lie apart."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module

# Modules that hold cases, in the order of the table; each has CASES: tuple[Case, ...].
MODULES = ("fields", "motion", "growth", "rules", "drugs", "mechanistic")


@dataclass(frozen=True)
class Row:
    """One number of a case.

    what : the quantity, with its unit. expected, ours : its values.
    tolerance : the largest |ours − expected| that is good.
    peer : the error of another simulator in the same case, and whose, where it is known.
    """

    what: str
    expected: float
    ours: float
    tolerance: float
    peer: str = ""

    @property
    def error(self) -> float:
        """How far ours lies from what is expected."""
        return abs(self.ours - self.expected)

    @property
    def holds(self) -> bool:
        """Whether the error is within the tolerance; a number that is none does not hold."""
        return self.error <= self.tolerance


@dataclass(frozen=True)
class Case:
    """One entry of the suite.

    key : its number in the literature's or our list ("F2"). title : what is set up, in a few words.
    source : where the expected numbers are from. run : computes it. slow : it takes more than a few seconds.
    """

    key: str
    title: str
    source: str
    run: Callable[[], Iterable[Row]]
    slow: bool = False


def cases(modules: Iterable[str] = MODULES) -> tuple[Case, ...]:
    """Return all cases of the suite's modules, in order."""
    found: list[Case] = []
    for name in modules:
        found += import_module(f"twin.verification.{name}").CASES
    return tuple(found)
