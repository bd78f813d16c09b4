"""Runs that the page begins: they stream, are halted, stopped, gone on with and branched, and leave nothing behind."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import psutil
import pytest
from aiohttp.test_utils import TestServer
from twin_web.runs.find import note_run
from twin_web.site import Opened, Site
from twin_web.tissue import keeper as keeping
from twin_web.tissue.keeper import KEEPER
from twin_web.tissue.past import Past

from tests.web.asking import Client, asking
from tests.web.watching import PATIENCE, dish, events, get, post, until
from twin.engine.simulation import run
from twin.results import differences, open_run
from twin.results.layout import FORKS, trajectory_of
from twin.scenario.load import load_scenario

OTHER = "1" * 32
POISON = {"do": "add", "substance": "poison", "dose": "20 nM"}


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A server that was opened with a dish whose run takes some seconds."""
    folder = tmp_path / "runs"
    folder.mkdir()
    return Site(folder, Opened("scenario", str(dish(tmp_path, hours=400))), model="none")


def served(site: Site, work: Callable[[Client], Coroutine[Any, Any, None]]) -> None:
    async def serve() -> None:
        async with asking(site) as client:
            await work(client)

    asyncio.run(asyncio.wait_for(serve(), 2 * PATIENCE))


def over(state: dict[str, Any]) -> bool:
    return state["state"] in ("done", "stopped", "failed")


def worker_of(client: Client) -> int:
    """Return the process of the one run that goes on."""
    assert isinstance(client.server, TestServer)
    (live,) = client.server.app[KEEPER].live.values()
    assert live.child is not None
    return live.child.pid


async def begun(client: Client, **asked: object) -> str:
    """Begin a run of the opened scenario and return its name."""
    status, told = await post(client, "/api/runs", {"scenario": "opened", **asked})
    assert status == 201, told
    return str(told["run"])


def test_a_run_streams_and_ends_as_the_command_would_have_it(site: Site, tmp_path: Path) -> None:
    async def work(client: Client) -> None:
        poisoned = [{**POISON, "at": 4}]
        name = await begun(client, duration=8, timeline=poisoned, seed=7, name="My run! ü")
        assert name == "My-run-ü"
        first, *_ = await events(client, name, 1)
        assert first["state"] in ("waiting", "preparing", "running")
        assert first["ours"]
        assert first["timeline"][0]["at"] == 4
        state = await until(client, name, over)
        assert (state["state"], state["hour"], state["committed"]) == ("done", 8, 8)
        (trunk,) = state["branches"]
        assert (trunk["name"], trunk["frames"][:3], trunk["frames"][-1]) == ("trunk", [0, 0.5, 1], 8)
        assert state["types"] == [{"name": "tumour", "n": 40}]
        assert state["can"] == ["branch"]
        tumour = next(r for r in state["readouts"] if r["name"] == "tumour")
        assert tumour["value"] == state["cells"]
        _, lines = await get(client, f"/api/runs/{name}/lines")
        level = next(line for line in lines["lines"] if line["name"] == "level of poison")["by_branch"]["trunk"]["mean"]
        assert level[lines["times"].index(4.0)] == 0 < level[lines["times"].index(4.5)]

    served(site, work)
    file = site.folder / "My-run-ü.yaml"
    assert "edited: duration 8 h, seed 7, timeline" in file.read_text("utf-8")
    run(file, tmp_path / "again")
    assert differences(site.folder / "My-run-ü", tmp_path / "again") == []


@pytest.mark.slow
def test_the_picture_before_is_hour_0_of_the_run_and_made_once(site: Site) -> None:
    async def work(client: Client) -> None:
        asked = [post(client, "/api/scenarios/opened/before", {"seed": 7}) for _ in range(2)]
        (status, first), (_, second) = await asyncio.gather(*asked)
        assert (status, first) == (200, second)
        assert first["types"] == [{"name": "tumour", "n": 40}]
        made = (site.inside / "before" / first["run"] / "zarr.json").stat()
        _, again = await post(client, "/api/scenarios/opened/before", {"seed": 7, "timeline": [{**POISON, "at": 4}]})
        assert again == first, "what is done later changes nothing before"
        assert (site.inside / "before" / first["run"] / "zarr.json").stat().st_mtime_ns == made.st_mtime_ns
        _, other = await post(client, "/api/scenarios/opened/before", {"seed": 8})
        assert other["run"] != first["run"]
        _, state = await get(client, f"/api/runs/{first['run']}/state")
        assert state["branches"][0]["frames"] == [0]
        name = await begun(client, duration=8, seed=7)
        await until(client, name, over)
        before, own = (
            open_run(site.inside / "before" / first["run"]).cells(0.0),
            open_run(site.folder / name).cells(0.0),
        )
        assert (before.obsm["spatial"] == own.obsm["spatial"]).all()
        status, told = await post(client, "/api/scenarios/cell_sorting/before", {"cells": 50_000})
        assert status == 400
        assert "take at most" in told["error"]

    served(site, work)


@pytest.mark.slow
def test_a_halted_run_stands_still_and_goes_on(site: Site) -> None:
    async def work(client: Client) -> None:
        name = await begun(client, duration=2000)
        await until(client, name, lambda s: s["frames"] >= 2)
        begin = time.perf_counter()
        status, state = await post(client, f"/api/runs/{name}/pause")
        assert (status, state["state"]) == (200, "paused")
        worker = psutil.Process(worker_of(client))
        while worker.status() != psutil.STATUS_STOPPED:
            await asyncio.sleep(0.01)
        assert time.perf_counter() - begin < 1
        spent = sum(worker.cpu_times()[:2])
        await asyncio.sleep(1)
        assert sum(worker.cpu_times()[:2]) == spent
        assert state["can"] == ["resume", "stop", "branch"]
        status, told = await post(client, f"/api/runs/{name}/pause")
        assert (status, told["error"]) == (409, f"{name} does not go on: there is nothing to halt")
        _, state = await post(client, f"/api/runs/{name}/resume")
        assert state["state"] == "running"
        await until(client, name, lambda s: s["hour"] > state["hour"] + 10)
        await post(client, f"/api/runs/{name}/pause")
        status, state = await post(client, f"/api/runs/{name}/stop")
        assert (status, state["state"]) == (200, "stopped")
        assert 0 < state["committed"] < 2000
        assert not worker.is_running()

    served(site, work)


@pytest.mark.slow
def test_a_branch_from_now_is_the_one_that_was_there_from_the_start(site: Site, tmp_path: Path) -> None:
    async def work(client: Client) -> None:
        name = await begun(client)
        status, told = await post(client, f"/api/runs/{name}/branch", {"name": "soon", "timeline": [POISON]})
        assert status == 409
        await until(client, name, lambda s: s["committed"] is not None and s["committed"] >= 8)
        await post(client, f"/api/runs/{name}/pause")
        wrong = {
            "name": "bad",
            "timeline": [{**POISON, "dose": "20 m"}, {"do": "inject", "cell_type": "red", "count": 3}],
        }
        status, told = await post(client, f"/api/runs/{name}/branch", wrong)
        assert (status, told["faults"][0]["where"]) == (400, "timeline[0].dose")
        assert (await get(client, f"/api/runs/{name}/state"))[1]["state"] == "paused", "it is as it was"
        late = {"name": "late", "at": 10**6, "timeline": [POISON]}
        status, told = await post(client, f"/api/runs/{name}/branch", {**late, "dry": True})
        assert "the run ends at 400 h" in told["faults"][0]["sentence"]
        status, told = await post(
            client, f"/api/runs/{name}/branch", {"name": "treated", "timeline": [POISON], "dry": True}
        )
        assert (status, told["faults"]) == (200, [])
        assert "treated" not in (site.folder / f"{name}.yaml").read_text("utf-8")
        await post(client, f"/api/runs/{name}/resume")
        status, told = await post(client, f"/api/runs/{name}/branch", {"name": "treated", "timeline": [POISON]})
        assert status == 200, told
        now = told["branch"]["at"]
        assert now >= 8
        state = await until(client, name, lambda s: len(s["branches"]) == 2)
        assert [branch["name"] for branch in state["branches"]] == ["trunk", "treated"]
        state = await until(client, name, lambda s: s["branches"][1]["hour"] > now + 5)
        assert state["branches"][0]["hour"] < 400, "both futures go on side by side"
        assert state["branches"][1]["timeline"][0]["at"] == now
        state = await until(client, name, over)
        assert state["state"] == "done"
        again = {"name": "earlier", "at": 4, "timeline": [{**POISON, "dose": "5 nM"}]}
        _, told = await post(client, f"/api/runs/{name}/branch", again)
        assert told["branch"] == {"name": "earlier", "at": 4}
        state = await until(client, name, over)
        assert (state["state"], state["branches"][2]["fork"]) == ("done", 4)
        status, told = await post(client, f"/api/runs/{name}/branch", again)
        assert (status, told["faults"][0]["where"]) == (400, "name")

    served(site, work)
    (file,) = site.folder.glob("*.yaml")
    whole = run(file, tmp_path / "whole", workers=2)
    grown = open_run(file.with_suffix(""))
    assert grown.branches == whole.branches == ("trunk", "treated", "earlier")
    assert grown.readouts.load().equals(whole.readouts.load())
    for trajectory in whole.trajectories:
        folders = [trajectory_of(kept.path, trajectory.id) for kept in (grown, whole)]
        states = [next(folder.glob("state-*")).read_bytes() for folder in folders]
        assert states[0] == states[1], trajectory.branch
    for hour in whole.times(branch="treated"):
        mine, theirs = (kept.cells(hour, branch="treated") for kept in (grown, whole))
        assert mine.obs.equals(theirs.obs)
        assert (mine.obsm["spatial"] == theirs.obsm["spatial"]).all()


@pytest.mark.slow
def test_a_stopped_run_goes_on_from_its_last_commit_after_the_server_has_begun_anew(site: Site, tmp_path: Path) -> None:
    names: list[str] = []

    async def first(client: Client) -> None:
        name = await begun(client)
        names.append(name)
        await until(client, name, lambda s: s["frames"] >= 3)  # the server is closed while it goes on

    served(site, first)
    (name,) = names
    ticks = open_run(site.folder / name).ticks_done()
    assert 0 < ticks < 800

    async def second(client: Client) -> None:
        _, state = await get(client, f"/api/runs/{name}/state")
        assert (state["state"], state["can"]) == ("stopped", ["resume", "branch"])
        assert state["committed"] == ticks / 2
        status, state = await post(client, f"/api/runs/{name}/resume")
        assert (status, state["state"]) == (200, "preparing")
        state = await until(client, name, over)
        assert state["state"] == "done"
        assert (await post(client, f"/api/runs/{name}/resume"))[0] == 409

    served(site, second)
    run(site.folder / f"{name}.yaml", tmp_path / "whole")
    assert differences(site.folder / name, tmp_path / "whole") == []


@pytest.mark.slow
def test_runs_wait_for_their_turn_and_may_be_taken_back(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "AT_ONCE", 1)

    async def work(client: Client) -> None:
        one, two, three = [await begun(client, duration=8) for _ in range(3)]
        assert len({one, two, three}) == 3
        _, state = await get(client, f"/api/runs/{three}/state")
        assert (state["state"], state["place"], state["can"]) == ("waiting", 1, ["stop"])
        _, state = await post(client, f"/api/runs/{two}/stop")
        assert state["state"] == "stopped"
        state = await until(client, three, over)
        assert state["state"] == "done"
        assert not (site.folder / two).exists()
        _, state = await post(client, f"/api/runs/{two}/resume")
        assert state["state"] in ("preparing", "running")
        await until(client, two, lambda s: s["state"] == "done")

    served(site, work)


@pytest.mark.slow
def test_a_worker_that_dies_is_told_and_its_run_goes_on(site: Site) -> None:
    async def work(client: Client) -> None:
        name = await begun(client)
        await until(client, name, lambda s: s["frames"] >= 2)
        os.killpg(worker_of(client), signal.SIGKILL)
        while not over(state := (await get(client, f"/api/runs/{name}/state"))[1]):
            await asyncio.sleep(0.05)
        assert state["state"] == "failed"
        assert "SIGKILL" in state["message"]
        assert state["can"] == ["resume", "branch"]
        _, state = await post(client, f"/api/runs/{name}/resume")
        assert state["state"] == "preparing"
        await until(client, name, lambda s: s["state"] == "running")

    served(site, work)


@pytest.mark.slow
def test_a_run_of_the_command_line_is_followed_and_branched_beside_its_own_file(site: Site, tmp_path: Path) -> None:
    file = dish(site.folder, hours=8)
    text = file.read_text("utf-8")
    run(file, site.folder / "dish")

    async def work(client: Client) -> None:
        _, state = await get(client, "/api/runs/dish/state")
        assert (state["state"], state["ours"], state["hour"], state["can"]) == ("done", False, 8, ["branch"])
        assert (await post(client, "/api/runs/dish/stop"))[0] == 409
        _, told = await post(client, "/api/runs/dish/branch", {"name": "treated", "at": 4, "timeline": [POISON]})
        assert told["branch"] == {"name": "treated", "at": 4}
        state = await until(client, "dish", over)
        assert [branch["name"] for branch in state["branches"]] == ["trunk", "treated"]

    served(site, work)
    assert file.read_text("utf-8") == text
    assert open_run(site.folder / "dish").branches == ("trunk", "treated")


def test_a_private_run_is_nobody_elses(site: Site) -> None:
    file = dish(site.folder, hours=1)
    run(file, site.folder / "dish")
    note_run(site, "dish", OTHER, private=True)

    async def work(client: Client) -> None:
        _, missing = await get(client, "/api/runs/nothing/state")
        for path in ("state", "events", "lines", "scenario"):
            answer = await client.get(f"/api/runs/dish/{path}")
            assert answer.status == 400
            assert (await answer.json())["error"] == missing["error"].replace("nothing", "dish")
        for what in ("pause", "resume", "stop", "branch"):
            status, told = await post(client, f"/api/runs/dish/{what}", {"name": "b", "timeline": [POISON]})
            assert (status, told["error"]) == (400, missing["error"].replace("nothing", "dish"))
        status, told = await post(client, "/api/runs", {"scenario": "run-dish"})
        assert (status, told["error"]) == (400, missing["error"].replace("nothing", "dish"))

    served(site, work)


@pytest.mark.slow
@pytest.mark.parametrize("halted", [False, True])
def test_no_process_is_left_behind_by_a_server_that_is_killed(tmp_path: Path, *, halted: bool) -> None:
    folder, script = tmp_path / "runs", tmp_path / "server.py"
    folder.mkdir()
    script.write_text(SERVER, "utf-8")
    scenario = dish(tmp_path, hours=2000)
    command = [sys.executable, str(script), str(folder), str(scenario), "halt" if halted else ""]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    told = json.loads(server.stdout.readline())
    children = psutil.Process(server.pid).children(recursive=True)
    assert told["pid"] in [child.pid for child in children]
    server.kill()
    server.wait()
    _, alive = psutil.wait_procs(children, timeout=60)
    assert alive == []
    server.stdout.close()
    assert open_run(folder / "dish").ticks_done() > 0


SERVER = """
import asyncio, json, sys
from pathlib import Path
from tests.web.asking import asking
from tests.web.watching import post, until
from twin_web.site import Opened, Site
from twin_web.tissue.keeper import KEEPER

async def main():
    async with asking(Site(Path(sys.argv[1]), Opened("scenario", sys.argv[2]), model="none")) as client:
        _, told = await post(client, "/api/runs", {"scenario": "opened"})
        await until(client, told["run"], lambda s: s["frames"] >= 2)
        if sys.argv[3]:
            await post(client, f"/api/runs/{told['run']}/pause")
        live = client.server.app[KEEPER].live[told["run"]]
        print(json.dumps({"pid": live.child.pid}), flush=True)
        await asyncio.sleep(600)

asyncio.run(main())
"""


def test_states_of_the_past_are_kept_evenly_while_there_is_room(tmp_path: Path) -> None:
    out = tmp_path / "run"
    file = dish(tmp_path, hours=1)
    run(file, out)
    begun = open_run(out)
    folder = trajectory_of(out, begun.trajectories[0].id)
    for old in folder.glob("state-*"):
        old.unlink()
    past = Past(out, begun.ensemble, 4 * 100)
    for tick in range(1, 11):
        state = folder / f"state-{tick:06d}.safetensors"
        state.write_bytes(bytes(100))
        past.keep(begun.trajectories[0].id)
        state.unlink()
    kept = sorted(int(fork.stem[-6:]) for fork in (out / FORKS).glob("*.safetensors"))
    assert kept == [1, 5, 9]


def test_the_scenario_of_a_run_lies_beside_it_and_names_its_files_there(site: Site) -> None:
    pytest.importorskip("roadrunner")

    async def work(client: Client) -> None:
        status, told = await post(client, "/api/runs", {"scenario": "mechanistic_cells", "duration": 1, "cells": 40})
        assert status == 201, told
        name = told["run"]
        await post(client, f"/api/runs/{name}/stop")
        loaded = load_scenario(site.folder / f"{name}.yaml")
        (model,) = loaded.scenario.intracellular.values()
        assert model.file == f".web/files/{name}/0/jak_stat.xml"
        assert loaded.resolve(model.file).is_file()

    served(site, work)
