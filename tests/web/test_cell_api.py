"""What the cell view is answered: the catalogue, a cell before, what supports an answer, and the answer itself."""

import asyncio
import io
import json
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any
from urllib.parse import quote

import anndata as ad
import numpy as np
import pytest
import scipy.sparse as sp
from twin_web.cell.asked import CELL_HOURS
from twin_web.cell.simulation import KEPT_RESULTS, MOST_OWN

from tests.web.cells import IFN, Asker, asker
from twin.model.contract import WorldModel
from twin.model.rollout import draw_culture, exposed, rollout
from twin.registry import named_model

INDUCED = ("ISG15", "IFI6", "IFIT3")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asker]:
    """A server whose model is loaded."""
    with asker(tmp_path_factory.mktemp("cells") / "runs") as asking:
        asking.ready()
        yield asking


@pytest.fixture(scope="module")
def treated(page: Asker) -> list[dict[str, Any]]:
    """The events of 4 h of interferon beta."""
    return page.simulate(perturbations=IFN, hours=4, cells=20, seed=1, follow=3, watch=["CD14"])


def test_until_the_model_is_there_it_says_so_and_shows_the_map(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    may_load = Event()

    def late(word: str | Path) -> WorldModel:
        assert may_load.wait(60)
        return named_model(word)

    monkeypatch.setattr("twin_web.cell.lab.named_model", late)
    with asker(tmp_path) as page:
        assert page.get("/api/cell/catalogue")["status"] == "loading"
        assert page.get("/api/cell/map?context=CD14%20Mono")["status"] == "ready"
        assert page.get("/api/cell/atlas?context=CD14%20Mono")["status"] == "ready"
        for path in ("genes?context=CD14%20Mono", "map?context=beta"):
            assert "is being loaded" in page.get(f"/api/cell/{path}", 503)["error"]
        for what in ("before", "support", "simulate"):
            assert "is being loaded" in page.post(what, 503)["error"]
        may_load.set()
        assert page.ready()["status"] == "ready"
        assert page.post("support")["level"] == "nothing asked"


def test_a_model_that_cannot_be_used_is_told_in_a_sentence(tmp_path: Path) -> None:
    with asker(tmp_path, model="measured") as page:
        page.runner.run(_until_over(page))
        assert "'measured' cannot be used: it is made of the cells" in page.get("/api/cell/catalogue", 400)["error"]


async def _until_over(page: Asker) -> None:
    while True:
        async with page.client.get("/api/cell/catalogue") as answer:
            if (await answer.json()).get("status") != "loading":
                return
        await asyncio.sleep(0.1)


def test_the_catalogue_holds_every_cell_type_and_perturbation_but_courses(page: Asker) -> None:
    told, model = page.ready(), named_model("default")
    names = {c["name"] for c in told["contexts"]}
    assert {c for c in model.contexts if not c.startswith("course ")} == names
    panels = {p["id"]: p for p in told["panels"]}
    assert all(c["panel"] in panels for c in told["contexts"])
    assert panels[next(c["panel"] for c in told["contexts"] if c["name"] == "CD14 Mono")]["genes"] == 14053
    kinds = {p["name"]: p for p in told["perturbations"]}
    assert {p.name for p in model.perturbations if p.kind != "course"} == set(kinds)
    interferon = kinds["IFNB1"]
    assert interferon["units"] == ["U/mL", "nM", "ng/mL"]
    assert interferon["doses"] == ["100 U/mL"]
    assert interferon["measured"]["CD14 Mono"] == 447
    assert kinds["dexamethasone"]["doses"][0] == "0.1 uM"
    assert kinds["KLF1"]["modes"] == {"K562": "activation"}
    assert kinds["STAT1"]["modes"] == {"THP-1": "knock-out"}
    assert not kinds["STAT1"]["dosed"]
    assert not kinds["STAT1"]["units"]
    assert told["default"] == {
        "context": "CD14 Mono", "perturbations": IFN, "knockouts": [], "hours": 24, "cells": 100, "seed": 1
    }  # fmt: skip


def test_genes_are_found_by_a_part_of_their_name(page: Asker) -> None:
    found = page.get("/api/cell/genes?context=CD14%20Mono&q=stat1")
    assert found["genes"][0]["name"] == "STAT1"
    assert found["genes"][0]["knockout"] == "measured elsewhere"
    drawn = page.get("/api/cell/map?context=CD14%20Mono")
    assert drawn["genes"][found["genes"][0]["index"]] == "STAT1"
    assert drawn["program"][found["genes"][0]["index"]] == found["genes"][0]["program"]
    assert page.get("/api/cell/genes?context=THP-1&q=STAT1")["genes"][0]["knockout"] == "measured here"
    assert page.get("/api/cell/genes?context=K562&q=KLF1")["genes"][0]["knockout"] == "clamp"
    [lost] = page.get("/api/cell/genes?context=Jurkat&q=LCK")["genes"]
    assert lost == {"name": "LCK", "index": None, "mean": None, "knockout": "measured here"}
    many = page.get("/api/cell/genes?context=CD14%20Mono&q=&most=3")
    assert len(many["genes"]) == 3
    assert many["total"] == 14053
    assert "did you mean" in page.get("/api/cell/genes?context=CD14%20Mon&q=A", 400)["error"]


def test_a_cell_before_is_the_cell_that_the_model_draws(page: Asker) -> None:
    told = page.post("before", seed=5, cells=10, follow=3)
    model = named_model("default").focused(["CD14 Mono"], perturbations=[])
    own = draw_culture(model, "CD14 Mono", 1, first=3, seed=5).counts
    assert told["counts"]["gene"] == own.indices.tolist()
    assert told["counts"]["count"] == own.data.tolist()
    assert told["library"] == own.sum()
    assert told["detected"] == own.nnz
    gene, count, mean = told["top"][0]
    assert count == own.data.max()
    assert model.genes[own.indices[own.data.argmax()]] == gene
    assert mean > 0
    assert not told["copies"]
    atlas = page.get("/api/cell/atlas?context=CD14%20Mono")
    mine = np.asarray(atlas["type"]) == atlas["types"].index("CD14 Mono")
    places = np.stack([atlas["x"], atlas["y"]], axis=1)[mine & (np.asarray(atlas["treated"]) == 0)]
    assert np.linalg.norm(places - told["place"], axis=1).min() < 0.1


def test_hour_0_is_the_cell_before_and_its_untreated_twin(page: Asker, treated: list[dict[str, Any]]) -> None:
    begun, frame = treated[0], treated[1]
    before = page.post("before", seed=1, cells=20, follow=3)
    assert begun["kind"] == "begun"
    assert frame["counts"] == before["counts"]
    assert frame["moved"] == 0
    assert not frame["movers"]
    assert set(b64decode(frame["change"])) == {0}
    assert frame["path"] == frame["twin"] == before["place"]
    assert all(a == b for a, b in frame["programs"])
    assert all(a == b for a, b in frame["bands"].values())


def test_interferon_raises_its_genes_and_the_cells_move_where_treated_ones_stand(
    page: Asker, treated: list[dict[str, Any]]
) -> None:
    frames = [e for e in treated if e["kind"] == "frame"]
    assert [f["hour"] for f in frames] == [0, 1, 2, 3, 4]
    last = frames[-1]
    movers = {m[0]: m for m in last["movers"]}
    assert movers["ISG15"][4] > 4
    assert movers["ISG15"][4] > 5 * movers["ISG15"][5]
    assert set(treated[0]["watched"]) >= {"CD14", *INDUCED}
    for gene in INDUCED:
        (mean, low, high), (twin, _, _) = last["bands"][gene]
        assert low <= mean <= high
        assert mean > 4 * max(twin, 0.5)
    drawn = page.get("/api/cell/map?context=CD14%20Mono")
    program = next(i for i, p in enumerate(drawn["programs"]) if p["name"] == "Interferon response")
    rises = [a / b for a, b in last["programs"]]
    assert max(range(len(rises)), key=lambda i: rises[i]) == program
    change = np.frombuffer(b64decode(last["change"]), np.int8)
    assert change[drawn["genes"].index("ISG15")] == pytest.approx(16 * movers["ISG15"][4], abs=1)
    atlas = page.get("/api/cell/atlas?context=CD14%20Mono")
    mine = np.asarray(atlas["type"]) == atlas["types"].index("CD14 Mono")
    x, y, arm = (np.asarray(atlas[key])[mine] for key in ("x", "y", "treated"))
    centres = [np.array([x[arm == a].mean(), y[arm == a].mean()]) for a in (0, 1)]
    for place, home in ((np.mean(last["swarm"], axis=0), 1), (np.asarray(last["twin"]), 0)):
        far = [float(np.linalg.norm(place - c)) for c in centres]
        assert far[home] < far[1 - home]
    done = treated[-1]
    assert done["kind"] == "done"
    assert done["frames"] == 5
    assert "ISG15" in [row[0] for row in done["summary"]["up"]]
    assert f"{last['moved']:,} genes moved" in done["summary"]["sentence"]


def test_it_is_the_roll_out_of_the_library(page: Asker, treated: list[dict[str, Any]]) -> None:
    model = named_model("default").focused(["CD14 Mono"], perturbations=["IFNB1"])
    cells = exposed(model, draw_culture(model, "CD14 Mono", 20, seed=1), {"IFNB1": 0.02})
    *_, last = rollout(model, cells, hours=4, seed=1)
    told = treated[-2]["counts"]
    own = last.counts[[3]]
    assert told == {"gene": own.indices.tolist(), "count": own.data.tolist()}


def test_nothing_asked_is_nothing_changed(page: Asker) -> None:
    events = page.simulate(hours=2, cells=5)
    for frame in events[1:-1]:
        assert frame["moved"] == 0
        assert set(b64decode(frame["change"])) == {0}
        assert frame["path"] == frame["twin"]
    assert events[1]["counts"] != events[2]["counts"]  # they live on
    assert "no gene stands apart" in events[-1]["summary"]["sentence"]


def test_without_the_receptor_only_the_receptor_is_missing(page: Asker) -> None:
    asked: dict[str, Any] = {"perturbations": IFN, "knockouts": ["IFNAR1"], "hours": 4, "cells": 20}
    told = page.post("support", **asked)
    assert told["level"] == "none"
    assert told["choices"][0]["acts"] == "nothing"
    assert told["choices"][0]["support"] is None
    assert any("IFNAR1 is part of the receptor of IFNB1" in w for w in told["warnings"])
    events = page.simulate(**asked)
    treated, twin = events[-2]["bands"]["IFNAR1"]
    assert treated[0] < twin[0]
    assert {m[0] for m in events[-2]["movers"]} <= {"IFNAR1"}
    assert all(row[0] == "IFNAR1" for row in events[-1]["summary"]["down"])


JURKAT = {"source": "model", "context": "Jurkat"}
TCR = {"name": "anti-CD3/CD28"}
ANSWERS = [
    ({"perturbations": IFN, "hours": 6}, "measured", "447 cells, 100 U/mL, 6 h; and in 12 other cell types", None),
    ({"perturbations": IFN, "hours": 24}, "measured", "IFNB1 was measured in CD14 Mono", "beyond the last measurement"),
    ({"perturbations": [{"name": "IFNB1", "dose": "1 nM"}]}, "measured", "above the highest measured dose", None),
    ({"perturbations": [{"name": "IFNB1", "dose": "1 U/mL"}]}, "measured", "below the lowest measured dose", None),
    ({"perturbations": [{"name": "dexamethasone"}]}, "far", "was not measured in CD14 Mono: read from A549", None),
    ({"perturbations": [{"name": "SET"}]}, "none", "in combinations alone: here it changes nothing", None),
    ({"knockouts": ["GAPDH"]}, "none", "nobody perturbed it in the model's data", None),
    ({"knockouts": ["KLF1"]}, "none", "have it activated", None),
    ({"knockouts": ["STAT1"]}, "far", "read from THP-1, by likeness. Its own messages are clamped to 0", None),
    ({"perturbations": IFN, "knockouts": ["STAT1"]}, "far", "read from THP-1", "whether STAT1 carries the signal"),
    ({"start": JURKAT, "perturbations": [TCR]}, "measured", "2,877 cells", None),
    ({"start": JURKAT, "perturbations": [TCR], "knockouts": ["LCK"]}, "measured", "measured in Jurkat", "is not told"),
    ({"start": JURKAT, "knockouts": ["LCK", "JUN"]}, "near", "was measured in Jurkat", "never measured together"),
    ({}, "nothing asked", "Nothing is done to the cells", None),
]  # fmt: skip


@pytest.mark.parametrize(("asked", "level", "sentence", "warning"), ANSWERS)
def test_support_says_what_was_measured_and_what_is_made_of_it(
    page: Asker, asked: dict[str, Any], level: str, sentence: str, warning: str | None
) -> None:
    told = page.post("support", **asked)
    assert told["level"] == level
    said = [told["sentence"], *(c["sentence"] for c in told["choices"])]
    assert any(sentence in s for s in said), said
    assert warning is None or any(warning in w for w in told["warnings"]), told["warnings"]
    assert not any("carries the signal" in w for w in told["warnings"]) or warning is not None
    assert told["support"] is None or 0 <= told["support"] <= 1


def test_a_dose_above_the_measured_ones_and_another_cell_have_less_support(page: Asker) -> None:
    dosed = [
        page.post("support", perturbations=[{"name": "IFNB1", "dose": d}])["support"] for d in ("0.02 nM", "0.2 nM")
    ]
    assert dosed[1] == pytest.approx(dosed[0] / 10, abs=2e-3)
    yeast = page.post("support", start={"source": "model", "context": "budding yeast"}, perturbations=IFN)
    assert yeast["support"] in (0, None)


def test_a_loss_that_was_measured_where_the_gene_was_not_acts_by_what_was_learned(page: Asker) -> None:
    asked: dict[str, Any] = {"start": JURKAT, "knockouts": ["LCK"]}
    assert page.post("support", **asked)["choices"][0]["acts"] == "learned effect"
    events = page.simulate(**asked, hours=2, cells=20)
    assert events[-1]["kind"] == "done"
    assert events[-2]["moved"] > 0


def test_a_gene_that_is_knocked_out_fades_as_its_messages_turn_over(page: Asker) -> None:
    events = page.simulate(knockouts=["FTH1"], hours=8, cells=10)
    (end, _, high), (twin, _, _) = events[-2]["bands"]["FTH1"]
    start = events[1]["bands"]["FTH1"][0][0]
    assert end < 0.5 * start
    assert end < 0.5 * twin
    assert high < start


def test_results_are_an_anndata_a_gene_and_a_cell(page: Asker) -> None:
    job = page.post("simulate", perturbations=IFN, hours=2, cells=6, follow=1)["job"]
    events = page.events(job)
    status, disposition, raw = page.raw("GET", f"/api/cell/result/{job}.h5ad")
    assert status == 200
    assert disposition == f'attachment; filename="twin-cell-{job}.h5ad"'
    cells = ad.read_h5ad(io.BytesIO(raw))
    assert cells.shape == (3 * 6 * 2, 14053)
    assert cells.obs["arm"].value_counts().to_dict() == {"treated": 18, "untreated": 18}
    assert cells.obs_names.is_unique
    assert np.issubdtype(cells.X.dtype, np.integer)
    shown = cells[(cells.obs.hour == 2) & (cells.obs.replicate == 1) & (cells.obs.arm == "treated")].X
    own = sp.csr_array(shown)
    assert events[-2]["counts"] == {"gene": own.indices.tolist(), "count": own.data.tolist()}
    assert json.loads(cells.uns["twin"])["what"] == "CD14 Mono, IFNB1 100 U/mL"
    gene = page.get(f"/api/cell/result/{job}/gene?name=ISG15")
    assert gene["hours"] == [0, 1, 2]
    assert [[a, b] for a, b in zip(gene["treated"], gene["untreated"], strict=True)] == [
        e["bands"]["ISG15"] for e in events[1:-1]
    ]
    one = page.get(f"/api/cell/result/{job}/cell?replicate=1&hour=2")
    assert one["counts"] == events[-2]["counts"]
    assert one["place"] == events[-2]["path"]
    twin = page.get(f"/api/cell/result/{job}/cell?replicate=1&hour=2&arm=untreated")
    assert twin["place"] == events[-2]["twin"]
    assert "no gene of these cells" in page.get(f"/api/cell/result/{job}/gene?name=ISG", 400)["error"]
    assert "replicate: 9 lies outside" in page.get(f"/api/cell/result/{job}/cell?replicate=9", 400)["error"]


def test_a_stopped_simulation_stops_and_another_browser_sees_none_of_it(page: Asker) -> None:
    job = page.post("simulate", perturbations=IFN, hours=72, cells=100)["job"]
    page.events(job, most=2)
    with page.another() as stranger:
        stranger.get(f"/api/cell/result/{job}/gene?name=ISG15", 400)
        assert "is no longer kept" in stranger.get(f"/api/cell/result/{job}.h5ad", 400)["error"]
        assert "there is no job" in stranger.ask("DELETE", f"/api/jobs/{job}", 400)["error"]
    page.ask("DELETE", f"/api/jobs/{job}")
    last = page.events(job)[-1]
    assert last["kind"] == "stopped"
    assert last["hour"] < 72
    told = len(page.get(f"/api/cell/result/{job}/gene?name=ISG15")["hours"])
    assert told == last["hour"] + 1


def test_a_browser_has_a_few_simulations_at_once_and_the_last_few_results(page: Asker) -> None:
    with page.another() as other:
        jobs = [other.post("simulate", hours=72, cells=100)["job"] for _ in range(MOST_OWN)]
        assert "are running already: stop one" in other.refused("simulate", hours=1, cells=1)
        for job in jobs:
            other.ask("DELETE", f"/api/jobs/{job}")
            other.events(job)
        short = [other.post("simulate", hours=1, cells=1)["job"] for _ in range(1)]
        for _ in range(KEPT_RESULTS):
            other.events(short[-1])
            short.append(other.post("simulate", hours=1, cells=1)["job"])
        other.events(short[-1])
        assert "is no longer kept" in other.get(f"/api/cell/result/{short[0]}/gene?name=ISG15", 400)["error"]
        other.get(f"/api/cell/result/{short[-1]}/gene?name=ISG15")
        kept = {folder.name for folder in page.site.inside.glob("simulations-*/*")}
        assert set(short[1:]) <= kept
        assert short[0] not in kept


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"perturbations": [{"name": "IFNB", "dose": "1 nM"}]}, "did you mean IFNB1"),
        ({"perturbations": [{"name": "IFNB1", "dose": "10 kg"}]}, "IFNB1: '10 kg' is not a concentration"),
        ({"perturbations": [{"name": "IFNB1", "dose": "5"}]}, "write a number and a unit"),
        ({"perturbations": [{"name": "IFNB1", "dose": "-1 nM"}]}, "is negative"),
        ({"perturbations": [{"name": "trametinib", "dose": "1 ng/mL"}]}, "needs the molar mass of trametinib"),
        ({"perturbations": [{"name": "LPS", "dose": "1 nM"}]}, "LPS was measured without a dose"),
        ({"perturbations": [{"name": "course: ipsc_cardiomyocyte_timecourse"}]}, "no perturbation of this model"),
        ({"perturbations": IFN * 2}, "IFNB1 is given twice"),
        ({"perturbations": "IFNB1"}, "perturbations: give a list"),
        ({"perturbations": ["IFNB1"]}, "give an object"),
        ({"perturbations": IFN * 5}, "5 are too many, at most 4"),
        ({"knockouts": ["STAT11"]}, "no gene that was measured in CD14 Mono is called 'STAT11'"),
        ({"knockouts": [3]}, "3 is no text"),
        ({"hours": 73}, "hours: 73 lies outside 1 to 72"),
        ({"hours": 1.5}, "1.5 is no whole number"),
        ({"start": {"source": "model", "context": "Neutrophil"}}, "no cell type of this model"),
        ({"start": "CD14 Mono"}, "start: give an object"),
        ({"start": {"source": "film"}}, "'film' is no source"),
        ({"start": {"source": "upload", "id": "../../etc"}}, "there are no uploaded cells"),
        ({"start": {"source": "run", "run": "../x", "time": 0, "cell": "1"}}, "cannot be the name of a run"),
    ],
)
def test_what_cannot_be_asked_is_told_before_it_is_run(page: Asker, asked: dict[str, Any], told: str) -> None:
    assert told in page.refused("support", **asked)
    assert told in page.refused("simulate", **asked)


def test_a_simulation_has_a_size(page: Asker) -> None:
    assert f"at most {CELL_HOURS // 72} cells" in page.refused("simulate", hours=72, cells=500)
    assert "follow: 10 lies outside 0 to 9" in page.refused("simulate", cells=10, follow=10)
    assert "watch: no gene" in page.refused("simulate", watch=["ISG1"])


def test_an_unknown_panel_is_drawn_in_a_process_of_its_own(page: Asker) -> None:
    told = page.get(f"/api/cell/map?context={quote('T98G')}")
    assert told["status"] == "computing"
    assert page.get(f"/api/cell/atlas?context={quote('T98G')}")["status"] == "computing"
    assert "no cell type of this model" in page.get("/api/cell/map?context=nobody", 400)["error"]
