"""The interactions plugin: attack and death on minutes, meals, mergers, attachments, changes of type."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from twin_interactions import Interactions
from twin_interactions.pairs import rows_of, split_ids
from twin_interactions.springs import pulled

from twin.conformance import UniformModel, check_process, make_scenario, make_view
from twin.process import Add, Rate, Set, Structure, Update, View
from twin.verification.tissue import Tissue

WORDS: dict[str, dict[str, str | float]] = {
    "T cell": {
        "attack Monocyte": "2 /h",
        "attack duration": "1000 h",
        "phagocytose apoptotic cell": "1 /h",
        "fuse to Dendritic": "0.5 /h",
    },
    "Monocyte": {"transform to Dendritic": "0.1 /h", "damage repair rate": "0.5 /h"},
    "default": {"cell attachment rate": "1 /h"},
}
PROCESSES: dict[str, Any] = {"processes": {"interactions": {}, "death": {}, "volume": {}}}


def couples(n: int, words: dict[str, Any], types: tuple[int, int] = (0, 1), **more: Any) -> View:
    """Return n couples, each a cell of either type that touches nobody else."""
    first = 2 * np.arange(n)
    pairs = (np.ones(2 * n), (np.r_[first, first + 1], np.r_[first + 1, first]))
    zero = np.zeros(2 * n)
    extra = {"damage": zero, "attack_time": zero, "damage_delivered": zero, "attack_target": np.zeros((2 * n, 2))}
    extra |= {"attached": np.zeros((2 * n, 24)), "death_phase": zero, "native_volume": zero} | more.pop("extra", {})
    scenario = make_scenario(cell_types=words, **PROCESSES)
    view = make_view(scenario, types=list(types) * n, extra=extra, **more)
    return replace(view, contacts=sp.csr_array(pairs, shape=(2 * n, 2 * n)))


def step(view: View, dt: float = 1.0, **config: Any) -> list[Update]:
    settings = Interactions.Config.model_validate(config)
    return list(Interactions.made_for(settings, view.scenario).step(view, dt))


def given(updates: list[Update], port: str) -> np.ndarray:
    (value,) = [u.value for u in updates if isinstance(u, Set | Rate | Add) and u.port.name == port]
    return np.asarray(value)


def died(updates: list[Update], cause: str) -> list[int]:
    return [int(row) for u in updates if isinstance(u, Structure) and u.cause == cause for row in u.die]


def test_it_keeps_the_contract() -> None:
    assert check_process(Interactions) == []
    scenario = make_scenario(cell_types=WORDS, processes={"interactions": {}, "death": {}})
    assert check_process(Interactions, {"lethality": "0.1 /h"}, scenario=scenario) == []


@pytest.mark.parametrize("substep", ["1 min", "20 min"])
def test_attacks_begin_by_chance_and_do_their_damage_while_they_last(substep: str) -> None:
    n, rate = 4000, 2.0
    words = {"T cell": {"attack Monocyte": "2 /h", "attack duration": "1e9 h", "attack damage rate": "30 /h"}}
    updates = step(couples(n, words), 1.0, substep=substep)
    time = given(updates, "attack_time")[1::2]
    begun = given(updates, "attack_target")[::2, 0] > 0
    chance = 1 - np.exp(-rate)
    assert abs(begun.mean() - chance) < 5 * np.sqrt(chance * (1 - chance) / n)
    assert abs(time.mean() - (1 - chance / rate)) < 5 * time.std() / np.sqrt(n)
    np.testing.assert_array_equal(given(updates, "attacking")[::2], begun)
    np.testing.assert_allclose(given(updates, "damage")[1::2], 30 * time)
    np.testing.assert_allclose(given(updates, "damage_delivered")[::2], 30 * time)
    assert (given(updates, "damage")[::2] == 0).all()  # monocytes do not strike back


def test_an_attack_lasts_its_duration_on_average_and_immunogenicity_is_a_factor() -> None:
    n = 4000
    words = {
        "T cell": {"attack Monocyte": "1e9 /h", "attack duration": "3 min", "attack damage rate": "60 /h"},
        "Monocyte": {"immunogenicity to T cell": 0.0},
    }
    assert (given(step(couples(n, words)), "attack_time") == 0).all()
    shown = words | {"Monocyte": {"immunogenicity to T cell": 1.0}}
    time = given(step(couples(n, shown), 1 / 60), "attack_time")[1::2]
    mean = 1 / 20 * (1 - np.exp(-20 / 60))  # of an exponential of 3 min, cut at the minute
    assert abs(time.mean() - mean) < 5 * time.std() / np.sqrt(n)


def test_damage_kills_on_minutes_inside_a_tick_of_an_hour() -> None:
    """Under attack from the start damage is g t, the hazard L g t, and exp(−L g t²/2) survive."""
    n = 2000
    words = {"T cell": {"attack Monocyte": "1e9 /h", "attack duration": "1e9 h", "attack damage rate": "60 /h"}}
    view = couples(n, words)
    updates = step(view, 1.0, lethality="0.04 /h")
    killed = given(updates, "apoptosis")[1::2] > 0
    chance = 1 - np.exp(-0.04 * 60 / 2)
    assert abs(killed.mean() - chance) < 5 * np.sqrt(chance * (1 - chance) / n)
    attacked = given(updates, "attack_time")[1::2]
    assert attacked[~killed].min() > 0.999
    early = attacked[killed]  # who was killed was no longer attacked
    assert 0.02 < np.quantile(early, 0.01) < np.quantile(early, 0.5) < 0.8
    assert (given(updates, "attack_target")[::2, 0][killed] == 0).all()
    minutes = view
    dead = np.zeros(2 * n, dtype=bool)
    for tick in range(20):
        updates = step(minutes, 1 / 20, lethality="0.04 /h")
        dead |= given(updates, "apoptosis") > 0
        arrays = dict(minutes.arrays) | {"alive": ~dead}
        arrays |= {
            name: given(updates, name) for name in ("damage", "attack_time", "damage_delivered", "attack_target")
        }
        minutes = replace(minutes, arrays=arrays, tick=tick + 1, streams=replace(minutes.streams, tick=tick + 1))
    assert abs(dead[1::2].mean() - chance) < 5 * np.sqrt(chance * (1 - chance) / n)


def test_damage_of_itself_and_repair_are_exact() -> None:
    words = {"default": {"damage rate": "3 /h", "damage repair rate": "2 /h"}}
    for substep in ("1 min", "1 h"):
        found = given(step(couples(3, words), 1.0, substep=substep), "damage")
        np.testing.assert_allclose(found, 1.5 * (1 - np.exp(-2.0)), rtol=1e-12)


def test_a_dead_body_is_eaten_by_how_it_died_and_its_volume_is_the_eaters() -> None:
    n = 3000
    alive = np.ones(2 * n, dtype=bool)
    alive[1::2] = False
    for phase, word in ((1.0, "apoptotic"), (2.0, "necrotic"), (3.0, "necrotic"), (0.0, "other dead")):
        words = {"T cell": {f"phagocytose {word} cell": "0.5 /h"}}
        dying = np.where(alive, 0.0, phase)
        updates = step(couples(n, words, alive=alive, extra={"death_phase": dying}))
        rows = np.array(died(updates, "phagocytosed"))
        chance = 1 - np.exp(-0.5)
        assert (rows % 2 == 1).all()
        assert abs(len(rows) / n - chance) < 5 * np.sqrt(chance * (1 - chance) / n)
        bigger = 4.0 + given(updates, "radius")[rows - 1]
        np.testing.assert_allclose(bigger**3, 2 * 4.0**3)
        other = {"T cell": {"phagocytose apoptotic cell": "1e9 /h"}} if phase != 1.0 else {}
        assert died(step(couples(n, other, alive=alive, extra={"death_phase": dying})), "phagocytosed") == []


def test_one_body_is_eaten_once() -> None:
    words = {"T cell": {"phagocytose Monocyte": "1e6 /h"}, "Dendritic": {"phagocytose Monocyte": "1e6 /h"}}
    view = couples(3, words)
    row = np.arange(5)
    everyone = sp.csr_array((np.ones(10), (np.r_[row, row + 1], np.r_[row + 1, row])), shape=(6, 6))
    arrays = dict(view.arrays) | {"cell_type": np.array([0, 1, 2, 0, 1, 2], np.int16)}
    updates = step(replace(view, contacts=everyone, arrays=arrays))
    assert sorted(died(updates, "phagocytosed")) == [1, 4]
    volume = (4.0 + given(updates, "radius")) ** 3
    assert volume[[0, 2, 3, 5]].sum() == pytest.approx(6 * 4.0**3)


def test_two_cells_fuse_into_one_at_their_common_centre() -> None:
    view = couples(2, {"T cell": {"fuse to Monocyte": "1e9 /h"}}, extra={"native_volume": np.array([1.0, 2, 3, 4])})
    updates = step(view)
    assert sorted(died(updates, "fused")) == [1, 3]
    np.testing.assert_allclose(given(updates, "native_volume")[[0, 2]], [2, 4])
    position = view["position"] + given(updates, "position")
    np.testing.assert_allclose(position[0], view["position"][:2].mean(axis=0))


def test_cells_turn_into_another_type_at_their_rate() -> None:
    n = 4000
    words = {"Monocyte": {"transform to Dendritic": "0.4 /h", "transform to T cell": "0.1 /h"}}
    (turned,) = [u for u in step(couples(n, words)) if isinstance(u, Structure) and len(u.retype)]
    assert (turned.retype % 2 == 1).all()
    chance = 1 - np.exp(-0.5)
    assert abs(len(turned.retype) / n - chance) < 5 * np.sqrt(chance * (1 - chance) / n)
    assert abs((turned.to_type == 2).mean() - 0.8) < 5 * np.sqrt(0.16 / len(turned.retype))


def test_cells_attach_let_go_and_are_drawn_together() -> None:
    n = 3000
    words = {"default": {"cell attachment rate": "0.5 /h", "cell-cell adhesion elastic constant": "0.6 /h"}}
    view = couples(n, words)
    updates = step(view)
    held = given(updates, "attached")
    joined = held[:, 0] > 0
    chance = 1 - np.exp(-1.0)  # of both cells
    assert (joined[::2] == joined[1::2]).all()
    assert abs(joined.mean() - chance) < 5 * np.sqrt(chance * (1 - chance) / n)
    np.testing.assert_array_equal(rows_of(held[:, :2], view.ids)[joined], (np.arange(2 * n) ^ 1)[joined])
    position = view["position"] + given(updates, "position")
    gap = np.linalg.norm(position[1::2] - position[::2], axis=1)
    np.testing.assert_allclose(gap, np.where(joined[::2], 10 * np.exp(-1.2), 10))
    off = {"default": {"cell attachment rate": "0 /h", "cell detachment rate": "1e9 /h"}}
    assert (given(step(couples(n, off, extra={"attached": held})), "attached") == 0).all()


def test_springs_keep_the_centre_of_mass_and_the_hull() -> None:
    rng = np.random.default_rng(0)
    position = rng.random((8, 3)) * 100
    edges = np.array([[0, 1], [0, 2], [0, 3], [1, 2], [4, 5], [6, 7], [5, 6]])
    moved = pulled(position, edges, np.full(8, 0.6), 50.0)
    np.testing.assert_allclose(moved.sum(axis=0), 0, atol=1e-9)
    assert ((position + moved) >= 0).all()
    assert ((position + moved) <= 100).all()


def test_an_id_is_kept_to_the_last_bit() -> None:
    ids = np.array([0, 1, 2**64 - 1, 2**53 + 1, 1234567890123456789], dtype=np.uint64)
    np.testing.assert_array_equal(rows_of(split_ids(ids), ids), np.arange(5))
    assert rows_of(np.zeros((1, 2)), ids).tolist() == [-1]
    assert rows_of(split_ids(np.array([7], np.uint64)), ids).tolist() == [-1]


def test_killing_goes_through_the_engine_in_the_tick_in_which_it_happens() -> None:
    words = {
        "killer": {"attack cell": "60 /h", "attack duration": "1 h", "attack damage rate": "60 /h"},
        "cell": {},
    }
    cells = {"source": "model", "count": 48, "composition": {"cell": 0.5, "killer": 0.5}, "radius": {"default": "8 um"}}
    box = {"tissue": {"box": ["60 um"] * 3, "spacing": "20 um", "cells": cells}}
    processes = {"interactions": {"lethality": "1 /h"}, "death": {}, "volume": {}, "mechanics": {}}
    tissue = Tissue(48, processes, tick="1 h", cell_types=words, compartments=box).run(1)
    assert tissue.home.cells.alive.all()  # contacts are known after the first tick
    tissue.run(1)
    cells_now = tissue.home.cells
    dead = ~cells_now.alive
    assert dead.sum() > 5
    assert (tissue.column("death_phase")[dead] == 1.0).all()
    assert (cells_now.type_names()[dead] == "cell").all()


def test_damage_that_kills_needs_a_process_that_lets_cells_die() -> None:
    config = Interactions.Config.model_validate({"lethality": "1 /h"})
    (told,) = Interactions.check(config, make_scenario(), UniformModel())
    assert "add 'death:'" in told
