"""`twin plan` on the command line."""

from pathlib import Path

import pytest

from tests.engine.tiny import write_tiny
from twin.cli.plan import plan
from twin.errors import InputError


def test_a_scenario_is_counted_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan(write_tiny(tmp_path), cells=1e9, within="24 h", cores=64, memory_gib=512.0)
    text = capsys.readouterr().out
    assert "1,000,000,000 cells" in text
    for word in ("machines", "wall time", "storage", "traffic", "GPUs", "Unit costs"):
        assert word in text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cells": 0.5}, "--cells: 0.5 is no number of cells"),
        ({"cells": float("nan")}, "--cells: nan is no number of cells"),
        ({"within": "24"}, "--within: 24 is not a time"),
        ({"within": "-1 h"}, "--within: "),
    ],
)
def test_what_is_no_amount_is_told(tmp_path: Path, options: dict[str, float | str], message: str) -> None:
    told = {"cells": None, "within": "24 h", "cores": 1, "memory_gib": 8.0, **options}
    with pytest.raises(InputError, match=message):
        plan(write_tiny(tmp_path), **told)  # type: ignore[arg-type]  # a table of options
