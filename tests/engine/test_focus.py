"""A run is as wide as its own cells: their genes, and what the scenario does to them."""

from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from tests.engine.tiny import write_tiny
from twin.engine.focus import perturbations_named, types_named
from twin.engine.plan import check_file
from twin.engine.simulation import prepare, simulate
from twin.errors import ScenarioError
from twin.model.files import embedded
from twin.results import open_run

TYPES = ["CD14 Mono", "CD4 Naive T", "pDC"]
MEASURED = (
    "compartments.patch.cells={source: h5ad, file: mine.h5ad}",
    "compartments.patch.box.0=300 um",
    "signalling.secretion=[]",
    "observe.distance.source=x_low",
)


@pytest.fixture(scope="module")
def foreign() -> str:
    """A gene that the model knows, but of no blood cell."""
    model = embedded()
    own = set(model.focused([c for c, s in zip(model.contexts, model.composition, strict=True) if s > 0]).genes)
    return next(gene for gene in model.genes if gene not in own)


def test_a_run_holds_the_genes_of_its_types_and_the_perturbations_that_are_named(tmp_path: Path) -> None:
    loaded, plan = check_file(write_tiny(tmp_path), ("duration=1 h",))
    world = prepare(loaded)
    assert set(world.model.contexts) == set(TYPES)
    assert set(world.model.genes) == set(embedded().focused(TYPES).genes)
    assert len(world.model.genes) < len(embedded().genes)
    assert world.perturbations == ("IFNB1",)
    assert world.model.last_time() == 6.0  # the clock of this assay, whatever else the model was taught
    assert world.model.kappa() == pytest.approx(3.6)
    assert plan.model.genes == world.model.genes
    assert "14,053 genes, 3 cell types; perturbations that are named: IFNB1" in plan.describe()
    simulate(loaded, tmp_path / "run")
    run = open_run(tmp_path / "run")
    assert tuple(run.cells().var_names) == world.model.genes
    assert run.attrs["model"]["fingerprint"] == world.model.fingerprint


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ("observe.genes=[{}]", "observe.genes[0]"),
        ("observe.programs.interferon.1={}", "observe.programs.interferon[1]"),
        ("signalling.reception.0.receptor=[IFNAR1, {}]", "signalling.reception[0].receptor[1]"),
        ("signalling.secretion.0.gene={}", "signalling.secretion[0].gene"),
        ("timeline=[{{do: knock_out, at: 0 h, gene: {}}}]", "timeline[0].gene"),
    ],
)
def test_a_gene_that_these_types_did_not_measure_is_no_gene_of_the_run(
    tmp_path: Path, foreign: str, change: str, place: str
) -> None:
    with pytest.raises(ScenarioError) as raised:
        check_file(write_tiny(tmp_path), (change.format(foreign),))
    assert f"{place}: no gene of the world model is called '{foreign}'" in str(raised.value)


def write_strangers(folder: Path) -> None:
    """Write mine.h5ad: cells of a type that the model does not know, on the genes of its monocytes."""
    small = embedded().focused(["CD14 Mono"])
    rate = np.exp(np.asarray(small.net.log_rate[0], dtype=np.float64))
    counts = np.random.default_rng(0).poisson(3000 * rate / rate.sum(), (12, len(rate)))
    obs = pd.DataFrame({"cell_type": ["stranger"] * 12}, index=[f"c{i}" for i in range(12)])
    folder.mkdir(parents=True, exist_ok=True)
    cells = ad.AnnData(sp.csr_matrix(counts.astype(np.int32)), obs=obs, var=pd.DataFrame(index=list(small.genes)))
    cells.write_h5ad(folder / "mine.h5ad")


def test_a_type_that_is_made_from_measured_cells_brings_its_own_genes(tmp_path: Path, foreign: str) -> None:
    """Its genes are known from its counts only: what is wrong with them is told before anything is written."""
    write_strangers(tmp_path)
    loaded, _ = check_file(write_tiny(tmp_path), MEASURED)
    world = prepare(loaded)
    assert world.model.contexts == ("stranger",)
    assert len(world.model.genes) < len(embedded().genes)
    assert foreign not in world.model.genes
    assert np.asarray(world.measured["patch"].counts.sum()) > 0
    loaded, _ = check_file(write_tiny(tmp_path), (*MEASURED, f"observe.genes=[{foreign}]"))
    with pytest.raises(ScenarioError, match=r"observe\.genes\[0\]: no gene of the world model is called"):
        prepare(loaded)


def test_a_compartment_drawn_by_the_model_holds_no_type_of_another_one(tmp_path: Path) -> None:
    """The default composition is the model's own, also beside measured cells of a new type."""
    write_strangers(tmp_path)
    second = (
        "compartments.second={box: [60 um, 40 um, 40 um], cells: {source: model, count: 40, composition: measured}}",
        "compartments.patch.cells={source: h5ad, file: mine.h5ad}",
        "compartments.patch.box.0=300 um",
        "signalling.secretion=[]",
        "observe.distance.source=x_low",
    )
    loaded, _ = check_file(write_tiny(tmp_path), second)
    world = prepare(loaded)
    model = embedded()
    natural = {c for c, share in zip(model.contexts, model.composition, strict=True) if share > 0}
    assert set(world.names["second"]["cell_type"]) == natural
    assert world.names["patch"]["cell_type"] == ("stranger",)
    assert set(world.model.contexts) == {*natural, "stranger"}


def test_perturbations_are_those_of_reception_response_and_settings(tmp_path: Path) -> None:
    model = embedded()
    loaded, _ = check_file(write_tiny(tmp_path), ())
    scenario = loaded.scenario
    assert perturbations_named(scenario, model) == ["IFNB1"]
    others = [p.name for p in model.perturbations if p.name != "IFNB1"][:2]
    settings = {"bath": {"agents": [others[1]], "deep": {others[0]: "1 nM"}}}
    widened = scenario.model_copy(update={"processes": {**scenario.processes, **settings}})
    assert perturbations_named(widened, model) == sorted(
        ["IFNB1", *others], key=[p.name for p in model.perturbations].index
    )
    alone = scenario.model_copy(
        update={
            "signalling": scenario.signalling.model_copy(update={"reception": ()}),
            "observe": scenario.observe.model_copy(update={"response": None}),
        }
    )
    assert perturbations_named(alone, model) == []
    assert types_named(scenario, model, {}, tuple(scenario.compartments)) == set(TYPES)
