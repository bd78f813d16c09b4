"""Whatever a user gets wrong is one clear message, exit code 2, no traceback, nothing half-written."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
import typer

from tests.engine.tiny import write_tiny
from twin.cli import main
from twin.cli.run import carry_out, check_out, pictures_of
from twin.errors import InputError

Twin = Callable[..., CompletedProcess[str]]
Write = Callable[..., Path]


def listing(folder: Path) -> set[str]:
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if "__pycache__" not in p.parts}


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("observe:", "obsreve:", "line 28, obsreve: no such key; did you mean 'observe'?"),
        ("duration: 24 h", "duration: 24", "line 2, duration: 24 is not a time: write a number and a unit"),
        ("toy_spread: {}", "toy_spraed: {}", "line 26, processes.toy_spraed: no plugin is called 'toy_spraed'"),
        ("genes: [ISG15]", "genes: [ISG51]", "line 30, observe.genes[0]: no gene of the world model is called"),
        (
            "processes:",
            "timeline:\n- {do: add, at: 1 h, substance: IFNB, dose: -100 U/mL}\nprocesses:",
            "line 24, timeline[0].dose: -100 U/mL is negative",
        ),
        (
            "source: model\n      count: 200",
            "source: h5ad\n      file: nowhere.h5ad",
            "nowhere.h5ad is not there",
        ),
        ("tick: 30 min", "tick: 30 min\n\tseed: 1", "line 4, no valid YAML: a tab stands"),
    ],
)
@pytest.mark.usefixtures("door")
@pytest.mark.parametrize("command", ["check", "explain", "run"])
def test_a_bad_scenario_is_refused_with_its_line(
    write: Write,
    good: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: str,
    old: str,
    new: str,
    told: str,
) -> None:
    file = write(good, (old, new))
    before = listing(tmp_path)
    monkeypatch.chdir(tmp_path)
    out = ["--out", "out"] if command == "run" else []
    monkeypatch.setattr(sys, "argv", ["twin", command, str(file), *out])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    first, *faults = printed.err.splitlines()
    assert first == f"twin: {file} cannot be run:"
    assert any(told in fault for fault in faults)
    assert all(fault.startswith("  ") for fault in faults)
    assert listing(tmp_path) == before


def test_a_refused_run_ends_with_code_2_and_leaves_no_trace(
    twin: Twin, write: Write, good: str, tmp_path: Path
) -> None:
    file = write(good, ("genes: [ISG15]", "genes: [ISG51]"))
    before = listing(tmp_path)
    result = twin("run", file, "--out", "out")
    assert (result.returncode, result.stdout) == (2, "")
    assert "line 30, observe.genes[0]: no gene of the world model is called 'ISG51'" in result.stderr
    assert "Traceback" not in result.stderr
    assert listing(tmp_path) == before


def test_a_missing_scenario_is_one_sentence(twin: Twin) -> None:
    result = twin("check", "nowhere.yaml")
    assert (result.returncode, result.stderr) == (2, "twin: nowhere.yaml is not there\n")


def test_a_wrong_override_is_told_as_the_user_typed_it(twin: Twin, write: Write, good: str) -> None:
    result = twin("check", write(good), "--set", "durtion=6 h", "--set", "tick=5 mm")
    assert result.returncode == 2
    assert "--set durtion: no such key; did you mean 'duration'?" in result.stderr
    assert "--set tick: '5 mm' is not a time" in result.stderr


@pytest.mark.parametrize(
    ("out", "told"),
    [
        ("file/run", "file/run cannot be written: Not a directory"),
        ("full", "full exists already: choose another --out, or go on with --resume"),
        ("file", "file exists already"),
        ("/proc/twin-run", "/proc/twin-run cannot be written"),
    ],
)
def test_a_folder_that_cannot_take_a_run_is_refused_before_anything_is_computed(
    twin: Twin, write: Write, good: str, tmp_path: Path, out: str, told: str
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").touch()
    file = write(good)
    before = listing(tmp_path)
    result = twin("run", file, "--out", out)
    assert result.returncode == 2
    assert result.stderr.startswith(f"twin: {told}")
    assert len(result.stderr.splitlines()) == 1
    assert listing(tmp_path) == before


def test_the_folder_that_one_stands_in_is_refused_and_stays(
    twin: Twin, write: Write, good: str, tmp_path: Path
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    file = write(good)
    for out in (".", str(here), "../here"):
        told = twin(
            code=f"import os, sys; os.chdir({str(here)!r}); sys.argv = ['twin', 'run', {str(file)!r}, '--out', "
            f"{out!r}]; from twin.cli import main; main()"
        )
        assert told.returncode == 2, told.stderr
        assert told.stderr == f"twin: --out {out} is the folder you stand in: name a new one in it, like --out run\n"
        assert listing(here) == set()


def test_a_run_says_how_much_it_takes_for_granted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    simulation = pytest.importorskip("twin.engine.simulation")
    file = write_tiny(tmp_path)
    monkeypatch.setattr(simulation, "simulate", lambda *settings, **named: None)
    monkeypatch.setattr("twin.cli.run._show", lambda out, *, quiet: None)
    carry_out(file, tmp_path / "run", ["duration=9 h"], workers=3, resume=False, quiet=False)
    head, number, *weighty = capsys.readouterr().out.splitlines()
    assert head.startswith("tiny: 60 cells, 9 h in 18 ticks")
    assert number.endswith(f"assumptions: see them with twin explain {file} (they are in the run's record)")
    assert int(number.split()[0]) > 5
    assert ["convention" in weighty[0], "extrapolated" in weighty[1], len(weighty)] == [True, True, 2]
    carry_out(file, tmp_path / "run", [], workers=3, resume=False, quiet=True)
    assert capsys.readouterr().out == ""


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_refused(tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    with pytest.raises(InputError, match="cannot be written: Permission denied"):
        check_out(tmp_path / "locked" / "run", resume=False)


def test_resuming_what_never_began_is_refused(twin: Twin, write: Write, good: str) -> None:
    result = twin("run", write(good), "--out", "never", "--resume")
    assert (result.returncode, result.stderr) == (2, "twin: --resume, --extend: there is no run in never\n")


def test_a_place_that_will_do_is_left_as_it_was(tmp_path: Path) -> None:
    check_out(tmp_path / "a" / "b" / "run", resume=False)
    (tmp_path / "empty").mkdir()
    check_out(tmp_path / "empty", resume=False)
    assert listing(tmp_path) == {"empty"}
    assert pictures_of(tmp_path / "run") == tmp_path / "run-pictures"


@pytest.mark.usefixtures("door")
def test_a_disk_error_and_an_interruption_say_how_to_go_on(
    write: Write, good: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    simulation = pytest.importorskip("twin.engine.simulation")
    from twin.errors import RunError

    file, out = write(good), tmp_path / "run"

    def begin_and_raise(error: BaseException) -> Callable[..., None]:
        def simulate(loaded: object, out: Path, **settings: object) -> None:
            out.mkdir(exist_ok=True)
            (out / "zarr.json").touch()
            raise error

        return simulate

    def go() -> None:
        carry_out(file, out, ["seed=3"], workers=1, resume=out.exists(), quiet=True)

    how = f"go on with: twin run {file} --out {out} --set seed=3 --resume"
    monkeypatch.setattr(simulation, "simulate", begin_and_raise(OSError(28, "No space left on device", "x")))
    with pytest.raises(RunError) as stopped:
        go()
    assert str(stopped.value) == (f"the run stopped (x: No space left on device); what is committed stays; {how}")
    assert stopped.value.exit_code == 4
    monkeypatch.setattr(simulation, "simulate", begin_and_raise(RunError("plugin 'x' failed")))
    with pytest.raises(RunError, match=r"^plugin 'x' failed; what is committed stays; go on with: twin run"):
        go()
    monkeypatch.setattr(simulation, "simulate", begin_and_raise(KeyboardInterrupt()))
    with pytest.raises(typer.Exit) as left:
        go()
    assert left.value.exit_code == 130
    assert how in capsys.readouterr().err
