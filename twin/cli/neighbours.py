"""`twin neighbours`: does a tissue of spatial data keep the neighbours that were measured?"""

from typing import Annotated

import typer

from twin.cli.options import File, Sets

WITHIN = 1.0  # of a z; what counts as kept
SHOWN = 3  # pairs of types of each row that are named


def neighbours(
    file: File,
    sets: Sets = None,
    ticks: Annotated[int, typer.Option(min=0, help="After how many ticks it is asked again.")] = 8,
) -> None:
    """Compare the neighbourhood enrichment of the tissues of FILE with that of their data, and print the differences.

    z of the contacts of each two types against all shuffles of the types, over the six nearest neighbours and over the
    Delaunay triangulation. Ends with code 1 if a z differs by 1 or more.
    """
    from twin.engine.neighbourhood import neighbours_kept
    from twin.engine.plan import check_file
    from twin.engine.world import build_world

    loaded, plan = check_file(file, sets or ())
    world = build_world(loaded, plan.whole, plan.processes)
    kept = True
    for found in neighbours_kept(loaded, world, ticks):
        kept &= found.farthest < WITHIN
        rows = found.table.head(SHOWN).itertuples(index=False)
        pairs = [f"{row.type} / {row.neighbour} {row.z:.2f} → {row.z_other:.2f}" for row in rows]
        typer.echo(
            f"{found.compartment}, {found.graph}, {found.when:g} h: {found.n:,} rows, {found.n_types} types, "
            f"{found.shared:.2%} of the measured neighbours, largest difference of z {found.farthest:.2f}"
            + (f" ({'; '.join(pairs)})" if pairs and found.farthest > 0.005 else "")
        )
    typer.echo("kept" if kept else f"not kept: a z differs by {WITHIN:g} or more")
    if not kept:
        raise typer.Exit(1)
