"""From a checked scenario to a run store: trajectories as chains of Dask tasks.

A task is one segment of one trajectory, from a commit to the next. It reads the state of the last commit and leaves a
new one, so it can be retried anywhere; nothing large goes through the scheduler.
"""

import logging
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, fields
from hashlib import file_digest, sha256
from pathlib import Path
from threading import Lock
from typing import Any

import torch
from distributed import Client, Future, KilledWorker, LocalCluster, Worker, WorkerPlugin, as_completed, get_worker

from twin.engine.loop import Progress, run_segment, segment_ends
from twin.engine.observe import References, layout_of, references_of
from twin.engine.plan import Plan, compile_plan
from twin.engine.seeding import check_places, seed_body
from twin.engine.world import World, build_world
from twin.errors import InputError, RunError, TwinError
from twin.results import TrajectoryWriter, create_run, open_run
from twin.scenario.load import LoadedScenario

__all__ = ["Progress", "prepare", "segment", "simulate"]

PROGRESS = "twin-progress"  # topic of the workers' messages
HERE = "127.0.0.1"  # Dask listens to this machine alone
LOGGERS = ("distributed", "distributed.nanny", "distributed.worker", "distributed.scheduler")

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
    workers : processes that share the trajectories, at most one each; the result does not depend on it.
    resume : go on from the last commits of `out`; scenario, files, model and plugins must be those that it was
        begun with.
    on_progress : called after every tick of every trajectory.

    Raises
    ------
    InputError
        If the scenario cannot be run, `out` is taken or cannot be written, or was begun with something else.
    RunError
        If the run stopped half-way; what is committed stays, and `resume` goes on from there.
    """
    world = prepare(loaded)
    out = out.resolve()
    record = record_of(compile_plan(loaded), world)
    if resume:
        _check_same(loaded, record, out)
    else:
        create_run(
            out,
            record,
            layout_of(world),
            world.scenario.replicates,
            list(world.scenario.compartments),
        )
    done = [open_run(out).ticks_done(replicate) if resume else 0 for replicate in range(world.scenario.replicates)]
    ends = {replicate: [e for e in segment_ends(world) if e > ticks] for replicate, ticks in enumerate(done)}
    unfinished = sum(1 for left in ends.values() if left)
    if not unfinished:
        return
    with _client(min(workers, unfinished)) as client:
        if on_progress is not None:
            client.subscribe_topic(PROGRESS, _listener(on_progress))  # type: ignore[no-untyped-call]  # Dask's own
        futures: list[Future[int]] = []
        for replicate, left in ends.items():
            before: Future[int] | None = None
            for end in left:
                before = client.submit(
                    _task,
                    loaded,
                    str(out),
                    replicate,
                    end,
                    before,
                    key=f"segment-{loaded.sha256[:12]}-{out.name}-{replicate:04d}-{end:08d}",
                    retries=0,  # a segment that fails fails again; one whose worker is lost is run again anyway
                    pure=False,
                )
            if before is not None:
                futures.append(before)
        for future in as_completed(futures):  # type: ignore[no-untyped-call]  # Dask's own
            _check_went_well(future)


def _check_went_well(future: "Future[int]") -> None:
    """Raise what ended a trajectory, in our words where it is not ours."""
    error = future.exception()  # type: ignore[no-untyped-call]  # Dask's own
    if error is None:
        return
    if isinstance(error, TwinError | OSError):  # a full disk is the caller's to tell
        raise error
    if isinstance(error, KilledWorker):
        raise RunError(
            "a worker was lost four times, most likely for want of memory: take fewer workers or cells"
        ) from error
    raise RunError(f"the run stopped: {type(error).__name__}: {error}") from error


def prepare(loaded: LoadedScenario) -> World:
    """Read what the scenario names and try its cells on, so that what cannot run fails before anything is written.

    Raises
    ------
    InputError
        If a file holds no raw counts, or cells do not fit into their box or region.
    """
    world = _world_of(loaded)
    check_places(world)
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
            world = build_world(loaded, plan.whole, plan.processes)
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
    """Return what tells one scenario, with its files as they are now, from another."""
    stats = [file.stat() for file in _inputs(loaded).values() if file.exists()]
    return f"{loaded.sha256}:{loaded.file.resolve()}:{[(s.st_size, s.st_mtime_ns) for s in stats]}"


def _inputs(loaded: LoadedScenario) -> dict[str, Path]:
    """Return the files that compartments and signals are made of, by the names that the scenario has for them."""
    sources = (compartment.cells for compartment in loaded.scenario.compartments.values())
    files = [cells.file for cells in sources if cells.source != "model"]
    files += [pairs.file for pairs in loaded.scenario.signalling.pairs]
    files += [event.file for event in loaded.scenario.timeline if event.do == "assimilate"]
    return {file: loaded.resolve(file) for file in files}


def _hash_of(path: Path) -> str:
    """Return the sha256 of a file; of a folder, that of its files' names and hashes in order."""
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.is_file())
        listing = "\n".join(f"{file.relative_to(path).as_posix()} {_hash_of(file)}" for file in files)
        return sha256(listing.encode()).hexdigest()
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def record_of(plan: Plan, world: World) -> dict[str, object]:
    """Return what a run records of itself."""
    scenario, model = plan.scenario, world.model
    observe = scenario.observe
    return {
        "name": scenario.name,
        "scenario": plan.loaded.document,
        "scenario_sha256": plan.loaded.sha256,
        "versions": dict(plan.versions),
        "inputs": {name: _hash_of(path) for name, path in _inputs(plan.loaded).items()},
        "plugins": dict(plan.plugins),
        "model": {
            "name": model.name,
            "from": plan.model_from,
            "fingerprint": model.fingerprint,
            "notes": list(model.notes),
        },
        "seed": scenario.seed,
        "assumptions": [*world.notes, *plan.assumptions],
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
    starts += [0.0 for signal in plan.scenario.signalling.contact if signal.perturbation is not None]
    starts += [event.at for event in plan.scenario.timeline if event.do == "add"]
    return min(starts, default=0.0)


def _check_same(loaded: LoadedScenario, record: Mapping[str, Any], out: Path) -> None:
    """Refuse to go on with a run that was begun with another scenario, file, model or plugin."""
    run = open_run(out)
    if run.attrs.get("scenario_sha256") != loaded.sha256:
        then, now = run.scenario, loaded.document
        changed = sorted(key for key in {*then, *now} if then.get(key) != now.get(key))
        raise InputError(
            f"{out} was begun with another scenario (different: {', '.join(changed) or 'its text'}); "
            "run it into another folder, or resume with the scenario as it was"
        )
    then, now = run.attrs.get("inputs", {}), record["inputs"]
    changed = [f"{name} has changed" for name in then if then[name] != now.get(name)]
    if not changed and run.attrs["model"]["fingerprint"] != record["model"]["fingerprint"]:
        changed.append(f"the world model {record['model']['name']} has changed")
    then, now = run.attrs["plugins"], record["plugins"]
    changed += [f"{name} was of {then[name]} and is of {now[name]}" for name in then if then[name] != now.get(name)]
    if changed:
        raise InputError(
            f"{'; '.join(changed)} since the run in {out} was begun: put it back, or run into another folder"
        )


@contextmanager
def _client(workers: int) -> Iterator[Client]:
    """Give a Dask client: one worker lives in this process, more are processes of their own.

    All of it listens to this machine only, on ports that are free.
    """
    _hush()
    with (
        LocalCluster(  # type: ignore[no-untyped-call]  # Dask's own
            n_workers=max(1, workers),
            threads_per_worker=1,
            processes=workers > 1,
            host=HERE if workers > 1 else None,  # one worker needs no socket
            dashboard_address=f"{HERE}:0",
            worker_dashboard_address=f"{HERE}:0",
            memory_limit=0,
        ) as cluster,
        Client(cluster) as client,  # type: ignore[no-untyped-call]  # Dask's own
    ):
        if workers > 1:
            client.register_plugin(_Quiet())
        yield client


class _Quiet(WorkerPlugin):
    """Leaves it to this process to tell of failures and of Ctrl-C, which a terminal sends to the workers too."""

    def setup(self, worker: Worker) -> None:
        """Prepare a worker process, also one that takes the place of a lost one."""
        _hush()
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def _hush() -> None:
    """Keep Dask from writing of what we tell ourselves: a task that failed, a cluster that closes."""
    for name in LOGGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL)
