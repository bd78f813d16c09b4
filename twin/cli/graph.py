"""`twin graph`: the contacts or the lineage of a run, as a file of nodes and edges."""

from pathlib import Path
from typing import Annotated, Literal

import typer


def graph(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run store.")],
    out: Annotated[Path, typer.Option(help="The file to write, like contacts.graphml.")],
    kind: Annotated[
        Literal["contacts", "lineage"],
        typer.Option(help="contacts: who touches whom at one time. lineage: who descends from whom."),
    ] = "contacts",
    time: Annotated[
        str | None, typer.Option(help="A kept time, like '24 h', for contacts; without it the last.")
    ] = None,
    replicate: Annotated[int, typer.Option(min=0, help="Which of the replicates.")] = 0,
    branch: Annotated[str | None, typer.Option(help="Which branch. Without it: the trunk.")] = None,
    point: Annotated[
        list[str] | None, typer.Option(metavar="AXIS=VALUE", help="Where in a sweep, like dose='10 U/mL'.")
    ] = None,
    compartment: Annotated[str | None, typer.Option(help="Which, where there are several.")] = None,
) -> None:
    """Write the contact graph of cells, with types, places and contact areas, or the forest of their descent."""
    from twin.errors import InputError
    from twin.results import open_run, point_of, write_graphml

    if kind == "lineage" and time is not None:
        raise InputError("--time goes with --kind contacts: a lineage is of the whole run")
    opened = open_run(run).at(branch, point_of(point or ()))
    if kind == "contacts":
        made = opened.contact_graph(time, replicate, compartment)
        what = f"{made.number_of_nodes():,} cells, {made.number_of_edges():,} contacts"
    else:
        made = opened.lineage_graph(replicate, compartment)
        what = f"{made.number_of_nodes():,} cells, {made.number_of_edges():,} of them daughters"
    write_graphml(made, out)
    typer.echo(what)
    typer.echo(str(out))
