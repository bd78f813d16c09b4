"""`twin schema`: the JSON Schema of scenario files."""

import json
from pathlib import Path
from typing import Annotated

import typer

from twin.errors import InputError


def schema(
    out: Annotated[Path | None, typer.Option(help="File to write; without it, the screen.")] = None,
) -> None:
    """Print the JSON Schema of scenario files.

    An editor uses it after a first line `# yaml-language-server: $schema=./scenario.schema.json`.
    """
    from twin.scenario.load import scenario_schema

    text = json.dumps(scenario_schema(), indent=2, ensure_ascii=False)
    if out is None:
        typer.echo(text)
        return
    try:
        out.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise InputError(f"{out} cannot be written: {error.strerror}") from error
    typer.echo(str(out))
