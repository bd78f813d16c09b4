"""Small made files of spatial data, and scenarios of them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp

from twin.engine.plan import check_file
from twin.engine.world import World, build_world
from twin.scenario.load import LoadedScenario

GENES = tuple(f"Gene{i}" for i in range(60))
PITCH = 40.0  # of the coordinates' own units, between neighbours


def write_spatial(file: Path, side: int = 12, seed: int = 0, genes: Sequence[str] = GENES) -> ad.AnnData:
    """Write a square lattice of rows with jitter: three layers of types, one a third, each with genes of its own."""
    rng = np.random.default_rng(seed)
    x, y = np.meshgrid(np.arange(side), np.arange(side))
    place = PITCH * (np.stack([x.ravel(), y.ravel()], axis=1) + 0.2 * (rng.random((side * side, 2)) - 0.5))
    layer = np.minimum(3 * y.ravel() // side, 2)
    rates = np.full((3, len(genes)), 0.5)
    for k in range(3):
        rates[k, k * 20 : (k + 1) * 20] = 6.0
    obs = pd.DataFrame(
        {
            "cell_type": np.array(["outer", "middle", "inner"])[layer],
            "region": np.array(["Layer 1", "Layer 2", "Layer 3"])[layer],
            "section": np.where(x.ravel() < side // 2, "s1", "s2"),
            "area": np.full(side * side, np.pi * 25.0),
            "modality": "made spots",
            "species": "Mus musculus",
        },
        index=[f"r{i}" for i in range(side * side)],
    )
    cells = ad.AnnData(
        sp.csr_matrix(rng.poisson(rates[layer]).astype(np.float32)),
        obs=obs,
        var=pd.DataFrame(index=list(genes)),
        obsm={"spatial": place},
    )
    file.parent.mkdir(parents=True, exist_ok=True)
    cells.write_h5ad(file)
    return cells


def write_scenario(folder: Path, spatial: Any, **cells: Any) -> Path:
    """Write a scenario of one tissue that is made of mine.h5ad, and return its file."""
    document = {
        "name": "section",
        "duration": "2 h",
        "tick": "30 min",
        "world_model": {"name": "measured"},
        "compartments": {
            "tissue": {"organ": "brain", "cells": {"source": "h5ad", "file": "mine.h5ad", "spatial": spatial, **cells}}
        },
        "processes": {"mechanics": {"adhesion": "0 um/min"}},
        "observe": {"every": "1 h", "genes": ["Gene0"]},
    }
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "section.yaml"
    file.write_text(json.dumps(document, indent=1))
    return file


def world_of(file: Path, sets: Sequence[str] = ()) -> tuple[LoadedScenario, World]:
    """Return a scenario and the world that is built of it."""
    loaded, plan = check_file(file, tuple(sets), allow_outside=True)
    return loaded, build_world(loaded, plan.whole, plan.processes)
