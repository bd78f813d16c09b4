"""A checked scenario becomes a plan, or a list of everything that it names and is not there."""

from collections.abc import Callable
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from twin.engine.plan import Plan, check_file
from twin.errors import ScenarioError

pytestmark = pytest.mark.usefixtures("door")

Write = Callable[..., Path]


def plan_of(file: Path, *sets: str) -> Plan:
    return check_file(file, sets)[1]


def faults_of(file: Path, *sets: str) -> list[str]:
    with pytest.raises(ScenarioError) as caught:
        check_file(file, sets)
    return [str(fault) for fault in caught.value.faults]


def test_a_plan_orders_the_processes_by_phase_and_counts_ticks(write: Write, good: str) -> None:
    plan = plan_of(write(good))
    assert [name for name, _ in plan.processes] == ["toy_source", "toy_spread", "toy_feel", "toy_turn"]
    assert plan.every == {"toy_source": 1, "toy_spread": 1, "toy_feel": 4, "toy_turn": 1}
    assert plan.n_ticks == 48
    assert plan.n_cells == {"tissue": 200}
    assert plan.plugins["toy_turn"] == "toy_parts 1.2"
    assert plan.versions["numpy"] == np.__version__


def test_a_plan_says_what_it_takes_for_granted(write: Write, good: str) -> None:
    told = plan_of(write(good)).assumptions
    assert "turning is uniform" in told
    assert "the EC50 of IFNB1 is our choice" in told
    assert any(s.startswith("one measured time (6 h): the model's κ = 3.6 is a convention") for s in told)


def test_the_explanation_names_everything_that_happens(write: Write, good: str) -> None:
    text = plan_of(write(good)).describe()
    for part in (
        "patch: 24 h in 48 ticks of 0.5 h",
        "tissue (of tissue): 200 cells drawn by the world model, box 500 × 60 × 60 µm, 1,800 voxels of 10 µm",
        "√(D/λ) = 395 µm",  # sqrt(30 µm²/s · 3600 / ln 2)
        "1 nM is 602 molecules a voxel",
        "toy_feel     every 4 ticks (2 h); reads concentration; writes dose [toy_parts 1.2]",
        "IFNB through IFNAR1+IFNAR2 → IFNB1 of the world model: trained at 100 U/mL = 0.02 nM after 6 h",
        "turning is uniform",
        "memory: about",
    ):
        assert part in text


def test_everything_that_is_not_there_is_told_at_once_with_the_nearest_name(write: Write, good: str) -> None:
    file = write(
        good,
        ("CD14+ Monocytes: 6 um", "CD14 Monocytes: 6 um"),
        ("[0 um, 100 um]", "[0 um, 600 um]"),
        ("by: [pDC]", "by: [pDCs], gene: IFNB2"),
        ("perturbation: IFNB1", "perturbation: IFNB"),
        ("[IFNAR1, IFNAR2]", "[IFNAR1, IFNAR3]"),
        ("genes: [ISG15]", "genes: [ISG16]"),
        ("[ISG15, MX1]", "[ISG15, MX2]"),
        ("program: interferon", "program: interferom"),
        ("source: pDC", "source: x_lo"),
        ("toy_source: {pause: 2 h}", "toy_sorce: {pause: 2 h}"),
    )
    expected = [
        "line 11, compartments.tissue.cells.radius.CD14 Monocytes: "
        "no cell type is called 'CD14 Monocytes'; did you mean CD14+ Monocytes?",
        "line 12, compartments.tissue.cells.place.pDC.x: 0 to 600 um does not lie inside the box, 0 to 500 um",
        "line 20, signalling.secretion[0].by[0]: no cell type is called 'pDCs'; did you mean pDC?",
        "line 20, signalling.secretion[0].gene: "
        "no gene of the world model is called 'IFNB2'; did you mean IFNB1 or IFNAR2?",
        "line 22, signalling.reception[0].perturbation: "
        "no perturbation of the world model is called 'IFNB'; did you mean IFNB1?",
        "line 22, signalling.reception[0].receptor[1]: "
        "no gene of the world model is called 'IFNAR3'; did you mean IFNAR2 or IFNAR1?",
        "line 27, processes.toy_sorce: no plugin is called 'toy_sorce'; did you mean toy_source",
        "line 30, observe.genes[0]: no gene of the world model is called 'ISG16'; did you mean ISG15?",
        "line 31, observe.programs.interferon[1]: no gene of the world model is called 'MX2'; did you mean MX1?",
        "line 32, observe.response.program: no program under observe is called 'interferom'; did you mean interferon?",
        "line 33, observe.distance.source: "
        "no cell type or wall is called 'x_lo'; did you mean x_low or z_low or y_low?",
    ]
    found = faults_of(file)
    assert len(found) == len(expected)
    assert all(fault.startswith(text) for fault, text in zip(found, expected, strict=True))


def test_faults_of_the_document_hide_no_fault_of_a_plugin(write: Write, good: str) -> None:
    file = write(
        good,
        ("duration: 24 h", "duration: 24"),
        ("toy_source: {pause: 2 h}", "toy_source: {pause: 2, shre: 1}\n  diffusoin: {}\n  toy_hen: 5"),
    )
    assert [fault.partition(":")[0] for fault in faults_of(file)] == [
        "line 2, duration",
        "line 27, processes.toy_source.pause",
        "line 27, processes.toy_source.shre",
        "line 28, processes.diffusoin",
        "line 29, processes.toy_hen",
    ]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("duration=7.3 h", "duration: 7.3 h is no multiple of the tick 0.5 h; 7 or 7.5 h is"),
        ("execution.commit_every=40 min", "execution.commit_every: 0.666667 h is no multiple"),
        ("observe.every=20 min", "observe.every: 0.333333 h is no multiple"),
        ("tick=3 h", "processes.toy_feel.interval: 2 h is no multiple of the tick 3 h"),
        ("compartments.tissue.spacing=7 um", "box[0]: 500 um is no multiple of the spacing 7 um"),
        ("world_model.name=toy_modl", "world_model.name: no model is called 'toy_modl'; did you mean toy_model?"),
        ("substances.IFNB.initial=10 U/mL", "needs the specific activity of IFNB: add specific_activity"),
        ("compartments.tissue.cells.composition={pDCs: 1}", "'pDCs'; did you mean pDC?"),
        ("compartments.tissue.cells.composition={pDC: 0}", "the shares add up to nothing"),
        ("compartments.tissue.cells.count=90000000", "GiB are needed, the limit is 16"),
        ("signalling.secretion.0.substance=IFNA", "no substance is called 'IFNA'; did you mean IFNB?"),
        ("observe.programs={interferon: []}", "a program needs at least one gene"),
        ("processes.toy_wants={}", "reads 'colour', which no process of this scenario writes"),
        ("processes.toy_wants={}", "takes 'radius' as (cell) in nM, but the core has it as (cell) in um"),
        ("processes.toy_turn2={}", "sets 'expression', and so does toy_turn"),
        ("processes={toy_hen: {}, toy_egg: {}}", "wait for each other in a circle: toy_egg → toy_hen → toy_egg"),
        ("processes={toy_turn: {}}", "signalling.secretion: no process releases"),
        ("processes={toy_turn: {}}", "signalling.reception: no process writes the dose"),
        ("timeline=[{do: remove, at: 1 h, cell_types: [pDC]}]", "timeline: no process carries it out"),
        ("timeline=[{do: knock_out, at: 1 h, gene: ISG}]", "timeline[0].gene: no gene of the world model"),
        ("timeline=[{do: wash_out, at: 50 min}]", "timeline[0].at: 0.833333 h is no multiple of the tick"),
        ("processes.toy_dict={}", "is no class derived from twin.process.Process"),
        ("processes.toy_unfinished={}", "lacks step"),
        ("processes.toy_nowhere={}", "cannot be loaded: ModuleNotFoundError: No module named 'toy_no_such_module'"),
        ("observe.every=1 h", "--set observe.every: one hour is too often"),  # toy_spread's own check
    ],
)
def test_what_cannot_be_is_refused_before_the_first_tick(write: Write, good: str, change: str, told: str) -> None:
    assert any(told in fault for fault in faults_of(write(good), change))


def test_a_name_that_two_checks_find_wrong_is_told_once(write: Write, good: str) -> None:
    found = faults_of(write(good, ("{substance: IFNB, by", "{substance: IFNA, by")))
    assert [fault for fault in found if "IFNA'" in fault] == [
        "line 20, signalling.secretion[0].substance: no substance is called 'IFNA'; did you mean IFNB?"
    ]


def test_a_checkpoint_outside_the_folder_needs_the_command_line(write: Write, good: str) -> None:
    outside = write(good, ("{name: toy_model}", "{name: checkpoint, path: ../elsewhere}"))
    assert "lies outside the scenario's folder" in faults_of(outside)[0]
    inside = write(good, ("{name: toy_model}", "{name: checkpoint, path: mine}"))
    assert "line 4, world_model.path: the checkpoint mine is no folder" in faults_of(inside)[0]


@pytest.fixture
def cells(tmp_path: Path) -> Path:
    """Thirty cells of two types, twenty of them controls."""
    obs = pd.DataFrame(
        {
            "kind": pd.Categorical(["pDC", "new type", "pDC"] * 10),
            "condition": pd.Categorical(["control", "control", "treated"] * 10),
        },
        index=[f"c{i}" for i in range(30)],
    )
    data = ad.AnnData(np.ones((30, 2), np.float32), obs=obs, var=pd.DataFrame(index=["ISG15", "MX1"]))
    data.write_h5ad(tmp_path / "cells.h5ad")
    return tmp_path / "cells.h5ad"


MEASURED = (
    "source: model\n      count: 200",
    "source: h5ad\n      file: cells.h5ad\n      cell_type: kind\n      where: {condition: control}",
)


@pytest.mark.usefixtures("cells")
def test_measured_cells_are_counted_and_bring_their_types(write: Write, good: str) -> None:
    file = write(good, MEASURED, ("CD14+ Monocytes: 6 um", "new type: 6 um"))
    assert plan_of(file).n_cells == {"tissue": 20}


@pytest.mark.usefixtures("cells")
@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("file=other.h5ad", "other.h5ad is not there"),
        ("cell_type=knd", "no obs column is called 'knd'; did you mean kind?"),
        ("where={condition: ctrl}", "no cell has condition = 'ctrl'; found control, treated"),
        ("where={state: ctrl}", "no obs column is called 'state'"),
        ("count=21", "21 cells are asked for, the file has 20"),
        ("spatial=true", "has no obsm['spatial']"),
    ],
)
def test_measured_cells_that_are_not_there_are_told(write: Write, good: str, change: str, told: str) -> None:
    file = write(good, MEASURED)
    assert any(told in fault for fault in faults_of(file, f"compartments.tissue.cells.{change}"))


def test_a_truncated_file_of_cells_is_one_sentence(write: Write, good: str, cells: Path) -> None:
    cells.write_bytes(cells.read_bytes()[:1500])
    found = faults_of(write(good, MEASURED))
    assert any("is it cut short or of another format?" in fault for fault in found)
    assert all("\n" not in fault for fault in found)
