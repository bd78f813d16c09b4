"""Where a model's own training files are."""

import os
from pathlib import Path

from twin.errors import InputError
from twin.model.contract import WorldModel


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
