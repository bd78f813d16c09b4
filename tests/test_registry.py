"""The door: names without imports, one claimant a name, clear words when something is broken."""

import sys
from pathlib import Path
from typing import Any

import pytest

from twin import registry
from twin.errors import InputError, UnknownNameError
from twin.scenario.schema import WorldModelChoice


def test_names_are_listed_without_importing_anything(door: Any) -> None:
    found = {entry.name: entry for entry in registry.entries(registry.PLUGINS)}
    assert found["toy_turn"].value == "toy_parts:Turn"
    assert (found["toy_turn"].package, found["toy_turn"].version) == ("toy_parts", "1.2")
    assert "toy_parts" not in sys.modules


@pytest.mark.usefixtures("door")
def test_a_plugin_a_model_and_a_command_come_through_the_door() -> None:
    assert registry.plugin("toy_turn").__name__ == "Turn"
    assert registry.model("toy_model").name == "toy_model"
    assert registry.model("toy_model") is registry.model("toy_model")  # loaded once
    assert registry.command("toy_hello").__name__ == "hello"


@pytest.mark.usefixtures("door")
def test_an_unknown_name_is_told_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"no plugin is called 'toy_trun'; did you mean toy_turn"):
        registry.plugin("toy_trun")


def test_a_name_claimed_twice_names_both_claimants(door: Any) -> None:
    door.install("rival", "0.3", "[twin.plugins]\ntoy_turn = rival:Turn\n")
    with pytest.raises(InputError, match=r"claimed twice: by rival 0.3 .* and by toy_parts 1.2"):
        registry.plugin("toy_turn")
    assert registry.plugin("toy_feel").__name__ == "Feel"  # the others are not touched


@pytest.mark.usefixtures("door")
@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("toy_dict", "is no class derived from"),
        ("toy_unfinished", "lacks step"),
        ("toy_missing", "cannot be loaded: AttributeError"),
        ("toy_nowhere", "cannot be loaded: ModuleNotFoundError"),
    ],
)
def test_a_broken_plugin_is_one_sentence_that_names_its_package(name: str, told: str) -> None:
    with pytest.raises(InputError, match=told) as caught:
        registry.plugin(name)
    assert "toy_parts 1.2" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("door")
def test_a_model_that_is_none_is_refused() -> None:
    with pytest.raises(InputError, match="no callable that returns a WorldModel"):
        registry.model("toy_five")


@pytest.mark.usefixtures("door")
def test_load_model_takes_the_scenarios_choice(tmp_path: Path) -> None:
    assert registry.load_model(WorldModelChoice(name="toy_model", path=None), tmp_path).name == "toy_model"
    with pytest.raises(InputError, match="checkpoint nowhere is no folder"):
        registry.load_model(WorldModelChoice(name="checkpoint", path="nowhere"), tmp_path)


def test_a_checkpoint_is_loaded_again_only_when_its_files_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads: list[Path] = []

    def load_checkpoint(path: Path) -> object:
        loads.append(path)
        return object()

    monkeypatch.setattr(registry, "resolve_name", lambda name: load_checkpoint)
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    choice = WorldModelChoice(name="checkpoint", path="mine")
    first = registry.load_model(choice, tmp_path)
    assert registry.load_model(choice, tmp_path) is first
    (folder / "config.json").write_text("{ }")
    assert registry.load_model(choice, tmp_path) is not first
    assert loads == [folder, folder]
