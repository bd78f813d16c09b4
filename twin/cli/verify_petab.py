"""`twin verify --petab`: a PEtab problem at its nominal parameters against its reference simulations."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import typer

from twin.errors import InputError
from twin.interop.petab import load_problems, simulate
from twin.interop.petab.compare import FLOOR, TOLERANCE, Group, compare, read_reference, reference_files
from twin.interop.petab.parameters import other_values, with_parameters
from twin.interop.petab.problem import Problem

HEAD = ("observable", "experiment", "points", "deviation", "at time", "reference", "ours")
CRITERION = (
    f"a point holds when |ours - reference| <= {TOLERANCE:g} max(|reference|, {FLOOR:g} largest |reference| "
    "of its observable)"
)


def verify_petab(file: Path, simulated: Path | None, parameters: Path | None, out: Path | None) -> None:
    """Simulate, compare and print; end with code 1 where a point does not hold.

    Raises
    ------
    InputError
        If a file is at fault.
    """
    problems = load_problems(file)
    if simulated is not None and len(problems) > 1:
        raise InputError(f"{file} lists {len(problems)} problems: --simulated is for one")
    done: list[Group] = []
    for problem in problems:
        done += _one(problem if parameters is None else with_parameters(problem, parameters), simulated)
    if out is not None:
        out.write_text(_markdown(done) if out.suffix == ".md" else _json(done), encoding="utf-8")
    held = sum(group.holds for group in done)
    written = f"; written to {out}" if out is not None else ""
    worst = max(group.deviation for group in done)
    points = sum(group.points for group in done)
    typer.echo(
        f"{held} of {len(done)} rows hold ({points} points), largest deviation {worst:.2g}{written}\n{CRITERION}"
    )
    if held < len(done):
        raise typer.Exit(1)


def _one(problem: Problem, simulated: Path | None) -> Sequence[Group]:
    """Compare one problem, printing its table."""
    files = (simulated,) if simulated is not None else reference_files(problem)
    reference = read_reference(problem, files)
    groups = compare(problem, simulate(problem), reference.values)
    typer.echo(f"{problem.file} against {', '.join(str(file) for file in files)}")
    if reference.note:
        typer.echo(f"  {reference.note}")
    rows = [_cells(group) for group in groups]
    widths = [max(len(row[n]) for row in (HEAD, *rows)) for n in range(len(HEAD))]
    for row, group in zip((HEAD, *rows), (None, *groups), strict=True):
        words = [f"{w:<{n}}" if k < 2 else f"{w:>{n}}" for k, (w, n) in enumerate(zip(row, widths, strict=True))]
        typer.echo(f"  {'  '.join(words)}" + ("" if group is None or group.holds else "  DOES NOT HOLD"))
    if not all(group.holds for group in groups):
        others = other_values(problem)
        if others:
            typer.echo(
                f"  {len(others)} nominal values are not those of {problem.model.name} ({_few(others)}): "
                "the reference may be of other parameters; --parameters TABLE tries a table"
            )
    return groups


def _cells(group: Group) -> tuple[str, ...]:
    numbers = (f"{group.deviation:.2g}", f"{group.time:g}", f"{group.reference:.7g}", f"{group.ours:.7g}")
    return group.observable, group.experiment, str(group.points), *numbers


def _markdown(done: Sequence[Group]) -> str:
    lines = [f"| {' | '.join(HEAD)} | holds |", "|" + "---|" * (len(HEAD) + 1)]
    lines += [f"| {' | '.join(_cells(group))} | {'yes' if group.holds else '**no**'} |" for group in done]
    return "\n".join([*lines, "", CRITERION]) + "\n"


def _json(done: Sequence[Group]) -> str:
    table = [asdict(group) | {"holds": group.holds} for group in done]
    return json.dumps(table, indent=2, ensure_ascii=False) + "\n"


def _few(names: Sequence[str], most: int = 3) -> str:
    return ", ".join(names[:most]) + (", …" if len(names) > most else "")
