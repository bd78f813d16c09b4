"""`twin graph`: the contacts, the lineage, the groups or the organs of a run, as a file of nodes and edges."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    import networkx as nx


def graph(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run store.")],
    out: Annotated[Path, typer.Option(help="The file to write, like contacts.graphml.")],
    kind: Annotated[
        Literal["contacts", "lineage", "groups", "organs"],
        typer.Option(
            help="contacts: who touches whom at one time. lineage: who descends from whom. groups: niches, organoids, "
            "organs, with how many cells each has. organs: what flows and travels between compartments."
        ),
    ] = "contacts",
    time: Annotated[
        str | None, typer.Option(help="A kept time, like '24 h', for contacts and groups; without it the last.")
    ] = None,
    replicate: Annotated[int, typer.Option(min=0, help="Which of the replicates.")] = 0,
    branch: Annotated[str | None, typer.Option(help="Which branch. Without it: the trunk.")] = None,
    point: Annotated[
        list[str] | None, typer.Option(metavar="AXIS=VALUE", help="Where in a sweep, like dose='10 U/mL'.")
    ] = None,
    compartment: Annotated[str | None, typer.Option(help="Which, where there are several.")] = None,
) -> None:
    """Write who touches whom, who descends from whom, which groups hold which, or what flows between organs."""
    from twin.errors import InputError
    from twin.results import open_run, point_of, write_graphml

    if kind in ("lineage", "organs") and time is not None:
        what = "a lineage is" if kind == "lineage" else "the network of organs is"
        raise InputError(f"--time goes with --kind contacts or groups: {what} of the whole run")
    opened = open_run(run).at(branch, point_of(point or ()))
    made: nx.Graph[Any]
    if kind == "contacts":
        made = opened.contact_graph(time, replicate, compartment)
        what = f"{made.number_of_nodes():,} cells, {made.number_of_edges():,} contacts"
    elif kind == "organs":
        made = opened.organ_graph(replicate)
        what = f"{made.number_of_nodes():,} compartments, {made.number_of_edges():,} paths"
    elif kind == "groups":
        made = opened.body_tree(time, replicate)
        what = f"{made.number_of_nodes():,} groups, {made.nodes['body']['n_cells']:,} cells"
    else:
        made = opened.lineage_graph(replicate, compartment)
        what = f"{made.number_of_nodes():,} cells, {made.number_of_edges():,} of them daughters"
    write_graphml(made, out)
    typer.echo(what)
    typer.echo(str(out))
