"""`write_html`: one file that shows a run's tissue in a browser, with no network and nothing beside it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from twin.errors import InputError
from twin_viz.export.folder import made_whole
from twin_viz.export.html.content import content_of
from twin_viz.export.html.futures import futures_of
from twin_viz.export.html.moments import times_of
from twin_viz.export.html.sheet import sheet
from twin_viz.source import Run, compartment_of

SUFFIXES = (".html", ".htm")
LIMIT = 200.0  # MB; our choice: a browser opens that in some ten seconds, and holds three times as much
SAMPLE = 3  # times of a future from which the size of the page is estimated
SURE = 1.5  # times the limit from which the estimate alone refuses; our choice: times may share what they hold


def write_html(
    run: Run,
    out: Path,
    colors: Sequence[str] = (),
    compartment: str | None = None,
    replicate: int = 0,
    *,
    branch: str | None = None,
    point: Mapping[str, Any] | None = None,
    every: int = 1,
    limit: float = LIMIT,
) -> Path:
    """Write a run's tissue over time to the new file `out` and return it.

    Places are held to 1/65534 of the box, numbers to 1/65534 of their range, concentrations to 1/255 of their
    logarithmic colour bar. All cells of all kept times are in it, unless `every` says otherwise.

    Parameters
    ----------
    colors : genes, programs and columns that cells carry beside their type and the telling columns of `obs`; the
        first is shown first.
    branch, point : which futures stand side by side; without them all, if they are no more than `MOST_FUTURES`.
    every : 2 takes every second kept time, and the last.
    limit : MB that the page may have.

    Raises
    ------
    InputError
        If `out` is there already or cannot be written, a colour is not known, no cells are kept, or the page would be
        larger than `limit`.
    """
    if out.suffix.lower() not in SUFFIXES:
        raise InputError(f"--html {out}: end the name with .html")
    with made_whole(out) as draft:
        draft.touch()  # a disk that refuses does so before the cells are read
        compartment = compartment_of(run, compartment)
        futures = futures_of(run, branch, point)
        times = [times_of(future, replicate, every) for _, future in futures]
        n = sum(map(len, times))
        if n > 2 * SAMPLE * len(futures):
            few = [[kept[i] for i in np.unique(np.linspace(0, len(kept) - 1, SAMPLE).astype(int))] for kept in times]
            part = content_of(futures, few, colors, compartment, replicate)
            estimate = part.blobs.size * n / sum(map(len, few))
            if estimate > SURE * limit * 1e6:
                _check_size(estimate, limit, every)
        content = content_of(futures, times, colors, compartment, replicate)
        about = _about(run, out, replicate, branch, every)
        title = f"{content.record['title']}: {about['run']}"
        with draft.open("w", encoding="utf-8", newline="\n") as file:
            file.writelines(sheet(title, {**content.record, "about": about}, content.blobs.pieces))
        _check_size(draft.stat().st_size, limit, every)
    return out


def _check_size(size: float, limit: float, every: int) -> None:
    """Refuse a page of more than `limit` MB. size : bytes."""
    mb = size / 1e6
    if mb > limit:
        more = every * int(np.ceil(mb / limit))
        raise InputError(
            f"the page would have about {mb:,.3g} MB, more than {limit:g} MB: take fewer times (--every {more}), one "
            f"--compartment or --branch, or allow more (--limit {np.ceil(1.1 * mb):g})"
        )


def _about(run: Run, out: Path, replicate: int, branch: str | None, every: int) -> dict[str, str]:
    """Return where the page is from: whoever gets it by mail has nothing else."""
    attrs = run.attrs
    folder = getattr(run, "path", None)
    return {
        "run": folder.name if isinstance(folder, Path) else out.stem,
        "scenario": str(run.scenario.get("name", "")),
        "description": str(run.scenario.get("description", "")),
        "branch": f"branch {branch}" if branch is not None else "",
        "replicate": str(replicate) if int(attrs.get("replicates", 1)) > 1 else "",
        "seed": str(attrs.get("seed", "")),
        "model": str(attrs.get("model", {}).get("name", "")),
        "twin": str(attrs.get("versions", {}).get("twin", "")),
        "kept": f"1 of {every} kept times, and the last" if every > 1 else "",
    }
