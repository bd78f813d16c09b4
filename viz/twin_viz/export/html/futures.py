"""Which futures of a run stand side by side on its page."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from twin import results
from twin.errors import InputError
from twin_viz.source import Run

MOST_FUTURES = 4  # side by side; our choice: more panels are too small to tell cells apart

Future = tuple[str, Run]  # its name, "" where there is but one


def futures_of(run: Run, branch: str | None = None, point: Mapping[str, Any] | None = None) -> list[Future]:
    """Return the futures of `run` that `branch` and `point` leave, each with its name; those that are the same once.

    Parameters
    ----------
    branch : without it all branches. point : a value for some axes of the sweep; all values of the others.

    Raises
    ------
    InputError
        If there is no such branch or point, or there are more than `MOST_FUTURES`.
    """
    if not isinstance(run, results.Run):
        return [("", run)]
    places = set(_places(run, branch, dict(point or {})))
    scenes = run.scenes()
    firsts = [t for t in run.trajectories if t.replicate == 0]  # of which `scenes` makes one each, in this order
    chosen: list[Future] = [
        scene for scene, t in zip(scenes, firsts, strict=True) if {p[:-1] for p in t.places} & places
    ]
    if len(chosen) > MOST_FUTURES:
        branches = f" --branch ({', '.join(run.branches)})" if len(run.branches) > 1 and branch is None else ""
        axes = ", ".join(c.name for axis in run.ensemble.axes if axis.size > 1 for c in axis.coordinates)
        points = f" --point ({axes})" if axes else ""
        how = " and".join(part for part in (branches, points) if part)
        raise InputError(
            f"{len(chosen)} futures are too many for one page, which shows {MOST_FUTURES} side by side: "
            f"choose with{how}"
        )
    return chosen if len(chosen) > 1 else [("", chosen[0][1])]


def _places(run: results.Run, branch: str | None, given: dict[str, Any]) -> Iterator[tuple[int, ...]]:
    """Yield where the asked branch and points stand along the leading dimensions but the replicate."""
    ensemble = run.ensemble
    for t in ensemble.trajectories:
        if t.replicate == 0 and branch in (None, t.branch):
            for place in t.places:
                at = place[len(place) - 1 - len(ensemble.axes) : -1]
                full = _full(ensemble.axes, at, given)
                if ensemble.place(t.branch, full) == place[:-1]:
                    yield place[:-1]
    if branch is not None:
        ensemble.place(branch, _full(ensemble.axes, (0,) * len(ensemble.axes), given))  # tells an unknown branch


def _full(axes: Sequence[results.SweepAxis], at: Sequence[int], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return a point that names every axis: as `given` where it does, else where `at` stands."""
    full = dict(given)
    for axis, position in zip(axes, at, strict=True):
        own = next((c for c in axis.coordinates if c.name == axis.name), None)  # None: a sample, told by number
        if axis.name not in given and not any(c.name in given for c in axis.coordinates):
            full[axis.name] = own.labels[position] if own is not None else position
    return full
