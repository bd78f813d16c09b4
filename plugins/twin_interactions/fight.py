"""One tick of fighting and eating in short substeps: who attacks, damages, kills, eats and fuses, in order of time."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from twin.kernels.random import Streams
from twin_interactions.pairs import Pairs, Rows

Float = NDArray[np.float64]


@dataclass
class Fight:
    """Cells in contact during one tick; it changes as the substeps go.

    ids : (cell,). alive : (cell,) living and not yet killed or gone.
    target : (cell,) row of whom each attacks, −1 for nobody.
    damage : (cell,) 1. attacked : (cell,) h under attack. delivered : (cell,) damage done to others.
    strength : (cell,) damage an hour that each does. duration : (cell,) mean h of an attack.
    wear, repair : (cell,) 1/h, damage of itself, and the share of it repaired.
    lethality : hazard of death per damage, 1/h.
    killed : (cell,) who is to die of its damage. gone : (cell,) who has been eaten or fused.
    taken : (how, doer, other) rows of who took whom in, in order of time.
    """

    ids: NDArray[np.uint64]
    alive: NDArray[np.bool_]
    target: Rows
    damage: Float
    attacked: Float
    delivered: Float
    strength: Float
    duration: Float
    wear: Float
    repair: Float
    lethality: float
    killed: NDArray[np.bool_] = field(init=False)
    gone: NDArray[np.bool_] = field(init=False)
    taken: list[tuple[str, int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Nobody has come to harm yet."""
        self.killed = np.zeros(len(self.ids), dtype=np.bool_)
        self.gone = np.zeros(len(self.ids), dtype=np.bool_)

    def substep(self, number: int, dt: float, attacks: Pairs, meals: Pairs, mergers: Pairs, streams: Streams) -> None:
        """Go on by `dt` hours.

        Every pair's event has an exponential waiting time of its own; events are taken in the order of time, and one
        whose doer or other is gone, dead or already busy does not take place. Damage grows and is repaired exactly
        between; the hazard is taken as linear in time over a substep.
        """
        begun = np.where(self.target >= 0, 0.0, np.inf)  # h into the substep at which the attack begins
        events: list[tuple[float, int, int, str, int, int]] = []
        for kind, pairs in (("attack", attacks), ("eat", meals), ("fuse", mergers)):
            if not len(pairs.rate):
                continue
            soon, wait = pairs.happening(streams.stream(kind, number), self.ids, dt)
            for p, w in zip(soon, wait, strict=True):
                i, j = int(pairs.doer[p]), int(pairs.other[p])
                events.append((float(w), int(self.ids[i]), int(self.ids[j]), kind, i, j))
        busy: set[int] = set()
        for w, _, _, kind, i, j in sorted(events):
            if self.gone[i] or self.gone[j] or not self.alive[i] or i in busy:
                continue
            if kind == "attack":
                if self.target[i] < 0 and self.alive[j]:
                    self.target[i], begun[i] = j, w
                continue
            if kind == "fuse" and not self.alive[j]:
                continue
            busy.add(i)  # one meal or merger in a substep
            self.gone[j], self.alive[j] = True, False
            self.taken.append((kind, i, j))
        self._harm(number, dt, begun, streams)

    def _harm(self, number: int, dt: float, begun: Float, streams: Streams) -> None:
        """Let attacks do their damage, end, and kill."""
        self._let_go()
        rows = np.flatnonzero(self.target >= 0)
        luck = streams.stream("end of attack", number).uniform(self.ids[rows], 1)[:, 0]
        lasts = -np.log1p(-luck) * np.maximum(self.duration[rows], 0.0)
        left = dt - begun[rows]
        spent = np.minimum(left, lasts)
        dealt = self.strength[rows] * spent
        n = len(self.ids)
        got = np.bincount(self.target[rows], weights=dealt, minlength=n)
        self.attacked += np.bincount(self.target[rows], weights=spent, minlength=n)
        self.delivered[rows] += dealt
        self.target[rows[lasts < left]] = -1
        before = self.damage.copy()
        rate = got / dt + np.where(self.alive, self.wear, 0.0)
        faded = np.where(self.alive, np.maximum(self.repair, 0.0), 0.0) * dt
        small = faded < 1e-9
        mean = np.where(small, 1.0 - 0.5 * faded, -np.expm1(-faded) / np.where(small, 1.0, faded))
        self.damage = np.maximum(before * np.exp(-faded) + rate * dt * mean, 0.0)
        if self.lethality > 0.0:
            hazard = self.lethality * 0.5 * (before + self.damage) * dt
            u = streams.stream("death by damage", number).uniform(self.ids, 1)[:, 0]
            dies = self.alive & (u < -np.expm1(-hazard))
            self.killed |= dies
            self.alive &= ~dies
            self._let_go()

    def _let_go(self) -> None:
        """End the attacks on and by those who are no longer there or alive."""
        other = np.maximum(self.target, 0)
        over = (self.target >= 0) & (~self.alive[other] | ~self.alive)
        self.target[over] = -1
