"""`twin view`, and the pictures that a run leaves: 3-D where there is OpenGL, plain where not."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Protocol

import typer

if TYPE_CHECKING:
    from twin_viz.tissue import Run

logger = logging.getLogger(__name__)


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
    run: Annotated[Path, typer.Argument(help="Folder of the run store.")],
    time: Annotated[
        str | None, typer.Option(help="When, like 24h; several side by side: 0h,24h. Without it: the last.")
    ] = None,
    color: Annotated[
        str | None, typer.Option(help="A gene, an obs column or a program. Without it: the scenario's gene.")
    ] = None,
    cut: Annotated[str | None, typer.Option(help="The part that stays, like 'y>20 um'.")] = None,
    field: Annotated[str | None, typer.Option(help="A substance, or 'none'. Without it: the first.")] = None,
    compartment: Annotated[str | None, typer.Option(help="Without it: the first.")] = None,
    replicate: Annotated[int, typer.Option(min=0, help="Which of the replicates.")] = 0,
    branch: Annotated[str | None, typer.Option(help="Which branch. Without it: the trunk.")] = None,
    point: Annotated[
        list[str] | None, typer.Option(metavar="AXIS=VALUE", help="Where in a sweep, like dose='10 U/mL'.")
    ] = None,
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


def picture_color(run: "Run") -> str:
    """Return what cells are coloured by when nobody says: the scenario's first gene, the type."""
    genes = run.scenario.get("observe", {}).get("genes", ())
    return str(next(iter(genes), "cell_type"))
