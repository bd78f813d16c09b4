"""What the demonstration has to show, on the scenario that ships."""

import subprocess
import sys
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage

import numpy as np
import pytest

from twin.analysis.summary import decay_lengths
from twin.engine.plan import check_file
from twin.engine.simulation import simulate
from twin.results import Run, open_run

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("demo")
    command = [sys.executable, "-m", "twin", "demo", "--out", "demo"]
    told = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=300)
    assert told.returncode == 0, told.stderr
    assert getrusage(RUSAGE_CHILDREN).ru_maxrss < 3 * 2**20  # kB on Linux: 3 GB
    assert "response by distance from pDC" in told.stdout
    return open_run(folder / "demo")


def test_near_cells_answer_in_full_and_far_ones_hardly(demo: Run) -> None:
    data = demo.readouts.isel(replicate=0, time=-1).sel(compartment="patch")
    edges = [0, 50, 100, 150, 200, 250, 300, 350, 600]
    response = dict(zip(edges, data["response_by_distance"].values, strict=False))
    assert response[0] >= 0.9
    assert response[350] <= 0.2
    assert (np.diff(data["response_by_distance"].values) < 0).all()


def test_monocytes_answer_more_than_t_cells(demo: Run) -> None:
    score = demo.readouts["program_score"].isel(replicate=0, time=-1).sel(compartment="patch", program="interferon")
    assert float(score.sel(cell_type="CD14 Mono")) > 1.3 * float(score.sel(cell_type="CD4 Naive T"))


def test_the_field_falls_off_as_it_must(demo: Run) -> None:
    (length,) = decay_lengths(demo)
    assert length.measured == pytest.approx(length.predicted, rel=0.15)


def test_nothing_moves_before_the_source_speaks(demo: Run) -> None:
    early = demo.readouts["response_by_distance"].isel(replicate=0).sel(compartment="patch", time=slice(0, 2))
    assert np.abs(early).max() < 0.06


def test_the_pictures_are_there(demo: Run) -> None:
    folder = demo.path.with_name("demo-pictures")
    assert {f.name for f in folder.iterdir()} == {"tissue.png", "response.png"}


def test_files_a_snapshot_stay_few(demo: Run) -> None:
    files = sum(1 for f in demo.path.rglob("*") if f.is_file())
    assert files / len(demo.times()) <= 10


def test_without_its_source_nothing_moves_for_a_day(tmp_path: Path) -> None:
    file = Path(__file__).parents[2] / "scenarios" / "ifnb_lymphoid_patch.yaml"
    loaded, _ = check_file(file, ("signalling.secretion=[]",))
    simulate(loaded, tmp_path / "run")
    data = open_run(tmp_path / "run").readouts.load().isel(replicate=0).sel(compartment="patch")
    many = data["cell_type"].values[data["n_cells"].values[0] > 100]
    response = data["response_by_type"].sel(cell_type=many).values  # (time, type)
    assert np.abs(response).max() < 0.06
    assert np.abs(response[12:].mean(axis=0) - response[:12].mean(axis=0)).max() < 0.02  # no drift, only luck
    size = data["library_size"].sel(cell_type=many).values
    assert np.abs(size / size[0] - 1).max() < 0.05
