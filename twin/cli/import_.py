"""`twin import`: other simulators' projects become scenarios."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from twin.errors import InputError


class Format(StrEnum):
    """Whose project it is."""

    physicell = "physicell"


def import_(
    source: Annotated[Format, typer.Argument(metavar="FORMAT", help="Whose project it is: physicell.")],
    project: Annotated[Path, typer.Argument(metavar="PROJECT", help="Its folder, or its settings XML.")],
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Scenario to write; without it, here.")] = None,
) -> None:
    """Turn a PhysiCell PROJECT into a scenario, and say what came along and what did not.

    Settings, rules and cells are read, C++ is not. Tables are copied beside the scenario, as is the report.
    """
    from twin.engine.plan import check_file
    from twin.interop.physicell import import_project

    file = out or Path(f"{project.resolve().stem if project.is_file() else project.resolve().name}.yaml")
    made = import_project(project, file.stem)
    report = file.with_name(f"{file.stem}_import.md")
    texts = {file: made.yaml(), report: made.report.text(), **{file.with_name(n): t for n, t in made.files.items()}}
    taken = [path for path in texts if path.exists()]
    if taken:
        raise InputError(f"{taken[0]} is there already: name another place with --out, or move it away")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        for path, text in texts.items():
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{error.filename} cannot be written: {error.strerror}") from error
    typer.echo(made.report.text())
    for path in texts:
        typer.echo(str(path))
    check_file(file)
