"""`twin plot`: one plot of a run as a PNG, PDF or SVG file."""

from pathlib import Path
from typing import Annotated, Any

import typer

from twin_viz.command import Branch, Folder, Point, Replicate
from twin_viz.plots.kinds import KINDS, MANY, takers

FORMATS = (".png", ".pdf", ".svg")


def _of(option: str) -> str:
    return f"(of {takers(option)})"


def plot(
    run: Folder,
    kind: Annotated[str, typer.Argument(metavar="KIND", help="One of the kinds above.")],
    out: Annotated[Path, typer.Option(help="Picture to write: .png, .pdf or .svg.")],
    time: Annotated[str | None, typer.Option(help=f"When, like 24h. Without it: the last. {_of('time')}")] = None,
    readout: Annotated[
        str | None,
        typer.Option(
            help="A readout, or an observed gene, program or column; where it has parts NAME:WHICH. Without it: the "
            f"response of all cells, or how many live. {_of('readout')}"
        ),
    ] = None,
    cell_type: Annotated[
        list[str] | None,
        typer.Option(
            help="Of these cells only. volcano, umap, donors and power take several; volcano draws a panel each, or "
            f"with 'each' one for every type. {_of('cell_type')}"
        ),
    ] = None,
    over: Annotated[
        str | None, typer.Option(help=f"Axis of the sweep. Without it: the one that is a dose. {_of('over')}")
    ] = None,
    versus: Annotated[
        str | None,
        typer.Option(
            help="The other side: a branch (trunk), a time (0h), or a condition that tells cells of one time apart "
            f"('dose_IFNB1>0', cell_type=B). Without it: the trunk, or the first time. {_of('versus')}"
        ),
    ] = None,
    csv: Annotated[Path | None, typer.Option(help=f"Write the table of genes, too. {_of('csv')}")] = None,
    measured: Annotated[
        Path | None,
        typer.Option(help=f"Measured cells, .h5ad of raw counts. Without it: the scenario's own. {_of('measured')}"),
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN=VALUE", help=f"Which of the measured cells; may be repeated. {_of('where')}"),
    ] = None,
    type_column: Annotated[
        str | None, typer.Option(help=f"obs column of the measured cells' types. {_of('type_column')}")
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(help=f"obs column, like cycle_phase or death_phase. Without it: cell_type. {_of('by')}"),
    ] = None,
    of: Annotated[
        list[str] | None,
        typer.Option(
            help="A gene, program or numeric obs column, or like cell_type=B; may be repeated. Without it: what the "
            f"scenario observes. {_of('of')}"
        ),
    ] = None,
    color: Annotated[
        str | None,
        typer.Option(
            help=f"A gene, obs column or program of the cells at the end. Without it: cell_type. {_of('color')}"
        ),
    ] = None,
    clones: Annotated[
        int | None, typer.Option(min=1, help=f"How many trees at most. Without it: 8. {_of('clones')}")
    ] = None,
    drug: Annotated[str | None, typer.Option(help=f"Without it: the first. {_of('drug')}")] = None,
    network: Annotated[
        Path | None,
        typer.Option(
            help="GraphML file: compartments and pools as nodes, 'flow' in mL/h at the edges. Without it: the "
            "scenario's own. "
            f"{_of('network')}"
        ),
    ] = None,
    design: Annotated[str | None, typer.Option(help=f"paired or unpaired. Without it: paired. {_of('design')}")] = None,
    effect: Annotated[
        float | None,
        typer.Option(help=f"A difference to be seen. Without it: the pilot's own. {_of('effect')}"),
    ] = None,
    alpha: Annotated[float | None, typer.Option(help=f"Of the test. Without it: 0.05. {_of('alpha')}")] = None,
    compartment: Annotated[str | None, typer.Option(help="Without it: the first.")] = None,
    replicate: Replicate = 0,
    branch: Branch = None,
    point: Point = None,
) -> None:
    """Plot RUN as a figure, for a paper or to see what happened.

    Kinds; options below say which of them they belong to:

    \b
    response             the response over time, by distance and cell type
    futures              a readout of every branch and point over time
    dose-response        a readout over doses, with Hill fit and EC50
    exposure             a drug in plasma and tissue, doses, and the response
    power                what a pilot saw, and power over the number of replicates
    donors               the response of each donor, beside measured ones
    volcano              genes that differ between branches, times or groups
    umap                 simulated beside measured cells, and how they mix
    composition          shares and numbers of cells over time, by a column
    spatial-correlation  how far likeness reaches: correlogram, Moran's I
    lineage              trees of clones, divisions and deaths, clone sizes
    organs               compartments by what lives in them, and flows between
    """
    from pkgutil import resolve_name

    from twin.errors import InputError, UnknownNameError
    from twin.results import open_run, point_of
    from twin_viz.page import save

    if kind not in KINDS:
        raise UnknownNameError("kind of plot", kind, KINDS)
    chosen: dict[str, Any] = {
        "time": time,
        "readout": readout,
        "cell_type": tuple(cell_type or ()),
        "over": over,
        "versus": versus,
        "csv": csv,
        "measured": measured,
        "where": tuple(where or ()),
        "type_column": type_column,
        "by": by,
        "of": tuple(of or ()),
        "color": color,
        "clones": clones,
        "drug": drug,
        "network": network,
        "design": design,
        "effect": effect,
        "alpha": alpha,
        "compartment": compartment,
        "replicate": replicate,
        "branch": branch,
        "point": tuple(point or ()),
    }
    given = {name: value for name, value in chosen.items() if value not in (None, (), 0)}
    for name in given:
        if name not in KINDS[kind].takes:
            option = f"--{name.replace('_', '-')}"
            raise InputError(f"{option} means nothing to {kind}: it goes with {takers(name)}")
    if out.suffix.lower() not in FORMATS:
        raise InputError(f"--out {out}: end the name with {', '.join(FORMATS[:-1])} or {FORMATS[-1]}")
    if "cell_type" in given and kind not in MANY:
        if len(given["cell_type"]) > 1:
            raise InputError(f"--cell-type: {kind} takes one type of cell, not {len(given['cell_type'])}")
        given["cell_type"] = given["cell_type"][0]
    if "where" in given:
        given["where"] = _filters(given["where"])
    if "point" in given:
        given["point"] = point_of(given["point"])
    figure = resolve_name(KINDS[kind].draws)(open_run(run), **given)
    typer.echo(str(save(figure, out)))


def _filters(words: tuple[str, ...]) -> dict[str, str]:
    """Return column → value of "column=value" texts."""
    from twin.errors import InputError

    found = {}
    for word in words:
        column, equals, value = word.partition("=")
        if not equals:
            raise InputError(f"--where {word}: write column=value, like condition=control")
        found[column.strip()] = value.strip()
    return found
