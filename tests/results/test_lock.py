"""One command at a time writes a run; a dead one's lock is taken over."""

import json
import os
import socket
from pathlib import Path
from typing import Any

import psutil
import pytest
import zarr

from tests.results.bodies import new_run, write_ticks, writer
from twin.errors import InputError, RunError
from twin.results import TrajectoryWriter, differences
from twin.results.frames import save_frames
from twin.results.lock import LOCK, SILENT, RunLock, holder_of


def locked_by(run: Path, host: str, pid: int, began: float, silent: float = 0.0) -> Path:
    file = run / LOCK
    file.write_text(json.dumps({"host": host, "pid": pid, "began": began, "token": "t"}))
    when = file.stat().st_mtime - silent
    os.utime(file, (when, when))
    return file


def test_a_run_is_written_by_one_command(tmp_path: Path) -> None:
    with RunLock(tmp_path) as lock:
        assert lock.taken_from is None
        holder = holder_of(tmp_path)
        assert holder is not None
        assert (holder.pid, holder.is_alive, holder.is_here) == (os.getpid(), True, True)
        with (
            pytest.raises(InputError, match=f"is being written by process {os.getpid()} on this machine"),
            RunLock(tmp_path),
        ):
            pass
    assert list(tmp_path.iterdir()) == []


def test_the_lock_of_a_dead_process_is_taken_over(tmp_path: Path) -> None:
    me = psutil.Process()
    locked_by(tmp_path, socket.gethostname(), me.pid, me.create_time() - 1000)  # its number was given again
    with RunLock(tmp_path) as lock:
        assert lock.taken_from == f"process {me.pid} on this machine"


def test_the_lock_of_another_machine_holds_until_it_is_silent(tmp_path: Path) -> None:
    locked_by(tmp_path, "elsewhere", 1, 0.0, silent=60)
    with (
        pytest.raises(InputError, match=r"by process 1 on elsewhere: .* last sign of life was 6\d s ago"),
        RunLock(tmp_path),
    ):
        pass
    locked_by(tmp_path, "elsewhere", 1, 0.0, silent=SILENT + 1)
    with RunLock(tmp_path) as lock:
        assert lock.taken_from == "process 1 on elsewhere"


def test_a_lock_that_was_never_written_whole_is_nobodys(tmp_path: Path) -> None:
    (tmp_path / LOCK).write_text('{"host": "x"')
    with RunLock(tmp_path):
        pass


def test_a_worker_that_was_given_up_for_lost_commits_nothing_more(tmp_path: Path) -> None:
    run = new_run(tmp_path / "run")
    lost = writer(run)
    new = writer(run)
    with pytest.raises(RunError, match="was taken over by another worker: this one stops"):
        write_ticks(lost, 0, 3)
    write_ticks(new, 0, 3)
    new.close()
    assert not list(run.rglob(".*"))


def test_what_a_lost_worker_left_in_the_middle_of_a_commit_is_replaced(tmp_path: Path) -> None:
    run, whole = new_run(tmp_path / "run"), new_run(tmp_path / "whole")
    write_ticks(writer(whole), 0, 3)
    new = writer(run)
    left = run / "trajectories" / "0000" / "tissue" / "cells" / "000000-000003"
    left.mkdir()
    (left / "half").write_bytes(b"1")
    write_ticks(new, 0, 3)
    assert differences(run, whole) == []


def test_a_worker_may_be_taken_over_while_it_fills_a_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, whole = new_run(tmp_path / "run"), new_run(tmp_path / "whole")
    write_ticks(writer(whole), 0, 3)
    lost = writer(run)
    new: list[TrajectoryWriter] = []

    def taken_over_between(group: zarr.Group, *args: Any) -> None:
        save_frames(group, *args)
        if not new:
            (hidden,) = (run / "trajectories" / "0000").glob("*/cells/.*")
            new.append(writer(run))
            assert not hidden.exists()
            (hidden / "obs").mkdir(parents=True)  # so does a chunk that comes late

    monkeypatch.setattr("twin.results.write.save_frames", taken_over_between)
    with pytest.raises(RunError, match="was taken over by another worker: this one stops"):
        write_ticks(lost, 0, 3)
    monkeypatch.undo()
    write_ticks(new[0], 0, 3)
    new[0].close()
    assert differences(run, whole) == []
    assert not list(run.rglob(".*"))


def test_what_is_removed_may_still_be_written_into(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = new_run(tmp_path / "run")
    left = run / "trajectories" / "0000" / "tissue" / "cells" / "000000-000003"
    left.mkdir()
    rmdir = os.rmdir

    def written_meanwhile(path: Any, **how: Any) -> None:
        left.mkdir(exist_ok=True)
        (left / "more").write_bytes(b"1")
        rmdir(path, **how)

    monkeypatch.setattr(os, "rmdir", written_meanwhile)
    write_ticks(writer(run), 0, 1)
