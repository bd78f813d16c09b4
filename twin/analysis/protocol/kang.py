"""IFN-beta on PBMC: leave one cell type out, one donor out, or single cells out."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from twin.analysis.protocol.data import Cells, read_cells
from twin.analysis.protocol.genes import cells_out
from twin.analysis.protocol.task import CONTROL, Task

FILES = ("kang2018_pbmc_ifnb.h5ad", "kang2018_pbmc_ifnb_extra.h5ad")
LEAVE_TYPE, LEAVE_DONOR = "IFN-beta, leave one type out", "IFN-beta, leave one donor out"
HELD_OUT_CELLS = "IFN-beta, held-out cells"
TYPES = ("B", "CD4 T", "CD8 T", "DC", "NK", "T activated", "monocyte")  # types with at least 50 cells an arm
IFNB, DOSE, TIME = "IFNB1", 100.0, 6.0  # condition, U/mL, h
LEAST_PAIR = 20  # cells an arm of a donor x type pair that is scored; as the reference tables


def cells(folder: Path) -> Cells:
    """Return both PBMC files pooled over their 9,015 shared genes."""
    return read_cells(folder, FILES, context="cell_type_broad")


def leave_type_out(folder: Path) -> Iterator[Task]:
    """Yield the seven types: their treated cells hidden, their controls visible; rare types are never used."""
    data = cells(folder)
    unused = ~np.isin(data.obs["context"], TYPES)
    for kind in TYPES:
        control, treated = (data.where(context=kind, condition=c) for c in (CONTROL, IFNB))
        yield data.task(
            LEAVE_TYPE,
            kind,
            start=control,
            truth=treated,
            hidden=treated | unused,
            condition=IFNB,
            dose=DOSE,
            time=TIME,
        )


def leave_donor_out(folder: Path) -> Iterator[Task]:
    """Yield the 20 donor x type pairs: all treated cells of the donor are hidden, its controls visible."""
    data = cells(folder)
    unused = ~np.isin(data.obs["context"], TYPES)
    for donor in np.unique(data.obs["donor"]):
        for kind in TYPES:
            control, treated = (data.where(context=kind, condition=c, donor=donor) for c in (CONTROL, IFNB))
            if min(control.sum(), treated.sum()) >= LEAST_PAIR:
                yield data.task(
                    LEAVE_DONOR,
                    f"{donor}/{kind}",
                    start=control,
                    truth=treated,
                    hidden=data.where(donor=donor, condition=IFNB) | unused,
                    condition=IFNB,
                    dose=DOSE,
                    time=TIME,
                )


def single_cells_out(folder: Path) -> Iterator[Task]:
    """Yield the seven types with a fifth of their treated cells hidden."""
    data = cells(folder)
    data = data.take(np.isin(data.obs["context"], TYPES))
    yield from cells_out(data, HELD_OUT_CELLS, (IFNB,), DOSE, TIME)
