"""Parameters of a scenario learned from a snapshot: by likelihoods, an ensemble Kalman step, or an emulator."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from twin.assimilation.members import Member, Setting
from twin.assimilation.snapshot import Snapshot
from twin.assimilation.weights import MODEL_ERROR, effective_cells, observed
from twin.errors import InputError
from twin.kernels.emulate import emulated_predictions, emulated_update
from twin.kernels.ensemble import LEAST_MEMBERS, effective_size, kalman_update, weights_of
from twin.kernels.random import Streams

Float = NDArray[np.float64]
Method = Literal["weights", "kalman", "emulator"]

CANDIDATES = 4096  # values that an emulator is asked at; our choice


@dataclass(frozen=True)
class Learned:
    """What is known of one parameter before and after; centres and spreads as it is scaled (logarithmic if `log`).

    setting : of the first member, for its unit. priors, members : (member,) values before and after; by weights they
    stay as they were.
    """

    path: str
    setting: Setting
    log: bool
    before: tuple[float, float]
    after: tuple[float, float]
    priors: Float
    members: Float

    def value(self, scaled: float) -> float:
        """Return a value on the scale of the scenario."""
        return float(np.exp(scaled)) if self.log else scaled

    @property
    def text(self) -> str | float:
        """The new value, as it is written in the scenario."""
        return self.setting.text(self.value(self.after[0]))


@dataclass(frozen=True)
class Tested:
    """How far the ensemble's means are from those of measured cells that corrected nothing.

    Root mean squares, in standard deviations of measured cells. before : of the ensemble as it was. after : of what
    its emulator says of it with the new parameters. halves : of the measured cells that corrected.
    """

    before: float
    after: float
    halves: float


@dataclass(frozen=True)
class Update:
    """Parameters after a snapshot.

    weights : (member,). effective : how many members of equal weight they are worth. error : root mean square of the
    means' distance from the snapshot's, in standard deviations of measured cells: of the even and of the weighted
    ensemble. tested : None where no measured cells are held out, or there are too few members for an emulator.
    """

    parameters: tuple[Learned, ...]
    weights: Float
    effective: float
    error: tuple[float, float]
    method: Method
    tested: Tested | None = None


def updated(
    snapshot: Snapshot, members: Sequence[Member], parameters: Sequence[str], method: Method, seed: int = 0
) -> Update:
    """Return what a snapshot says of the parameters of an ensemble.

    A parameter whose values are all above 0 is learned on a logarithmic scale.

    Raises
    ------
    InputError
        If there are too few members for a step, or the snapshot says nothing of them.
    """
    if method != "weights" and len(members) < LEAST_MEMBERS:
        raise InputError(
            f"--method {method}: {len(members)} trajectories are too few, {LEAST_MEMBERS} are needed; run more, or "
            "take --method weights"
        )
    names = members[0].features.names
    if not names:
        raise InputError(f"{snapshot.source}: no cell type that both have has two measured cells that correct")
    raw = np.array([[s.value for s in m.settings] for m in members])  # (member, parameter)
    log = np.asarray((raw > 0).all(axis=0))  # (parameter,)
    scaled = np.where(log, np.log(np.where(log, raw, 1.0)), raw)
    weights = weights_of(np.array([m.log_likelihood for m in members]))
    after = scaled
    if method != "weights":
        after = _moved(snapshot, members, scaled, method, seed)
    told = []
    for i, path in enumerate(parameters):
        share = weights if method == "weights" else np.full(len(members), 1 / len(members))
        told.append(
            Learned(
                path,
                members[0].settings[i],
                bool(log[i]),
                _moments(scaled[:, i], np.full(len(members), 1 / len(members))),
                _moments(after[:, i], share),
                raw[:, i],
                np.exp(after[:, i]) if log[i] else after[:, i],
            )
        )
    target = observed(snapshot, members[0].features)
    spread = np.maximum(members[0].features.spread, 1e-12)
    off = (np.array([m.features.value for m in members]) - target) / spread  # (member, mean)
    error = tuple(float(np.sqrt(((w @ off) ** 2).mean())) for w in (np.full(len(members), 1 / len(members)), weights))
    tested = None if method == "weights" else _tested(snapshot, members, scaled, after)
    return Update(tuple(told), weights, effective_size(weights), (error[0], error[1]), method, tested)


def _tested(snapshot: Snapshot, members: Sequence[Member], scaled: Float, after: Float) -> Tested | None:
    first = members[0].features
    target = observed(snapshot, first, test=True)
    there = np.isfinite(target)
    if not there.any():
        return None
    predicted = np.array([m.features.value for m in members])
    found = emulated_predictions(scaled, predicted, _errors(members), after)
    if found is None:
        return None
    spread = np.maximum(first.spread, 1e-12)

    def off(means: Float) -> float:
        return float(np.sqrt((((means - target) / spread)[there] ** 2).mean()))

    return Tested(off(predicted.mean(axis=0)), off(found.mean(axis=0)), off(observed(snapshot, first)))


def _errors(members: Sequence[Member]) -> Float:
    """Return the variance of the means' observation error, (mean,): sampling on both sides, and `MODEL_ERROR`."""
    sampling = np.mean([m.features.error**2 for m in members], axis=0)
    return np.asarray(sampling + (MODEL_ERROR * members[0].features.spread) ** 2, dtype=np.float64)


def _moved(snapshot: Snapshot, members: Sequence[Member], scaled: Float, method: Method, seed: int) -> Float:
    """Return the parameters after one step on means and shares of cell types, (member, parameter).

    An emulator of few members for many parameters cannot bend: the step is then Kalman's.
    """
    types = list(members[0].features.counts)
    seen = np.array([len(snapshot.rows(name, test=False)) for name in types], dtype=np.float64)
    cells = np.array([[m.features.counts[name] for name in types] for m in members], dtype=np.float64)
    # 2 asin √share has the variance 1/n, whatever the share
    shares = 2 * np.arcsin(np.sqrt(cells / np.maximum(cells.sum(axis=1, keepdims=True), 1)))
    predicted = np.concatenate([np.array([m.features.value for m in members]), shares], axis=1)
    told = np.concatenate([observed(snapshot, members[0].features), 2 * np.arcsin(np.sqrt(seen / seen.sum()))])
    ours = float(np.mean(1 / np.maximum(cells.sum(axis=1), 1)))
    numbers = np.full(len(types), 1 / effective_cells(float(seen.sum())) + ours)
    variance = np.concatenate([_errors(members), numbers])
    streams = Streams(seed, 0, 0)
    if method == "emulator":
        luck = streams.stream("emulator").normal(np.arange(CANDIDATES, dtype=np.uint64), scaled.shape[1])
        found = emulated_update(scaled, predicted, told, variance, luck)
        if found is not None:
            return found
    luck = streams.stream("ensemble Kalman").normal(np.arange(len(members), dtype=np.uint64), len(told))
    return kalman_update(scaled, predicted, told, variance, luck)


def _moments(values: Float, weights: Float) -> tuple[float, float]:
    centre = float(weights @ values)
    return centre, float(np.sqrt(weights @ (values - centre) ** 2))
