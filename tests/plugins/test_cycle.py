"""The cycle plugin: phases by chance, on time and at a size; arrest; division."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from twin_cycle import Cycle
from twin_cycle.crowding import crowding
from twin_cycle.models import CYCLES, CycleChoice

from twin.conformance import UniformModel, check_process, make_scenario, make_view
from twin.process import Rate, Set, Structure, Update, View
from twin.verification.tissue import Tissue

FIXED = [
    {"name": "G0/G1", "duration": "7 h", "fixed": True},
    {"name": "S", "duration": "6 h", "fixed": True, "grows": True},
    {"name": "G2/M", "duration": "5 h", "fixed": True, "divides": True},
]


def stepped(config: dict[str, Any], dt: float = 0.5, view: View | None = None, **columns: Any) -> list[Update]:
    zero = np.zeros(6)
    extra = {"cycle_phase": zero, "cycle_time": zero, "cycle_lag": zero} | columns
    view = view or make_view(extra=extra)
    return list(Cycle(Cycle.Config.model_validate(config)).step(view, dt))


def given(updates: list[Update], port: str) -> np.ndarray:
    (value,) = [u.value for u in updates if isinstance(u, Set | Rate) and u.port.name == port]
    return np.asarray(value)


@pytest.mark.parametrize(
    "config",
    [
        {"model": "ki67_advanced", "start": "mixed"},
        {"phases": FIXED, "axis": "flat", "inhibition": [{"by": "free_area", "threshold": 0.9}]},
        {"model": "flow_cytometry", "inhibition": [{"by": "pressure", "threshold": 0.1}], "inhibited": ["S"]},
        {"types": {"T cell": {"model": "none"}, "Monocyte": {"phases": FIXED}}},
    ],
)
def test_it_keeps_the_contract(config: dict[str, Any]) -> None:
    assert check_process(Cycle, config) == []


@pytest.mark.parametrize("model", [name for name in CYCLES if name != "none"])
def test_each_model_has_the_mean_length_of_its_phases(model: str) -> None:
    """A renewal of many lines: the mean time to the first division is the sum of the mean phases before it."""
    tissue = Tissue(400, {"cycle": {"model": model}}, tick="1 h")
    expected = 0.0
    for phase in CycleChoice(model=model).cycle:
        assert phase.duration is not None
        expected += phase.duration
        if phase.divides:
            break
    times: list[float] = []
    while len(times) < 800 and tissue.time < 500:  # two daughters a founder
        cells = tissue.run(1).home.cells
        old = cells.parent == cells.id
        times += list(tissue.time - tissue.column("cycle_lag")[~old])
        _keep(tissue, np.flatnonzero(old))
    found = np.array(times)
    assert len(found) == 800
    assert abs(found.mean() - expected) < 5 * found.std() / 20 + 1e-6


def _keep(tissue: Tissue, rows: NDArray[np.intp]) -> None:
    """Take all but these cells out of the tissue."""
    home = tissue.home
    home.cells, home.expression = home.cells.take(rows), home.expression.rebuild(rows)
    home.contacts, home.rates = home.contacts[rows][:, rows], {}


def test_fixed_phases_last_exactly_so_long_over_generations() -> None:
    tissue = Tissue(1, {"cycle": {"phases": FIXED}}, tick="0.7 h")
    counts = []
    for _ in range(130):
        tissue.run(1)
        counts.append((tissue.time, tissue.home.cells.n))
    for generation in range(1, 6):
        first = next(t for t, n in counts if n == 2**generation)
        assert 18 * generation - 1e-9 <= first < 18 * generation + 0.7 + 1e-9


def test_each_type_has_its_cycle_and_the_dead_have_none() -> None:
    config = {"phases": FIXED, "types": {"Monocyte": {"model": "none"}}}
    time = np.full(6, 4.9)
    alive = np.array([True, False, True, True, True, True])
    view = make_view(extra={"cycle_phase": np.full(6, 2.0), "cycle_time": time, "cycle_lag": np.zeros(6)}, alive=alive)
    updates = stepped(config, view=view)
    (structure,) = [u for u in updates if isinstance(u, Structure)]
    assert structure.divide.tolist() == [0, 4, 5]  # 1 is dead, 2 and 3 are monocytes
    assert given(updates, "cycle_phase")[[0, 4, 5]].tolist() == [0, 0, 0]
    assert given(updates, "cycle_lag")[0] == pytest.approx(0.4)


def test_a_cell_grows_from_its_s_phase_until_it_divides() -> None:
    phases = np.array([0.0, 1.0, 2.0, 0.0, 0.0, 0.0])
    growth = given(stepped({"phases": FIXED}, cycle_phase=phases), "growth")
    assert growth.tolist() == [0, 1, 1, 0, 0, 0]
    dividing = stepped({"phases": FIXED}, cycle_phase=phases, cycle_time=np.full(6, 4.8))
    assert given(dividing, "growth").tolist() == [0, 1, 1, 0, 0, 0]  # also in the tick in which it divides
    assert CycleChoice(model="ki67_advanced").grown == (False, True, False)


def test_rates_come_from_the_scenario_and_from_rules() -> None:
    rule = {
        "cell_type": "T cell",
        "signal": "IFNB1",
        "response": "increases",
        "behaviour": "cycle entry",
        "saturation": "1 /h",
        "half_max": "1 nM",
    }
    scenario = make_scenario(cell_types={"T cell": {"cycle entry": "0 /h"}}, rules=[rule])
    shift = np.array([[0.0], [1e6], [0.0], [0.0], [0.0], [0.0]])
    zero = {"cycle_phase": np.zeros(6), "cycle_time": np.zeros(6), "cycle_lag": np.zeros(6)}
    view = make_view(scenario, rates={"behaviour": shift}, extra=zero)
    (structure,) = [u for u in stepped({"model": "live"}, 1e-3, view) if isinstance(u, Structure)]
    assert structure.divide.tolist() == [1]
    told = Cycle.check(Cycle.Config(), make_scenario(rules=[rule]), UniformModel())
    assert len(told) == 1
    assert "write it under cell_types, like T cell: {cycle entry: 0.0432 /h}" in told[0]
    assert Cycle.check(Cycle.Config(), scenario, UniformModel()) == []


def test_proliferation_multiplies_and_nothing_of_it_is_an_arrest() -> None:
    rates = {"proliferation": np.array([0.0, 1.0, 2.0, 1.0, 0.0, 2.0])}
    columns = {"cycle_phase": np.full(6, 2.0), "cycle_time": np.full(6, 2.6), "cycle_lag": np.zeros(6)}
    view = make_view(rates=rates, extra=columns)
    (structure,) = [u for u in stepped({"phases": FIXED}, 0.5, view) if isinstance(u, Structure)]
    assert structure.divide.tolist() == [2, 5]  # 5 h are 2.5 h for them
    (structure,) = [u for u in stepped({"phases": FIXED}, 100.0, view) if isinstance(u, Structure)]
    assert structure.divide.tolist() == [1, 2, 3, 5]


def test_crowding_is_measured_as_physicell_and_openvt_do() -> None:
    """Six cells of radius 4 in a row, centres 10 apart in the trial view; here 8 wide, so that they touch at 6."""
    middle = np.tile([0.0, 20.0, 15.0], (6, 1))
    middle[:, 0] = 5.0 + 6.0 * np.arange(6)
    view = make_view(position=middle)
    press = (1 - 6 / 8) ** 2 / 0.027288820670331
    np.testing.assert_allclose(crowding(view, "pressure"), press * np.array([1, 2, 2, 2, 2, 1]))
    assert crowding(view, "neighbours").tolist() == [1, 2, 2, 2, 2, 1]
    phi = np.arccos(6 / 8)
    np.testing.assert_allclose(crowding(view, "free_surface")[[0, 1]], 1 - np.sin(phi) / np.pi * np.array([1, 2]))
    lens = phi - np.sin(phi) * np.cos(phi)
    np.testing.assert_allclose(crowding(view, "free_area")[[0, 1]], 1 - lens / np.pi * np.array([1, 2]))


def test_crowded_cells_wait_and_go_on_at_once_when_there_is_room() -> None:
    config = {"phases": FIXED, "inhibition": [{"by": "neighbours", "threshold": 1}]}
    columns = {"cycle_phase": np.zeros(6), "cycle_time": np.full(6, 6.9), "cycle_lag": np.zeros(6)}
    updates = stepped(config, 2.0, make_view(extra=columns))
    assert given(updates, "cycle_phase").tolist() == [1, 0, 0, 0, 0, 1]  # those at the ends have one neighbour
    time = given(updates, "cycle_time")
    np.testing.assert_allclose(time, [1.9, 7, 7, 7, 7, 1.9])
    free = {"cycle_phase": np.zeros(6), "cycle_time": time, "cycle_lag": np.zeros(6)}
    later = stepped({"phases": FIXED}, 0.5, make_view(extra=free))
    np.testing.assert_allclose(given(later, "cycle_time")[1], 0.5)  # the wait is not counted to the next phase


def test_founders_can_begin_anywhere_in_their_cycle() -> None:
    tissue = Tissue(2000, {"cycle": {"phases": FIXED, "start": "mixed"}}, tick="6 min").run(1)
    phase = tissue.column("cycle_phase")[tissue.home.cells.parent == tissue.home.cells.id]
    share = np.bincount(phase.astype(int), minlength=3) / 2000
    np.testing.assert_allclose(share, [7 / 18, 6 / 18, 5 / 18], atol=5 * 0.011)


def test_daughters_do_not_share_a_place_and_part_in_the_plane_where_asked() -> None:
    short = [{"name": "all", "duration": "1 h", "fixed": True, "divides": True}]
    tissue = Tissue(5, {"cycle": {"phases": short, "axis": "flat"}}, tick="0.5 h").run(2)
    cells = tissue.home.cells
    assert cells.n == 10
    for mother in range(5):
        a, b = cells.position[cells.parent == mother]
        assert np.linalg.norm(a - b) == pytest.approx(8.4127 * 0.5 ** (1 / 3))
        assert a[2] == b[2]


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({"phases": [{"name": "x", "duration": "1 h"}]}, "0 phases divide"),
        ({"phases": [{"name": "x", "divides": True}]}, "give one of the two"),
        ({"phases": [{"name": "x", "duration": "1 h", "spread": 0.1, "divides": True}]}, "add fixed: true"),
        ({"model": "live", "phases": FIXED}, "not both"),
        ({"inhibited": ["G9"]}, "no phase is called 'G9'"),
    ],
)
def test_a_cycle_that_cannot_be_is_refused(config: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Cycle.Config.model_validate(config)


def test_a_tick_longer_than_the_cycle_and_an_unknown_type_are_told() -> None:
    short = [{"name": "all", "duration": "0.5 h", "fixed": True, "divides": True}]
    told = Cycle.check(
        Cycle.Config.model_validate({"phases": short, "types": {"B cell": {}}}), make_scenario(), UniformModel()
    )
    assert "shorten the tick" in told[1]
    assert "B cell" in told[0]
