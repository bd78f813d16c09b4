"""An ensemble learns a rate from a snapshot half-way, and goes on with what it learned; nothing hangs on who ran it."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from random import Random
from time import sleep
from typing import Any

import numpy as np
import pytest

from tests.engine.tiny import TINY
from tests.faults.cluster import commits_of, kill, started_run, wait_for
from twin.analysis.summary import report
from twin.assimilation.members import Setting
from twin.assimilation.update import Learned, Update
from twin.engine.identity import record_of
from twin.engine.learning import _values, groups_of, known_at
from twin.engine.observe import layout_of
from twin.engine.plan import check_file
from twin.engine.segments import jobs_of, lesson, scenario_of, segment
from twin.engine.simulation import Ready, ready, run, simulate
from twin.errors import InputError, RunError, ScenarioError
from twin.results import Run, Trajectory, create_run, differences, open_run
from twin.results.status import status_of

RATE = "signalling.secretion.0.rate"
TRUTH = 700.0  # molecules/h; far from the middle of what is believed, 2,800
LEARN: dict[str, Any] = {
    "do": "assimilate",
    "at": "2 h",
    "file": "seen.h5ad",
    "method": "update",
    "parameters": [RATE],
}
ADD = {"do": "add", "at": "1 h", "substance": "IFNB1", "dose": "1 nM"}
INJECT = {"do": "inject", "cell_type": "CD14 Mono", "count": 1, "at": "1 h", "every": "30 min"}
VARIED = {"rate": {"key": RATE, "low": "500 molecules/h", "high": "16000 molecules/h", "scale": "log", "n": 4}}
BRANCHES = {
    "fixed": {"at": "2.5 h", "set": {RATE: "500 molecules/h"}},
    "late": {"at": "2.5 h", "timeline": [{"do": "wash_out", "at": "2.5 h"}]},
    "at_once": {"at": "2 h", "timeline": [{"do": "wash_out", "at": "2 h"}]},
}


def write(folder: Path, name: str, **more: Any) -> Path:
    document = {**json.loads(json.dumps(TINY)), **json.loads(json.dumps(more))}
    document["observe"] = {
        "every": document["tick"],
        "programs": TINY["observe"]["programs"],  # type: ignore[index]  # plain JSON
        "quantities": {"isg": "mean(program:interferon)"},
        "cells_every": "1 h" if name == "truth" else "3 h",
    }
    document["execution"] = {"chunk": 64, "commit_every": document["duration"]}
    file = folder / f"{name}.yaml"
    file.write_text(json.dumps(document, indent=1))
    return file


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the cells lie that a twin with the true rate, and with other luck, had after two hours."""
    folder = tmp_path_factory.mktemp("learning")
    truth = run(write(folder, "truth", seed=77, duration="2 h"), folder / "truth", sets=[f"{RATE}={TRUTH} molecules/h"])
    truth.cells(2.0).write_h5ad(folder / "seen.h5ad")
    return folder


@pytest.fixture(scope="module")
def learned(folder: Path) -> Run:
    return run(write(folder, "twin", timeline=[LEARN], sweep=VARIED), folder / "learned")


@pytest.fixture(scope="module")
def branched(folder: Path) -> Run:
    return run(write(folder, "branched", timeline=[LEARN], sweep=VARIED, branches=BRANCHES), folder / "branched")


def rates(run: Run, trajectory: Trajectory) -> list[float]:
    (update,) = [u for u in run.updates if trajectory.id in u["values"]]
    return [float(update[key][trajectory.id][RATE].split()[0]) for key in ("old_values", "values")]


def of(run: Run, branch: str) -> list[Trajectory]:
    return [t for t in run.trajectories if t.branch == branch]


def test_the_rates_draw_together_around_the_true_one(learned: Run) -> None:
    before, after = np.log(np.array([rates(learned, t) for t in learned.trajectories]).T / TRUTH)
    assert abs(after.mean()) < 0.6 * abs(before.mean())
    assert after.std() < 0.6 * before.std()
    (own,) = learned.updates
    assert own["members"] == sorted(t.id for t in learned.trajectories)
    assert own["parameters"][0]["after"][0] == pytest.approx(np.log(TRUTH) + after.mean(), abs=1e-4)
    text = report(learned.path)
    assert "seen.h5ad at 2 h: 4 trajectories learned together" in text
    assert f"{RATE} " in text
    assert learned.weights is None, "only reweight weighs"


def test_what_was_learned_acts_from_then_on_and_not_before(learned: Run, folder: Path) -> None:
    free = run(write(folder, "free", sweep=VARIED), folder / "free")
    one, other = learned.readouts["isg"], free.readouts["isg"]
    past = one["time"] <= 2
    np.testing.assert_array_equal(one[..., past], other[..., past])
    end = one.isel(time=-1).squeeze("replicate"), other.isel(time=-1).squeeze("replicate")
    assert float(end[0].std()) < float(end[1].std())
    points = learned.readouts["rate"].values
    for t in learned.trajectories:
        old, new = rates(learned, t)
        entry = next(e for e in learned.log(0, point={"rate": points[t.point[0]]}) if e["what"] == "learned")
        assert entry["time"] == 2.0
        assert entry["parameters"] == {RATE: [f"{old:g} molecules/h", f"{new:g} molecules/h"]}


@pytest.mark.slow
def test_a_branch_takes_on_what_its_past_has_learned_unless_it_says_otherwise(branched: Run, folder: Path) -> None:
    loaded, _ = check_file(folder / "branched.yaml")
    jobs = {job.trajectory.id: job for job in all_jobs(ready(loaded))}
    assert [len(of(branched, branch)) for branch in branched.branches] == [4, 4, 4, 4]
    for branch in BRANCHES:
        for t in of(branched, branch):
            own = scenario_of(loaded, t, known_at(branched.path, jobs[t.id].steps, t, 5))
            learned = rates(branched, branched.ensemble.by_id[str(t.parent)])[1]
            rate = own.document["signalling"]["secretion"][0]["rate"]
            assert rate == ("500 molecules/h" if branch == "fixed" else f"{learned:g} molecules/h")
    assert len(branched.updates) == 1, "what really happened is the trunk's"


def all_jobs(plans: Ready) -> Any:
    return jobs_of(plans.futures.ensemble, groups_of(plans.futures.ensemble.trajectories, plans.world.scenario))


@pytest.mark.slow
def test_a_run_that_was_cut_off_before_and_after_it_learned_ends_as_one_that_was_not(
    branched: Run, folder: Path
) -> None:
    loaded, plan = check_file(folder / "branched.yaml")
    plans = ready(loaded)
    out, ensemble = folder / "cut", plans.futures.ensemble
    create_run(out, record_of(plan, plans.world), layout_of(plans.world), ensemble, ["patch"])
    jobs = all_jobs(plans)
    by_id = {job.trajectory.id: job for job in jobs}
    (group,) = groups_of(ensemble.trajectories, plans.world.scenario)
    members = [by_id[t.id] for t in group.members]
    for job in members:
        segment(loaded, out, job, 4)
    lesson(loaded, out, group, members)
    segment(loaded, out, members[0], 5)
    simulate(loaded, out, resume=True)
    assert differences(branched.path, out) == []


@pytest.mark.slow
def test_the_error_of_the_forecast_falls_by_more_than_half(tmp_path: Path) -> None:
    tissue = json.loads(json.dumps(TINY["compartments"]))  # of few cells one would learn their luck
    tissue["patch"]["box"] = ["100 um", "60 um", "60 um"]
    tissue["patch"]["cells"]["count"] = 200
    longer: dict[str, Any] = {"duration": "6 h", "tick": "1 h", "compartments": tissue}
    more = {"rate": {**VARIED["rate"], "n": 6}}
    truth = run(write(tmp_path, "truth", seed=77, **longer), tmp_path / "t", sets=[f"{RATE}={TRUTH} molecules/h"])
    truth.cells(2.0).write_h5ad(tmp_path / "seen.h5ad")
    free = run(write(tmp_path, "free", sweep=more, **longer), tmp_path / "free")
    twin = run(write(tmp_path, "twin", sweep=more, timeline=[LEARN], **longer), tmp_path / "twin")
    other = [{**LEARN, "file": "other.h5ad"}]
    strong = run(tmp_path / "truth.yaml", tmp_path / "strong", sets=[f"{RATE}=16000 molecules/h", "duration=2 h"])
    strong.cells(2.0).write_h5ad(tmp_path / "other.h5ad")
    led_away = run(write(tmp_path, "led", sweep=more, timeline=other, **longer), tmp_path / "led")
    means = [np.mean([np.log(rates(r, t)[1]) for t in r.trajectories]) for r in (twin, led_away)]
    assert means[0] < np.log(1700) < np.log(4000) < means[1], "what is learned is what was seen"
    wanted, blind, seeing = (r.readouts["isg"].isel(time=-1).values.ravel() for r in (truth, free, twin))
    assert abs(seeing.mean() - wanted[0]) < 0.5 * abs(blind.mean() - wanted[0])
    assert np.abs(seeing - wanted[0]).mean() < 0.5 * np.abs(blind - wanted[0]).mean()


@pytest.mark.slow
def test_neither_two_workers_nor_branches_that_came_later_change_anything(branched: Run, folder: Path) -> None:
    (folder / "grown").mkdir()
    grown = folder / "grown" / "run"
    run(write(folder, "grown", timeline=[LEARN], sweep=VARIED), grown, workers=2)
    file = write(folder, "grown", timeline=[LEARN], sweep=VARIED, branches=BRANCHES)
    other = run(file, grown, workers=2, extend=True)
    assert branched.readouts["isg"].equals(other.readouts["isg"])
    for t in branched.trajectories:
        assert branched._log(t) == other._log(t)
        state = f"trajectories/{t.id}/state-000006.safetensors"
        assert (branched.path / state).read_bytes() == (grown / state).read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_a_client_killed_while_its_ensemble_learns_loses_nothing(learned: Run, tmp_path: Path, seed: int) -> None:
    luck = Random(seed)
    for name in ("twin.yaml", "seen.h5ad"):
        shutil.copyfile(learned.path.parent / name, tmp_path / name)
    out = tmp_path / "run"
    with started_run(tmp_path / "twin.yaml", out, "--workers", "2") as client:
        enough = luck.randrange(1, 5)  # commits, of four at the snapshot and four at the end
        wait_for(lambda: out.exists() and commits_of(out) >= enough, client)
        sleep(luck.uniform(0, 2))
        kill(client.pid)
        client.wait()
    wait_for(lambda: not status_of(open_run(out)).is_alive)
    assert differences(run(tmp_path / "twin.yaml", out, resume=True).path, learned.path) == []
    assert not list((out / "updates").glob(".*")), "no half of a file is left"


def test_what_is_left_of_an_ensemble_goes_on_as_it_was(folder: Path) -> None:
    ends = {"condition": "mean(program:interferon) > 1.5"}  # three of four are above it by the snapshot's time
    file = write(folder, "ended", timeline=[LEARN], sweep=VARIED, stop_when=ends)
    twin = run(file, folder / "ended")
    (update,) = twin.updates
    n = len(update["members"])
    assert 0 < n < 4
    assert len(update["left_out"]) == 4 - n
    assert update["why_not"] == f"{n} of 4 trajectories are still going, 4 are needed"
    assert twin.is_complete
    assert "nothing was learned: " in report(twin.path)
    assert not any(e["what"] == "learned" for t in twin.trajectories for e in twin._log(t))


def test_a_step_ends_where_the_scenario_refuses_to_go_on(folder: Path) -> None:
    own = check_file(folder / "twin.yaml")[0]
    there = [replace(t, id=str(i)) for i, t in enumerate(ready(own).futures.ensemble.trajectories[:2])]
    key = "signalling.reception.0.uptake"
    learned = Learned(key, Setting(4e4, "um^3/h"), False, (0, 0), (0, 0), np.array([4e4, 4e4]), np.array([-8e4, 5e4]))
    found = Update((learned,), np.ones(2), 2.0, (0.0, 0.0), "kalman")
    values, shortened = _values([(t, scenario_of(own, t)) for t in there], found)
    assert values == {"0": {key: "10000 um^3/h"}, "1": {key: "50000 um^3/h"}}
    assert shortened == {"0": 0.25}


def test_what_was_learned_is_missed_where_it_is_gone(learned: Run, folder: Path) -> None:
    jobs = all_jobs(ready(check_file(folder / "twin.yaml")[0]))
    kept = {file: file.read_bytes() for file in (learned.path / "updates").iterdir()}
    for file in kept:
        file.write_text("{")
    try:
        with pytest.raises(RunError, match=r"cannot be read .* delete it, and resume; it is made again"):
            known_at(learned.path, jobs[0].steps, jobs[0].trajectory, 4)
    finally:
        for file, text in kept.items():
            file.write_bytes(text)


def test_a_wider_range_is_another_ensemble_and_told_as_such(learned: Run, folder: Path) -> None:
    wider = {"rate": {**VARIED["rate"], "n": 5}}
    file = write(folder, "wider", timeline=[LEARN], sweep=wider)
    with pytest.raises(InputError, match=r"learn together along sweep\.rate, so none of them can be kept"):
        run(file, learned.path, extend=True)


@pytest.mark.parametrize(
    ("timeline", "more", "told"),
    [
        ([{**LEARN, "parameters": []}], {}, "what is learned? give parameters"),
        ([{**LEARN, "method": "compare"}], {}, "parameters go with method: update"),
        ([LEARN], {"sweep": {}}, "is the same in all trajectories, so nothing can be learned of it: give the sweep"),
        ([LEARN], {"sweep": {"rate": {**VARIED["rate"], "n": 3}}}, "3 different trajectories learn together, 4 are"),
        ([{**LEARN, "at": "3 h"}], {}, "at 3 h the run ends: what is learned would change nothing"),
        ([{**LEARN, "at": "0 h"}], {}, "at 0 h nothing has happened yet"),
        ([LEARN, LEARN], {}, "timeline[0] learns at 2 h, too: two steps would count one prediction twice"),
        ([LEARN], {"branches": {"b": {"at": "1 h", "set": {RATE: "1 molecules/h"}}}}, "fork at that time or later"),
        (
            [LEARN],
            {"sweep": {"rate": {"key": RATE, "values": ["500 molecules/h", "1 molecules/s", "9 molecules/h"]}}},
            "has values in molecules/h and in molecules/s: write all of them in one unit",
        ),
        (
            [{**LEARN, "parameters": ["signalling.secretion.0.by"]}],
            {"sweep": {"by": {"key": "signalling.secretion.0.by", "values": [["pDC"], ["CD14 Mono"]]}}},
            "only numbers can be learned",
        ),
        (
            [{**LEARN, "parameters": ["timeline.1.count"]}, INJECT],
            {"sweep": {"n": {"key": "timeline.1.count", "values": [1, 2, 3, 4]}}},
            "can take no values between those of the sweep",
        ),
        (
            [{**LEARN, "parameters": ["timeline.1.dose"]}, {**ADD, "at": "2.5 h"}],
            {"sweep": {"dose": {"key": "timeline.1.dose", "values": ["1 nM", "2 nM", "3 nM", "4 nM"]}}},
            "timeline.1.dose has done nothing yet by then: the snapshot says nothing of it",
        ),
        (
            [LEARN],
            {"sweep": {**VARIED, "what": {"key": "timeline.0", "values": [ADD]}}},
            "an ensemble learns from one snapshot at one time",
        ),
        (
            [{**LEARN, "parameters": ["compartments.patch.cells.count"]}],
            {"sweep": {"n": {"key": "compartments.patch.cells.count", "values": [50, 52, 54, 56]}}},
            "compartments.patch.cells.count was settled when the run began",
        ),
        (
            [ADD, {**LEARN, "parameters": ["timeline.0.dose"]}],
            {"sweep": {"dose": {"key": "timeline.0.dose", "values": ["1 nM", "2 nM", "3 nM", "4 nM"]}}},
            "timeline.0.dose is over by then: what is learned has to matter afterwards",
        ),
        (
            [LEARN],
            {"sweep": {**VARIED, "when": {"key": "timeline.0.at", "values": ["1 h", "2 h"]}}},
            "timeline.0.at: an ensemble learns from one snapshot at one time",
        ),
        (
            [],
            {"branches": {"b": {"at": "1 h", "timeline": [LEARN]}}},
            "what really happened is the trunk's to learn from: put it into the scenario's own timeline",
        ),
    ],
)  # fmt: skip
def test_an_update_that_cannot_be_is_told_at_its_line(
    folder: Path, timeline: list[Any], more: dict[str, Any], told: str
) -> None:
    file = write(folder, "bad", **{"timeline": timeline, "sweep": VARIED, **more})
    with pytest.raises(ScenarioError) as caught:
        ready(check_file(file)[0])
    assert told in str(caught.value)
