"""`twin view`, and the pictures that a run leaves: 3-D where there is OpenGL, plain where not."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Protocol

import typer

if TYPE_CHECKING:
    from twin_viz.page import Painter
    from twin_viz.tissue import Run

logger = logging.getLogger(__name__)


# Options that several commands have.
Folder = Annotated[Path, typer.Argument(help="Folder of the run store.")]
Color = Annotated[str | None, typer.Option(help="A gene, an obs column or a program. Without it: the scenario's gene.")]
CutAt = Annotated[str | None, typer.Option(help="The part that stays, like 'y>20 um'.")]
Replicate = Annotated[int, typer.Option(min=0, help="Which of the replicates.")]
Branch = Annotated[str | None, typer.Option(help="Which branch. Without it: the trunk.")]
Point = Annotated[list[str] | None, typer.Option(metavar="AXIS=VALUE", help="Where in a sweep, like dose='10 U/mL'.")]


class Picture(Protocol):
    """How a picture is written: `scene.picture` and `plain.picture` are two."""

    def __call__(
        self,
        run: "Run",
        out: Path,
        times: "tuple[float | str | None, ...]" = ...,
        color: str = ...,
        field: str | None = ...,
        compartment: str | None = ...,
        cut: str | None = ...,
        replicate: int = ...,
    ) -> Path:
        """Write it to `out` and return that."""


def view(
    run: Folder,
    time: Annotated[
        str | None, typer.Option(help="When, like 24h; several side by side: 0h,24h. Without it: the last.")
    ] = None,
    color: Color = None,
    cut: CutAt = None,
    field: Annotated[str | None, typer.Option(help="A substance, or 'none'. Without it: the first.")] = None,
    compartment: Annotated[str | None, typer.Option(help="Without it: the first.")] = None,
    replicate: Replicate = 0,
    branch: Branch = None,
    point: Point = None,
    out: Annotated[Path | None, typer.Option(help="PNG to write. Without it: tissue.png here.")] = None,
) -> None:
    """Draw the tissue of RUN: cells in colour, a substance below them."""
    from twin.errors import InputError
    from twin.results import open_run, point_of

    store = open_run(run).at(branch, point_of(point or ()))
    target = out if out is not None else Path("tissue.png")
    if target.suffix.lower() != ".png":
        raise InputError(f"--out {target}: pictures are PNG files; end the name with .png")
    picture, advice = painter()
    if advice:
        typer.echo(advice, err=True)
    times = tuple(part.strip() for part in time.split(",")) if time is not None else (None,)
    chosen = color if color is not None else picture_color(store)
    typer.echo(str(picture(store, target, times, chosen, field, compartment, cut, replicate)))


def film(
    run: Folder,
    color: Color = None,
    cut: CutAt = None,
    compartment: Annotated[str | None, typer.Option(help="Without it: the first.")] = None,
    replicate: Replicate = 0,
    branch: Branch = None,
    point: Point = None,
    fps: Annotated[float, typer.Option(min=0.1, max=60, help="Frames a second.")] = 8.0,
    out: Annotated[Path | None, typer.Option(help="MP4 or GIF to write. Without it: tissue.mp4 here.")] = None,
) -> None:
    """Make a film of RUN: a frame for each time at which its cells were kept (observe.cells_every)."""
    from rich.console import Console
    from rich.progress import Progress

    from twin.results import open_run, point_of
    from twin_viz.film import film as make

    store = open_run(run).at(branch, point_of(point or ()))
    chosen = color if color is not None else picture_color(store)
    painter, advice = panel_painter()
    if advice:
        typer.echo(advice, err=True)
    target = out if out is not None else Path("tissue.mp4")
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("frames", total=None)

        def drawn(done: int, of: int) -> None:
            bar.update(task, completed=done, total=of)

        made = make(store, target, painter, chosen, compartment, cut, replicate, fps, on_frame=drawn)
    typer.echo(str(made))


def export(
    run: Folder,
    paraview: Annotated[Path | None, typer.Option(help="New folder: .pvd with .vtp of cells, .vti of fields.")] = None,
    h5ad: Annotated[Path | None, typer.Option(help="New file: the cells, for scanpy and squidpy.")] = None,
    csv: Annotated[Path | None, typer.Option(help="New folder: readouts, cells, births and deaths as tables.")] = None,
    graphml: Annotated[Path | None, typer.Option(help="File: who touches whom, for Cytoscape and Gephi.")] = None,
    time: Annotated[
        str | None, typer.Option(help="Of --h5ad and --graphml: when, like 24h; --h5ad takes 'all'. The last.")
    ] = None,
    color: Annotated[
        list[str] | None,
        typer.Option(help="Of --paraview and --csv: a gene or program that cells carry, too; may be repeated."),
    ] = None,
    compartment: Annotated[str | None, typer.Option(help="Which, where there are several.")] = None,
    replicate: Replicate = 0,
    branch: Branch = None,
    point: Point = None,
) -> None:
    """Write RUN in the formats of other programs: one or several of the options that name a file or folder."""
    from twin.errors import InputError
    from twin.results import open_run, point_of, write_graphml

    wanted = [path for path in (paraview, h5ad, csv, graphml) if path is not None]
    if not wanted:
        raise InputError("export what? give --paraview, --csv (folders), --h5ad or --graphml (files)")
    if time is not None and h5ad is None and graphml is None:
        raise InputError("--time goes with --h5ad or --graphml: the others hold all kept times")
    if color and paraview is None and csv is None:
        raise InputError("--color goes with --paraview or --csv: the others hold all genes, or none")
    store = open_run(run).at(branch, point_of(point or ()))
    if h5ad is not None and h5ad.suffix != ".h5ad":
        raise InputError(f"--h5ad {h5ad}: end the name with .h5ad")
    if graphml is not None and time == "all":
        raise InputError("--time all goes with --h5ad alone: a graph is of one time")
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


def pictures(run: Path, out: Path) -> list[Path]:
    """Write tissue.png (before, after, field) and response.png of a run into `out`; return what there is.

    Of several branches or points of a sweep these show the first, and futures.png all of them.
    Where there are several compartments each has its own: tissue-<name>.png and response-<name>.png.
    Where there is no OpenGL the pictures are plain, and one logged sentence says what to install.
    A picture for which the run holds nothing (no cells left, no readouts) is not written.

    Raises
    ------
    InputError
        If `run` is no run store or `out` cannot be written.
    """
    from twin.analysis.summary import decay_lengths
    from twin.results import open_run
    from twin_viz.futures import futures_plot
    from twin_viz.plots import has_curves, response_plot

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
        if times and paint is None:
            paint, advice = painter()
            if advice:
                logger.warning(advice)
        if times and paint is not None:
            written.append(paint(store, out / f"tissue{ending}", times, picture_color(store), compartment=name))
        if has_curves(store, name):
            own = [length for length in lengths if length.compartment == name]
            written.append(response_plot(store, out / f"response{ending}", name, own))
    return written


def painter() -> tuple[Picture, str]:
    """Return how pictures are drawn here, and where it is the plain way one sentence on why."""
    from twin_viz.graphics import graphics

    found = graphics()
    if found.backend is None:
        from twin_viz import plain

        return plain.picture, found.advice
    from twin_viz import scene

    return scene.picture, ""


def panel_painter() -> "tuple[Painter, str]":
    """Return who fills the panels of a page here, and where it is the plain way one sentence on why."""
    from twin_viz.graphics import graphics

    found = graphics()
    if found.backend is None:
        from twin_viz.plain import PlainPainter

        return PlainPainter(), found.advice
    from twin_viz.scene import ScenePainter

    return ScenePainter(), ""


def picture_color(run: "Run") -> str:
    """Return what cells are coloured by when nobody says: the scenario's first gene, the type."""
    genes = run.scenario.get("observe", {}).get("genes", ())
    return str(next(iter(genes), "cell_type"))
