"""Built tissues run: cells know their niche, readouts are taken by it, measured transcriptomes are drawn."""

from pathlib import Path

import anndata as ad
import networkx as nx
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from twin_viz.tissue import read_view

from twin.cli.graph import graph
from twin.engine.plan import check_file
from twin.engine.seeding import seed_body
from twin.engine.simulation import simulate
from twin.engine.world import World, build_world
from twin.errors import InputError, ScenarioError
from twin.model.files import embedded
from twin.results import Run, open_run

DISH = """\
name: spheroids
duration: 4 h
tick: 30 min
seed: 2
world_model: {name: none}
compartments:
  dish:
    organ: tumour
    spacing: 20 um
    cells:
      source: spheroid
      organoids: 2
      diameter: 90 um
      cells: {tumour: 0.8, fibroblast: 0.2}
      zones: {rim: {thickness: 15 um}, core: {}}
  blood: {organ: blood, box: [60 um, 60 um, 60 um], cells: {source: model, count: 5, composition: {fibroblast: 1}}}
substances:
  drug: {diffusivity: 100 um^2/s, initial: 2 nM}
cell_types:
  tumour: {cycle entry: 0.3 /h}
  fibroblast: {cycle entry: 0 /h}
timeline:
  - {do: inject, at: 2 h, cell_type: fibroblast, count: 6, compartment: dish}
processes:
  diffusion: {}
  cycle: {model: live}
  mechanics: {}
observe:
  every: 2 h
  columns: [radius]
  by_group: [niche, organoid, organ, body]
  quantities:
    rim: count(niche=rim)
    first: count(niche=rim, organoid="dish 1")
    size: mean(radius, by=niche)
execution: {commit_every: 2 h}
"""
PATCH = """\
name: patch
duration: 1 h
tick: 30 min
compartments:
  node:
    cells:
      source: monolayer
      width: [60 um, 60 um]
      cells: {CD14 Mono: 0.5, B: 0.5}
      transcriptomes: {file: mine.h5ad, cell_type: kind, where: {arm: control}, types: {CD14 Mono: monocyte}}
processes: {mechanics: {plane: true}}
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("built")
    (folder / "dish.yaml").write_text(DISH, encoding="utf-8")
    loaded, _ = check_file(folder / "dish.yaml")
    simulate(loaded, folder / "run")
    return open_run(folder / "run")


def test_cells_say_their_niche_organoid_and_organ(run: Run) -> None:
    start = run.cells(0.0, compartment="dish").obs
    assert set(start["niche"]) == {"rim", "core"}
    assert set(start["organoid"]) == {"dish 1", "dish 2"}
    assert set(start["organ"]) == {"tumour"}
    assert start.groupby(["organoid", "niche"], observed=True).size().min() > 20
    blood = run.cells(0.0, compartment="blood").obs
    assert "niche" not in blood
    assert set(blood["organoid"]) == {"blood"}


def test_daughters_are_in_their_mothers_niche_and_who_is_put_in_is_in_none(run: Run) -> None:
    births = run.lineage(compartment="dish").query("event == 'birth'")
    kept = [run.cells(hour, compartment="dish").obs for hour in (0.0, 2.0, 4.0)]
    group = {int(i): int(g) for cells in kept for i, g in zip(cells["id"], cells["group"], strict=True)}
    lines = [(int(a), int(b)) for a, b in zip(births["id"], births["parent"], strict=True)]
    known = [(child, mother) for child, mother in lines if child in group and mother in group]
    assert len(known) > 20
    assert all(group[child] == group[mother] for child, mother in known)
    end = kept[-1]
    injected = end[end["birth"].eq(2.0) & end["parent"].eq(end["id"])]
    assert len(injected) == 6
    assert injected["niche"].isna().all()
    assert set(injected["organoid"]) <= {"dish 1", "dish 2"}


def test_readouts_by_group_are_those_of_their_cells(run: Run) -> None:
    end = run.readouts.isel(replicate=0, time=-1)
    dish, blood = (run.cells(4.0, compartment=name).obs for name in ("dish", "blood"))
    found = end["n_by_group"].to_series()
    assert found["body"] == len(dish) + len(blood)
    assert found["tumour"] == len(dish)
    assert found["blood/blood"] == len(blood)
    for (organoid, niche), cells in dish.groupby(["organoid", "niche"], observed=True):
        assert found[f"tumour/{organoid}/{niche}"] == len(cells)
        radius = end["column_mean_by_group"].sel(group=f"tumour/{organoid}/{niche}", column="radius")
        assert float(radius) == pytest.approx(cells["radius"].mean())
    np.testing.assert_allclose(end["concentration_by_group"], 2.0, rtol=1e-9)
    assert float(end["rim"]) == (dish["niche"] == "rim").sum()
    assert float(end["first"]) == found["tumour/dish 1/rim"]
    size = end["size"].sel(niche=["rim", "core"]).values
    np.testing.assert_allclose(size, [dish["radius"][dish["niche"] == n].mean() for n in ("rim", "core")])


def test_the_body_is_one_tree_with_its_cells_counted_and_can_be_written(run: Run, tmp_path: Path) -> None:
    tree = run.body_tree(0.0)
    assert nx.is_arborescence(tree)
    assert tree.nodes["body"]["n_cells"] == tree.nodes["tumour"]["n_cells"] + 5
    below = [tree.nodes[n]["n_cells"] for n in tree.successors("tumour/dish 1")]
    assert tree.nodes["tumour/dish 1"]["n_cells"] == sum(below)
    file = tmp_path / "groups.graphml"
    graph(run.path, file, "groups")
    back = nx.read_graphml(file)
    assert back.nodes["tumour/dish 2/core"]["kind"] == "niche"
    assert back.number_of_nodes() == tree.number_of_nodes()


def test_a_picture_shows_niches_in_the_box_that_the_shape_asked_for(run: Run) -> None:
    view = read_view(run, (0.0,), "niche", "none", "dish")
    assert view.coloring.categories == ("core", "rim")
    np.testing.assert_allclose(view.box, [[0.0] * 3, run.attrs["boxes_um"]["dish"]])
    assert "box" not in run.scenario["compartments"]["dish"]


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("observe.quantities.rim=count(niche=rimm)", "no niche is called 'rimm'; did you mean rim?"),
        ("compartments.dish.box=[100 um, 100 um, 100 um]", "the box has 100 um"),
        ("compartments.dish.cells.zones.rim.thickness=60 um", "leave nothing for 'core'"),
        ("compartments.dish.cells.diametre=60 um", "did you mean 'diameter'"),
        ("compartments.dish.cells.source=spheroyd", "'spheroyd' is none of"),
        ("world_model.name=still", "no cell type of the world model is called 'tumour'"),
        ("observe.by_group=[nich]", "none of"),
        ("compartments.dish={volume: 1 uL, cells: {source: spheroid, count: 9, cells: tumour}}", "pool has no shape"),
    ],
)
def test_what_is_wrong_with_a_built_tissue_is_told_before_it_runs(tmp_path: Path, override: str, words: str) -> None:
    (tmp_path / "dish.yaml").write_text(DISH, encoding="utf-8")
    with pytest.raises(ScenarioError, match=words):
        check_file(tmp_path / "dish.yaml", (override,))


def test_readouts_of_niches_need_niches(tmp_path: Path) -> None:
    (tmp_path / "dish.yaml").write_text(DISH, encoding="utf-8")
    plain = "compartments.dish={box: [90 um, 90 um, 90 um], cells: {source: model, count: 9, composition: {tumour: 1}}}"
    with pytest.raises(ScenarioError, match=r"by_group: no compartment has niches"):
        check_file(tmp_path / "dish.yaml", (plain, "observe.quantities={}", "timeline=[]"))


def write_cells(folder: Path) -> sp.csr_matrix:
    """Write mine.h5ad: ten cells of two types and two arms, and the scenario; return the counts."""
    genes = embedded().focused(["B", "CD14 Mono"]).genes[:60]
    counts = sp.csr_matrix(np.random.default_rng(1).poisson(8.0, (20, 60)).astype(np.int32))
    kind = ["monocyte", "B"] * 10
    arm = ["control"] * 12 + ["treated"] * 8
    names = [f"c{i}" for i in range(20)]
    obs = pd.DataFrame({"kind": kind, "arm": arm, "donor": [f"d{i % 3}" for i in range(20)]}, index=names)
    folder.mkdir(parents=True, exist_ok=True)
    ad.AnnData(counts, obs=obs, var=pd.DataFrame(index=genes)).write_h5ad(folder / "mine.h5ad")
    (folder / "patch.yaml").write_text(PATCH, encoding="utf-8")
    return counts


def world_of(folder: Path, *sets: str) -> World:
    loaded, plan = check_file(folder / "patch.yaml", sets)
    return build_world(loaded, plan.whole, plan.processes)


def test_built_cells_take_the_counts_of_measured_cells_of_their_type(tmp_path: Path) -> None:
    counts = write_cells(tmp_path).toarray()
    world = world_of(tmp_path)
    home = seed_body(world, 0).compartments["node"]
    model = world.models["node"]
    rows = {tuple(counts[i]): i for i in range(12)}  # the control arm alone
    own = home.expression.counts(slice(0, home.cells.n), home.cells.id)
    genes = [model.genes.index(g) for g in embedded().focused(["B", "CD14 Mono"]).genes[:60]]
    taken = np.array([rows[tuple(row)] for row in own[:, genes].toarray()])
    kinds = home.cells.type_names()
    assert home.cells.n > 30
    assert all((taken[i] % 2 == 0) == (kinds[i] == "CD14 Mono") for i in range(len(taken)))
    assert len(set(taken.tolist())) > 6  # with replacement, of twelve
    donors = np.asarray(home.cells.names["donor"])[home.cells.donor]
    assert donors.tolist() == [f"d{i % 3}" for i in taken]
    again = seed_body(world, 0).compartments["node"]
    other = seed_body(world, 1).compartments["node"]
    np.testing.assert_array_equal(home.cells.depth, again.cells.depth)
    assert (home.cells.depth != other.cells.depth).any()


def test_a_type_without_measured_cells_is_refused(tmp_path: Path) -> None:
    write_cells(tmp_path)
    with pytest.raises(ScenarioError, match=r"transcriptomes: \S+ has no cell of the type 'CD14 Mono'.*; it has "):
        check_file(tmp_path / "patch.yaml", ("compartments.node.cells.transcriptomes.types={}",))
    with pytest.raises(ScenarioError, match=r"no cell has arm = 'mock'"):
        check_file(tmp_path / "patch.yaml", ("compartments.node.cells.transcriptomes.where.arm=mock",))


def test_real_cells_stand_in_a_built_lymph_node(tmp_path: Path, data_folder: Path) -> None:
    """Measured blood cells of eight donors in follicle, T cell zone and sinus."""
    file = data_folder / "kang2018_pbmc_ifnb.h5ad"
    real = ad.read_h5ad(file, backed="r").obs
    cells = f"""{{source: lymphoid_patch, size: [80 um, 30 um, 110 um], follicle_diameter: 60 um,
        centre_diameter: 30 um, germinal_centre: B, mantle: B, t_zone: {{CD4 Naive T: 1, CD8 T: 1}}, sinus: CD14 Mono,
        transcriptomes: {{file: {file}, where: {{condition: control}}}}}}"""
    write_cells(tmp_path)
    loaded, plan = check_file(tmp_path / "patch.yaml", (f"compartments.node.cells={cells}",), allow_outside=True)
    world = build_world(loaded, plan.whole, plan.processes)
    home = seed_body(world, 0).compartments["node"]
    total = np.concatenate([c.token for c in home.expression.chunks])
    assert home.cells.n > 100
    assert len(total) / home.cells.n > 200  # genes a cell
    donors = set(np.asarray(home.cells.names["donor"])[home.cells.donor])
    assert donors <= set(real["donor"].astype(str))
    assert len(donors) > 3
    assert any("of the file's" in note for note in world.notes)


def test_cells_that_do_not_fit_are_told_by_their_compartment(tmp_path: Path) -> None:
    write_cells(tmp_path)
    crowded = "compartments.node.cells={source: spheroid, diameter: 50 um, count: 900, cells: B}"
    with pytest.raises(InputError, match=r"compartments\.node\.cells: 900 cells of radius 5 um would fill"):
        seed_body(world_of(tmp_path, crowded), 0)
