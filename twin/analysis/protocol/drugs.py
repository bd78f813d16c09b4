"""Drugs: unseen patients, unseen lines, doses left out, held-out cells."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from twin.analysis.protocol.data import Cells, read_cells
from twin.analysis.protocol.genes import cells_out
from twin.analysis.protocol.task import CONTROL, Task

GLIOBLASTOMA, PANOBINOSTAT = "zhao2021_glioblastoma_panobinostat_300genes.h5ad", "Panobinostat, leave one patient out"
CARDIOMYOCYTES, DOXORUBICIN = "burridge2016_ipsc_cm_doxorubicin_bulk.h5ad", "Doxorubicin (bulk), leave one patient out"
OVARIAN, LINES = "macseq_ovarian_drug_dose_bulk.h5ad", "Drug x dose (bulk), leave one line out"
A549, DOSES = "sciplex_a549_dexamethasone_dose_198genes.h5ad", "Dexamethasone, leave one dose out"
YEAST, NUTRIENT = "urbonaite2021_yeast_mpa_guanine.h5ad", "Yeast drug and nutrient, held-out cells"


def panobinostat(folder: Path) -> Iterator[Task]:
    """Yield the four patients: their treated slices hidden, their controls visible."""
    yield from _patients(read_cells(folder, (GLIOBLASTOMA,)), PANOBINOSTAT, "panobinostat", 0.2)


def doxorubicin(folder: Path) -> Iterator[Task]:
    """Yield the six patients, one treated and one control culture each."""
    yield from _patients(read_cells(folder, (CARDIOMYOCYTES,)), DOXORUBICIN, "doxorubicin", 1.0)


def _patients(data: Cells, family: str, drug: str, dose: float) -> Iterator[Task]:
    for donor in np.unique(data.obs["donor"]):
        treated = data.where(donor=donor, condition=drug)
        yield data.task(
            family,
            str(donor),
            start=data.where(donor=donor, condition=CONTROL),
            truth=treated,
            hidden=treated,
            condition=drug,
            dose=dose,
        )


def ovarian_lines(folder: Path) -> Iterator[Task]:
    """Yield drug x dose x line where another line has the same well: all wells of the drug in the line are hidden."""
    data = read_cells(folder, (OVARIAN,))
    drugs = [d for d in np.unique(data.obs["condition"]) if d != CONTROL]
    for drug in drugs:
        for dose in np.unique(data.obs["dose"][data.where(condition=drug)]):
            lines = np.unique(data.obs["context"][data.where(condition=drug, dose=dose)])
            for line in lines if len(lines) > 1 else ():
                yield data.task(
                    LINES,
                    f"{drug} {dose:g} uM/{line}",
                    start=data.where(context=line, condition=CONTROL),
                    truth=data.where(context=line, condition=drug, dose=dose),
                    hidden=data.where(context=line, condition=drug),
                    condition=str(drug),
                    dose=float(dose),
                    time=24.0,
                )


def dexamethasone(folder: Path) -> Iterator[Task]:
    """Yield the doses that have a lower and a higher one on either side, each hidden."""
    data = read_cells(folder, (A549,), whole_totals=True)
    doses = np.unique(data.obs["dose"])
    for dose in doses[1:-1]:
        hidden = data.where(dose=dose)
        yield data.task(
            DOSES,
            f"{dose:g} uM",
            start=data.where(condition=CONTROL),
            truth=hidden,
            hidden=hidden,
            condition="dexamethasone",
            dose=float(dose),
            time=24.0,
        )


def yeast(folder: Path) -> Iterator[Task]:
    """Yield the drug and the nutrient with a fifth of the cells hidden."""
    data = read_cells(folder, (YEAST,))
    yield from cells_out(data, NUTRIENT, ("mycophenolic acid", "guanine"), float("nan"))
