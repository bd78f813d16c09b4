"""Faults of one scenario, collected while it is read through."""

from collections.abc import Iterable, Sequence

from twin.errors import Fault, unknown_name
from twin.scenario.load import LoadedScenario
from twin.scenario.overlay import Key
from twin.scenario.timeline import whole_ticks
from twin.units import Concentration


class Findings:
    """Faults of one scenario, collected while it is read through."""

    def __init__(self, loaded: LoadedScenario) -> None:
        self.loaded = loaded
        self.faults: list[Fault] = []

    def add(self, loc: Sequence[Key], message: str) -> None:
        """Note one fault."""
        self.faults.append(self.loaded.fault(loc, message))

    def name(self, loc: Sequence[Key], kind: str, name: str | None, known: Iterable[str]) -> None:
        """Note a name that is not among the known ones; None is no name."""
        names = tuple(known)
        if name is not None and name not in names:
            self.add(loc, unknown_name(kind, name, names))

    def ticks(self, loc: Sequence[Key], hours: float | None) -> None:
        """Note a time that is no multiple of the tick."""
        if hours is None:
            return
        try:
            whole_ticks(hours, self.loaded.scenario.tick, "")
        except ValueError as error:
            self.add(loc, str(error).removeprefix(": "))

    def nanomolar(self, loc: Sequence[Key], dose: object, substance: str) -> None:
        """Note a concentration that cannot be turned into nM."""
        known = self.loaded.scenario.substances.get(substance)
        if not isinstance(dose, Concentration) or known is None:
            return
        try:
            known.nanomolar(dose, substance)
        except ValueError as error:
            self.add(loc, str(error))
