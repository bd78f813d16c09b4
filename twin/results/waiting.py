"""Counts of kept instants that wait for their commit: few in memory, many on the disk.

A run may keep many instants between two commits, and a large tissue's counts are most of its memory. What waits on the
disk is a plain file of our own inside the trajectory, hidden and gone after the commit.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from twin.state.expression import Chunk

WAITING_BYTES = 2**26  # our choice: counts of one instant above this wait on the disk


@dataclass(frozen=True)
class InMemory:
    """Chunks as the engine holds them: it replaces a chunk and never changes one."""

    chunks: tuple[Chunk, ...]

    def __iter__(self) -> Iterator[Chunk]:
        return iter(self.chunks)

    def sizes(self) -> NDArray[np.int64]:
        """Return how many genes each cell expresses, (cell,)."""
        return _sizes(self.chunks)

    def forget(self) -> None:
        """Let them go."""


@dataclass(frozen=True)
class OnDisk:
    """Chunks in a file, read back one at a time.

    entries : (cell,) genes that each cell expresses. cells : rows of each chunk, in order.
    """

    file: Path
    entries: NDArray[np.int64]
    cells: tuple[int, ...]

    def __iter__(self) -> Iterator[Chunk]:
        first = 0
        with self.file.open("rb") as source:
            for n in self.cells:
                indptr = np.concatenate([[0], np.cumsum(self.entries[first : first + n])]).astype(np.int64)
                both = np.fromfile(source, np.uint16, 2 * int(indptr[-1]))
                if len(both) != 2 * indptr[-1]:
                    raise OSError(f"{self.file} ends too early")
                yield Chunk(indptr, both[: indptr[-1]], both[indptr[-1] :])
                first += n

    def sizes(self) -> NDArray[np.int64]:
        """Return how many genes each cell expresses, (cell,)."""
        return self.entries

    def forget(self) -> None:
        """Remove the file; one that the disk no longer gives is nobody's loss."""
        with suppress(OSError):
            self.file.unlink(missing_ok=True)


Waiting = InMemory | OnDisk


def wait(chunks: Sequence[Chunk], file: Path) -> Waiting:
    """Return what holds these chunks until they are written: the disk, where they are many.

    file : where they may wait; its folder is there.

    Raises
    ------
    OSError
        If the disk refuses.
    """
    if 4 * sum(len(chunk.gene) for chunk in chunks) <= WAITING_BYTES:
        return InMemory(tuple(chunks))
    with file.open("wb") as out:
        for chunk in chunks:
            out.write(np.ascontiguousarray(chunk.gene).data)
            out.write(np.ascontiguousarray(chunk.token).data)
    return OnDisk(file, _sizes(chunks), tuple(chunk.n_cells for chunk in chunks))


def _sizes(chunks: Sequence[Chunk]) -> NDArray[np.int64]:
    return np.concatenate([np.empty(0, np.int64), *(np.diff(chunk.indptr) for chunk in chunks)])
