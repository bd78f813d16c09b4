"""The benchmarks run, and every number of theirs is one."""

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
        [sys.executable, "-m", "tests.bench", "--quick", "--json", str(file)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
        timeout=300,
    )
    rates = json.loads(file.read_text())["rates"]
    assert all(value > 0 for value in rates.values())
    for word in ("transitions/s", "agent-steps/s", "voxel-updates/s", "--help"):
        assert any(word in name for name in rates)
        assert word in told.stdout
