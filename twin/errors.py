"""Every exception of ours.

TwinError                what a user can cause; one line, no traceback
├── InputError           bad input: exit code 2
│   ├── ScenarioError    all faults of one scenario file at once
│   └── UnknownNameError a name that is not there, with the nearest ones that are
├── MissingExtraError    an optional dependency is not installed: exit code 3
└── RunError             the run stopped half-way; what is committed stays: exit code 4
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches


class TwinError(Exception):
    """What a user can cause: says what was found, where, and what would do."""

    exit_code = 2


class InputError(TwinError):
    """A file, an option or a value that cannot be used."""


@dataclass(frozen=True)
class Fault:
    """One thing wrong in a scenario file."""

    line: int | None
    key: str
    message: str

    def __str__(self) -> str:
        place = f"line {self.line}, " if self.line is not None else ""
        return f"{place}{self.key}: {self.message}" if self.key else f"{place}{self.message}"


class ScenarioError(InputError):
    """All faults of one scenario file, each with its line and key."""

    def __init__(self, file: str, faults: Sequence[Fault]) -> None:
        self.file = file
        self.faults = tuple(faults)
        lines = "\n".join(f"  {fault}" for fault in self.faults)
        super().__init__(f"{file} cannot be run:\n{lines}")

    def __reduce__(self) -> tuple[type, tuple[object, ...]]:
        """Travel between processes by what it was made of."""
        return type(self), (self.file, self.faults)


class UnknownNameError(InputError):
    """A name that is not known; the nearest known ones are offered."""

    def __init__(self, kind: str, name: str, known: Iterable[str], where: str = "") -> None:
        self.name = name
        self._made_of = (kind, name, tuple(known), where)
        super().__init__(f"{where}{unknown_name(kind, name, self._made_of[2])}")

    def __reduce__(self) -> tuple[type, tuple[object, ...]]:
        """Travel between processes by what it was made of."""
        return type(self), self._made_of


class MissingExtraError(TwinError):
    """An optional dependency is not installed."""

    exit_code = 3

    def __init__(self, what: str, extra: str) -> None:
        self._made_of = (what, extra)
        super().__init__(f"{what} needs an optional part: pip install 'twin[{extra}]'")

    def __reduce__(self) -> tuple[type, tuple[object, ...]]:
        """Travel between processes by what it was made of."""
        return type(self), self._made_of


class RunError(TwinError):
    """A run that stopped half-way; it resumes from its last commit."""

    exit_code = 4


def unknown_name(kind: str, name: str, known: Iterable[str], most: int = 8) -> str:
    """Say that `name` is no `kind`, naming the nearest known ones (or the first few)."""
    names = sorted(known)
    near = get_close_matches(name, names, n=3, cutoff=0.6) or get_close_matches(name.upper(), names, n=3, cutoff=0.6)
    if near:
        return f"no {kind} is called {name!r}; did you mean {' or '.join(near)}?"
    shown = ", ".join(names[:most]) + (", …" if len(names) > most else "")
    return f"no {kind} is called {name!r}; known: {shown or 'none'}"
