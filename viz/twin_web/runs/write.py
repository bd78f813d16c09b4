"""A run is written for other programs, in a process of its own: pictures are drawn by VTK, which may crash."""

import shutil
from pathlib import Path
from typing import Any

from twin_viz.choice import Futures, futures_of, shown_color
from twin_viz.export.anndata_file import write_h5ad
from twin_viz.export.html.document import write_html
from twin_viz.export.tables import write_tables
from twin_viz.film import film
from twin_viz.page import picture
from twin_viz.painters import painter
from twin_viz.source import compartment_of
from twin_viz.tissue import read_view

from twin.errors import InputError
from twin.results import Run, open_run, point_of
from twin_web.runs.child import child, tell
from twin_web.runs.chosen import Wanted


def main(document: dict[str, Any]) -> None:
    """Write the run "run" to the file "out" as "wanted" has it; tell the progress.

    Raises
    ------
    InputError
        As the exporters say.
    """
    wanted = Wanted.model_validate(document["wanted"])
    writers = {"h5ad": _h5ad, "png": _png, "mp4": _mp4, "csv": _csv, "html": _html}
    writers[wanted.kind](open_run(document["run"]), Path(document["out"]), wanted)
    tell("written")


def _h5ad(run: Run, out: Path, wanted: Wanted) -> None:
    write_h5ad(_one(run, wanted), out, wanted.time, compartment_of(run, wanted.compartment), wanted.replicate)


def _csv(run: Run, out: Path, wanted: Wanted) -> None:
    folder = out.with_name(out.stem)
    name = compartment_of(run, wanted.compartment)
    write_tables(_one(run, wanted), folder, _colors(run, wanted), name, wanted.replicate)
    shutil.make_archive(str(folder), "zip", folder.parent, folder.name)
    shutil.rmtree(folder)


def _html(run: Run, out: Path, wanted: Wanted) -> None:
    branch = wanted.branches[0] if wanted.branches else None
    point, name = point_of(wanted.point) or None, compartment_of(run, wanted.compartment)
    write_html(run, out, _colors(run, wanted), name, wanted.replicate, branch=branch, point=point)


def _png(run: Run, out: Path, wanted: Wanted) -> None:
    store, label, others = _futures(run, wanted)
    times = tuple(part.strip() for part in wanted.time.split(",")) if wanted.time else (None,)
    color, name = _color(run, wanted), compartment_of(run, wanted.compartment)
    view = read_view(store, times, color, "none", name, wanted.cut, wanted.replicate, label=label, others=others)
    picture(view, out, painter()[0])


def _mp4(run: Run, out: Path, wanted: Wanted) -> None:
    store, label, others = _futures(run, wanted)
    color, name = _color(run, wanted), compartment_of(run, wanted.compartment)

    def drawn(done: int, of: int) -> None:
        tell("progress", done=done, of=of)

    film(
        *(store, out, painter()[0], color, name, wanted.cut, wanted.replicate),
        on_frame=drawn,
        label=label,
        others=others,
    )


def _futures(run: Run, wanted: Wanted) -> Futures:
    return futures_of(run, wanted.branches, point_of(wanted.point), wanted.replicate)


def _one(run: Run, wanted: Wanted) -> Run:
    """Return the one future that a table or file of cells is of."""
    if len(wanted.branches) > 1:
        raise InputError(f"a {wanted.kind} file is of one branch: choose {' or '.join(wanted.branches)}")
    return run.at(wanted.branches[0] if wanted.branches else None, point_of(wanted.point))


def _color(run: Run, wanted: Wanted) -> str:
    return wanted.color or shown_color(run.scenario)


def _colors(run: Run, wanted: Wanted) -> list[str]:
    observe = run.scenario.get("observe", {})
    own = [*observe.get("genes", ()), *observe.get("programs", ())]
    return list(dict.fromkeys([*([wanted.color] if wanted.color else []), *own]))


if __name__ == "__main__":
    child(main)
