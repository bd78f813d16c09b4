"""`twin import`: other simulators' projects become scenarios."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from twin.errors import InputError


class Format(StrEnum):
    """Whose project it is."""

    physicell = "physicell"
    petab = "petab"


def import_(
    source: Annotated[Format, typer.Argument(metavar="FORMAT", help="Whose project it is: physicell or petab.")],
    project: Annotated[
        Path, typer.Argument(metavar="PROJECT", help="Its folder or its settings XML; of PEtab the problem's YAML.")
    ],
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Scenario to write; without it, here.")] = None,
    time_unit: Annotated[
        str | None,
        typer.Option(metavar="UNIT", help="Of PEtab: the unit of the model's time, where its file has none."),
    ] = None,
) -> None:
    """Turn another simulator's PROJECT into a scenario, and say what came along and what did not.

    PhysiCell: settings, rules and cells are read, C++ is not. PEtab: each experiment becomes a point of a sweep, over
    SBML files with its values in them. What the scenario needs is written beside it, as is the report.
    """
    from twin.engine.plan import check_file
    from twin.interop.petab.scenario import import_petab
    from twin.interop.physicell import import_project

    if time_unit is not None and source is not Format.petab:
        raise InputError("--time-unit is for PEtab alone")
    file = out or Path(f"{project.resolve().stem if project.is_file() else project.resolve().name}.yaml")
    is_petab = source is Format.petab
    made = import_petab(project, file.stem, time_unit) if is_petab else import_project(project, file.stem)
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
