"""Tissues of real spatial files: their neighbours are those that were measured, their counts are all there."""

from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pytest

from tests.engine.spatial_files import world_of, write_scenario
from twin.engine.neighbourhood import GRAPHS, Kept, neighbours_kept
from twin.engine.seeding import seed_body
from twin.errors import ScenarioError

OSMFISH = "spatial_codeluppi2018_mouse_cortex_osmfish.h5ad"
STARMAP = "spatial_wang2018_mouse_mpfc_starmap.h5ad"
BULB = "spatial_stahl2016_mouse_olfactory_bulb.h5ad"
BREAST = "spatial_stahl2016_human_breast_cancer.h5ad"
PDAC = "spatial_moncada2020_human_pdac.h5ad"
LIVER = "spatial_human_liver_hcc_2000genes.h5ad"

CORTEX: dict[str, Any] = {"scale": "0.065 um", "drop_within": "0.1 um", "radius": {"area": "size_um2"}}
FRONTAL: dict[str, Any] = {"scale": "0.078 um", "radius": "neighbours"}
LAYERS: dict[str, Any] = {"pitch": "200 um", "spots": {"cells_per_spot": 10}}
SINGLE: list[tuple[str, dict[str, Any], dict[str, str], int]] = [
    (OSMFISH, CORTEX, {}, 31),
    *((STARMAP, FRONTAL, {"batch": f"batch_{i}"}, 16) for i in range(3)),
]


def kept(
    folder: Path, file: Path, how: dict[str, Any], where: dict[str, str], gene: str, ticks: int, adhesion: str
) -> list[Kept]:
    scenario = write_scenario(folder, how, where=where)
    sets = (
        f"compartments.tissue.cells.file={file}",
        f"observe.genes=[{gene}]",
        f"processes.mechanics.adhesion={adhesion}",
    )
    return list(neighbours_kept(*world_of(scenario, sets), ticks))


@pytest.mark.parametrize(("file", "how", "where", "types"), SINGLE)
def test_single_cells_keep_the_neighbours_that_were_measured(
    tmp_path: Path, data_folder: Path, file: str, how: dict[str, Any], where: dict[str, str], types: int
) -> None:
    """After seeding, and after four hours of mechanics without adhesion: z within 1 for every two types."""
    gene = "Gad2" if file == OSMFISH else "acss1"
    found = kept(tmp_path, data_folder / file, how, where, gene, 8, "0 um/min")
    assert [(k.when, k.graph) for k in found] == [(when, graph) for when in (0.0, 4.0) for graph in GRAPHS]
    for k in found:
        assert k.n_types == types
        assert k.farthest < (1e-6 if k.when == 0 else 1.0), k.table.head()
        assert k.shared > 0.999


@pytest.mark.slow
@pytest.mark.parametrize(("file", "how", "where", "types"), SINGLE)
def test_adhesion_of_physicell_moves_few_neighbours(
    tmp_path: Path, data_folder: Path, file: str, how: dict[str, Any], where: dict[str, str], types: int
) -> None:
    gene = "Gad2" if file == OSMFISH else "acss1"
    for k in kept(tmp_path, data_folder / file, how, where, gene, 8, "0.4 um/min"):
        assert k.n_types == types
        assert k.shared > 0.975
        assert k.farthest < 1.5


def test_layers_of_the_olfactory_bulb_are_kept_by_spots_that_became_cells(tmp_path: Path, data_folder: Path) -> None:
    for k in kept(tmp_path, data_folder / BULB, LAYERS, {}, "Penk", 4, "0.4 um/min"):
        assert (k.n, k.n_types) == (262, 5)
        assert k.farthest < 1e-6
        assert k.shared == 1.0


@pytest.mark.parametrize(
    ("file", "how", "gene", "box"),
    [
        (PDAC, {"scale": "200 um", "spots": {"cells_per_spot": 4, "radius": "50 um"}}, "KRT19", (5740, 5340, 40)),
        (
            LIVER,
            {"pitch": "100 um", "radius": "neighbours", "spots": {"cells_per_spot": 4, "law": "counts"}},
            "IGKC",
            (5420, 6590, 40),
        ),
        (
            BREAST,
            {
                "pitch": "200 um",
                "sections": {"column": "batch", "spacing": "100 um"},
                "thickness": "16 um",
                "spots": {"cells_per_spot": 4},
            },
            "ERBB2",
            (4460, 4460, 360),
        ),
    ],
)
def test_spots_become_cells_and_lose_no_count(
    tmp_path: Path, data_folder: Path, file: str, how: dict[str, Any], gene: str, box: tuple[float, ...]
) -> None:
    data = ad.read_h5ad(data_folder / file)
    sets = (f"compartments.tissue.cells.file={data_folder / file}", f"observe.genes=[{gene}]")
    _, world = world_of(write_scenario(tmp_path, how), sets)
    cells = world.measured["tissue"]
    total = np.asarray(cells.counts.sum(axis=0)).ravel()
    np.testing.assert_array_equal(total, np.asarray(data.X.sum(axis=0)).ravel())
    assert cells.n_cells == pytest.approx(4 * data.n_obs, rel=0.01)
    assert world.scenario.compartments["tissue"].box == pytest.approx(box, abs=20)
    place = seed_body(world, 0).compartments["tissue"].cells.position
    assert len(np.unique(place, axis=0)) == cells.n_cells


def test_a_file_whose_unit_is_not_told_is_refused(tmp_path: Path, data_folder: Path) -> None:
    grid = (f"compartments.tissue.cells.file={data_folder / PDAC}", "observe.genes=[KRT19]")
    with pytest.raises(ScenarioError, match=r"lie 1 um apart \(median\), so these coordinates are no um"):
        world_of(write_scenario(tmp_path, {}), grid)
    twice = (f"compartments.tissue.cells.file={data_folder / OSMFISH}", "observe.genes=[Gad2]")
    with pytest.raises(ScenarioError, match=r"476 cells of .* stand exactly where another does"):
        world_of(write_scenario(tmp_path, {"scale": "0.065 um"}), twice)
