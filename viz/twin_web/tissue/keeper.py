"""Runs that this server has begun: which wait, which go on, which were stopped, and what their workers say."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Literal

from aiohttp import web

from twin.errors import InputError, RunError
from twin_web.site import Site
from twin_web.tissue.child import Child, Told

State = Literal["waiting", "preparing", "running", "paused", "stopping"]
Outcome = Literal["done", "stopped", "failed"]

AT_ONCE = 2  # runs that go on at a time; our choice: a laptop's cores
MOST_WAITING = 20  # our choice
PAST = 512  # MB of states that a run keeps of its past, so that it can be branched from there; our choice
MOST_OUTCOMES = 200  # that are remembered; the store itself says the same for ever


@dataclass
class Tick:
    """Where one trajectory is."""

    tick: int
    n_cells: int
    rate: float


@dataclass
class Live:
    """A run that waits or goes on.

    file, out : its scenario and its store. n_ticks : 0 until they are known. processes : that share its trajectories.
    began : when it was taken up (monotonic, s). branching : the name of a branch that is being set up, or None.
    """

    file: Path
    out: Path
    state: State = "waiting"
    child: Child | None = None
    task: asyncio.Task[None] | None = None
    ticks: dict[str, Tick] = field(default_factory=dict)
    n_ticks: int = 0
    processes: int = 1
    began: float = 0.0
    branching: str | None = None


@dataclass(frozen=True)
class Over:
    """How a run ended that this server ran: message, where it failed; errors, the last lines that it wrote."""

    outcome: Outcome
    message: str | None = None
    errors: tuple[str, ...] = ()


class Keeper:
    """Begins, halts and stops runs, a few at a time, and leaves no process behind."""

    def __init__(self, site: Site) -> None:
        self._workers = site.workers
        self.live: dict[str, Live] = {}
        self.over: dict[str, Over] = {}
        self._spare: asyncio.Task[Child] | None = None
        self._seeding: dict[Path, asyncio.Task[None]] = {}
        self._children: set[Child] = set()
        self._news = asyncio.Event()
        self.is_closing = False

    @property
    def workers(self) -> int:
        """Processes that share a run."""
        return self._workers

    def state(self, run: str) -> State | None:
        """Return where a run is that this server runs; None of all others."""
        found = self.live.get(run)
        return found.state if found is not None else None

    def begin(self, run: str, file: Path, out: Path) -> None:
        """Take up a run, or go on with it: at once, or when its turn comes.

        Raises
        ------
        InputError
            If it goes on already, or too many wait.
        """
        if run in self.live:
            raise InputError(f"{run} goes on already")
        if sum(live.state == "waiting" for live in self.live.values()) >= MOST_WAITING:
            raise InputError(f"{MOST_WAITING} runs wait for their turn already: stop some, or wait")
        self.over.pop(run, None)
        self.live[run] = Live(file, out)
        self._next()

    def place(self, run: str) -> int:
        """Return how many runs are before this one in the queue."""
        waiting = [name for name, live in self.live.items() if live.state == "waiting"]
        return waiting.index(run) if run in waiting else 0

    def pause(self, run: str) -> None:
        """Halt a run where it stands."""
        live = self.live.get(run)
        if live is None or live.child is None or live.state not in ("preparing", "running"):
            raise web.HTTPConflict(text=f"{run} does not go on: there is nothing to halt")
        live.child.halt()
        live.state = "paused"
        self.tell()

    def resume(self, run: str) -> bool:
        """Let a halted run go on; False where there is none of that name."""
        live = self.live.get(run)
        if live is None:
            return False
        if live.state == "paused" and live.child is not None:
            live.child.go_on()
            live.state = "running" if live.n_ticks else "preparing"
            self.tell()
        return True

    async def stop(self, run: str) -> None:
        """Stop a run, or take it out of the queue; what is committed stays. Nothing happens where none goes on."""
        live = self.live.get(run)
        if live is None:
            return
        live.state = "stopping"
        self.tell()
        if live.child is not None:
            await live.child.stop()
        if live.task is not None:
            await asyncio.wait([live.task])
        elif self.live.pop(run, None) is not None:
            self._end(run, Over("stopped"))

    async def seed(self, file: Path, out: Path) -> None:
        """Make the picture before, once: who asks for the same waits for the same.

        Raises
        ------
        InputError, RunError
            If it cannot be made.
        """
        if out not in self._seeding:
            self._seeding[out] = asyncio.create_task(self._seed(file, out))
            self._seeding[out].add_done_callback(lambda _: self._seeding.pop(out, None))
        await asyncio.shield(self._seeding[out])

    def warm(self) -> None:
        """Have a worker ready that waits for its work: the first one that is needed begins at once."""
        if not self.is_closing and (self._spare is None or (self._spare.done() and not _is_ready(self._spare))):
            self._spare = asyncio.create_task(self._new_child())

    async def news(self, patience: float) -> None:
        """Return when something has changed, at the latest after `patience` s."""
        try:
            await asyncio.wait_for(self._news.wait(), patience)
        except TimeoutError:
            return

    def tell(self) -> None:
        """Wake up who waits for news."""
        self._news.set()
        self._news = asyncio.Event()

    async def close(self) -> None:
        """Stop all that goes on, as Ctrl-C does, and end all processes."""
        self.is_closing = True
        self.tell()
        await asyncio.gather(*(self.stop(run) for run in list(self.live)))
        if self._spare is not None:
            await asyncio.wait([self._spare])
        for task in self._seeding.values():
            task.cancel()
        await asyncio.gather(*(child.end() for child in list(self._children)))

    def _next(self) -> None:
        """Take up runs that wait, as far as there is room."""
        going = sum(live.state != "waiting" for live in self.live.values())
        for run, live in self.live.items():
            if live.state == "waiting" and going < AT_ONCE and not self.is_closing:
                going += 1
                live.state, live.began = "preparing", monotonic()
                live.task = asyncio.create_task(self._run(run, live))
        self.tell()

    async def _run(self, run: str, live: Live) -> None:
        """Carry a run out, to its end."""
        over = Over("stopped")
        try:
            live.child = await self._take_child()
            if live.state != "stopping":
                work: Told = {
                    "do": "run",
                    "file": str(live.file),
                    "out": str(live.out),
                    "workers": self._workers,
                    "past_mb": PAST,
                }
                async for told in live.child.work(work):
                    self._hear(live, told)
                    if told["kind"] in ("done", "stopped", "failed"):
                        over = Over(told["kind"], told.get("error"), tuple(live.child.last_lines))
        except (RunError, OSError) as error:  # its process was ended by the system, or by us; or cannot be begun
            if live.state != "stopping":
                over = Over("failed", str(error), tuple(live.child.last_lines) if live.child else ())
        finally:
            if live.child is not None:
                await self._drop(live.child)
            self.live.pop(run, None)
            self._end(run, over)

    def _hear(self, live: Live, told: Told) -> None:
        if told["kind"] == "begun":
            live.n_ticks, live.processes = told["n_ticks"], told["processes"]
            live.state = "running" if live.state == "preparing" else live.state
        elif told["kind"] == "tick":
            live.ticks[told["trajectory"]] = Tick(told["tick"], told["n_cells"], told["rate"])
        self.tell()

    def _end(self, run: str, over: Over) -> None:
        self.over[run] = over
        while len(self.over) > MOST_OUTCOMES:
            del self.over[next(iter(self.over))]
        self._next()

    async def _seed(self, file: Path, out: Path) -> None:
        child = await self._take_child()
        try:
            async for told in child.work({"do": "seed", "file": str(file), "out": str(out)}):
                if told["kind"] == "failed":
                    raise InputError(told["error"])
        finally:
            await self._drop(child)

    async def _take_child(self) -> Child:
        """Return a worker: the one that is ready, or a new one."""
        taken, self._spare = self._spare, None
        if taken is not None and (child := await taken).is_alive:
            return child
        return await self._new_child()

    async def _new_child(self) -> Child:
        child = await Child.begin()
        self._children.add(child)
        return child

    async def _drop(self, child: Child) -> None:
        """End a worker; the next one gets ready now, when it takes no time from one that works."""
        await child.end()
        self._children.discard(child)
        self.warm()


def _is_ready(spare: "asyncio.Task[Child]") -> bool:
    return not spare.cancelled() and spare.exception() is None and spare.result().is_alive


KEEPER: web.AppKey[Keeper] = web.AppKey("keeper", Keeper)
