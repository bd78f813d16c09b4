"""From a checked scenario to all of its trajectories, each compiled far enough that what cannot run is told at once."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from json import dumps

from twin.engine.identity import essence, name_of
from twin.engine.learning import groups_of
from twin.engine.observe import layout_of
from twin.engine.plan import Plan, compile_plan
from twin.engine.seeding import check_places
from twin.engine.world import World, build_world
from twin.errors import Fault, InputError, ScenarioError
from twin.kernels.ensemble import LEAST_MEMBERS
from twin.results import Ensemble, ReadoutLayout, SweepAxis, Trajectory
from twin.results.layout import BRANCH, REPLICATE, TIME
from twin.scenario.futures import TRUNK
from twin.scenario.learning import learning_faults, learns_among, settled_by, variant_fault
from twin.scenario.load import LoadedScenario
from twin.scenario.variants import Point, axes_of, load_variant, name_faults, points_of

MOST_FAULTS = 20  # of points and branches; more say the same again
FULLY_TRIED = 64  # variants that are planned one by one, beside those that differ along one axis only; our choice
TAKEN = (BRANCH, REPLICATE, TIME)


@dataclass(frozen=True)
class Futures:
    """All trajectories of a scenario, and what they take.

    ticks : of all trajectories together, a past that is shared counted once.
    memory_bytes : peak of the largest.
    expected_seconds : of all on one core, estimated.
    """

    ensemble: Ensemble
    ticks: int
    memory_bytes: float
    expected_seconds: float

    def describe(self) -> list[str]:
        """Return how many trajectories there are, of what, and what they cost; nothing where there is but one."""
        ensemble = self.ensemble
        n = len(ensemble.trajectories)
        if n == 1:
            return []
        parts = [f"{len(ensemble.branches)} branches ({', '.join(ensemble.branches)})"] if ensemble.branches[1:] else []
        parts += [f"{axis.size} {axis.name}" for axis in ensemble.axes]
        parts += [f"{ensemble.replicates} replicates"] if ensemble.replicates > 1 else []
        shared = sum(len(t.places) for t in ensemble.trajectories) - n
        same = f", {shared} more are the same as one of these" if shared else ""
        forked = sum(1 for t in ensemble.trajectories if t.parent)
        past = f"; {forked} fork from a past that is computed once" if forked else ""
        return [
            f"{n} trajectories of {' × '.join(parts)}{same}{past}",
            f"{self.ticks:,} ticks, about {self.expected_seconds / 60:.1f} min on one core",
        ]


def expand(loaded: LoadedScenario, plan: Plan, world: World) -> Futures:
    """Return all trajectories of a scenario.

    Parameters
    ----------
    plan, world : of the scenario itself.

    Raises
    ------
    ScenarioError
        With everything that is wrong with its branches and its sweep.
    """
    layout = layout_of(world)
    faults = name_faults(loaded, loaded.scenario, (*TAKEN, *layout.coords, *(v.name for v in layout.variables)))
    faults += [] if faults else learning_faults(loaded, loaded.scenario, axes_of(loaded, loaded.scenario))
    if faults:
        raise loaded.error(faults)
    return _Expansion(loaded, plan, layout).run()


class _Expansion:
    """The work of `expand`: what has been seen, and what was wrong."""

    def __init__(self, loaded: LoadedScenario, plan: Plan, layout: ReadoutLayout) -> None:
        self.loaded, self.plan, self.layout = loaded, plan, layout
        self.axes = axes_of(loaded, loaded.scenario)
        self.branches = (TRUNK, *loaded.scenario.branches)
        self.among = learns_among(loaded, loaded.scenario)
        self.faults: dict[Fault, None] = {}
        self.tried: dict[str, Plan] = {_text(loaded): plan}
        self.trajectories: dict[str, Trajectory] = {}
        self.ticks, self.seconds = 0, 0.0

    def run(self) -> Futures:
        """Go through all points, branches and replicates."""
        scenario = self.loaded.scenario
        points = list(points_of(self.axes))
        few = len(points) * len(self.branches) <= FULLY_TRIED
        for point in points:
            self._point(point, few or sum(1 for position in point if position) <= 1)
            if len(self.faults) >= MOST_FAULTS:
                break
        if self.faults:
            raise self.loaded.error(list(self.faults))
        for group in groups_of(tuple(self.trajectories.values()), scenario):
            if len(group.members) < LEAST_MEMBERS:
                n, place = len(group.members), ("timeline", group.lesson.index, "method")
                message = f"{n} different trajectories learn together, {LEAST_MEMBERS} are needed: take more values"
                raise self.loaded.error([self.loaded.fault(place, f"{message} or replicates")])
        axes = tuple(SweepAxis(axis.name, len(axis.settings), axis.coordinates) for axis in self.axes)
        ensemble = Ensemble(self.branches, axes, scenario.replicates, tuple(self.trajectories.values()))
        memory = max(plan.memory_bytes for plan in self.tried.values())
        return Futures(ensemble, self.ticks, memory, self.seconds)

    def _point(self, point: Point, thoroughly: bool) -> None:
        trunk = self._variant(point, TRUNK, thoroughly)
        if trunk is None:
            return
        for index, name in enumerate(self.branches):
            own = trunk if name == TRUNK else self._variant(point, name, thoroughly, trunk[0])
            if own is None or self.faults:
                continue
            loaded, fork = own
            settled = settled_by(self.loaded.scenario, name)
            past = trunk[0] if fork and (settled or _text(loaded) != _text(trunk[0])) else None
            mine = essence(loaded, past, fork, self.among, settled)
            whose = None if past is None else essence(past, among=self.among)
            for replicate in range(self.loaded.scenario.replicates):
                place = (*((index,) if len(self.branches) > 1 else ()), *point, replicate)
                parent = None if whose is None else name_of(whose, replicate)
                shared = 0 if past is None else fork
                trajectory = Trajectory(name_of(mine, replicate), name, point, replicate, parent, shared, (place,))
                self._add(loaded, trajectory)

    def _add(self, loaded: LoadedScenario, new: Trajectory) -> None:
        if new.id in self.trajectories:
            known = self.trajectories[new.id]
            self.trajectories[new.id] = replace(known, places=(*known.places, *new.places))
            return
        self.trajectories[new.id] = new
        n_ticks = loaded.scenario.n_ticks
        self.ticks += n_ticks - new.fork
        self.seconds += self.tried.get(_text(loaded), self.plan).expected_seconds * (1 - new.fork / n_ticks)

    def _variant(
        self, point: Point, branch: str, thoroughly: bool, trunk: LoadedScenario | None = None
    ) -> tuple[LoadedScenario, int] | None:
        """Return one branch at one point and its fork, or None where something is wrong with it."""
        try:
            own, fork = load_variant(self.loaded, self.axes, point, branch)
            wrong = variant_fault(self.loaded, self.loaded.scenario, own.scenario, branch, fork)
            if wrong is not None:
                raise self.loaded.error([wrong])
            if trunk is not None and fork:
                self._check_past(own, trunk, branch, fork)
            if thoroughly and _text(own) not in self.tried:
                self._try(own, branch)
        except ScenarioError as error:
            self.faults |= dict.fromkeys(error.faults)
            return None
        except InputError as error:
            place = ("branches", branch) if branch != TRUNK else ("sweep",)
            self.faults[self.loaded.fault(place, str(error))] = None
            return None
        return own, fork

    def _try(self, own: LoadedScenario, branch: str) -> None:
        """Plan a variant, and refuse one whose readouts or cells do not fit beside the others'."""
        plan = compile_plan(own)
        world = build_world(own, plan.whole, plan.processes)
        if own.scenario.compartments != self.loaded.scenario.compartments:
            check_places(world)
        layout = layout_of(world)
        for axis, labels in self.layout.coords.items():
            mine = [str(x) for x in layout.coords.get(axis, ())]
            if mine != [str(x) for x in labels]:
                raise InputError(
                    f"has other readouts along {axis.replace('_', ' ')} ({_few(mine)}) than the scenario itself "
                    f"({_few([str(x) for x in labels])}): name the same ones in both"
                )
        self.tried[_text(own)] = plan

    def _check_past(self, own: LoadedScenario, trunk: LoadedScenario, branch: str, fork: int) -> None:
        """Refuse a branch that changes what was before its fork."""
        at = fork * own.scenario.tick
        changed = [
            event
            for one, other in ((own, trunk), (trunk, own))
            for event in one.scenario.timeline
            if event not in other.scenario.timeline
        ]
        early = [event for event in changed if (getattr(event, "at", None) or 0.0) < at - 1e-9 * max(1.0, at)]
        early = [event for event in early if getattr(event, "at", None) is not None]
        if early:
            raise self.loaded.error(
                [
                    self.loaded.fault(
                        ("branches", branch),
                        f"forks at {at:g} h, but changes what happens at {early[0].at:g} h: fork no later than that",
                    )
                ]
            )
        for key in ("substances", "cell_types", "drugs"):
            before, after = getattr(trunk.scenario, key), getattr(own.scenario, key)
            if list(before) != list(after):
                raise self.loaded.error(
                    [self.loaded.fault(("branches", branch), f"has other {key} than its past: name them in the trunk")]
                )


def _text(loaded: LoadedScenario) -> str:
    """Return a document without what may differ between equal trajectories."""
    kept = {key: value for key, value in loaded.document.items() if key not in ("branches", "sweep")}
    return dumps(kept, ensure_ascii=False)


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:6]) + (", …" if len(names) > 6 else "") if names else "none"
