"""Of workers that share a tissue with whole transcriptomes any may be killed: nothing is lost, nothing differs."""

from pathlib import Path
from random import Random
from time import sleep

import pytest

from tests.engine.tiny import write_tiny
from tests.faults.cluster import DoomedCluster, commits_of, kill, started_run, wait_for
from twin.engine.simulation import run
from twin.results import differences


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 4))])
def test_of_three_workers_that_share_one_tissue_any_may_be_lost(tmp_path: Path, seed: int) -> None:
    file, out, longer = write_tiny(tmp_path), tmp_path / "run", "duration=12 h"
    alone = run(file, tmp_path / "alone", sets=[longer])
    luck = Random(seed)
    with (
        DoomedCluster(tmp_path, workers=3) as cluster,
        started_run(file, out, "--set", longer, "--scheduler", str(cluster.file)) as client,
    ):
        wait_for(lambda: out.exists() and commits_of(out) >= 2, client)
        sleep(luck.uniform(0, 1))
        kill(luck.choice(cluster.workers()))
        _, told = client.communicate(timeout=600)
        assert client.returncode == 0, told
    assert differences(out, alone.path) == []
