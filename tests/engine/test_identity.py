"""What determines a trajectory: every file that a scenario is made of counts."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.engine.tiny import TINY
from twin.engine.identity import essence, files_of
from twin.scenario.load import load_scenario

BOX = {"box": ["100 um", "100 um", "20 um"]}
SPOTS = {"pitch": "100 um", "spots": {"cells_per_spot": 4, "reference": {"file": "cells.h5ad"}}}
MEASURED = {"source": "h5ad", "file": "spots.h5ad", "orthologs": "orthologs.tsv", "spatial": SPOTS}
BUILT = {"source": "monolayer", "count": 20, "cells": "pDC", "transcriptomes": {"file": "blood.h5ad"}}
TABLE = {"source": "table", "file": "cells.csv"}


@pytest.mark.parametrize(
    ("cells", "names"),
    [
        (MEASURED, {"spots.h5ad", "orthologs.tsv", "cells.h5ad"}),
        (BUILT, {"blood.h5ad"}),
        (TABLE, {"cells.csv"}),
    ],
)
def test_every_file_that_cells_are_made_of_counts(tmp_path: Path, cells: dict[str, Any], names: set[str]) -> None:
    for name in names:
        (tmp_path / name).write_text("first")
    file = tmp_path / "s.yaml"
    file.write_text(json.dumps({**TINY, "compartments": {"patch": {**BOX, "cells": cells}}}))
    loaded = load_scenario(file)
    assert set(files_of(loaded)) == names
    before = essence(loaded)
    for name in names:
        (tmp_path / name).write_text("another")
        after = essence(loaded)
        assert after != before, name
        before = after
