"""`twin view` and the pictures of a run, on a store as the engine writes it."""

import logging
from pathlib import Path

import numpy as np
import pytest
import typer
from matplotlib.image import imread
from twin_viz import graphics
from twin_viz.choice import shown_color
from twin_viz.command import pictures, view
from twin_viz.source import compartment_of
from typer.testing import CliRunner

from tests.results.bodies import new_run, write_ticks, writer
from tests.viz.fake_run import FakeRun
from twin.errors import InputError


@pytest.fixture
def store(tmp_path: Path) -> Path:
    run = new_run(tmp_path / "run")
    write_ticks(writer(run), 0, 4)
    return run


@pytest.fixture
def plainly(monkeypatch: pytest.MonkeyPatch) -> None:
    """No OpenGL, so that these tests take no time for it."""
    monkeypatch.setenv(graphics.SWITCH, "none")
    monkeypatch.setattr(graphics, "graphics", graphics.graphics.__wrapped__)


def twin_view(*arguments: str) -> str:
    app = typer.Typer()
    app.command()(view)
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.usefixtures("plainly")
def test_a_run_leaves_its_pictures_and_says_once_why_they_are_plain(
    store: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        written = pictures(store, tmp_path / "pictures")
    names = ("tissue-tissue.png", "response-tissue.png", "tissue-pool.png", "response-pool.png")
    assert written == [tmp_path / "pictures" / name for name in names]  # the store has two compartments
    assert all(np.ptp(imread(path)) > 0.5 for path in written)
    assert len([r for r in caplog.records if "plain" in r.getMessage()]) == 1


@pytest.mark.usefixtures("plainly")
def test_a_run_that_has_kept_nothing_yet_has_no_pictures(tmp_path: Path) -> None:
    assert pictures(new_run(tmp_path / "run"), tmp_path) == []


@pytest.mark.usefixtures("plainly")
def test_view_draws_what_was_asked_for(store: Path, tmp_path: Path) -> None:
    out = tmp_path / "made" / "tissue.png"
    said = twin_view(
        str(store), "--time", "0h,1h", "--color", "GENE3", "--cut", "x>20 um", "--field", "IL6", "--out", str(out)
    )
    assert str(out) in said.replace("\n", "")
    assert "plain" in said
    two = imread(out)
    twin_view(str(store), "--time", "1h", "--color", "cell_type", "--field", "none", "--out", str(out))
    assert imread(out).shape != two.shape or np.abs(imread(out) - two).max() > 0.5


@pytest.mark.usefixtures("plainly")
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--color", "GENE99"), "did you mean GENE"),
        (("--time", "0.6 h"), "nearest kept are 0.5 h or 0.75 h"),
        (("--replicate", "3"), "no replicate 3"),
        (("--out", "tissue.gif"), "end the name of a picture with .png, .pdf or .svg"),
        (("--compartment", "poool"), "did you mean pool"),
    ],
)
def test_what_cannot_be_drawn_is_said_and_nothing_is_written(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=words):
        twin_view(str(store), *arguments)
    assert [p.name for p in tmp_path.iterdir()] == ["run"]


def test_cells_are_coloured_by_the_scenarios_gene_then_the_type() -> None:
    class Plain(FakeRun):
        @property
        def scenario(self) -> dict[str, object]:
            return {"name": "x"}

    assert shown_color(FakeRun().scenario) == "ISG15"
    assert shown_color(Plain().scenario) == "cell_type"


class TwoHomes(FakeRun):
    """A pool of blood, and a tissue after it."""

    @property
    def attrs(self) -> dict[str, object]:
        return {**super().attrs, "compartments": ["blood", "tissue"]}

    @property
    def scenario(self) -> dict[str, object]:
        return {"name": "x", "compartments": {"blood": {"volume": "5 L"}, "tissue": {"box": ["60 um"] * 3}}}


def test_without_a_name_the_first_tissue_is_shown_and_not_a_pool() -> None:
    assert compartment_of(TwoHomes(), None) == "tissue"
    assert compartment_of(TwoHomes(), "blood") == "blood"
    with pytest.raises(InputError, match="did you mean blood"):
        compartment_of(TwoHomes(), "blod")
