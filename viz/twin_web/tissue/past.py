"""States of a run's past, kept while there is room: a branch from an earlier hour then begins at once."""

import os
from contextlib import suppress
from pathlib import Path

from twin.results import Ensemble
from twin.results.layout import STATE_SUFFIX, fork_of, trajectory_of


class Past:
    """Keeps the state of each commit of some trajectories under a second name, where the engine looks for forks.

    Over the limit every second one goes, and from then on every second one is kept: what is left lies evenly. A state
    that is not there any more is computed again by the engine, from the nearest one before it.
    """

    def __init__(self, run: Path, ensemble: Ensemble, limit: int) -> None:
        """Keep states of the trunks of an ensemble, up to `limit` bytes of all together."""
        self._run = run
        self._trunks = {t.id for t in ensemble.trajectories if t.parent is None}
        self._forks = {(t.parent, t.fork) for t in ensemble.trajectories}  # the engine keeps these itself
        self._limit = limit // len(self._trunks)
        self._kept: dict[str, dict[int, int]] = {}  # trajectory → tick → bytes; those that are ours to remove
        self._every: dict[str, int] = {}  # of the states that come by, the which-th is kept
        self._seen: dict[str, list[int]] = {}

    def keep(self, trajectory: str) -> None:
        """Keep the state of a trajectory's last commit."""
        if trajectory not in self._trunks:
            return
        seen = self._seen.setdefault(trajectory, [])
        for state in trajectory_of(self._run, trajectory).glob(f"state-*{STATE_SUFFIX}"):
            tick = int(state.name.removeprefix("state-").removesuffix(STATE_SUFFIX))
            if tick not in seen:
                seen.append(tick)
                is_due = (len(seen) - 1) % self._every.setdefault(trajectory, 1) == 0
                if is_due and (trajectory, tick) not in self._forks:
                    self._link(trajectory, tick, state)
        self._thin(trajectory)

    def _link(self, trajectory: str, tick: int, state: Path) -> None:
        fork = fork_of(self._run, trajectory, tick)
        with suppress(OSError):  # it has just been replaced by the next one, or this disk knows no links
            fork.parent.mkdir(exist_ok=True)
            os.link(state, fork)
            self._kept.setdefault(trajectory, {})[tick] = fork.stat().st_size

    def _thin(self, trajectory: str) -> None:
        kept = self._kept.get(trajectory, {})
        while len(kept) > 1 and sum(kept.values()) > self._limit:
            self._every[trajectory] *= 2
            for i, tick in enumerate(self._seen[trajectory]):
                if i % self._every[trajectory] and tick in kept:
                    fork_of(self._run, trajectory, tick).unlink(missing_ok=True)
                    del kept[tick]
