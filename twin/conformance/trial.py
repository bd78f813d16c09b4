"""A small compartment to try a process on, and a world model that answers uniformly."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from twin.kernels.random import Streams
from twin.model.contract import Condition, Counts, Perturbation, WorldModel
from twin.process import View
from twin.scenario.behaviours import behaviours_of
from twin.scenario.schema import Scenario
from twin.state.cells import Cells
from twin.state.expression import Expression
from twin.state.fields import Grid, Substances

Float = NDArray[np.float64]

GENES = ("IFNAR1", "IFNAR2", "IFNB1", "ISG15", "CD3D")
CONTEXTS = ("T cell", "Monocyte", "Dendritic")
IFNB = Perturbation("IFNB1", "cytokine", 20.0, "100 U/mL", 2.0, 1.0, (6.0,), {"T cell": 100})
TNF = Perturbation("TNF", "cytokine", 1.0, "10 ng/mL", 0.1, 1.0, (6.0,), {"T cell": 100})
DEPTH_PER_GENE = 1.5  # counts; the mean of the uniform draws 0 … 3
SPACE = 10.0  # µm between neighbours; our choice, wider than two cells of radius 4


@dataclass
class UniformModel(WorldModel):
    """Answers the same for every gene and every cell, but for what `rates` and the clamp say.

    rates : (context, gene) → expected counts per 10,000 instead of the uniform share.
    """

    genes: tuple[str, ...] = GENES
    contexts: tuple[str, ...] = CONTEXTS
    perturbations: tuple[Perturbation, ...] = (IFNB, TNF)
    rates: Mapping[tuple[str, str], float] = field(default_factory=dict)
    latent_size: int = 2
    name: str = "uniform"

    def __post_init__(self) -> None:
        """Give every context the same share."""
        self.composition = np.full(len(self.contexts), 1 / len(self.contexts))

    @property
    def fingerprint(self) -> str:
        """Return what decides the answers, as text."""
        return f"uniform over {self.genes}"

    def depths(self, context: NDArray[np.intp], ids: NDArray[np.uint64], streams: Streams) -> Float:
        """Return the same library size for all, (cell,)."""
        return np.full(len(ids), DEPTH_PER_GENE * len(self.genes))

    def sample(
        self, condition: Condition, streams: Streams, *, steps: int = 1, guidance: float = 0.0
    ) -> tuple[Counts, NDArray[np.float32]]:
        """Draw each count from 0 … 3, and a normal z."""
        counts = np.floor(4 * streams.stream("uniform model").uniform(condition.ids, len(self.genes)))
        z = streams.stream("uniform model z").normal(condition.ids, self.latent_size).astype(np.float32)
        return sp.csr_array(counts.astype(np.int32) * (self._clamp(condition) > 0)), z

    def encode(self, counts: Counts, condition: Condition) -> NDArray[np.float32]:
        """Return zeros, (cell, latent)."""
        return np.zeros((condition.n, self.latent_size), np.float32)

    def transition(
        self,
        counts: Counts,
        z: NDArray[np.float32],
        condition: Condition,
        elapsed: float,
        kappa: float,
        streams: Streams,
    ) -> tuple[Counts, NDArray[np.float32]]:
        """Draw every count anew; z stays."""
        return self.sample(condition, streams)[0], z

    def perturb(self, counts: Counts, condition: Condition, streams: Streams) -> Counts:
        """Return the cells as they are."""
        return counts

    def expected(self, z: NDArray[np.float32], condition: Condition, genes: Sequence[int]) -> Float:
        """Return uniform shares, or those of `rates`, times the clamp, (cell, gene)."""
        share = np.full((condition.n, len(self.genes)), 1e4 / len(self.genes))
        for (context, gene), rate in self.rates.items():
            share[condition.context == self.contexts.index(context), self.genes.index(gene)] = rate
        return np.asarray((share * self._clamp(condition))[:, list(genes)])

    def support(self, condition: Condition) -> Float:
        """Return 1 for every cell."""
        return np.ones(condition.n)

    def with_context(self, name: str, controls: Counts) -> "UniformModel":
        """Return a model that knows one more context."""
        return replace(self, contexts=(*self.contexts, name))

    def _clamp(self, condition: Condition) -> Float:
        factors = np.ones((condition.n, len(self.genes)))
        if condition.clamp is not None:
            stored = condition.clamp.tocoo()
            factors[stored.row, stored.col] = stored.data
        return factors


def clamp_of(n_cells: int, stored: Mapping[tuple[int, int], float], n_genes: int = len(GENES)) -> sp.csr_array:
    """Return a clamp (cell, gene) from what is stored: {(row, gene): factor}."""
    row, column = [key[0] for key in stored], [key[1] for key in stored]
    data = np.asarray(list(stored.values()), np.float64)
    return sp.csr_array((data, (row, column)), shape=(n_cells, n_genes))


def make_scenario(**sections: Any) -> Scenario:
    """Return a scenario of 50 × 40 × 30 µm with one substance; `sections` are written as a user would."""
    document: dict[str, Any] = {
        "name": "test",
        "duration": "24 h",
        "tick": "0.5 h",
        "compartments": {"node": {"box": ["50 um", "40 um", "30 um"], "cells": {"source": "model", "count": 6}}},
        "substances": {"IFNB1": {"diffusivity": "30 um^2/s", "half_life": "5 h", "molar_mass": "20 kDa"}},
        "processes": {"dosing": {}, "secretion": {}, "diffusion": {}, "exposure": {}},
    }
    return Scenario.model_validate(document | sections)


def make_view(
    scenario: Scenario | None = None,
    model: WorldModel | None = None,
    *,
    tick: int = 0,
    types: Sequence[int] = (0, 0, 1, 1, 2, 2),
    clamp: Mapping[tuple[int, int], float] | None = None,
    concentration: Float | float = 0.0,
    rates: Mapping[str, Float] | None = None,
    extra: Mapping[str, NDArray[Any]] | None = None,
    stores: Mapping[str, Float] | None = None,
    chunk: int = 256,
    seed: int = 7,
    **arrays: NDArray[Any],
) -> View:
    """Return a View of one compartment; `arrays` replace cell columns by name, `extra` adds a plugin's.

    `stores` are what processes keep of the trajectory. Cells stand in a row along x at 5, 15, … µm, in the middle of
    the box, each touching the next.
    Source and sink are zero unless given.
    """
    scenario, model = scenario or make_scenario(), model or UniformModel()
    n, n_p = len(types), len(model.perturbations)
    box = next(iter(scenario.compartments.values()))
    nx_, ny, nz = (round(edge / box.spacing) for edge in box.box)
    grid = Grid((nz, ny, nx_), box.spacing)
    names = tuple(scenario.substances)
    given = [scenario.substances[name] for name in names]
    substances = Substances(
        names,
        np.array([s.diffusivity for s in given]),
        np.array([np.log(2) / s.half_life if s.half_life else s.decay or 0.0 for s in given]),
        (("closed",) * 6,) * len(names),
        np.zeros(len(names)),
        tuple(s.molar_mass for s in given),
        tuple(s.specific_activity for s in given),
    )
    middle = np.tile(grid.size / 2, (n, 1))
    middle[:, 0] = 5.0 + SPACE * np.arange(n)
    cells = Cells(
        id=np.arange(n, dtype=np.uint64),
        parent=np.arange(n, dtype=np.uint64),
        birth=np.zeros(n, np.int64),
        position=middle,
        radius=np.full(n, 4.0),
        cell_type=np.asarray(types, np.int16),
        donor=np.zeros(n, np.int16),
        species=np.zeros(n, np.int16),
        technology=np.zeros(n, np.int16),
        group=np.zeros(n, np.int32),
        alive=np.ones(n, bool),
        depth=np.full(n, DEPTH_PER_GENE * len(model.genes)),
        z=np.zeros((n, model.latent_size), np.float32),
        dose=np.zeros((n, n_p)),
        time_since=np.full((n, n_p), np.nan),
        ec50_factor=np.ones(n),
        clamp=clamp_of(n, clamp or {}, len(model.genes)),
        names={"cell_type": model.contexts},
    )
    unknown = set(arrays) - set(cells.arrays())
    assert not unknown, unknown
    shape = (len(names), *grid.shape)
    counts = sp.csr_array(np.ones((n, len(model.genes)), np.int32))
    behaviours = behaviours_of(scenario)
    zero = {
        "source": np.zeros(shape),
        "sink": np.zeros(shape),
        "behaviour": np.zeros((n, len(behaviours.ruled))),
        "apoptosis": np.zeros(n),
        "necrosis": np.zeros(n),
        "proliferation": np.ones(n),
        "growth": np.zeros(n),
    }
    near = np.arange(n - 1)
    pairs = (np.ones(2 * len(near)), (np.r_[near, near + 1], np.r_[near + 1, near]))
    return View(
        compartment=next(iter(scenario.compartments)),
        time=tick * scenario.tick,
        tick=tick,
        grid=grid,
        substances=substances,
        scenario=scenario,
        model=model,
        streams=Streams(seed, 0, tick),
        names=cells.names,
        perturbations=tuple(p.name for p in model.perturbations),
        context=np.arange(len(model.contexts), dtype=np.intp),
        arrays=cells.arrays()
        | arrays
        | dict(extra or {})
        | {"concentration": np.broadcast_to(concentration, shape).copy()},
        rates=zero | dict(rates or {}),
        expression=Expression.from_counts(counts, chunk),
        clamp=cells.clamp,
        contacts=sp.csr_array(pairs, shape=(n, n)),
        behaviours=behaviours,
        stores=dict(stores or {}),
    )
