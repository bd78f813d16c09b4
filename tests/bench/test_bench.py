"""The benchmarks run, and the demonstration keeps to what it promises on two cores."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_one_command_measures_every_speed(tmp_path: Path) -> None:
    file = tmp_path / "speed.json"
    told = subprocess.run(
        [sys.executable, "-m", "tests.bench", "--json", str(file)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
        timeout=900,
    )
    rates = json.loads(file.read_text())["rates"]
    assert all(value > 0 for value in rates.values())
    for word in ("transitions/s", "lingshu S=32, 3 guided steps", "agent-steps/s", "voxel-updates/s"):
        assert any(word in name for name in rates)
        assert word in told.stdout
    assert rates["twin --help: s"] < 0.5
    assert rates["twin demo: s"] < 300
    assert rates["twin demo: peak memory, MiB"] < 3e9 / 2**20
