"""Vessels: where they pass, what is free in them, and which voxels they supply."""

import numpy as np
import pytest

from tests.anatomy.documents import built, document, niches_of, types_of
from twin.anatomy.vessels import axes_of, wall_radius
from twin.scenario.builders import VesselSlab
from twin.scenario.schema import Compartment
from twin.state.fields import Grid
from twin.state.vessels import supplied_voxels

SLAB = {
    "source": "vessel_slab",
    "cells": "tumour",
    "vessels": {"diameter": "20 um", "spacing": "90 um"},
    "radius": {"endothelial": "3 um"},
}


def slab(**changes: object) -> VesselSlab:
    cells = document("vessel_slab", **{k: v for k, v in {**SLAB, **changes}.items() if k != "source"})
    assert isinstance(cells, VesselSlab)
    return cells


@pytest.mark.parametrize("arrangement", ["hexagonal", "square"])
def test_vessels_are_as_far_from_each_other_as_asked(arrangement: str) -> None:
    cells = slab(vessels={"diameter": "20 um", "spacing": "90 um", "arrangement": arrangement})
    axes = axes_of(cells, np.array([500.0, 50.0, 400.0]))
    away = np.linalg.norm(axes[:, None] - axes[None], axis=2) + 1e6 * np.eye(len(axes))
    np.testing.assert_allclose(away.min(axis=1), 90.0)
    inner = away[np.argmin(np.linalg.norm(axes - [250, 200], axis=1))]
    assert (inner < 90.01).sum() == (6 if arrangement == "hexagonal" else 4)
    reach = wall_radius(cells)
    assert ((axes >= reach) & (axes <= np.array([500.0, 400.0]) - reach)).all()


@pytest.mark.parametrize("along", ["x", "y", "z"])
def test_lumina_are_free_walls_are_one_layer_and_the_rest_is_parenchyma(along: str) -> None:
    vessels = {"diameter": "20 um", "spacing": "90 um", "along": along}
    cells = slab(vessels=vessels, size=["100 um", "110 um", "120 um"], pericytes={"cells": "pericyte", "coverage": 0.4})
    anatomy, made, box = built(cells)
    others = [k for k in range(3) if "xyz"[k] != along]
    offset = (box - anatomy.size) / 2
    axes = axes_of(cells, anatomy.size) + offset[others]
    away = np.linalg.norm(made.position[:, None, others] - axes[None], axis=2).min(axis=1)
    kind, niche = types_of(anatomy, made), niches_of(anatomy, made)
    np.testing.assert_allclose(away[kind == "endothelial"], 10 + 3, atol=0.01)
    np.testing.assert_allclose(away[kind == "pericyte"], 10 + 6 + 5, atol=0.01)
    assert away[kind == "tumour"].min() >= 10 + 6 + 10 + 5 - 1e-6
    assert set(niche[kind != "tumour"]) == {"vessel wall"}
    wall = (kind == "endothelial").sum() * np.pi * 9 / (len(axes) * 2 * np.pi * 13 * anatomy.size["xyz".index(along)])
    assert wall == pytest.approx(0.97 * 0.9069, rel=0.05)


@pytest.mark.parametrize("spacing", [5.0, 40.0])
def test_supplied_voxels_are_those_of_lumen_and_wall(spacing: float) -> None:
    home = Compartment.model_validate({"box": ["240 um", "80 um", "200 um"], "spacing": f"{spacing} um", "cells": SLAB})
    grid = Grid((round(200 / spacing), round(80 / spacing), round(240 / spacing)), spacing)
    supplied = supplied_voxels(home, grid)
    assert supplied.shape == grid.shape
    assert isinstance(home.cells, VesselSlab)
    axes = axes_of(home.cells, np.array(home.box))
    assert len(axes) > 2
    for x, z in axes:  # thinner than a voxel or not, each is there along all of y
        assert supplied[int(z / spacing), :, int(x / spacing)].all()
    if spacing == 5.0:
        share = len(axes) * np.pi * wall_radius(home.cells) ** 2 / (240 * 200)
        assert supplied.mean() == pytest.approx(share, rel=0.1)
    assert (supplied == supplied[:, :1]).all()


def test_other_tissues_are_supplied_everywhere() -> None:
    home = Compartment.model_validate({"cells": {"source": "spheroid", "diameter": "100 um", "cells": "tumour"}})
    assert supplied_voxels(home, Grid((4, 5, 6), 10.0)).all()
