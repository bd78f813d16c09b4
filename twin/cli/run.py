"""`twin run`: from a scenario file to a run store, a summary and pictures."""

import shlex
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Annotated, TypedDict

import typer

from twin import registry
from twin.cli.options import File, Quiet, Sets, Workers
from twin.errors import InputError, RunError, TwinError

WEIGHTY = ("convention", "extrapolated")  # words of the assumptions that are told before a run


def run(
    file: File,
    out: Annotated[Path, typer.Option(help="Folder of the run store; a new one.")],
    sets: Sets = None,
    workers: Workers = 1,
    scheduler: Annotated[
        str | None,
        typer.Option(help="A Dask scheduler in place of workers of our own: tcp://host:port, or its file."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a run that was interrupted, from its last commit.")
    ] = False,
    extend: Annotated[
        bool,
        typer.Option("--extend", help="Go on with a run whose scenario grew: more branches, values or replicates."),
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Run the scenario in FILE and leave a run store in OUT."""
    carry_out(file, out, sets or (), workers=workers, scheduler=scheduler, resume=resume, extend=extend, quiet=quiet)


def carry_out(
    file: Path,
    out: Path,
    sets: Sequence[str],
    *,
    workers: int,
    resume: bool,
    quiet: bool,
    scheduler: str | None = None,
    extend: bool = False,
) -> None:
    """Check, run, summarise and draw one scenario.

    Raises
    ------
    InputError
        If the scenario or the place for the run cannot be used; then nothing is left behind.
    RunError
        If the run stopped half-way.
    """
    check_out(out, resume=resume or extend)
    out = out.resolve()
    from twin.cli.progress import ProgressLine
    from twin.engine.plan import check_file
    from twin.engine.simulation import ready, simulate

    loaded, plan = check_file(file, sets)
    scenario, plans = loaded.scenario, ready(loaded)
    ensemble = plans.futures.ensemble
    if not quiet:
        cells = sum(plan.n_cells.values())
        typer.echo(f"{scenario.name}: {cells:,} cells, {scenario.duration:g} h in {plan.n_ticks} ticks")
        for note in (*plans.futures.describe(), *(f"note: {note}" for note in plans.world.notes)):
            typer.echo(f"  {note}")
        _tell_assumptions(file, plan.assumptions)
    again = ["twin", "run", str(file), "--out", str(out), *(w for s in sets for w in ("--set", s))]
    again += ["--scheduler", scheduler] if scheduler is not None else []
    again += ["--extend" if extend else "--resume"]
    settings = Settings(workers=workers, cluster=scheduler, resume=resume and not extend, extend=extend)
    try:
        with terminable():
            if quiet:
                simulate(loaded, out, prepared=plans, **settings)
            else:
                shared = {t.id: t.fork for t in ensemble.trajectories}
                labels = {t.id: ensemble.label(t) for t in ensemble.trajectories}
                with ProgressLine(plan.n_ticks, scenario.duration, shared, labels) as line:
                    simulate(loaded, out, prepared=plans, on_progress=line.update, on_note=typer.echo, **settings)
    except KeyboardInterrupt as stop:
        word, code = ("terminated", 143) if isinstance(stop, Terminated) else ("interrupted", 130)
        typer.echo(f"twin: {word}; {_how_to_go_on(out, again)}", err=True)
        raise typer.Exit(code) from None
    except RunError as error:
        raise RunError(f"{error}; {_how_to_go_on(out, again)}") from error
    except OSError as error:
        message = f"{error.filename or out}: {error.strerror or error}"
        if _is_begun(out):
            raise RunError(f"the run stopped ({message}); {_how_to_go_on(out, again)}") from error
        raise InputError(f"the run could not begin ({message})") from error
    _show(out, quiet=quiet)


class Settings(TypedDict):
    """How `simulate` is to go about it."""

    workers: int
    cluster: str | None
    resume: bool
    extend: bool


class Terminated(KeyboardInterrupt):
    """SIGTERM: a batch system's word for Ctrl-C."""


@contextmanager
def terminable() -> Iterator[None]:
    """Let SIGTERM stop what is inside as Ctrl-C does."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise Terminated

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _tell_assumptions(file: Path, assumptions: Sequence[str]) -> None:
    """Print how much is taken for granted, and the two things that a result hangs on most."""
    if assumptions:
        typer.echo(f"{len(assumptions)} assumptions: see them with twin explain {file} (they are in the run's record)")
    weighty = [sentence for sentence in assumptions if any(word in sentence for word in WEIGHTY)]
    for sentence in weighty[:2]:
        typer.echo(f"  {sentence}")


def _show(out: Path, *, quiet: bool) -> None:
    """Print the summary of a finished run, its pictures, and where everything is."""
    if not quiet:
        from twin.analysis.summary import report

        typer.echo(report(out))
    for picture in _pictures(out):
        typer.echo(str(picture))
    typer.echo(str(out))
    if not quiet:
        typer.echo(f'in Python: import twin; run = twin.open_run("{out}")')


def _pictures(out: Path) -> list[Path]:
    """Draw the run beside its store; a run is never lost to a picture that cannot be drawn."""
    try:
        return list(registry.command("pictures")(out, pictures_of(out)))
    except TwinError as error:
        typer.echo(f"twin: no pictures: {error}", err=True)
        return []


def pictures_of(out: Path) -> Path:
    """Return the folder of a run's pictures: beside the store, which holds Zarr only."""
    return out.with_name(f"{out.name}-pictures")


def check_out(out: Path, *, resume: bool) -> None:
    """Refuse a place for a run that cannot be one, before anything is computed.

    Raises
    ------
    InputError
        If something is there already (without `resume`), nothing is there (with it), nothing can be
        written there, or it is the current folder: the run takes its place, and whoever stands in it is lost.
    """
    if resume and not _is_begun(out):
        raise InputError(f"--resume, --extend: there is no run in {out}")
    try:
        taken = out.exists() and (not out.is_dir() or any(out.iterdir()))
        if taken and not resume:
            raise InputError(
                f"{out} exists already: choose another --out, or go on with --resume (--extend where the scenario grew)"
            )
        if not resume and out.resolve() == Path.cwd():
            raise InputError(f"--out {out} is the folder you stand in: name a new one in it, like --out run")
        place = out.absolute()
        while not place.exists():
            place = place.parent
        with TemporaryDirectory(dir=place, prefix=".twin-"):
            pass
    except OSError as error:
        raise InputError(f"{out} cannot be written: {error.strerror or error}") from error


def _is_begun(out: Path) -> bool:
    return (out / "zarr.json").is_file()


def _how_to_go_on(out: Path, command: Sequence[str]) -> str:
    if not _is_begun(out):
        return "nothing was written"
    return f"what is committed stays; go on with: {shlex.join(command)}"
