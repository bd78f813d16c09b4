"""Strangers' distributions: a plugin and a world model, built, installed and run in a scenario.

They are built with pip without network, put in a folder of their own, and found through the door alone.
"""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from twin import registry
from twin.conformance import check_process
from twin.kernels.random import Streams, daughter_ids
from twin.model.contract import Condition
from twin.results import open_run

SOURCES = Path(__file__).parent / "third_party"
DISTRIBUTIONS = ("twin-renewal-demo", "twin-table-model-demo")
SCENARIO = """
name: strangers
duration: 3 h
tick: 1 h
seed: 4
world_model: {name: table}
compartments:
  dish:
    box: [100 um, 100 um, 50 um]
    cells: {source: model, count: 30, composition: {T cell: 2, Monocyte: 1}}
substances:
  IFNB1: {diffusivity: 30 um^2/s, half_life: 5 h, molar_mass: 20 kDa, initial: 1 nM}
signalling:
  reception: [{substance: IFNB1, perturbation: IFNB1, receptor: [IFNAR1, IFNAR2]}]
processes:
  diffusion: {}
  exposure: {}
  transition: {}
  renewal: {cycle: 4 h, lifespan: 12 h, limit: 2}
  mechanics: {}
observe: {every: 1 h, genes: [ISG15]}
execution: {chunk: 64, commit_every: 2 h}
"""


@dataclass(frozen=True)
class Strangers:
    """Where they are installed, and what they left: a finished run."""

    place: Path
    run: Path

    def call(self, *words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        return call(self.place, *words, cwd=cwd)


def call(place: Path, *words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "twin", *words],
        env={**os.environ, "PYTHONPATH": str(place), "COLUMNS": "200"},
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.fixture(scope="module")
def strangers(tmp_path_factory: pytest.TempPathFactory) -> Strangers:
    folder = tmp_path_factory.mktemp("strangers")
    place = folder / "installed"
    pip = "-m pip install --no-index --no-deps --no-build-isolation --disable-pip-version-check --quiet"
    subprocess.run(
        [sys.executable, *pip.split(), "--target", str(place), *(str(SOURCES / name) for name in DISTRIBUTIONS)],
        check=True,
        timeout=120,
    )
    (folder / "strangers.yaml").write_text(SCENARIO)
    told = call(place, "run", "strangers.yaml", "--out", "run", cwd=folder)
    assert told.returncode == 0, told.stderr
    return Strangers(place, folder / "run")


@pytest.fixture
def behind_the_door(strangers: Strangers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(strangers.place))


def test_they_are_listed_with_who_brings_them(strangers: Strangers, tmp_path: Path) -> None:
    told = strangers.call("plugins", cwd=tmp_path).stdout
    lines = [" ".join(line.split()) for line in told.splitlines()]
    assert "plugin renewal twin-renewal-demo 0.3.0 twin_renewal_demo.process:Renewal" in lines
    assert "world model table twin-table-model-demo 2.1.0 twin_table_model_demo.model:table" in lines


def test_their_fault_is_told_as_ours_are(strangers: Strangers, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text(SCENARIO.replace("cycle: 4 h", "cycle: 4").replace("[ISG15]", "[ISG14]"))
    told = strangers.call("check", "bad.yaml", cwd=tmp_path)
    assert told.returncode == 2
    assert "processes.renewal.cycle: 4 is not a time" in told.stderr
    assert "Traceback" not in told.stderr


def test_the_record_names_them_and_their_versions(strangers: Strangers) -> None:
    run = open_run(strangers.run)
    assert run.is_complete
    assert run.attrs["plugins"]["renewal"] == "twin-renewal-demo 0.3.0"
    assert run.attrs["model"]["name"] == "table"
    assert any("table: the rates are made up" in sentence for sentence in run.attrs["assumptions"])
    assert run.genes[-1] == "TMSB4X"


def test_daughters_have_hashed_ids_and_every_cell_is_accounted_for(strangers: Strangers) -> None:
    run = open_run(strangers.run)
    lineage = run.lineage()
    births = lineage[lineage["event"] == "birth"]
    deaths = lineage[lineage["event"] == "death: old age"]
    assert len(births) >= 10
    assert len(deaths) >= 3
    mothers = births["parent"].to_numpy(np.uint64)
    sibling = births.groupby(["parent", "tick"]).cumcount().tolist()
    hashed = [daughter_ids(mothers[[i]], t, sibling[i])[0] for i, t in enumerate(births["tick"].tolist())]
    assert births["id"].tolist() == hashed
    assert sorted(sibling) == [0] * (len(births) // 2) + [1] * (len(births) // 2)  # always two
    assert births["tick"].nunique() == 3
    living = set(range(30))
    for hour in range(1, 4):
        events = lineage[lineage["tick"] == hour - 1]
        born = events[events["event"] == "birth"]
        living |= set(born["id"].tolist())
        living -= set(born["parent"].tolist()) | set(events.loc[events["event"] == "death: old age", "id"].tolist())
        assert set(run.cells(float(hour)).obs["id"].tolist()) == living


def test_daughters_inherit_as_the_columns_declare(strangers: Strangers) -> None:
    run = open_run(strangers.run)
    before, after = (run.cells(hour).obs.set_index("id") for hour in (2.0, 3.0))
    newborn = after[after["birth"] == 2.0]  # h: born in the tick that began then
    assert len(newborn) >= 4
    mothers = before.loc[newborn["parent"]]
    assert newborn["cell_type"].tolist() == mothers["cell_type"].tolist()
    np.testing.assert_array_equal(newborn["ec50_factor"], mothers["ec50_factor"])
    np.testing.assert_allclose(newborn["radius"] ** 3, mothers["radius"] ** 3 / 2, rtol=1e-12)
    np.testing.assert_array_equal(newborn["divisions"], mothers["divisions"].to_numpy() + 1)
    generation = dict.fromkeys(range(30), 0)
    births = run.lineage().query("event == 'birth'")
    for cell, mother in zip(births["id"].tolist(), births["parent"].tolist(), strict=True):
        generation[cell] = generation[mother] + 1
    assert after["divisions"].tolist() == [generation[cell] for cell in after.index]
    assert max(generation.values()) == 2  # the limit was reached, and kept
    founder = pd.Series(after.index < 30, index=after.index)
    np.testing.assert_allclose(after["age"], np.where(founder, 3.0, 2.0 - after["birth"]))


def test_both_daughters_keep_the_profile_of_their_type(strangers: Strangers) -> None:
    cells = open_run(strangers.run).cells(1.0)  # whoever is born then has had no transition since
    table = pd.read_csv(SOURCES / "twin-table-model-demo" / "twin_table_model_demo" / "rates.csv", index_col="gene")
    newborn = cells[cells.obs["id"] >= 30]
    assert newborn.n_obs >= 6
    for counts, kind in zip(newborn.X.toarray(), newborn.obs["cell_type"], strict=True):
        assert np.corrcoef(np.sqrt(counts), np.sqrt(table[kind]))[0, 1] > 0.9


def test_cells_respond_as_the_strangers_model_says(strangers: Strangers) -> None:
    gene = open_run(strangers.run).readouts["gene_mean"].sel(gene="ISG15", compartment="dish", replicate=0)
    t_cells = gene.sel(cell_type="T cell").to_numpy()  # counts per 10,000; the table: 8, fully treated about 170
    assert t_cells[0] < 20
    assert (np.diff(t_cells) > 0).all()
    assert 60 < t_cells[-1] < 250


@pytest.mark.usefixtures("behind_the_door")
def test_a_strangers_plugin_keeps_the_contract() -> None:
    assert check_process(registry.plugin("renewal")) == []
    assert check_process(registry.plugin("renewal"), {"cycle": "1 h", "lifespan": "30 min", "limit": 1}) == []


@pytest.mark.usefixtures("behind_the_door")
def test_a_strangers_model_leaves_untouched_cells_alone_and_moves_the_others() -> None:
    model = registry.model("table")
    n = 400
    ids, context = np.arange(n, dtype=np.uint64), np.zeros(n, np.intp)
    streams = Streams(0, 0, 0)
    depth = model.depths(context, ids, streams)
    untouched = Condition(ids, context, depth, np.zeros((n, 1)), np.full((n, 1), np.nan), np.ones(n))
    dosed = Condition(ids, context, depth, np.full((n, 1), 0.02), np.full((n, 1), 6.0), np.ones(n))
    counts, z = model.sample(untouched, streams)
    assert (model.perturb(counts, untouched, streams) != counts).nnz == 0
    assert (model.transition(counts, z, dosed, 0.0, 1.0, streams)[0] != counts).nnz == 0
    gene = model.genes.index("ISG15")
    moved = model.perturb(counts, dosed, streams)[:, [gene]].sum() / counts[:, [gene]].sum()
    law = model.expected(z, dosed, [gene]).mean() / model.expected(z, untouched, [gene]).mean()
    assert moved == pytest.approx(law, rel=0.1)
