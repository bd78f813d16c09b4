"""Processes of the whole body: what they keep, which cells they move, pools and models of compartments."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from tests.engine.tiny import TINY
from twin.conformance import check_process
from twin.conformance.trial import make_scenario, make_view
from twin.engine.loop import advance
from twin.engine.measure import Moment
from twin.engine.observe import layout_of, observe_body
from twin.engine.plan import check_file
from twin.engine.seeding import seed_body
from twin.engine.simulation import simulate
from twin.engine.world import World, build_world
from twin.errors import RunError, ScenarioError
from twin.process import (
    CONCENTRATION,
    Add,
    At,
    BodyProcess,
    BodyUpdate,
    Keep,
    Move,
    Phase,
    Port,
    ProcessConfig,
    Structure,
    View,
)
from twin.results import load_state, open_run, save_state
from twin.state.stores import Store

TALLY = Store("tally", "1", (("compartment", ("node", "blood")), ("what", ("steps", "cells"))), initial=0.0)


def document(**sections: Any) -> dict[str, Any]:
    patch = json.loads(json.dumps(TINY["compartments"]))["patch"]
    patch["cells"]["count"] = 40
    return {
        **TINY,
        "compartments": {"node": patch, "blood": {"volume": "5 uL", "organ": "blood"}},
        "observe": {"every": "1 h", "genes": ["ISG15"]},
        **sections,
    }


def world_of(folder: Path, *processes: BodyProcess, **sections: Any) -> World:
    file = folder / "two.yaml"
    file.write_text(json.dumps(document(**sections)))
    loaded, plan = check_file(file)
    world = build_world(loaded, plan.whole, plan.processes)
    own = tuple((type(p).__name__.lower(), p) for p in processes)
    shared = dict(world.names["node"])  # cells may go from one to the other
    names = dict.fromkeys(world.names, shared)
    context = dict.fromkeys(world.context, world.context["node"])
    return replace(world, processes=own, names=names, context=context)


class Counter(BodyProcess):
    """Counts its steps and the cells of each compartment."""

    class Config(ProcessConfig):
        """Nothing to set."""

    stores: ClassVar[tuple[Store, ...]] = (TALLY,)
    phase: ClassVar[Phase] = Phase.TRANSPORT

    def step_body(self, views: Mapping[str, View], dt: float) -> Iterable[BodyUpdate]:
        old = next(iter(views.values())).stores["tally"]
        now = [[before[0] + 1, view.n_cells] for before, view in zip(old, views.values(), strict=True)]
        return [Keep("tally", np.array(now, dtype=np.float64))]


class Leaver(BodyProcess):
    """Sends the first five cells to the blood, and a nanomolar of every substance into it."""

    class Config(ProcessConfig):
        """Nothing to set."""

    writes: ClassVar[tuple[Port, ...]] = (CONCENTRATION,)
    phase: ClassVar[Phase] = Phase.TRANSPORT

    def step_body(self, views: Mapping[str, View], dt: float) -> Iterable[BodyUpdate]:
        blood = views["blood"]
        yield At("blood", Add(CONCENTRATION, np.ones_like(blood["concentration"])))
        yield Move("node", np.arange(min(5, views["node"].n_cells)), "blood")


def test_a_store_is_kept_read_and_written_with_the_state(tmp_path: Path) -> None:
    world = world_of(tmp_path, Counter(Counter.Config()))
    body = seed_body(world, 0)
    for _ in range(3):
        advance(world, body, 0)
    np.testing.assert_array_equal(body.stores["tally"], [[3, 40], [3, 0]])
    save_state(body, tmp_path / "state.safetensors")
    again = load_state(tmp_path / "state.safetensors")
    np.testing.assert_array_equal(again.stores["tally"], body.stores["tally"])
    assert again.compartments["blood"].well_mixed
    assert not again.compartments["node"].well_mixed
    layout = layout_of(world)
    (variable,) = [v for v in layout.variables if v.name == "tally"]
    assert variable.dims == ("compartment", "what")
    assert list(layout.coords["what"]) == ["steps", "cells"]
    seen = observe_body(world, body, None, Moment(world, body, ()))
    np.testing.assert_array_equal(seen["tally"], body.stores["tally"])


def test_cells_go_over_with_all_that_they_are(tmp_path: Path) -> None:
    world = world_of(tmp_path, Leaver(Leaver.Config()))
    body = seed_body(world, 0)
    node, blood = body.compartments["node"], body.compartments["blood"]
    ids = node.cells.id.copy()
    before = {
        int(i): (node.cells.take(np.array([k])), node.expression.rows(np.array([k]), ids)) for k, i in enumerate(ids)
    }
    advance(world, body, 0)
    advance(world, body, 0)
    assert (node.cells.n, blood.cells.n) == (30, 10)
    assert set(map(int, node.cells.id)) | set(map(int, blood.cells.id)) == set(map(int, ids))
    assert blood.contacts.shape == (10, 10)
    assert blood.contacts.nnz == 0
    for row, i in enumerate(blood.cells.id):
        old, counts = before[int(i)]
        now = blood.cells.take(np.array([row]))
        for column in ("cell_type", "donor", "depth", "z", "dose", "time_since", "ec50_factor", "radius", "parent"):
            np.testing.assert_array_equal(getattr(now, column), getattr(old, column), err_msg=column)
        there = blood.expression.rows(np.array([row]), blood.cells.id)
        assert (there != counts).nnz == 0
    low, high = np.zeros(3), blood.grid.size
    assert ((blood.cells.position >= low) & (blood.cells.position <= high)).all()
    assert set(node.lineage.event) == {"left for blood"}
    assert set(blood.lineage.event) == {"came from node"}
    np.testing.assert_allclose(blood.concentration, 2.0)


class Undecided(Leaver):
    """Sends three cells away of which one dies and one divides in the same tick."""

    def step_body(self, views: Mapping[str, View], dt: float) -> Iterable[BodyUpdate]:
        if views["node"].tick == 0:
            yield Move("node", np.arange(3), "blood")
            yield At("node", Structure(die=np.array([0]), divide=np.array([1])))


def test_who_dies_or_divides_does_not_travel(tmp_path: Path) -> None:
    world = world_of(tmp_path, Undecided(Leaver.Config()))
    body = seed_body(world, 0)
    third = int(body.compartments["node"].cells.id[2])
    advance(world, body, 0)
    assert list(map(int, body.compartments["blood"].cells.id)) == [third]
    assert body.compartments["node"].cells.n == 40 - 1 + 1 - 1


@pytest.mark.parametrize(
    ("update", "told"),
    [
        (Keep("tally", np.zeros(3)), "in the shape"),
        (Keep("tally", np.full((2, 2), np.nan)), "not finite"),
        (Keep("tale", np.zeros(3)), "no process declares"),
        (Move("node", np.array([99]), "blood"), "has 40 cells"),
        (Move("node", np.array([1]), "brain"), "'brain'"),
        (Move("node", np.array([1]), "blood", np.zeros((2, 3))), "places of the shape"),
        (Move("blood", np.array([], np.intp), "node", np.zeros((0, 2))), "places of the shape"),
        (Move("node", np.array([1]), "node", np.full((1, 3), 99.0)), "not in the box of node"),
        (Move("node", np.array([1]), "node", np.full((1, 3), np.nan)), "not in the box of node"),
        (Move("node", np.array([3, 3]), "blood"), "moves a cell of node twice"),
        (At("brain", Structure()), "'brain'"),
        (Structure(), "no At, Move or Keep"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_plugins_name(tmp_path: Path, update: Any, told: str) -> None:
    class Wrong(Counter):
        """Gives one update."""

        def step_body(self, views: Mapping[str, View], dt: float) -> Iterable[BodyUpdate]:
            return [update]

    world = world_of(tmp_path, Wrong(Counter.Config()))
    with pytest.raises(RunError, match=told) as caught:
        advance(world, seed_body(world, 0), 0)
    assert "'wrong'" in str(caught.value)


def test_a_fault_of_a_body_process_is_told_with_its_name(tmp_path: Path) -> None:
    class Broken(Counter):
        """Breaks."""

        def step_body(self, views: Mapping[str, View], dt: float) -> Iterable[BodyUpdate]:
            raise ValueError("out of order")

    world = world_of(tmp_path, Broken(Counter.Config()))
    with pytest.raises(RunError, match="plugin 'broken' failed in the body at 0 h: ValueError: out of order"):
        advance(world, seed_body(world, 0), 0)


def test_stores_that_two_keep_or_label_otherwise_are_refused() -> None:
    from twin.engine.order import port_faults

    class Other(Counter):
        """Labels the axis otherwise."""

        stores: ClassVar[tuple[Store, ...]] = (Store("other", "1", (("what", ("a",)),)),)

    one = Counter(Counter.Config())
    assert any("keeps a store 'tally', and so does one" in fault for _, fault in port_faults({"one": one, "two": one}))
    faults = port_faults({"one": one, "two": Other(Counter.Config())})
    assert any("labels the axis 'what'" in fault for _, fault in faults)


def test_a_pool_is_one_voxel_of_its_volume_and_mechanics_leaves_it_alone(tmp_path: Path) -> None:
    file = tmp_path / "pool.yaml"
    file.write_text(json.dumps(document()))
    loaded, plan = check_file(file)
    assert "blood (of blood): well mixed, 5e-06 L, no cells" in plan.describe()
    world = build_world(loaded, plan.whole, plan.processes)
    body = seed_body(world, 0)
    blood = body.compartments["blood"]
    assert blood.grid.shape == (1, 1, 1)
    assert blood.grid.voxel_volume == pytest.approx(5e9, rel=1e-11)
    advance(world, body, 0)
    assert blood.cells.n == 0


def test_a_pool_with_a_box_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "pool.yaml"
    both = {"volume": "5 L", "box": ["10 um"] * 3}
    file.write_text(json.dumps(document(compartments={**document()["compartments"], "blood": both})))
    with pytest.raises(ScenarioError, match="give a box, or the volume"):
        check_file(file)


@pytest.mark.parametrize(("volume", "message"), [("-5 L", "a volume is > 0"), ("5 kg", "'5 kg' is not a volume")])
def test_a_pool_of_no_volume_is_refused_once_at_its_key(tmp_path: Path, volume: str, message: str) -> None:
    file = tmp_path / "pool.yaml"
    file.write_text(json.dumps(document(compartments={**document()["compartments"], "blood": {"volume": volume}})))
    with pytest.raises(ScenarioError, match=message) as refused:
        check_file(file)
    assert [fault.key for fault in refused.value.faults] == ["compartments.blood.volume"]


def test_places_in_a_pool_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "pool.yaml"
    cells = {**TINY["compartments"]["patch"]["cells"], "place": {"CD14 Mono": {"x": ["0 um", "9 um"]}}}  # type: ignore[index]
    homes = {**document()["compartments"], "blood": {"volume": "5 L", "cells": cells}}
    file.write_text(json.dumps(document(compartments=homes)))
    with pytest.raises(ScenarioError, match="a well-mixed pool has no places"):
        check_file(file)


MIXED = {
    "graft": {"box": ["60 um", "40 um", "40 um"], "cells": TINY["compartments"]["patch"]["cells"]},  # type: ignore[index]
    "host": {
        "box": ["40 um", "40 um", "40 um"],
        "species": "mouse",
        "world_model": {"name": "none"},
        "cells": {"source": "model", "count": 12, "composition": {"enterocyte": 1}, "radius": {"default": "4 um"}},
    },
}


def test_tissues_of_two_world_models_and_species_run_side_by_side(tmp_path: Path) -> None:
    file = tmp_path / "mixed.yaml"
    sections = {**TINY, "duration": "1 h", "compartments": MIXED}
    sections["observe"] = {**TINY["observe"], "quantities": {"isg": "mean(gene:ISG15, compartment=graft)"}}  # type: ignore[dict-item]
    file.write_text(json.dumps(sections))
    loaded, plan = check_file(file)
    assert plan.model.name == "default"
    assert "world model of graft: default (14,0" in plan.describe()
    assert "world model of host: none (0 genes, 1 cell types; " in plan.describe()
    world = build_world(loaded, plan.whole, plan.processes)
    assert [len(model.genes) > 0 for model in world.models.values()] == [True, False]
    out = tmp_path / "run"
    simulate(loaded, out)
    run = open_run(out)
    graft, host = (run.cells("1 h", compartment=name) for name in ("graft", "host"))
    assert graft.n_vars > 1000
    assert host.n_vars == 0
    assert run.genes == tuple(graft.var_names)
    assert set(host.obs["species"]) == {"mouse"}
    assert set(host.obs["cell_type"]) == {"enterocyte"}
    genes = run.readouts["gene_mean"].sel(gene="ISG15").isel(replicate=0, time=-1)
    assert np.isfinite(genes.sel(compartment="graft", cell_type="CD14 Mono"))
    assert np.isnan(genes.sel(compartment="host", cell_type="enterocyte"))
    assert np.isfinite(run.readouts["isg"].isel(replicate=0, time=-1))
    assert run.attrs["models"]["host"]["name"] == "none"
    alone = tmp_path / "alone"
    file.write_text(json.dumps({**sections, "compartments": {"graft": MIXED["graft"]}}))
    simulate(check_file(file)[0], alone)
    same = open_run(alone).cells("1 h")
    assert (graft.X != same.X).nnz == 0  # what stands beside it changes no cell


def test_a_gene_that_no_model_has_is_a_fault_and_one_that_some_has_is_none(tmp_path: Path) -> None:
    file = tmp_path / "mixed.yaml"
    wrong = {**TINY, "compartments": MIXED, "observe": {"genes": ["ISG15", "ISG51"]}}
    file.write_text(json.dumps(wrong))
    with pytest.raises(ScenarioError, match="ISG51") as caught:
        check_file(file)
    assert "'ISG15'" not in str(caught.value)
    wrong = {**TINY, "compartments": {**MIXED, "host": {**MIXED["host"], "world_model": {"name": "defualt"}}}}
    file.write_text(json.dumps(wrong))
    with pytest.raises(ScenarioError, match=r"compartments\.host\.world_model\.name: no model is called 'defualt'"):
        check_file(file)


def test_a_body_of_one_compartment_gets_what_is_for_it(tmp_path: Path) -> None:
    process = Counter(Counter.Config())
    view = make_view(make_scenario(), stores={"tally": np.zeros((1, 2))})
    (kept,) = process.step(view, 1.0)
    assert isinstance(kept, Keep)
    np.testing.assert_array_equal(kept.value, [[1, 6]])


class OneTally(BodyProcess):
    """Counts its steps."""

    class Config(ProcessConfig):
        """Nothing to set."""

    stores: ClassVar[tuple[Store, ...]] = (Store("steps", "1"),)
    phase: ClassVar[Phase] = Phase.TRANSPORT

    def step_body(self, views: Mapping[str, View], dt: float) -> Iterable[BodyUpdate]:
        return [Keep("steps", next(iter(views.values())).stores["steps"] + 1)]


class Forgetful(OneTally):
    """Keeps what it did not declare, and nothing that is a number."""

    def step_body(self, views: Mapping[str, View], dt: float) -> Iterable[BodyUpdate]:
        return [Keep("stepps", np.zeros(())), Keep("steps", np.zeros(2)), Keep("steps", np.array(np.inf))]


def test_the_suite_for_plugins_knows_stores() -> None:
    assert check_process(OneTally) == []
    faults = check_process(Forgetful)
    assert len(faults) == 3 * 5
    for told in ("not among its stores", "its store has ()", "not finite"):
        assert any(told in fault for fault in faults)
