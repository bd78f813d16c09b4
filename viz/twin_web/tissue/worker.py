"""A process of its own for one tissue: a crash or a lack of memory there takes no server down.

`python -m twin_web.tissue.worker` imports what it needs, says "ready", and waits for its work: one line of JSON. It
tells what it does by lines of JSON, each with a `kind`. SIGTERM and SIGHUP stop it as Ctrl-C stops `twin run`: what is
committed stays. Its input ends with the server, and then so does it.
"""

import json
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, TextIO

from twin.engine.plan import check_file
from twin.engine.simulation import Progress, ready, simulate
from twin.errors import ScenarioError, TwinError
from twin.results import open_run
from twin_web.tissue.past import Past
from twin_web.tissue.seed import seed_run

Work = dict[str, Any]


class Stopped(KeyboardInterrupt):
    """The server's word for Ctrl-C."""


class Teller:
    """Where a worker says what it does; whatever else is printed goes to the errors."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._lock = threading.Lock()

    def tell(self, kind: str, **what: Any) -> None:
        """Say one thing, from any thread; a server that does not listen any more stops us by other means."""
        line = json.dumps({"kind": kind, **what}, allow_nan=False)
        with self._lock:
            try:
                print(line, file=self._out, flush=True)
            except OSError:
                return


def run_tissue(work: Work, teller: Teller) -> None:
    """Run a scenario, or go on with what is there of it; branches that were added are run, too."""
    file, out = Path(work["file"]), Path(work["out"])
    teller.tell("preparing")
    loaded, plan = check_file(file)
    prepared = ready(loaded)
    ensemble, again, workers = prepared.futures.ensemble, (out / "zarr.json").is_file(), int(work["workers"])
    left = len(ensemble.trajectories)
    if again:
        begun = open_run(out)
        done = [t for t in ensemble.trajectories if t.id in begun.ensemble.by_id]
        left -= sum(begun.ticks_of(t) >= plan.n_ticks or begun.why_stopped(t) is not None for t in done)
    each, limit = prepared.futures.memory_bytes, loaded.scenario.execution.memory_limit_gib * 2**30
    if left > 1:  # futures go on side by side, also where they share one core; as many as the memory holds
        workers = max(1, min(max(2, workers), int(limit / each)))
    teller.tell("begun", processes=max(1, min(workers, left)), n_ticks=plan.n_ticks)
    past = Past(out, ensemble, int(work["past_mb"]) * 2**20)

    def told(progress: Progress) -> None:
        teller.tell(
            "tick",
            trajectory=progress.trajectory,
            tick=progress.tick,
            n_cells=progress.n_cells,
            rate=progress.ticks_per_second,
        )
        past.keep(progress.trajectory)

    simulate(
        loaded,
        out,
        prepared=prepared,
        workers=workers,
        extend=again,
        on_progress=told,
        on_note=lambda text: teller.tell("note", text=text),
    )


def seed_tissue(work: Work, teller: Teller) -> None:
    """Make the picture before: a run of one instant, in which nothing has happened yet."""
    teller.tell("preparing")
    seed_run(Path(work["file"]), Path(work["out"]))


WORKS = {"run": run_tissue, "seed": seed_tissue}


@contextmanager
def stoppable() -> Iterator[None]:
    """Let a signal, or the end of the server, stop what is inside, once."""

    def stop(number: int, frame: FrameType | None) -> None:
        for known in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(known, signal.SIG_IGN)  # it is being stopped: closing is not to be cut short
        raise Stopped

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    yield
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def _watch_input() -> None:
    """Stop when the server's end of our input is closed: it has gone."""
    while sys.stdin.readline():
        continue
    os.kill(os.getpid(), signal.SIGTERM)


def main() -> None:
    """Say that we are ready, do the work that we are given, and say how it ended."""
    out = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # a library that prints, and processes of ours
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal: the server's, which tells us
    teller = Teller(out)
    teller.tell("ready")
    line = sys.stdin.readline()
    if not line:
        return
    work: Work = json.loads(line)
    threading.Thread(target=_watch_input, daemon=True).start()
    try:
        with stoppable():
            WORKS[work["do"]](work, teller)
        teller.tell("done")
    except Stopped:
        teller.tell("stopped")
    except ScenarioError as error:
        teller.tell("failed", error="; ".join(str(fault) for fault in error.faults))
    except TwinError as error:
        teller.tell("failed", error=str(error))
    except OSError as error:
        teller.tell("failed", error=f"{error.filename or work['out']}: {error.strerror or error}")
    sys.stderr.flush()
    os._exit(0)  # a tick that is still being computed in a thread is not waited for


if __name__ == "__main__":
    main()
