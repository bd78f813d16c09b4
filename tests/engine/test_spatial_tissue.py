"""Tissues of spatial data: who stands where, what a cell of a spot holds, and that neighbours stay neighbours."""

from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pytest
import typer

from tests.engine.spatial_files import PITCH, world_of, write_scenario, write_spatial
from twin.cli.neighbours import neighbours
from twin.engine.neighbourhood import neighbours_kept
from twin.engine.seeding import seed_body
from twin.engine.spotted import SPOT
from twin.engine.world import World
from twin.errors import InputError, ScenarioError
from twin.state.body import Compartment
from twin.state.groups import labels

SPOTS = {"pitch": "200 um", "spots": {"cells_per_spot": 7}}


def seeded(world: World) -> Compartment:
    return seed_body(world, 0).compartments["tissue"]


def made(folder: Path, spatial: Any, **cells: Any) -> tuple[ad.AnnData, World]:
    """Return the data of a file and the world of a tissue that is made of it."""
    data = write_spatial(folder / "mine.h5ad")
    return data, world_of(write_scenario(folder, spatial, **cells))[1]


def test_cells_stand_as_measured_in_the_middle_of_a_box_that_fits(tmp_path: Path) -> None:
    data, world = made(tmp_path, {"scale": "0.5 um", "margin": "30 um"})
    extent = 0.5 * np.ptp(data.obsm["spatial"], axis=0)
    box = np.array(world.scenario.compartments["tissue"].box)
    np.testing.assert_allclose(box, 10 * np.ceil((np.append(extent, 0) + 60) / 10))
    place = seeded(world).cells.position
    assert (place[:, 2] == box[2] / 2).all()
    np.testing.assert_allclose((place.min(axis=0) + place.max(axis=0)) / 2, box / 2)
    np.testing.assert_allclose(np.sort(place[:, 0] - place[:, 0].min()), np.sort(0.5 * data.obsm["spatial"][:, 0]
        - 0.5 * data.obsm["spatial"][:, 0].min()), atol=1e-9)  # fmt: skip


def test_a_cell_holds_the_counts_of_its_row_and_is_in_its_niche(tmp_path: Path) -> None:
    data, world = made(tmp_path, {"scale": "0.5 um", "niche": "region"})
    home = seeded(world)
    place = 0.5 * data.obsm["spatial"]
    shift = home.cells.position[:, :2].min(axis=0) - place.min(axis=0)
    counts = home.expression.to_counts(home.cells.id).toarray()
    code, words = labels(home.groups, "niche", home.cells.group)
    assert words == ("Layer 1", "Layer 2", "Layer 3")
    for i in range(0, home.cells.n, 17):
        row = int(np.argmin(np.linalg.norm(place + shift - home.cells.position[i, :2], axis=1)))
        np.testing.assert_array_equal(counts[i], data.X[row].toarray()[0])
        assert home.cells.type_names()[i] == data.obs["cell_type"].iloc[row]
        assert words[code[i]] == data.obs["region"].iloc[row]
    assert home.cells.names["species"] == ("Mus musculus",)


def test_the_pieces_of_a_spot_add_up_to_it(tmp_path: Path) -> None:
    data, world = made(tmp_path, SPOTS)
    cells = world.measured["tissue"]
    assert cells.n_cells == 7 * data.n_obs
    total = np.zeros(data.shape)
    np.add.at(total, data.obs_names.get_indexer(cells.obs[SPOT]), cells.counts.toarray())
    np.testing.assert_array_equal(total, data.X.toarray())
    assert world.names["tissue"]["technology"] == ("made spots (piece of a spot)",)
    assert any("a cell is a piece of a spot, 7 cells a spot" in note for note in world.notes)
    held = seeded(world)
    assert held.expression.to_counts(held.cells.id).sum() == data.X.sum(), "in the tissue, too"


def test_the_cells_of_a_spot_stand_in_it_and_do_not_overlap(tmp_path: Path) -> None:
    data, world = made(tmp_path, SPOTS)
    assert data.n_obs == 144
    _, kept = world.measured["tissue"], list(neighbours_kept(*world_of(write_scenario(tmp_path, SPOTS)), 2))
    assert [k.n for k in kept] == [144] * 4
    assert max(k.farthest for k in kept) < 1e-6
    home = seeded(world)
    away = np.linalg.norm(home.cells.position[:, None] - home.cells.position[None], axis=2) + 1e9 * np.eye(home.cells.n)
    assert away.min() > 10, "cells of 5 µm"
    assert np.sort(away, axis=1)[:, :6].max() < 2 * 50, "the seven of a spot of radius 50 µm"


def test_more_cells_than_a_spot_has_room_for_are_refused(tmp_path: Path) -> None:
    _, world = made(tmp_path, {"pitch": "200 um", "spots": {"cells_per_spot": 400}})
    with pytest.raises(InputError, match=r"400 cells in a spot of radius 50 um leave each a radius of .* take fewer"):
        seeded(world)


def test_cells_of_a_reference_take_the_place_of_a_spots_counts(tmp_path: Path) -> None:
    reference = write_spatial(tmp_path / "ref.h5ad", seed=3)
    spots = {**SPOTS["spots"], "reference": {"file": "ref.h5ad"}}  # type: ignore[dict-item]
    data, world = made(tmp_path, {**SPOTS, "spots": spots})
    cells = world.measured["tissue"]
    rows = {tuple(row) for row in reference.X.toarray().astype(int).tolist()}
    assert {tuple(row) for row in cells.counts.toarray().tolist()} <= rows
    right = cells.obs["cell_type"].to_numpy() == data.obs["cell_type"].loc[cells.obs[SPOT]].to_numpy()
    assert right.mean() > 0.9, "spots of one type each are found to be of that type"
    assert world.names["tissue"]["technology"] == ("made spots (placed by made spots)",)
    spots["reference"]["types"] = "label"
    _, labelled = made(tmp_path, {**SPOTS, "spots": spots})
    cells = labelled.measured["tissue"]
    assert (cells.obs["cell_type"].to_numpy() == data.obs["cell_type"].loc[cells.obs[SPOT]].to_numpy()).all()


def test_sections_are_stacked_and_spread_over_their_thickness(tmp_path: Path) -> None:
    how = {"scale": "0.5 um", "sections": {"column": "section", "spacing": "60 um"}, "thickness": "16 um"}
    _, world = made(tmp_path, how)
    z = np.sort(seeded(world).cells.position[:, 2])
    assert world.scenario.compartments["tissue"].box[2] == 120.0  # 60 + 16 + 2 · 20, in whole voxels
    low, high = z[:72], z[72:]
    assert np.ptp(low) < 16
    assert np.ptp(high) < 16
    assert high.min() - low.max() > 60 - 16
    assert low.std() == pytest.approx(16 / 12**0.5, rel=0.25)


@pytest.mark.parametrize(("radius", "largest"), [("neighbours", 5.0), ({"area": "area"}, 5.0), (None, 5.0)])
def test_no_cell_is_larger_than_its_neighbours_leave_it_room(tmp_path: Path, radius: Any, largest: float) -> None:
    _, world = made(tmp_path, {"scale": "0.2 um", "radius": radius})  # neighbours 8 µm apart
    cells = seeded(world).cells
    away = np.linalg.norm(cells.position[:, None] - cells.position[None], axis=2) + 1e9 * np.eye(cells.n)
    overlap = (cells.radius[:, None] + cells.radius[None] > away + 1e-9).any()
    assert overlap == (radius is None)
    assert cells.radius.max() <= largest


def test_tissues_whose_cells_overlap_do_not_keep_their_neighbours_and_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """So the comparison can fail: cells twice as large as there is room for push each other out of their places."""
    data = write_spatial(tmp_path / "mine.h5ad")
    row, column = np.divmod(np.arange(144), 12)
    data.obs["cell_type"] = np.where((row + column) % 2, "black", "white")
    data.write_h5ad(tmp_path / "mine.h5ad")
    with pytest.raises(typer.Exit) as ended:
        neighbours(write_scenario(tmp_path, {"scale": "0.1 um"}))
    assert ended.value.exit_code == 1
    assert "not kept: a z differs by 1 or more" in capsys.readouterr().out
    neighbours(write_scenario(tmp_path, {"scale": "0.5 um"}), ticks=2)
    first, *_, last = capsys.readouterr().out.splitlines()
    assert first == (
        "tissue, nearest, 0 h: 144 rows, 2 types, 100.00% of the measured neighbours, largest difference of z 0.00"
    )
    assert last == "kept"


def test_a_tissue_that_is_not_made_of_spatial_data_has_nothing_to_compare(tmp_path: Path) -> None:
    write_spatial(tmp_path / "mine.h5ad")
    loaded, world = world_of(write_scenario(tmp_path, False), ("compartments.tissue.box=[900 um, 900 um, 50 um]",))
    with pytest.raises(InputError, match="takes its places from a file: give its cells `spatial`"):
        list(neighbours_kept(loaded, world, 0))


def test_genes_of_a_mouse_take_the_human_symbols_of_a_table(tmp_path: Path) -> None:
    rows = "\n".join(f"HUMAN{i}\tGene{i}\t9" for i in range(50))
    (tmp_path / "table.tsv").write_text(f"human_symbol\tmouse_symbol\tmouse_support\n{rows}\n")
    write_spatial(tmp_path / "mine.h5ad")
    file = write_scenario(tmp_path, {"scale": "0.5 um"}, orthologs="table.tsv")
    _, world = world_of(file, ("observe.genes=[HUMAN0]",))
    assert world.model.genes[:2] == ("HUMAN0", "HUMAN1")
    assert world.model.genes[-1] == "mouse:Gene59"
    assert any("50 of the 60 genes of Mus musculus took the symbol of their human" in note for note in world.notes)


def test_what_is_wrong_with_the_cells_of_the_measured_model_is_told_at_the_cells(tmp_path: Path) -> None:
    write_spatial(tmp_path / "mine.h5ad")
    file = write_scenario(tmp_path, {"scale": "0.5 um"}, orthologs="table.tsv")
    with pytest.raises(
        ScenarioError, match=r"line \d+, compartments\.tissue\.cells\.orthologs: .*table.tsv is not there"
    ):
        world_of(file)


@pytest.mark.parametrize(
    ("spatial", "key", "words"),
    [
        (True, "cells.spatial", r"3 cells of mine.h5ad stand exactly where another does, .* \{drop_within: 0.1 um\}"),
        ({"scale": "0.01 um", "drop_within": "0.01 um"}, "cells.spatial", "apart .median., so a unit of them is not"),
        ({"pitch": "20 um"}, "cells.spatial", "3 cells of mine.h5ad stand exactly"),
        ({"drop_within": "1 um", "niche": "layer"}, "cells.spatial", "no obs column is called 'layer'"),
        ({"scale": "1 um", "pitch": "9 um"}, "cells.spatial", "give scale or pitch, not both"),
        ({"spots": {"cells_per_spot": 3}}, "cells.spatial", "give the radius of a spot under spots, or the pitch"),
    ],
)
def test_what_is_wrong_with_places_is_told_before_a_run(tmp_path: Path, spatial: Any, key: str, words: str) -> None:
    data = write_spatial(tmp_path / "mine.h5ad")
    data.obsm["spatial"][[5, 6, 7]] = data.obsm["spatial"][4]
    data.write_h5ad(tmp_path / "mine.h5ad")
    box = ("compartments.tissue.box=[900 um, 900 um, 50 um]",) if spatial is True else ()
    with pytest.raises(ScenarioError, match=rf"(?s)compartments\.tissue\.{key}.*{words}"):
        world_of(write_scenario(tmp_path, spatial), box)


def test_spatial_without_coordinates_is_told_before_a_run(tmp_path: Path) -> None:
    data = write_spatial(tmp_path / "mine.h5ad")
    del data.obsm["spatial"]
    data.write_h5ad(tmp_path / "mine.h5ad")
    with pytest.raises(
        ScenarioError, match=r"compartments\.tissue\.cells\.spatial: mine.h5ad has no obsm\['spatial'\]"
    ):
        world_of(write_scenario(tmp_path, {"scale": "1 um"}))


def test_places_depend_on_the_spot_and_not_on_what_else_is_there(tmp_path: Path) -> None:
    """Leaving half of the rows out by `where` leaves the cells of the others as they are."""
    _, whole = made(tmp_path, SPOTS)
    _, half = made(tmp_path, SPOTS, where={"section": "s1"})
    a, b = (world.measured["tissue"] for world in (whole, half))
    rows = a.obs.index.get_indexer(b.obs.index)
    np.testing.assert_array_equal(a.counts[rows].toarray(), b.counts.toarray())
    assert a.spatial is not None
    assert b.spatial is not None
    np.testing.assert_allclose(a.spatial[rows], b.spatial, rtol=0.05 * PITCH)
