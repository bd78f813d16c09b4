"""Scenarios as the page lists them, edits them, checks them and writes them; nothing is run here."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from twin_web.site import Opened, Site
from twin_web.tissue.asked import MOST_ITEMS, read_asked
from twin_web.tissue.catalogue import everything, known
from twin_web.tissue.checking import planned
from twin_web.tissue.composing import compose
from twin_web.tissue.pacing import committed_in_time, step_of
from twin_web.tissue.writing import save_scenario, yaml_of

from tests.web.asking import Client, asking
from tests.web.watching import dish, get, post
from twin.engine.plan import check_file
from twin.engine.simulation import ready
from twin.errors import ScenarioError
from twin.scenario.load import load_scenario, read_source

PATCH = "/api/scenarios/ifnb_lymphoid_patch"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    folder = tmp_path / "runs"
    folder.mkdir()
    return Site(folder, Opened("scenario", str(dish(tmp_path))), model="none")


def served(site: Site, work: Callable[[Client], Coroutine[Any, Any, None]]) -> None:
    async def serve() -> None:
        async with asking(site) as client:
            await work(client)

    asyncio.run(asyncio.wait_for(serve(), 300))


def test_the_opened_scenario_and_those_that_need_no_file_are_listed(site: Site) -> None:
    async def work(client: Client) -> None:
        status, told = await get(client, "/api/scenarios")
        assert (status, told["chosen"]) == (200, "opened")
        found = {scenario["id"]: scenario for scenario in told["scenarios"]}
        assert list(found)[:2] == ["opened", "ifnb_lymphoid_patch"]
        assert "ifnb_from_h5ad" not in found
        assert "mouse_cortex_osmfish" not in found
        patch, opened = found["ifnb_lymphoid_patch"], found["opened"]
        assert (patch["cells"], patch["hours"], patch["substances"]) == (2000, 24, ["IFNB1"])
        assert patch["compartments"][0]["box"] == [500, 60, 60]
        assert (opened["cells"], opened["cell_types"], opened["picture"]) == (40, ["tumour"], None)
        picture = await client.get(patch["picture"])
        assert (await picture.read())[:4] == b"\x89PNG"
        assert found["lymph_node"]["cells"] > 1000, "a built tissue is counted, too"

    served(site, work)


def test_the_editor_is_told_what_may_be_done_with_its_support(site: Site) -> None:
    async def work(client: Client) -> None:
        _, patch = await get(client, PATCH)
        ifnb = next(s for s in patch["substances"] if s["name"] == "IFNB1")
        assert ifnb["there"]
        assert ifnb["units"][0] == "U/mL"
        assert (ifnb["known"]["trained"], ifnb["known"]["hours"]) == ("100 U/mL", [6.0])
        drug = next(s for s in patch["substances"] if s["name"] == "dexamethasone")
        assert not drug["there"]
        why = {action["do"]: action["why"] for action in patch["actions"]}
        assert why["add"] is None is why["knock_out"]
        assert why["dose"] == "this scenario has no drugs that a body takes up"
        table = patch["support"]
        of = dict(zip(table["types"], table["values"][table["perturbations"].index("IFNB1")], strict=True))
        assert of["CD14 Mono"] > 0.9
        assert min(table["values"][table["perturbations"].index("trametinib")]) < table["supported_above"]
        assert patch["times"][:3] == [0, 0.5, 1]
        _, spheres = await get(client, "/api/scenarios/opened")
        assert "no genes" in {a["do"]: a["why"] for a in spheres["actions"]}["knock_out"]
        _, doses = await get(client, "/api/scenarios/dosing_schedule")
        assert doses["drugs"][0] == {
            "name": "dexamethasone",
            "routes": ["oral", "bolus", "infusion"],
            "units": ["mg", "mg/kg", "nmol"],
        }
        four = next(b for b in doses["branches"] if b["name"] == "four")
        assert (four["at"], four["timeline"][0]["every"], four["timeline"][0]["until"]) == (2, 6, 20)
        assert four["timeline"][0]["item"]["amount"] == "3 mg"

    served(site, work)


def test_genes_are_found_by_a_part_of_their_name_and_those_that_matter_first(site: Site) -> None:
    async def work(client: Client) -> None:
        _, told = await get(client, f"{PATCH}/genes?q=ifna&n=5")
        assert told["genes"][0] == {"name": "IFNAR1", "role": "receptor of IFNB1"}
        assert all("IFNA" in gene["name"] for gene in told["genes"])
        _, first = await get(client, f"{PATCH}/genes")
        assert [gene["name"] for gene in first["genes"]][:3] == ["IFNAR1", "IFNAR2", "ISG15"]
        _, none = await get(client, "/api/scenarios/opened/genes?q=a")
        assert none["genes"] == []

    served(site, work)


def test_a_check_tells_the_plan_and_writes_nothing(site: Site) -> None:
    async def work(client: Client) -> None:
        items = [
            {"do": "add", "at": 1, "substance": "dexamethasone", "dose": "100 nM"},
            {"do": "knock_out", "at": 2, "gene": "IFNAR1"},
        ]
        _, told = await post(client, f"{PATCH}/check", {"timeline": items, "duration": 12, "seed": 4})
        plan = told["plan"]
        assert told["faults"] == []
        assert (plan["cells"], plan["ticks"], plan["hours"], plan["trajectories"]) == (2000, 24, 12, 1)
        assert plan["does"] == ["1 h: add dexamethasone 100 nM", "2 h: knock out IFNAR1"]
        assert plan["edited"] == ["duration 12 h", "seed 4", "timeline"]
        given = {row["what"]: row for row in plan["support"]}
        assert given["IFNB1"]["unsupported"] == []
        assert "CD14 Mono" in given["IFNB1"]["measured"]
        assert "CD14 Mono" in given["dexamethasone 100 nM"]["unsupported"]
        assert given["dexamethasone 100 nM"]["measured"] == [], "it was seen in other cells"
        assert any("IFNAR1" in note for note in plan["notes"])
        assert plan["assumptions"]
        assert list(site.folder.iterdir()) == []

    served(site, work)


def test_every_fault_is_told_at_its_item(site: Site) -> None:
    async def work(client: Client) -> None:
        wrong = [
            {"do": "add", "at": 1.3, "substance": "IFNB2", "dose": "100 nM"},
            {"do": "knock_out", "at": 1, "gene": "IFNARR1"},
        ]
        _, told = await post(client, f"{PATCH}/check", {"timeline": wrong})
        assert told["plan"] is None
        assert {(f["item"], f["where"]) for f in told["faults"]} == {
            (0, "timeline[0].at"),
            (0, "timeline[0].substance"),
            (1, "timeline[1].gene"),
        }
        assert "1 or 1.5 h is" in next(f["sentence"] for f in told["faults"] if f["where"] == "timeline[0].at")
        assert "did you mean IFNAR1" in next(f["sentence"] for f in told["faults"] if f["item"] == 1)
        body = {"timeline": [{"do": "wash_out", "at": 1}], "branches": {"off": {"at": 1, "timeline": wrong[1:]}}}
        _, told = await post(client, f"{PATCH}/check", body)
        (fault,) = told["faults"]
        assert (fault["branch"], fault["item"], fault["where"]) == ("off", 0, "branches.off.timeline[0].gene")
        _, told = await post(client, f"{PATCH}/check", {"timeline": [{"do": "wash_out", "at": "30 h"}]})
        assert told["faults"][0]["sentence"] == "30 h never comes: the run ends at 24 h"
        _, told = await post(client, "/api/scenarios/cell_sorting/check", {"cells": 100_000})
        assert "take at most" in told["faults"][0]["sentence"]

    served(site, work)


@pytest.mark.parametrize(
    ("body", "where", "sentence"),
    [
        ({"timeline": "all of it"}, "timeline", "no list"),
        ({"timeline": [{"do": "wash_out", "at": 1}] * (MOST_ITEMS + 1)}, "timeline", "at most"),
        ({"timeline": [7]}, "timeline[0]", "no item"),
        ({"timeline": [{"at": 1}]}, "timeline[0].do", "what is done"),
        ({"timeline": [{"do": "add", "at": 1, "substance": "x" * 10_000}]}, "timeline[0]", "too long"),
        ({"timeline": [{"do": "add", "at": 1, "substance": "a\u2028b"}]}, "timeline[0]", "cannot be printed"),
        ({"timeline": [{"do": "add", "at": True}]}, "timeline[0].at", "no time"),
        ({"timeline": [{"do": "assimilate", "at": 1, "file": "/etc/passwd"}]}, "timeline[0].do", "scenario file"),
        ({"timeline": [{"do": "wash_out", "at": 1, "file": "../x"}]}, "timeline[0].do", "scenario file"),
        ({"timeline": [{"do": "fly", "at": 1}]}, "timeline[0].do", "is none of add"),
        ({"timeline": [{"do": "wash_out", "at": "-1 h"}]}, "timeline[0].at", "a time is >= 0"),
        ({"cells": 10**12}, "cells", "whole number"),
        ({"cells": 2.5}, "cells", "whole number"),
        ({"replicates": "many"}, "replicates", "whole number"),
        ({"duration": "100000000 h"}, "duration", "command line"),
        ({"duration": {}}, "duration", "no time"),
        ({"branches": {"../x": {"timeline": []}}}, "branches.../x", "name of a branch"),
        ({"branches": {"trunk": {"timeline": []}}}, "branches.trunk", "name of a branch"),
        ({"branches": {"b": [1]}}, "branches.b", "no table"),
        ({"upload": {"id": "../../etc"}}, "", "no uploaded cells"),
        ({"name": "a\nb"}, "name", "no line of text"),
    ],
)
def test_a_hostile_request_gets_a_sentence_at_its_place(site: Site, body: object, where: str, sentence: str) -> None:
    async def work(client: Client) -> None:
        status, told = await post(client, "/api/scenarios/opened/check", body)
        assert status == 200
        assert told["plan"] is None
        fault = told["faults"][0]
        assert fault["where"] == where
        assert sentence in fault["sentence"]
        status, told = await post(client, "/api/runs", {**body, "scenario": "opened"})  # type: ignore[dict-item]  # a table
        assert status == 400
        assert sentence in told["error"]
        assert [file.name for file in site.folder.iterdir()] in ([], [".web"])
        assert list(site.inside.glob("*.json")) == []

    served(site, work)


@pytest.mark.parametrize(
    "name", ["..", "../../etc/passwd", "%2e%2e%2fsecret", "run-../x", "run-.web", "nothing", "a" * 300]
)
def test_no_name_leads_out_of_the_folder(site: Site, name: str) -> None:
    (site.folder.parent / "secret").mkdir()

    async def work(client: Client) -> None:
        status, told = await post(client, "/api/runs", {"scenario": name})
        assert status == 400
        assert told["error"]
        quoted = name.replace("/", "%2F")
        for path in (f"/api/scenarios/{quoted}", f"/api/runs/{quoted}/state", f"/api/runs/{quoted}/lines"):
            answer = await client.get(path)
            assert answer.status in (400, 404), path

    served(site, work)


def test_what_the_page_writes_reads_as_it_was(site: Site) -> None:
    """Every shipped scenario, order and all: the order of substances counts in a run's identity."""
    for found in everything(site):
        if found.needs is None:
            written = site.folder / "written.yaml"
            tree = found.source.document
            save_scenario(written, tree, ["two\nlines: of words"])
            text = written.read_text("utf-8")
            assert text.startswith("# two lines: of words\n")
            again = read_source(written).document
            assert repr(again) == repr(tree), found.id


def test_texts_that_yaml_would_take_for_something_else_stay_texts() -> None:
    tree = {"name": "yes", "description": "1e5", "a": "null", "b": "#: [x]", "c": "0x1f", "d": [True, 1.5, "é ünï"]}
    assert "description: '1e5'" in yaml_of(tree)


def test_a_watched_run_has_the_same_trajectories(site: Site) -> None:
    """What is kept, and how often it is committed, is no part of what happens."""
    for name in ("opened", "cell_sorting", "tcell_killing"):
        base = known(site, "", name)
        composed = compose(site, "", base, read_asked({}))
        own, watched = (
            ready(load_scenario(base.source.file)),
            ready(check_file(_written(site, composed.tree))[0]),
        )
        assert watched.world.scenario.observe.cells_every is not None
        assert watched.futures.ensemble.by_id.keys() == own.futures.ensemble.by_id.keys()


def _written(site: Site, tree: dict[str, Any]) -> Path:
    file = site.folder / "paced.yaml"
    save_scenario(file, tree, [])
    return file


@pytest.mark.parametrize(
    ("name", "cells", "hours"),
    [
        ("ifnb_lymphoid_patch", 2000, 0.5),
        ("cell_sorting", 400, 1.0),
        ("oxygen_spheroid", 9000, 0.5),
        ("opened", 40, 0.5),
    ],
)
def test_cells_are_kept_often_enough_to_be_watched(site: Site, name: str, cells: int, hours: float) -> None:
    scenario = load_scenario(known(site, "", name).source.file).scenario
    assert step_of(scenario, cells) == hours
    assert step_of(scenario, 100_000) >= hours


def test_a_small_tissue_is_committed_less_often_than_it_is_kept(site: Site) -> None:
    """A commit takes half a second, however few cells there are."""
    for name, hours in (("opened", "1.5 h"), ("ifnb_lymphoid_patch", "1 h")):
        composed = compose(site, "", known(site, "", name), read_asked({}))
        prepared = planned(composed.source)
        tree = committed_in_time(composed.tree, prepared.loaded.scenario, prepared.plan.load)
        assert tree["observe"]["cells_every"] == "0.5 h"
        assert tree["execution"]["commit_every"] == hours


def test_a_substance_of_the_model_is_felt_where_a_timeline_names_it(site: Site) -> None:
    asked = read_asked({"timeline": [{"do": "add", "at": 2, "substance": "trametinib", "dose": "1 uM"}]})
    tree = compose(site, "", known(site, "", "ifnb_lymphoid_patch"), asked).tree
    assert tree["substances"]["trametinib"] == {"from_table": "trametinib"}
    assert tree["signalling"]["reception"][-1]["perturbation"] == "trametinib"
    asked = read_asked({"timeline": [{"do": "add", "at": 2, "substance": "poisson", "dose": "1 uM"}]})
    unknown = compose(site, "", known(site, "", "opened"), asked)
    with pytest.raises(ScenarioError, match="poisson"):
        planned(unknown.source)


def test_who_carries_items_out_is_added_where_a_scenario_has_nobody(site: Site) -> None:
    sorting = known(site, "", "cell_sorting")
    removed = read_asked({"timeline": [{"do": "remove", "at": 2, "cell_types": ["red"]}]})
    assert list(compose(site, "", sorting, removed).tree["processes"]) == ["dosing", "mechanics"]
    assert list(compose(site, "", sorting, read_asked({"timeline": []})).tree["processes"]) == ["mechanics"]
