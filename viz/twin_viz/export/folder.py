"""Folders and files that are there whole or not at all."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from twin.errors import InputError


def check_free(out: Path) -> None:
    """Raise InputError if `out` is there already, or has no folder to be in."""
    if out.exists():
        raise InputError(f"{out} exists already: name another one, or delete it")
    if not out.absolute().parent.is_dir():
        raise InputError(f"{out} cannot be written: there is no folder {out.absolute().parent}")


@contextmanager
def made_whole(out: Path) -> Iterator[Path]:
    """Give a hidden place beside `out` to write a file or a folder to; it becomes `out` when all went well.

    Raises
    ------
    InputError
        If `out` is there already, or the disk refuses.
    """
    check_free(out)
    draft = out.with_name(f".{out.stem}.{uuid4().hex[:8]}{out.suffix}")
    try:
        yield draft
        draft.replace(out)
    except OSError as error:
        raise InputError(f"{out} cannot be written: {error.strerror or error}") from error
    finally:
        if draft.is_dir():
            shutil.rmtree(draft, ignore_errors=True)
        else:
            draft.unlink(missing_ok=True)
