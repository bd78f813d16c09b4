"""`twin demo`: the packaged scenario, run and shown."""

from importlib.resources import files
from itertools import count
from pathlib import Path
from typing import Annotated

import typer

from twin.cli.options import Quiet, Sets, Workers
from twin.cli.run import carry_out, pictures_of
from twin.errors import InputError

SCENARIO = "ifnb_lymphoid_patch.yaml"
DEFAULT_OUT = "twin-demo"


def demo(
    out: Annotated[
        Path | None, typer.Option(help=f"Folder of the run store; without it, ./{DEFAULT_OUT} or the next free.")
    ] = None,
    sets: Sets = None,
    workers: Workers = 1,
    quiet: Quiet = False,
) -> None:
    """Run the demonstration: interferon-beta spreads through a patch of immune cells for a day."""
    place = out if out is not None else next_free(Path(DEFAULT_OUT))
    carry_out(packaged(SCENARIO), place, sets or (), workers=workers, resume=False, quiet=quiet)


def packaged(name: str) -> Path:
    """Return a scenario that comes with twin: from the wheel, or from the source tree.

    Raises
    ------
    InputError
        If it is in neither.
    """
    package = Path(str(files("twin")))
    for folder in (package / "scenarios", package.parent / "scenarios"):
        if (folder / name).is_file():
            return folder / name
    raise InputError(f"the scenario {name} does not lie beside the package {package}: install twin again")


def next_free(out: Path) -> Path:
    """Return `out`, or the first of out-2, out-3, … where neither a run nor its pictures are."""
    candidates = (out if n == 1 else out.with_name(f"{out.name}-{n}") for n in count(1))
    return next(path for path in candidates if not path.exists() and not pictures_of(path).exists())
