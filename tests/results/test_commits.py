"""A kill at any moment leaves a run that opens, and resumes to the same end."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
import xarray as xr
import zarr

import twin
from tests.results.bodies import body, new_run, readouts, step, write_ticks, writer
from tests.results.test_state import everything
from twin.errors import InputError, RunError
from twin.results import differences
from twin.results.packed import packed_name


class Killed(BaseException):
    """What no handler of ours catches: the process is gone."""


def whole(path: Path, n_replicates: int = 1, seed: int = 0) -> Path:
    """A run that nobody disturbed: two commits."""
    run = new_run(path, n_replicates)
    for replicate in range(n_replicates):
        at = writer(run, replicate)
        write_ticks(at, 0, 3, seed + replicate)
        write_ticks(at, 4, 7, seed + replicate)
    return run


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return whole(tmp_path_factory.mktemp("undisturbed") / "run")


STEPS = [  # what a commit does on the disk, in its order; the end of one is the beginning of the next
    ("save_frames", False),
    ("_save_fields", False),
    ("write_elements", False),
    ("save_state", False),
    ("save_state", True),
    ("save_commits", False),
    ("save_commits", True),
]


def kill_in(monkeypatch: pytest.MonkeyPatch, name: str, *, after: bool) -> None:
    """Let the process die right before or right after its first call of a step."""
    import twin.results.write as module

    original: Callable[..., object] = getattr(module, name)

    def dying(*args: object, **kwargs: object) -> object:
        if after:
            original(*args, **kwargs)
        raise Killed

    monkeypatch.setattr(module, name, dying)


@pytest.mark.parametrize(("name", "after"), STEPS)
def test_a_run_killed_in_a_commit_opens_and_resumes_to_the_same_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, undisturbed: Path, name: str, after: bool
) -> None:
    run = new_run(tmp_path / "killed")
    at = writer(run)
    write_ticks(at, 0, 3)
    with monkeypatch.context() as patch:
        kill_in(patch, name, after=after)
        with pytest.raises(Killed):
            write_ticks(at, 4, 7)

    committed = name == "save_commits" and after
    opened = twin.open_run(run)
    assert opened.ticks_done() == (7 if committed else 3)
    assert opened.cells(compartment="tissue").n_obs == (37 if committed else 33)
    known = np.isfinite(opened.readouts["n_cells"].isel(replicate=0, compartment=0).values)
    assert known.tolist() == [i <= opened.ticks_done() for i in range(9)]

    resumed = writer(run)
    last = resumed.restore()
    assert last is not None
    assert last.tick == opened.ticks_done()
    assert [p.name for p in run.rglob(".*")] == [".writer"]
    assert len(list(run.rglob("*.safetensors"))) == 1
    if not committed:
        write_ticks(resumed, 4, 7)
    assert differences(run, undisturbed) == []


DYING = """
import os, signal, sys
from pathlib import Path
import twin.results.frames
from tests.results.bodies import write_ticks, writer
twin.results.frames.save_csr = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
write_ticks(writer(Path(sys.argv[1])), 4, 7)
"""


def test_a_process_that_is_really_killed_while_it_writes_leaves_a_run_that_resumes(
    tmp_path: Path, undisturbed: Path
) -> None:
    run = new_run(tmp_path / "run")
    write_ticks(writer(run), 0, 3)
    cells = run / "trajectories" / "0000" / "tissue" / "cells"
    done = subprocess.run([sys.executable, "-c", DYING, run], cwd=Path(__file__).parents[2], check=False)
    assert done.returncode == -signal.SIGKILL
    assert list(cells.glob(".*.partial"))  # it was in the middle of it
    assert twin.open_run(run).ticks_done() == 3
    assert twin.open_run(run).cells(compartment="tissue").n_obs == 33
    write_ticks(writer(run), 4, 7)
    assert differences(run, undisturbed) == []


def test_a_run_killed_before_its_first_commit_starts_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, undisturbed: Path
) -> None:
    run = new_run(tmp_path / "run")
    with monkeypatch.context() as patch:
        kill_in(patch, "save_state", after=True)
        with pytest.raises(Killed):
            write_ticks(writer(run), 0, 3)
    assert twin.open_run(run).times().tolist() == []
    resumed = writer(run)
    assert resumed.restore() is None
    assert not list(run.rglob("*.safetensors"))
    write_ticks(resumed, 0, 3)
    write_ticks(resumed, 4, 7)
    assert differences(run, undisturbed) == []


def test_what_a_kill_leaves_half_written_is_ignored_and_then_removed(tmp_path: Path, undisturbed: Path) -> None:
    run = whole(tmp_path / "run")
    home = run / "trajectories" / "0000"
    cells = home / "tissue" / "cells"
    (cells / ".000007-000009.partial" / "obs").mkdir(parents=True)
    (cells / "000007-000009").mkdir()  # as a run of format 2 had them
    packed = (cells / "000003-000007.zip").read_bytes()
    (cells / ".000007-000009.zip.partial").write_bytes(packed[: len(packed) // 2])
    (cells / "000007-000009.zip").write_bytes(packed)
    (home / ".state-000009.safetensors.partial").write_bytes(b"half")
    (home / "state-000009.safetensors").write_bytes(b"half")
    (home / ".commits.json.partial").write_text("[{")
    (run / "readouts" / "n_cells" / "c" / "0" / "0" / "0.1234.partial").write_bytes(b"half")
    assert twin.open_run(run).ticks_done() == 7
    assert len(twin.open_run(run).times()) == 8
    last = writer(run).restore()
    assert last is not None
    assert last.tick == 7
    left = [p.name for p in run.rglob("*") if "partial" in p.name or "000009" in p.name]
    assert left == []
    assert differences(run, undisturbed) == []


def test_uncommitted_readouts_are_removed_for_other_readers_too(tmp_path: Path) -> None:
    run = whole(tmp_path / "run")
    data = zarr.open_group(run / "readouts", mode="r+")
    data["n_cells"][0, 8] = 99.0  # type: ignore[index]  # an array: we know this group
    assert np.isnan(twin.open_run(run).readouts["n_cells"][0, 8]).all()
    writer(run)
    assert np.isnan(xr.open_zarr(run / "readouts", consolidated=False)["n_cells"][0, 8]).all()


def test_the_state_is_the_body_of_the_last_commit(tmp_path: Path) -> None:
    run = new_run(tmp_path / "run")
    at = writer(run)
    write_ticks(at, 0, 3)
    last = write_ticks(at, 4, 7)
    assert [p.name for p in run.rglob("*.safetensors")] == ["state-000007.safetensors"]
    restored = writer(run).restore()
    assert restored is not None
    assert everything(restored) == everything(last)
    assert last.compartments["tissue"].lineage.id == []
    commits = json.loads((run / "trajectories" / "0000" / "commits.json").read_text())
    assert [c["state"] for c in commits] == ["state-000003.safetensors", "state-000007.safetensors"]


def test_a_tick_is_kept_and_committed_once(tmp_path: Path) -> None:
    run = new_run(tmp_path / "run")
    last = write_ticks(writer(run), 0, 3)
    resumed = writer(run)
    resumed.frame(last)
    resumed.commit(last)
    assert len(twin.open_run(run).times()) == 4
    resumed.readouts(3, readouts(last))
    with pytest.raises(AssertionError, match="tick 3 is committed already"):
        resumed.commit(last)


def test_commits_without_cells_move_the_run_on(tmp_path: Path) -> None:
    run = new_run(tmp_path / "run")
    at = writer(run)
    at.readouts(2, readouts(body(tick=2)))
    at.commit(body(tick=2))
    opened = twin.open_run(run)
    assert opened.ticks_done() == 2
    with pytest.raises(InputError, match="keeps no cells of replicate 0 yet"):
        opened.cells(compartment="tissue")
    step(at, body(tick=8))
    at.commit(body(tick=8))
    assert opened.is_complete
    assert opened.times().tolist() == [2.0]
    np.testing.assert_array_equal(np.isfinite(opened.readouts["n_cells"][0, :, 0]), np.isin(np.arange(9), [2, 8]))


def test_a_full_disk_stops_the_run_and_leaves_the_last_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = new_run(tmp_path / "run")
    at = writer(run)
    write_ticks(at, 0, 3)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("twin.results.write.save_state", full)
        with pytest.raises(RunError, match=r"No space left on device.*resume"):
            write_ticks(at, 4, 7)
    assert twin.open_run(run).ticks_done() == 3


def test_two_replicates_are_written_side_by_side(tmp_path: Path) -> None:
    run = new_run(tmp_path / "run", n_replicates=2)
    a, b = writer(run, 0), writer(run, 1)
    write_ticks(a, 0, 3, seed=0)
    write_ticks(b, 0, 3, seed=1)
    write_ticks(b, 4, 7, seed=1)
    write_ticks(a, 4, 7, seed=0)
    assert differences(run, whole(tmp_path / "whole", n_replicates=2)) == []
    opened = twin.open_run(run)
    one, other = (opened.cells(replicate=i, compartment="tissue") for i in range(2))
    assert not np.array_equal(one.obs["id"], other.obs["id"])


def test_another_seed_differs_and_every_difference_is_named(tmp_path: Path, undisturbed: Path) -> None:
    told = differences(undisturbed, whole(tmp_path / "c", seed=5))
    assert any(line.startswith("trajectories/0000/tissue/cells/000000-000003/obs/id: ") for line in told)
    assert any(line.startswith("readouts/gene_mean: ") for line in told)
    assert any("state-000007.safetensors: other bytes" in line for line in told)
    assert not any("cells/000000-000003/var" in line for line in told)


def test_a_single_bit_in_one_array_is_found(tmp_path: Path, undisturbed: Path) -> None:
    a, b = undisturbed, whole(tmp_path / "b")
    assert differences(a, b) == []
    name = "trajectories/0000/pool/fields/000003-000007/concentration"
    group = (b / name).parent
    with ZipFile(packed_name(group)) as archive:
        archive.extractall(group)
    packed_name(group).unlink()
    assert differences(a, b) == [], "packed or not, it is the same"
    array = zarr.open_array(b / name, mode="r+")
    before = np.asarray(array[0, 0, 0, 0, 0])
    array[0, 0, 0, 0, 0] = np.nextafter(before, 1e9)
    assert differences(a, b) == [f"{name}: 1 of 192 values differ"]
    array.attrs["created"] = "just now"
    array[0, 0, 0, 0, 0] = before
    assert differences(a, b) == []
    array.attrs["units"] = "uM"
    assert differences(a, b) == [f"{name}: other attributes"]
    labels = "readouts/gene"
    genes = zarr.open_array(b / labels, mode="r+")
    genes[3] = "OTHER"
    assert f"{labels}: 1 of 50 values differ" in differences(a, b)


def test_a_shorter_run_lacks_arrays(tmp_path: Path, undisturbed: Path) -> None:
    short = new_run(tmp_path / "short")
    write_ticks(writer(short), 0, 3)
    told = differences(undisturbed, short)
    missing = f"trajectories/0000/tissue/cells/000003-000007/X/data: only in {undisturbed}"
    assert missing in told
    assert not any("000000-000003" in line for line in told)


def test_two_runs_whose_logs_differ_are_not_the_same(tmp_path: Path) -> None:
    runs = [new_run(tmp_path / name) for name in "ab"]
    for run, hours in zip(runs, (1.0, 2.0), strict=True):
        at, now = writer(run), body(0, (30, 7), 0)
        now.log = [{"what": "stop", "why": "few", "hours": hours, "value": float("nan")}]
        step(at, now)
        at.commit(now)
    assert differences(runs[0], runs[0]) == []
    assert differences(*runs) == ["trajectories/0000: another log"]
