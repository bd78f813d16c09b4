"""The death plugin: competing hazards, bodies cleared on time, necrosis for want of oxygen."""

from typing import Any

import numpy as np
import pytest
from twin_death import Death

from twin.conformance import UniformModel, check_process, make_scenario, make_view
from twin.process import APOPTOSIS, Set, Update, View
from twin.verification.tissue import Tissue

OXYGEN = {"oxygen": {"diffusivity": "1e5 um^2/min", "decay": "0.1 /min", "solubility": "1.3 uM/mmHg"}}


def columns(n: int) -> dict[str, np.ndarray]:
    return {name: np.zeros(n) for name in ("death_phase", "death_time", "rupture_volume")}


def given(updates: list[Update], port: str) -> np.ndarray:
    (value,) = [u.value for u in updates if isinstance(u, Set) and u.port.name == port]
    return np.asarray(value)


def step(view: View, dt: float = 0.5, **config: Any) -> list[Update]:
    return list(Death(Death.Config.model_validate(config)).step(view, dt))


def test_it_keeps_the_contract() -> None:
    assert check_process(Death) == []
    low = {"substance": "oxygen"}
    assert check_process(Death, {"hypoxia": low}, scenario=make_scenario(substances=OXYGEN)) == []


def test_hazards_of_all_processes_add_and_compete() -> None:
    n = 20_000
    scenario = make_scenario(cell_types={"default": {"apoptosis": "0.1 /h", "necrosis": "0.2 /h"}})
    rates = {"apoptosis": np.full(n, 0.3), "necrosis": np.full(n, 0.2)}
    view = make_view(scenario, types=[0] * n, rates=rates, extra=columns(n))
    updates = step(view, 1.0)
    died = ~given(updates, "alive")
    chance = 1 - np.exp(-0.8)
    assert abs(died.mean() - chance) < 5 * np.sqrt(chance * (1 - chance) / n)
    necrotic = given(updates, "death_phase")[died] == 2.0
    assert abs(necrotic.mean() - 0.5) < 5 * np.sqrt(0.25 / died.sum())
    assert (given(updates, "death_phase")[~died] == 0).all()


def test_a_hazard_of_nothing_kills_nobody_and_one_without_end_all() -> None:
    view = make_view(extra=columns(6))
    assert given(step(view), "alive").all()
    sure = make_view(extra=columns(6), rates={APOPTOSIS.name: np.full(6, 1e9)})
    assert not given(step(sure), "alive").any()


@pytest.mark.parametrize("tick", ["6 min", "1 h", "3 h"])
def test_an_apoptotic_body_is_cleared_on_time_whatever_the_tick(tick: str) -> None:
    tissue = Tissue(20, {"death": {}}, tick=tick, cell_types={"cell": {"apoptosis": "1e12 /h"}})
    step_length = tissue.world.scenario.tick
    tissue.run(round(8.6 / step_length - 0.5))
    assert tissue.home.cells.n == 20
    assert not tissue.home.cells.alive.any()
    tissue.run(1)
    assert tissue.home.cells.n == 0
    assert set(tissue.home.lineage.event) == {"death: apoptosis"}


def test_a_necrotic_body_swells_to_twice_its_volume_bursts_dries_up_and_goes() -> None:
    words = {"cell": {"necrosis": "1e9 /h"}}
    settings = {"death": {"necrosis_time": "20 h"}, "volume": {}}
    tissue = Tissue(2, settings, cell_types=words)
    first = tissue.home.cells.volume[0]
    largest, seen = first, []
    for _ in range(400):
        tissue.run(1)
        if not tissue.home.cells.n:
            break
        seen.append((tissue.time, tissue.home.cells.volume[0] / first, tissue.column("death_phase")[0]))
        largest = max(largest, tissue.home.cells.volume[0])
    burst = next(t for t, _, phase in seen if phase == 3.0)
    assert 2.0 <= largest / first < 2.0 * np.exp(0.67 * 0.1)  # at most a tick late
    assert seen[-1][1] < 0.9 * largest / first  # it dries up
    assert burst + 20 - 0.11 <= tissue.time <= burst + 20 + 0.11


def test_the_want_of_oxygen_kills_by_necrosis_and_says_so_in_millimetres_of_mercury() -> None:
    n = 4000
    scenario = make_scenario(substances=OXYGEN)
    low = {"substance": "oxygen", "threshold": "5 mmHg", "full": "2.5 mmHg", "rate": "2 /h"}
    for pressure, hazard in ((6.0, 0.0), (5.0, 0.0), (3.75, 1.0), (2.0, 2.0), (0.0, 2.0)):
        view = make_view(scenario, types=[0] * n, concentration=pressure * 1300.0, extra=columns(n))
        updates = step(view, 0.5, hypoxia=low)
        chance = 1 - np.exp(-hazard * 0.5)
        died = ~given(updates, "alive")
        assert abs(died.mean() - chance) <= 5 * np.sqrt(chance * (1 - chance) / n)
        assert (given(updates, "death_phase")[died] == 2.0).all()


@pytest.mark.parametrize(
    ("low", "told"),
    [
        ({"substance": "oxigen"}, "hypoxia.substance: no substance is called 'oxigen'"),
        ({"substance": "oxygen", "threshold": "1 mmHg"}, "full 2.5 mmHg is not below threshold 1 mmHg"),
        ({"substance": "dry"}, "needs the solubility of dry"),
    ],
)
def test_an_oxygen_that_cannot_be_is_told(low: dict[str, str], told: str) -> None:
    scenario = make_scenario(substances=OXYGEN | {"dry": {"diffusivity": "1 um^2/s"}})
    (fault,) = Death.check(Death.Config.model_validate({"hypoxia": low}), scenario, UniformModel())
    assert told in fault


def test_a_mother_that_dies_does_not_divide() -> None:
    short = [{"name": "all", "duration": "1 h", "fixed": True, "divides": True}]
    words = {"cell": {"apoptosis": "1e12 /h"}}
    tissue = Tissue(4, {"cycle": {"phases": short}, "death": {}, "volume": {}}, tick="0.5 h", cell_types=words).run(4)
    assert tissue.home.cells.n == 4
    assert "birth" not in tissue.home.lineage.event


def test_no_cells_run_too() -> None:
    tissue = Tissue(0, {"cycle": {}, "death": {}, "volume": {}, "mechanics": {}}).run(3)
    assert tissue.home.cells.n == 0
