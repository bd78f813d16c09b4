"""Donors, batches and operators: each effect has its law, acts in the cells, and is shared by what shares a donor."""

import json
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pytest

from tests.engine.culture import write_culture
from tests.engine.tiny import TINY
from twin.analysis.donors.measured import DonorCells, levels_of, variance_of
from twin.data.donors import read_spreads, spreads_file
from twin.engine.loop import advance
from twin.engine.plan import check_file
from twin.engine.replicates import table_of
from twin.engine.seeding import seed_body
from twin.engine.simulation import prepare, run
from twin.engine.variation import drawn_of
from twin.engine.world import World
from twin.errors import InputError, ScenarioError
from twin.state.body import Body
from twin.state.variation import ALIKE

MANY = 4000
FIVE = 5 / np.sqrt(MANY)  # five standard errors of a mean of so many standard normals
SPREADS = {
    "sensitivity": 0.3,
    "gain": {"IFNB1": {"default": 0.2, "CD14 Mono": 0.1}},
    "baseline": {"IFNB1": 0.05},
    "identity": 0.4,
    "composition": 0.5,
    "library": 0.25,
    "shared": {"gain": 0.6, "baseline": 0.0},
}
HANDS = {"batch": {"every": 2, "depth": 0.1, "shift": 0.3}, "operator": {"dose": 0.1, "delay": "1 h", "seeding": 0.2}}


def tiny(folder: Path, variation: dict[str, Any] | None, **more: Any) -> Path:
    file = folder / "tiny.yaml"
    document = {**TINY, **more, **({} if variation is None else {"variation": variation})}
    file.write_text(json.dumps(document, indent=1))
    return file


def world_of(file: Path) -> World:
    return prepare(check_file(file)[0])


def counts_of(body: Body) -> np.ndarray:
    (home,) = body.compartments.values()
    return np.vstack([home.expression.counts(rows, home.cells.id).toarray() for rows in home.expression.slices()])


def within(drawn: np.ndarray, sd: float) -> bool:
    """Whether numbers have a mean of 0 and this spread, at five sigma."""
    n = len(drawn)
    return bool(abs(drawn.mean()) < 5 * sd / np.sqrt(n) and abs(drawn.std() / sd - 1) < 5 / np.sqrt(2 * n))


def test_each_effect_of_a_donor_has_the_spread_that_is_declared(tmp_path: Path) -> None:
    donors = {"n": MANY, "effects": SPREADS}
    world = world_of(tiny(tmp_path, {"replicate_is": "technical", "donors": donors}))
    drawn = drawn_of(world, "patch", 0)
    rows = list(drawn.present)
    assert len(rows) == MANY
    assert drawn.ec50 is not None and drawn.library is not None and drawn.odds is not None  # noqa: PT018
    assert drawn.gain is not None and drawn.tone is not None and drawn.offset is not None  # noqa: PT018
    assert within(np.log(drawn.ec50[rows]), 0.3)
    assert within(np.log(drawn.library[rows]), 0.25)
    mono, naive = (world.names["patch"]["cell_type"].index(t) for t in ("CD14 Mono", "CD4 Naive T"))
    gain, tone = np.log(drawn.gain[rows, :, 0]), drawn.tone[rows, :, 0]
    assert within(gain[:, mono], 0.1)
    assert within(gain[:, naive], 0.2)
    assert abs(np.corrcoef(gain[:, mono], gain[:, naive])[0, 1] - 0.6) < FIVE
    assert within(tone[:, mono], 0.05)
    assert abs(np.corrcoef(tone[:, mono], tone[:, naive])[0, 1]) < FIVE
    assert within(drawn.odds[rows].ravel(), 0.5)
    assert within(drawn.offset[rows].ravel(), 0.4)
    assert abs(np.corrcoef(gain[:, mono], tone[:, mono])[0, 1]) < FIVE
    none = drawn.of_cells(np.array([0]), np.array([mono]))  # who was injected is of no donor
    assert none["gain"] == 1.0
    assert none["tone"] == 0.0


def test_batches_and_operators_have_the_spread_that_is_declared(tmp_path: Path) -> None:
    world = world_of(tiny(tmp_path, HANDS, replicates=MANY))
    drawn = [drawn_of(world, "patch", r) for r in range(MANY)]
    depth = np.log([d.depth for d in drawn])
    np.testing.assert_array_equal(depth[::2], depth[1::2])  # two replicates are one batch
    assert within(depth[::2], 0.1)
    shift = np.array([d.offset[0] for d in drawn[::2] if d.offset is not None])
    assert within(shift.ravel(), 0.3)
    assert within(np.log([d.dose for d in drawn]), 0.1)
    assert within(np.log([d.seeding for d in drawn]), 0.2)
    late = (
        np.array([d.delay for d in drawn]) * 0.5
    )  # h, in whole ticks of half an hour: rounding adds nothing to a mean
    assert abs(late.mean() - np.sqrt(2 / np.pi)) < 5 * 0.61 / np.sqrt(MANY) + 0.005


def test_without_spread_a_run_is_bit_for_bit_the_one_without_variation(tmp_path: Path) -> None:
    declared = {"donors": {"n": 3}, "batch": {"every": 2}, "operator": {}}
    bodies = []
    for variation in (None, declared, {"replicate_is": "technical", **declared}):
        world = world_of(tiny(tmp_path, variation))
        body = seed_body(world, 1)
        for _ in range(2):
            advance(world, body, 1)
        bodies.append(body)
    plain, one, pooled = bodies
    for other in (one, pooled):
        np.testing.assert_array_equal(counts_of(plain), counts_of(other))
        a, b = plain.compartments["patch"].cells, other.compartments["patch"].cells
        for name in ("id", "position", "cell_type", "depth", "z", "dose", "time_since", "ec50_factor"):
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
        np.testing.assert_array_equal(
            plain.compartments["patch"].concentration, other.compartments["patch"].concentration
        )
    names = [np.unique(np.array(b.compartments["patch"].cells.names["donor"])[b.compartments["patch"].cells.donor])
             for b in bodies]  # fmt: skip
    assert [list(n) for n in names] == [["sampled"], ["D2"], ["D1", "D2", "D3"]]


def test_every_effect_reaches_the_cells(tmp_path: Path) -> None:
    donors = {"names": ["ann", "bob"], "effects": SPREADS}
    plain = world_of(tiny(tmp_path, None, replicates=2))
    world = world_of(tiny(tmp_path, {"donors": donors, **HANDS}, replicates=2))
    before, after = (seed_body(w, 1).compartments["patch"].cells for w in (plain, world))
    drawn = drawn_of(world, "patch", 1)
    assert drawn.ec50 is not None and drawn.library is not None and drawn.odds is not None  # noqa: PT018
    (bob,) = drawn.present
    assert after.names["donor"][bob] == "bob"
    assert set(after.donor) == {bob}
    assert after.n == round(60 * drawn.seeding)
    share = np.array([0.5, 0.45, 0.05]) * np.exp(drawn.odds[bob])
    np.testing.assert_allclose(np.bincount(after.cell_type, minlength=3), after.n * share / share.sum(), atol=1.5)
    same = np.isin(after.id, before.id)
    spread = after.ec50_factor[same] / before.ec50_factor[: same.sum()]
    np.testing.assert_allclose(spread, drawn.ec50[bob], rtol=1e-12)
    depth = np.log(after.depth).mean() - np.log(before.depth).mean()
    expected = np.log(drawn.library[bob] * drawn.depth)
    assert abs(depth - expected) < 0.35  # other types, other cells: the law is held above, its use is here


def test_donors_gain_and_baseline_are_in_the_program_of_their_cells(tmp_path: Path) -> None:
    """Of ten donors those with the higher gain answer more, and with the higher baseline stand higher untreated."""
    effects = {"gain": 0.3, "baseline": {"IFNB1": 0.15}}
    dish = {"patch": {"box": ["80 um", "80 um", "60 um"], "cells": {
        "source": "model", "count": 400, "composition": {"CD14 Mono": 1.0}, "ec50_spread": 0}}}  # fmt: skip
    bath = {"diffusivity": "30 um^2/s", "molar_mass": "20 kDa", "specific_activity": "2.5e8 U/mg"}
    more = {
        "compartments": dish,
        "substances": {"IFNB1": bath},
        "signalling": {"reception": [{"substance": "IFNB1", "perturbation": "IFNB1"}]},
        "processes": {name: {} for name in ("dosing", "diffusion", "exposure", "transition")},
        "timeline": [{"do": "add", "at": "0 h", "substance": "IFNB1", "dose": "100 U/mL"}],
        "observe": {"every": "9 h"},
        "execution": {"chunk": 256, "commit_every": "9 h"},
        "tick": "3 h",
        "duration": "9 h",
    }
    variation = {"replicate_is": "technical", "donors": {"n": 10, "effects": effects}}
    world = world_of(tiny(tmp_path, variation, **more))
    drawn = drawn_of(world, "patch", 0)
    assert drawn.gain is not None and drawn.tone is not None  # noqa: PT018
    genes = [world.model.genes.index(g) for g in ("ISG15", "IFI6", "IFIT3", "MX1")]
    body = seed_body(world, 0)
    cells = body.compartments["patch"].cells

    def program() -> np.ndarray:
        counts = counts_of(body)
        score = np.log1p(1e4 * counts[:, genes] / counts.sum(axis=1, keepdims=True)).mean(axis=1)
        return np.array([score[cells.donor == d].mean() for d in drawn.present])

    rows = list(drawn.present)
    untreated = program()
    assert np.corrcoef(untreated, drawn.tone[rows, 0, 0])[0, 1] > 0.8
    for _ in range(3):
        advance(world, body, 0)
    assert np.corrcoef(program(), np.log(drawn.gain[rows, 0, 0]))[0, 1] > 0.9


def test_branches_of_a_replicate_share_their_donors_and_more_replicates_leave_them(tmp_path: Path) -> None:
    """The run goes on with a third pair of donors, and a branch forks from the past of the first."""
    donors = (
        "variation: {donors: {per_replicate: 2, effects: {library: 0.2, sensitivity: 0.3}}, operator: {dose: 0.2}}\n"
    )
    file = write_culture(tmp_path, donors, "replicates: 2\n")
    first = run(file, tmp_path / "run").variation
    assert list(first["donor"]) == ["D1", "D2", "D3", "D4"]
    assert first["library"].nunique() == 4
    more = "branches: {early: {timeline: [{do: add, at: 1 h, substance: poison, dose: 20 nM}]}}\n"
    file = write_culture(tmp_path, donors, "replicates: 3\n", more)
    made = run(file, tmp_path / "run", extend=True)
    assert made.is_complete
    assert made.variation.iloc[:4].equals(first)
    assert list(made.variation["donor"][4:]) == ["D5", "D6"]
    for replicate, names in enumerate(({"D1", "D2"}, {"D3", "D4"}, {"D5", "D6"})):
        trunk, early = (made.cells("2 h", replicate, branch=branch) for branch in ("trunk", "early"))
        assert set(trunk.obs["donor"]) == names
        both = trunk.obs_names.intersection(early.obs_names)
        for column in ("donor", "ec50_factor"):
            assert list(trunk.obs.loc[both, column]) == list(early.obs.loc[both, column])


def test_daughters_are_of_their_mothers_donor_and_injected_cells_of_none(tmp_path: Path) -> None:
    text = "variation: {replicate_is: technical, donors: {n: 4}}\n"
    event = "timeline: [{do: inject, cell_type: tumour, count: 5, at: 1 h}]\n"
    world = world_of(write_culture(tmp_path, text, event))
    body = seed_body(world, 0)
    for _ in range(8):
        advance(world, body, 0)
    cells = body.compartments["dish"].cells
    donor = {int(i): d for i, d in zip(cells.id, np.array(cells.names["donor"])[cells.donor], strict=True)}
    born = [(int(i), int(p)) for i, p in zip(cells.id, cells.parent, strict=True) if i != p and int(p) in donor]
    assert sum(d == "injected" for d in donor.values()) >= 4
    assert all(donor[i] == donor[p] for i, p in born)
    assert set(donor.values()) == {"injected", "D1", "D2", "D3", "D4"}


def test_an_operators_errors_are_in_what_is_added_and_when(tmp_path: Path) -> None:
    event = "timeline: [{do: add, at: 30 min, substance: poison, dose: 20 nM}]\n"
    text = "variation: {operator: {dose: 0.3, delay: 1 h}}\nreplicates: 8\n"
    world = world_of(write_culture(tmp_path, event, text))
    late = []
    for replicate in range(8):
        drawn = drawn_of(world, "dish", replicate)
        body = seed_body(world, replicate)
        home = body.compartments["dish"]
        while not home.concentration.any() and body.tick < 8:
            advance(world, body, replicate)
        late.append(drawn.delay)
        assert body.tick - 1 == 1 + drawn.delay
        left = 2.0 ** (-0.5 / 6.0)  # of half a tick to a tick's decay
        assert home.concentration.mean() == pytest.approx(20.0 * drawn.dose * left, rel=0.05)
    assert len(set(late)) > 1


def test_the_record_says_who_was_who(tmp_path: Path) -> None:
    donors = {"names": ["ann", "bob"], "effects": SPREADS}
    world = world_of(tiny(tmp_path, {"donors": donors, **HANDS}, replicates=3))
    rows = table_of(world)
    assert [row["donor"] for row in rows] == ["ann", "bob", "ann"]
    assert [row["batch"] for row in rows] == [0, 0, 1]
    assert rows[0]["gain IFNB1 pDC"] == rows[2]["gain IFNB1 pDC"] != rows[1]["gain IFNB1 pDC"]
    assert table_of(world_of(tiny(tmp_path, None))) == []
    assert drawn_of(world_of(tiny(tmp_path, None)), "patch", 0) is ALIKE
    told = " ".join(check_file(tiny(tmp_path, {"donors": donors}, replicates=3))[1].assumptions)
    assert "2 donors are fewer than 3 replicates hold: they come again" in told


def test_calibrated_spreads_come_from_the_package_and_what_is_written_goes_before(tmp_path: Path) -> None:
    effects = {"library": 0.0, "sensitivity": 0.1}
    file = tiny(tmp_path, {"donors": {"calibrated": "ifnb", "effects": effects}}, replicates=2)
    world = world_of(file)
    assert world.spreads.of_type("gain", "IFNB1", "CD14 Mono") > 0
    assert world.spreads.of_type("baseline", "IFNB1", "a type of its own") > 0
    assert world.spreads.library == 0.0
    assert any("the 7 of kang2018_pbmc_ifnb" in sentence for sentence in check_file(file)[1].assumptions)
    with pytest.raises(ScenarioError, match="no set of calibrated donors is called 'ifng'; did you mean ifnb"):
        check_file(tiny(tmp_path, {"donors": {"calibrated": "ifng"}}))
    (tmp_path / "mine.json").write_text("{}")
    with pytest.raises(ScenarioError, match="holds no spreads of donors"):
        check_file(tiny(tmp_path, {"donors": {"calibrated": "mine.json"}}))


@pytest.mark.parametrize(
    ("variation", "message"),
    [
        ({"donors": {"n": 2, "names": ["a", "b"]}}, "give n or names, not both"),
        ({"donors": {"names": ["a", "a"]}}, "two donors have the same name"),
        ({"donors": {"n": 2, "per_replicate": 3}}, "per_replicate is 3, but there are 2 donors"),
        ({"donors": {"effects": {"gain": {"IFNB": 0.1}}}}, "no perturbation of the world model is called 'IFNB'"),
        (
            {"donors": {"effects": {"gain": {"IFNB1": {"Mono": 0.1}}}}},
            "no cell type of the world model is called 'Mono'",
        ),
        ({"donors": {"effects": {"gain": -0.1}}}, "-0.1 must be >= 0"),
        ({"operator": {"delay": 1}}, "1 is not a time"),
        ({"replicate_is": "biological"}, "donor"),
    ],
)
def test_what_cannot_be_is_told_at_its_key(tmp_path: Path, variation: dict[str, Any], message: str) -> None:
    with pytest.raises(ScenarioError, match="variation") as caught:
        check_file(tiny(tmp_path, variation))
    assert message in str(caught.value)


def test_a_model_that_does_not_tell_donors_apart_is_refused(tmp_path: Path) -> None:
    text = "variation: {donors: {effects: {identity: 0.2}}}\n"
    with pytest.raises(ScenarioError, match="the world model none does not tell donors apart"):
        check_file(write_culture(tmp_path, text))
    check_file(write_culture(tmp_path, "variation: {donors: {effects: {sensitivity: 0.2, library: 0.1}}}\n"))


def test_measured_cells_keep_their_donors_who_answer_as_they_are_drawn(tmp_path: Path, data_folder: Path) -> None:
    measured = ad.read_h5ad(data_folder / "kang2018_pbmc_ifnb.h5ad")
    wanted = (measured.obs["condition"] == "control") & (measured.obs["cell_type"] == "CD14 Mono")
    measured[np.flatnonzero(wanted)[:60]].write_h5ad(tmp_path / "mono.h5ad")
    cells = {"source": "h5ad", "file": "mono.h5ad", "count": 40}
    patch = {"box": ["60 um", "60 um", "60 um"], "cells": cells}
    more: dict[str, Any] = {"compartments": {"patch": patch}, "observe": {}, "replicates": 2}
    more["signalling"] = {"reception": [{"substance": "IFNB1", "perturbation": "IFNB1"}]}
    donors = {"effects": {"gain": 0.2, "baseline": {"IFNB1": 0.2}, "library": 0.5}}
    world = world_of(tiny(tmp_path, {"donors": donors}, **more))
    plain = world_of(tiny(tmp_path, None, **more))
    one, two = (drawn_of(world, "patch", replicate) for replicate in (0, 1))
    assert one.gain is not None and two.gain is not None  # noqa: PT018
    assert len(one.present) == len(world.names["patch"]["donor"]) > 3
    assert (one.gain != two.gain).all()
    assert one.tone is None
    assert one.library is None
    np.testing.assert_array_equal(counts_of(seed_body(world, 0)), counts_of(seed_body(plain, 0)))
    same = world_of(tiny(tmp_path, {"replicate_is": "technical", "donors": donors}, **more))
    np.testing.assert_array_equal(drawn_of(same, "patch", 0).gain, drawn_of(same, "patch", 1).gain)
    with pytest.raises(InputError, match=r"variation.donors.n: the cells of compartments.patch are of the . donors"):
        world_of(tiny(tmp_path, {"donors": {"n": 4}}, **more))


@pytest.mark.slow
@pytest.mark.parametrize("differ", [True, False])
def test_simulated_donors_vary_as_measured_ones_do(tmp_path: Path, differ: bool) -> None:
    """Monocytes of 40 donors, treated and not, ticked by the engine; the interval is that of seven measured donors."""
    calibrated = read_spreads(spreads_file("ifnb", Path))
    (known,) = (e for e in calibrated.measured if (e.cell_type, e.what) == ("CD14 Mono", "response"))
    cells = {"source": "model", "count": 40 * 40, "composition": {"CD14 Mono": 1.0}}
    bath = {"diffusivity": "30 um^2/s", "molar_mass": "20 kDa", "specific_activity": "2.5e8 U/mg"}
    more = {
        "compartments": {"patch": {"box": ["300 um", "300 um", "100 um"], "cells": cells}},
        "signalling": {"reception": [{"substance": "IFNB1", "perturbation": "IFNB1"}]},
        "processes": {name: {} for name in ("dosing", "diffusion", "exposure", "transition")},
        "observe": {"every": "6 h"},
        "execution": {"chunk": 256, "commit_every": "6 h"},
        "tick": "3 h",
        "duration": "6 h",
    }
    donors = {"n": 40, **({"calibrated": "ifnb"} if differ else {})}
    parts = []
    for arm, initial in enumerate(("0 nM", "100 U/mL")):
        more["substances"] = {"IFNB1": {**bath, "initial": initial}}
        world = world_of(tiny(tmp_path, {"replicate_is": "technical", "donors": donors}, **more))
        body = seed_body(world, arm)  # other cells of the same donors
        for _ in range(2):
            advance(world, body, arm)
        counts, genes = counts_of(body), [world.model.genes.index(g) for g in calibrated.program]
        score = np.log1p(1e4 * counts[:, genes] / counts.sum(axis=1, keepdims=True)).mean(axis=1)
        home = body.compartments["patch"].cells
        parts.append((score, home.depth, home.donor - 1, np.zeros(home.n, np.intp), np.full(home.n, arm)))
    score, depth, donor, kind, arms = (np.concatenate(column) for column in zip(*parts, strict=True))
    names = tuple(f"D{i + 1}" for i in range(40))
    made = DonorCells(score, depth, donor, kind, arms, names, ("CD14 Mono",), calibrated.program, "IFNB1", "the engine")
    found = variance_of(levels_of(made), "response", 0)
    assert known.high is not None
    assert (known.low <= found.variance <= known.high) == differ
    if not differ:
        assert found.low == 0.0
