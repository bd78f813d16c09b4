"""What the page of a run shows: its record, as JSON, and the pieces that the record names by number."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.colors import Colormap
from numpy.typing import NDArray

from twin_viz import palette
from twin_viz.camera import Float, look_at
from twin_viz.export.html.encode import STEPS, Blobs, Codes, as_text, halves, packed, to_codes
from twin_viz.export.html.fields import fields_of, grid_record, substances_of, volumes
from twin_viz.export.html.futures import Future
from twin_viz.export.html.moments import CELL_TYPE, Course, Moment, read_course
from twin_viz.export.html.paints import Paint, paints_of
from twin_viz.page import EXTRAPOLATED

SHADES = 256  # colours of a colour bar


@dataclass(frozen=True)
class Content:
    """What the page shows."""

    record: dict[str, Any]
    blobs: Blobs


@dataclass(frozen=True)
class _Common:
    """What all moments are coded by: the box (2, axis) µm, the largest radius µm, all ids, and the colours."""

    box: Float
    largest: float
    ids: NDArray[np.uint64]
    paints: list[Paint]

    def columns(self, moment: Moment) -> Iterator[Codes]:
        """Yield the columns of one time: place, radius, who (as steps along the ids), whether alive, each colour."""
        for axis in range(3):
            yield to_codes(moment.position[:, axis], float(self.box[0, axis]), float(self.box[1, axis]))
        yield to_codes(moment.radius, 0.0, self.largest)
        yield from halves(np.diff(np.searchsorted(self.ids, moment.ids), prepend=0).astype(np.uint32))
        yield moment.alive.astype(np.uint16)
        for paint in self.paints:
            yield paint.codes(moment)


def content_of(
    futures: Sequence[Future],
    times: Sequence[Sequence[float]],
    colors: Sequence[str],
    compartment: str | None,
    replicate: int,
) -> Content:
    """Read the futures at their `times` and return what their page holds; the rest as `write_html` has it."""
    courses = [
        read_course(name, run, kept, colors, compartment, replicate)
        for (name, run), kept in zip(futures, times, strict=True)
    ]
    moments = [m for course in courses for m in course.moments]
    paints = paints_of(courses, colors)
    types = next(p for p in paints if p.name == CELL_TYPE)
    box = np.stack([np.min([c.box[0] for c in courses], axis=0), np.max([c.box[1] for c in courses], axis=0)])
    largest = max(float(m.radius.max()) for m in moments if len(m.radius))
    common = _Common(box, largest, np.unique(np.concatenate([m.ids for m in moments])), paints)
    fields = [fields_of(run, replicate, compartment) for _, run in futures]
    substances = substances_of(fields)
    hours = sorted({m.time for m in moments})
    blobs = Blobs()
    shown = []
    for course, data in zip(courses, fields, strict=True):
        future = _future(course, hours, common, types, blobs)
        if data is not None and substances:
            levels = volumes(data, substances, hours)
            future["volumes"] = [None if v is None else blobs.add(v) for v in levels]
            future["grid"] = grid_record(data)
        shown.append(future)
    known = [str(c) for c in futures[0][1].attrs["compartments"]]
    return Content(
        {
            "title": courses[0].title,
            "compartment": compartment or known[0] if len(known) > 1 else "",
            "hours": hours,
            "futures": shown,
            "paints": [paint.record() for paint in paints],
            "types": paints.index(types),
            "first": next((i for i, p in enumerate(paints) if p.name in colors[:1]), paints.index(types)),
            "bodies": any(not m.alive.all() for m in moments),
            "substances": [substance.record() for substance in substances],
            "ids": {"blob": blobs.add(packed(_parts(common.ids))), "n": len(common.ids)},
            "radius": largest,
            "view": view_of(box, courses[0].frame),
            "look": colors_of(with_fields=bool(substances)),
        },
        blobs,
    )


def _future(course: Course, hours: Sequence[float], common: _Common, types: Paint, blobs: Blobs) -> dict[str, Any]:
    frames: list[dict[str, Any] | None] = [None] * len(hours)
    places = [hours.index(m.time) for m in course.moments]
    for place, moment in zip(places, course.moments, strict=True):
        frames[place] = {"blob": blobs.add(packed(list(common.columns(moment)))), "n": len(moment.ids)}
    return {
        "name": course.name,
        "frames": frames,
        "times": places,
        "measured": course.measured_until,
        "curves": [paint.curves(course, types) for paint in common.paints],
    }


def _parts(ids: NDArray[np.uint64]) -> list[Codes]:
    """Return 64-bit ids as four columns of codes, the lowest part first."""
    return [(ids >> np.uint64(shift)).astype(np.uint16) for shift in (0, 16, 32, 48)]


def view_of(box: Float, frame: Float) -> dict[str, Any]:
    """Return from where the page looks at a box (2, axis) µm at first; frame : the compartment's own."""
    camera = look_at(box)
    return {
        "box": box.tolist(),
        "frame": frame.tolist(),
        "right": camera.right.tolist(),
        "up": camera.up.tolist(),
        "toward": camera.toward.tolist(),
        "resolution": float(f"{(box[1] - box[0]).max() / STEPS:.2g}"),
    }


def colors_of(*, with_fields: bool) -> dict[str, Any]:
    """Return the colours of all pictures, so that the page has no second set of them."""

    def ramp(colors: Colormap) -> str:
        shades = np.rint(colors(np.linspace(0, 1, SHADES))[:, :3] * 255).astype(np.uint8)
        return as_text(shades.tobytes())

    look = {"expression": ramp(palette.EXPRESSION), "nothing": palette.NOTHING, "late": EXTRAPOLATED}
    return look | ({"concentration": ramp(palette.CONCENTRATION)} if with_fields else {})
