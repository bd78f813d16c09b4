"""Time courses with a middle time left out."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from twin.analysis.protocol.data import Cells, read_cells
from twin.analysis.protocol.task import CONTROL, Task

BMDC, LPS = "shalek2014_mouse_bmdc_lps_timecourse.h5ad", "LPS course, 2 h left out"
IPSC, HEART = "ipsc_cardiomyocyte_timecourse.h5ad", "iPSC to cardiomyocyte, a middle day left out"
PRIMATES, NEURAL = "croconet_primate_neural_300genes.h5ad", "Primate neural course, a middle day left out"
EMBRYO, WORM = "packer2019_worm_embryo_neurons.h5ad", "Worm embryo, a middle window left out"
DAY = 24.0  # h
WINDOW = 100 / 60  # h of development, within which worm cells are one time; our choice
LEAST_CELLS = 20  # cells at the hidden time and at both its neighbours; our choice


def lps(folder: Path) -> Iterator[Task]:
    """Yield 2 h out of 1, 2 and 6 h."""
    yield from _middle_out(read_cells(folder, (BMDC,)), LPS, "LPS", 100.0, "h", 1.0)


def cardiomyocyte(folder: Path) -> Iterator[Task]:
    """Yield days 6 and 30 out of 0, 6, 30 and 60."""
    yield from _middle_out(read_cells(folder, (IPSC,), context="tissue"), HEART, CONTROL, float("nan"), "day", DAY)


def primate_neural(folder: Path) -> Iterator[Task]:
    """Yield species x day: the day hidden in one species, visible in the others."""
    data = read_cells(folder, (PRIMATES,), context="species", whole_totals=True)
    yield from _middle_out(data, NEURAL, CONTROL, float("nan"), "day", DAY)


def worm(folder: Path) -> Iterator[Task]:
    """Yield lineage x window of 100 minutes: the window hidden in one lineage, visible in the others."""
    data = read_cells(folder, (EMBRYO,), whole_totals=True)
    window = np.floor(data.obs["time"].to_numpy(dtype=np.float64) / WINDOW + 1e-6)
    binned = replace(data, obs=data.obs.assign(time=(window + 0.5) * WINDOW))
    yield from _middle_out(binned, WORM, CONTROL, float("nan"), "h", 1.0)


def _middle_out(data: Cells, family: str, condition: str, dose: float, unit: str, hours: float) -> Iterator[Task]:
    """Yield each inner time of each context; the start cells are the earliest ones."""
    contexts = np.unique(data.obs["context"])
    for kind in contexts:
        here = data.where(context=kind, condition=condition)
        times = np.unique(data.obs["time"][here])
        times = times[np.isfinite(times)]
        cells = [here & data.where(time=t) for t in times]
        for i in _inner([int(c.sum()) for c in cells]):
            label = f"{unit} {times[i] / hours:.3g}"
            yield data.task(
                family,
                label if len(contexts) == 1 else f"{kind}/{label}",
                start=cells[0],
                truth=cells[i],
                hidden=cells[i],
                condition=condition,
                dose=dose,
                time=float(times[i]),
            )


def _inner(sizes: Sequence[int]) -> list[int]:
    """Return the inner places that have enough cells themselves, at both neighbours, and at the first place."""
    return [i for i in range(1, len(sizes) - 1) if min(sizes[i - 1 : i + 2]) >= LEAST_CELLS and sizes[0] >= LEAST_CELLS]
