"""Half-lives of messages, gene by gene, from a user's table."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from twin.errors import InputError
from twin.model.condition import HALF_LIFE
from twin.model.files import read_half_lives


def half_lives_of(path: Path | None, genes: Sequence[str]) -> NDArray[np.float64] | None:
    """Return the half-life of each gene, h, (gene,): the table's, the table's median for genes that it lacks.

    The table has a heading and lines of gene and hours, tab between. None: without a table.

    Raises
    ------
    InputError
        If it cannot be read, or none of its genes is on the axis.
    """
    if path is None:
        return None
    try:
        lines = path.read_text(encoding="utf-8").splitlines()[1:]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    names, hours = read_half_lives(lines, path)
    place = {gene: i for i, gene in enumerate(genes)}
    known = [(place[name], h) for name, h in zip(names, hours, strict=True) if name in place]
    if not known:
        raise InputError(f"{path}: none of its {len(names)} genes is on the model's axis ({', '.join(genes[:3])}, …)")
    out = np.full(len(genes), float(np.median(hours)) if len(hours) else HALF_LIFE)
    out[[i for i, _ in known]] = [h for _, h in known]
    return out
