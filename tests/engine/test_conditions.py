"""Events that wait for something and runs that end early: what happens, and that a resumed run does the same."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engine.small_body import small_body, small_world
from twin.analysis.summary import report
from twin.engine.conditions import look, released_at, texts_at
from twin.engine.expand import expand
from twin.engine.identity import record_of
from twin.engine.measure import Moment
from twin.engine.observe import layout_of
from twin.engine.plan import check_file
from twin.engine.segments import jobs_of, segment
from twin.engine.simulation import simulate
from twin.engine.world import build_world
from twin.errors import ScenarioError
from twin.results import Run, create_run, differences, open_run

ADD = {"do": "add", "substance": "IFNB1", "dose": "1 nM"}


def acted(levels: list[float], when: dict[str, Any], **event: Any) -> list[int]:
    """The ticks at whose start an event happens, where a field is at a level before each tick."""
    world = small_world(
        duration="24 h", timeline=[{**ADD, **event, "when": {"condition": "field(IFNB1) > 1 nM", **when}}]
    )
    body = small_body(world)
    home = next(iter(body.compartments.values()))
    found = []
    for tick, level in enumerate(levels):
        body.tick = tick
        home.concentration[:] = level
        look(world, body, Moment(world, body, texts_at(world, tick, observed=False)))
        if released_at(body):
            found.append(tick)
        body.watched = json.loads(json.dumps(body.watched))  # as a checkpoint would
    return found


WAVE = [0.0, 2, 2, 2, 0, 2, 2, 0, 0, 2, 2, 2, 2]


def test_an_event_waits_once_each_time_or_as_long_as_it_holds() -> None:
    assert acted(WAVE, {}) == [1]
    assert acted(WAVE, {"again": "crossing"}) == [1, 5, 9]
    assert acted(WAVE, {"again": "crossing", "refractory": "2.5 h"}) == [1, 6, 11]
    assert acted(WAVE, {"again": "while", "refractory": "1 h"}) == [1, 3, 5, 9, 11]
    assert acted([2.0, 2, 0], {}) == [0]


def test_a_condition_must_hold_without_a_break() -> None:
    assert acted(WAVE, {"hold": "1 h"}) == [3]
    assert acted(WAVE, {"hold": "1 h", "again": "crossing"}) == [3, 11]
    assert acted(WAVE, {"hold": "2 h"}) == []


def test_it_is_looked_at_in_its_window_and_as_often_as_it_says() -> None:
    assert acted(WAVE, {"again": "crossing"}, at="2 h", until="4 h") == [5]
    assert acted(WAVE, {"again": "crossing", "look_every": "2 h"}) == [12]


@given(st.lists(st.sampled_from([0.0, 2.0]), max_size=40), st.integers(0, 6))
def test_two_happenings_are_never_closer_than_the_refractory_time(levels: list[float], pause: int) -> None:
    crossing = {"again": "crossing", "refractory": f"{pause / 2} h"}
    ticks = acted(levels, crossing)
    assert all(b - a >= max(pause, 1) for a, b in pairwise(ticks))
    assert all(levels[t] > 1 for t in ticks)
    rises = sum(1 for a, b in zip([0.0, *levels], levels, strict=False) if b > a)
    assert len(ticks) <= rises


THERAPY: dict[str, Any] = {
    "name": "therapy",
    "duration": "6 h",
    "tick": "30 min",
    "world_model": {"name": "none"},
    "compartments": {
        "dish": {
            "box": ["100 um", "100 um", "100 um"],
            "cells": {"source": "model", "count": 40, "composition": {"tumour": 0.75, "T cell": 0.25}},
        }
    },
    "substances": {"DRUG": {"diffusivity": "30 um^2/s", "half_life": "1 h"}},
    "processes": {"dosing": {}, "diffusion": {}, "cycle": {"types": {"T cell": {"model": "none"}}}},
    "observe": {
        "every": "1 h",
        "at": ["30 min"],
        "quantities": {
            "tumours": "count(cell_type=tumour)",
            "drug": "field(DRUG)",
            "clones_left": "effective_clones(cell_type=tumour)",
            "by_type": "count(by=cell_type)",
        },
    },
    "timeline": [
        {**ADD, "substance": "DRUG", "when": {"condition": "drug < 0.5 nM", "again": "while", "refractory": "1 h"}},
        {"do": "inject", "cell_type": "T cell", "count": 7, "when": "tumours > 30", "place": {"x": ["0 um", "20 um"]}},
        {"do": "remove", "at": "4 h", "place": {"x": ["50 um", "100 um"]}},
        {"do": "wash_out", "at": "5 h"},
    ],
    "stop_when": {"condition": "time >= 5 h", "hold": "30 min"},
    "execution": {"commit_every": "2 h"},
}


def write(folder: Path, **changes: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "therapy.yaml"
    file.write_text(json.dumps(THERAPY | changes, indent=1))
    return file


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("one")
    loaded, _ = check_file(write(folder), ("replicates=2",))
    simulate(loaded, folder / "run")
    return open_run(folder / "run")


def test_the_log_says_what_happened_when_and_why(one: Run) -> None:
    log = one.log(0)
    assert {"add", "inject", "stop"} == {entry["what"] for entry in log}
    first = log[0]
    assert (first["what"], first["time"], first["condition"]) == ("add", 0.0, "timeline[0]")
    assert first["why"] == "drug < 0.5 nM (0 against 0.5)"
    doses = [entry["time"] for entry in log if entry["what"] == "add"]
    assert all(b - a >= 1 for a, b in pairwise(doses))
    assert len(doses) > 2


def test_injected_cells_are_there_where_they_were_put(one: Run) -> None:
    when = next(entry["time"] for entry in one.log(0) if entry["what"] == "inject")
    by_type = one.readouts["by_type"].isel(replicate=0).sel(cell_type="T cell").dropna("time")
    assert int(by_type[0]) == 10
    born = one.lineage(0)
    new = born[born["event"] == "injected"]
    assert len(new) == 7
    assert (new["time"] == when).all()
    kept = one.cells(max(t for t in one.times(0) if when < t <= 4.0)).obs
    mine = kept[kept["id"].isin(new["id"])]
    assert len(mine) == 7
    assert set(mine["cell_type"]) == {"T cell"}


def test_a_stopped_run_says_why_and_the_rest_is_nan(one: Run) -> None:
    assert one.stopped(0) == "time >= 5 h for 0.5 h (5.5 against 5)"
    assert one.is_complete
    assert one.times(0)[-1] == 5.5
    tumours = one.readouts["tumours"].isel(replicate=0)
    assert tumours["time"].values.tolist() == [0, 0.5, 1, 2, 3, 4, 5, 6]
    assert np.isnan(tumours.values).tolist() == [False] * 7 + [True]
    assert (one.cells().obsm["spatial"][:, 0] < 60).all()
    text = report(one.path)
    assert "stopped, for time >= 5 h" in text
    assert "tumours" in text
    assert "nan" not in text


def test_a_run_that_was_cut_off_ends_as_one_that_was_not(one: Run, tmp_path: Path) -> None:
    loaded, plan = check_file(write(tmp_path), ("replicates=2",))
    world = build_world(loaded, plan.whole, plan.processes)
    out = tmp_path / "run"
    ensemble = expand(loaded, plan, world).ensemble
    create_run(out, record_of(plan, world), layout_of(world), ensemble, ["dish"])
    segment(loaded, out, jobs_of(ensemble)[0], 4)
    simulate(loaded, out, resume=True)
    assert differences(one.path, out) == []
    assert [open_run(out).log(i) for i in (0, 1)] == [one.log(i) for i in (0, 1)]
    simulate(loaded, out, resume=True)  # a stopped run stays as it is
    assert differences(one.path, out) == []


def test_readouts_can_be_read_before_they_are_committed(tmp_path: Path) -> None:
    loaded, plan = check_file(write(tmp_path), ("execution.commit_every=6 h",))
    world = build_world(loaded, plan.whole, plan.processes)
    ensemble = expand(loaded, plan, world).ensemble
    create_run(tmp_path / "run", record_of(plan, world), layout_of(world), ensemble, ["dish"])
    seen: list[float] = []

    def watch(progress: Any) -> None:
        run = open_run(tmp_path / "run")
        seen.append(float(run.streamed["tumours"].isel(replicate=0, time=0)))
        assert np.isnan(run.readouts["tumours"]).all()

    segment(loaded, tmp_path / "run", jobs_of(ensemble)[0], 12, watch)
    assert seen[0] == 30


def test_the_plan_says_what_is_observed_and_watched(tmp_path: Path) -> None:
    told = check_file(write(tmp_path))[1].describe().split("Observed and watched\n")[1].split("\n\n")[0]
    assert "drug = field(DRUG), in nM: every 1 h and at 0.5 h" in told
    assert "by_type = count(by=cell_type), in count, by cell_type" in told
    assert "stop_when[0]: the trajectory ends when time >= 5 h for 0.5 h; looked at every tick" in told
    assert "timeline[0]: add when drug < 0.5 nM, as long as it is true, at most every 1 h" in told


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {"stop_when": "tumour < 5"},
            "stop_when[0].condition: no quantity under observe.quantities is called 'tumour'",
        ),
        ({"stop_when": "drug < 5"}, "a number beside '<' needs a unit: the other side is in nM"),
        ({"stop_when": "tumours"}, "stop_when[0].condition: a condition compares two numbers"),
        ({"stop_when": "by_type < 3"}, "a condition compares two numbers"),
        ({"stop_when": "3 < 4"}, "it compares numbers only: nothing observes anything here"),
        ({"stop_when": "count() < 0"}, "it can never be true: the left side is 0 or more"),
        ({"stop_when": "share(radius > 5 um) > 1"}, "it can never be true: the left side is between 0 and 1"),
        ({"stop_when": {"condition": "tumours < 5", "hold": "20 min"}}, "stop_when[0].hold: 0.333333 h is no multiple"),
        ({"observe": {"quantities": {"n_cells": "count()"}}}, "'n_cells' cannot be a quantity's name"),
        ({"observe": {"quantities": {"a": "count() > 3"}}}, "a comparison is no number"),
        ({"observe": {"quantities": {"a": "mean(gene:ISG15)"}}}, "no gene of the world model is called 'ISG15'"),
        ({"observe": {"at": ["7 h"]}}, "observe.at[0]: 7 h never comes: the run ends at 6 h"),
        ({"timeline": [ADD | {"substance": "DRUG"}]}, "timeline[0]: when does it happen? give at"),
        (
            {"timeline": [{"do": "wash_out", "when": "drgu > 1 nM"}]},
            "timeline[0].when.condition: no quantity under observe.quantities is called 'drgu'; did you mean drug",
        ),
        (
            {"timeline": [{"do": "wash_out", "when": {"condition": "drug > 1 nM", "refractory": "1 h"}}]},
            "refractory does nothing with again: never",
        ),
        (
            {"timeline": [{"do": "wash_out", "when": {"condition": "drug > 1 nM", "again": "while"}}]},
            "again: while needs a refractory time",
        ),
        ({"timeline": [{"do": "wash_out", "when": "drug > 1 nM", "every": "1 h"}]}, "every goes with at alone"),
        ({"timeline": [{"do": "wash_out", "when": "drug > 1 nM", "at": "9 h"}]}, "9 h is after the last look"),
        ({"timeline": [{"do": "inject", "at": "1 h", "cell_type": "B", "count": 0}]}, "count: 0 must be >= 1"),
        (
            {"timeline": [{"do": "inject", "at": "9 h", "cell_type": "tumour", "count": 1}]},
            "timeline[0].at: 9 h never comes",
        ),
        (
            {"timeline": [{"do": "remove", "at": "1 h", "place": {"x": ["0 um", "900 um"]}}]},
            "timeline[0].place.x: 0 to 900 um is no span of the box of dish, 0 to 100 um",
        ),
        ({"timeline": [{"do": "remove", "at": "1 h"}]}, "whom? give cell_types, a place, or both"),
    ],
)
def test_what_can_never_be_is_told_with_its_place(tmp_path: Path, changes: dict[str, Any], told: str) -> None:
    base: dict[str, Any] = {"timeline": [], "stop_when": []}
    if "observe" in changes:
        changes = changes | {"observe": THERAPY["observe"] | changes["observe"]}
    file = write(tmp_path, **(base | changes))
    with pytest.raises(ScenarioError) as caught:
        check_file(file)
    assert told in str(caught.value)
    assert "line " in str(caught.value)


def test_a_branch_whose_past_ended_has_no_history_and_the_others_have_theirs(tmp_path: Path) -> None:
    branches = "{early: {at: 1 h, set: {stop_when: []}}, late: {at: 3 h, set: {stop_when: []}}}"
    file = write(tmp_path)
    changes = (f"branches={branches}", "stop_when=[{condition: time >= 2 h}]")
    loaded, _ = check_file(file, changes)
    simulate(loaded, tmp_path / "run")
    run = open_run(tmp_path / "run")
    assert run.is_complete
    assert [run.stopped(branch=name) is None for name in ("trunk", "early", "late")] == [False, True, False]
    assert np.isnan(run.readouts["n_cells"].sel(branch="late")).all()
    assert run.ticks_done(branch="early") == 12
    assert "its past ended before it forked" in report(run.path)
    simulate(loaded, tmp_path / "run", resume=True)
    assert open_run(tmp_path / "run").is_complete
