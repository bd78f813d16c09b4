"""Doses that have been given and are not yet wholly in the body: they drip in still, or wait for their lag."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin.kernels.pharmacokinetics import CENTRAL, NOT_ABSORBED, ORAL, SITES, SUBCUTANEOUS, Input
from twin.scenario.drugs import Drug
from twin.scenario.schema import Scenario
from twin.scenario.timeline import GiveDose

Float = NDArray[np.float64]

PLACES = 64  # doses of one drug that can be under way at a time; our choice, an hourly one that takes two days and more
FIELDS = ("begin", "end", "left", "site", "absorbed")  # of one of them, as they are kept
FREE = 0.0  # left of a place that holds none


@dataclass(frozen=True)
class Pending:
    """A dose that is under way.

    begin, end : h since the run began, when drug comes to its site; the same of all at once.
    left : nmol that have not come yet. site : where it comes to, a place in `SITES`.
    absorbed : share of it that does; the rest is never absorbed.
    """

    begin: float
    end: float
    left: float
    site: int
    absorbed: float

    @classmethod
    def of(cls, event: GiveDose, drug: Drug, nanomoles: float, now: float) -> "Pending":
        """Return a dose that is given now (h); its route has been checked to be one that the drug has."""
        depot = {"oral": drug.oral, "subcutaneous": drug.subcutaneous}.get(event.route)
        if depot is not None:
            begin = now + depot.lag
            site = ORAL if event.route == "oral" else SUBCUTANEOUS
            return cls(begin, begin, nanomoles, site, depot.bioavailability)
        return cls(now, now + (event.duration or 0.0), nanomoles, CENTRAL, 1.0)

    def until(self, now: float, end: float) -> "tuple[Input | None, Pending | None]":
        """Return what of it comes between two times (h), in the time since the first, and what is then left of it."""
        if self.begin >= end:
            return None, self
        begin = max(self.begin, now)
        share = 1.0 if self.end <= end else (end - begin) / (self.end - begin)
        amount = np.zeros(len(SITES))
        amount[self.site] += share * self.left * self.absorbed
        amount[NOT_ABSORBED] += share * self.left * (1.0 - self.absorbed)
        piece = Input(begin - now, max(min(self.end, end), begin) - now, amount)
        if self.end <= end:
            return piece, None
        return piece, Pending(end, self.end, self.left * (1.0 - share), self.site, self.absorbed)


def read(kept: Float) -> list[Pending]:
    """Return the doses that are kept in (place, field)."""
    return [Pending(row[0], row[1], row[2], int(row[3]), row[4]) for row in kept.tolist() if row[2] != FREE]


def written(doses: list[Pending], drug: str) -> Float:
    """Return doses as (place, field).

    Raises
    ------
    ValueError
        If there are more than there are places.
    """
    if len(doses) > PLACES:
        raise ValueError(f"{len(doses)} doses of {drug} are under way at a time; at most {PLACES} can be: give fewer")
    kept = np.full((PLACES, len(FIELDS)), FREE)
    for place, d in enumerate(doses):
        kept[place] = (d.begin, d.end, d.left, d.site, d.absorbed)
    return kept


def nanomoles(event: GiveDose, drug: Drug, scenario: Scenario) -> float:
    """Return a dose in nmol; ValueError where what the conversion needs is not given."""
    subject = scenario.subject
    return event.amount.to_nanomoles(
        drug.molar_mass, drug.specific_activity, subject.body_weight, subject.body_surface, event.drug
    )
