"""A run in which cells speak by touch: columns, doses and the contact graph of what was kept."""

from pathlib import Path

import numpy as np

from tests.scenario.test_signals import write_signals
from twin.analysis.contacts import neighbour_types
from twin.engine.expand import expand
from twin.engine.identity import record_of
from twin.engine.observe import layout_of
from twin.engine.plan import check_file
from twin.engine.segments import jobs_of, segment
from twin.engine.world import build_world
from twin.results import create_run, open_run


def test_touch_becomes_a_column_and_a_dose(tmp_path: Path) -> None:
    felt = {"ligand": "B2M", "weigh": "area", "half_rate": 1.0, "perturbation": "IFNB1", "dose": "1 pM"}
    file = write_signals(tmp_path, contact=[felt], reception=[], secretion=[])
    loaded, plan = check_file(file, ("duration=1 h",))
    world = build_world(loaded, plan.whole, plan.processes)
    ensemble = expand(loaded, plan, world).ensemble
    create_run(tmp_path / "run", record_of(plan, world), layout_of(world), ensemble, ["patch"])
    segment(loaded, tmp_path / "run", jobs_of(ensemble)[0], 2)
    run = open_run(tmp_path / "run")
    cells = run.cells()
    signal = cells.obs["contact_B2M"].to_numpy()
    assert signal.max() > 1.0  # µm², nearly all of which every cell shows
    np.testing.assert_allclose(cells.obs["dose_IFNB1"], 1e-3 * signal)
    assert run.contact_graph().number_of_edges() == cells.obsp["contacts"].nnz // 2 > 50
    assert neighbour_types(cells).to_numpy().sum() == cells.obsp["contacts"].nnz
    assert run.lineage_graph().number_of_nodes() == cells.n_obs
