"""What became of each part of a project: carried over, approximated, or left out."""

from dataclasses import dataclass, field
from typing import Literal

State = Literal["carried over", "approximated", "not carried over"]
STATES: tuple[State, ...] = ("carried over", "approximated", "not carried over")


@dataclass(frozen=True)
class Entry:
    """One part of the project.

    what : by the project's own words. how : it was carried over or approximated, or why it was not.
    """

    what: str
    state: State
    how: str


@dataclass
class Report:
    """The account of one import. origin : whose project it is, like PhysiCell."""

    project: str
    origin: str
    entries: list[Entry] = field(default_factory=list)

    def carried(self, what: str, how: str) -> None:
        """Note what means the same in the scenario."""
        self._note(Entry(what, "carried over", how))

    def approximated(self, what: str, how: str) -> None:
        """Note what means nearly the same, and the difference."""
        self._note(Entry(what, "approximated", how))

    def left_out(self, what: str, why: str) -> None:
        """Note what is not in the scenario."""
        self._note(Entry(what, "not carried over", why))

    def of(self, state: State) -> tuple[Entry, ...]:
        """Return the entries of one state, in the order of the project."""
        return tuple(entry for entry in self.entries if entry.state == state)

    def text(self) -> str:
        """Return the account as a table for each state, in Markdown."""
        counts = ", ".join(f"{len(self.of(state))} {state}" for state in STATES)
        parts = [f"# {self.project}\n\nFrom {self.origin} to twin: {counts}."]
        for state in STATES:
            rows = "\n".join(f"| {_cell(e.what)} | {_cell(e.how)} |" for e in self.of(state))
            if rows:
                second = "Why" if state == "not carried over" else "How"
                parts.append(f"## {state[0].upper()}{state[1:]}\n\n| What | {second} |\n|---|---|\n{rows}")
        return "\n\n".join(parts) + "\n"

    def _note(self, entry: Entry) -> None:
        if entry not in self.entries:
            self.entries.append(entry)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
