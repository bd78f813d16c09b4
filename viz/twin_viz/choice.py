"""Which futures of a run are shown: branches at a point of its sweep, and what each is called."""

from collections.abc import Mapping, Sequence
from typing import Any

from twin.errors import InputError
from twin.results import Run
from twin_viz.plots.scene import only_point

Futures = tuple[Run, str, list[tuple[str, Run]]]


def futures_of(
    run: Run, branches: Sequence[str] = (), point: Mapping[str, Any] | None = None, replicate: int = 0
) -> Futures:
    """Return the first branch that is asked for, what it is called, and the others with their names.

    branches : without any, the trunk. point : a value for each axis of the sweep; it may be left out where it makes no
    difference.

    Raises
    ------
    InputError
        If a branch is named twice or is not there, or the sweep has several points and none is given.
    """
    names: Sequence[str | None] = branches or (None,)
    if len(set(names)) < len(names):
        raise InputError("--branch: the same branch is named twice")
    found = []
    for name in names:
        at = point or only_point(run, name)
        words = run.ensemble.label(run.ensemble.find(0, name, at), replicate=False)
        words += f", replicate {replicate}" if run.replicates > 1 else ""
        found.append((words.removeprefix(", "), run.at(name, at)))
    return found[0][1], found[0][0], found[1:]


def shown_color(scenario: Mapping[str, Any]) -> str:
    """Return what cells are coloured by when nobody says: the scenario's first gene, the type."""
    genes = scenario.get("observe", {}).get("genes", ())
    return str(next(iter(genes), "cell_type"))
