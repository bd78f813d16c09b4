"""A disk spoils a chunk: it is named, and all the rest still opens."""

from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest

from tests.results.bodies import new_run, write_ticks, writer
from twin.cli.status import status
from twin.errors import InputError, RunError
from twin.results import Run, open_run


@pytest.fixture
def run(tmp_path: Path) -> Run:
    made = new_run(tmp_path / "run")
    mine = writer(made)
    write_ticks(mine, 0, 4)
    write_ticks(mine, 5, 8)
    return open_run(made)


def chunk_of(run: Run, kind: str, what: str) -> Path:
    """A member with numbers of the first commit, as messages name it: below the file that holds it."""
    file = min(run.path.glob(f"trajectories/*/tissue/{kind}/0*.zip"))
    with ZipFile(file) as archive:
        return file / min(name for name in archive.namelist() if name.startswith(f"{what}/c"))


def spoil(place: Path) -> None:
    """Flip one bit in the middle of a file, or of a member of one that is packed."""
    file = place if place.is_file() else next(above for above in place.parents if above.is_file())
    with file.open("r+b") as content:
        where, size = 0, file.stat().st_size
        if file != place:
            with ZipFile(file) as archive, archive.open(place.relative_to(file).as_posix()) as member:
                member.read(1)
                about = archive.getinfo(place.relative_to(file).as_posix())
                content.seek(about.header_offset + 26)
                lengths = content.read(4)
                where = about.header_offset + 30 + sum(int.from_bytes(lengths[i : i + 2], "little") for i in (0, 2))
                size = about.file_size
        content.seek(where + size // 2)
        (old,) = content.read(1)
        content.seek(where + size // 2)
        content.write(bytes([old ^ 0x40]))


@pytest.mark.parametrize("what", ["X/data", "X/indices", "obs/radius", "obsm/spatial"])
def test_a_spoilt_chunk_is_named_and_other_times_open(run: Run, what: str, capsys: pytest.CaptureFixture[str]) -> None:
    times = np.unique(run.times())
    place = chunk_of(run, "cells", what)
    spoil(place)
    with pytest.raises(
        InputError, match=r"is damaged .*the other times and trajectories of the run still open"
    ) as told:
        run.cells(float(times[0]), compartment="tissue")
    assert str(place) in str(told.value)
    assert run.cells(float(times[-1]), compartment="tissue").n_obs
    assert run.readouts["n_cells"].notnull().any()
    assert run.damaged() == [place]
    with pytest.raises(InputError, match="1 damaged files in"):
        status(run.path, check=True)
    assert f"damaged: {place}" in capsys.readouterr().out


def test_a_file_that_was_cut_off_is_named_and_other_times_open(run: Run) -> None:
    file = min(run.path.glob("trajectories/*/tissue/cells/0*.zip"))
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    times = np.unique(run.times())
    with pytest.raises(InputError, match="is damaged") as told:
        run.cells(float(times[0]), compartment="tissue")
    assert str(file) in str(told.value)
    assert run.cells(float(times[-1]), compartment="tissue").n_obs
    assert run.damaged() == [file]


def test_a_sound_run_is_told_so(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run.damaged() == []
    status(run.path, check=True)
    assert "every file can be read" in capsys.readouterr().out


def test_what_describes_an_array_is_named_too(run: Run) -> None:
    chunk = chunk_of(run, "cells", "X/data")
    file = next(above for above in chunk.parents if above.is_file())
    spoil(file / "X" / "data" / "zarr.json")
    with pytest.raises(InputError, match="is damaged") as told:
        run.cells(0.0, compartment="tissue")
    assert str(file) in str(told.value)


def test_what_is_read_late_is_named_when_it_is_read(run: Run) -> None:
    counts, field = chunk_of(run, "cells", "X/data"), chunk_of(run, "fields", "concentration")
    readout = next(file for file in sorted(run.path.glob("readouts/n_cells/c/**/*")) if file.is_file())
    for file in (counts, field, readout):
        spoil(file)
    first = float(run.times()[0])
    cells, fields, readouts = (
        run.cells(first, compartment="tissue", lazy=True),
        run.fields(compartment="tissue"),
        run.readouts,
    )
    for file, read in (
        (counts, cells.X.compute),
        (field, fields["concentration"].isel(time=0).load),
        (readout, readouts["n_cells"].load),
    ):
        with pytest.raises(InputError, match="is damaged") as told:
            read()
        assert str(file) in str(told.value)
    assert readouts["gene_mean"].notnull().any()
    assert fields["concentration"].isel(time=-1).load().notnull().all()
    assert set(run.damaged()) == {counts, field, readout}


def test_a_list_of_commits_is_read_again_only_where_it_was_replaced(tmp_path: Path) -> None:
    made = new_run(tmp_path / "run")
    mine = writer(made)
    write_ticks(mine, 0, 4)
    run = open_run(made)
    before = run._commits(run.trajectories[0])
    assert run._commits(run.trajectories[0]) is before
    write_ticks(mine, 5, 8)
    assert len(run._commits(run.trajectories[0])) == len(before) + 1
    assert run.ticks_done() == 8


def test_a_file_that_is_missing_is_named(run: Run) -> None:
    file = min(run.path.glob("trajectories/*/tissue/cells/0*.zip"))
    file.unlink()
    with pytest.raises(InputError, match="is missing: bring it back from a copy") as told:
        run.cells(0.0, compartment="tissue")
    assert str(file) in str(told.value)
    assert run.damaged() == [file]
    assert len(run.genes), "another commit tells"


def test_what_the_system_forbids_is_not_called_damage(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def too_many(*_: object) -> bytes:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr("twin.results.packed.Packed._read", too_many)
    with pytest.raises(RunError, match="cannot be read: Too many open files"):
        run.cells(0.0, compartment="tissue")
    with pytest.raises(RunError, match="cannot be read: Too many open files"):
        run.damaged()


def test_fields_of_a_spoilt_commit_say_what_still_opens(run: Run) -> None:
    file = min(run.path.glob("trajectories/*/tissue/fields/0*.zip"))
    file.write_bytes(file.read_bytes()[:50])
    with pytest.raises(InputError, match=r"damaged.* its cells, and the other trajectories of the run, still open"):
        run.fields(compartment="tissue")
