"""Finding OpenGL kills nobody, and without it there is still a picture."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from twin_viz import graphics
from twin_viz.graphics import ANSWER, SWITCH, VTK_WINDOW, probe

CRASH = "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"
ROOT = Path(__file__).parents[2]

# Draws a picture in a process of its own, and says how and whether VTK was imported on the way.
DRAW = f"""
import sys
sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / "viz")!r}]
from pathlib import Path
from tests.viz.fake_run import FakeRun
from twin_viz.painters import painter
from twin_viz.page import picture
from twin_viz.tissue import read_view
found, advice = painter()
picture(read_view(FakeRun(50)), Path(sys.argv[1]), found)
print(type(found).__module__, any(name.startswith(("vtk", "pyvista")) for name in sys.modules), advice, sep="|")
"""


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    for name in (ANSWER, SWITCH, VTK_WINDOW):
        monkeypatch.delenv(name, raising=False)
    graphics.graphics.cache_clear()
    yield monkeypatch
    graphics.graphics.cache_clear()


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGSEGV there")
def test_a_child_that_segfaults_is_an_answer_and_not_the_end() -> None:
    assert not probe("default", CRASH)


def test_a_child_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graphics, "PATIENCE", 0.5)
    assert not probe("default", "import time; time.sleep(30)")


def test_a_window_that_vtk_does_not_know_leaves_this_process_alive() -> None:
    assert probe("vtkNoSuchRenderWindow") in (False, True)  # where there is no OpenGL VTK crashes here


def test_the_users_window_is_tried_first_and_a_dead_one_is_passed_over(fresh: pytest.MonkeyPatch) -> None:
    tried: list[str] = []

    def second_works(backend: str) -> bool:
        tried.append(backend)
        return len(tried) == 2

    fresh.setenv(VTK_WINDOW, "vtkMine")
    fresh.setattr(graphics, "probe", second_works)
    found = graphics.graphics()
    assert tried[0] == "vtkMine"
    assert found.backend == tried[1] != "vtkMine"


def test_a_process_and_its_children_ask_once(fresh: pytest.MonkeyPatch) -> None:
    tried: list[str] = []

    def works(backend: str) -> bool:
        tried.append(backend)
        return True

    fresh.setattr(graphics, "probe", works)
    first = graphics.graphics()
    graphics.graphics.cache_clear()  # as in a child, which inherits only the environment
    assert graphics.graphics() == first
    assert len(tried) == 1


def test_the_answer_of_another_machine_does_not_count(fresh: pytest.MonkeyPatch) -> None:
    fresh.setenv(ANSWER, "some-other-host:vtkEGLRenderWindow")
    fresh.setattr(graphics, "probe", lambda backend: False)
    found = graphics.graphics()
    assert found.backend is None
    assert "libegl1 libgl1 libosmesa6 libxrender1" in found.advice


def test_without_opengl_the_picture_is_plain_and_vtk_is_never_imported(
    fresh: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fresh.setenv(SWITCH, "none")
    out = tmp_path / "tissue.png"
    done = subprocess.run([sys.executable, "-c", DRAW, str(out)], capture_output=True, text=True, check=True)
    module, vtk, advice = done.stdout.strip().split("|")
    assert (module, vtk) == ("twin_viz.plain", "False")
    assert advice
    assert out.stat().st_size > 5_000


def test_where_every_backend_crashes_for_real_there_is_still_a_picture(
    fresh: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    out = tmp_path / "tissue.png"
    crash = f"import sys; sys.path.insert(0, {str(ROOT / 'viz')!r}); import twin_viz.graphics as g; "
    crash += f"g.probe.__defaults__ = ({CRASH!r},)\n"
    done = subprocess.run([sys.executable, "-c", crash + DRAW, str(out)], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("twin_viz.plain|False|no OpenGL")
    assert out.exists()
