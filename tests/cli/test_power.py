"""`twin power`: a pilot is simulated once, kept, and made larger; what cannot be answered is told."""

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from tests.engine.culture import write_culture
from twin.cli.power import power as command
from twin.errors import InputError
from twin.results import open_run

BRANCH = "branches: {poisoned: {timeline: [{do: add, at: 1 h, substance: poison, dose: 50 nM}]}}\n"
DONORS = "variation: {donors: {}, operator: {seeding: 0.1}}\n"


def power(*words: str | Path | int) -> str:
    app = typer.Typer()
    app.command()(command)
    result = CliRunner().invoke(app, [str(w) for w in words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return str(result.stdout)


@pytest.fixture(scope="module")
def pilot(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, str]:
    """A scenario, the folder of its pilot of four, and what was told."""
    folder = tmp_path_factory.mktemp("power")
    file = write_culture(folder, BRANCH, DONORS)
    return file, folder / "pilot", power(file, "--out", folder / "pilot", "--pilot", 4, "--readout", "n_cells:tumour")


def test_a_pilot_gives_effect_spread_and_the_number_that_is_needed(pilot: tuple[Path, Path, str]) -> None:
    _, place, told = pilot
    assert open_run(place).replicates == 4
    assert "poisoned − trunk at 4 h; 4 donors" in told
    assert "n_cells:tumour" in told
    assert "power 80%: n = " in told
    assert "power 90%: n = " in told
    data = open_run(place).readouts["n_cells"].sel(cell_type="tumour", time=4.0).squeeze().load()
    effect = float((data.sel(branch="poisoned") - data.sel(branch="trunk")).mean())
    assert effect < 0
    assert f"effect {effect:.4g}" in told


def test_a_larger_pilot_goes_on_from_the_smaller_and_a_smaller_one_reads_it(pilot: tuple[Path, Path, str]) -> None:
    file, place, _ = pilot
    before = {path: path.stat().st_mtime_ns for path in (place / "trajectories").glob("*/commits.json")}
    told = power(file, "--out", place, "--pilot", 5, "--readout", "n_cells:tumour", "--quiet")
    assert open_run(place).replicates == 5
    assert before.items() <= {p: p.stat().st_mtime_ns for p in (place / "trajectories").glob("*/commits.json")}.items()
    again = power("--run", place, "--readout", "n_cells:tumour", "--quiet")
    assert told == again


def test_a_wanted_effect_an_unpaired_design_and_several_tests(pilot: tuple[Path, Path, str]) -> None:
    _, place, _ = pilot
    told = power(
        "--run", place, "--readout", "n_cells:tumour", "--readout", "n_dead", "--correct", "bonferroni", "--design",
        "unpaired", "--effect", "5", "--power", "0.85",
    )  # fmt: skip
    assert "2 tests, each at 0.025 (bonferroni); n counts each group" in told
    assert told.count("effect 5 (as asked for)") == 2
    assert told.count("power 85%") == 2


def test_a_picture_is_drawn(pilot: tuple[Path, Path, str], tmp_path: Path) -> None:
    _, place, _ = pilot
    file = tmp_path / "power.png"
    told = power("--run", place, "--readout", "n_cells", "--plot", file, "--design", "unpaired", "--quiet")
    assert str(file) in told
    assert file.stat().st_size > 10_000


def test_what_cannot_be_answered_is_told_before_anything_is_simulated(tmp_path: Path) -> None:
    file = write_culture(tmp_path, BRANCH)
    out = tmp_path / "pilot"
    for words, message in (
        ((), "give a SCENARIO, whose pilot is simulated, or --run"),
        ((file, "--run", tmp_path), "give a SCENARIO"),
        ((file, "--out", out, "--pilot", 1), "--pilot 1: one replicate tells nothing"),
        ((file, "--out", out, "--contrast", "poison:trunk"), "no branch is called 'poison'; did you mean poisoned"),
        ((write_culture(tmp_path, name="plain.yaml"), "--out", out), "the scenario has no branches"),
        (("--run", tmp_path / "nothing"), "there is no run at"),
        (("--run", tmp_path, "--pilot", 4), "--pilot goes with a SCENARIO"),
    ):
        with pytest.raises(InputError, match=message):
            power(*words)
    assert not out.exists()


def test_an_effect_of_zero_is_refused(pilot: tuple[Path, Path, str]) -> None:
    with pytest.raises(InputError, match="an effect of 0 is seen by no number of replicates"):
        power("--run", pilot[1], "--readout", "n_cells", "--effect", 0)
    with pytest.raises(InputError, match="say what is measured with --readout"):
        power("--run", pilot[1])
