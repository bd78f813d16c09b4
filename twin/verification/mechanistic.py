"""Cases of the verification suite: SBML models in cells, tied to fields; without the extra [sbml] there are none."""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from twin.verification.case import Case, Row
from twin.verification.fields import CRITICAL_RATIO, CRITICAL_SQUARE, JACOBIAN
from twin.verification.tissue import Tissue

Float = NDArray[np.float64]

WAVELENGTH = float(2 * np.pi / np.sqrt(CRITICAL_SQUARE))  # µm, with D_u = 1 µm²/h
N_VOXELS = 32  # of the ring, one wavelength around
STEADY = np.array([1.0, 0.9])  # nM; u and v
SMALL = 1e-3  # nM; of a mode's amplitude, so that its square is nothing; our choice


class Ring:
    """Cells on a ring, one a voxel, each with Schnakenberg's reactions in its voxel's medium; u and v spread around it.

    ratio : D_v over D_u = 1 µm²/h. dt : tick, h. n_waves : critical wavelengths around the ring.
    """

    def __init__(self, ratio: float, dt: float, n_waves: int = 1) -> None:
        n, spacing = n_waves * N_VOXELS, WAVELENGTH / N_VOXELS
        round_ = {"x_low": "periodic", "x_high": "periodic"}
        cells = {"source": "model", "count": n, "composition": {"cell": 1.0}, "radius": {"default": "0.05 um"}}
        edges = [f"{n * spacing!r} um", f"{spacing!r} um", f"{spacing!r} um"]
        self.tissue = Tissue(
            n,
            {"sbml": {}, "diffusion": {"quasi_steady": "never"}},
            models={"schnakenberg.xml": Path(__file__).with_name("schnakenberg.xml").read_text(encoding="utf-8")},
            tick=f"{dt!r} h",
            compartments={"ring": {"box": edges, "spacing": f"{spacing!r} um", "cells": cells}},
            substances={
                "u": {"diffusivity": "1 um^2/h", "initial": f"{STEADY[0]} nM", "walls": round_},
                "v": {"diffusivity": f"{ratio!r} um^2/h", "initial": f"{STEADY[1]} nM", "walls": round_},
            },
            intracellular={
                "turing": {
                    "file": "schnakenberg.xml",
                    "cell_types": ["cell"],
                    "concentration_unit": "nM",
                    "precision": 1e-9,
                    "exchange": {"u": {"substance": "u"}, "v": {"substance": "v"}},
                }
            },
        )
        middle = (np.arange(n) + 0.5) * spacing
        self.tissue.home.cells.position[:] = np.stack([middle, *np.full((2, n), spacing / 2)], axis=1)
        self.mode = np.cos(2 * np.pi * middle / WAVELENGTH)  # (voxel,)

    @property
    def field(self) -> Float:
        """Concentrations around the ring, (substance, voxel) nM."""
        return self.tissue.home.concentration[:, 0, 0, :]

    def perturb(self, amplitude: Float) -> None:
        """Put the fields to the steady state plus the critical mode; `amplitude` (substance,), nM."""
        self.field[:] = STEADY[:, None] + amplitude[:, None] * self.mode

    def run(self, ticks: int) -> Self:
        """Go on by this many ticks."""
        self.tissue.run(ticks)
        return self

    def amplitude(self) -> Float:
        """Return how much of the critical mode is in the fields, (substance,) nM."""
        return np.asarray(self.field @ self.mode / (self.mode**2).sum())


def growth(ratio: float, dt: float = 0.02) -> float:
    """Return the growth rate of the critical mode, 1/h: of the larger eigenvalue of one tick's map.

    Reactions and diffusion take turns; the eigenvalues of that map are those of the symmetric splitting, second order.
    """
    ring, columns = Ring(ratio, dt), []
    for start in np.eye(2) * SMALL:
        ring.perturb(start)
        columns.append(ring.run(1).amplitude() / SMALL)
    return float(np.log(np.abs(np.linalg.eigvals(np.stack(columns, axis=1))).max()) / dt)


def turing() -> Iterator[Row]:
    """Yield the critical ratio of diffusivities, and growth below and above it, over hundreds of ticks too."""
    ratio = float(brentq(growth, 7.0, 12.0, xtol=1e-4))
    yield Row("critical ratio of diffusivities", CRITICAL_RATIO, ratio, 0.01 * CRITICAL_RATIO)
    for given in (7.0, 12.0):
        law = float(np.linalg.eigvals(JACOBIAN - np.diag([1.0, given]) * CRITICAL_SQUARE).real.max())
        word = "decay" if law < 0 else "growth"
        yield Row(f"rate of {word} at a ratio of {given:g}, 1/h", law, growth(given), 5e-4)
        yield Row("the same in a run, from 10 to 15 h, 1/h", law, followed(given), 1e-3)
    errors = [abs(growth(12.0, dt) - law) for dt in (0.2, 0.1)]
    yield Row("order of the growth rate in the tick, 0.2 to 0.1 h", 2.0, float(np.log2(errors[0] / errors[1])), 0.1)


def followed(ratio: float, dt: float = 0.05) -> float:
    """Return the growth rate of the critical mode in a run, when one eigenvector is left."""
    ring = Ring(ratio, dt)
    ring.perturb(np.array([SMALL, 0.0]))
    first = ring.run(round(10 / dt)).amplitude()[0]
    last = ring.run(round(5 / dt)).amplitude()[0]
    return float(np.log(last / first) / 5.0)


CASES: tuple[Case, ...] = (
    (Case("F9s", "Turing instability of Schnakenberg, by SBML models in cells", "linear stability analysis", turing),)
    if find_spec("roadrunner") is not None
    else ()
)
