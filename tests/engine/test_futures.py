"""Branches, sweeps and replicates: one past, many futures, and nothing computed twice."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import twin
from tests.engine.culture import BRANCHES, SWEEP, write_culture
from twin import registry
from twin.analysis.summary import report
from twin.engine.loop import run_segment
from twin.engine.plan import check_file
from twin.engine.segments import jobs_of
from twin.engine.simulation import ready, run, simulate
from twin.errors import InputError, ScenarioError
from twin.results import Ensemble, Run, SweepAxis, Trajectory, differences, open_run
from twin.results.create import settle_run
from twin.scenario.variants import Coordinate

REPLICATES = "replicates: 2\n"


@pytest.fixture(scope="module")
def forked(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("forked")
    return run(write_culture(folder, BRANCHES, SWEEP), folder / "run")


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """(id, tick at which it ended) of every segment that is computed."""
    seen: list[tuple[str, int]] = []

    def noted(world: object, body: object, writer: object, replicate: int, until: int, *more: object) -> None:
        seen.append((writer._trajectory.id, until))  # type: ignore[attr-defined]
        run_segment(world, body, writer, replicate, until, *more)  # type: ignore[arg-type]

    monkeypatch.setattr("twin.engine.segments.run_segment", noted)
    return seen


def test_a_branch_without_change_is_its_trunk_bit_for_bit(forked: Run) -> None:
    """`spelt` says 6 h in minutes: another document, computed on its own from its fork, and the same tissue."""
    point = {"dose": 2}
    mine, trunk = (forked.ensemble.find(0, branch, point) for branch in ("spelt", "trunk"))
    assert (mine.parent, mine.fork) == (trunk.id, 3)
    assert mine.id != trunk.id
    for time in forked.times(0, "spelt", point):
        a, b = (forked.cells(time, branch=branch, point=point) for branch in ("spelt", "trunk"))
        for name in a.obs:
            np.testing.assert_array_equal(a.obs[name], b.obs[name])
        np.testing.assert_array_equal(a.obsm["spatial"], b.obsm["spatial"])
    assert forked.lineage(branch="spelt", point=point).equals(forked.lineage(point=point))
    states = [next((forked.path / "trajectories" / t.id).glob("state-*")).read_bytes() for t in (mine, trunk)]
    assert states[0] == states[1]
    data = forked.readouts.load().sel(dose=2)
    xr.testing.assert_identical(data.sel(branch="spelt", drop=True), data.sel(branch="trunk", drop=True))


def test_futures_share_their_past_and_differ_after_it(forked: Run) -> None:
    data = forked.readouts.load()
    assert data["n_cells"].dims[:4] == ("branch", "dose", "replicate", "time")
    assert np.isfinite(data["n_cells"]).all()
    poison = data["concentration_mean"].isel(compartment=0, substance=0, replicate=0)
    assert (poison.sel(branch="trunk") == 0).all()
    assert float(poison.sel(branch="early", dose=20, time=1)) == 0
    assert float(poison.sel(branch="early", dose=20, time=2)) == pytest.approx(20 * 0.5 ** (1 / 6))
    assert float(poison.sel(branch="late", dose=2, time=3)) == pytest.approx(20 * 0.5 ** (0.5 / 6))
    alive = data["n_cells"].sum("cell_type").isel(compartment=0, time=-1).mean("replicate")
    assert float(alive.sel(branch="early", dose=20)) < float(alive.sel(branch="trunk", dose=20))
    assert data["dose"].attrs == {"long_name": "branches.early.timeline.0.dose", "units": "nM"}
    early = forked.at("early", {"dose": "20 nM"})
    assert early.times().tolist() == [0, 2, 4]
    assert early.readouts["n_cells"].dims[:2] == ("replicate", "time")
    np.testing.assert_array_equal(early.readouts["n_cells"], data["n_cells"].sel(branch="early", dose=20))
    lineage = early.lineage()
    assert len(lineage) > (lineage["time"] < 1).sum() > 0
    assert early.fields().sizes["time"] == 3
    assert early.cells("0 h").n_obs == 40
    assert [label for label, _ in forked.scenes()] == [
        "trunk",
        "spelt",
        "early, dose 2 nM",
        "late",
        "early, dose 20 nM",
    ]


def test_one_past_and_one_trunk_for_all_doses(forked: Run) -> None:
    n = {name: sum(t.branch == name for t in forked.trajectories) for name in forked.branches}
    assert n == {"trunk": 1, "spelt": 1, "early": 2, "late": 1}
    assert {len(t.places) for t in forked.trajectories if t.branch == "trunk"} == {2}
    ids = [t.id for t in forked.trajectories]
    assert len(set(ids)) == len(ids) == 5
    opened = xr.open_zarr(forked.path / "readouts", consolidated=False)  # without us
    assert opened["n_cells"].sizes["branch"] == 4


def test_a_trajectory_is_asked_for_by_branch_and_value(forked: Run) -> None:
    with pytest.raises(InputError, match="say which point of dose: 2 nM; 20 nM"):
        forked.cells(branch="early")
    with pytest.raises(InputError, match="no branch is called 'erly'; did you mean early"):
        forked.cells(branch="erly", point={"dose": 2})
    with pytest.raises(InputError, match="no axis of the sweep is called 'dos'; did you mean dose"):
        forked.cells(point={"dose": 2, "dos": 1})
    assert forked.ensemble.find(0, "early", {"dose": "0.02 uM"}) == forked.ensemble.find(0, "early", {"dose": 20.0})


def test_a_point_is_found_by_what_is_printed_of_it() -> None:
    dose = SweepAxis("dose", 3, (Coordinate("dose", (10.0, 300**0.5, 30.0), "U/mL", "x"),))
    rate = Coordinate("rate", (1 / 3, 2 / 3), "1", "x")
    screen = SweepAxis("screen", 2, (rate, Coordinate("kind", ("3 U", "b"), "1", "x")))
    for axis, given, at in (
        (dose, {"dose": "17.3205 U/mL"}, 1),
        (dose, {"dose": 17.3205}, 1),
        (dose, {"dose": "17.3205080757 U/mL"}, 1),
        (screen, {"rate": 0.666667}, 1),
        (screen, {"kind": "3 U"}, 0),
        (screen, {"screen": 1}, 1),
    ):
        made = tuple(Trajectory(str(i), "trunk", (i,), 0, None, 0, ((i, 0),)) for i in range(axis.size))
        assert Ensemble(("trunk",), (axis,), 1, made).find(0, None, given).point == (at,)
    close = SweepAxis("dose", 2, (Coordinate("dose", (17.3205, 300**0.5), "nM", "x"),))
    for value, where in ((17.3205, 0), (300**0.5, 1)):  # a value itself comes before what is printed like it
        assert Ensemble(("trunk",), (close,), 1, ()).place(None, {"dose": value}) == (where,)
    with pytest.raises(InputError, match=r"say which point of dose: 10 U/mL; 17.3205 U/mL; 30 U/mL$"):
        Ensemble(("trunk",), (dose,), 1, ()).place(None, {"dose": 17.3})
    with pytest.raises(InputError, match=r"or by its number, screen=0 to screen=1$"):
        Ensemble(("trunk",), (screen,), 1, ()).place()


def test_a_widened_sweep_and_more_replicates_repeat_nothing(
    tmp_path: Path, forked: Run, counted: list[tuple[str, int]]
) -> None:
    early = "".join(BRANCHES.splitlines(keepends=True)[i] for i in (0, 2))
    small = run(write_culture(tmp_path, early, SWEEP.replace("[2 nM, 20 nM]", "[20 nM]")), tmp_path / "run")
    before = {t.id for t in small.trajectories}
    first = len(counted)
    file = write_culture(tmp_path, early, SWEEP, REPLICATES)
    with pytest.raises(InputError, match=r"different: sweep.dose.values was .* and is .*; replicates .* with --extend"):
        run(file, tmp_path / "run", resume=True)
    grown = run(file, tmp_path / "run", extend=True)
    assert not before & {name for name, _ in counted[first:]}
    assert before < {t.id for t in grown.trajectories}
    assert grown.readouts["n_cells"].shape[:4] == (2, 2, 2, 5)
    assert grown.is_complete
    whole = forked.readouts.sel(branch=["trunk", "early"]).load()
    part = grown.readouts.sel(replicate=[0]).load()
    for name in whole.data_vars:
        np.testing.assert_array_equal(part[name], whole[name])
    one, other = (grown.readouts["n_cells"].sel(replicate=i).values for i in (0, 1))
    assert not np.array_equal(one, other)
    n = len(counted)
    run(file, tmp_path / "run", resume=True)
    assert len(counted) == n
    with pytest.raises(InputError, match="an extended run only grows"):
        run(write_culture(tmp_path, early, SWEEP), tmp_path / "run", extend=True)


def test_a_branch_that_comes_later_forks_from_a_past_that_is_finished(tmp_path: Path, forked: Run) -> None:
    """The trunk has not kept its state at that time: it is computed again, once, and the future is the same."""
    run(write_culture(tmp_path), tmp_path / "run")
    late = BRANCHES.splitlines(keepends=True)
    grown = run(write_culture(tmp_path, late[0], late[3]), tmp_path / "run", extend=True)
    assert grown.readouts["n_cells"].dims[:3] == ("branch", "replicate", "time")
    mine = grown.readouts.sel(branch="late").load()
    theirs = forked.readouts.sel(branch="late", dose=2).load()
    for name in mine.data_vars:
        np.testing.assert_array_equal(mine[name], theirs[name])


def test_a_kill_while_a_run_is_extended_leaves_it_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = run(write_culture(tmp_path), tmp_path / "run")
    monkeypatch.setattr("twin.results.create.settle_run", lambda path: (_ for _ in ()).throw(KeyboardInterrupt))
    file = write_culture(tmp_path, REPLICATES)
    with pytest.raises(KeyboardInterrupt):
        run(file, tmp_path / "run", extend=True)
    half = open_run(tmp_path / "run")
    assert half.replicates == 2
    np.testing.assert_array_equal(half.readouts["n_cells"].isel(replicate=0), np.asarray(small.readouts["n_cells"])[0])
    monkeypatch.undo()
    settle_run(tmp_path / "run")
    assert [p.name for p in (tmp_path / "run").glob(".*")] == []
    run(file, tmp_path / "run", extend=True)
    run(file, tmp_path / "whole")
    assert differences(tmp_path / "run", tmp_path / "whole") == []


def test_a_process_may_begin_at_a_fork(tmp_path: Path) -> None:
    more = "branches:\n  moving: {at: 2 h, set: {processes.mechanics: {}, cell_types.tumour.apoptosis: 0 /h}}\n"
    moved = run(write_culture(tmp_path, more), tmp_path / "run")
    before, after = (moved.cells(t, branch="moving").obsm["spatial"] for t in (2.0, 2.0))
    np.testing.assert_array_equal(before, after)
    assert moved.cells(branch="moving").obsp["contacts"].nnz > 0
    assert moved.cells().obsp["contacts"].nnz == 0


@pytest.mark.slow
@pytest.mark.parametrize("workers", [2, 4])
def test_every_worker_count_and_order_gives_one_store(tmp_path: Path, forked: Run, workers: int) -> None:
    run(write_culture(tmp_path, BRANCHES, SWEEP), tmp_path / "run", workers=workers)
    assert differences(tmp_path / "run", forked.path) == []


def test_the_summary_and_the_pictures_show_all_futures(forked: Run, tmp_path: Path) -> None:
    text = report(forked.path)
    assert text.startswith("culture: 5 trajectories, 4 h")
    assert "living cells at the end, by branch and point" in text
    assert any(line.startswith("  early, dose 20 nM ") for line in text.splitlines())
    written = registry.command("pictures")(forked.path, tmp_path)
    assert (tmp_path / "futures.png") in written
    assert (tmp_path / "futures.png").stat().st_size > 5_000


# -- what is wrong with branches and sweeps ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ("sweep:\n  dose: {key: x, values: []}\n", r"line 34, sweep.dose.values: needs at least 1"),
        ("sweep:\n  dose: {key: x}\n", "line 34, sweep.dose: lacks high, low, n: an axis has key and values"),
        ("sweep:\n  a: {key: seed, values: [1], n: 3}\n", "sweep.a: does not go with n"),
        ("sweep:\n  time: {key: seed, values: [1]}\n", "line 34, sweep.time: the name 'time' is taken"),
        (
            "sweep:\n  a: {key: duration, values: [1 h]}\n",
            "sweep.a.key: duration: all trajectories have the same times: take the longest",
        ),
        ("sweep:\n  a: {key: seed, values: [1, 1]}\n", "line 34, sweep.a: has the value 1.0 twice"),
        (
            "sweep:\n  a: {key: substances.poison.half_life, low: 1 h, high: 1 nM, n: 3}\n",
            "line 34, sweep.a: low: 1 h and high: 1 nM need numbers, of the same kind",
        ),
        (
            "sweep:\n  a: {key: substances.poison.half_life, low: 9 h, high: 2 h, n: 3}\n",
            "line 34, sweep.a: low: 9 h is not below high: 2 h",
        ),
        (
            "sweep:\n  a: {key: substances.poison.half_lif, values: [1 h]}\n",
            "line 34, sweep.a, substances.poison.half_lif: no such key; did you mean 'half_life'",
        ),
        (
            "sweep:\n  a: {key: substances.poison.half_life, values: [1 h, -1 h]}\n",
            "line 34, sweep.a, substances.poison.half_life: -1 h is below what is possible",
        ),
        (
            "sweep:\n  a: {key: rules.3.power, values: [1]}\n",
            r"line 34, sweep.a: rules.3.power: rules is a list with items 0 to 0, not '3'",
        ),
        (
            "sweep:\n  a: {key: seed, low: 1, high: 1000000, n: 1000000}\n  b: {key: seed, low: 1, high: 9, n: 1000}\n",
            r"line 33, sweep: 1,000,000 \(a\) × 1,000 \(b\) are 1,000,000,000 trajectories, at most 100,000",
        ),
        ("branches:\n  trunk: {at: 1 h}\n", "line 34, branches.trunk: 'trunk' is what the scenario itself is called"),
        ("branches:\n  b: {}\n", "line 34, branches.b: says not when it forks: give at, like at: 6 h"),
        ("branches:\n  b: {at: 4 h}\n", "line 34, branches.b.at: forks at 4 h, but the run ends at 4 h"),
        ("branches:\n  b: {at: 40 min}\n", "branches.b.at: 0.666667 h is no multiple of the tick"),
        (
            "branches:\n  b: {at: 2 h, set: {compartments.dish.cells.count: 50}}\n",
            "branches.b.set.*: was settled when the past began: sweep over it instead",
        ),
        (
            "branches:\n  b: {at: 2 h, set: {substances.poison.diffusivity: 3}}\n",
            "line 34, branches.b.set.*substances.poison.diffusivity: 3 is not a diffusivity",
        ),
        (
            "branches:\n  b: {at: 2 h, timeline: [{do: add, at: 1 h, substance: poison, dose: 1 nM}]}\n",
            "line 34, branches.b: forks at 2 h, but changes what happens at 1 h: fork no later than that",
        ),
        (
            "branches:\n  b: {timeline: [{do: add, at: 1 h, substance: poisn, dose: 1 nM}]}\n",
            "line 34, branches.b.*timeline.*poisn",
        ),
        (
            "branches:\n  b: {at: 1 h, set: {substances.other: {diffusivity: 1 um^2/s}}}\n",
            "line 34, branches.b: has other substances than its past|other readouts along substance",
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, more: str, told: str) -> None:
    with pytest.raises(ScenarioError, match=told):
        ready(check_file(write_culture(tmp_path, more))[0])


def test_faults_of_branches_and_sweep_are_told_together(tmp_path: Path) -> None:
    more = (
        "branches:\n  a: {at: 9 h}\n  b: {at: 1 h, set: {substances.poison.half_life: 3}}\n"
        "sweep:\n  d: {key: substances.poison.diffusivity, values: [1 um^2/s, 2 s]}\n"
    )
    with pytest.raises(ScenarioError) as caught:
        ready(check_file(write_culture(tmp_path, more))[0])
    assert [fault.line for fault in caught.value.faults] == [34, 35, 37]


def test_a_plan_says_how_many_trajectories_there_are_and_what_they_cost(tmp_path: Path) -> None:
    futures = ready(check_file(write_culture(tmp_path, BRANCHES, SWEEP, REPLICATES))[0]).futures
    first, second = futures.describe()
    assert first == (
        "10 trajectories of 4 branches (trunk, spelt, early, late) × 2 dose × 2 replicates, 6 more are the same as one "
        "of these; 8 fork from a past that is computed once"
    )
    assert second.startswith(f"{2 * (8 + 5 + 6 + 6 + 3)} ticks, about ")
    jobs = jobs_of(futures.ensemble)
    assert {job.forks for job in jobs if job.parent is None} == {(2, 3, 5)}


def test_ranges_and_samples_are_spelt_in_the_units_of_their_ends(tmp_path: Path) -> None:
    more = (
        "sweep:\n"
        "  a: {key: substances.poison.half_life, low: 30 min, high: 2 h, n: 3, scale: log}\n"
        "  screen:\n"
        "    sample: sobol\n"
        "    n: 3\n"
        "    over:\n"
        "      rate: {key: cell_types.tumour.apoptosis, low: 0.01 /h, high: 1 /h, scale: log}\n"
        "      start: {key: seed, low: 0, high: 1000}\n"
    )
    with pytest.raises(ScenarioError, match=r"seed: .* is not a whole number"):
        ready(check_file(write_culture(tmp_path, more))[0])
    more = more.replace("start: {key: seed, low: 0, high: 1000}", "power: {key: rules.0.power, low: 1, high: 8}")
    first, screen = ready(check_file(write_culture(tmp_path, more))[0]).futures.ensemble.axes
    assert first.coordinates[0].labels == (30.0, 60.0, 120.0)
    assert first.coordinates[0].units == "min"
    assert [c.name for c in screen.coordinates] == ["rate", "power"]
    rate, power = (np.array(c.labels, dtype=float) for c in screen.coordinates)
    assert ((rate > 0.01) & (rate < 1)).all()
    assert ((power > 1) & (power < 8)).all()
    _, more_points = ready(
        check_file(write_culture(tmp_path, more.replace("n: 3\n    over", "n: 7\n    over")))[0]
    ).futures.ensemble.axes
    assert (
        more_points.coordinates[0].labels[:3] == screen.coordinates[0].labels
    )  # a wider Sobol sample keeps its points
    cube = more.replace("sobol", "latin_hypercube").replace("n: 3\n    over", "n: 5\n    over")
    _, even = ready(check_file(write_culture(tmp_path, cube))[0]).futures.ensemble.axes
    strata = np.floor((np.log(np.array(even.coordinates[0].labels, dtype=float)) - np.log(0.01)) / np.log(100) * 5)
    assert sorted(strata.tolist()) == [0, 1, 2, 3, 4]


def test_a_sample_is_one_axis_with_its_values_beside_it(tmp_path: Path) -> None:
    more = (
        "sweep:\n  screen: {sample: latin_hypercube, n: 2, over: {rate: {key: cell_types.tumour.apoptosis, low: 0 /h, "
        "high: 1 /h}}}\n"
    )
    made = run(write_culture(tmp_path, more), tmp_path / "run")
    assert made.readouts["n_cells"].dims[:3] == ("screen", "replicate", "time")
    assert made.readouts["rate"].dims == ("screen",)
    assert "rate" in xr.open_zarr(made.path / "readouts", consolidated=False).coords
    assert made.cells(point={"screen": 1}).n_obs > 0


def test_simulate_takes_what_was_prepared(tmp_path: Path) -> None:
    loaded, _ = check_file(write_culture(tmp_path))
    simulate(loaded, tmp_path / "run", prepared=ready(loaded))
    assert twin.open_run(tmp_path / "run").is_complete
