"""What stands still while a trajectory runs: model, substances, names, the plan's processes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twin.assimilation.snapshot import Snapshot, read_snapshot
from twin.data.counts import CountData, onto_axis, read_counts
from twin.data.places import Places, read_places
from twin.engine.checks import WALLS, Findings, gene_faults
from twin.engine.focus import focused, perturbations_named, types_of
from twin.errors import InputError
from twin.kernels.random import Streams
from twin.model.contract import WorldModel
from twin.model.prediction import LEAST_NEW
from twin.process import Process
from twin.scenario.behaviours import DEFAULT, NO_BEHAVIOURS, Behaviours, behaviours_of
from twin.scenario.load import LoadedScenario
from twin.scenario.schema import Compartment, MeasuredCells, Scenario, TableCells
from twin.scenario.timeline import Assimilate, InjectCells
from twin.scenario.watched import FOUNDER, follows_clones
from twin.state.cells import Column
from twin.state.fields import Substances, Wall
from twin.units import Concentration

LN2 = float(np.log(2.0))
CODED = ("cell_type", "donor", "species", "technology")
UNKNOWN = "unknown"
INJECTED = "injected"  # donor of cells that were put in while the run went
LEAST_SHARED = 0.5  # of a file's counts, on genes that the model knows; our choice: below it most of a cell is lost


@dataclass(frozen=True)
class World:
    """Everything but the state.

    processes : (name, process) in the order of a tick.
    names : per compartment and coded column its categories.
    context : per compartment, (type,) index of each cell type among the model's contexts.
    measured : per compartment the user's cells, where it is made from a file.
    notes : what a run has to record of its cells, a sentence each.
    placed : per compartment the cells of its table, where it is made from one.
    snapshots : per place in the timeline the measured cells that are assimilated there.
    """

    scenario: Scenario
    model: WorldModel
    processes: tuple[tuple[str, Process], ...]
    substances: Substances
    names: dict[str, dict[str, tuple[str, ...]]]
    context: dict[str, NDArray[np.intp]]
    measured: dict[str, CountData]
    columns: tuple[Column, ...]
    behaviours: Behaviours = NO_BEHAVIOURS
    notes: tuple[str, ...] = ()
    placed: Mapping[str, Places] = field(default_factory=dict)
    snapshots: Mapping[int, Snapshot] = field(default_factory=dict)

    @property
    def perturbations(self) -> tuple[str, ...]:
        """Columns of dose and time_since: what the model can do to a cell."""
        return tuple(p.name for p in self.model.perturbations)


def substances_of(scenario: Scenario) -> Substances:
    """Return the scenario's substances as arrays in the inner units."""

    def nanomolar(c: Concentration, name: str) -> float:
        return scenario.substances[name].nanomolar(c, name)

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
    """Read the measured cells that the scenario names, and fit the model to it.

    A type that the model was not trained on gets a meaning from its own cells here, taken as controls. What runs is
    the model of the types that are there, on their genes, with the perturbations that the scenario names.

    Parameters
    ----------
    model : the whole one.

    Raises
    ------
    InputError
        If a file has no cells left after `where`, too few counts on the model's genes, or too few of a new type.
    ScenarioError
        If the scenario names a gene that its cell types did not measure.
    """
    scenario = loaded.scenario
    names: dict[str, dict[str, tuple[str, ...]]] = {}
    measured: dict[str, CountData] = {}
    placed: dict[str, Places] = {}
    told: dict[str, list[str]] = {}
    present: dict[str, set[str]] = {}
    whole = model
    for name, compartment in scenario.compartments.items():
        source = compartment.cells
        if isinstance(source, MeasuredCells):
            all_cells, rows = _chosen_cells(loaded, name, source, scenario.seed)
            data = all_cells.take(rows)
            measured[name] = data
            _shared_genes(name, source, data, model)
            names[name] = {
                "cell_type": _categories(data.column("cell_type", source.cell_type)),
                **{
                    what: _categories(data.column(what)) if data.find_column(what) is not None else (UNKNOWN,)
                    for what in CODED[1:]
                },
            }
            present[name] = set(names[name]["cell_type"])
            model, told[name] = _extended(model, name, all_cells, source, names[name]["cell_type"])
        else:
            if isinstance(source, TableCells):
                placed[name] = read_places(loaded.resolve(source.file), source.types)
                can_be = {str(t) for t in placed[name].cell_type} | set(scenario.cell_types)
                types = tuple(t for t in whole.contexts if t in can_be)
            else:
                types = types_of(compartment, whole)
            names[name] = {
                "cell_type": types,
                "donor": ("sampled",),
                "species": (UNKNOWN,),
                "technology": (UNKNOWN,),
            }
            if isinstance(source, TableCells):
                present[name] = {str(t) for t in placed[name].cell_type}
            else:
                n_of = composed(name, compartment, types, whole)
                present[name] = {t for t, n in zip(types, n_of, strict=True) if n}
        _with_injected(scenario, name, names[name], whole)
    here = {t for columns in names.values() for t in columns["cell_type"]}
    contexts = tuple(c for c in model.contexts if c in here)
    model = focused(model, contexts, tuple(perturbations_named(scenario, whole)))
    findings = Findings(loaded)
    gene_faults(scenario, model.genes, findings)
    if findings.faults:
        raise loaded.error(findings.faults)
    notes: list[str] = []
    for name, data in measured.items():
        source = scenario.compartments[name].cells
        assert isinstance(source, MeasuredCells)
        notes += [_shared_genes(name, source, data, model), *told[name]]
    context = {
        name: np.array([model.contexts.index(t) for t in columns["cell_type"]], dtype=np.intp)
        for name, columns in names.items()
    }
    columns = tuple(column for _, process in processes for column in process.columns)
    if follows_clones(scenario):
        columns += (Column(FOUNDER, "1"),)
    notes += _absent(scenario, present)
    return World(
        scenario,
        model,
        processes,
        substances_of(scenario),
        names,
        context,
        measured,
        columns,
        behaviours_of(scenario),
        tuple(notes),
        placed,
        _snapshots(loaded, model),
    )


def _snapshots(loaded: LoadedScenario, model: WorldModel) -> dict[int, Snapshot]:
    """Read the measured cells that the timeline assimilates.

    Raises
    ------
    ScenarioError
        If a file holds no raw counts or shares too little with the model; each is told at its place.
    """
    findings, found = Findings(loaded), {}
    for i, event in enumerate(loaded.scenario.timeline):
        if isinstance(event, Assimilate):
            file = loaded.resolve(event.file)
            try:
                found[i] = read_snapshot(file, model.genes, event.cell_type, event.where, event.hold_out)
            except InputError as error:
                findings.add(("timeline", i, "file"), str(error))
    if findings.faults:
        raise loaded.error(findings.faults)
    return found


def _with_injected(scenario: Scenario, name: str, names: dict[str, tuple[str, ...]], whole: WorldModel) -> None:
    """Add the types of the cells that will be injected into a compartment to its names, and their donor."""
    events = [e for e in scenario.timeline if isinstance(e, InjectCells) and e.compartment in (None, name)]
    new = dict.fromkeys(e.cell_type for e in events if e.cell_type not in names["cell_type"])
    names["cell_type"] = (*names["cell_type"], *(t for t in new if t in whole.contexts))
    if events and names["donor"] != ("sampled",):
        names["donor"] = (*names["donor"], INJECTED)


def composed(name: str, compartment: Compartment, types: tuple[str, ...], model: WorldModel) -> NDArray[np.intp]:
    """Return how many cells of each of these types a compartment holds whose cells the model draws, (type,).

    Raises
    ------
    InputError
        If no type has a share above 0.
    """
    source = compartment.cells
    assert source.source == "model", source
    if isinstance(source.composition, str):
        shares = np.array([model.composition[model.contexts.index(t)] for t in types], dtype=np.float64)
    else:
        shares = np.array([source.composition.get(t, 0.0) for t in types], dtype=np.float64)
    if shares.sum() <= 0:
        raise InputError(f"compartments.{name}.cells.composition: no type has a share above 0")
    return type_counts(source.count, shares)


def type_counts(total: int, shares: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return whole numbers of cells a type that sum to `total`, by largest remainders, (type,)."""
    exact = shares / shares.sum() * total
    n = np.floor(exact).astype(np.intp)
    order = np.argsort(-(exact - n), kind="stable")
    n[order[: total - int(n.sum())]] += 1
    return np.asarray(n, dtype=np.intp)


def _categories(values: NDArray[np.str_]) -> tuple[str, ...]:
    return tuple(sorted({str(v) for v in values}))


def _chosen_cells(
    loaded: LoadedScenario, name: str, source: MeasuredCells, seed: int
) -> tuple[CountData, NDArray[np.intp]]:
    """Return the file's cells after `where`, and the rows of those that are drawn for the compartment."""
    file = loaded.resolve(source.file)
    data = read_counts(file)
    keep = np.ones(data.n_cells, dtype=np.bool_)
    for column, value in source.where.items():
        keep &= data.column(column, column) == value
    if not keep.any():
        asked = ", ".join(f"{k}: {v}" for k, v in source.where.items())
        raise InputError(f"compartments.{name}.cells.where: {file} has no cell with {asked}")
    data = data.take(keep)
    rows = np.arange(data.n_cells)
    if source.count is not None:
        if source.count > len(rows):
            raise InputError(f"compartments.{name}.cells.count: {source.count} cells asked, {file} has {len(rows)}")
        luck = Streams(seed, 0, 0).stream(f"choose cells of {name}").uniform(np.flatnonzero(keep).astype(np.uint64), 1)
        rows = np.sort(np.argsort(luck[:, 0], kind="stable")[: source.count])
    return data, rows


def _shared_genes(name: str, source: MeasuredCells, data: CountData, model: WorldModel) -> str:
    """Say how much of the measured cells the model can hold, or refuse where that is less than half."""
    counts, has = onto_axis(data, model.genes)
    share = float(counts.sum()) / max(float(data.totals.sum()), 1.0)
    common, total = int(has.sum()), len(data.genes)
    if share < LEAST_SHARED:
        raise InputError(
            f"compartments.{name}.cells.file: {common:,} of the {total:,} genes of {source.file} are on the model's "
            f"axis, with {share:.1%} of its counts, and {LEAST_SHARED:.0%} are needed; its var_names must be gene "
            f"symbols as the model's are ({', '.join(model.genes[:3])}, …)"
        )
    return (
        f"{name}: {common:,} of the file's {total:,} genes are on the model's axis ({100 * share:.3g} % of its "
        f"counts); {len(model.genes) - common:,} genes of the model were not measured and start at 0"
    )


def _extended(
    model: WorldModel, name: str, data: CountData, source: MeasuredCells, wanted: tuple[str, ...]
) -> tuple[WorldModel, list[str]]:
    """Return a model that knows all `wanted` types, and a sentence for each that it did not know.

    A new type's meaning comes from all of the file's cells of it, drawn into the compartment or not.
    """
    told = []
    types = data.column("cell_type", source.cell_type)
    for new in sorted(set(wanted) - set(model.contexts)):
        rows = np.flatnonzero(types == new)
        if len(rows) < LEAST_NEW:
            raise InputError(
                f"compartments.{name}.cells: cell type {new!r} is not known to the model and has {len(rows)} cells in "
                f"{source.file}; {LEAST_NEW} are needed to give it a meaning: leave these cells out, or name them by "
                f"one of {', '.join(model.contexts)}"
            )
        counts, _ = onto_axis(data.take(rows), model.genes)
        model = model.with_context(new, counts)
        told.append(f"{name}: the model does not know {new!r}; it is made from {len(rows)} cells, taken as controls")
    return model, told


def _absent(scenario: Scenario, present: dict[str, set[str]]) -> list[str]:
    """Say which types the scenario counts on have no cell at the start."""
    told = []
    everywhere = set().union(*present.values())
    for secretion in scenario.signalling.secretion:
        for t in dict.fromkeys(secretion.by):
            if t not in everywhere:
                told.append(f"no cell is a {t}: no {secretion.substance} is secreted by it")
    for name, compartment in scenario.compartments.items():
        missing = (t for t in compartment.cells.place if t not in present[name])
        told += [f"{name}: no cell is a {t}: its place stays empty of it" for t in missing]
    told += [
        f"no cell is a {t} at the start: what stands under cell_types waits for one"
        for t in scenario.cell_types
        if t != DEFAULT and t not in everywhere
    ]
    distance = scenario.observe.distance
    if distance is not None and distance.source not in everywhere and distance.source not in WALLS:
        told.append(f"no cell is a {distance.source}: nothing is observed by distance from it")
    return told
