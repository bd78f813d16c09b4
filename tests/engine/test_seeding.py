"""Who stands where at the start, and what is said of measured cells."""

from collections.abc import Sequence
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from tests.engine.tiny import write_tiny
from twin.analysis.summary import report
from twin.engine import seeding
from twin.engine.expand import expand
from twin.engine.identity import record_of
from twin.engine.loop import advance
from twin.engine.observe import layout_of, references_of
from twin.engine.plan import check_file
from twin.engine.seeding import check_places, place_cells, seed_body
from twin.engine.segments import jobs_of, segment
from twin.engine.world import World, build_world
from twin.errors import InputError, ScenarioError
from twin.kernels.blocks import Crew
from twin.kernels.curve import mean_step
from twin.kernels.random import Streams
from twin.model.files import embedded
from twin.results import create_run, open_run

MEASURED = (
    "compartments.patch.cells={source: h5ad, file: mine.h5ad}",
    "compartments.patch.box.0=300 um",
    "observe.distance.source=x_low",
)


def world_of(folder: Path, sets: Sequence[str] = ()) -> World:
    loaded, plan = check_file(write_tiny(folder), tuple(sets))
    return build_world(loaded, plan.whole, plan.processes)


def write_cells(folder: Path, types: Sequence[str], known: float = 1.0, depth: int = 2000) -> ad.AnnData:
    """Write mine.h5ad: cells of these types, `known` of their genes on the model's axis, the same counts in all."""
    own = embedded().genes[:100]
    genes = [g if i < round(100 * known) else f"novel{i}" for i, g in enumerate(own)]
    counts = np.full((len(types), 100), depth // 100, dtype=np.int32)
    names = [f"cell{i}" for i in range(len(types))]
    cells = ad.AnnData(
        sp.csr_matrix(counts), obs=pd.DataFrame({"cell_type": types}, index=names), var=pd.DataFrame(index=genes)
    )
    folder.mkdir(parents=True, exist_ok=True)
    cells.write_h5ad(folder / "mine.h5ad")
    return cells


def test_a_run_says_how_much_of_the_measured_cells_the_model_holds(tmp_path: Path) -> None:
    write_cells(tmp_path, ["pDC"] * 6 + ["CD14 Mono"] * 6, known=0.8)
    first, *others = world_of(tmp_path, MEASURED).notes
    missing = len(embedded().focused(["pDC", "CD14 Mono"]).genes) - 80
    assert first == (
        "patch: 80 of the file's 100 genes are on the model's axis (80 % of its counts); "
        f"{missing:,} genes of the model were not measured and start at 0"
    )
    assert others == []


def test_cells_of_which_the_model_holds_less_than_half_are_refused(tmp_path: Path) -> None:
    write_cells(tmp_path, ["pDC"] * 6, known=0.01)
    with pytest.raises(InputError, match=r"cells\.file: 1 of the 100 genes .* 1\.0% of its counts, and 50% are needed"):
        world_of(tmp_path, MEASURED)


def test_a_new_type_needs_five_cells_and_is_told(tmp_path: Path) -> None:
    write_cells(tmp_path, ["pDC"] * 6 + ["stranger"] * 4)
    with pytest.raises(InputError, match="'stranger' is not known to the model and has 4 cells"):
        world_of(tmp_path, MEASURED)
    write_cells(tmp_path, ["pDC"] * 6 + ["stranger"] * 5)
    told = world_of(tmp_path, MEASURED).notes
    assert "patch: the model does not know 'stranger'; it is made from 5 cells, taken as controls" in told


def test_types_that_the_scenario_counts_on_and_no_cell_has_are_told(tmp_path: Path) -> None:
    none = ("compartments.patch.cells.count=3", "compartments.patch.cells.composition.pDC=0.001")
    told = world_of(tmp_path, none).notes
    assert [note.split(":")[0] for note in told] == ["no cell is a pDC", "patch", "no cell is a pDC"]
    assert "no IFNB1 is secreted by it" in told[0]
    assert world_of(tmp_path).notes == ()


def test_cells_that_fit_into_their_region_fit_in_every_replicate(tmp_path: Path) -> None:
    """Fourteen to sixteen of fifty sites lie in the region, by the packing's luck; fifteen cells are to go there."""
    world = world_of(
        tmp_path,
        (
            "replicates=64",
            "compartments.patch.cells.count=50",
            "compartments.patch.cells.composition={CD14 Mono: 0.7, pDC: 0.3}",
            "compartments.patch.cells.place={pDC: {x: [0 um, 20 um]}}",
        ),
    )
    check_places(world)
    document = world.scenario.compartments["patch"]
    outside = 0
    for replicate in range(8):
        _, code, _, position = place_cells(world, "patch", document, Streams(3, replicate, 0))
        x = position[code == world.names["patch"]["cell_type"].index("pDC"), 0]
        assert len(x) == 15
        assert x.max() < 20 + 16  # a spacing off, no farther
        outside += int((x > 20).any())
    assert 0 < outside < 8, "else this test says nothing of luck"


def test_cells_that_no_luck_could_fit_into_their_region_are_refused(tmp_path: Path) -> None:
    world = world_of(tmp_path, ("compartments.patch.cells.place={CD14 Mono: {x: [0 um, 10 um]}}",))
    with pytest.raises(InputError, match=r"compartments\.patch\.cells\.place\.CD14 Mono: 30 cells do not fit"):
        check_places(world)


IN_BALLS = (
    "compartments.patch.box=[200 um, 200 um, 100 um]",
    "compartments.patch.cells.count=200",
    "compartments.patch.cells.composition={CD14 Mono: 0.6, pDC: 0.2, NK: 0.2}",
    "compartments.patch.cells.radius={default: 5 um, NK: 4 um}",
)


def test_a_ball_holds_the_types_that_name_it_and_no_other(tmp_path: Path) -> None:
    ball = "{ball: {centre: [100 um, 100 um, 50 um], radius: 45 um}}"
    world = world_of(tmp_path, (*IN_BALLS, f"compartments.patch.cells.place={{CD14 Mono: {ball}, pDC: {ball}}}"))
    _, code, radius, position = place_cells(world, "patch", world.scenario.compartments["patch"], Streams(3, 0, 0))
    away = np.linalg.norm(position - [100.0, 100.0, 50.0], axis=1)
    outside = code == world.names["patch"]["cell_type"].index("NK")
    assert int(outside.sum()) == 40
    assert (away[~outside] <= 45 - 4.9).all()
    assert (away[outside] >= 45 + radius[outside] - 1e-9).all()
    mixed = [away[code == world.names["patch"]["cell_type"].index(t)].mean() for t in ("CD14 Mono", "pDC")]
    assert mixed[0] == pytest.approx(mixed[1], abs=5 * 10.0 / 40**0.5)


def test_a_shell_around_a_ball_leaves_the_ball_to_others(tmp_path: Path) -> None:
    core, centre = "radius: 35 um", "centre: [100 um, 100 um, 50 um]"
    place = f"{{CD14 Mono: {{ball: {{{centre}, {core}}}}}, pDC: {{ball: {{{centre}, radius: 50 um, inner: 35 um}}}}}}"
    world = world_of(tmp_path, (*IN_BALLS, f"compartments.patch.cells.place={place}"))
    _, code, _, position = place_cells(world, "patch", world.scenario.compartments["patch"], Streams(3, 0, 0))
    away = np.linalg.norm(position - [100.0, 100.0, 50.0], axis=1)
    names = world.names["patch"]["cell_type"]
    assert away[code == names.index("CD14 Mono")].max() <= 35
    shell = away[code == names.index("pDC")]
    assert 35 <= shell.min() <= shell.max() <= 50
    assert away[code == names.index("NK")].min() >= 50


@pytest.mark.parametrize(
    ("place", "words"),
    [
        (
            "{NK: {ball: {centre: [0 um, 0 um, 120 um], radius: 9 um}}}",
            r"centre\[2\]: 120 um does not lie inside the box",
        ),
        ("{NK: {ball: {centre: [0 um, 0 um, 0 um], radius: 9 um, inner: 9 um}}}", "inner radius 9 um is not below"),
        ("{NK: {x: [0 um, 9 um], ball: {centre: [0 um, 0 um, 0 um], radius: 9 um}}}", "x, y, z or a ball, not both"),
        (
            "{NK: {ball: {centre: [0 um, 0 um, 0 um], radius: 60 um}}, "
            "pDC: {ball: {centre: [70 um, 0 um, 0 um], radius: 60 um, inner: 20 um}}}",
            "overlaps the ball of NK: write the same ball for both",
        ),
    ],
)
def test_a_ball_that_cannot_be_is_told_with_its_key(tmp_path: Path, place: str, words: str) -> None:
    with pytest.raises(ScenarioError, match=words):
        check_file(write_tiny(tmp_path), (*IN_BALLS, f"compartments.patch.cells.place={place}"))


@pytest.mark.parametrize(
    ("radius", "words"),
    [
        ("20 um", r"place\.CD14 Mono\.ball: 120 cells would fill 1\.87 of the ball.* at most 47 cells"),
        ("180 um", r"compartments\.patch: 80 cells do not fit into what the balls leave of the box"),
    ],
)
def test_cells_that_do_not_fit_into_or_beside_a_ball_are_refused(tmp_path: Path, radius: str, words: str) -> None:
    place = f"{{CD14 Mono: {{ball: {{centre: [100 um, 100 um, 50 um], radius: {radius}}}}}}}"
    with pytest.raises((InputError, ScenarioError), match=words):
        check_places(world_of(tmp_path, (*IN_BALLS, f"compartments.patch.cells.place={place}")))


@pytest.mark.parametrize(
    ("places", "words"),
    [
        (np.array([[1.0, 2.0], [np.nan, 2.0]] * 3), "3 cells .* not finite, the first is cell1"),
        (np.ones((6, 4)), r"has the shape \(6, 4\); it must have 2 or 3 columns"),
    ],
)
def test_places_that_are_none_are_refused(tmp_path: Path, places: np.ndarray, words: str) -> None:
    cells = write_cells(tmp_path, ["pDC"] * 6)
    cells.obsm["spatial"] = places
    cells.write_h5ad(tmp_path / "mine.h5ad")
    with pytest.raises(ScenarioError, match=r"(?s)compartments\.patch\.cells\.spatial: .*" + words):
        check_file(write_tiny(tmp_path), (*MEASURED, "compartments.patch.cells.spatial=true"))


def test_the_name_of_a_compartment_must_do_as_a_folder(tmp_path: Path) -> None:
    file = write_tiny(tmp_path)
    file.write_text(file.read_text().replace('"patch"', '"a/b"'))
    with pytest.raises(ScenarioError, match="'a/b' cannot be the name of a folder"):
        check_file(file, ())


def test_what_counts_as_a_response_is_read_at_the_depth_of_the_compartments_own_cells(tmp_path: Path) -> None:
    write_cells(tmp_path, ["CD14 Mono"] * 6, depth=200)
    shallow = references_of(world_of(tmp_path, MEASURED))
    write_cells(tmp_path, ["CD14 Mono"] * 6, depth=20_000)
    world = world_of(tmp_path, MEASURED)
    deep = references_of(world)
    assert shallow is not None
    assert deep is not None
    i = world.model.contexts.index("CD14 Mono")
    gain = {d: r.full["patch"][i] - r.control["patch"][i] for d, r in (("shallow", shallow), ("deep", deep))}
    assert gain["deep"] > 0.5
    assert abs(gain["deep"] - gain["shallow"]) > 0.1


def test_a_tissue_without_cells_is_a_field_alone(tmp_path: Path) -> None:
    loaded, plan = check_file(
        write_tiny(tmp_path),
        (
            "compartments.patch.cells.count=0",
            "signalling.secretion=[]",
            "timeline=[{do: add, at: 0 h, substance: IFNB1, dose: 1 nM}]",
            "duration=1 h",
        ),
    )
    world = build_world(loaded, plan.whole, plan.processes)
    ensemble = expand(loaded, plan, world).ensemble
    create_run(tmp_path / "run", record_of(plan, world), layout_of(world), ensemble, ["patch"])
    segment(loaded, tmp_path / "run", jobs_of(ensemble)[0], 2)
    run = open_run(tmp_path / "run")
    assert run.cells().n_obs == 0
    left = run.fields()["concentration"].isel(time=-1).values
    np.testing.assert_allclose(left, 0.5 ** (1 / 5), rtol=1e-6)  # 1 nM after an hour, half-life 5 h
    text = report(run.path)
    assert "patch: no cells" in text
    assert "nan" not in text


def test_the_order_of_rows_changes_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = world_of(tmp_path, ("signalling.secretion=[]",))
    plain = seed_body(world, 0)
    monkeypatch.setattr(seeding, "LEAST_ORDERED", 2)
    ordered = seed_body(world, 0)
    a, b = (body.compartments["patch"] for body in (plain, ordered))
    assert mean_step(b.cells.position) < mean_step(a.cells.position)
    for _ in range(2):  # founders, then a tick on
        rows = np.argsort(b.cells.id)
        np.testing.assert_array_equal(a.cells.id, b.cells.id[rows])
        for name, values in a.cells.arrays().items():
            np.testing.assert_array_equal(values, b.cells.arrays()[name][rows], err_msg=name)
        counts = [tissue.expression.to_counts(tissue.cells.id).toarray() for tissue in (a, b)]
        np.testing.assert_array_equal(counts[0], counts[1][rows])
        advance(world, plain, 0)
        advance(world, ordered, 0)


def test_chunks_are_drawn_alike_by_any_number_of_threads(tmp_path: Path) -> None:
    world = world_of(tmp_path)
    with Crew(3) as crew:
        alone, shared = seed_body(world, 0), seed_body(world, 0, crew)
        for _ in range(2):
            a, b = (body.compartments["patch"] for body in (alone, shared))
            for one, other in zip(a.expression.chunks, b.expression.chunks, strict=True):
                np.testing.assert_array_equal(one.gene, other.gene)
                np.testing.assert_array_equal(one.token, other.token)
            np.testing.assert_array_equal(a.cells.z, b.cells.z)
            advance(world, alone, 0)
            advance(world, shared, 0, crew)
