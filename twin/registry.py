"""The one door through which plugins, models and commands come in: entry points.

Names are listed without importing anything; what a name stands for is imported when it is asked
for. A name claimed twice is an error: there is no order, no override, no scanning of folders.
"""

import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

from twin.errors import InputError, UnknownNameError

if TYPE_CHECKING:  # listing names must not pay for numpy or pydantic
    from twin.model.contract import WorldModel
    from twin.process import Process
    from twin.scenario.schema import WorldModelChoice

PLUGINS, MODELS, COMMANDS = "twin.plugins", "twin.models", "twin.commands"
_CHECKPOINT = "twin.model.files:load_any"  # imported when a scenario names a checkpoint: torch

# What an import of somebody else's module may raise that is not ours to mend.
_BROKEN = (ImportError, AttributeError, SyntaxError, NameError, TypeError, ValueError, OSError)


@dataclass(frozen=True)
class Entry:
    """One name behind the door.

    value : "module:attribute".
    package, version : the distribution that brings it.
    """

    name: str
    value: str
    package: str
    version: str

    def __str__(self) -> str:
        return f"{self.package} {self.version} ({self.value})"


def entries(group: str) -> tuple[Entry, ...]:
    """Return what is installed in a group, by name, without importing it; claimants of one name all."""
    return _entries(group, _installed())


def _installed() -> tuple[tuple[str, int], ...]:
    """Return the folders of packages and when something last came or went there."""
    return tuple((place, Path(place).stat().st_mtime_ns) for place in sys.path if Path(place).is_dir())


@lru_cache(maxsize=8)
def _entries(group: str, installed: tuple[tuple[str, int], ...]) -> tuple[Entry, ...]:
    """Return what `entries` does: reading the metadata of hundreds of packages takes a tenth of a second."""
    found = [
        Entry(point.name, point.value, point.dist.name, point.dist.version)
        if point.dist is not None
        else Entry(point.name, point.value, "?", "?")
        for point in entry_points(group=group)
    ]
    return tuple(sorted(found, key=lambda e: (e.name, e.package)))


def find(group: str, kind: str, name: str) -> Entry:
    """Return the one entry of a name.

    Raises
    ------
    UnknownNameError
        If nobody claims the name.
    InputError
        If two do.
    """
    everyone = entries(group)
    claims = [entry for entry in everyone if entry.name == name]
    if not claims:
        raise UnknownNameError(kind, name, {entry.name for entry in everyone})
    if len(claims) > 1:
        raise InputError(
            f"the {kind} name {name!r} is claimed twice: by {' and by '.join(map(str, claims))}; uninstall one"
        )
    return claims[0]


def _load(group: str, kind: str, name: str) -> Any:
    entry = find(group, kind, name)
    try:
        return EntryPoint(entry.name, entry.value, group).load()
    except _BROKEN as error:
        raise InputError(f"the {kind} {name!r} of {entry} cannot be loaded: {type(error).__name__}: {error}") from error


def plugin(name: str) -> "type[Process]":
    """Return the process class of a plugin.

    Raises
    ------
    InputError
        If there is no such plugin, it cannot be imported, or it is no complete `Process`.
    """
    found = _load(PLUGINS, "plugin", name)
    entry = find(PLUGINS, "plugin", name)
    contract = resolve_name("twin.process:Process")
    if not (isinstance(found, type) and issubclass(found, contract)):
        raise InputError(f"the plugin {name!r} of {entry} is no class derived from twin.process.Process")
    if inspect.isabstract(found):
        lacking = ", ".join(sorted(getattr(found, "__abstractmethods__", ())))
        raise InputError(f"the plugin {name!r} of {entry} lacks {lacking}")
    if not hasattr(found, "phase"):
        raise InputError(f"the plugin {name!r} of {entry} declares no phase")
    return found


@lru_cache(maxsize=4)
def model(name: str) -> "WorldModel":
    """Return the world model of a name, once per process.

    Raises
    ------
    InputError
        If there is no such model, or what stands behind the name makes none.
    """
    make = _load(MODELS, "model", name)
    made = make() if callable(make) else None
    if not isinstance(made, resolve_name("twin.model.contract:WorldModel")):
        entry = find(MODELS, "model", name)
        raise InputError(f"the model {name!r} of {entry} is no callable that returns a WorldModel")
    complete: WorldModel = made
    return complete


def load_model(choice: "WorldModelChoice", folder: Path) -> "WorldModel":
    """Return the world model that a scenario names, loaded once per process.

    Parameters
    ----------
    folder : where the paths of the scenario start.

    Raises
    ------
    InputError
        If it cannot be loaded.
    """
    if choice.path is None:
        return model(choice.name)
    path = (folder / choice.path).resolve()
    if not path.is_dir():
        raise InputError(f"the checkpoint {choice.path} is no folder")
    return _checkpoint(path, _content(path))


def named_model(word: str | Path) -> "WorldModel":
    """Return a world model by its name at the door ("default"), or by the folder of its checkpoint.

    Raises
    ------
    InputError
        If there is neither such a name nor such a folder, or the checkpoint is damaged.
    """
    folder = Path(word)
    if (folder / "config.json").is_file():
        return _checkpoint(folder.resolve(), _content(folder))
    return model(str(word))


@lru_cache(maxsize=2)
def _checkpoint(path: Path, content: str) -> "WorldModel":
    """Return the model of a checkpoint; `content` makes a changed folder another model."""
    loaded: WorldModel = resolve_name(_CHECKPOINT)(path)
    return loaded


def _content(folder: Path) -> str:
    """Return a hash of the files of a folder."""
    digest = sha256()
    for file in sorted(folder.iterdir()):
        if file.is_file():
            digest.update(file.name.encode())
            with file.open("rb") as stream:
                for block in iter(lambda: stream.read(1 << 20), b""):
                    digest.update(block)
    return digest.hexdigest()


def command(name: str) -> Callable[..., Any]:
    """Return the function of a command.

    Raises
    ------
    InputError
        If there is no such command, it cannot be imported, or it is no function.
    """
    found = _load(COMMANDS, "command", name)
    if not callable(found):
        raise InputError(f"the command {name!r} of {find(COMMANDS, 'command', name)} is no function")
    function: Callable[..., Any] = found
    return function
