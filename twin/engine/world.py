"""What stands still while a trajectory runs: model, substances, names, the plan's processes."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twin.data.counts import CountData, onto_axis, read_counts
from twin.errors import InputError
from twin.kernels.random import Streams
from twin.model.contract import WorldModel
from twin.process import Process
from twin.scenario.load import LoadedScenario
from twin.scenario.schema import Compartment, MeasuredCells, Scenario
from twin.state.cells import Column
from twin.state.fields import Substances, Wall
from twin.units import Concentration

LN2 = float(np.log(2.0))
CODED = ("cell_type", "donor", "species", "technology")
UNKNOWN = "unknown"


@dataclass(frozen=True)
class World:
    """Everything but the state.

    processes : (name, process) in the order of a tick.
    names : per compartment and coded column its categories.
    context : per compartment, (type,) index of each cell type among the model's contexts.
    measured : per compartment the user's cells, where it is made from a file.
    """

    scenario: Scenario
    model: WorldModel
    processes: tuple[tuple[str, Process], ...]
    substances: Substances
    names: dict[str, dict[str, tuple[str, ...]]]
    context: dict[str, NDArray[np.intp]]
    measured: dict[str, CountData]
    columns: tuple[Column, ...]

    @property
    def perturbations(self) -> tuple[str, ...]:
        """Columns of dose and time_since: what the model can do to a cell."""
        return tuple(p.name for p in self.model.perturbations)


def substances_of(scenario: Scenario) -> Substances:
    """Return the scenario's substances as arrays in the inner units."""

    def nanomolar(c: Concentration, name: str) -> float:
        s = scenario.substances[name]
        return c.to_nanomolar(s.molar_mass, s.specific_activity, name)

    walls: list[tuple[Wall, Wall, Wall, Wall, Wall, Wall]] = []
    decay, initial = [], []
    for name, s in scenario.substances.items():
        sides: list[Any] = [getattr(s.walls, f"{axis}_{end}") for axis in "xyz" for end in ("low", "high")]
        six: list[Wall] = [nanomolar(side, name) if isinstance(side, Concentration) else side for side in sides]
        walls.append((six[0], six[1], six[2], six[3], six[4], six[5]))
        decay.append(LN2 / s.half_life if s.half_life is not None else (s.decay or 0.0))
        initial.append(0.0 if s.initial is None else nanomolar(s.initial, name))
    values = scenario.substances.values()
    return Substances(
        names=tuple(scenario.substances),
        diffusivity=np.array([s.diffusivity for s in values], dtype=np.float64),
        decay=np.array(decay, dtype=np.float64),
        walls=tuple(walls),
        initial=np.array(initial, dtype=np.float64),
        molar_mass=tuple(s.molar_mass for s in values),
        specific_activity=tuple(s.specific_activity for s in values),
    )


def build_world(loaded: LoadedScenario, model: WorldModel, processes: tuple[tuple[str, Process], ...]) -> World:
    """Read the measured cells that the scenario names, and extend the model by types it does not know.

    A type that the model was not trained on gets a meaning from its own cells here, taken as controls.

    Raises
    ------
    InputError
        If a file has no cells left after `where`, too few genes in common, or too few of a new type.
    """
    scenario = loaded.scenario
    names: dict[str, dict[str, tuple[str, ...]]] = {}
    measured: dict[str, CountData] = {}
    for name, compartment in scenario.compartments.items():
        source = compartment.cells
        if isinstance(source, MeasuredCells):
            data = _chosen_cells(loaded, name, source, scenario.seed)
            measured[name] = data
            names[name] = {
                "cell_type": _categories(data.column("cell_type", source.cell_type)),
                **{
                    what: _categories(data.column(what)) if data.find_column(what) is not None else (UNKNOWN,)
                    for what in CODED[1:]
                },
            }
            model = _extended(model, data, data.column("cell_type", source.cell_type))
        else:
            names[name] = {
                "cell_type": types_of(compartment, model),
                "donor": ("sampled",),
                "species": (UNKNOWN,),
                "technology": (UNKNOWN,),
            }
    context = {
        name: np.array([model.contexts.index(t) for t in columns["cell_type"]], dtype=np.intp)
        for name, columns in names.items()
    }
    columns = tuple(column for _, process in processes for column in process.columns)
    return World(scenario, model, processes, substances_of(scenario), names, context, measured, columns)


def types_of(compartment: Compartment, model: WorldModel) -> tuple[str, ...]:
    """Return the cell types of a compartment whose cells the model draws."""
    source = compartment.cells
    assert source.source == "model", source
    if isinstance(source.composition, str):
        return tuple(c for c, share in zip(model.contexts, model.composition, strict=True) if share > 0)
    return tuple(source.composition)


def _categories(values: NDArray[np.str_]) -> tuple[str, ...]:
    return tuple(sorted({str(v) for v in values}))


def _chosen_cells(loaded: LoadedScenario, name: str, source: MeasuredCells, seed: int) -> CountData:
    file = loaded.resolve(source.file)
    data = read_counts(file)
    keep = np.ones(data.n_cells, dtype=np.bool_)
    for column, value in source.where.items():
        keep &= data.column(column, column) == value
    if not keep.any():
        asked = ", ".join(f"{k}: {v}" for k, v in source.where.items())
        raise InputError(f"compartments.{name}.cells.where: {file} has no cell with {asked}")
    rows = np.flatnonzero(keep)
    if source.count is not None:
        if source.count > len(rows):
            raise InputError(f"compartments.{name}.cells.count: {source.count} cells asked, {file} has {len(rows)}")
        luck = Streams(seed, 0, 0).stream(f"choose cells of {name}").uniform(rows.astype(np.uint64), 1)
        rows = np.sort(rows[np.argsort(luck[:, 0], kind="stable")[: source.count]])
    return data.take(rows)


def _extended(model: WorldModel, data: CountData, types: NDArray[np.str_]) -> WorldModel:
    counts, _ = onto_axis(data, model.genes)
    for name in sorted({str(t) for t in types} - set(model.contexts)):
        model = model.with_context(name, counts[np.flatnonzero(types == name)])
    return model
