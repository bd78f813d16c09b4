"""The flows of a scenario over its tissues' voxels: amounts of whole organs, concentrations of their samples."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import pi

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from twin.kernels.flows import exchange_amounts, exchange_voxels, exit_rates, flow_generator, kept_shares, propagators
from twin.scenario.network import NM_UM3_PER_NMOL, network_of
from twin.scenario.schema import Scenario
from twin.state.fields import Grid, Substances
from twin.state.vessels import supplied_voxels

Float = NDArray[np.float64]
Bool = NDArray[np.bool_]


@dataclass(frozen=True)
class _Step:
    """What a step of one length takes.

    reached : per compartment (substance, voxel), what blood reaches in it. volume : (substance, compartment) µm³, of
    whole organs. rates : (substance, compartment) 1/h, how fast each empties. steps : `propagators`.
    """

    reached: Mapping[str, Bool]
    volume: Float
    rates: Float
    steps: tuple[Float, Float]


class Circulation:
    """What flows between the organs of a scenario; it follows from the scenario and does not change while a run goes.

    Of an organ that vessels supply in some voxels only, the node is what a substance reaches from these in a step by
    diffusion: as much as a wall at the level of blood gives to a half-space, 2 √(D dt/π) deep (Crank, The Mathematics
    of Diffusion, 1975, eq. 3.15). So a tissue that mixes faster than a step follows its blood whatever the step, and of
    what spreads slowly the vessels' own voxels are the node.

    flows : whether anything does.
    """

    def __init__(self, scenario: Scenario, substances: Substances, grids: Mapping[str, Grid]) -> None:
        self.scenario = scenario
        self._network = network = network_of(scenario)
        self._names = network.names
        self._diffusivity = substances.diffusivity
        self._away = {name: _distance(supplied_voxels(scenario.compartments[name], g), g) for name, g in grids.items()}
        shape = (len(substances.names), len(network.names))
        self._partition, self._clearance = np.ones(shape), np.zeros(shape)
        if scenario.organs is not None:
            parts = ((scenario.organs.partition, self._partition), (scenario.organs.clearance, self._clearance))
            for table, into in parts:
                for substance, by_home in table.items():
                    for name, value in by_home.items():
                        into[substances.index(substance), network.names.index(name)] = value
        self._steps: dict[float, _Step] = {}  # by dt
        self.flows = bool(exit_rates(network.volume, network.flow, self._partition, self._clearance).any())

    def step(
        self, fields: Mapping[str, Float], released: Mapping[str, Float], dt: float
    ) -> tuple[dict[str, Float], Float]:
        """Return all concentrations after `dt` hours, and what was cleared in it.

        Parameters
        ----------
        fields : per compartment (substance, z, y, x) nM, as the other processes of the step have left them. Not
            modified.
        released : as `fields`, what cells have released in the step: it came evenly, and so has its shape in time.

        Returns
        -------
        As `fields`; and (compartment, substance) nmol.
        """
        of = self._step_of(dt)
        kept, kept_fresh = kept_shares(of.rates, dt)  # (substance, compartment)
        flat = {name: fields[name].reshape(len(of.rates), -1) for name in self._names}
        fresh = {name: _fresh(flat[name], released[name].reshape(flat[name].shape), of.reached[name]) for name in flat}
        amounts, cleared = np.zeros_like(of.rates), np.zeros_like(of.rates)
        for mine, by in zip(({n: flat[n] - fresh[n] for n in self._names}, fresh), of.steps, strict=True):
            mean = np.stack([_mean(mine[name], of.reached[name]) for name in self._names], axis=1)
            stay, gone = exchange_amounts(mean * of.volume, by)
            amounts, cleared = amounts + stay, cleared + gone
        after = amounts / of.volume  # (substance, compartment) nM
        moved = {}
        for i, name in enumerate(self._names):
            new = flat[name].copy()
            for s, here in enumerate(of.reached[name]):
                old, come = (flat[name][s, here] - fresh[name][s, here])[None], fresh[name][s, here][None]
                one = slice(s, s + 1)
                new[s, here] = exchange_voxels(old, come, after[one, i], kept[one, i], kept_fresh[one, i])[0]
            moved[name] = new.reshape(fields[name].shape)
        return moved, cleared.T / NM_UM3_PER_NMOL

    def _step_of(self, dt: float) -> _Step:
        if dt not in self._steps:
            network = self._network
            depth = 2.0 * np.sqrt(self._diffusivity * dt / pi)  # (substance,) µm
            reached = {name: away.ravel()[None] <= depth[:, None] for name, away in self._away.items()}
            share = np.stack([reached[name].mean(axis=1) for name in self._names], axis=1)  # (substance, compartment)
            volume = network.volume * share
            rates = exit_rates(volume, network.flow, self._partition, self._clearance)
            generator = flow_generator(volume, network.flow, self._partition, self._clearance)
            self._steps[dt] = _Step(reached, volume, rates, propagators(generator, dt))
        return self._steps[dt]


def _distance(supplied: Bool, grid: Grid) -> Float:
    """Return how far each voxel is from the nearest supplied one, (z, y, x) µm; 0 in these."""
    if not supplied.any():
        return np.zeros(supplied.shape)
    return np.asarray(distance_transform_edt(~supplied) * grid.spacing, dtype=np.float64)


def _mean(field: Float, reached: Bool) -> Float:
    """Return the mean over the voxels that each substance reaches, (substance,)."""
    return np.asarray((field * reached).sum(axis=1) / reached.sum(axis=1))


def _fresh(field: Float, released: Float, reached: Bool) -> Float:
    """Return what of a field has come in this step, (substance, voxel) nM: as much as was released."""
    came, there = _mean(released, reached), _mean(field, reached)  # (substance,)
    share = np.divide(np.minimum(came, there), there, out=np.zeros_like(there), where=there > 0)
    return np.asarray(field * share[:, None])
