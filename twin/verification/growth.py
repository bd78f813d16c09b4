"""Cases of the verification suite: cycles, deaths and populations."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from twin.verification.case import Case, Row
from twin.verification.colonies import monolayer_cycles, monolayer_front, spheroid_front
from twin.verification.tissue import Tissue

Float = NDArray[np.float64]

BIRTH, DEATH = 0.00072 * 60, 5.31667e-5 * 60  # 1/h; PhysiCell's defaults, live cycle and apoptosis
WHOLE, NUCLEUS = 4 / 3 * np.pi * 8.4127**3, 540 / 2494  # µm³ and 1; PhysiCell's default cell
CYCLE = [  # PerMedCoE observatory benchmark, fixed cell cycle
    {"name": "G0/G1", "duration": "7 h", "fixed": True},
    {"name": "S", "duration": "6 h", "fixed": True, "grows": True},
    {"name": "G2", "duration": "3 h", "fixed": True},
    {"name": "M", "duration": "2 h", "fixed": True, "divides": True},
]


def birth_and_death() -> Iterator[Row]:
    """Yield mean and standard deviation of the size of a clone after a day, and the doubling time."""
    n, hours = 3000, 24.0
    words = {"cell": {"apoptosis": f"{DEATH:.12g} /h", "cycle entry": f"{BIRTH:.12g} /h"}}
    processes = {"cycle": {"model": "live"}, "death": {}, "volume": {}}
    tissue = Tissue(n, processes, tick="12 min", cell_types=words, compartments=_box(n, 500.0))
    tissue.home.cells.donor[:] = np.arange(n)  # the founder, whom every daughter inherits
    tissue.run(round(hours / 0.2))
    cells = tissue.home.cells
    clones = np.bincount(cells.donor[cells.alive], minlength=n)
    net = BIRTH - DEATH
    mean = np.exp(net * hours)
    spread = np.sqrt((BIRTH + DEATH) / net * mean * (mean - 1.0))
    yield Row("mean clone after 24 h, cells", mean, float(clones.mean()), 4 * spread / np.sqrt(n))
    yield Row("its standard deviation, cells", spread, float(clones.std()), 0.1 * spread)
    doubling = np.log(2.0) / (np.log(clones.mean()) / hours) * 60
    error = 4 * spread / np.sqrt(n) / mean / (net * hours) * 1039.5
    yield Row("doubling time, min", 1039.5, float(doubling), error)


def fixed_cycle() -> Iterator[Row]:
    """Yield when a founder's line divides, and the phase lengths of cells that differ by a tenth."""
    tissue, seen = Tissue(1, {"cycle": {"phases": CYCLE}, "volume": {}}, tick="6 min"), []
    while tissue.time < 54.5:
        before = tissue.home.cells.n
        if tissue.run(1).home.cells.n > before:
            seen.append(tissue.time)
    for generation, time in enumerate(seen[:3], 1):
        yield Row(f"division {generation}, h", 18.0 * generation, time, 0.1)
    n = 3000
    spread = [phase | {"spread": 0.1} for phase in CYCLE]
    cells = Tissue(n, {"cycle": {"phases": spread}}, tick="6 min", compartments=_box(n, 500.0))
    left = np.full(n, np.nan)
    while np.isnan(left).any():
        cells.run(1)
        new = np.isnan(left) & (cells.column("cycle_phase") == 1)
        left[new] = cells.time - cells.column("cycle_time")[new]
    yield Row("mean G0/G1, h", 7.0, float(left.mean()), 4 * 0.7 / np.sqrt(n))
    yield Row("its standard deviation, h", 0.7, float(left.std()), 4 * 0.7 / np.sqrt(2 * n))


def dying() -> Iterator[Row]:
    """Yield the volumes of dying bodies against their equations' solutions, and when they burst and are cleared."""
    solid = 0.25 * WHOLE
    apoptotic = Tissue(1, {"death": {}, "volume": {}}, tick="1 h", cell_types={"cell": {"apoptosis": "1e15 /h"}}).run(2)
    for name, rate, start in (
        ("fluid", 3.0, 0.75 * WHOLE),
        ("nuclear_solid", 0.35, NUCLEUS * solid),
        ("cytoplasmic_solid", 1.0, (1 - NUCLEUS) * solid),
    ):
        exact = start * np.exp(-2.0 * rate)
        yield Row(f"apoptotic {name} after 2 h, um^3", exact, float(apoptotic.column(name)[0]), 1e-9 * start)
    body = Tissue(1, {"death": {}, "volume": {}}, tick="6 min", cell_types={"cell": {"apoptosis": "1e15 /h"}})
    while body.home.cells.n:
        body.run(1)
    yield Row("apoptotic body cleared after, min", 516.0, 60 * body.time, 6.0)

    def swollen(t: float) -> float:
        """Volume of a necrotic body as a multiple of the living cell's."""
        whole = 0.75 * WHOLE
        for share, rate in ((NUCLEUS, 0.013), (1 - NUCLEUS, 0.0032)):
            kept = np.exp(-rate * t)
            whole += share * solid * (kept + 0.67 * (1 - kept) / rate)
        return float(whole / WHOLE)

    words = {"cell": {"necrosis": "1e15 /h"}}
    necrotic = Tissue(1, {"death": {}, "volume": {}}, tick="6 min", cell_types=words).run(50)
    ratio = float(necrotic.home.cells.volume[0]) / WHOLE
    yield Row("necrotic volume after 5 h, of the living cell's", swollen(5.0), ratio, 1e-9)
    while necrotic.column("death_phase")[0] < 3.0:
        necrotic.run(1)
    burst = brentq(lambda t: swollen(t) - 2.0, 0.0, 50.0)
    yield Row("necrotic body bursts after, h", float(burst), necrotic.time, 0.2)
    slow = Tissue(1, {"death": {}, "volume": {}}, tick="2 h", cell_types=words)
    while slow.home.cells.n:
        slow.run(1)
    yield Row("and is cleared, h after its death", float(burst) + 1440.0, slow.time, 4.0)


def necrotic_core() -> Iterator[Row]:
    """Yield the radius of a starved spheroid's necrotic core, of as many cells as the law of diffusion lets starve.

    Inside a ball that takes oxygen up, c = c_R (R / r) sinh(r / l) / sinh(R / l) with l = √(D / (λ + uptake)); cells
    below the threshold die within the first tick, before the dead let more through. R and c_R are those of the run.
    """
    diffusivity, decay, clearance, threshold = 1e5, 0.1, 99_760.0, 5.0  # µm²/min, 1/min, µm³/min, mmHg
    middle = ["400 um", "400 um", "400 um"]
    ball = {"ball": {"centre": middle, "radius": "195 um"}}
    cells = {"source": "model", "count": 9000, "composition": {"cell": 1.0}, "radius": {"cell": "8.4127 um"}}
    dish = {"dish": {"box": ["800 um"] * 3, "spacing": "20 um", "cells": cells | {"place": {"cell": ball}}}}
    sides = {f"{axis}_{end}": "38 mmHg" for axis in "xyz" for end in ("low", "high")}
    gas = {"diffusivity": f"{diffusivity} um^2/min", "decay": f"{decay} /min", "solubility": "1.3 uM/mmHg"}
    oxygen = {"oxygen": gas | {"initial": "38 mmHg", "walls": sides}}
    uptake = {"substance": "oxygen", "uptake": f"{clearance} um^3/min", "competence": {"cell": 1.0}}
    low = {"threshold": f"{threshold} mmHg", "full": f"{threshold - 0.1} mmHg", "rate": "600 /h"}
    processes = {"secretion": {}, "diffusion": {}, "death": {"hypoxia": low}}
    tissue = Tissue(9000, processes, compartments=dish, substances=oxygen, signalling={"reception": [uptake]})
    home = tissue.run(1).home
    place = home.cells.position - 400.0
    edge = float(np.sqrt(5 / 3 * (place**2).sum(axis=1).mean()))  # µm, of the even ball with this radius of gyration
    taken = 9000 * clearance / (4 / 3 * np.pi * edge**3)  # 1/min
    length = float(np.sqrt(diffusivity / (decay + taken)))
    at = np.stack(np.meshgrid(*(home.grid.centres(axis) - 400.0 for axis in (2, 1, 0)), indexing="ij"), axis=-1)
    far = np.sqrt((at**2).sum(axis=-1))  # (z, y, x) µm
    rim = np.abs(far - edge) < 20.0
    trend = np.polyfit(far[rim] - edge, home.concentration[0][rim] / 1300.0, 2)
    surface = float(trend[-1])  # mmHg
    core = brentq(lambda r: surface * edge / r * np.sinh(r / length) / np.sinh(edge / length) - threshold, 1e-3, edge)
    starved = float((tissue.column("death_phase") == 2.0).sum())
    yield Row("radius of the necrotic core, um", float(core), edge * (starved / 9000) ** (1 / 3), 10.0)
    yield Row("living rim, in penetration lengths", (edge - core) / length, _rim(edge, starved) / length, 0.2)


def _rim(edge: float, starved: float) -> float:
    return edge * (1.0 - (starved / 9000) ** (1 / 3))


def _box(count: int, edge: float) -> dict[str, object]:
    cells = {"source": "model", "count": count, "composition": {"cell": 1.0}, "radius": {"default": "8.4127 um"}}
    return {"tissue": {"box": [f"{edge:g} um"] * 3, "spacing": "50 um", "cells": cells}}


CASES: tuple[Case, ...] = (
    Case("G1", "births and deaths without crowding", "birth-death theory; PhysiCell's default rates", birth_and_death),
    Case("G2", "a cycle of fixed durations, 18 h", "PerMedCoE observatory benchmark", fixed_cycle),
    Case("G3", "apoptosis and necrosis", "PhysiCell 1.14, death models; their equations solved", dying),
    Case("G4", "monolayer of 10,000 cells", "OpenVT reference model, PhysiCell's results", monolayer_cycles, slow=True),
    Case("G5", "front of a monolayer, one fitted number", "Bru et al. 1998, in PerMedCoE", monolayer_front, slow=True),
    Case(
        "G6",
        "front of a spheroid, one fitted number",
        "Freyer, Sutherland 1986, in PerMedCoE",
        spheroid_front,
        slow=True,
    ),
    Case("G7", "necrotic core of a starved spheroid", "steady diffusion and uptake in a ball", necrotic_core),
)
