"""What there is to see of a run now: its futures, their kept times, the first colours; cells of one time are read."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from twin_viz.camera import Float
from twin_viz.export.html.content import colors_of, view_of
from twin_viz.export.html.futures import MOST_FUTURES
from twin_viz.source import box_of, compartment_of

from twin.errors import InputError
from twin.results import Run, Trajectory
from twin.results.ensemble import spelt
from twin.results.glance import Kept
from twin_web.viewer.columns import coded, legend, look
from twin_web.viewer.shelf import OpenRun, version_of

SCALE = "log(1 + counts per 10,000)"


def scene(
    opened: OpenRun, name: str, compartment: str | None = None, replicate: int = 0, asked: Sequence[str] = ()
) -> str:
    """Return the record of a viewer as JSON; worked out anew only when there is something new.

    Parameters
    ----------
    asked : ids of the futures that stand side by side; without them all, or the first `MOST_FUTURES`.

    Raises
    ------
    InputError
        If a compartment, replicate or future is not there, or too many are asked for.
    """
    question = (compartment, replicate, *asked)
    standing = opened.standing()
    known = opened.scenes.get(question)
    if known is not None and known[0] == standing:
        return known[1]
    text = json.dumps(_record(opened, name, compartment, replicate, asked), allow_nan=False, separators=(",", ":"))
    if len(opened.scenes) >= MOST_FUTURES * 2:  # our choice: questions that pages ask of one run at a time
        opened.scenes.clear()
    opened.scenes[question] = standing, text
    return text


def tag_of(text: str) -> str:
    """Return what a browser tells to ask whether a record is still the one."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:24]


def version(kept: Kept) -> str:
    """Return what is in the address of a piece, so that the piece of another file has another address."""
    told = f"{kept.owner} {kept.tick} {version_of(kept.file)}"
    return hashlib.sha256(told.encode("utf-8")).hexdigest()[:12]


def _record(
    opened: OpenRun, name: str, compartment: str | None, replicate: int, asked: Sequence[str]
) -> dict[str, Any]:
    run = opened.run
    where = compartment_of(run, compartment)
    everyone = opened.futures(replicate)
    chosen = _chosen(everyone, asked)
    alone = len(everyone) == 1
    seen = [_kept(opened, trajectory, where) for _, trajectory in chosen]
    hours = sorted({kept.time for one in seen for kept in one})
    box, frame, paints = _first(run, where, replicate, next((one for one in seen if one), None), opened)
    scenario = run.scenario
    observe = scenario.get("observe", {})
    genes = [str(gene) for gene in observe.get("genes", ())] if _has_genes(opened, where) else []
    programs = [str(word) for word in observe.get("programs", {})] if genes or _has_genes(opened, where) else []
    told = [{"name": n, "kind": "gene", "label": f"{n}, {SCALE}"} for n in genes]
    told += [{"name": n, "kind": "gene", "label": f"{n}, mean {SCALE}"} for n in programs]
    return {
        "run": name,
        "title": str(scenario.get("name", "twin")),
        "about": {
            "run": name,
            "scenario": str(scenario.get("name", "")),
            "description": str(scenario.get("description", "")),
        },
        "compartment": where,
        "compartments": list(run.compartments),
        "replicate": replicate,
        "replicates": run.replicates,
        "going": opened.is_going,
        "hours": hours,
        "futures": [
            {**_who(run, "" if alone else words, t), **_times(one, hours)}
            for (words, t), one in zip(chosen, seen, strict=True)
        ],
        "all": [_who(run, "" if alone else words, t) for words, t in everyone],
        "paints": [*paints[:1], *told, *paints[1:]],
        "types": 0,
        "shown": genes[0] if genes else "cell_type",  # as in the pictures and films of a run
        "substances": [str(word) for word in scenario.get("substances", {})],
        "hasGenes": _has_genes(opened, where),
        "view": view_of(box, frame),
        "look": {**colors_of(with_fields=True), **look()},
    }


def _chosen(everyone: Sequence[tuple[str, Trajectory]], asked: Sequence[str]) -> list[tuple[str, Trajectory]]:
    by_id = {t.id: (words, t) for words, t in everyone}
    unknown = [one for one in asked if one not in by_id]
    if unknown:
        raise InputError(f"there is no future {unknown[0]!r} in this run: choose of {', '.join(by_id)}")
    if len(asked) > MOST_FUTURES:
        raise InputError(f"{len(asked)} futures are too many side by side: at most {MOST_FUTURES}")
    return [by_id[one] for one in asked] or list(everyone[:MOST_FUTURES])


def _kept(opened: OpenRun, trajectory: Trajectory, compartment: str) -> list[Kept]:
    part, replicate = opened.parts[trajectory.id]
    return part.kept(replicate, compartment)


def _who(run: Run, words: str, trajectory: Trajectory) -> dict[str, Any]:
    axes = run.ensemble.standing(trajectory)
    point = {c.name: spelt(c, position) for axis, position in axes for c in axis.coordinates}
    return {"id": trajectory.id, "name": words, "branch": trajectory.branch, "point": point}


def _times(kept: Sequence[Kept], hours: Sequence[float]) -> dict[str, Any]:
    """Return what a future has at each of the hours of all: where its cells and concentrations are, or null."""
    frames: list[dict[str, Any] | None] = [None] * len(hours)
    place = {hour: i for i, hour in enumerate(hours)}
    for one in kept:
        told = {"id": one.owner, "tick": one.tick, "n": one.n_cells, "v": version(one), "field": one.has_field}
        frames[place[one.time]] = told
    return {"frames": frames}


def _has_genes(opened: OpenRun, compartment: str) -> bool:
    return bool(genes_of(opened, compartment))


def genes_of(opened: OpenRun, compartment: str) -> tuple[str, ...]:
    """Return the genes of a compartment's cells; none where none were kept yet."""
    if compartment not in opened.genes:
        try:
            opened.genes[compartment] = opened.run.genes_of(compartment)
        except InputError:  # no cells yet
            return ()
    return opened.genes[compartment]


def _first(
    run: Run, compartment: str, replicate: int, kept: Sequence[Kept] | None, opened: OpenRun
) -> tuple[Float, Float, list[dict[str, Any]]]:
    """Return the box of all cells and that of the compartment, (2, axis) µm, and the paints of categories, at first."""
    size = box_of(run, compartment)
    box: Float = np.array([[0.0, 0.0, 0.0], size or [1.0, 1.0, 1.0]])
    frame = box
    if not kept:
        return box, frame, []
    part, place = opened.parts[kept[0].owner]
    cells = part.cells(kept[0].time, place, compartment, counts=False)
    if cells.n_obs:
        place_of, reach = np.asarray(cells.obsm["spatial"]), np.asarray(cells.obs["radius"])[:, None]
        ends = np.stack([(place_of - reach).min(axis=0), (place_of + reach).max(axis=0)])
        box = ends if size is None else np.stack([np.minimum(box[0], ends[0]), np.maximum(box[1], ends[1])])
        frame = ends if size is None else frame
    paints = []
    for one in coded(cells):
        if "names" in one.about:
            codes = np.full(cells.n_obs, one.about["first"]) if one.codes is None else one.codes
            words = pd.Series(np.asarray(one.about["names"], dtype=object)[codes])
            paints.append(legend(one.about, words.value_counts()))
    return box, frame, paints


def search(genes: Sequence[str], programs: Sequence[str], text: str, most: int) -> dict[str, Any]:
    """Return the genes and programs that begin with a text, then those that hold it; capitals do not matter."""
    wanted = text.strip().casefold()

    def found(names: Sequence[str]) -> list[str]:
        hits = [(name.casefold(), name) for name in names if wanted in name.casefold()]
        ranked = sorted(hits, key=lambda hit: (not hit[0].startswith(wanted), len(hit[0]) if wanted else 0, hit[0]))
        return [name for _, name in ranked[:most]]

    return {"genes": found(genes), "programs": found(programs), "of": len(genes)}
