"""The view of one compartment that a process is handed."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twin.engine.apply import joined_rate
from twin.engine.variation import drawn_of
from twin.engine.world import World
from twin.kernels.blocks import Crew
from twin.kernels.random import Streams
from twin.process import ALONE, CONCENTRATION, CORE_PORTS, Port, Process, View
from twin.state.body import Compartment


def rate_ports(world: World) -> dict[str, Port]:
    """Return every rate that some process reads: those that are neither core ports nor columns."""
    columns = {column.name for column in world.columns}
    known = {port.name for port in CORE_PORTS} | columns
    return {
        port.name: port
        for _, process in world.processes
        for port in (*process.reads, *process.writes)
        if port.name not in known
    }


def view_of(
    world: World,
    home: Compartment,
    process: Process,
    tick: int,
    replicate: int,
    crew: Crew = ALONE,
    released: frozenset[int] = frozenset(),
    stores: Mapping[str, NDArray[np.float64]] | None = None,
) -> View:
    """Return what `process` sees of `home` at the start of its step; arrays cannot be written.

    released : places in the timeline of events whose condition lets them happen now.
    stores : what processes keep of the whole trajectory.
    """
    scenario = world.scenario
    arrays = {name: _frozen(a) for name, a in home.cells.arrays().items()}
    arrays[CONCENTRATION.name] = _frozen(home.concentration)
    wanted = rate_ports(world)
    rates = {
        port.name: _frozen(joined_rate(home, wanted[port.name], _shape(port, home, world)))
        for port in process.reads
        if port.name in wanted
    }
    return View(
        compartment=home.name,
        time=tick * scenario.tick,
        tick=tick,
        grid=home.grid,
        substances=world.substances,
        scenario=scenario,
        model=world.models[home.name],
        streams=Streams(scenario.seed, replicate, tick),
        names=home.cells.names,
        perturbations=world.perturbations_of(home.name),
        context=world.context[home.name],
        arrays=arrays,
        rates=rates,
        expression=home.expression,
        clamp=home.cells.clamp,
        contacts=home.contacts,
        behaviours=world.behaviours,
        crew=crew,
        released=released,
        stores={name: _frozen(values) for name, values in (stores or {}).items()},
        groups=home.groups,
        well_mixed=home.well_mixed,
        replicate=replicate,
        drawn=drawn_of(world, home.name, replicate),
    )


def _shape(port: Port, home: Compartment, world: World) -> tuple[int, ...]:
    """Return the shape of a rate: per voxel, or per cell."""
    if port.dims == CONCENTRATION.dims:
        return home.concentration.shape
    sizes: Mapping[str, int] = {
        "cell": home.cells.n,
        "axis": 3,
        "gene": home.expression.n_genes,
        "behaviour": len(world.behaviours.ruled),
    }
    return tuple(sizes[dim] for dim in port.dims)


def _frozen(array: NDArray[Any]) -> NDArray[Any]:
    view = np.asarray(array).view()
    view.flags.writeable = False
    return view
