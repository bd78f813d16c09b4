"""A lock whose holders take turns: who has waited longest comes first."""

from collections import deque
from threading import Lock
from types import TracebackType


class Turns:
    """A lock for several jobs that each ask for it again and again, as for every hour of a simulation.

    A plain lock may be taken again by who has just let it go, so that another never comes in; here they come in the
    order in which they asked.
    """

    def __init__(self) -> None:
        self._queue: deque[Lock] = deque()  # its head holds the lock, the others sleep until they are the head
        self._guard = Lock()

    def __enter__(self) -> None:
        """Wait for one's turn."""
        mine = Lock()
        mine.acquire()
        with self._guard:
            self._queue.append(mine)
            if self._queue[0] is mine:
                mine.release()
        mine.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let the next one in."""
        with self._guard:
            self._queue.popleft()
            if self._queue:
                self._queue[0].release()
