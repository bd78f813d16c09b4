"""Cells that are a user's own, or were taken out of a run, as the start of a question."""

import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from twin_web.runs.upload import Column, Upload, save_upload

import twin
from tests.model.test_rollout import SCENARIO
from tests.web.cells import IFN, Asker, asker
from twin.model.rollout import draw_culture
from twin.registry import named_model

KINDS = ("CD14 Mono", "B")
OWN = "my own cells"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asker]:
    """A server whose model is loaded."""
    with asker(tmp_path_factory.mktemp("starts") / "runs") as asking:
        asking.ready()
        yield asking


@pytest.fixture(scope="module")
def cells() -> ad.AnnData:
    """Cells of two types that the model knows, of one that it does not, and a gene that it does not have."""
    model = named_model("default")
    parts = [draw_culture(model.focused([kind]), kind, 12, seed=3).counts for kind in KINDS]
    genes = (*model.focused(["B"]).genes, "NEWGENE1")
    counts = sp.vstack([*parts, parts[0][:8]], format="csr")
    counts = sp.csr_matrix(sp.hstack([counts, sp.csr_array(np.full((32, 1), 5, np.int32))], format="csr"))
    kind = [KINDS[0]] * 12 + [KINDS[1]] * 12 + [OWN] * 8
    obs = pd.DataFrame({"kind": pd.Categorical(kind), "donor": "d7"}, index=[f"cell{i}" for i in range(32)])
    return ad.AnnData(counts, obs=obs, var=pd.DataFrame(index=list(genes)))


def accepted(page: Asker, cells: ad.AnnData, column: str | None = "kind") -> str:
    """Lay cells down as an accepted upload of this browser, and return its id."""
    name = sha256(repr((column, page.owner)).encode()).hexdigest()[:16]
    folder = page.site.own(page.owner)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.h5ad"
    cells.write_h5ad(path)
    kinds = Column(name="kind", types={KINDS[0]: 12, KINDS[1]: 12, OWN: 8})
    save_upload(
        Upload(
            path=path,
            id=name,
            file="mine.h5ad",
            created="2026-01-01T00:00:00+00:00",
            cells=cells.n_obs,
            genes=cells.n_vars,
            shared=cells.n_vars - 1,
            model="default",
            columns=(kinds,),
            types_column=column,
            bytes=path.stat().st_size,
            sent=path.stat().st_size,
            sha256=sha256(path.read_bytes()).hexdigest(),
        )
    )
    return name


def row(cells: ad.AnnData, i: int) -> dict[str, list[int]]:
    own = sp.csr_array(cells.X)[[i], :-1]
    return {"gene": own.indices.tolist(), "count": own.data.tolist()}


def test_a_cell_of_ones_own_starts_as_it_is_and_its_copies_have_each_their_luck(page: Asker, cells: ad.AnnData) -> None:
    start = {"source": "upload", "id": accepted(page, cells), "cell": 4}
    told = page.post("before", start=start, cells=6)
    assert told["counts"] == row(cells, 4)
    assert (told["type"], told["context"], told["donor"], told["copies"]) == ("CD14 Mono", "CD14 Mono", "d7", True)
    assert told["source"] == "cell cell4 of mine.h5ad"
    assert "1 of its 14,054 genes are not on the axis" in told["note"]
    by_name = page.post("before", start={**start, "cell": "cell4"}, cells=6)
    assert by_name["counts"] == told["counts"]
    events = page.simulate(start=start, perturbations=IFN, hours=3, cells=6)
    assert events[1]["counts"] == told["counts"]
    assert len({tuple(place) for place in events[1]["swarm"]}) == 1
    assert len({tuple(place) for place in events[-2]["swarm"]}) > 1
    assert "ISG15" in [r[0] for r in events[-1]["summary"]["up"]]
    assert "measured ones" in events[0]["equivalent"]


def test_cells_of_a_type_are_different_cells(page: Asker, cells: ad.AnnData) -> None:
    start = {"source": "upload", "id": accepted(page, cells), "type": "B"}
    told = [page.post("before", start=start, cells=12, follow=i)["counts"] for i in range(12)]
    assert sorted(map(str, told)) == sorted(str(row(cells, i)) for i in range(12, 24))
    assert not page.post("before", start=start)["copies"]
    assert page.post("before", start={"source": "upload", "id": start["id"]})["type"] == "CD14 Mono"


def test_a_type_that_is_new_to_the_model_is_what_its_cells_show(page: Asker, cells: ad.AnnData) -> None:
    start = {"source": "upload", "id": accepted(page, cells), "type": OWN}
    told = page.post("before", start=start, cells=4)
    assert told["context"] == OWN
    assert "is new to the model: it is what these 8 cells show" in told["note"]
    assert told["place"] is not None
    support = page.post("support", start=start, perturbations=IFN, hours=6)
    assert support["level"] in ("near", "far")
    assert "was not measured in my own cells" in support["sentence"]
    events = page.simulate(start=start, perturbations=IFN, hours=3, cells=4)
    assert "ISG15" in [r[0] for r in events[-1]["summary"]["up"]]
    as_known = page.post("before", start={**start, "context": "CD14 Mono"}, cells=4)
    assert as_known["context"] == "CD14 Mono"
    assert as_known["note"].startswith("read as CD14 Mono")


def test_what_is_wrong_with_ones_own_cells_is_told(page: Asker, cells: ad.AnnData) -> None:
    start: dict[str, Any] = {"source": "upload", "id": accepted(page, cells)}
    assert "has 32 cells: there is no row 32" in page.refused("before", start={**start, "cell": 32})
    assert "has no cell 'cell99'" in page.refused("before", start={**start, "cell": "cell99"})
    assert "no cell type in mine.h5ad is called 'T'" in page.refused("before", start={**start, "type": "T"})
    assert "no cell type of this model" in page.refused("before", start={**start, "context": "T"})
    assert "too few; choose another" in page.refused("before", start={**start, "context": "budding yeast"})
    unnamed = {"source": "upload", "id": accepted(page, cells, column=None)}
    assert "which of its columns names the cell types" in page.refused("before", start=unnamed)


def test_another_browser_does_not_see_them(page: Asker, cells: ad.AnnData) -> None:
    start = {"source": "upload", "id": accepted(page, cells)}
    with page.another() as stranger:
        for what in ("before", "support", "simulate"):
            assert "there are no uploaded cells" in stranger.refused(what, start=start)
        assert stranger.owner != page.owner
        others = cells[::-1].copy()  # another's file of the same name, whose first cell is the last of this one
        theirs = {"source": "upload", "id": accepted(stranger, others), "cell": 0}
        assert stranger.post("before", start=theirs)["counts"] == row(cells, 31)
        own = {"source": "upload", "id": accepted(page, cells), "cell": 0}
        assert page.post("before", start=own)["counts"] == row(cells, 0)


def test_a_cell_of_a_run_goes_on_in_the_cell_view(page: Asker, tmp_path: Path) -> None:
    file = tmp_path / "culture.yaml"
    file.write_text(SCENARIO)
    run = twin.run(file, page.site.folder / "culture")
    cells = run.cells(3.0)
    start = {"source": "run", "run": "culture", "time": 3, "compartment": "well", "cell": str(cells.obs_names[2])}
    told = page.post("before", start=start, cells=3)
    own = sp.csr_array(cells.X)[[2]]
    assert told["counts"] == {"gene": own.indices.tolist(), "count": own.data.tolist()}
    assert told["context"] == "CD14 Mono"
    assert told["copies"]
    assert json.dumps(told["source"]) == f'"cell {cells.obs_names[2]} of culture at 3 h"'
    events = page.simulate(start=start, hours=2, cells=3)
    assert events[-1]["kind"] == "done"
    assert "has no cell 77 at 3 h" in page.refused("before", start={**start, "cell": "77"})
    assert "2.5" in page.refused("before", start={**start, "time": 2.5})
    assert "there is no run 'other'" in page.refused("before", start={**start, "run": "other"})
