"""Worker, scheduler and client are killed at random points; what was lost is run again, and nothing is different."""

from pathlib import Path
from random import Random
from time import sleep

import pytest

from tests.engine.culture import BRANCHES, write_culture
from tests.faults.cluster import DoomedCluster, commits_of, kill, started_run, wait_for
from twin.engine.simulation import run
from twin.errors import InputError, RunError
from twin.results import differences, open_run, save_state
from twin.results.status import status_of
from twin.state.body import Body

KINDS = ("worker", "scheduler", "client")
QUICK = [(kind, seed) for seed, kind in enumerate(KINDS)]
MANY = [(kind, seed) for kind in KINDS for seed in range(10, 15)]
OFTEN = "replicates: 2\n"
COMMITS = 2 * (4 + 1 + 1 + 1)  # of the undisturbed run: the trunk at three forks and its end, three branches


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nobody disturbed."""
    folder = tmp_path_factory.mktemp("undisturbed")
    return run(write_culture(folder, BRANCHES, OFTEN), folder / "run").path


def kill_and_go_on(folder: Path, whole: Path, kind: str, seed: int) -> None:
    luck = Random(f"{kind} {seed}")
    file, out = write_culture(folder, BRANCHES, OFTEN), folder / "run"
    when = luck.randrange(1, COMMITS - 2)
    with (
        DoomedCluster(folder) as cluster,
        started_run(file, out, "--scheduler", str(cluster.file)) as client,
    ):
        wait_for(lambda: commits_of(out) >= when, client)
        assert client.poll() is None, client.communicate()
        sleep(luck.uniform(0, 1))
        if kind == "worker":
            kill(luck.choice(cluster.workers()))
        else:
            kill(cluster.scheduler.pid if kind == "scheduler" else client.pid)
        _, told = client.communicate(timeout=600)
        if kind == "worker":
            assert client.returncode == 0, told
        elif kind == "scheduler" and not open_run(out).is_complete:
            assert client.returncode == 4, told
            assert told.startswith("twin: the scheduler was lost; what is committed stays; go on with: twin run")
            assert told.rstrip().endswith("--resume")
        elif kind == "client":
            assert not status_of(open_run(out)).is_alive
        if kind == "client":  # its workers may still be at it
            run(file, out, cluster=str(cluster.file), resume=True)
    run(file, out, resume=True)
    assert differences(out, whole) == []
    found = status_of(open_run(out))
    assert found.count("done") == len(found.standings) == 8
    assert found.holder is None


@pytest.mark.parametrize(("kind", "seed"), QUICK)
def test_a_kill_loses_nothing(tmp_path: Path, whole: Path, kind: str, seed: int) -> None:
    kill_and_go_on(tmp_path, whole, kind, seed)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "seed"), MANY)
def test_thirty_kills_lose_nothing(tmp_path: Path, whole: Path, kind: str, seed: int) -> None:
    kill_and_go_on(tmp_path, whole, kind, seed)


def test_a_terminated_run_says_how_it_goes_on(tmp_path: Path) -> None:
    file, out = write_culture(tmp_path, BRANCHES), tmp_path / "run"
    with started_run(file, out) as client:
        wait_for(lambda: commits_of(out) >= 1, client)
        client.terminate()
        _, told = client.communicate(timeout=600)
    assert client.returncode == 143, told
    assert told.startswith(
        f"twin: terminated; what is committed stays; go on with: twin run {file} --out {out} --resume"
    )
    assert status_of(open_run(out)).holder is None


def test_a_full_disk_is_told_and_the_run_goes_on_when_there_is_room(
    tmp_path: Path, whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, out = write_culture(tmp_path, BRANCHES, OFTEN), tmp_path / "run"
    left = [3]

    def full(body: Body, target: Path) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(28, "No space left on device", str(target))
        save_state(body, target)

    monkeypatch.setattr("twin.results.write.save_state", full)
    with pytest.raises(RunError, match=r"No space left on device.*: make room, then resume"):
        run(file, out)
    found = status_of(open_run(out))
    assert found.count("failed") == 8 - found.count("done") > 0
    monkeypatch.undo()
    run(file, out, resume=True)
    assert differences(out, whole) == []


def test_a_second_command_on_a_run_is_refused(tmp_path: Path) -> None:
    file, out = write_culture(tmp_path), tmp_path / "run"
    with started_run(file, out, "--set", "duration=40 h") as client:
        wait_for(lambda: commits_of(out) >= 1, client)
        with started_run(file, out, "--set", "duration=40 h", "--resume") as second:
            _, told = second.communicate(timeout=600)
        assert second.returncode == 2, told
        assert told == (
            f"twin: {out} is being written by process {client.pid} on this machine: wait for it, or stop it; what it "
            "has committed stays\n"
        )


def test_a_scheduler_file_that_is_not_there_is_told_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"--scheduler nowhere.json: no such file; give tcp"):
        run(write_culture(tmp_path), tmp_path / "run", cluster="nowhere.json")
    assert not (tmp_path / "run").exists()
