"""Weights of the members of an ensemble, and its update by observations."""

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]

LEAST_MEMBERS = 4  # of an ensemble for a Kalman step: covariances of fewer say nothing; our choice


def weights_of(log_likelihoods: Float) -> Float:
    """Return weights that sum to 1, in proportion to the likelihoods, (member,); NaN gets none.

    Where no member has a likelihood, all are alike.
    """
    finite = np.isfinite(log_likelihoods)
    if not finite.any():
        return np.full(len(log_likelihoods), 1.0 / max(len(log_likelihoods), 1))
    raw = np.where(finite, np.exp(np.where(finite, log_likelihoods, 0.0) - log_likelihoods[finite].max()), 0.0)
    return np.asarray(raw / raw.sum(), dtype=np.float64)


def effective_size(weights: Float) -> float:
    """Return 1 / Σ w²: how many members of equal weight are as good. Source: Kish, Survey Sampling (1965)."""
    return float(1.0 / (weights**2).sum())


def kalman_update(parameters: Float, predicted: Float, observed: Float, variance: Float, luck: Float) -> Float:
    """Return the members' parameters after observations, (member, parameter).

    θ + C_θy (C_yy + R)⁻¹ (y + ε − ŷ), covariances those of the ensemble; exact where the prediction is linear in
    Gaussian parameters and the ensemble is large.

    Parameters
    ----------
    parameters : (member, parameter). predicted : (member, observation). observed : (observation,).
    variance : (observation,) of the observation error, R. luck : (member, observation) standard normals.

    Source
    ------
    Evensen, J Geophys Res 99 (1994) 10143; perturbed observations after Burgers et al., Mon Weather Rev 126 (1998).
    """
    n = len(parameters)
    a, b = parameters - parameters.mean(axis=0), predicted - predicted.mean(axis=0)
    cross, own = a.T @ b / (n - 1), b.T @ b / (n - 1)
    noise = (luck - luck.mean(axis=0)) * np.sqrt(n / (n - 1))  # the mean of the ensemble is not moved by chance
    innovation = observed + noise * np.sqrt(variance) - predicted  # (member, observation)
    gain = np.linalg.solve(own + np.diag(variance), cross.T).T  # (parameter, observation)
    return np.asarray(parameters + innovation @ gain.T, dtype=np.float64)
