"""`twin graph`: the contacts, the lineage, the groups or the organs of a run, as a file of nodes and edges."""

from pathlib import Path
from typing import Annotated, Literal

import typer


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
        str | None, typer.Option(help="A kept time, like '24 h', for contacts; without it the last.")
    ] = None,
    replicate: Annotated[int, typer.Option(min=0, help="Which of the replicates.")] = 0,
    branch: Annotated[str | None, typer.Option(help="Which branch. Without it: the trunk.")] = None,
    point: Annotated[
        list[str] | None, typer.Option(metavar="AXIS=VALUE", help="Where in a sweep, like dose='10 U/mL'.")
    ] = None,
    compartment: Annotated[str | None, typer.Option(help="Which, where there are several.")] = None,
) -> None:
    """Write the contact graph of cells, with types, places and contact areas; the forest of their descent; groups."""
    from twin.errors import InputError
    from twin.results import open_run, point_of, write_graphml

    if kind in ("lineage", "organs") and time is not None:
        what = "a lineage is" if kind == "lineage" else "the network of organs is"
        raise InputError(f"--time goes with --kind contacts: {what} of the whole run")
    opened = open_run(run).at(branch, point_of(point or ()))
    if kind == "contacts":
        made = opened.contact_graph(time, replicate, compartment)
        what = f"{made.number_of_nodes():,} cells, {made.number_of_edges():,} contacts"
    elif kind == "organs":
        network = opened.organ_graph(replicate)
        write_graphml(network, out)
        typer.echo(f"{network.number_of_nodes():,} compartments, {network.number_of_edges():,} paths")
        typer.echo(str(out))
        return
    elif kind == "groups":
        tree = opened.body_tree(time, replicate)
        write_graphml(tree, out)
        typer.echo(f"{tree.number_of_nodes():,} groups, {tree.nodes['body']['n_cells']:,} cells")
        typer.echo(str(out))
        return
    else:
        made = opened.lineage_graph(replicate, compartment)
        what = f"{made.number_of_nodes():,} cells, {made.number_of_edges():,} of them daughters"
    write_graphml(made, out)
    typer.echo(what)
    typer.echo(str(out))
