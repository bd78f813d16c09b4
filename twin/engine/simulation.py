"""From a checked scenario to a run store: trajectories as chains of Dask tasks.

A task is one segment of one trajectory, from a commit to the next. It reads the state of the last commit and leaves a
new one, so it can be retried anywhere; nothing large goes through the scheduler.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, fields
from pathlib import Path
from threading import Lock
from typing import Any

import torch
from distributed import Client, Future, KilledWorker, LocalCluster, get_worker

from twin.engine.loop import Progress, run_segment, segment_ends
from twin.engine.observe import References, layout_of, references_of
from twin.engine.plan import Plan, compile_plan
from twin.engine.seeding import place_cells, seed_body
from twin.engine.world import World, build_world
from twin.errors import InputError, RunError
from twin.kernels.random import Streams
from twin.results import TrajectoryWriter, create_run, open_run
from twin.scenario.load import LoadedScenario

__all__ = ["Progress", "prepare", "segment", "simulate"]

PROGRESS = "twin-progress"  # topic of the workers' messages
RETRIES = 2  # of a segment whose worker was lost

_worlds: dict[str, World] = {}
_references: dict[str, References | None] = {}
_worlds_lock = Lock()


def simulate(
    loaded: LoadedScenario,
    out: Path,
    *,
    workers: int = 1,
    resume: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
) -> None:
    """Run a scenario and leave a run store in `out`.

    Parameters
    ----------
    workers : processes that share the trajectories; the result does not depend on it.
    resume : go on from the last commits of `out`; the scenario must be the one that it was begun with.
    on_progress : called after every tick of every trajectory.

    Raises
    ------
    InputError
        If the scenario cannot be run, `out` is taken or cannot be written, or belongs to another scenario.
    RunError
        If the run stopped half-way; what is committed stays.
    """
    world = prepare(loaded)
    out = out.resolve()
    if resume:
        _check_same(loaded, out)
    else:
        create_run(
            out,
            record_of(compile_plan(loaded), world),
            layout_of(world),
            world.scenario.replicates,
            list(world.scenario.compartments),
        )
    ends = segment_ends(world)
    with _client(workers) as client:
        if on_progress is not None:
            client.subscribe_topic(PROGRESS, _listener(on_progress))  # type: ignore[no-untyped-call]  # Dask's own
        futures: list[Future[int]] = []
        for replicate in range(world.scenario.replicates):
            done = open_run(out).ticks_done(replicate) if resume else 0
            before: Future[int] | None = None
            for end in (e for e in ends if e > done):
                before = client.submit(
                    _task,
                    loaded,
                    str(out),
                    replicate,
                    end,
                    before,
                    key=f"segment-{loaded.sha256[:12]}-{out.name}-{replicate:04d}-{end:08d}",
                    retries=RETRIES,
                    pure=False,
                )
            if before is not None:
                futures.append(before)
        try:
            client.gather(futures)  # type: ignore[no-untyped-call]  # Dask's own
        except KilledWorker as error:
            raise RunError(
                "a worker was lost four times, most likely for want of memory; take fewer workers or cells, then "
                f"go on with: twin run … --out {out} --resume"
            ) from error


def prepare(loaded: LoadedScenario) -> World:
    """Read what the scenario names and try its cells on, so that what cannot run fails before anything is written.

    Raises
    ------
    InputError
        If a file holds no raw counts, or cells do not fit into their box or region.
    """
    world = _world_of(loaded)
    for name, document in world.scenario.compartments.items():
        place_cells(world, name, document, Streams(world.scenario.seed, 0, 0))
    return world


def _task(loaded: LoadedScenario, out: str, replicate: int, until: int, before: int | None) -> int:
    """Run a segment on a worker; `before`, what the segment before it reached, only makes this one wait."""
    return segment(loaded, Path(out), replicate, until, _report)


def segment(
    loaded: LoadedScenario,
    out: Path,
    replicate: int,
    until: int,
    on_progress: Callable[[Progress], None] | None = None,
) -> int:
    """Take one trajectory of the run in `out` from its last commit to tick `until`, and return that."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # a result must not depend on how many cores there are
    try:
        world = _world_of(loaded)
        references = _references_of(loaded, world)
        writer = TrajectoryWriter(
            out,
            replicate,
            world.model.genes,
            world.perturbations,
            world.substances.names,
            world.scenario.tick,
        )
        body = writer.restore()
        if body is None:
            body = seed_body(world, replicate)
        if body.tick < until:
            run_segment(world, body, writer, replicate, until, references, on_progress)
        return until
    finally:
        torch.set_num_threads(threads)


def _report(progress: Progress) -> None:
    get_worker().log_event(PROGRESS, asdict(progress))


def _listener(on_progress: Callable[[Progress], None]) -> Callable[[tuple[float, dict[str, Any]]], None]:
    def heard(event: tuple[float, dict[str, Any]]) -> None:
        told = event[1]  # Dask adds the worker's address
        on_progress(Progress(**{f.name: told[f.name] for f in fields(Progress)}))

    return heard


def _world_of(loaded: LoadedScenario) -> World:
    """Return what stands still of a scenario, built once a process."""
    name = _name_of(loaded)
    with _worlds_lock:
        if name not in _worlds:
            plan = compile_plan(loaded)
            world = build_world(loaded, plan.model, plan.processes)
            _worlds.clear()  # one scenario at a time: a model takes memory
            _worlds[name] = world
        return _worlds[name]


def _references_of(loaded: LoadedScenario, world: World) -> References | None:
    """Return the levels between which a response is measured, drawn once a process."""
    name = _name_of(loaded)
    with _worlds_lock:
        if name not in _references:
            _references.clear()
            _references[name] = references_of(world)
        return _references[name]


def _name_of(loaded: LoadedScenario) -> str:
    return f"{loaded.sha256}:{loaded.file.resolve()}"


def record_of(plan: Plan, world: World) -> dict[str, object]:
    """Return what a run records of itself."""
    scenario, model = plan.scenario, world.model
    observe = scenario.observe
    return {
        "name": scenario.name,
        "scenario": plan.loaded.document,
        "scenario_sha256": plan.loaded.sha256,
        "versions": dict(plan.versions),
        "plugins": dict(plan.plugins),
        "model": {
            "name": model.name,
            "from": plan.model_from,
            "fingerprint": model.fingerprint,
            "notes": list(model.notes),
        },
        "seed": scenario.seed,
        "assumptions": list(plan.assumptions),
        "tick": scenario.tick,
        "n_ticks": scenario.n_ticks,
        "chunk": scenario.execution.chunk,
        "last_measured_time_h": model.last_time(),
        "exposure_start_h": _exposure_start(plan),
        "substances": {
            name: {
                "diffusivity_um2_per_h": float(world.substances.diffusivity[i]),
                "decay_per_h": float(world.substances.decay[i]),
            }
            for i, name in enumerate(world.substances.names)
        },
        "distance_from": observe.distance.source if observe.distance else None,
        "response_program": observe.response.program if observe.response else None,
    }


def _exposure_start(plan: Plan) -> float:
    """Return when the first substance comes in, h."""
    starts = [s.start for s in plan.scenario.signalling.secretion]
    starts += [event.at for event in plan.scenario.timeline if event.do == "add"]
    return min(starts, default=0.0)


def _check_same(loaded: LoadedScenario, out: Path) -> None:
    run = open_run(out)
    if run.attrs.get("scenario_sha256") != loaded.sha256:
        then, now = run.scenario, loaded.document
        changed = sorted(key for key in {*then, *now} if then.get(key) != now.get(key))
        raise InputError(
            f"{out} was begun with another scenario (different: {', '.join(changed) or 'its text'}); "
            "run it into another folder, or resume with the scenario as it was"
        )


@contextmanager
def _client(workers: int) -> Iterator[Client]:
    """Give a Dask client: one worker lives in this process, more are processes of their own."""
    for name in ("distributed", "distributed.nanny", "distributed.worker"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # closing a cluster is noisy, and means nothing
    with (
        LocalCluster(  # type: ignore[no-untyped-call]  # Dask's own
            n_workers=max(1, workers),
            threads_per_worker=1,
            processes=workers > 1,
            dashboard_address=None,
            memory_limit=0,
        ) as cluster,
        Client(cluster) as client,  # type: ignore[no-untyped-call]  # Dask's own
    ):
        yield client
