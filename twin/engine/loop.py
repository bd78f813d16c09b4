"""The loop: one tick after another, for every compartment and process in turn."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from twin.engine.apply import Pending, apply_structure, apply_updates, declared, keep
from twin.engine.assimilate import assimilate_due
from twin.engine.conditions import look, released_at, texts_at
from twin.engine.inject import inject_due
from twin.engine.measure import Moment
from twin.engine.observe import References, kept_ticks, observe_body, observed_ticks
from twin.engine.travel import Leaving, carry_over, leaving
from twin.engine.view import view_of
from twin.engine.world import World
from twin.errors import RunError
from twin.kernels.blocks import Crew
from twin.kernels.random import Streams
from twin.process import ALONE, At, BodyProcess, BodyUpdate, Keep, Move, Process, Update, View
from twin.results import TrajectoryWriter
from twin.scenario.learning import lessons_of
from twin.scenario.timeline import whole_ticks
from twin.state.body import Body

# What foreign code may raise that is a fault of its own; whatever else, `simulate` tells without the plugin's name.
_BROKEN = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    MemoryError,
    NameError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)


@dataclass(frozen=True)
class Progress:
    """Where a trajectory is: simulated time in h, cells, and how fast it goes; `trajectory` is its id."""

    replicate: int
    tick: int
    n_ticks: int
    time: float
    n_cells: int
    ticks_per_second: float
    trajectory: str = ""


def advance(world: World, body: Body, replicate: int, crew: Crew = ALONE) -> None:
    """Take a body one tick on, in place.

    Processes run one after another in the plan's order; each sees what the ones before it left. Births and
    deaths wait for the end of the tick.

    crew : threads that a process may spread its chunks over; the result does not depend on them.

    Raises
    ------
    RunError
        If a process breaks, or gives what it did not declare or what does not fit; the process is named.
    """
    pending = {name: Pending() for name in body.compartments}
    moves: list[Leaving] = []
    released = released_at(body)
    axes = {"behaviour": len(world.behaviours.ruled)}
    inject_due(world, body, replicate)
    for name, process in world.processes:
        ticks = ticks_of(process, world.scenario.tick)
        if body.tick % ticks:
            continue
        if isinstance(process, BodyProcess):
            moves += _step_body(world, body, name, process, replicate, crew, released, pending, axes)
            continue
        for home in body.compartments.values():
            if home.well_mixed and not process.in_pools:
                continue
            view = view_of(world, home, process, body.tick, replicate, crew, released, body.stores)
            updates = declared(name, process, _step(name, process, view))
            apply_updates(home, name, updates, pending[home.name], axes, body.stores)
    streams = Streams(world.scenario.seed, replicate, body.tick)
    for home in body.compartments.values():
        apply_structure(home, pending[home.name], body.tick, streams)
    carry_over(world, body, moves, streams)
    body.tick += 1


def _step(name: str, process: Process, view: View) -> Iterator[Update]:
    """Yield what a process gives; this is where foreign code is called, and where its errors get its name."""
    hours = view.scenario.tick
    try:
        yield from process.step(view, ticks_of(process, hours) * hours)
    except _BROKEN as error:
        raise _broken(name, error, view) from error


def _broken(name: str, error: Exception, view: View, place: str | None = None) -> RunError:
    where = f"{place or view.compartment} at {view.time:g} h"
    return RunError(f"plugin {name!r} failed in {where}: {type(error).__name__}: {error}")


def _step_body(
    world: World,
    body: Body,
    name: str,
    process: BodyProcess,
    replicate: int,
    crew: Crew,
    released: frozenset[int],
    pending: dict[str, Pending],
    axes: dict[str, int],
) -> list[Leaving]:
    """Apply what a process of the whole body gives, and return which cells it moves."""
    views = {
        home.name: view_of(world, home, process, body.tick, replicate, crew, released, body.stores)
        for home in body.compartments.values()
    }
    hours = world.scenario.tick
    first = next(iter(views.values()))
    try:
        given: list[BodyUpdate] = list(process.step_body(views, ticks_of(process, hours) * hours))
    except _BROKEN as error:
        raise _broken(name, error, first, "the body") from error
    by_place: dict[str, list[Update]] = {home: [] for home in body.compartments}
    moves = []
    for update in given:
        match update:
            case At(place, what) if place in by_place:
                by_place[place].append(what)
            case At(place, _):
                raise RunError(f"plugin {name!r} changes a compartment {place!r}, which is not there")
            case Move():
                moves.append(leaving(body, name, update))
            case Keep():
                keep(name, update, body.stores)
            case _:
                raise RunError(f"plugin {name!r} gave a {type(update).__name__}, which is no At, Move or Keep")
    for place, updates in by_place.items():
        home = body.compartments[place]
        apply_updates(home, name, declared(name, process, updates), pending[place], axes, body.stores)
    return moves


def ticks_of(process: Process, tick: float) -> int:
    """Return how many ticks lie between two steps of a process."""
    return 1 if process.interval is None else whole_ticks(process.interval, tick, "interval")


def run_segment(
    world: World,
    body: Body,
    writer: TrajectoryWriter,
    replicate: int,
    until: int,
    references: References | None,
    on_progress: Callable[[Progress], None] | None = None,
    crew: Crew = ALONE,
) -> None:
    """Run ticks until `until`, keep what the scenario asks for, and commit.

    The body must be at the last commit (or at tick 0, whose readouts are then taken too). A body whose scenario ends
    it early stays where it is.
    """
    scenario = world.scenario
    when = {tick: index for index, tick in enumerate(observed_ticks(world))}
    keep = kept_ticks(world)
    began, first = time.monotonic(), body.tick
    if body.tick == 0 and not body.stopped:
        _note(world, body, writer, replicate, when, keep, references)
    while body.tick < until and not body.stopped:
        advance(world, body, replicate, crew)
        _note(world, body, writer, replicate, when, keep, references)
        if on_progress is not None:
            rate = (body.tick - first) / max(time.monotonic() - began, 1e-9)
            now = body.tick * scenario.tick
            on_progress(Progress(replicate, body.tick, scenario.n_ticks, now, body.n_cells, rate))
    writer.commit(body)


def attend(world: World, body: Body, replicate: int, *, observed: bool = False) -> Moment:
    """Correct a body by what was measured at its time, and watch it; to be done once at each tick."""
    assimilate_due(world, body, replicate)
    moment = Moment(world, body, texts_at(world, body.tick, observed=observed))
    look(world, body, moment)
    return moment


def _note(
    world: World,
    body: Body,
    writer: TrajectoryWriter,
    replicate: int,
    when: dict[int, int],
    keep: set[int],
    references: References | None,
) -> None:
    """Attend to a body, and keep what the scenario asks for."""
    observed = body.tick in when
    moment = attend(world, body, replicate, observed=observed)
    if observed:
        writer.readouts(when[body.tick], observe_body(world, body, references, moment))
    if body.tick in keep or body.stopped:
        writer.frame(body)


def segment_ends(world: World, forks: Iterable[int] = ()) -> list[int]:
    """Return the ticks at which a trajectory commits, `forks` and those at which it learns among them; the last is the
    end.
    """
    every = whole_ticks(world.scenario.execution.commit_every, world.scenario.tick, "commit_every")
    ends = list(range(every, world.scenario.n_ticks + 1, every))
    learns = (lesson.tick for lesson in lessons_of(world.scenario))
    return sorted({*ends, *forks, *learns, world.scenario.n_ticks})
