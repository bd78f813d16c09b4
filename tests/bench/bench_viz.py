"""How fast pictures and films are drawn here, from cells in memory to the finished file.

`python -m tests.bench.bench_viz` prints seconds: of pictures of 1280 × 960 px, and of a film of 48 frames. What draws
(software OpenGL, a GPU, or Matplotlib alone) is said first.
"""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

from anndata import AnnData
from twin_viz.film import film
from twin_viz.page import picture
from twin_viz.painters import painter
from twin_viz.tissue import read_view

from tests.viz import fake_run

ROOM = 800.0  # µm³ a cell
SIZES = (5_000, 100_000, 1_000_000)
FRAMES = 48


@dataclass
class Kept(fake_run.FakeRun):
    """Cells that are there already: reading them is no part of drawing."""

    def __post_init__(self) -> None:
        self._cells: dict[float | None, AnnData] = {}

    def cells(self, time: Any = None, replicate: int = 0, compartment: str | None = None) -> AnnData:
        """Return the cells of a time, the very ones of before."""
        if time not in self._cells:
            self._cells[time] = super().cells(time, replicate, compartment)
        return self._cells[time]


def bench_viz() -> dict[str, float]:
    """Return seconds of pictures and of a film."""
    rates: dict[str, float] = {}
    paint, advice = painter()
    print(f"drawn by {type(paint).__name__}{': ' + advice if advice else ''}", flush=True)
    with TemporaryDirectory() as folder:
        out = Path(folder)
        for n in (50, *SIZES):  # the first draws once, so that VTK is loaded
            run = Kept(n, kept=(24.0,), box=_box(n))
            run.cells(24.0)
            start = perf_counter()
            picture(read_view(run, field="none"), out / "tissue.png", paint)
            if n >= SIZES[0]:
                rates[f"a picture of {n:,} cells: s"] = perf_counter() - start
        run = Kept(SIZES[0], kept=tuple(i / 2 for i in range(FRAMES)), box=_box(SIZES[0]))
        for time in run.kept:
            run.cells(time)
        start = perf_counter()
        film(run, out / "tissue.mp4", paint)
        rates[f"a film of {FRAMES} frames of {SIZES[0]:,} cells: s"] = perf_counter() - start
    return rates


def _box(n: int) -> tuple[float, float, float]:
    edge = (n * ROOM) ** (1 / 3)
    return edge, edge, edge


def main() -> None:
    """Print the table."""
    for word, value in bench_viz().items():
        print(f"{word:<60} {value:>12.3g}")


if __name__ == "__main__":
    main()
