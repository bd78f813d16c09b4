"""`twin status` says how far a run is and how it goes on."""

import json
from pathlib import Path

import pytest

from tests.results.bodies import new_run, write_ticks, writer
from twin.cli.run import carry_out
from twin.cli.status import status
from twin.results.lock import RunLock
from twin.results.status import ERRORS


def test_each_trajectory_is_done_running_waiting_stopped_or_failed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def told_of(run: Path, *, every: bool = False) -> list[str]:
        status(run, every)
        return capsys.readouterr().out.splitlines()

    run = new_run(tmp_path / "run", n_replicates=3)
    done = writer(run)
    write_ticks(done, 0, 8)
    done.close()
    half = writer(run, 1)
    write_ticks(half, 0, 3)
    with RunLock(run):
        head, holder, *rows = told_of(run)
    assert head.endswith(": 1 of 3 trajectories done")
    assert "on this machine runs it" in holder
    assert [row.split()[:5] for row in rows] == [
        ["0001", "running", "0.75", "of", "2"],
        ["0002", "waiting", "0", "of", "2"],
    ]
    half.close()
    (run / ERRORS).write_text(json.dumps({"0002": "plugin 'p' failed"}))
    _, first, second, advice = told_of(run)
    assert first.split()[1] == "stopped"
    assert second.endswith("replicate 2: plugin 'p' failed")
    assert advice == f"go on with: twin run FILE --out {run} --resume, FILE being the scenario that it was begun with"
    assert len(told_of(run, every=True)) == 5


def test_a_scheduler_that_does_not_answer_is_told_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.engine.culture import write_culture
    from twin.errors import InputError

    monkeypatch.setattr("twin.engine.cluster.PATIENCE", 0.5)
    with pytest.raises(InputError, match=r"--scheduler tcp://127.0.0.1:1: no scheduler answers there within 0.5 s"):
        carry_out(
            write_culture(tmp_path),
            tmp_path / "run",
            (),
            workers=1,
            scheduler="tcp://127.0.0.1:1",
            resume=False,
            quiet=True,
        )
    assert not (tmp_path / "run").exists()


def test_workers_of_other_versions_are_refused() -> None:
    from twin.engine.cluster import check_versions
    from twin.engine.plan import versions

    assert check_versions(versions()) == {}
    assert check_versions({**versions(), "numpy": "0.1"}) == {"numpy": versions()["numpy"]}
    assert check_versions({"nothing": "1"}) == {"nothing": "not there"}


def test_a_run_does_not_begin_on_workers_of_other_versions(tmp_path: Path) -> None:
    from twin.engine.cluster import client_of, local_client
    from twin.engine.dispatch import _check_here
    from twin.engine.plan import versions
    from twin.errors import InputError

    skewed = {**versions(), "numpy": "0.1"}
    with local_client(1) as cluster:
        refused = r"the worker .* has numpy .* \((here|wanted) 0.1\): install the same versions everywhere"
        with pytest.raises(InputError, match=refused), client_of(cluster, 1, skewed):
            pass
        with pytest.raises(InputError, match=refused):  # one that came later
            cluster.submit(_check_here, skewed).result()
        with client_of(cluster, 1, versions()) as same:
            assert same is cluster
