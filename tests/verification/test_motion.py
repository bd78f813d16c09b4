"""Motion and forces against published and analytic numbers: one test a case of the suite."""

from pathlib import Path

import anndata as ad
import numpy as np
import pytest

from twin.engine.plan import check_file
from twin.engine.simulation import simulate
from twin.kernels.neighbours import contact_graph
from twin.results import open_run
from twin.verification.case import Case
from twin.verification.motion import CASES, heterotypic

SORTING = Path(__file__).parents[2] / "scenarios" / "cell_sorting.yaml"


@pytest.mark.parametrize("case", [pytest.param(c, id=c.key, marks=[pytest.mark.slow] if c.slow else []) for c in CASES])
def test_motion_is_as_it_is_known_to_be(case: Case) -> None:
    rows = list(case.run())
    assert rows
    assert [row for row in rows if not row.holds] == []


def test_every_case_of_motion_is_there() -> None:
    assert [case.key for case in CASES] == ["M1", "M2", "M3", "M4", "M5", "M6", "M7", "G8"]


def test_the_shipped_scenario_sorts_its_cells(tmp_path: Path) -> None:
    loaded, _ = check_file(SORTING, ["duration=6 h", "observe.every=6 h", "observe.cells_every=6 h"])
    simulate(loaded, tmp_path / "run")
    run = open_run(tmp_path / "run")
    # contacts are there from the first step on: before it, from where cells stand
    first, last = (heterotypic_of(run.cells(t)) for t in (0.0, 6.0))
    assert first == pytest.approx(0.5, abs=0.06)
    assert last < 0.6 * first


def heterotypic_of(cells: ad.AnnData) -> float:
    place, radius = np.asarray(cells.obsm["spatial"], np.float64), np.asarray(cells.obs["radius"], np.float64)
    return heterotypic(contact_graph(place, radius), (cells.obs["cell_type"] == "red").to_numpy())
