"""`twin verify`: the physics against analytic and published numbers."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:  # running a case costs a simulator's imports; asking for help does not
    from collections.abc import Sequence

    from twin.verification.case import Case, Row

WIDTHS = (58, 12, 12, 9, 9)  # of the columns; a longer quantity moves its row
HEAD = ("quantity", "expected", "ours", "error", "tolerance")


def verify(
    only: Annotated[
        str | None, typer.Option(metavar="F2,M1", help="Cases to run, by their keys; without it, all.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Leave cases out that take more than a few seconds.")] = False,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the table to FILE, too: .md (Markdown) or .json.")
    ] = None,
    petab: Annotated[
        Path | None,
        typer.Option(metavar="PROBLEM.yaml", help="Instead: simulate a PEtab problem and hold it to its simulations."),
    ] = None,
    simulated: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="With --petab: the simulations; without it, those of or beside the problem."),
    ] = None,
    parameters: Annotated[
        Path | None,
        typer.Option(metavar="TABLE", help="With --petab: a parameter table whose nominal values replace its own."),
    ] = None,
) -> None:
    """Run the verification suite and print it: expected, ours, error, and other simulators' error where it is known.

    Ends with code 1 if a number does not hold.
    """
    from twin.errors import InputError
    from twin.verification.case import cases

    if out is not None and out.suffix not in (".md", ".json"):
        raise InputError(f"--out {out}: the table is written as .md or .json")
    if out is not None and not out.resolve().parent.is_dir():
        raise InputError(f"--out {out}: there is no folder {out.resolve().parent}")
    if petab is not None:
        from twin.cli.verify_petab import verify_petab

        if only is not None or quick:
            raise InputError("--petab is a problem of its own: leave --only and --quick out")
        verify_petab(petab, simulated, parameters, out)
        return
    if simulated is not None or parameters is not None:
        raise InputError("--simulated and --parameters go with --petab PROBLEM.yaml")
    chosen = _chosen(cases(), only, quick=quick)
    typer.echo(_line(HEAD) + "  peer's error")
    done: list[tuple[Case, list[Row]]] = []
    for case in chosen:
        typer.echo(f"{case.key}  {case.title} ({case.source})")
        rows = list(case.run())
        done.append((case, rows))
        for row in rows:
            typer.echo(_told(row))
    held = sum(row.holds for _, rows in done for row in rows)
    n = sum(len(rows) for _, rows in done)
    if out is not None:
        out.write_text(_markdown(done) if out.suffix == ".md" else _json(done), encoding="utf-8")
    typer.echo(f"{held} of {n} numbers hold" + (f"; written to {out}" if out is not None else ""))
    if held < n:
        raise typer.Exit(1)


def _chosen(suite: "Sequence[Case]", only: str | None, *, quick: bool) -> "list[Case]":
    """Return the cases that are asked for, in the suite's order.

    Raises
    ------
    UnknownNameError
        If one is not there.
    InputError
        If none is left.
    """
    from twin.errors import InputError, UnknownNameError

    keys = [case.key for case in suite]
    wanted = keys if only is None else [word.strip() for word in only.split(",") if word.strip()]
    for key in wanted:
        if key not in keys:
            raise UnknownNameError("case", key, keys, "--only: ")
    chosen = [case for case in suite if case.key in wanted and not (quick and case.slow)]
    if not chosen:
        raise InputError("no case is left to run: leave --quick out, or name other cases")
    return chosen


def _line(words: "Sequence[str]") -> str:
    first, *numbers = words
    return f"  {first:<{WIDTHS[0]}}" + "".join(f"  {w:>{n}}" for w, n in zip(numbers, WIDTHS[1:], strict=True))


def _told(row: "Row") -> str:
    numbers = (f"{row.expected:.7g}", f"{row.ours:.7g}", f"{row.error:.2g}", f"{row.tolerance:.2g}")
    return _line((row.what, *numbers)) + ("  " if row.holds else "  DOES NOT HOLD ") + row.peer


def _markdown(done: "Sequence[tuple[Case, list[Row]]]") -> str:
    lines = ["| case | quantity | expected | ours | error | tolerance | peer's error | holds |", "|" + "---|" * 8]
    for case, rows in done:
        lines += [
            f"| {case.key} {case.title} | {row.what} | {row.expected:.7g} | {row.ours:.7g} | {row.error:.2g} "
            f"| {row.tolerance:.2g} | {row.peer} | {'yes' if row.holds else '**no**'} |"
            for row in rows
        ]
    return "\n".join(lines) + "\n"


def _json(done: "Sequence[tuple[Case, list[Row]]]") -> str:
    import json
    from dataclasses import asdict

    table = [
        {"case": case.key, "title": case.title, "source": case.source}
        | asdict(row)
        | {"error": row.error, "holds": row.holds}
        for case, rows in done
        for row in rows
    ]
    return json.dumps(table, indent=2, ensure_ascii=False) + "\n"
