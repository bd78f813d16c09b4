"""Random tissues that cycle, grow, die, fight, eat and push each other for 50 ticks: nothing is lost."""

from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from twin.kernels.exchange import NANOMOLAR_UM3_PER_AMOL
from twin.verification.tissue import Tissue

TYPES = ("cell", "eater")
RATE = st.floats(0.0, 0.4).map(lambda x: f"{round(x, 4):g} /h")
MODELS = ("live", "ki67_basic", "ki67_advanced", "flow_cytometry", "flow_cytometry_separated", "cycling_quiescent")
WORDS: dict[str, Any] = {
    "cycle entry": RATE,
    "apoptosis": RATE,
    "necrosis": RATE,
    "attack cell": RATE,
    "attack eater": RATE,
    "phagocytose apoptotic cell": RATE,
    "phagocytose necrotic cell": RATE,
    "phagocytose cell": RATE,
    "fuse to eater": RATE,
    "transform to cell": RATE,
    "cell attachment rate": RATE,
    "cell detachment rate": RATE,
    "damage rate": RATE,
    "sugar uptake": st.floats(0.0, 20.0).map(lambda x: f"{round(x, 2):g} /min"),
    "sugar export": st.floats(0.0, 900.0).map(lambda x: f"{round(x, 1):g} molecules/h"),
    "damage repair rate": RATE,
}
SECRETION: list[dict[str, Any]] = [
    {},
    {"sugar secretion": "1.5 /min", "sugar secretion target": "2 nM"},
    {"sugar secretion": "0.2 /min", "sugar secretion target": "0 nM"},
]


@st.composite
def tissues(draw: st.DrawFn) -> Tissue:
    """Draw a tissue of up to 60 cells of two types, each with some behaviours at some rates."""
    words = {name: draw(st.fixed_dictionaries({}, optional=WORDS)) | draw(st.sampled_from(SECRETION)) for name in TYPES}
    words["cell"]["salt uptake"] = draw(st.sampled_from(["0.02 /min", "10 /min"]))
    senescence = {
        "senescence": {"after": draw(st.integers(1, 4))},
        "ageing": {"hazard": "0.01 /h", "growth": "0.05 /h"},
    }
    processes = {
        "cycle": {"model": draw(st.sampled_from(MODELS)), "start": draw(st.sampled_from(["together", "mixed"]))},
        "volume": {},
        "death": {"apoptosis_time": draw(st.sampled_from(["1 h", "8.6 h"])), "necrosis_time": "6 h"},
        "interactions": {"lethality": draw(RATE), "substep": draw(st.sampled_from(["2 min", "1 h"]))},
        "heredity": draw(st.sampled_from([{}, senescence])),
        "mechanics": {},
        "exchange": {},
        "diffusion": {},
        "internalisation": {},
    }
    wall = draw(st.sampled_from(["closed", "periodic", "3 nM"]))
    sugar = {
        "diffusivity": draw(st.sampled_from(["10 um^2/s", "1e5 um^2/min"])),
        "decay": draw(st.sampled_from(["0 /h", "0.1 /min"])),
        "initial": draw(st.sampled_from(["0 nM", "1 nM"])),
        "walls": {"x_low": wall, "x_high": wall},
    }
    salt: dict[str, Any] = {
        "diffusivity": "1 um^2/s",
        "decay": "0 /h",
        "initial": "5 nM",
    }  # closed: cells alone can take it
    salt |= {"walls": {"z_low": "periodic", "z_high": "periodic"}}
    count = draw(st.integers(0, 60))
    mix = {"cell": draw(st.floats(0.1, 1.0)), "eater": 0.5}
    cells = {"source": "model", "count": count, "composition": mix, "radius": {"default": "8 um", "eater": "6 um"}}
    box = {"tissue": {"box": ["90 um", "80 um", "70 um"], "spacing": "10 um", "cells": cells}}
    tick = draw(st.sampled_from(["6 min", "30 min", "1 h"]))
    seed = draw(st.integers(0, 2**31))
    substances = {"sugar": sugar, "salt": salt}
    return Tissue(count, processes, tick=tick, seed=seed, cell_types=words, compartments=box, substances=substances)


@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(tissues())
def test_nothing_is_lost_and_every_number_is_one(tissue: Tissue) -> None:
    first = tissue.home.cells.n
    volume = 1000.0 / NANOMOLAR_UM3_PER_AMOL  # of a voxel, amol per nM
    dissolved = volume * tissue.home.concentration[1].sum()

    def look(now: Tissue) -> None:
        cells, events = now.home.cells, now.home.lineage.event
        births = events.count("birth")
        deaths = sum(event.startswith("death") for event in events)
        assert cells.n == first + births // 2 - deaths  # two daughters in the place of one mother
        assert len(np.unique(cells.id)) == cells.n
        assert now.home.contacts.shape == (cells.n, cells.n)
        for name, column in cells.arrays().items():
            if column.dtype.kind == "f" and name != "time_since":
                assert np.isfinite(column).all(), name
        assert (cells.radius > 0).all()
        assert (cells.depth > 0).all()
        for name in ("fluid", "nuclear_solid", "cytoplasmic_solid", "damage", "attack_time", "death_time"):
            assert (now.column(name) >= 0).all(), name
        assert (cells.position >= 0).all()
        assert (cells.position <= now.home.grid.size).all()
        assert ((now.column("death_phase") > 0) == ~cells.alive).all()
        assert np.isfinite(now.home.concentration).all()
        assert (now.home.concentration >= 0).all()
        salt = volume * now.home.concentration[1].sum() + now.column("internalised_salt").sum()
        assert salt <= dissolved * (1 + 1e-9)
        if not deaths:  # a body that goes takes along what it holds
            assert salt >= dissolved * (1 - 1e-9)

    tissue.run(50, look)


def test_another_run_gives_the_same_tissue() -> None:
    words = {"cell": {"cycle entry": "0.4 /h", "apoptosis": "0.1 /h", "attack eater": "2 /h"}}
    words["eater"] = {"phagocytose apoptotic cell": "2 /h", "fuse to cell": "0.01 /h"}
    cells = {"source": "model", "count": 40, "composition": {"cell": 0.7, "eater": 0.3}, "radius": {"default": "8 um"}}
    box = {"tissue": {"box": ["80 um"] * 3, "spacing": "10 um", "cells": cells}}
    processes = {"cycle": {}, "volume": {}, "death": {}, "interactions": {"lethality": "0.1 /h"}, "mechanics": {}}
    runs = [Tissue(40, processes, tick="30 min", cell_types=words, compartments=box) for _ in range(2)]
    for tissue in runs:
        tissue.run(12)
    one, other = (tissue.home.cells for tissue in runs)
    np.testing.assert_array_equal(one.id, other.id)
    np.testing.assert_array_equal(one.position, other.position)
    np.testing.assert_array_equal(one.radius, other.radius)
