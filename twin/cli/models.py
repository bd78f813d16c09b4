"""A model by the word a user gave: a name of the door, or the folder of a checkpoint."""

import os
from pathlib import Path

from twin import registry
from twin.errors import InputError
from twin.model.contract import WorldModel
from twin.model.files import load_checkpoint


def named_model(word: str) -> WorldModel:
    """Return the model called `word`, or the checkpoint in the folder `word`."""
    folder = Path(word)
    if folder.is_dir() and (folder / "config.json").is_file():
        return load_checkpoint(folder)
    return registry.model(word)


def model_files(model: WorldModel) -> list[Path]:
    """Return the files that a model was trained on, in the folder $TWIN_DATA.

    Raises
    ------
    InputError
        If the model names none, or they are not there.
    """
    card = getattr(model, "card", None)
    sources: tuple[str, ...] = card.sources if card is not None else ()
    folder = Path(os.environ.get("TWIN_DATA", "../shared/data"))
    found = [folder / source for source in sources]
    if not found or not all(path.exists() for path in found):
        raise InputError(
            f"name the AnnData files to evaluate on: {', '.join(sources) or 'the files'} are not all in {folder} "
            "(set TWIN_DATA to the folder that holds them)"
        )
    return found
