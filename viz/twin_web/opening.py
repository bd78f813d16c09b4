"""What `twin serve` was given: a scenario file, the folder of a run or of a checkpoint, or the name of a model."""

from pathlib import Path

from twin import registry
from twin.errors import InputError, unknown_name
from twin.results import open_run
from twin.scenario.load import load_scenario
from twin_web.site import Opened

SCENARIOS = (".yaml", ".yml")
KINDS = "a scenario file (.yaml), the folder of a run or of a checkpoint, or the name of a model"


def opened(what: str | None) -> Opened:
    """Return what the page begins with, checked as far as that takes no time.

    Raises
    ------
    InputError
        If it is nothing that can be opened, or what it seems to be is damaged.
    """
    if what is None:
        return Opened()
    path = Path(what)
    if path.suffix.lower() in SCENARIOS:
        load_scenario(path)
        return Opened("scenario", str(path.resolve()))
    if (path / "zarr.json").is_file():
        open_run(path)
        return Opened("run", str(path.resolve()))
    if (path / "config.json").is_file():
        registry.named_model(path)
        return Opened("model", str(path.resolve()))
    if path.exists():
        found = "a folder with neither zarr.json nor config.json in it" if path.is_dir() else "a file that is no .yaml"
        raise InputError(f"{what} is {found}: give {KINDS}")
    models = {entry.name for entry in registry.entries(registry.MODELS)}
    if what not in models:
        known = unknown_name("model", what, models)
        raise InputError(f"{what!r} is no scenario file (.yaml), no folder of a run or of a checkpoint, and {known}")
    registry.find(registry.MODELS, "model", what)
    return Opened("model", what)


def usable(folder: Path) -> Path:
    """Make the folder of the runs, if it is not there, and return where it is.

    Raises
    ------
    InputError
        If it cannot be made, or nothing can be written to it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".web-probe"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise InputError(
            f"--runs {folder}: nothing can be written there ({error.strerror}); name another folder"
        ) from None
    return folder.resolve()
