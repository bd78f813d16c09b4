"""Cells of the shipped model travel by their receptors, with all that they are; other species only get substances."""

from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from twin.engine.loop import advance
from twin.engine.plan import check_file
from twin.engine.seeding import seed_body
from twin.engine.segments import world_of
from twin.engine.simulation import run
from twin.engine.world import World
from twin.errors import InputError
from twin.results import load_state, save_state
from twin.state.body import Body
from twin.state.cells import DENSE_COLUMNS

HOMING = """\
name: homing
duration: 4 h
tick: 30 min
seed: 2
compartments:
  blood:
    volume: 5 L
    cells: {source: model, count: 90, composition: {CD4 Naive T: 60, CD14 Mono: 30}}
  node:
    box: [60 um, 60 um, 60 um]
    spacing: 20 um
    cells: {source: model, count: 4, composition: {B: 1}, radius: {default: 4 um}}
substances:
  IFNB1: {from_table: IFNB1}
organs:
  traffic:
    - from: blood
      to: node
      rate: 2 /h
      cell_types: [CD4 Naive T, CD14 Mono]
      homing: {receptor: CCR7, half_max: 5, power: 2}
timeline:
  - {do: knock_out, at: 0 h, gene: CCR7, compartment: blood, fraction: 0.5}
processes: {dosing: {}, transport: {}}
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    file = tmp_path_factory.mktemp("homing") / "homing.yaml"
    file.write_text(HOMING)
    loaded, _ = check_file(file)
    return world_of(loaded, None)


def after(world: World, ticks: int) -> Body:
    body = seed_body(world, 0)
    for _ in range(ticks):
        advance(world, body, 0)
    return body


def test_a_knock_out_of_ccr7_keeps_t_cells_in_the_blood(world: World) -> None:
    """Free naive T cells leave at 2/h × 0.9 to 1, monocytes hardly at all, T cells without CCR7 not at all."""
    body = after(world, 6)
    gene = world.model.genes.index("CCR7")
    blood, node = (body.compartments[name].cells for name in ("blood", "node"))
    assert blood.n + node.n == 94
    out = blood.clamp.tocsr()[:, [gene]]
    knocked = np.diff(out.indptr) > 0  # 0 is stored
    naive = blood.type_names() == "CD4 Naive T"
    assert knocked[naive].sum() > 20
    assert (naive & ~knocked).sum() <= 5
    came = node.type_names()[4:]
    assert (came == "CD4 Naive T").sum() > 20
    assert (came == "CD14 Mono").sum() <= 5
    assert not np.diff(node.clamp.tocsr()[:, [gene]].indptr).any()
    assert body.stores["cells_moved"].tolist() == [len(came)]


def test_a_cell_takes_all_that_it_is_with_it(world: World, tmp_path: Path) -> None:
    start = after(world, 0)
    blood = start.compartments["blood"]
    gene = world.model.genes.index("MX1")
    blood.cells.dose[:] = np.arange(blood.cells.dose.size).reshape(blood.cells.dose.shape) / 7
    blood.cells.time_since[:] = 1.5
    factors = sp.lil_array((blood.cells.n, len(world.model.genes)))
    factors[:, gene] = 0.25
    blood.cells.clamp = sp.csr_array(factors)
    ids = {int(i): row for row, i in enumerate(blood.cells.id)}
    before, counts = blood.cells.take(np.arange(90)), blood.expression.to_counts(blood.cells.id)
    advance(world, start, 0)
    node = start.compartments["node"]
    rows = np.arange(4, node.cells.n)
    assert len(rows) > 5
    old = np.array([ids[int(i)] for i in node.cells.id[rows]])
    for name in set(DENSE_COLUMNS) - {"position", "group", "cell_type"}:
        np.testing.assert_array_equal(getattr(node.cells, name)[rows], getattr(before, name)[old], err_msg=name)
    np.testing.assert_array_equal(node.cells.type_names()[rows], before.type_names()[old])
    np.testing.assert_array_equal(node.expression.to_counts(node.cells.id)[rows].toarray(), counts[old].toarray())
    assert (node.cells.clamp[rows][:, [gene]].toarray() == 0.25).all()
    assert (node.cells.position[rows] >= 0).all()
    assert (node.cells.position[rows] <= 60).all()
    events = [(i, event) for i, event in zip(node.lineage.id, node.lineage.event, strict=True)]
    assert {(int(i), "came from blood") for i in node.cells.id[rows]} == set(events)
    save_state(start, tmp_path / "state.safetensors")
    again = load_state(tmp_path / "state.safetensors")
    assert dict(again.network.edges) == dict(start.network.edges)
    np.testing.assert_array_equal(again.stores["cells_moved"], start.stores["cells_moved"])


MIXED = """\
name: mixed
duration: 2 h
tick: 30 min
compartments:
  blood:
    volume: 2 mL
    species: human
    cells: {source: model, count: 20, composition: {CD4 Naive T: 1}}
  node:
    box: [40 um, 40 um, 40 um]
    spacing: 20 um
    species: human
    cells: {source: model, count: 4, composition: {CD4 Naive T: 1}, radius: {default: 4 um}}
  graft:
    box: [60 um, 60 um, 60 um]
    spacing: 20 um
    species: mouse
    world_model: {name: measured}
    cells: {source: h5ad, file: graft.h5ad, radius: {default: 4 um}}
  scaffold:
    box: [40 um, 40 um, 40 um]
    spacing: 20 um
    world_model: {name: none}
    cells: {source: model, count: 4, composition: {bead: 1}, radius: {default: 4 um}}
substances:
  IFNB1: {diffusivity: 30 um^2/s}
organs:
  volumes: {node: 0.1 mL, graft: 0.2 mL, scaffold: 0.1 mL}
  flows:
    - {from: blood, to: node, flow: 1 mL/h}
    - {from: node, to: blood, flow: 1 mL/h}
    - {from: blood, to: graft, flow: 2 mL/h}
    - {from: graft, to: blood, flow: 2 mL/h}
    - {from: blood, to: scaffold, flow: 1 mL/h}
    - {from: scaffold, to: blood, flow: 1 mL/h}
  traffic:
    - {from: blood, to: node, rate: 1 /h, cell_types: [CD4 Naive T], homing: {receptor: CCR7, half_max: 5}}
signalling:
  secretion: [{substance: IFNB1, by: [bead], rate: 1e6 molecules/h}]
  reception: [{substance: IFNB1, perturbation: IFNB1, receptor: [IFNAR1, IFNAR2]}]
processes: {secretion: {}, diffusion: {}, transport: {}, exposure: {}, transition: {}}
observe: {every: 1 h, genes: [ISG15]}
"""


TRANSPLANT = """\
name: transplant
duration: 30 min
tick: 30 min
world_model: {name: measured}
compartments:
  graft:
    box: [60 um, 60 um, 60 um]
    spacing: 20 um
    cells: {source: h5ad, file: graft.h5ad, radius: {default: 4 um}}
  blood:
    volume: 2 mL
    cells: {source: model, count: 5, composition: {enterocyte: 1}}
organs:
  traffic: [{from: graft, to: blood, rate: 2 /h, cell_types: [enterocyte]}]
processes: {transport: {}}
"""


def write_graft(folder: Path) -> None:
    draw = np.random.default_rng(0)
    counts = sp.csr_matrix(draw.poisson(3, (30, 50)).astype(np.float32))
    names = [f"c{i}" for i in range(30)]
    obs = pd.DataFrame({"cell_type": "enterocyte", "donor": ["d1", "d2"] * 15}, index=names)
    var = pd.DataFrame(index=[f"Gene{i}" for i in range(50)])
    ad.AnnData(counts, obs=obs, var=var).write_h5ad(folder / "graft.h5ad")


def test_measured_cells_keep_their_donors_where_they_come(tmp_path: Path) -> None:
    write_graft(tmp_path)
    file = tmp_path / "transplant.yaml"
    file.write_text(TRANSPLANT)
    body = after(world_of(check_file(file)[0], None), 1)
    graft, blood = (body.compartments[name].cells for name in ("graft", "blood"))
    donors = [cells.names["donor"][code] for cells in (graft, blood) for code in cells.donor]
    assert (graft.n + blood.n, donors.count("d1"), donors.count("d2"), donors.count("sampled")) == (35, 15, 15, 5)
    assert {blood.names["donor"][code] for code in blood.donor} == {"sampled", "d1", "d2"}
    file.write_text(TRANSPLANT + "variation: {batch: {depth: 0.1}}\n")
    with pytest.raises(InputError, match="cells travel between graft, blood, whose donors differ"):
        world_of(check_file(file)[0], None)


def test_tissues_of_several_models_and_species_exchange_substances_only(tmp_path: Path) -> None:
    """Beads without transcriptomes release a cytokine; human T cells feel it, mouse cells as measured stand in it."""
    write_graft(tmp_path)
    file = tmp_path / "mixed.yaml"
    file.write_text(MIXED)
    made = run(file, tmp_path / "run")
    data = made.readouts.load().isel(replicate=0, substance=0)
    total = data["substance_amount"].sum("compartment")
    volume = {"blood": 2.0, "node": 0.1, "graft": 0.2, "scaffold": 0.1}  # mL
    rate = 4 * 1e6 / 602214.076 / 64e3 * 1e6 * volume["scaffold"] * 1e-3  # nmol/h
    np.testing.assert_allclose(total, rate * data["time"], rtol=1e-9)
    assert (data["concentration_mean"].isel(time=-1) > 0).all()
    n = data["n_cells"].sum("cell_type").isel(time=-1)
    assert {name: int(n.sel(compartment=name)) for name in ("graft", "scaffold")} == {"graft": 30, "scaffold": 4}
    assert int(n.sum()) == 58
    assert int(data["cells_moved"].isel(time=-1).sum()) == int(n.sel(compartment="node")) - 4 > 3
    felt = made.cells(compartment="node").obs["dose_IFNB1"]
    assert (felt > 0).all()
    assert made.cells(compartment="graft").n_vars == 50
    assert list(made.cells(compartment="graft").obs["species"].unique()) == ["mouse"]
    assert set(made.organ_graph()) == set(volume)
