"""What holds for every builder: all cells in the box, in their niches, of their types, and by their luck."""

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.spatial import cKDTree

from tests.anatomy.documents import ONE_OF_EACH, built, document, niches_of, types_of
from twin.anatomy.build import anatomy_of, box_for, tree_of, with_box
from twin.errors import InputError

OVERLAP = 2.0  # um of two cells of radius 5; what mechanics parts within minutes


@pytest.mark.parametrize("source", ONE_OF_EACH)
def test_cells_lie_in_the_box_as_many_as_planned_and_hardly_overlap(source: str) -> None:
    cells = document(source)
    anatomy, made, box = built(cells)
    assert len(made.code) == anatomy.n_cells > 50
    assert ((made.position >= 0) & (made.position <= box)).all()
    radius = np.array([cells.radius_of(t) for t in anatomy.types])[made.code]
    pairs = cKDTree(made.position).query_pairs(2 * radius.max(), output_type="ndarray")
    apart = np.linalg.norm(made.position[pairs[:, 0]] - made.position[pairs[:, 1]], axis=1)
    assert (radius[pairs].sum(axis=1) - apart).max(initial=0.0) < OVERLAP


@pytest.mark.parametrize("source", ONE_OF_EACH)
def test_the_same_seed_gives_the_same_tissue_and_another_another(source: str) -> None:
    cells = document(source)
    (_, one, _), (_, same, _), (_, other, _) = (built(cells, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.position, same.position)
    np.testing.assert_array_equal(one.code, same.code)
    assert np.abs(one.position - other.position).max() > 1.0


@pytest.mark.parametrize("source", ONE_OF_EACH)
def test_each_niche_holds_its_types_by_their_shares(source: str) -> None:
    cells = document(source)
    anatomy, made, _ = built(cells)
    niche, kind = niches_of(anatomy, made), types_of(anatomy, made)
    mixes: dict[str, set[str]] = {}
    for part in anatomy.parts:
        for mix in part.mixes:
            mixes.setdefault(mix.niche, set()).update(mix.shares)
            mine = niche == mix.niche
            if len([m for p in anatomy.parts for m in p.mixes if m.niche == mix.niche]) == 1:
                for t, share in mix.shares.items():
                    assert abs((mine & (kind == t)).sum() - share / sum(mix.shares.values()) * mine.sum()) <= 1
    assert set(niche) <= set(mixes)
    for name, types in mixes.items():
        assert set(kind[niche == name]) <= types


@pytest.mark.parametrize("source", ONE_OF_EACH)
def test_the_tree_has_a_niche_for_every_cell(source: str) -> None:
    anatomy, made, _ = built(document(source))
    tree = tree_of(anatomy, "organ", "here")
    assert {tree.nodes[int(n)]["kind"] for n in made.group} == {"niche"}
    assert {tree.nodes[int(n)]["name"] for n in made.group} <= set(anatomy.niches)
    assert tree.nodes[0] == {"name": "organ", "kind": "organ"}
    assert tree.nodes[1] == {"name": "here", "kind": "organoid"}


@pytest.mark.parametrize("arrangement", ["grid", "scattered"])
def test_several_bodies_lie_apart_and_are_turned_each_its_own_way(arrangement: str) -> None:
    cells = document("crypt_villus", organoids=3, arrangement=arrangement, gap="20 um")
    anatomy, made, _ = built(cells)
    assert anatomy.bodies == 3
    body = (made.group - 1) // (1 + len(anatomy.niches))
    middles = [made.position[body == k].mean(axis=0) for k in range(3)]
    for i in range(3):
        reach = np.linalg.norm(made.position[body == i] - middles[i], axis=1).max()
        assert reach < anatomy.size[0] / 2 + 5
        for j in range(i):
            one, other = made.position[body == i], made.position[body == j]
            assert np.asarray(cKDTree(one).query(other)[0]).min() > 20.0
    shapes = [made.position[body == k] - middles[k] for k in range(2)]
    assert np.abs(np.sort(shapes[0], axis=0) - np.sort(shapes[1], axis=0)).max() > 10
    tree = tree_of(anatomy, "gut", "gel")
    assert [tree.nodes[n]["name"] for n in tree.successors(0)] == ["gel 1", "gel 2", "gel 3"]


def test_a_box_is_as_large_as_needed_in_whole_voxels_and_a_given_one_stays() -> None:
    given = {"cells": {"source": "spheroid", "diameter": "150 um", "margin": "30 um", "cells": "a"}, "spacing": "20 um"}
    filled = with_box(given)
    assert isinstance(filled, dict)
    assert filled["box"] == ["220.0 um"] * 3  # 150 + 60, to whole voxels
    assert with_box({**given, "box": ["1 um"] * 3})["box"] == ["1 um"] * 3  # type: ignore[index]  # a dict
    assert with_box({"cells": {"source": "model"}}) == {"cells": {"source": "model"}}


def test_what_does_not_fit_its_box_is_told_with_the_numbers() -> None:
    anatomy = anatomy_of(document("spheroid"))
    with pytest.raises(InputError, match=r"the spheroid takes 140 um along x, and the box has 100 um: widen the box"):
        anatomy.check_room(np.full(3, 100.0))
    four = anatomy_of(document("spheroid", organoids=4, gap="10 um"))
    with pytest.raises(InputError, match=r"4 spheroids in 2 columns and 2 rows take 290 um along x"):
        four.check_room(np.array([200.0, 400.0, 400.0]))


@pytest.mark.parametrize(
    ("source", "changes", "words"),
    [
        ("spheroid", {"diameter": ...}, "give the diameter"),
        ("spheroid", {"cells": ...}, "give cells"),
        ("spheroid", {"cells": {"a": 0, "b": 0}}, "the shares add up to nothing"),
        ("cyst", {"cells": {}}, "at least 1 item"),
        ("spheroid", {"zones": {"a": {}, "b": {}}}, "'a' needs a thickness"),
        ("spheroid", {"place": {"tumour": {"x": ["0 um", "1 um"]}}}, "leave place out"),
        ("cyst", {"lumen": ...}, "give the lumen"),
        ("crypt_villus", {"base_height": "90 um"}, "must rise"),
        ("crypt_villus", {"stroma": "fibroblast"}, "an organoid has no stroma"),
        ("crypt_villus", {"crypt_lumen": "60 um"}, "not below the lumen"),
        ("monolayer", {"density": "1000 /mm^2", "count": 9}, "count or density"),
        ("monolayer", {"gap": {"x": ["9 um", "2 um"]}}, "the first is the lower"),
        ("monolayer", {"density": "1000"}, "is not a density in a sheet"),
        ("lymphoid_patch", {"centre_diameter": "95 um"}, "not below follicle_diameter"),
    ],
)
def test_a_document_that_contradicts_itself_is_refused(source: str, changes: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        document(source, **changes)


@pytest.mark.parametrize(
    ("source", "changes", "words"),
    [
        ("spheroid", {"zones": {"a": {"thickness": "80 um"}, "b": {}}}, "zones of 80 um leave nothing for 'b'"),
        ("cortical_layers", {"curvature": "900 um"}, "do not bend around a radius of 900 um"),
        ("monolayer", {"width": ...}, "how large is the monolayer"),
        ("monolayer", {"gap": {"x": ["100 um", "300 um"]}}, "the gap is not inside the sheet"),
        ("monolayer", {"count": 400}, r"400 cells of radius 5 um would cover 1\.31 of the sheet"),
        ("vessel_slab", {"vessels": {"spacing": "30 um"}}, "touch at a spacing of 30 um"),
        ("vessel_slab", {"size": ["160 um", "60 um", "20 um"]}, "does not fit into a slab"),
        ("lymphoid_patch", {"follicles": 3, "size": ["200 um", "90 um", "200 um"]}, "3 follicles of 90 um"),
    ],
)
def test_measures_that_cannot_be_are_refused(source: str, changes: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        box_for(document(source, **changes), 10.0)


def test_more_cells_than_the_shape_holds_are_refused() -> None:
    with pytest.raises(InputError, match=r"20000 cells .* would fill .* of their part of the tissue"):
        built(document("spheroid", count=20_000))
    with pytest.raises(InputError, match=r"900 cells .* would cover"):
        built(document("cyst", count=900, outer=...))
