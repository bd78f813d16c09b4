"""The process `sbml`: models with known solutions in the cells of a tissue, by themselves and tied to fields."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.plugins.sbml_texts import BINDING, DECAY, TAKING, sbml
from twin.engine.apply import Pending, apply_structure
from twin.kernels.random import Streams
from twin.process import Structure
from twin.units import MOLECULES_PER_AMOL
from twin.verification.tissue import Tissue

pytest.importorskip("roadrunner")

VOXEL = 20.0**3  # µm³
IFNB1 = {"IFNB1": {"diffusivity": "30 um^2/s", "initial": "3 nM"}}


def tissue(text: str, count: int = 5, processes: dict[str, Any] | None = None, **more: Any) -> Tissue:
    """A tissue of cells with one model `m`; words of the model's section come first."""
    keys = set(more) - {"substances", "cell_types", "rules", "compartments", "tick", "duration", "timeline"}
    model = {"file": "m.xml", "cell_types": ["cell"], **{key: more.pop(key) for key in keys}}
    return Tissue(count, {"sbml": {}} | (processes or {}), models={"m.xml": text}, intracellular={"m": model}, **more)


def amounts(t: Tissue, symbol: str) -> NDArray[np.float64]:
    """Of a species of each cell, amol."""
    return t.column(f"sbml_m_{symbol}") * t.home.cells.volume * 1e-6


def test_a_decay_follows_its_law_in_the_time_of_the_file() -> None:
    t = tissue(DECAY).run(10)  # an hour; the file counts minutes
    np.testing.assert_allclose(t.column("sbml_m_X"), 10 * np.exp(-0.1 * 60), rtol=1e-5)


def test_a_unit_of_time_in_the_scenario_overrides_that_of_the_file() -> None:
    t = tissue(DECAY, time_unit="h").run(10)
    np.testing.assert_allclose(t.column("sbml_m_X"), 10 * np.exp(-0.1), rtol=1e-5)


def test_parameters_and_initial_values_of_the_scenario_hold() -> None:
    t = tissue(DECAY, parameters={"k": 0.02}, initial={"X": 7.0})
    np.testing.assert_array_equal(t.column("sbml_m_X"), 7.0)
    np.testing.assert_allclose(t.run(10).column("sbml_m_X"), 7 * np.exp(-0.02 * 60), rtol=1e-5)


def test_a_receptor_binds_what_the_field_holds() -> None:
    t = tissue(BINDING, inputs={"L": "field:IFNB1"}, concentration_unit="nM", substances=IFNB1).run(10)
    rate = 2.0 * 3.0 + 0.5
    np.testing.assert_allclose(t.column("sbml_m_C"), 100 * 6 / rate * (1 - np.exp(-rate)), rtol=1e-5)
    assert float(t.home.concentration.std()) == 0.0  # an input takes nothing


def test_concentrations_are_converted() -> None:
    t = tissue(BINDING, inputs={"L": "field:IFNB1"}, concentration_unit="0.5 uM", substances=IFNB1).run(10)
    rate = 2.0 * 3.0 / 500 + 0.5
    np.testing.assert_allclose(t.column("sbml_m_C"), 100 * (rate - 0.5) / rate * (1 - np.exp(-rate)), rtol=1e-5)


def test_a_model_may_read_the_time_of_the_run() -> None:
    t = tissue(sbml({"X": 0.0}, {"k": 2.0}, [("", "X", "k * time")])).run(30)
    np.testing.assert_allclose(t.column("sbml_m_X"), 2.0 * 3.0**2 / 2, rtol=1e-5)


TAKEN: dict[str, Any] = {
    "inputs": {"cell": "volume", "medium": "voxel"},
    "exchange": {"L": {"substance": "IFNB1"}},
    "concentration_unit": "nM",
}


def crowded(count: int = 60, **more: Any) -> Tissue:
    """Cells that take a ligand up, several of them in a voxel, and a field that spreads."""
    substances = {"IFNB1": {"diffusivity": "1 um^2/s", "initial": "3 nM"}}
    box: dict[str, Any] = {
        "tissue": {"box": ["80 um"] * 3, "spacing": "20 um", "cells": {"source": "model", "count": count}}
    }
    box["tissue"]["cells"] |= {"composition": {"cell": 1.0}, "radius": {"default": "4 um"}}
    more = {"initial": {"R": 1000.0}, **TAKEN, **more}
    return tissue(TAKING, compartments=box, processes={"diffusion": {}}, substances=substances, **more)


def whole(t: Tissue) -> float:
    """Ligand in the field and on receptors, amol."""
    return float(t.home.concentration.sum()) * VOXEL * 1e-6 + float(amounts(t, "C").sum())


def test_no_molecule_is_lost_between_field_and_cells() -> None:
    t = crowded()
    voxels = t.home.grid.voxel_of(t.home.cells.position)
    assert len(np.unique(voxels)) < len(voxels)  # some share one
    start = whole(t)
    t.run(5)
    assert float(amounts(t, "C").sum()) > 0.3 * start
    assert whole(t) == pytest.approx(start, rel=1e-8)
    rested = t.column("sbml_m_C").copy()
    apply_structure(
        t.home, Pending([("test", Structure(divide=np.arange(5)))]), t.body.tick, Streams(0, 0, t.body.tick)
    )
    assert t.home.cells.n == 65
    np.testing.assert_array_equal(np.sort(t.column("sbml_m_C")), np.sort(np.r_[rested, rested[:5]]))  # concentrations
    assert whole(t) == pytest.approx(start, rel=1e-8)
    t.home.cells.alive[:3] = False
    t.run(5)
    assert whole(t) == pytest.approx(start, rel=1e-8)


def test_alone_in_its_voxel_a_cell_takes_up_as_the_two_volumes_say() -> None:
    """Excess of receptors, no way back: L falls as exp(−on R V_cell/V_voxel t), nearly."""
    one: dict[str, Any] = {
        "tissue": {"box": ["20 um"] * 3, "spacing": "20 um", "cells": {"source": "model", "count": 1}}
    }
    one["tissue"]["cells"] |= {"composition": {"cell": 1.0}, "radius": {"default": "4 um"}}
    substances = {"IFNB1": {"diffusivity": "1 um^2/s", "initial": "0.001 nM"}}
    more: dict[str, Any] = {"compartments": one, "substances": substances, "parameters": {"off": 0.0}}
    t = tissue(TAKING, processes={"diffusion": {}}, **TAKEN, **more).run(10)
    ratio = 4 / 3 * np.pi * 4**3 / VOXEL
    assert float(t.home.concentration.item()) == pytest.approx(0.001 * np.exp(-0.05 * 100 * ratio), rel=1e-4)


def test_the_dead_are_left_as_they_were() -> None:
    t = tissue(DECAY)
    t.home.cells.alive[2] = False
    x = t.run(3).column("sbml_m_X")
    assert x[2] == 10.0
    assert (np.delete(x, 2) < 2).all()


def test_a_membrane_lets_a_substance_through_until_both_sides_are_alike() -> None:
    still = sbml({"X": 0.0}, {}, [("X", "", "0 * X")])
    t = tissue(
        still,
        count=30,
        exchange={"X": {"substance": "IFNB1", "by": "membrane", "rate": "0.7 /h"}},
        concentration_unit="uM",
        processes={"diffusion": {}},
        substances={"IFNB1": {"diffusivity": "1000 um^2/s", "initial": "3 nM"}},
    )
    start = whole_of(t)
    t.run(1)
    volume = t.home.cells.volume[0]
    gained = 3e-3 * (1 - np.exp(-0.7 * (1 + volume / VOXEL) * 0.1)) / (1 + volume / VOXEL)
    x = t.column("sbml_m_X")
    assert x.max() == pytest.approx(gained, rel=1e-9)  # of one that is alone in its voxel
    assert whole_of(t) == pytest.approx(start, rel=1e-12)
    t.run(300)
    np.testing.assert_allclose(t.column("sbml_m_X"), float(t.home.concentration.mean()) * 1e-3, rtol=1e-6)
    assert whole_of(t) == pytest.approx(start, rel=1e-9)


def whole_of(t: Tissue) -> float:
    return float(t.home.concentration.sum()) * VOXEL * 1e-6 + float(amounts(t, "X").sum()) * 1e3


def test_what_is_released_is_in_the_field() -> None:
    made = sbml({"X": 2.0}, {"k": 0.5}, [("X", "", "k * X")])
    out = {"release": {"IFNB1": {"of": "X", "per_unit": "1000 molecules/h"}}}
    nothing = {"IFNB1": {"diffusivity": "30 um^2/s"}}
    t = tissue(made, outputs=out, processes={"diffusion": {}}, substances=nothing).run(20)
    released = 5 * 1000 * 2.0 * (1 - np.exp(-0.5 * 2.0)) / 0.5
    found = float(t.home.concentration.sum()) * VOXEL * 1e-6 * MOLECULES_PER_AMOL
    assert found == pytest.approx(released, rel=1e-3)  # the mean of both ends of a step: second order


def test_a_fast_uptake_is_taken_by_the_step_of_the_field() -> None:
    """First order in the concentration: the field falls as exp(−k t) whatever the tick, 30 lifetimes in one."""
    eats = sbml({"N": 0.0}, {"L": 0.0, "k": 5.0}, [("", "N", "k * L")])
    one: dict[str, Any] = {
        "tissue": {"box": ["20 um"] * 3, "spacing": "20 um", "cells": {"source": "model", "count": 1}}
    }
    one["tissue"]["cells"] |= {"composition": {"cell": 1.0}, "radius": {"default": "4 um"}}
    t = tissue(
        eats,
        inputs={"L": "field:IFNB1"},
        concentration_unit="nM",
        outputs={"uptake": {"IFNB1": {"of": "r0", "per_unit": f"{VOXEL * MOLECULES_PER_AMOL * 1e-6} molecules/h"}}},
        processes={"diffusion": {}},
        substances=IFNB1,
        compartments=one,
        tick="1 h",
    )
    t.run(1)
    assert t.home.concentration.item() == pytest.approx(3.0 * np.exp(-5.0), rel=1e-6)
    t.run(5)
    assert t.home.concentration.item() == pytest.approx(3.0 * np.exp(-30.0), rel=1e-4)


def test_taking_turns_with_diffusion_is_first_order_in_the_step() -> None:
    """A field between cells that consume and none: against steps 64 times as short."""

    def left(ticks: int) -> NDArray[np.float64]:
        one: dict[str, Any] = {
            "tissue": {"box": ["200 um", "20 um", "20 um"], "spacing": "20 um", "cells": {"source": "model"}}
        }
        one["tissue"]["cells"] |= {"count": 5, "composition": {"cell": 1.0}, "radius": {"default": "4 um"}}
        eats = sbml({"L": 0.0}, {"k": 3.0}, [("L", "", "k * L / (1 + L)")], time="hour")
        t = tissue(
            eats,
            exchange={"L": {"substance": "IFNB1"}},
            concentration_unit="nM",
            precision=1e-10,
            compartments=one,
            tick=f"{1.6 / ticks} h",
            duration="10 h",
            processes={"diffusion": {"quasi_steady": "never"}},
            substances={"IFNB1": {"diffusivity": "1000 um^2/h", "initial": "3 nM"}},
        )
        t.home.cells.position[:] = np.stack([10 + 20.0 * np.arange(5), np.full(5, 10.0), np.full(5, 10.0)], axis=1)
        return np.asarray(t.run(ticks).home.concentration.ravel())

    exact = left(256)
    errors = [float(np.abs(left(n) - exact).max()) for n in (8, 16, 32)]
    assert [np.log2(a / b) for a, b in pairwise(errors)] == pytest.approx([1, 1], abs=0.15)
    assert errors[-1] < 0.02


def test_a_behaviour_is_driven() -> None:
    steady = sbml({"X": 0.25}, {}, [("X", "", "0 * X")])
    out = {"behaviours": {"apoptosis": {"of": "X", "per_unit": "2 /h"}}}
    t = tissue(steady, count=400, outputs=out, processes={"death": {}}, **roomy()).run(10)
    chance = np.exp(-0.5 * 1.0)
    assert float(t.home.cells.alive.mean()) == pytest.approx(chance, abs=5 * np.sqrt(chance * (1 - chance) / 400))


def test_a_rule_reads_a_species_of_the_model() -> None:
    rule: dict[str, Any] = {
        "cell_type": "cell",
        "signal": "sbml:m.X",
        "response": "decreases",
        "behaviour": "apoptosis",
    }
    rule |= {"saturation": "0 /h", "half_max": 5.0, "power": 50}
    t = tissue(
        DECAY,
        count=50,
        parameters={"k": 0.05},
        rules=[rule],
        cell_types={"cell": {"apoptosis": "1000 /h"}},
        processes={"rules": {}, "death": {}},
    )
    t.run(1)  # X is 7.4 at the end
    assert t.home.cells.alive.all()
    assert not t.run(3).home.cells.alive.any()  # and 3 now


def test_a_rule_reads_what_an_assignment_rule_computes_and_what_a_type_shares() -> None:
    text = sbml({"X": 10.0}, {"k": 0.05}, [("X", "", "k * X")], rules={"half": "X / 2"}, time="minute")
    rule: dict[str, Any] = {
        "cell_type": "cell",
        "signal": "sbml:m.half",
        "response": "decreases",
        "behaviour": "apoptosis",
    }
    rule |= {"saturation": "0 /h", "half_max": 2.5, "power": 50}
    for per in ("cell", "type"):
        t = tissue(
            text,
            count=20,
            per=per,
            outputs={"columns": ["half"]},
            rules=[rule],
            cell_types={"cell": {"apoptosis": "1000 /h"}},
            processes={"rules": {}, "death": {}},
        )
        assert t.run(1).home.cells.alive.all()
        assert not t.run(3).home.cells.alive.any()


def test_a_type_shares_one_state() -> None:
    t = tissue(BINDING, per="type", inputs={"L": "field:IFNB1"}, concentration_unit="nM", substances=IFNB1).run(10)
    assert not [name for name in t.home.cells.arrays() if name.startswith("sbml_")]
    kept = t.body.stores["sbml_m_C"]
    assert kept.shape == (1, 1)  # (compartment, type)
    rate = 2.0 * 3.0 + 0.5
    assert kept.item() == pytest.approx(100 * 6 / rate * (1 - np.exp(-rate)), rel=1e-5)


def test_cells_differ_by_their_own_factor_and_daughters_inherit_it() -> None:
    t = tissue(DECAY, count=400, spread={"k": 0.4, "X": 0.2}, **roomy()).run(2)
    k, x0 = t.column("sbml_m_spread_k"), t.column("sbml_m_spread_X")
    assert np.log(k).std() == pytest.approx(0.4, abs=5 * 0.4 / np.sqrt(800))
    assert np.log(x0).mean() == pytest.approx(0.0, abs=5 * 0.2 / 20)
    np.testing.assert_allclose(t.column("sbml_m_X"), 10 * x0 * np.exp(-0.1 * k * 12), rtol=1e-5)
    apply_structure(
        t.home, Pending([("test", Structure(divide=np.array([7])))]), t.body.tick, Streams(0, 0, t.body.tick)
    )
    t.run(1)
    np.testing.assert_array_equal(t.column("sbml_m_spread_k")[-2:], k[7])
    np.testing.assert_allclose(t.column("sbml_m_X")[-2:], 10 * x0[7] * np.exp(-0.1 * k[7] * 18), rtol=1e-5)


def roomy() -> dict[str, Any]:
    cells = {"source": "model", "count": 400, "composition": {"cell": 1.0}, "radius": {"default": "5 um"}}
    return {"compartments": {"tissue": {"box": ["200 um"] * 3, "spacing": "20 um", "cells": cells}}}
