"""The process `transport`: amounts of whole organs are kept, and cells leave by the law of their receptors."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from twin_transport import Transport
from twin_transport.circulation import Circulation
from twin_transport.traffic import departures, hazard

from twin.conformance import check_process
from twin.conformance.trial import UniformModel, make_scenario, make_view
from twin.engine.world import substances_of
from twin.kernels.diffusion import diffuse
from twin.process import At, Keep, Move, View
from twin.scenario.schema import Scenario
from twin.state.fields import Grid

DT = 0.5
HOMES: dict[str, Any] = {
    "blood": {"volume": "5 mL"},
    "node": {"box": ["50 um", "40 um", "30 um"], "cells": {"source": "model", "count": 6}},
}
FLOWS = [
    {"from": "blood", "to": "node", "flow": "20 mL/h"},
    {"from": "node", "to": "blood", "flow": "20 mL/h"},
]
SUBSTANCES = {"IFNB1": {"diffusivity": "30 um^2/s"}, "IL6": {"diffusivity": "30 um^2/s"}}
BOTH = {"cell_types": ["T cell", "Monocyte"], "from": "blood", "to": "node", "rate": "2 /h"}


def scenario_of(**organs: Any) -> Scenario:
    return make_scenario(compartments=HOMES, substances=SUBSTANCES, organs=organs)


def views_of(scenario: Scenario, model: UniformModel | None = None, n: int = 4, **more: Any) -> dict[str, View]:
    """Blood of n cells of the first two types in turns, and a node with a field that differs in every voxel."""
    model = model or UniformModel()
    blood = make_view(scenario, model, types=[i % 2 for i in range(n)], **more)
    pool = Grid((1, 1, 1), 5e12 ** (1 / 3))
    shape = (len(scenario.substances), 1, 1, 1)
    flat = {"concentration": np.full(shape, 3.0)}
    blood = replace(
        blood,
        compartment="blood",
        grid=pool,
        arrays={**blood.arrays, **flat},
        rates={"source": 0 * flat["concentration"]},
    )
    node = make_view(scenario, model, types=(0, 1))
    field = np.random.default_rng(1).random(node["concentration"].shape)
    node = replace(node, compartment="node", arrays={**node.arrays, "concentration": field})
    return {"blood": blood, "node": node}


def amounts(scenario: Scenario, fields: Mapping[str, Any]) -> Any:
    volume = {"blood": 5.0, "node": 0.1}  # mL
    return sum(volume[name] * field.mean(axis=(1, 2, 3)) for name, field in fields.items())


def stepped(scenario: Scenario, views: Mapping[str, View]) -> tuple[dict[str, Any], dict[str, Any], list[Move]]:
    """Fields after a step, stores, moves."""
    process = Transport.made_for(Transport.Config(), scenario)
    stores = {store.name: store.fresh() for store in process.stores}
    given = list(process.step_body({name: replace(v, stores=stores) for name, v in views.items()}, DT))  # type: ignore[attr-defined]
    fields = {name: view["concentration"].copy() for name, view in views.items()}
    for update in given:
        if isinstance(update, At):
            fields[update.compartment] += update.update.value  # type: ignore[union-attr]
    kept = {u.store: u.value for u in given if isinstance(u, Keep)}
    return fields, kept, [u for u in given if isinstance(u, Move)]


def test_amounts_of_the_whole_body_are_kept_to_rounding() -> None:
    scenario = scenario_of(volumes={"node": "0.1 mL"}, flows=FLOWS, partition={"IL6": {"node": 4}})
    views = views_of(scenario)
    before = amounts(scenario, {name: view["concentration"] for name, view in views.items()})
    for _ in range(20):
        after, kept, _ = stepped(scenario, views)
        views = {
            name: replace(view, arrays={**view.arrays, "concentration": after[name]}) for name, view in views.items()
        }
    np.testing.assert_allclose(amounts(scenario, after), before, rtol=1e-13)
    assert not kept
    assert all((field >= 0).all() for field in after.values())
    level = [after["node"].mean(axis=(1, 2, 3)) / [1, 4], after["blood"].mean(axis=(1, 2, 3))]
    np.testing.assert_allclose(level[0], level[1], rtol=1e-10)  # one c/K everywhere
    np.testing.assert_allclose(after["node"][1], after["node"][1].mean(), rtol=1e-10)


def test_what_is_cleared_is_counted_by_organ_and_substance() -> None:
    scenario = scenario_of(volumes={"node": "0.1 mL"}, flows=FLOWS, clearance={"IFNB1": {"node": "1 mL/h"}})
    views = views_of(scenario)
    before = amounts(scenario, {name: view["concentration"] for name, view in views.items()})
    after, kept, _ = stepped(scenario, views)
    lost = before - amounts(scenario, after)
    np.testing.assert_allclose(kept["substance_cleared"][1], lost / 1000, rtol=1e-10, atol=1e-15)  # nM·mL → nmol
    assert kept["substance_cleared"][1, 0] > 0
    assert not kept["substance_cleared"][0].any()
    assert not kept["substance_cleared"][:, 1].any()


def test_what_cells_release_is_washed_out_while_it_comes() -> None:
    """An organ that blood flushes 200 times an hour holds what its source keeps up, not what a tick has released."""
    scenario = scenario_of(volumes={"node": "0.1 mL"}, flows=FLOWS)
    views = views_of(scenario)
    nothing = {name: 0 * view["concentration"] for name, view in views.items()}
    released = {name: field + (8.0 * DT if name == "node" else 0) for name, field in nothing.items()}  # 8 nM/h
    grids = {name: view.grid for name, view in views.items()}
    made = Circulation(scenario, views["blood"].substances, grids)
    after, _ = made.step(released, released, DT)  # the field holds what has been released
    brought = 0.1 * 8.0 * DT / 5.1  # nM: all of it, spread over both
    held = 8.0 / (20 / 0.1) * (5.0 / 5.1) ** 2  # f/k above the blood
    assert after["node"].mean() - after["blood"].mean() == pytest.approx(held * 5.1 / 5.0, rel=1e-3)
    np.testing.assert_allclose(amounts(scenario, after), 5.1 * brought, rtol=1e-13)
    at_once, _ = made.step(released, nothing, DT)
    assert at_once["node"].mean() == pytest.approx(at_once["blood"].mean(), rel=1e-9)


SLAB = {
    "box": ["100 um", "100 um", "40 um"],
    "spacing": "20 um",
    "cells": {"source": "vessel_slab", "cells": {"T cell": 1.0}, "vessels": {"along": "z"}},
}
GRIDS = {"blood": Grid((1, 1, 1), 5e12 ** (1 / 3)), "node": Grid((2, 5, 5), 20.0)}


def slab_of(diffusivity: str, flow: str) -> tuple[Scenario, Circulation]:
    """Return blood of 5 mL, and a node of 0.1 mL of which vessels reach some voxels only."""
    flows = [{**way, "flow": flow} for way in FLOWS]
    scenario = make_scenario(
        compartments={"blood": HOMES["blood"], "node": SLAB},
        substances={name: {"diffusivity": diffusivity} for name in SUBSTANCES},
        organs={"volumes": {"node": "0.1 mL"}, "flows": flows},
    )
    return scenario, Circulation(scenario, substances_of(scenario), GRIDS)


def after_hours(made: Circulation, fields: dict[str, Any], hours: float, ticks: int) -> dict[str, Any]:
    """Return the fields after some ticks of diffusion, then flow, as a run takes them."""
    substances = substances_of(made.scenario)
    dt, nothing = hours / ticks, {name: 0 * field for name, field in fields.items()}
    for _ in range(ticks):
        node = diffuse(fields["node"], substances.diffusivity, substances.decay, dt, 20.0)
        fields, _ = made.step({**fields, "node": node}, nothing, dt)
    return fields


def test_a_tissue_whose_blood_reaches_some_voxels_only_exchanges_there() -> None:
    scenario, made = slab_of("0 um^2/s", "20 mL/h")
    fields = {"blood": np.full((2, 1, 1, 1), 3.0), "node": np.ones((2, 2, 5, 5))}
    after, _ = made.step(fields, {name: 0 * field for name, field in fields.items()}, DT)
    touched = after["node"][0] != 1.0
    assert 0 < touched.mean() < 1
    np.testing.assert_allclose(amounts(scenario, after), amounts(scenario, fields), rtol=1e-13)


def test_what_vessels_bring_is_between_them_in_the_same_tick() -> None:
    """Blood that passes 400 times an hour, and diffusion over 100 um in minutes: the tissue follows at any tick."""
    scenario, made = slab_of("100 um^2/s", "40 mL/h")
    fields = {"blood": np.full((2, 1, 1, 1), 3.0), "node": np.zeros((2, 2, 5, 5))}
    after = after_hours(made, fields, DT, 1)
    assert after["node"].min() > 0.97 * after["blood"].mean()
    assert after["node"].max() <= after["blood"].mean() * (1 + 1e-9)
    np.testing.assert_allclose(amounts(scenario, after), amounts(scenario, fields), rtol=1e-12)
    back = after_hours(made, {"blood": 0 * fields["blood"], "node": fields["node"] + 5.0}, DT, 1)
    assert back["node"].max() < 0.04 * 5.0 + back["blood"].mean()
    assert back["node"].min() >= 0.0
    np.testing.assert_allclose(amounts(scenario, back), 0.1 * 5.0, rtol=1e-12)


def test_slow_vessels_give_nearly_the_same_at_any_tick() -> None:
    """Where the flow limits, an eighth of the tick comes to the same; where diffusion does, to a sixth of it."""
    start = np.random.default_rng(2).random((2, 2, 5, 5))
    for diffusivity, flow, close in (("100 um^2/s", "0.05 mL/h", 0.02), ("0.05 um^2/s", "20 mL/h", 0.17)):
        _, made = slab_of(diffusivity, flow)
        fields = {"blood": np.full((2, 1, 1, 1), 3.0), "node": start}
        means = [after_hours(made, fields, 4.0, ticks)["node"].mean() for ticks in (8, 64)]
        assert means[0] == pytest.approx(means[1], rel=close)
        assert means[1] > 1.1 * start.mean()


def test_cells_leave_by_the_law_of_competing_hazards() -> None:
    """1 − exp(−Σ h dt) of them, each way in proportion to its hazard; five sigma of 20,000 cells."""
    n, rates = 20_000, (0.7, 0.2)
    homes = {**HOMES, "spleen": HOMES["node"]}
    traffic = [{**BOTH, "rate": "0.7 /h"}, {**BOTH, "to": "spleen", "rate": "0.2 /h"}]
    scenario = make_scenario(compartments=homes, organs={"traffic": traffic})
    views = views_of(scenario, n=n)
    left = departures({**views, "spleen": views["node"]}, DT)
    gone = 1 - np.exp(-sum(rates) * DT)
    for target, rate in zip(("node", "spleen"), rates, strict=True):
        share = gone * rate / sum(rates)
        rows = left["blood", target]
        assert abs(len(rows) - n * share) < 5 * np.sqrt(n * share * (1 - share))
        assert abs((rows % 2).mean() - 0.5) < 5 * 0.5 / np.sqrt(len(rows))
    assert not set(left["blood", "node"]) & set(left["blood", "spleen"])


def test_only_living_cells_of_the_types_travel() -> None:
    scenario = scenario_of(traffic=[{**BOTH, "cell_types": ["Monocyte"], "rate": "1e9 /h"}])
    views = views_of(scenario, n=6, alive=np.array([True, True, True, False, True, True]))
    assert departures(views, DT)["blood", "node"].tolist() == [1, 5]
    quiet = scenario_of(traffic=[{**BOTH, "rate": "0 /h"}])
    assert not departures(views_of(quiet, n=6), DT)


def test_a_receptor_gates_by_its_expected_rate_and_a_knock_out_closes_it() -> None:
    rates = {("T cell", "CD3D"): 30.0, ("Monocyte", "CD3D"): 10.0}
    gate = {"receptor": "CD3D", "half_max": 10, "power": 2}
    scenario = scenario_of(traffic=[{**BOTH, "homing": gate}])
    views = views_of(scenario, UniformModel(rates=rates), clamp={(2, 4): 0.0, (3, 4): 0.5})
    assert scenario.organs is not None
    (way,) = scenario.organs.traffic
    half = 2.0 * 25 / (25 + 100)  # a knock-down to a half
    np.testing.assert_allclose(hazard(views, way), [2 * 900 / 1000, 2 * 0.5, 0.0, half], rtol=1e-12)


def test_the_scarcest_of_several_receptors_limits() -> None:
    rates = {("T cell", "CD3D"): 30.0, ("T cell", "ISG15"): 5.0}
    scenario = scenario_of(traffic=[{**BOTH, "homing": {"receptor": ["CD3D", "ISG15"], "half_max": 5}}])
    assert scenario.organs is not None
    views = views_of(scenario, UniformModel(rates=rates), n=1)
    np.testing.assert_allclose(hazard(views, scenario.organs.traffic[0]), [2 * 5 / 10])


def test_a_ligand_draws_cells_to_where_it_is() -> None:
    gate = {"receptor": "CD3D", "half_max": 1e-9, "ligand": "IL6", "ligand_half_max": "0.5 nM"}
    scenario = scenario_of(traffic=[{**BOTH, "homing": gate}])
    assert scenario.organs is not None
    views = views_of(scenario)
    held = views["node"]["concentration"][1].mean()
    np.testing.assert_allclose(hazard(views, scenario.organs.traffic[0]), 2 * held / (held + 0.5), rtol=1e-9)
    empty = replace(views["node"], arrays={**views["node"].arrays, "concentration": views["node"]["concentration"] * 0})
    assert not hazard({**views, "node": empty}, scenario.organs.traffic[0]).any()


def test_who_leaves_does_not_hang_on_the_order_of_rows() -> None:
    scenario = scenario_of(traffic=[BOTH])
    views = views_of(scenario, n=50)
    order = np.random.default_rng(0).permutation(50)
    cellwise = {k: a if k == "concentration" else a[order] for k, a in views["blood"].arrays.items()}
    turned = replace(views["blood"], arrays=cellwise, clamp=views["blood"].clamp[order])
    one, other = (departures({**views, "blood": view}, DT)["blood", "node"] for view in (views["blood"], turned))
    np.testing.assert_array_equal(views["blood"].ids[one], turned.ids[other])
    moves = stepped(scenario, views)[2]
    assert [(m.source, m.target, m.tally) for m in moves] == [("blood", "node", ("cells_moved", 0))]


def test_it_says_where_blood_is_faster_than_the_step() -> None:
    reception = [{"substance": "IFNB1", "perturbation": "IFNB1", "receptor": [], "uptake": "1e3 um^3/h"}]
    organs = {"volumes": {"node": "0.1 mL"}, "flows": FLOWS}
    more: dict[str, Any] = {"compartments": HOMES, "substances": SUBSTANCES, "organs": organs}
    told = [
        " ".join(Transport.made_for(Transport.Config(), made).assumptions(made, UniformModel()))
        for made in (make_scenario(**more), make_scenario(**more, signalling={"reception": reception}))
    ]
    assert "faster than a step of 0.5 h sees (times an hour: blood 4, node 200)" in told[1]
    assert "faster" not in told[0]
    assert all("compartments stand for whole organs, of which they are: blood 1, node 6e-07" in text for text in told)


def test_it_keeps_the_contract_with_cells_that_travel() -> None:
    clearance = {"IFNB1": {"node": "1e4 um^3/h"}}
    scenario = make_scenario(organs={"clearance": clearance})
    assert check_process(Transport, scenario=scenario) == []
    assert "add the section organs" in check_process(Transport, scenario=make_scenario())[0]
