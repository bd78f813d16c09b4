"""Work on rows, split over threads, so that no result depends on how many there are.

A kernel that is split so writes to its own rows only and sums in an order of its own: a gather, never a scatter.
Threads run compiled code that holds no interpreter lock; there is no thread pool of a compiler's runtime to share,
which may neither be entered twice at once nor survive a fork.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

AHEAD = 2  # our choice: pieces a thread that may be done before they are fetched; they bound the memory
LEAST_ROWS = 2_000  # our choice: below this a block costs less than handing it to a thread


class Crew:
    """A number of threads for the time of a calculation; a context manager."""

    def __init__(self, threads: int, begin: Callable[[], None] | None = None) -> None:
        """Take on threads; begin : what each does first."""
        assert threads >= 1, threads
        self.threads = threads
        self._pool = ThreadPoolExecutor(threads, initializer=begin) if threads > 1 else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._pool is not None:
            self._pool.shutdown()

    def over_rows(self, kernel: Callable[..., Any], n: int, *arguments: Any) -> list[Any]:
        """Call `kernel(first, last, *arguments)` on blocks that together are the rows 0 to n, and return its answers.

        Answers come in the order of the blocks. A reduction over them must not depend on how rows are split:
        a maximum or a count, not a sum of reals.
        """
        blocks = min(self.threads, max(n // LEAST_ROWS, 1))
        if self._pool is None or blocks == 1:
            return [kernel(0, n, *arguments)]
        edges = [n * b // blocks for b in range(blocks + 1)]
        calls = [self._pool.submit(kernel, edges[b], edges[b + 1], *arguments) for b in range(blocks)]
        return [call.result() for call in calls]

    def in_order(self, work: Callable[[Item], Result], items: Iterable[Item]) -> Generator[Result, None, None]:
        """Yield `work` of each item, in the order of the items, however many are worked on at once.

        At most `AHEAD` answers a thread wait to be fetched. What `work` raises is raised when its turn comes.
        """
        if self._pool is None:
            yield from map(work, items)
            return
        waiting: deque[Future[Result]] = deque()
        try:
            for item in items:
                waiting.append(self._pool.submit(work, item))
                if len(waiting) > AHEAD * self.threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for call in waiting:
                call.cancel()
