"""`twin status`: how far a run is."""

from pathlib import Path
from typing import Annotated

import typer

MOST = 20  # trajectories that are listed without --all


def status(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run store, going on or not.")],
    every: Annotated[bool, typer.Option("--all", help="List every trajectory, also those that are done.")] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Read every file of it, and name those that are damaged.")
    ] = False,
) -> None:
    """Say of each trajectory of RUN how far it is, whether it is running, what went wrong, and how it goes on."""
    from twin.errors import InputError
    from twin.results import open_run
    from twin.results.status import status_of

    opened = open_run(run)
    found = status_of(opened)
    n, n_ticks, hours = len(found.standings), int(opened.attrs["n_ticks"]), float(opened.attrs["tick"])
    done = found.count("done")
    typer.echo(f"{opened.attrs.get('name', run)}: {done} of {n} trajectories done")
    if found.holder is not None:
        doing = "runs it" if found.is_alive else "ran it and died"
        typer.echo(f"{found.holder} {doing}; its last sign of life was {found.holder.silent:.0f} s ago")
    shown = [s for s in found.standings if every or s.state != "done"]
    for s in shown if every else shown[:MOST]:
        where = f"{s.ticks * hours:g} of {n_ticks * hours:g} h"
        told = f": {s.error}" if s.error else ""
        typer.echo(f"  {s.trajectory.id}  {s.state:<8} {where:<14} {opened.ensemble.label(s.trajectory)}{told}")
    if not every and len(shown) > MOST:
        typer.echo(f"  … and {len(shown) - MOST} more (--all)")
    if check:
        spoilt = opened.damaged()
        for file in spoilt:
            typer.echo(f"damaged: {file}")
        if spoilt:
            raise InputError(f"{len(spoilt)} damaged files in {run}: bring them back from a copy; the rest still opens")
        typer.echo("every file can be read")
    if done < n and not found.is_alive:
        typer.echo(f"go on with: twin run FILE --out {run} --resume, FILE being the scenario that it was begun with")
