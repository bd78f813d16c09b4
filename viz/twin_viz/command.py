"""`twin view`, and the pictures that a run leaves: 3-D where there is OpenGL, plain where not."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from twin_viz.choice import Futures
    from twin_viz.page import Painter


logger = logging.getLogger(__name__)


# Options that several commands have.
Folder = Annotated[Path, typer.Argument(help="Folder of the run store.")]
Color = Annotated[
    str | None,
    typer.Option(help="A gene, an obs column, a program, or 'clone'. Without it: the scenario's gene."),
]
CutAt = Annotated[
    str | None,
    typer.Option(help="The part that stays, like 'y>20 um'; 'y=20 um' or 'y=50%' takes the side before it away."),
]
FieldAs = Annotated[
    str, typer.Option("--as", help="The field as a block of its own, or around the cells as slice, iso or volume.")
]
Links = Annotated[
    str | None,
    typer.Option(help="Lines between cells that touch: 'contacts', or ligand and receptor, like CXCL10:CXCR3."),
]
Opacity = Annotated[
    float | None,
    typer.Option(min=0.01, max=1, help="Of the cells, to see through them. Without it 1, in iso and volume 0.35."),
]
Close = Annotated[bool, typer.Option("--close", help="Fill the picture with the cells, not with the box.")]
Branches = Annotated[
    list[str] | None,
    typer.Option("--branch", help="Which branch; repeated, they stand side by side. Without it: the trunk."),
]
Replicate = Annotated[int, typer.Option(min=0, help="Which of the replicates.")]
Branch = Annotated[str | None, typer.Option(help="Which branch. Without it: the trunk.")]
Point = Annotated[list[str] | None, typer.Option(metavar="AXIS=VALUE", help="Where in a sweep, like dose='10 U/mL'.")]


def view(
    run: Folder,
    time: Annotated[
        str | None, typer.Option(help="When, like 24h; several side by side: 0h,24h. Without it: the last.")
    ] = None,
    color: Color = None,
    cut: CutAt = None,
    field: Annotated[str | None, typer.Option(help="A substance, or 'none'. Without it: the first.")] = None,
    compartment: Annotated[str | None, typer.Option(help="Without it: the first tissue.")] = None,
    replicate: Replicate = 0,
    branch: Branches = None,
    point: Point = None,
    style: FieldAs = "block",
    links: Links = None,
    opacity: Opacity = None,
    close: Close = False,
    out: Annotated[Path | None, typer.Option(help="PNG to write (or .pdf, .svg). Without it: tissue.png here.")] = None,
) -> None:
    """Draw the tissue of RUN: cells in colour, substances, who touches whom; times and branches side by side."""
    from twin.errors import InputError
    from twin_viz.choice import shown_color
    from twin_viz.cloud import style_of
    from twin_viz.page import picture
    from twin_viz.tissue import read_view

    store, label, others = _futures(run, branch, point, replicate)
    target = out if out is not None else Path("tissue.png")
    if target.suffix.lower() not in (".png", ".pdf", ".svg"):
        raise InputError(f"--out {target}: end the name of a picture with .png, .pdf or .svg")
    times = tuple(part.strip() for part in time.split(",")) if time is not None else (None,)
    chosen = color if color is not None else shown_color(store.scenario)
    found = read_view(
        store,
        times,
        chosen,
        field,
        compartment,
        cut,
        replicate,
        style=style_of(style),
        links=links,
        opacity=opacity,
        close=close,
        label=label,
        others=others,
    )
    typer.echo(str(picture(found, target, _told_painter())))


def film(
    run: Folder,
    color: Color = None,
    cut: CutAt = None,
    field: Annotated[str | None, typer.Option(help="Around the cells: a substance. Without --as: none.")] = None,
    compartment: Annotated[str | None, typer.Option(help="Without it: the first tissue.")] = None,
    replicate: Replicate = 0,
    branch: Branches = None,
    point: Point = None,
    style: Annotated[str, typer.Option("--as", help="The field around the cells as slice, iso or volume.")] = "none",
    links: Links = None,
    opacity: Opacity = None,
    close: Close = False,
    fps: Annotated[float, typer.Option(min=0.1, max=60, help="Frames a second.")] = 8.0,
    out: Annotated[Path | None, typer.Option(help="MP4 or GIF to write. Without it: tissue.mp4 here.")] = None,
) -> None:
    """Make a film of RUN: a frame for each time at which its cells were kept (observe.cells_every)."""
    from rich.console import Console
    from rich.progress import Progress

    from twin.errors import InputError
    from twin_viz.choice import shown_color
    from twin_viz.cloud import style_of
    from twin_viz.film import film as make

    if style == "block" or (style == "none" and field not in (None, "none")):
        raise InputError("a film shows a field around its cells: give --as slice, --as iso or --as volume")
    store, label, others = _futures(run, branch, point, replicate)
    chosen = color if color is not None else shown_color(store.scenario)
    painter = _told_painter()
    target = out if out is not None else Path("tissue.mp4")
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("frames", total=None)

        def drawn(done: int, of: int) -> None:
            bar.update(task, completed=done, total=of)

        made = make(
            store,
            target,
            painter,
            chosen,
            compartment,
            cut,
            replicate,
            fps,
            on_frame=drawn,
            field="none" if style == "none" else field,
            style="block" if style == "none" else style_of(style),
            links=links,
            opacity=opacity,
            close=close,
            label=label,
            others=others,
        )
    typer.echo(str(made))


def _futures(run: Path, branch: list[str] | None, point: list[str] | None, replicate: int) -> "Futures":
    """Return the futures that options ask for."""
    from twin.results import open_run, point_of
    from twin_viz.choice import futures_of

    return futures_of(open_run(run), branch or (), point_of(point or ()), replicate)


def export(
    run: Folder,
    paraview: Annotated[Path | None, typer.Option(help="New folder: .pvd with .vtp of cells, .vti of fields.")] = None,
    h5ad: Annotated[Path | None, typer.Option(help="New file: the cells, for scanpy and squidpy.")] = None,
    csv: Annotated[Path | None, typer.Option(help="New folder: readouts, cells, births and deaths as tables.")] = None,
    graphml: Annotated[Path | None, typer.Option(help="New file: who touches whom, for Cytoscape and Gephi.")] = None,
    html: Annotated[
        Path | None,
        typer.Option(
            help="New file: the tissue over time as one page for any browser, without a network. "
            "Without --branch and --point all futures stand side by side, up to four."
        ),
    ] = None,
    time: Annotated[
        str | None, typer.Option(help="Of --h5ad and --graphml: when, like 24h; --h5ad takes 'all'. The last.")
    ] = None,
    color: Annotated[
        list[str] | None,
        typer.Option(help="Of --paraview, --csv, --html: a gene or program that cells carry, too; may be repeated."),
    ] = None,
    every: Annotated[int, typer.Option(min=1, help="Of --html: 2 takes every second kept time, and the last.")] = 1,
    limit: Annotated[float | None, typer.Option(min=0.01, help="Of --html: how many MB it may have. 200.")] = None,
    compartment: Annotated[str | None, typer.Option(help="Which, where there are several.")] = None,
    replicate: Replicate = 0,
    branch: Branch = None,
    point: Point = None,
) -> None:
    """Write RUN in the formats of other programs: one or several of the options that name a file or folder."""
    from twin.errors import InputError
    from twin.results import open_run, point_of, write_graphml
    from twin_viz.export.folder import check_free

    wanted = [path for path in (paraview, h5ad, csv, graphml, html) if path is not None]
    if not wanted:
        raise InputError(
            "export what? give --paraview, --csv (folders), --h5ad or --graphml (files), or --html (a page)"
        )
    if time is not None and h5ad is None and graphml is None:
        raise InputError("--time goes with --h5ad or --graphml: the others hold all kept times")
    if color and paraview is None and csv is None and html is None:
        raise InputError("--color goes with --paraview or --csv, or with --html: the others hold all genes, or none")
    if (every > 1 or limit is not None) and html is None:
        raise InputError("--every and --limit go with --html: the others hold all kept times, or one")
    if h5ad is not None and h5ad.suffix != ".h5ad":
        raise InputError(f"--h5ad {h5ad}: end the name with .h5ad")
    if graphml is not None and time == "all":
        raise InputError("--time all goes with --h5ad alone: a graph is of one time")
    if html is not None and html.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"--html {html}: end the name with .html")
    for path in wanted:  # all of them before any is written
        check_free(path)
    if len({path.absolute() for path in wanted}) < len(wanted):
        raise InputError("export where? two of the options name the same file or folder")
    whole, where = open_run(run), point_of(point or ())
    store = whole if len(wanted) == 1 and html is not None else whole.at(branch, where)  # a page shows several futures
    observe = store.scenario.get("observe", {})
    colors = color if color is not None else [*observe.get("genes", ()), *observe.get("programs", ())]
    if paraview is not None:
        from twin_viz.export.paraview import write_paraview

        typer.echo(str(write_paraview(store, paraview, colors, compartment, replicate)))
    if h5ad is not None:
        from twin_viz.export.anndata_file import write_h5ad

        typer.echo(str(write_h5ad(store, h5ad, time, compartment, replicate)))
    if csv is not None:
        from twin_viz.export.tables import write_tables

        typer.echo(str(write_tables(store, csv, colors, compartment, replicate)))
    if graphml is not None:
        write_graphml(store.contact_graph(time, replicate, compartment), graphml)
        typer.echo(str(graphml))
    if html is not None:
        from twin_viz.export.html.document import LIMIT, write_html

        page_limit = LIMIT if limit is None else limit
        page = write_html(
            whole, html, colors, compartment, replicate, branch=branch, point=where, every=every, limit=page_limit
        )
        typer.echo(str(page))


def pictures(run: Path, out: Path) -> list[Path]:
    """Write tissue.png (before, after, field) and response.png of a run into `out`; return what there is.

    Of several branches or points of a sweep these show the first, and futures.png all of them.
    Where there are several compartments each has its own: tissue-<name>.png and response-<name>.png.
    Where there is no OpenGL the pictures are plain, and one logged sentence says what to install.
    A picture for which the run holds nothing (no cells left, no readouts) is not written, nor one of a well-mixed pool.

    Raises
    ------
    InputError
        If `run` is no run store or `out` cannot be written.
    """
    from twin.analysis.summary import decay_lengths
    from twin.results import open_run
    from twin_viz.choice import shown_color
    from twin_viz.futures import futures_plot
    from twin_viz.page import picture
    from twin_viz.painters import painter
    from twin_viz.plots import has_curves, response_plot
    from twin_viz.source import is_pool
    from twin_viz.tissue import read_view

    whole = open_run(run)
    scenes = whole.scenes()
    store = scenes[0][1]
    written = [
        futures_plot(scenes, out / ("futures.png" if len(whole.compartments) == 1 else f"futures-{name}.png"), name)
        for name in (whole.compartments if len(scenes) > 1 else ())
    ]
    compartments = store.compartments
    kept = sorted({float(t) for t in store.times()})
    lengths = decay_lengths(store) if kept else []
    paint = None
    for name in compartments:
        ending = f"-{name}.png" if len(compartments) > 1 else ".png"
        times = tuple(t for t in dict.fromkeys([*kept[:1], *kept[-1:]]) if store.cells(t, compartment=name).n_obs)
        if is_pool(store, name):
            times = ()  # cells without places, some µm in a box of decimetres
        if times and paint is None:
            paint, advice = painter()
            if advice:
                logger.warning(advice)
        if times and paint is not None:
            shown = read_view(store, times, shown_color(store.scenario), compartment=name)
            written.append(picture(shown, out / f"tissue{ending}", paint))
        if has_curves(store, name):
            own = [length for length in lengths if length.compartment == name]
            written.append(response_plot(store, out / f"response{ending}", name, own))
    return written


def _told_painter() -> "Painter":
    """Return the painter, having told why it is the plain one."""
    from twin_viz.painters import painter

    found, advice = painter()
    if advice:
        typer.echo(advice, err=True)
    return found
