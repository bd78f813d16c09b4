"""Films are looked at: as many frames as times, one scale, cells that change, and a page that stands still."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import numpy as np
import PIL.Image
import pytest
from matplotlib.image import imread
from twin_viz.film import film, frames
from twin_viz.graphics import graphics
from twin_viz.page import Painter, compose, save
from twin_viz.plain import PlainPainter
from twin_viz.tissue import read_view

from tests.viz.fake_run import FakeRun
from twin.errors import InputError

SIZE = (480, 360)


@pytest.fixture(params=["plain", "scene"])
def painter(request: pytest.FixtureRequest) -> Painter:
    if request.param == "plain":
        return PlainPainter()
    if graphics().backend is None:
        pytest.skip(graphics().advice)
    from twin_viz.drawing import ScenePainter

    return ScenePainter()


def test_each_frame_is_the_picture_of_its_time(painter: Painter, tmp_path: Path) -> None:
    run = FakeRun()
    view = read_view(run, run.kept, field="none")
    made = list(frames(view, painter, SIZE))
    assert len(made) == len(run.kept)
    for i in (0, 3):
        alone = compose(replace(view, tissues=view.tissues[i : i + 1]), painter, SIZE)
        still = imread(save(alone, tmp_path / f"{i}.png"))[..., :3] * 255.0
        rows, columns = made[i].shape[:2]
        off = np.abs(still[:rows, :columns] - made[i]).max(axis=2)
        assert (off > 24).mean() < 0.002, "a frame is what a picture of that time would be"
    changed = np.abs(made[0].astype(float) - made[3]).max(axis=2) > 48
    assert changed.mean() > 0.005, "the cells have answered"
    foot = changed[-40:]
    assert not foot.any(), "the colour bar stands still"


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # the reader's own pipes
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_film_can_be_played(tmp_path: Path) -> None:
    run, heard = FakeRun(n=80), []
    out = film(run, tmp_path / "t.mp4", PlainPainter(), size=SIZE, on_frame=lambda i, n: heard.append((i, n)))
    assert heard == [(1, 4), (2, 4), (3, 4), (4, 4)]
    reader = imageio_ffmpeg.read_frames(str(out))
    about = next(reader)
    assert about["codec"] == "h264"
    assert about["fps"] == 8
    shown = [np.frombuffer(frame, np.uint8) for frame in reader]
    assert len(shown) == 4
    assert np.abs(shown[0].astype(float) - shown[3]).max() > 40
    with PIL.Image.open(film(run, tmp_path / "t.gif", PlainPainter(), size=SIZE)) as opened:
        gif: Any = opened
        assert gif.n_frames == 4
    assert not list(tmp_path.glob(".*"))


def test_what_cannot_be_filmed_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a film ends in \.mp4 or \.gif"):
        film(FakeRun(), tmp_path / "t.avi", PlainPainter())
    with pytest.raises(InputError, match="did you mean ISG15"):
        film(FakeRun(), tmp_path / "t.mp4", PlainPainter(), color="ISG1")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        film(FakeRun(n=20), tmp_path / "file" / "t.mp4", PlainPainter())
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
