"""Pictures are looked at: the cells are there, in their place and colour, and before is not after."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import twin_viz
from anndata import AnnData
from matplotlib.colors import to_rgb
from matplotlib.image import imread
from numpy.typing import NDArray
from twin_viz import palette, plain
from twin_viz.block import cut_open
from twin_viz.camera import look_at
from twin_viz.graphics import graphics
from twin_viz.page import Painter, compose, picture
from twin_viz.tissue import read_view

from tests.viz.fake_run import FakeRun
from twin.errors import InputError

Image = NDArray[np.float64]
Draw = Callable[..., Path]


@pytest.fixture(params=["plain", "scene"])
def draw(request: pytest.FixtureRequest) -> Draw:
    if request.param == "plain":
        painter: Painter = plain.PlainPainter()
    else:
        painter = scene_painter()
    return lambda run, out, **options: picture(read_view(run, **options), out, painter)


def scene_painter() -> Painter:
    if graphics().backend is None:
        pytest.skip(graphics().advice)
    from twin_viz.drawing import ScenePainter

    return ScenePainter()


def look(path: Path) -> Image:
    return np.asarray(imread(path), dtype=np.float64)[..., :3]


def panel(image: Image, view: Any, index: int) -> Image:
    """Cut one panel out of a picture."""
    place = compose(view, plain.PlainPainter()).axes[index].get_window_extent()
    top, left = image.shape[0] - round(place.y1), round(place.x0)
    return image[top : top + round(place.height), left : left + round(place.width)]


def share_like(image: Image, color: str, tolerance: float = 0.12) -> float:
    """Share of the pixels whose hue is that of `color`, shaded or not."""
    wanted = np.array(to_rgb(color))
    wanted /= np.linalg.norm(wanted)
    length = np.linalg.norm(image, axis=-1)
    direction = image / np.maximum(length, 1e-6)[..., None]
    return float(((np.linalg.norm(direction - wanted, axis=-1) < tolerance) & (length > 0.3)).mean())


def test_cells_cover_their_panel_and_before_is_not_after(draw: Draw, tmp_path: Path) -> None:
    run = FakeRun(600)
    image = look(draw(run, tmp_path / "tissue.png", times=(0.0, "24 h")))
    view = read_view(run, (0.0, 24.0))
    before, after = panel(image, view, 0), panel(image, view, 1)
    assert (np.ptp(before, axis=-1) < 0.1).mean() > 0.9  # grey cells on white
    assert (before.min(axis=-1) < 0.95).mean() > 0.25  # that are there
    strong = palette.EXPRESSION(1.0)
    left, right = np.array_split(after, 2, axis=1)
    purple = [share_like(half, f"#{''.join(f'{round(c * 255):02x}' for c in strong[:3])}") for half in (left, right)]
    assert purple[0] > 0.1
    assert purple[0] > 3 * purple[1]  # the response falls with the distance from the source
    assert np.abs(before - after).mean() > 0.05


def test_a_sphere_stands_where_its_cell_is_and_has_its_radius(draw: Draw, tmp_path: Path) -> None:
    run = FakeRun(1, kept=(24.0,))
    image = look(draw(run, tmp_path / "one.png", color="cell_type", field="none"))
    view = read_view(run, color="cell_type", field="none")
    seen = panel(image, view, 0)
    rows, columns = np.nonzero(np.ptp(seen, axis=-1) > 0.2)  # the only thing in colour
    camera, tissue = view.camera, view.tissues[0]
    pixel = 2 * camera.half_width / seen.shape[1]  # µm
    place = camera.project(tissue.position)[0]
    middle = ((columns.mean() + 0.5) * pixel - camera.half_width, camera.half_height - (rows.mean() + 0.5) * pixel)
    assert middle == pytest.approx(tuple(place[:2]), abs=1.5)
    assert np.ptp(columns) * pixel == pytest.approx(2 * tissue.radius[0], abs=1.5)
    assert np.ptp(rows) * pixel == pytest.approx(2 * tissue.radius[0], abs=1.5)


def test_each_cell_type_is_seen_in_its_colour(draw: Draw, tmp_path: Path) -> None:
    run = FakeRun(600)
    image = look(draw(run, tmp_path / "types.png", color="cell_type"))
    view = read_view(run, color="cell_type")
    assert len(view.coloring.categories) == 4
    for code in range(4):
        assert share_like(panel(image, view, 0), palette.category_color(view.coloring, code), 0.15) > 0.002


def test_the_field_has_the_colours_of_its_colour_bar(draw: Draw, tmp_path: Path) -> None:
    run = FakeRun(60)
    image = look(draw(run, tmp_path / "field.png"))
    view = read_view(run)
    assert view.field is not None
    seen = panel(image, view, 1)
    x = np.array([155.0, 255.0, 405.0])  # µm, centres of voxels
    points = np.column_stack([x, np.full(3, 20.0), np.full(3, 15.0)])  # on the slice, in a voxel's middle
    flat = view.camera.project(points)
    columns = ((flat[:, 0] + view.camera.half_width) / (2 * view.camera.half_width) * seen.shape[1]).astype(int)
    rows = ((view.camera.half_height - flat[:, 1]) / (2 * view.camera.half_height) * seen.shape[0]).astype(int)
    level = view.field.concentration[1, 2, (x // 10).astype(int)]
    np.testing.assert_allclose(seen[rows, columns], palette.field_colors(view.field, level), atol=0.03)


def test_many_cells_are_drawn_as_points_of_true_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    painter, view = scene_painter(), read_view(FakeRun(300), field="none")
    from twin_viz import drawing

    spheres = look(picture(view, tmp_path / "spheres.png", painter))
    monkeypatch.setattr(drawing, "GLYPH_LIMIT", 10)
    points = look(picture(view, tmp_path / "points.png", painter))
    covered = [(image.min(axis=-1) < 0.97).mean() for image in (spheres, points)]
    assert covered[1] == pytest.approx(covered[0], rel=0.05)
    assert np.abs(spheres - points).mean() < 0.03


def test_the_scene_has_cells_above_and_the_field_below() -> None:
    if graphics().backend is None:
        pytest.skip(graphics().advice)
    made = twin_viz.scene(FakeRun(200), size=(640, 480))
    assert made._repr_png_().startswith(b"\x89PNG")  # so a notebook shows it
    plotter = made.plotter()
    image = np.asarray(plotter.screenshot(return_img=True), dtype=np.float64) / 255
    plotter.close()
    assert image.shape == (480, 640, 3)
    assert share_like(image[:190], "#6a0f7d") > 0.005
    assert share_like(image[240:430], "#41b6c4") > 0.005
    assert share_like(image[:190], "#41b6c4") == 0


def test_a_cut_takes_cells_away() -> None:
    run = FakeRun(400)
    whole, half = read_view(run), read_view(run, cut="x < 250um")
    assert len(half.tissues[0].radius) < 0.7 * len(whole.tissues[0].radius)
    assert half.tissues[0].position[:, 0].max() <= 250
    np.testing.assert_array_equal(half.box, whole.box)


@pytest.mark.parametrize("size", [(500.0, 45.0, 45.0), (45.0, 500.0, 45.0), (80.0, 90.0, 70.0), (300.0, 200.0, 9.0)])
def test_the_camera_shows_the_whole_box_and_keeps_lengths(size: tuple[float, float, float]) -> None:
    box = np.stack([np.zeros(3), np.array(size)])
    camera = look_at(box)
    axes = np.stack([camera.right, camera.up, camera.toward])
    np.testing.assert_allclose(axes @ axes.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(axes) == pytest.approx(1)  # right-handed: the picture is no mirror image
    corner = np.array([[x, y, z] for x in box[:, 0] for y in box[:, 1] for z in box[:, 2]])
    seen = np.abs(camera.project(corner)[:, :2]).max(axis=0)
    assert (seen <= [camera.half_width, camera.half_height]).all()
    assert seen[0] >= 0.9 * camera.half_width
    assert seen[0] * 2 >= max(size[:2]) * 0.9  # the longest edge runs across


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"color": "ISG51"}, "did you mean ISG15"),
        ({"color": "cell_typ"}, "did you mean cell_type"),
        ({"times": ("23 h",)}, "nearest kept are 12 h or 24 h"),
        ({"times": ("24",)}, "write a number and a unit"),
        ({"cut": "y=20"}, "is not a cut"),
        ({"cut": "y~20 um"}, "is not a cut"),
        ({"cut": "y=60 um"}, "no cell is left in the part that stays"),
        ({"opacity": 0.0}, "opacity: 0 is not above 0"),
        ({"links": "CXCL10"}, "neither 'contacts' nor a ligand and its receptor"),
        ({"links": "ISG15:IFI7"}, "links: no gene is called 'IFI7'; did you mean IFI6"),
        ({"field": "IL6", "style": "iso"}, "no substance is called 'IL6'"),
        ({"cut": "y>999 um"}, "no cell is left"),
        ({"field": "IFN-alpha"}, "no substance is called .* IFN-beta"),
        ({"compartment": "liver"}, "known: tissue"),
    ],
)
def test_bad_input_is_one_clear_sentence(options: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        read_view(FakeRun(20), **options)


def test_a_tissue_without_cells_or_a_run_without_times_is_said() -> None:
    with pytest.raises(InputError, match="no cells are there at 24 h"):
        read_view(FakeRun(0))
    with pytest.raises(InputError, match="holds no cells yet"):
        read_view(FakeRun(5, kept=()))


def test_a_place_that_cannot_be_written_is_said_and_nothing_is_left(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        picture(read_view(FakeRun(5)), tmp_path / "file" / "tissue.png", plain.PlainPainter())
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_dollar_sign_in_a_name_is_a_dollar_sign(draw: Draw, tmp_path: Path) -> None:
    class Dear(FakeRun):
        @property
        def scenario(self) -> dict[str, Any]:
            return {**super().scenario, "name": r"odd $\foo$ run"}

        def cells(self, time: float | str | None = None, replicate: int = 0, compartment: str | None = None) -> AnnData:
            found = super().cells(time, replicate, compartment)
            found.obs["kind"] = [r"$\bad{$", "$T^2$"] * (found.n_obs // 2)
            return found

    assert draw(Dear(20), tmp_path / "a.png", color="kind").exists()


def test_the_dead_release_nothing_and_are_told_apart() -> None:
    class Half(FakeRun):
        def cells(self, time: float | str | None = None, replicate: int = 0, compartment: str | None = None) -> AnnData:
            found = super().cells(time, replicate, compartment)
            found.obs["alive"] = np.arange(found.n_obs) % 2 == 0
            return found

    whole, half = read_view(FakeRun(400), color="cell_type"), read_view(Half(400), color="cell_type")
    assert whole.field is not None
    assert half.field is not None
    assert 0 < len(half.field.source) < 0.8 * len(whole.field.source)
    assert half.tissues[0].counted == "200 cells, 200 bodies"
    legend = compose(half, plain.PlainPainter()).axes[-2].get_legend()
    assert legend is not None
    assert "dead" in [text.get_text() for text in legend.get_texts()]


def test_colours_are_those_of_the_cells_that_are_shown() -> None:
    run = FakeRun(400)
    far = read_view(run, color="ISG15", cut="x>400 um")
    assert far.coloring.high < 0.9 * read_view(run, color="ISG15").coloring.high
    pdc = read_view(run, color="cell_type", cut="x<15 um").coloring
    assert pdc.categories == read_view(run, color="cell_type").coloring.categories, "a type keeps its colour"
    assert len(pdc.absent) == 3


def test_a_cut_cuts_the_field_too_and_is_looked_at() -> None:
    view = read_view(FakeRun(50), cut="x>250 um")
    assert view.field is not None
    block = cut_open(view.field, view.camera, view.cut)
    assert (block.axis, block.at) == (0, 250.0)
    np.testing.assert_array_equal(block.box[:, 0], [250, 500])
    assert view.camera.toward[0] < -0.3, "one looks at the side that was opened"
    assert read_view(FakeRun(50), cut="x<250 um").camera.toward[0] > 0.3
    assert read_view(FakeRun(50), cut="y<20 um").camera.toward[1] > 0.3


def test_a_picture_beyond_the_assay_says_so() -> None:
    axes = compose(read_view(FakeRun(20), (6.0, 24.0)), plain.PlainPainter()).axes
    said = [" ".join(text.get_text() for text in one.texts) for one in axes[:2]]
    assert ["extrapolated" in words for words in said] == [False, True]  # the assay ends at 2 h + 6 h


def test_the_dead_are_seen_as_what_they_are_dying_of(tmp_path: Path) -> None:
    class Dying(FakeRun):
        def cells(self, time: float | str | None = None, replicate: int = 0, compartment: str | None = None) -> AnnData:
            found = super().cells(time, replicate, compartment)
            found.obs["death_phase"] = np.arange(found.n_obs) % 4.0
            found.obs["alive"] = found.obs["death_phase"] == 0.0
            return found

    view = read_view(Dying(), [0.0], color="death_phase")
    assert view.coloring.label == "state"
    assert view.coloring.categories == ("living", "apoptotic", "necrotic, swelling", "necrotic, burst")
    assert not view.coloring.absent
    assert np.isfinite(view.tissues[0].value).all()
