"""Arguments and options that several subcommands share."""

from pathlib import Path
from typing import Annotated

import typer

File = Annotated[Path, typer.Argument(metavar="FILE", help="A scenario, in YAML.")]
Sets = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a value, like duration='6 h'; may be repeated."),
]
Workers = Annotated[int, typer.Option(min=1, help="Worker processes; they change no result.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print nothing but the paths of what was made.")]
