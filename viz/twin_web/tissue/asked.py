"""What a page asks of a scenario: its timeline, its branches, its size; checked for its form before anything is made.

What it means (a gene that is not known, a time off the clock) is for the engine to say, in its own words.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from twin.errors import Fault, ScenarioError

MOST_ITEMS, MOST_BRANCHES = 200, 8  # of a timeline, of a run; our choice
LONGEST_TEXT, MOST_VALUES = 200, 5000  # of what stands in items, all together; our choice
MOST_CELLS, MOST_REPLICATES = 100_000, 20  # that the page begins; our choice: more is for the command line
MOST_HOURS = 2400.0  # as above
LABEL = "what was asked"  # stands for the file in errors
DOES = ("add", "wash_out", "knock_out", "dose", "inject", "remove")  # what the editor offers, in this order
TIMES = ("at", "every", "until", "duration")  # of items; a plain number there is hours
_BRANCH = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}")

Item = dict[str, Any]


@dataclass(frozen=True)
class Future:
    """A branch: when it forks (a text with a unit, or None: at its first item), and what is done in it."""

    at: str | None
    timeline: tuple[Item, ...]


@dataclass(frozen=True)
class Asked:
    """A request, of the right form. None: as the scenario says.

    upload : id of the cells to begin with. compartment : that they are put into. name : wished for the run.
    """

    timeline: tuple[Item, ...] | None = None
    duration: str | None = None
    cells: int | None = None
    replicates: int | None = None
    seed: int | None = None
    branches: Mapping[str, Future] | None = None
    upload: str | None = None
    compartment: str | None = None
    name: str | None = None


def read_asked(body: Mapping[str, Any]) -> Asked:
    """Return what the body of a request asks for; keys that it does not need are left alone.

    Raises
    ------
    ScenarioError
        With everything that has the wrong form, each at its place.
    """
    reader = _Reader()
    upload, compartment = reader.upload(body.get("upload"))
    asked = Asked(
        timeline=reader.timeline(body.get("timeline"), "timeline"),
        duration=reader.time(body.get("duration"), "duration"),
        cells=reader.whole(body.get("cells"), "cells", 1, MOST_CELLS),
        replicates=reader.whole(body.get("replicates"), "replicates", 1, MOST_REPLICATES),
        seed=reader.whole(body.get("seed"), "seed", 0, 2**53),
        branches=reader.branches(body.get("branches")),
        upload=upload,
        compartment=compartment,
        name=reader.text(body.get("name"), "name"),
    )
    if reader.faults:
        raise ScenarioError(LABEL, reader.faults)
    return asked


def read_future(body: Mapping[str, Any]) -> tuple[str, Future]:
    """Return the name of a branch that is asked for, and what it is.

    Raises
    ------
    ScenarioError
        As `read_asked`.
    """
    reader = _Reader()
    name = reader.branch_name(body.get("name"), "name")
    at = reader.time(body.get("at"), "at")
    timeline = reader.timeline(body.get("timeline"), "timeline")
    if timeline is not None and not timeline:
        reader.fault("timeline", "nothing is done in it: it would be the same as the rest, add something")
    if reader.faults or timeline is None:
        raise ScenarioError(LABEL, reader.faults or [Fault(None, "timeline", "what is done in the branch? give items")])
    return name, Future(at, timeline)


class _Reader:
    """Reads a request, noting what is wrong."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self._values = 0

    def fault(self, where: str, sentence: str) -> None:
        self.faults.append(Fault(None, where, sentence))

    def text(self, given: object, where: str) -> str | None:
        if given is None or given == "":
            return None
        if not isinstance(given, str) or len(given) > LONGEST_TEXT or not given.isprintable():
            self.fault(where, f"{_shown(given)} is no line of text of at most {LONGEST_TEXT} characters")
            return None
        return given.strip()

    def time(self, given: object, where: str) -> str | None:
        if isinstance(given, str):
            return self.text(given, where)
        if given is None:
            return None
        if isinstance(given, bool) or not isinstance(given, int | float) or not math.isfinite(given):
            self.fault(where, f"{_shown(given)} is no time: write a number of hours, or a text like '6 h'")
            return None
        return f"{given:.12g} h"

    def whole(self, given: object, where: str, low: int, high: int) -> int | None:
        if given is None:
            return None
        fits = not isinstance(given, bool) and isinstance(given, int | float) and given == given // 1
        if not fits or not low <= given <= high:  # type: ignore[operator]  # it is a number here
            self.fault(where, f"{_shown(given)} is no whole number from {low:,} to {high:,}")
            return None
        return int(given)  # type: ignore[call-overload, no-any-return]  # as above

    def timeline(self, given: object, where: str) -> tuple[Item, ...] | None:
        if given is None:
            return None
        if not isinstance(given, list) or len(given) > MOST_ITEMS:
            self.fault(where, f"it is no list of at most {MOST_ITEMS} items")
            return None
        return tuple(self._item(item, f"{where}[{i}]") for i, item in enumerate(given))

    def branches(self, given: object) -> dict[str, Future] | None:
        if given is None:
            return None
        if not isinstance(given, dict) or len(given) > MOST_BRANCHES:
            self.fault("branches", f"they are no table of at most {MOST_BRANCHES} names")
            return None
        found = {}
        for name, future in given.items():
            where = f"branches.{name[:40]}"
            self.branch_name(name, where)
            if not isinstance(future, dict):
                self.fault(where, "it is no table with a timeline")
                continue
            timeline = self.timeline(future.get("timeline"), f"{where}.timeline") or ()
            found[name] = Future(self.time(future.get("at"), f"{where}.at"), timeline)
        return found

    def branch_name(self, given: object, where: str) -> str:
        if not isinstance(given, str) or not _BRANCH.fullmatch(given) or given == "trunk":
            told = "write letters, digits, '-' and '_', beginning with a letter; 'trunk' is what it forks from"
            self.fault(where, f"{_shown(given)} cannot be the name of a branch: {told}")
            return ""
        return given

    def upload(self, given: object) -> tuple[str | None, str | None]:
        if isinstance(given, dict):
            return self.text(given.get("id"), "upload.id"), self.text(given.get("compartment"), "upload.compartment")
        return self.text(given, "upload"), None

    def _item(self, given: object, where: str) -> Item:
        if not isinstance(given, dict):
            self.fault(where, f"{_shown(given)} is no item: write {{do: add, at: …}}")
            return {}
        if not self._is_small(given):
            self.fault(
                where, f"its texts are too long, too many, or cannot be printed: at most {LONGEST_TEXT} characters each"
            )
            return {}
        item = {key: value for key, value in given.items() if value is not None}
        for key in TIMES:
            if key in item and (time := self.time(item[key], f"{where}.{key}")) is not None:
                item[key] = time
        if not isinstance(item.get("do"), str):
            self.fault(f"{where}.do", f"what is done? write one of {', '.join(DOES)}")
        return item

    def _is_small(self, value: object) -> bool:
        """Whether texts are short, and all that was read so far is not too much."""
        self._values += 1
        if self._values > MOST_VALUES:
            return False
        if isinstance(value, str):
            return len(value) <= LONGEST_TEXT and value.isprintable()
        if isinstance(value, Mapping):
            return all(self._is_small(key) and self._is_small(inner) for key, inner in value.items())
        if isinstance(value, Sequence):
            return all(self._is_small(inner) for inner in value)
        return isinstance(value, bool | int) or value is None or (isinstance(value, float) and math.isfinite(value))


def _shown(given: object) -> str:
    text = repr(given)
    return text if len(text) <= 60 else f"{text[:57]}…"
