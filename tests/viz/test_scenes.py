"""What stands around and between the cells is seen where it is: fields, contacts, futures side by side."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
import twin_viz
import xarray as xr
from matplotlib.image import imread
from numpy.typing import NDArray
from twin_viz import graphics as graphics_module
from twin_viz import palette, plain
from twin_viz.camera import look_at
from twin_viz.cloud import style_of
from twin_viz.cut import parse_cut
from twin_viz.film import frames
from twin_viz.graphics import graphics
from twin_viz.links import links_of
from twin_viz.page import Painter, compose, picture
from twin_viz.tissue import View, clone_names, read_view

from tests.viz.fake_run import BOX, FakeRun, rise
from twin.errors import InputError

Image = NDArray[np.float64]


@pytest.fixture(params=["plain", "scene"])
def painter(request: pytest.FixtureRequest) -> Painter:
    if request.param == "plain":
        return plain.PlainPainter()
    if graphics().backend is None:
        pytest.skip(graphics().advice)
    from twin_viz.drawing import ScenePainter

    return ScenePainter()


@dataclass
class Untreated(FakeRun):
    """The same cells, in which nothing answers."""

    def cells(self, time: float | str | None = None, replicate: int = 0, compartment: str | None = None) -> Any:
        found = super().cells(time, replicate, compartment)
        counts = found.X.toarray()
        counts[:, 0] = 0
        found.X = sp.csr_matrix(counts)
        return found


@dataclass
class Inwards(FakeRun):
    """A field that falls with the distance from the viewer."""

    def fields(self, replicate: int = 0, compartment: str | None = None) -> xr.Dataset:
        found = super().fields(replicate, compartment)
        along = xr.DataArray(0.05 * np.exp(-found["y"].to_numpy() / 10.0), dims="y")
        return found.assign(concentration=(0 * found["concentration"] + along).assign_attrs(units="nM"))


def panels(view: View, painter: Painter, out: Path) -> list[Image]:
    """The panels of a picture, as they are on the page."""
    figure = compose(view, painter)
    image = np.asarray(imread(picture(view, out, painter)), dtype=np.float64)[..., :3]
    found = []
    for axes in figure.axes[: len(view.tissues)]:
        place = axes.get_window_extent()
        top, left = image.shape[0] - round(place.y1), round(place.x0)
        found.append(image[top : top + int(place.height), left : left + int(place.width)])
    rows, columns = (min(one.shape[i] for one in found) for i in range(2))
    return [one[:rows, :columns] for one in found]


def at(view: View, image: Image, point: tuple[float, float, float]) -> Image:
    """The colour where a point of the tissue (µm) is seen, a mean over 5 × 5 pixels."""
    x, y, _ = view.camera.project(np.array(point))
    column = int((x + view.camera.half_width) / (2 * view.camera.half_width) * image.shape[1])
    row = int((view.camera.half_height - y) / (2 * view.camera.half_height) * image.shape[0])
    return np.asarray(image[row - 2 : row + 3, column - 2 : column + 3].mean(axis=(0, 1)))


def test_a_slice_has_the_colours_of_its_concentrations(painter: Painter, tmp_path: Path) -> None:
    view = read_view(FakeRun(1, kept=(24.0,)), style="slice")
    assert view.cloud is not None
    assert view.cut is not None
    assert (view.cloud.axis, view.cut.axis) == (1, 1)
    assert view.cloud.at == pytest.approx(BOX[1] / 2)
    (seen,) = panels(view, painter, tmp_path / "slice.png")
    for x in (105.0, 255.0, 405.0):  # centres of voxels
        level = 0.05 * rise(24.0) * np.exp(-x / 90.0)
        want = palette.field_colors(view.cloud, np.array([level]))[0]
        np.testing.assert_allclose(at(view, seen, (x, view.cloud.at, 25.0)), want, atol=0.03)


def test_iso_surfaces_are_seen(painter: Painter, tmp_path: Path) -> None:
    run = Inwards(1, kept=(24.0,))
    with_field, without = read_view(run, style="iso"), read_view(run, field="none")
    (seen,), (bare,) = (panels(v, painter, tmp_path / f"{i}.png") for i, v in enumerate((with_field, without)))
    tinted, before = ((np.ptp(image, axis=-1) > 0.1).mean() for image in (seen, bare))  # frames and white are grey
    assert before < 0.01
    assert tinted > 0.05
    assert with_field.camera.toward[0] > 0.3, "surfaces across a long box are not looked at from their edges"
    assert with_field.cloud is not None
    assert with_field.cloud.words == "iso-surfaces"


def test_a_fog_is_thickest_where_there_is_most(painter: Painter, tmp_path: Path) -> None:
    run = FakeRun(1, kept=(24.0,))
    with_field, without = read_view(run, style="volume"), read_view(run, field="none")
    (seen,), (bare,) = (panels(v, painter, tmp_path / f"{i}.png") for i, v in enumerate((with_field, without)))
    tinted = np.abs(seen - bare).sum(axis=(0, 2))  # along the picture
    first, last = np.array_split(tinted, 2)
    assert first.sum() > 2 * last.sum() > 0
    assert with_field.opacity < 1 == without.opacity


def test_iso_surfaces_stand_where_the_concentration_is_theirs(tmp_path: Path) -> None:
    if graphics().backend is None:
        pytest.skip(graphics().advice)
    from twin_viz.fog import _grid

    view = read_view(FakeRun(1, kept=(24.0,)), style="iso")
    assert view.cloud is not None
    assert view.tissues[0].cloud is not None
    grid = _grid(view, view.cloud, view.tissues[0].cloud)
    for level in view.cloud.levels:
        share = np.log(level / view.cloud.low) / np.log(view.cloud.high / view.cloud.low)
        surface = grid.contour([float(share)], scalars="share")
        where = -90.0 * np.log(level / (0.05 * rise(24.0)))  # of c = c0 exp(−x/90 µm)
        np.testing.assert_allclose(np.asarray(surface.points)[:, 0], where, atol=1.0)


def test_lines_go_from_cell_to_cell_once_and_cells_make_room(painter: Painter, tmp_path: Path) -> None:
    run = FakeRun(300, kept=(24.0,))
    view = read_view(run, field="none", links="contacts")
    links = view.tissues[0].links
    assert links is not None
    contacts = run.cells().obsp["contacts"]
    assert len(links.strength) == contacts.nnz // 2
    assert (np.linalg.norm(links.ends[:, 0] - links.ends[:, 1], axis=1) <= 12.0).all()
    (seen,) = panels(view, painter, tmp_path / "links.png")
    green = (seen[..., 1] > seen[..., 0] + 0.1) & (seen[..., 1] > seen[..., 2] + 0.05)
    assert green.mean() > 0.005
    assert "cells that touch" in view.links


def test_a_pair_is_scored_as_the_product_of_its_rates() -> None:
    cells = FakeRun(200).cells()
    everyone = np.ones(200, np.bool_)
    links = links_of(cells, "ISG15:CD3D", everyone)
    counts = cells.X.toarray()
    rates = counts / counts.sum(axis=1, keepdims=True) * 1e4
    touching = cells.obsp["contacts"].toarray()
    product = np.outer(rates[:, 0], rates[:, 2]) * touching
    want = np.triu(np.maximum(product, product.T), 1)
    assert len(links.strength) == np.count_nonzero(want)
    np.testing.assert_allclose(np.sort(links.strength), np.sort(want[want > 0]))
    assert (np.diff(links.strength) <= 0).all(), "the strongest first"
    some = np.arange(200) < 50
    assert 0 < len(links_of(cells, "ISG15+IFI6:CD3D", some).strength) < len(links.strength)


def test_futures_side_by_side_have_one_scale_and_one_camera(painter: Painter, tmp_path: Path) -> None:
    run, other = FakeRun(300), Untreated(300)
    view = read_view(run, (0.0, 24.0), field="none", label="treated", others=[("untreated", other)])
    assert [(t.label, t.time) for t in view.tissues] == [
        ("treated", 0.0), ("treated", 24.0), ("untreated", 0.0), ("untreated", 24.0)
    ]  # fmt: skip
    alone = read_view(run, (0.0, 24.0), field="none")
    assert view.coloring.high == pytest.approx(alone.coloring.high, rel=0.2)
    before, after, still_before, still_after = panels(view, painter, tmp_path / "two.png")
    assert np.abs(still_before - still_after).mean() < 0.01, "but for half a pixel"
    assert np.abs(before - after).mean() > 0.05
    assert np.abs(after - still_after).mean() > 0.05
    said = [" ".join(text.get_text() for text in axes.texts) for axes in compose(view, plain.PlainPainter()).axes[:4]]
    assert ["untreated" in words for words in said] == [False, False, True, True]
    assert all("300 cells" in words for words in said)


def test_a_film_shows_futures_side_by_side(painter: Painter) -> None:
    view = read_view(FakeRun(60), FakeRun().kept, field="none", label="a", others=[("b", Untreated(60))])
    made = list(frames(view, painter, (640, 360)))
    assert len(made) == 4
    figure = compose(replace(view, tissues=tuple(t for t in view.tissues if t.time == 24.0)), painter, (640, 360))
    changed = []
    for axes in figure.axes[:2]:
        place, height = axes.get_window_extent(), made[0].shape[0]
        rows, columns = slice(int(height - place.y1) + 2, int(height - place.y0)), slice(int(place.x0), int(place.x1))
        changed.append(np.abs(made[0].astype(float) - made[3])[rows, columns].mean())
    assert changed[0] > 5 > 10 * changed[1], "only one of them answers"


def test_a_cut_before_the_viewer_keeps_what_is_behind() -> None:
    run = FakeRun(400)
    camera = read_view(run).camera
    half = read_view(run, cut="y=50%")
    assert half.cut is not None
    assert camera.toward[1] < 0
    assert (half.tissues[0].position[:, 1] >= half.cut.at).all()
    assert half.cut.at == pytest.approx(np.mean(half.box[:, 1]))
    assert read_view(run, cut="z = 20 um").tissues[0].position[:, 2].max() <= 20, "one looks from above"
    assert parse_cut("x=0").at == 0


def test_a_scene_shows_itself_also_without_opengl(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(graphics_module, "graphics", lambda: graphics_module.Graphics(None, "install it"))
    made = twin_viz.scene(FakeRun(30), ("0h", "24h"), close=True)
    assert made._repr_png_().startswith(b"\x89PNG")
    assert made.save(tmp_path / "s.svg").read_text().startswith("<?xml")
    assert len(made.view.tissues) == 2
    assert made.view.box[1, 0] < BOX[0]
    with pytest.raises(InputError, match="not as 'foo'"):
        twin_viz.scene(FakeRun(5), style="foo")


def test_what_is_called_extrapolated_hangs_on_what_the_cells_met() -> None:
    class Met(FakeRun):
        def cells(self, time: float | str | None = None, replicate: int = 0, compartment: str | None = None) -> Any:
            found = super().cells(time, replicate, compartment)
            found.obs["time_since_IFNB1"] = (time if isinstance(time, float) else 24.0) - 10.0
            return found

    view = read_view(Met(10), (12.0, 24.0), field="none", label="a", others=[("b", FakeRun(10))])
    assert [t.is_late for t in view.tissues] == [False, True, True, True]  # the assay ends 6 h after exposure


def test_a_clone_has_the_colour_of_its_founder() -> None:
    view = read_view(FakeRun(20), color="clone", field="none")
    values = view.tissues[0].value
    assert len(view.coloring.categories) == 10
    np.testing.assert_array_equal(values[:10], values[10:])  # daughters of the first ten
    cells = FakeRun(20).cells()
    assert clone_names(FakeRun(20).lineage(), cells)[::10] == ["of cell 0", "of cell 0"]


def test_close_is_around_the_cells() -> None:
    run = FakeRun(3)
    box = read_view(run, close=True).box
    place, reach = run.cells().obsm["spatial"], run.cells().obs["radius"].to_numpy()[:, None]
    np.testing.assert_allclose(box, [(place - reach).min(axis=0), (place + reach).max(axis=0)])
    assert look_at(box).half_width < read_view(run).camera.half_width


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: style_of("cloud"), "shown as block, slice, iso or volume, not as 'cloud'"),
        (
            lambda: read_view(FakeRun(5), field="IFN-beta", others=[("b", FakeRun(5))]),
            "a block is of one future",
        ),
        (lambda: read_view(FakeRun(5), (24.0,), others=[("b", FakeRun(5, kept=(0.0,)))]), "no cells were kept at 24 h"),
    ],
)
def test_what_cannot_be_shown_is_one_clear_sentence(call: Callable[[], Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        call()
