"""`twin plot`: every kind as a file, options at their places, and what is wrong in one sentence."""

from pathlib import Path

import pytest
import typer
from twin_viz.plots.command import plot
from twin_viz.plots.kinds import KINDS
from typer.testing import CliRunner

from tests.viz.plots.stores import LAYOUT
from twin.errors import InputError
from twin.results import Ensemble, Run, create_run


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that has committed nothing yet."""
    path = tmp_path_factory.mktemp("plot") / "empty"
    attributes = {"seed": 1, "tick": 1.0, "n_ticks": 2, "scenario": {"name": "empty"}}
    create_run(path, attributes, LAYOUT, Ensemble.plain(1), ("tissue",))
    return path


def twin_plot(*arguments: object) -> str:
    app = typer.Typer()
    app.command()(plot)
    done = CliRunner().invoke(app, [str(a) for a in arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_the_help_names_every_kind_with_what_it_shows() -> None:
    lines = [" ".join(line.split()) for line in (plot.__doc__ or "").splitlines()]
    for name, kind in KINDS.items():
        assert f"{name} {kind.about}" in lines
    assert "(of volcano)" in " ".join(twin_plot("--help").replace("│", " ").split())


@pytest.mark.parametrize(
    ("kind", "options", "ending"),
    [
        ("response", ("--branch", "treated", "--point", "dose=3"), "png"),
        ("futures", ("--readout", "GENE6"), "svg"),
        ("dose-response", (), "pdf"),
        ("volcano", ("--point", "dose=30 U/mL", "--cell-type", "B cell"), "png"),
        ("composition", ("--by", "cycle_phase"), "pdf"),
        ("spatial-correlation", ("--of", "pressure", "--time", "2h", "--replicate", "2"), "svg"),
    ],
)
def test_kinds_become_files_of_the_format_that_their_name_says(
    dosed: Run, tmp_path: Path, kind: str, options: tuple[str, ...], ending: str
) -> None:
    out = tmp_path / f"plot.{ending}"
    assert twin_plot(dosed.path, kind, *options, "--out", out).split() == [str(out)]
    content = out.read_bytes()
    assert content.startswith({"png": b"\x89PNG", "pdf": b"%PDF", "svg": b"<?xml"}[ending])
    twin_plot(dosed.path, kind, *options, "--out", out)
    assert out.read_bytes() == content  # the same figure is the same file
    assert [p.name for p in tmp_path.iterdir()] == [out.name]


def test_a_lineage_becomes_a_file(family: Run, tmp_path: Path) -> None:
    out = tmp_path / "lineage.png"
    twin_plot(family.path, "lineage", "--clones", "1", "--out", out)
    assert out.stat().st_size > 5000


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("volcan",), "no kind of plot is called 'volcan'; did you mean volcano"),
        (("volcano", "--by", "donor"), "--by means nothing to volcano: it goes with composition"),
        (("composition", "--replicate", "1"), "--replicate means nothing to composition: it goes with umap"),
        (("umap", "--where", "condition"), "--where condition: write column=value"),
        (("composition", "--point", "dose"), "--point dose: write axis=value"),
        (("futures", "--cell-type", "a", "--cell-type", "b"), "futures takes one type of cell, not 2"),
        (("composition", "--branch", "treated"), "say which point of dose: 3 U/mL; 10 U/mL"),
        (("volcano", "--branch", "trated"), "did you mean treated"),
    ],
)
def test_what_means_nothing_is_said_and_nothing_is_written(
    dosed: Run, tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        twin_plot(dosed.path, *arguments, "--out", tmp_path / "plot.png")
    assert not list(tmp_path.iterdir())


def test_a_name_of_no_format_and_a_place_that_cannot_be_written_are_said(dosed: Run, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"end the name with \.png, \.pdf or \.svg"):
        twin_plot(dosed.path, "composition", "--out", tmp_path / "plot.jpg")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        twin_plot(dosed.path, "composition", "--out", tmp_path / "file" / "plot.pdf")
    (tmp_path / "taken.png").mkdir()
    with pytest.raises(InputError, match="cannot be written"):
        twin_plot(dosed.path, "composition", "--out", tmp_path / "taken.png")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "taken.png"]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("dose-response", "exposure", "umap")])
def test_a_run_that_has_committed_nothing_is_waited_for(empty: Path, tmp_path: Path, kind: str) -> None:
    with pytest.raises(InputError, match=r"wait for (its|the) first commit"):
        twin_plot(empty, kind, "--out", tmp_path / "plot.png")
    assert not list(tmp_path.iterdir())
