"""An ensemble of finished trajectories: what their parameters were, and what they look like at a snapshot's time."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from twin.assimilation.snapshot import Snapshot, shared_types
from twin.assimilation.weights import Features, features, log_likelihood
from twin.errors import InputError, UnknownNameError
from twin.results import Run
from twin.results.ensemble import spelt
from twin.scenario.futures import TRUNK
from twin.units import number_and_unit

Float = NDArray[np.float64]


@dataclass(frozen=True)
class Setting:
    """A number of a scenario, with the unit that it was written in ("" without)."""

    value: float
    unit: str

    def text(self, value: float) -> str | float:
        """Return another value as it would be written there."""
        return f"{value:.6g} {self.unit}" if self.unit else float(f"{value:.6g}")


@dataclass(frozen=True)
class Member:
    """One trajectory at the time of a snapshot.

    settings : one a parameter. features : of its cells. log_likelihood : of the snapshot.
    """

    run: str
    replicate: int
    settings: tuple[Setting, ...]
    features: Features
    log_likelihood: float


def setting_of(document: dict[str, Any], path: str, where: str) -> Setting:
    """Return the number at a dotted path of a resolved scenario, like `timeline.0.dose`.

    Raises
    ------
    InputError
        If there is nothing, or no number.
    """
    found: Any = document
    walked: list[str] = []
    for key in path.split("."):
        walked.append(key)
        if isinstance(found, dict) and key in found:
            found = found[key]
        elif isinstance(found, list) and key.isdecimal() and int(key) < len(found):
            found = found[int(key)]
        else:
            known = list(found) if isinstance(found, dict) else [str(i) for i in range(len(found or ()))]
            here = ".".join(walked[:-1]) or "the scenario"
            raise UnknownNameError(f"key of {here}", key, known, f"--parameter {path}: {where}: ")
    parsed = number_and_unit(found) if isinstance(found, str) else None
    if isinstance(found, int | float) and not isinstance(found, bool) and isfinite(found):
        return Setting(float(found), "")
    if parsed is None:
        raise InputError(f"--parameter {path}: {where} has {found!r} there, which is no number")
    return Setting(*parsed)


def members_of(
    runs: Sequence[Run],
    snapshot: Snapshot,
    parameters: Sequence[str],
    time: float,
    compartment: str | None,
    cell_types: Sequence[str],
) -> tuple[list[Member], tuple[str, ...]]:
    """Return every trajectory of some runs at a time (h), and the cell types that are compared.

    Of a run with a sweep every point is one, with the values that are set there; of a run with branches those of the
    branch that the parameters are of.

    Raises
    ------
    InputError
        If a parameter is missing, has another unit in another run, or is the same in all of them; or no cells were kept
        at that time.
    """
    wanted: tuple[str, ...] | None = None
    found = []
    branch = _branch_of(parameters)
    for run in runs:
        learned = [update for update in run.updates if update["time"] < time and update["values"]]
        if learned:
            raise InputError(
                f"{run.path} learned from {learned[0]['file']} at {learned[0]['time']:g} h: its trajectories no longer "
                "have the values that its sweep gave them; take a snapshot of before, or let the timeline learn again"
            )
        for scene, swept in _scenes(run, branch):
            settings = tuple(_setting(run, path, swept) for path in parameters)
            for replicate in range(run.replicates):
                counts, types = cells_at(scene, time, replicate, compartment)
                if wanted is None:
                    wanted = shared_types(snapshot, sorted(set(map(str, types))), cell_types)
                seen = features(snapshot, snapshot.space.project(counts), types, wanted)
                found.append(Member(str(run.path), replicate, settings, seen, log_likelihood(snapshot, seen, wanted)))
    assert wanted is not None, "there is at least one run"
    for i, path in enumerate(parameters):
        units = {m.settings[i].unit for m in found}
        if len(units) > 1:
            raise InputError(f"--parameter {path}: it is written in {' and in '.join(sorted(units))}: use one unit")
        if len({m.settings[i].value for m in found}) < 2:
            raise InputError(
                f"--parameter {path}: it is {found[0].settings[i].text(found[0].settings[i].value)} in all of the "
                f"{len(found)} trajectories, so nothing can be learned of it; run the scenario with other values too, "
                f"like --set {path}=…, and name those runs as well"
            )
    return found, wanted


def _branch_of(parameters: Sequence[str]) -> str:
    """Return the branch that is measured: that of the parameters, `branches.NAME.…`, else the trunk."""
    named = {path.split(".")[1] if path.startswith("branches.") else TRUNK for path in parameters}
    if len(named) > 1:
        raise InputError(
            f"--parameter: {' and '.join(sorted(named))} are different futures; a snapshot is of one: name parameters "
            "of one branch"
        )
    return named.pop() if named else TRUNK


def _scenes(run: Run, branch: str) -> Iterator[tuple[Run, dict[str, str]]]:
    """Yield one branch of a run at every point of its sweep, and the values that are set there, by key."""
    if branch not in run.ensemble.branches:
        raise UnknownNameError("branch", branch, run.ensemble.branches)
    firsts = [t for t in run.trajectories if t.replicate == 0]
    for first, (_, scene) in zip(firsts, run.scenes(), strict=True):
        if first.branch != branch:
            continue
        swept = {}
        for axis, position in zip(run.ensemble.axes, first.point, strict=True):
            for coordinate in axis.coordinates:
                swept.update(dict.fromkeys(coordinate.key.split(", "), spelt(coordinate, position)))
        yield scene, swept


def _setting(run: Run, path: str, swept: Mapping[str, str]) -> Setting:
    """Return a parameter of one point: what the sweep sets there, else what the scenario says."""
    if path not in swept:
        return setting_of(run.scenario, path, str(run.path))
    parsed = number_and_unit(swept[path])
    if parsed is None:
        raise InputError(f"--parameter {path}: {run.path} has {swept[path]!r} there, which is no number")
    return Setting(*parsed)


def cells_at(run: Run, time: float, replicate: int, compartment: str | None) -> tuple[sp.csr_array, NDArray[np.str_]]:
    """Return the living cells of a trajectory at a kept time: counts (cell, gene) CSR, and types (cell,)."""
    cells = run.cells(time, replicate, compartment)
    alive = cells.obs["alive"].to_numpy(dtype=np.bool_)
    types = cells.obs["cell_type"].astype(str).to_numpy(dtype=object).astype(np.str_)
    return sp.csr_array(cells.X)[alive], np.asarray(types[alive], dtype=np.str_)
