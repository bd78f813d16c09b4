"""`twin --help` is there at once, and every subcommand is found."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

Twin = Callable[..., CompletedProcess[str]]

HEAVY = ("torch", "anndata", "xarray", "zarr", "numpy", "scipy", "pandas", "pydantic", "dask", "pyvista", "networkx")

TIMED = """
import sys
sys.argv = ["twin", "--help"]
from twin.cli import main
try:
    main()
finally:
    import resource
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(used.ru_utime + used.ru_stime, *sys.modules, file=sys.stderr)
"""


def test_help_is_there_at_once_and_imports_nothing_heavy(twin: Twin) -> None:
    told = [twin(code=TIMED) for _ in range(3)]
    assert all(t.returncode == 0 for t in told)
    loaded = told[0].stderr.split()
    assert [name for name in HEAVY if name in loaded] == []
    assert "typer" in loaded  # the list is really that of the command's process
    assert min(float(t.stderr.split()[0]) for t in told) < 0.5  # s of processor time, machine shared or not


def test_help_lists_our_commands_and_those_of_the_door_without_importing_them(twin: Twin) -> None:
    told = twin(code=TIMED)
    for name in ("demo", "run", "check", "explain", "schema", "plugins", "toy_hello"):
        assert f" {name} " in told.stdout
    assert "From toy_parts 1.2." in told.stdout
    assert "toy_parts" not in told.stderr.split()


@pytest.mark.parametrize("name", ["demo", "run", "check", "explain", "schema", "plugins", "toy_hello"])
def test_every_command_explains_itself(twin: Twin, name: str) -> None:
    told = twin(name, "--help")
    assert told.returncode == 0
    assert f"twin {name}" in told.stdout


def test_a_command_of_the_door_runs(twin: Twin) -> None:
    assert twin("toy_hello", "tissue").stdout == "hello tissue\n"


def test_a_misspelt_command_is_told_with_the_nearest(twin: Twin) -> None:
    told = twin("rnu")
    assert told.returncode == 2
    assert "No such command 'rnu'. Did you mean 'run'?" in told.stderr


def test_a_command_that_cannot_be_loaded_is_one_sentence(twin: Twin, door: object) -> None:
    door.install("broken", "0.1", "[twin.commands]\nbreaks = broken_parts:go\n")  # type: ignore[attr-defined]  # a fixture
    told = twin("breaks")
    assert told.returncode == 2
    assert told.stderr.startswith("twin: the command 'breaks' of broken 0.1")
    assert len(told.stderr.splitlines()) == 1


def test_plugins_are_listed_with_who_brings_them(twin: Twin, door: object) -> None:
    door.install("rival", "0.3", "[twin.plugins]\ntoy_turn = rival:Turn\n")  # type: ignore[attr-defined]  # a fixture
    told = twin("plugins")
    assert told.returncode == 0
    lines = told.stdout.splitlines()
    assert any("plugin" in x and "toy_feel" in x and "toy_parts 1.2" in x and "toy_parts:Feel" in x for x in lines)
    assert any("world model" in line and "toy_model" in line for line in lines)
    assert sum("toy_turn " in line and "claimed twice" in line for line in lines) == 2


def test_the_schema_is_printed_or_written(twin: Twin, tmp_path: Path) -> None:
    printed = json.loads(twin("schema").stdout)
    assert printed["properties"]["extends"]["type"] == "string"
    told = twin("schema", "--out", "s.json")
    assert told.stdout == "s.json\n"
    assert json.loads((tmp_path / "s.json").read_text()) == printed
    refused = twin("schema", "--out", "no/such/folder.json")
    assert (refused.returncode, refused.stderr) == (
        2,
        "twin: no/such/folder.json cannot be written: No such file or directory\n",
    )


def test_importing_twin_costs_nothing_and_its_names_are_there(twin: Twin) -> None:
    code = f"import sys, twin; print([m for m in {HEAVY!r} if m in sys.modules]); print(twin.load_scenario)"
    told = twin(code=code)
    assert told.stdout.startswith("[]\n<function load_scenario")
    assert sys.version_info >= (3, 11)


def test_a_good_scenario_is_checked_and_explained(twin: Twin, write: Callable[..., Path], good: str) -> None:
    file = write(good)
    told = twin("check", file)
    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout.startswith(f"{file} can be run: 200 cells, 24 h in 48 ticks, about ")
    assert "200 cells, 6 h in 12 ticks" in twin("check", file, "--set", "duration=6 h").stdout
    explained = twin("explain", file, "--set", "seed=7")
    assert "patch: 24 h in 48 ticks of 0.5 h, seed 7" in explained.stdout
