"""Whole runs of a body of several organs: mass and cells are kept, and nothing hangs on workers or interruptions."""

from pathlib import Path

import numpy as np
import pytest

from twin.analysis.summary import report
from twin.engine.identity import record_of
from twin.engine.loop import advance, segment_ends
from twin.engine.observe import layout_of
from twin.engine.plan import check_file
from twin.engine.seeding import seed_body
from twin.engine.segments import jobs_of, segment, world_of
from twin.engine.simulation import ready, run, simulate
from twin.results import Run, create_run, differences

BODY = """\
name: body
duration: 4 h
tick: 30 min
seed: 3
world_model: {name: none}
compartments:
  blood: {volume: 5 L}
  liver:
    box: [40 um, 40 um, 40 um]
    cells: {source: model, count: 5, composition: {hepatocyte: 1}}
  lymph node:
    box: [60 um, 60 um, 60 um]
    spacing: 20 um
    cells: {source: model, count: 60, composition: {T cell: 0.5, B cell: 0.5}, radius: {default: 4 um}}
substances:
  IL6: {diffusivity: 60 um^2/s}
  IL2: {diffusivity: 60 um^2/s, initial: 1 nM}
signalling:
  secretion: [{substance: IL6, by: [hepatocyte], rate: 3000 molecules/h}]
organs:
  from_table: human
  clearance: {IL6: {liver: 5 L/h}}
  partition: {IL2: {liver: 3}}
  traffic:
    - {from: lymph node, to: blood, rate: 0.5 /h, cell_types: [T cell]}
    - {from: blood, to: lymph node, rate: 0.5 /h, cell_types: [T cell]}
processes: {dosing: {}, secretion: {}, diffusion: {}, death: {}, transport: {}}
cell_types:
  T cell: {apoptosis: 0.05 /h}
observe: {every: 30 min, cells_every: 2 h}
execution: {commit_every: 1 h}
"""
BRANCHES = """\
branches:
  ligated: {at: 2 h, set: {organs.traffic.0.rate: 0 /h, organs.traffic.1.rate: 0 /h}}
"""


def write_body(folder: Path, *more: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "body.yaml"
    file.write_text(BODY + "".join(more))
    return file


@pytest.fixture(scope="module")
def body(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("body")
    return run(write_body(folder, BRANCHES), folder / "run")


def test_what_is_released_is_in_the_body_or_cleared(body: Run) -> None:
    data = body.readouts.load().sel(branch="trunk").isel(replicate=0)
    known = data["substance_amount"].sum("compartment") + data["substance_cleared"].sum("compartment")
    volume = 1800 / 1.05 * 1e-3  # L
    rate = 5 * 3000 / 602214.076 / 64e3 * 1e6 * volume  # nmol/h of the whole liver
    np.testing.assert_allclose(known.sel(substance="IL6"), rate * data["time"], rtol=1e-10)
    np.testing.assert_allclose(known.sel(substance="IL2"), known.sel(substance="IL2").isel(time=0), rtol=1e-10)
    end = data["concentration_mean"].sel(substance="IL2").isel(time=-1)
    np.testing.assert_allclose(end.sel(compartment="liver") / 3, end.sel(compartment="blood"), rtol=1e-6)
    assert float(data["substance_cleared"].sel(substance="IL6", compartment="liver").isel(time=-1)) > 0.5 * rate


def test_cells_are_where_they_were_counted_to_have_gone(body: Run) -> None:
    data = body.readouts.load().sel(branch="trunk").isel(replicate=0)
    living = data["n_cells"] + data["n_dead"]
    moved = data["cells_moved"]
    net = moved.sel(way="lymph node to blood") - moved.sel(way="blood to lymph node")
    lineage = {name: body.lineage(compartment=name) for name in ("blood", "lymph node")}
    died = lineage["blood"].loc[lineage["blood"]["event"].str.startswith("death"), "time"].to_numpy()
    cleared = (died[None, :] < data["time"].to_numpy()[:, None]).sum(axis=1)
    blood = living.sel(compartment="blood", cell_type="T cell")
    np.testing.assert_array_equal(blood.to_numpy() + cleared, net)
    assert int(moved.isel(time=-1).min()) > 3
    gone = lineage["lymph node"]["event"] == "left for blood"
    assert gone.sum() == int(moved.sel(way="lymph node to blood").isel(time=-1))
    assert float(data["n_cells"].sel(compartment="blood", cell_type="B cell").sum()) == 0


def test_a_branch_may_stop_the_traffic(body: Run) -> None:
    data = body.readouts.load().isel(replicate=0)["cells_moved"].sel(way="lymph node to blood")
    np.testing.assert_array_equal(
        data.sel(branch="ligated", time=slice(0, 2)), data.sel(branch="trunk", time=slice(0, 2))
    )
    stopped = data.sel(branch="ligated", time=slice(2, 4))
    assert (stopped == stopped.isel(time=0)).all()
    ways = [body.organ_graph(branch=name).edges["blood", "lymph node"]["cells"] for name in ("trunk", "ligated")]
    assert ways == ["T cell 0.5 /h", "T cell 0 /h"]


def test_the_run_knows_its_network(body: Run) -> None:
    graph = body.organ_graph()
    assert set(graph) == {"blood", "liver", "lymph node"}
    assert graph.nodes["blood"]["volume"] == pytest.approx(5000)
    assert graph.edges["blood", "liver"]["flow"] == pytest.approx(0.255 * 390_000)
    assert graph.edges["liver", "lymph node"]["kind"] == "lymph"
    assert "left for blood" in report(body.path)


@pytest.mark.slow
def test_one_and_two_workers_give_one_store(body: Run, tmp_path: Path) -> None:
    two = run(write_body(tmp_path, BRANCHES, "replicates: 2\n"), tmp_path / "two", workers=2)
    one = run(write_body(tmp_path, BRANCHES, "replicates: 2\n"), tmp_path / "one")
    assert differences(one.path, two.path) == []
    np.testing.assert_array_equal(
        two.readouts["cells_moved"].isel(replicate=0), body.readouts["cells_moved"].isel(replicate=0)
    )


def test_a_run_that_was_cut_off_goes_on_as_if_it_was_not(body: Run, tmp_path: Path) -> None:
    loaded, plan = check_file(write_body(tmp_path, BRANCHES))
    plans, out = ready(loaded), tmp_path / "run"
    ensemble, homes = plans.futures.ensemble, list(loaded.scenario.compartments)
    create_run(out, record_of(plan, plans.world), layout_of(plans.world), ensemble, homes)
    segment(loaded, out, jobs_of(ensemble)[0], segment_ends(plans.world)[0])
    simulate(loaded, out, resume=True)
    assert differences(body.path, out) == []


def test_who_dies_or_divides_in_a_tick_stays_and_is_not_counted(tmp_path: Path) -> None:
    """All are told to go in every tick, half of them die in it: what is counted is who came."""
    file = tmp_path / "b.yaml"
    text = BODY.replace("rate: 0.5 /h, cell", "rate: 1e6 /h, cell", 1).replace("apoptosis: 0.05", "apoptosis: 1.4")
    file.write_text(text.replace("rate: 0.5 /h, cell", "rate: 0 /h, cell"))
    loaded, _ = check_file(file)
    world = world_of(loaded, None)
    now = seed_body(world, 0)
    advance(world, now, 0)
    blood = now.compartments["blood"].cells
    assert now.stores["cells_moved"][0] == blood.n == blood.alive.sum()
    assert now.stores["cells_moved"][1] == 0
