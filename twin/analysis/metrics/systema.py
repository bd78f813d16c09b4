"""Scores that do not reward what all perturbations, or two deltas with one control, have in common."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from twin.analysis.scores import pearson
from twin.errors import InputError

Float = NDArray[np.float64]
Index = NDArray[np.intp]


def perturbed_centroid(profiles: Float) -> Float:
    """Return the mean over perturbations of their mean profiles, each perturbation counting once, (gene,).

    profiles : (perturbation, gene) mean log-normalised profiles of training perturbations, without the controls.
    """
    return np.asarray(profiles.mean(axis=0), dtype=np.float64)


def systema_pearson(predicted: Float, real: Float, reference: Float) -> Float:
    """Return Pearson of (predicted − reference) and (real − reference) over genes, (perturbation,).

    With the perturbed centroid as reference the shift that all perturbations share, against the controls, no longer
    counts: a predictor that returns the mean perturbation is undefined (NaN) rather than good.

    Parameters
    ----------
    predicted, real : (perturbation, gene) mean profiles.
    reference : (gene,) `perturbed_centroid` of the training perturbations.

    Source
    ------
    Viñas Torné et al., Systema, Nat Biotechnol (2025), 10.1038/s41587-025-02777-8; pearson_delta_reference_metrics.
    """
    _same(predicted, real)
    return np.array([pearson(p - reference, r - reference) for p, r in zip(predicted, real, strict=True)])


def centroid_accuracy(predicted: Float, real: Float) -> Float:
    """Return the share of the other real profiles that are farther from the prediction than its own, (perturbation,).

    Euclidean distance; as near as its own counts one half (Systema counts it as not farther), so that a predictor
    that cannot tell perturbations apart has 0.5. NaN with one perturbation.

    predicted, real : (perturbation, gene) mean profiles.

    Source
    ------
    Viñas Torné et al., Systema, Nat Biotechnol (2025); calculate_centroid_accuracies.
    """
    _same(predicted, real)
    if len(real) < 2:
        return np.full(len(real), np.nan)
    scores = np.empty(len(real))
    for i, row in enumerate(predicted):
        distance = ((real - row) ** 2).sum(axis=1)
        others = np.delete(distance, i)
        scores[i] = np.mean((others > distance[i]) + 0.5 * (others == distance[i]))
    return scores


def split_control_pearson(
    predict: Callable[[Index], Float], control: Float, treated: Float, repeats: int = 10, seed: int = 0
) -> float:
    """Return Pearson-Δ without shared control noise: the mean over random halves of the control cells.

    The predictor sees one half and gives a delta against it; the real delta is against the other half. In the usual
    Pearson-Δ one control mean stands in both deltas, and its sampling noise counts as agreement.

    Parameters
    ----------
    predict : rows of `control` (the half it may see) -> (gene,) predicted delta against the mean of these cells.
    control, treated : (cell, gene) log-normalised cells of the held-out context.

    Raises
    ------
    InputError
        If there are fewer than two control cells or no treated ones.
    """
    if len(control) < 2 or not len(treated):
        raise InputError(
            f"there are {len(control)} control and {len(treated)} treated cells; "
            "two controls and one treated are needed"
        )
    rng = np.random.default_rng(seed)
    level = treated.mean(axis=0)
    found = []
    for _ in range(repeats):
        order = rng.permutation(len(control))
        seen, kept = order[: len(order) // 2], order[len(order) // 2 :]
        found.append(pearson(predict(seen), level - control[kept].mean(axis=0)))
    return float(np.mean(found))


def _same(predicted: Float, real: Float) -> None:
    if predicted.shape != real.shape:
        raise InputError(
            f"predicted profiles are {predicted.shape} and real ones {real.shape}; "
            "both must be (perturbation, gene) of the same perturbations and genes"
        )
