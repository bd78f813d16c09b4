"""A disk spoils a chunk: it is named, and all the rest still opens."""

from pathlib import Path

import numpy as np
import pytest

from tests.results.bodies import new_run, write_ticks, writer
from twin.cli.status import status
from twin.errors import InputError
from twin.results import Run, open_run


@pytest.fixture
def run(tmp_path: Path) -> Run:
    made = new_run(tmp_path / "run")
    mine = writer(made)
    write_ticks(mine, 0, 4)
    write_ticks(mine, 5, 8)
    return open_run(made)


def chunk_of(run: Run, what: str) -> Path:
    """A file that holds numbers of the first commit."""
    first = min((run.path / "trajectories").glob("*/tissue/cells/0*"))
    return next(file for file in sorted((first / what / "c").rglob("*")) if file.is_file())


@pytest.mark.parametrize("what", ["X/data", "X/indices", "obs/radius", "obsm/spatial"])
@pytest.mark.parametrize("how", ["flipped", "cut"])
def test_a_spoilt_chunk_is_named_and_other_times_open(
    run: Run, what: str, how: str, capsys: pytest.CaptureFixture[str]
) -> None:
    times = np.unique(run.times())
    file = chunk_of(run, what)
    whole = file.read_bytes()
    middle = len(whole) // 2
    spoilt = (
        whole[:middle] + bytes([whole[middle] ^ 0x40]) + whole[middle + 1 :] if how == "flipped" else whole[:middle]
    )
    file.write_bytes(spoilt)
    with pytest.raises(
        InputError, match=r"is damaged .*the other times and trajectories of the run still open"
    ) as told:
        run.cells(float(times[0]), compartment="tissue")
    assert str(file) in str(told.value)
    assert run.cells(float(times[-1]), compartment="tissue").n_obs
    assert run.readouts["n_cells"].notnull().any()
    assert run.damaged() == [file]
    with pytest.raises(InputError, match="1 damaged files in"):
        status(run.path, check=True)
    assert f"damaged: {file}" in capsys.readouterr().out


def test_a_sound_run_is_told_so(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run.damaged() == []
    status(run.path, check=True)
    assert "every file can be read" in capsys.readouterr().out


def test_what_describes_an_array_is_named_too(run: Run) -> None:
    about = chunk_of(run, "X/data").parent.parent / "zarr.json"
    while not about.exists():
        about = about.parent.parent / "zarr.json"
    about.write_text("{")
    with pytest.raises(InputError, match=r"zarr\.json is damaged"):
        run.cells(0.0, compartment="tissue")
