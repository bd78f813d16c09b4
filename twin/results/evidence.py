"""What measured snapshots left in a run: weights of its replicates, and what its ensembles learned."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twin.errors import InputError
from twin.kernels.ensemble import weights_of
from twin.results.ensemble import Ensemble
from twin.results.layout import UPDATES


def updates_in(run: Path) -> list[dict[str, Any]]:
    """Return what ensembles learned, by time; see `Run.updates`.

    Raises
    ------
    InputError
        If one is damaged.
    """
    found = []
    for file in sorted((run / UPDATES).glob("[!.]*.json")):
        try:
            found.append(json.loads(file.read_text("utf-8")))
        except (OSError, ValueError) as error:
            raise InputError(f"{file} cannot be read ({error}): restore it, or run anew") from error
    return sorted(found, key=lambda update: (update["tick"], update["event"], update["members"]))


def replicate_weights(
    logs: Mapping[str, Sequence[Mapping[str, Any]]], ensemble: Ensemble
) -> NDArray[np.float64] | None:
    """Return the weights of replicates, of the shape of the ensemble, or None without a snapshot; see `Run.weights`.

    logs : of each trajectory, by id.
    """
    told = {
        name: {(e["tick"], e["event"]): float(e["log_likelihood"]) for e in log if e.get("method") == "reweight"}
        for name, log in logs.items()
    }
    snapshots = set().union(*told.values())
    if not snapshots:
        return None
    sums = {name: sum(mine.values()) if mine.keys() == snapshots else np.nan for name, mine in told.items()}
    out = np.empty(ensemble.shape)
    for place in np.ndindex(out.shape[:-1]):
        members = (ensemble.by_place[(*place, i)] for i in range(ensemble.replicates))
        out[place] = weights_of(np.array([sums[t.id] for t in members], dtype=np.float64))
    return out
