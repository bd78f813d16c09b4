"""Each builder's tissue has the measures that its document gives: layers, lumina, niches, densities."""

import numpy as np
import pytest

from tests.anatomy.documents import built, document, niches_of, types_of
from twin.anatomy.build import anatomy_of
from twin.anatomy.intestine import AMPLIFYING, BASE, NECK, directions
from twin.scenario.builders import default_layers


def from_middle(position: np.ndarray, box: np.ndarray) -> np.ndarray:
    return np.asarray(np.linalg.norm(position - box / 2, axis=1))


def test_a_spheroid_has_shells_of_its_thickness_and_as_many_cells_as_fill_it() -> None:
    zones = {"rim": {"thickness": "25 um"}, "shell": {"thickness": "20 um"}, "core": {}}
    anatomy, made, box = built(document("spheroid", zones=zones))
    away, niche = from_middle(made.position, box), niches_of(anatomy, made)
    for name, low, high in (("rim", 45, 70), ("shell", 25, 45), ("core", 0, 25)):
        assert low <= away[niche == name].min() <= away[niche == name].max() <= high
    assert len(away) == int(0.6 * (70 / 5) ** 3)


def test_an_empty_core_holds_no_cell_and_a_count_gives_the_size() -> None:
    zones = {"rim": {"thickness": "25 um"}, "core": {"cells": {}}}
    anatomy, made, box = built(document("spheroid", diameter=..., count=800, zones=zones))
    away = from_middle(made.position, box)
    outer = anatomy.size[0] / 2
    assert len(away) == 800
    assert outer - 25 <= away.min()
    assert 800 * 4 / 3 * np.pi * 5**3 == pytest.approx(0.6 * 4 / 3 * np.pi * (outer**3 - (outer - 25) ** 3), rel=1e-3)


def test_a_cyst_is_one_closed_layer_around_a_free_lumen() -> None:
    _, made, box = built(document("cyst", outer=...))
    away = from_middle(made.position, box)
    np.testing.assert_allclose(away, 30 + 5, atol=0.01)
    covered = len(away) * np.pi * 5**2 / (4 * np.pi * 35**2)
    assert covered == pytest.approx(0.97 * 0.9069, rel=0.02)


def test_a_cyst_has_rows_a_cap_and_an_outer_layer_where_they_are_asked_for() -> None:
    cap = {"cells": "tip", "share": 0.25}
    outer = {"cells": "myoepithelial", "coverage": 0.5}
    anatomy, made, box = built(document("cyst", rows=2, cap=cap, outer=outer))
    away, niche, kind = from_middle(made.position, box), niches_of(anatomy, made), types_of(anatomy, made)
    row = 2 * np.sqrt(2 / 3) * 5
    assert set(np.round(away, 1)) == {35.0, round(35 + row, 1), round(35 + row + 10, 1)}
    height = ((made.position - box / 2)[:, 2] / away)[niche != "outer layer"]
    epithelium = niche[niche != "outer layer"]
    assert height[epithelium == "cap"].min() > 0.5 > height[epithelium == "epithelium"].max()
    assert (epithelium == "cap").mean() == pytest.approx(0.25, abs=0.04)
    assert set(kind[niche == "cap"]) == {"tip"}
    assert (niche == "outer layer").sum() * np.pi * 25 / (4 * np.pi * (45 + row) ** 2) == pytest.approx(0.44, rel=0.02)


def test_a_cyst_of_a_number_of_cells_has_just_the_lumen_that_they_close() -> None:
    anatomy, made, _ = built(document("cyst", lumen=..., count=200, outer=...))
    assert len(made.code) == 200
    radius = anatomy.size[0] / 2 - 5
    assert 200 * 25 / (4 * radius**2) == pytest.approx(0.97 * 0.9069, rel=1e-6)


def test_the_niches_of_a_crypt_follow_each_other_from_its_tip() -> None:
    """Of an organoid with one crypt along a known direction, every cell's height above the base is known."""
    anatomy, made, box = built(document("crypt_villus", crypts=1, lumen="60 um"))
    position, niche = made.position - box / 2, niches_of(anatomy, made)
    way = directions(1)[0]
    along = position @ way
    height = 30 + 80 + 5 - along  # lumen radius, depth, a cell's radius
    for name, low, high in ((BASE, 0, 40), (AMPLIFYING, 40, 75), (NECK, 75, 80), ("villus domain", 80, 200)):
        assert low - 1e-6 <= height[niche == name].min() <= height[niche == name].max() <= high + 1e-6
    beside = np.linalg.norm(position - along[:, None] * way, axis=1)
    np.testing.assert_allclose(beside[(height > 20) & (height < 60)], 10 + 5, atol=0.05)  # half the lumen, a radius
    body = along < -10
    np.testing.assert_allclose(np.linalg.norm(position[body], axis=1), 30 + 5, atol=0.05)


def test_stem_and_paneth_cells_alternate() -> None:
    """Among the six nearest at the base most are of the other type; at random it would be half."""
    anatomy, made, _ = built(document("crypt_villus", crypts=5, crypt_lumen="24 um", lumen="100 um"))
    base = niches_of(anatomy, made) == BASE
    position, stem = made.position[base], types_of(anatomy, made)[base] == "stem"
    away = np.linalg.norm(position[:, None] - position[None], axis=2) + 1e6 * np.eye(len(position))
    near = np.argsort(away, axis=1)[:, :4]
    other = (stem[near] != stem[:, None]).mean()
    sigma = np.sqrt(0.25 / near.size)
    assert other > 0.5 + 5 * sigma
    assert abs(stem.mean() - 0.5) < 1 / len(stem)


def test_crypts_bud_apart_from_each_other() -> None:
    for n in (2, 5, 6, 12):
        ways = directions(n)
        np.testing.assert_allclose(np.linalg.norm(ways, axis=1), 1.0)
        cosine = ways @ ways.T - 2 * np.eye(n)
        assert cosine.max() < (np.cos(np.radians(35)) if n > 6 else np.cos(2 * np.pi / n) + 1e-9)


@pytest.mark.slow
def test_a_piece_of_intestine_has_villi_above_and_crypts_below_its_sheet() -> None:
    cells = document(
        "crypt_villus", form="tissue", crypts=4, villus_height="120 um", stroma="fibroblast", lumen="120 um"
    )
    anatomy, made, box = built(cells)
    niche, z = niches_of(anatomy, made), made.position[:, 2]
    sheet = box[2] - 40 - 120 - (box[2] - anatomy.size[2]) / 2  # below the villus and the free lumen
    assert z[niche == "villus"].max() == pytest.approx(sheet + 120 - 5, abs=1.0)  # the tip, less a radius
    assert z[niche == BASE].min() == pytest.approx(sheet - 80 - 5, abs=1.0)
    assert z[niche == BASE].max() < z[niche == NECK].min() + 1 < sheet + 1
    assert (z[niche == "lamina propria"] < sheet + 120).all()
    epithelium = made.position[niche != "lamina propria"]
    stroma = made.position[niche == "lamina propria"]
    nearest = np.linalg.norm(stroma[:, None] - epithelium[None], axis=2).min(axis=1)
    assert nearest.min() > 8.0


def test_cortical_layers_have_their_thickness_and_density() -> None:
    anatomy, made, box = built(document("cortical_layers"))
    depth = (box[2] + anatomy.size[2]) / 2 - made.position[:, 2]
    niche, top = niches_of(anatomy, made), 0.0
    for name, layer in default_layers().items():
        mine = depth[niche == name]
        assert top <= mine.min() <= mine.max() <= top + layer.thickness
        assert len(mine) == round(layer.density * 80 * 60 * layer.thickness)
        assert mine.mean() == pytest.approx(
            top + layer.thickness / 2, abs=5 * layer.thickness / np.sqrt(12 * len(mine))
        )
        top += layer.thickness
    assert top == pytest.approx(1214.0)


def test_bent_layers_keep_their_thickness_and_density() -> None:
    radius, width = 1500.0, 400.0
    cells = document("cortical_layers", curvature="1500 um", width=["400 um", "60 um"])
    anatomy, made, box = built(cells)
    centre = np.array([box[0] / 2, (box[2] + anatomy.size[2]) / 2 - radius])
    away = made.position[:, [0, 2]] - centre
    depth, turn = radius - np.linalg.norm(away, axis=1), np.arctan2(away[:, 0], away[:, 1])
    assert np.abs(turn).max() <= width / radius / 2 + 1e-9
    niche, top = niches_of(anatomy, made), 0.0
    for name, layer in default_layers().items():
        mine, bottom = depth[niche == name], top + layer.thickness
        assert top <= mine.min() <= mine.max() <= bottom
        volume = width / radius / 2 * ((radius - top) ** 2 - (radius - bottom) ** 2) * 60
        assert len(mine) == round(layer.density * volume)
        top = bottom


def test_a_monolayer_is_flat_confluent_and_leaves_its_gap() -> None:
    _, made, box = built(document("monolayer", gap={"x": ["80 um", "120 um"]}))
    x, z = made.position[:, 0], made.position[:, 2]
    np.testing.assert_allclose(z, box[2] / 2, atol=1e-6)
    assert not ((x > 80) & (x < 120)).any()
    assert len(x) * np.pi * 25 / (160 * 120) == pytest.approx(0.97 * 0.9069, rel=0.01)


def test_a_random_monolayer_is_as_dense_as_asked_and_less_even() -> None:
    dense = document("monolayer", density="3000 /mm^2", arrangement="random")
    _, made, _ = built(dense)
    assert len(made.code) == int(3000e-6 * 200 * 120)
    _, even, _ = built(document("monolayer", density="3000 /mm^2"))

    def spread(p: np.ndarray) -> float:
        away = np.linalg.norm(p[:, None] - p[None], axis=2) + 1e6 * np.eye(len(p))
        return float(away.min(axis=1).std() / away.min(axis=1).mean())

    assert spread(made.position) > 3 * spread(even.position)
    away = np.linalg.norm(made.position[:, None] - made.position[None], axis=2) + 1e6 * np.eye(len(made.position))
    assert away.min() >= 8.0


def test_a_sheet_of_a_number_of_cells_is_as_large_as_they_cover() -> None:
    _, made, box = built(document("monolayer", width=..., count=300))
    assert len(made.code) == 300
    assert box[0] * box[1] >= 300 * np.pi * 25 / (0.97 * 0.9069)


def test_a_lymph_node_has_its_centre_in_its_follicle_below_the_sinus() -> None:
    cells = document("lymphoid_patch", stroma="Endo")
    anatomy, made, box = built(cells)
    niche, kind, p = niches_of(anatomy, made), types_of(anatomy, made), made.position
    sinus = box[2] / 2 + anatomy.size[2] / 2 - 20
    assert p[niche == "sinus", 2].min() >= sinus >= p[niche != "sinus", 2].max()
    middle = p[niche == "germinal centre"].mean(axis=0)
    assert np.linalg.norm(p[niche == "germinal centre"] - middle, axis=1).max() < 25 + 3
    mantle = np.linalg.norm(p[niche == "mantle"] - middle, axis=1)
    assert 25 - 3 < mantle.min() < mantle.max() < 45 + 3
    assert np.linalg.norm(p[niche == "T cell zone"] - middle, axis=1).min() > 45 - 3
    pulp = niche != "sinus"
    assert (kind[pulp] == "Endo").mean() == pytest.approx(0.03, abs=0.002)
    assert "Endo" not in set(kind[~pulp])


def test_a_primary_follicle_has_no_centre_and_a_patch_may_have_none() -> None:
    assert anatomy_of(document("lymphoid_patch", centre_diameter=None)).niches == ("T cell zone", "mantle", "sinus")
    assert anatomy_of(document("lymphoid_patch", follicles=0, sinus_thickness=None)).niches == ("T cell zone",)
