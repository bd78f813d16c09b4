"""The heredity plugin: what happens to a line stays with it, and does what it says."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from twin_heredity import Heredity

from twin import registry
from twin.conformance import UniformModel, check_process, make_scenario, make_view
from twin.process import Rate, Set, Update, View
from twin.verification.tissue import Tissue

SHORT = [{"name": "all", "duration": "2 h", "fixed": True, "divides": True}]
LOSS = {"name": "loss", "gene": "ISG15", "rate": "0.5 /h"}


def trial(n: int, config: dict[str, Any], scenario: Any = None, **more: Any) -> tuple[Heredity, View]:
    settings = Heredity.Config.model_validate(config)
    view = make_view(scenario, types=[0, 1] * (n // 2), **more)
    process = Heredity.made_for(settings, view.scenario)
    own = {c.name: np.full(n, c.initial) for c in process.columns}
    assert isinstance(process, Heredity)
    return process, replace(view, arrays=own | dict(view.arrays))


def given(updates: list[Update], port: str) -> Any:
    (value,) = [u.value for u in updates if isinstance(u, Set | Rate) and u.port.name == port]
    return value


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"mutations": [LOSS, {"name": "fast", "proliferation": 2, "apoptosis": 0.5, "per_division": 0.1}]},
        {"senescence": {"after": 3, "rate": "0.1 /h"}, "ageing": {"hazard": "0.01 /h", "growth": "0.1 /h"}},
    ],
)
def test_it_keeps_the_contract(config: dict[str, Any]) -> None:
    assert check_process(Heredity, config) == []


def test_a_gene_is_lost_at_its_rate_and_stays_clamped() -> None:
    n = 4000
    process, view = trial(n, {"mutations": [LOSS]})
    updates = list(process.step(view, 1.0))
    has = given(updates, "mutation_loss") > 0
    chance = 1 - np.exp(-0.5)
    assert abs(has.mean() - chance) < 5 * np.sqrt(chance * (1 - chance) / n)
    clamp = given(updates, "clamp").tocoo()
    np.testing.assert_array_equal(np.sort(clamp.row), np.flatnonzero(has))
    assert (clamp.data == 0).all()
    assert set(clamp.col) == {view.model.genes.index("ISG15")}
    again = replace(view, arrays=dict(view.arrays) | {"mutation_loss": np.ones(n)}, clamp=given(updates, "clamp"))
    later = list(process.step(again, 100.0))
    assert not [u for u in later if isinstance(u, Set) and u.port.name == "clamp"]  # it happens once


def test_a_gain_multiplies_what_a_gene_was_clamped_to_and_leaves_other_genes_alone() -> None:
    gain = LOSS | {"name": "gain", "residual": 3.0, "rate": "1e9 /h"}
    process, view = trial(2, {"mutations": [gain]}, clamp={(0, 3): 0.5, (0, 1): 0.0})
    dense = given(list(process.step(view, 1.0)), "clamp").tocoo()
    found = {(int(i), int(j)): float(v) for i, j, v in zip(dense.row, dense.col, dense.data, strict=True)}
    assert found == {(0, 3): 1.5, (0, 1): 0.0, (1, 3): 3.0}


def test_a_mutation_per_division_hits_newborns_of_its_types_only() -> None:
    n = 4000
    mutation = {"name": "fast", "per_division": 0.25, "proliferation": 2.0, "cell_types": ["T cell"]}
    process, view = trial(n, {"mutations": [mutation]})
    assert not given(list(process.step(view, 1.0)), "mutation_fast").any()
    born = replace(view, arrays=dict(view.arrays) | {"birth_seen": np.zeros(n)})
    updates = list(process.step(born, 1.0))
    has = given(updates, "mutation_fast") > 0
    assert not has[1::2].any()
    assert abs(has[::2].mean() - 0.25) < 5 * np.sqrt(0.25 * 0.75 / (n / 2))
    np.testing.assert_array_equal(given(updates, "proliferation"), np.where(has, 2.0, 1.0))
    assert (given(updates, "divisions_done") == 1).all()


def test_a_factor_on_death_adds_its_share_of_the_behaviour() -> None:
    mutation = {"name": "hard", "rate": "1e9 /h", "apoptosis": 0.25, "necrosis": 3.0}
    scenario = make_scenario(cell_types={"default": {"apoptosis": "0.4 /h", "necrosis": "0.1 /h"}})
    process, view = trial(2, {"mutations": [mutation]}, scenario)
    updates = list(process.step(view, 1.0))
    np.testing.assert_allclose(given(updates, "apoptosis") + 0.4, 0.1)
    np.testing.assert_allclose(given(updates, "necrosis") + 0.1, 0.3)


def test_a_line_stops_after_its_divisions() -> None:
    """Hayflick: with a limit of 3 a founder leaves 2³ cells, whatever time passes."""
    settings = {"cycle": {"phases": SHORT}, "heredity": {"senescence": {"after": 3}}}
    tissue = Tissue(2, settings, tick="30 min").run(40)
    assert tissue.home.cells.n == 2 * 8
    assert (tissue.column("divisions_done") == 3).all()
    assert (tissue.column("senescent") == 1).all()


def test_senescence_at_a_rate_is_an_arrest_for_good() -> None:
    n = 4000
    process, view = trial(n, {"senescence": {"rate": "0.2 /h"}})
    updates = list(process.step(view, 1.0))
    old = given(updates, "senescent") > 0
    chance = 1 - np.exp(-0.2)
    assert abs(old.mean() - chance) < 5 * np.sqrt(chance * (1 - chance) / n)
    np.testing.assert_array_equal(given(updates, "proliferation"), np.where(old, 0.0, 1.0))
    later = replace(view, arrays=dict(view.arrays) | {"senescent": np.ones(n)})
    assert (given(list(process.step(later, 1e-9)), "proliferation") == 0).all()


@pytest.mark.parametrize("tick", ["30 min", "5 h"])
def test_ageing_cells_survive_as_gompertz_says_whatever_the_tick(tick: str) -> None:
    n, hazard, growth = 1000, 0.005, 0.15
    settings = {"heredity": {"ageing": {"hazard": "0.005 /h", "growth": "0.15 /h"}}, "death": {}}
    tissue = Tissue(n, settings, tick=tick)
    for hours in (10.0, 20.0):
        tissue.run(round((hours - tissue.time) / tissue.world.scenario.tick))
        left = tissue.home.cells.alive.sum() / n
        expected = np.exp(-hazard / growth * np.expm1(growth * hours))
        assert abs(left - expected) < 5 * np.sqrt(expected * (1 - expected) / n)


@pytest.mark.parametrize(("of", "age"), [("cell", 0.0), ("line", 2.0)])
def test_a_daughter_is_born_young_or_as_old_as_her_line(of: str, age: float) -> None:
    ageing = {"hazard": "0 /h", "growth": "0.1 /h", "of": of}
    tissue = Tissue(1, {"cycle": {"phases": SHORT}, "heredity": {"ageing": ageing}}, tick="30 min").run(4)
    assert tissue.home.cells.n == 2
    np.testing.assert_allclose(tissue.column("cell_age"), age)


def test_daughters_inherit_a_mutation() -> None:
    mutation = {"name": "slow", "rate": "0.05 /h", "proliferation": 0.0}
    settings = {"cycle": {"phases": SHORT}, "heredity": {"mutations": [mutation]}}
    tissue = Tissue(20, settings, tick="30 min").run(3)
    early = tissue.column("mutation_slow") > 0
    assert 0 < early.sum() < 20
    ids = tissue.home.cells.id[early].copy()
    tissue.run(12)
    assert np.isin(ids, tissue.home.cells.id).all()  # who cannot cycle is still there
    has = {int(i): bool(m) for i, m in zip(tissue.home.cells.id, tissue.column("mutation_slow"), strict=True)}
    assert all(has[int(i)] for i in ids)


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({"mutations": [{"name": "x", "proliferation": 2}]}, "never happens"),
        ({"mutations": [{"name": "x", "rate": "1 /h"}]}, "changes nothing"),
        ({"mutations": [{"name": "x", "rate": "1 /h", "proliferation": 2, "residual": 1}]}, "no gene"),
        ({"senescence": {}}, "never comes"),
    ],
)
def test_what_cannot_happen_is_refused(config: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Heredity.Config.model_validate(config)


def test_unknown_names_are_told() -> None:
    config = {"mutations": [LOSS | {"gene": "ISG16", "cell_types": ["B cell"]}, LOSS]}
    told = Heredity.check(Heredity.Config.model_validate(config), make_scenario(), UniformModel())
    assert any("'loss'" in t for t in told)
    assert any("ISG16" in t for t in told)
    assert any("B cell" in t for t in told)


def test_a_gene_knocked_out_by_the_timeline_may_be_one_that_is_lost_by_mutation() -> None:
    whole = registry.model("default")
    half = {"name": "half", "gene": "ISG15", "per_division": 0.0, "rate": "1000 /h", "residual": 0.5}
    types = [c for c in whole.contexts if "Naive T" in c][:1]
    cells = {"source": "model", "count": 12, "composition": {types[0]: 1.0}, "radius": {"default": "4 um"}}
    timeline = [{"do": "knock_out", "at": "0 h", "gene": "ISG15", "residual": 0.5}]
    timeline += [{"do": "knock_out", "at": "0 h", "gene": "IFI6"}]
    tissue = Tissue(
        12,
        {"dosing": {}, "heredity": {"mutations": [half]}, "transition": {}},
        tick="1 h",
        world_model={"name": "default"},
        compartments={"tissue": {"box": ["60 um"] * 3, "spacing": "20 um", "cells": cells}},
        timeline=timeline,
    )
    tissue.run(2)
    clamp, genes = tissue.home.cells.clamp.tocoo(), tissue.world.model.genes
    for gene, left in (("ISG15", 0.25), ("IFI6", 0.0)):
        data = clamp.data[clamp.col == genes.index(gene)]
        np.testing.assert_array_equal(data, np.full(12, left))
