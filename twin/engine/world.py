"""What stands still while a trajectory runs: model, substances, names, the plan's processes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twin.assimilation.snapshot import Snapshot, read_snapshot
from twin.data.counts import CountData, onto_axis
from twin.data.places import Places, read_places
from twin.engine.built import file_source, read_transcriptomes, types_of_built
from twin.engine.checks import WALLS, gene_faults
from twin.engine.findings import Findings
from twin.engine.focus import focused, perturbations_named, types_of
from twin.engine.measured import read_tissue
from twin.engine.models import Models, choices, distinct, main_of
from twin.errors import InputError
from twin.model.contract import WorldModel
from twin.model.prediction import LEAST_NEW
from twin.process import Process
from twin.scenario.behaviours import DEFAULT, NO_BEHAVIOURS, Behaviours, behaviours_of
from twin.scenario.builders import Built
from twin.scenario.load import LoadedScenario
from twin.scenario.network import travelled
from twin.scenario.schema import Compartment, MeasuredCells, Scenario, TableCells
from twin.scenario.timeline import Assimilate, InjectCells
from twin.scenario.variation import DonorEffects, spreads_of
from twin.scenario.watched import FOUNDER, follows_clones
from twin.state.cells import Column
from twin.state.fields import Substances, Wall
from twin.state.stores import Store
from twin.state.variation import Drawn
from twin.units import Concentration

LN2 = float(np.log(2.0))
CODED = ("cell_type", "donor", "species", "technology")
UNKNOWN = "unknown"
SAMPLED = "sampled"  # donor of cells that the model draws, where the scenario declares none
INJECTED = "injected"  # donor of cells that were put in while the run went
LEAST_SHARED = 0.5  # of a file's counts, on genes that the model knows; our choice: below it most of a cell is lost


@dataclass(frozen=True)
class World:
    """Everything but the state.

    models : per compartment what moves its cells; most often the same for all.
    processes : (name, process) in the order of a tick.
    names : per compartment and coded column its categories.
    context : per compartment, (type,) index of each cell type among the model's contexts.
    measured : per compartment the user's cells, where it is made from a file.
    notes : what a run has to record of its cells, a sentence each.
    placed : per compartment the cells of its table, where it is made from one.
    snapshots : per place in the timeline the measured cells that are assimilated there.
    donors : names of the donors that the scenario declares. spreads : in what they differ.
    drawn : per compartment and replicate its effects, as far as they were asked for (`twin.engine.variation`).
    """

    scenario: Scenario
    models: Mapping[str, WorldModel]
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
    donors: tuple[str, ...] = ()
    spreads: DonorEffects = field(default_factory=DonorEffects)
    drawn: dict[tuple[str, int], Drawn] = field(default_factory=dict)

    @property
    def stores(self) -> tuple[Store, ...]:
        """What processes keep of the whole trajectory."""
        return tuple(store for _, process in self.processes for store in process.stores)

    @property
    def model(self) -> WorldModel:
        """The model that stands for the run where one has to."""
        return main_of(self.models, self.scenario)

    @property
    def perturbations(self) -> tuple[str, ...]:
        """What the models can do to a cell, of one after the other."""
        return tuple(dict.fromkeys(p.name for model in distinct(self.models) for p in model.perturbations))

    def declares_donors(self, compartment: str) -> bool:
        """Say whether the scenario declares the donors of a compartment's cells; those of a file may name their own."""
        return bool(self.donors) and set(self.donors) <= set(self.names[compartment]["donor"])

    def perturbations_of(self, compartment: str) -> tuple[str, ...]:
        """Columns of dose and time_since of the cells of a compartment."""
        return tuple(p.name for p in self.models[compartment].perturbations)


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


def build_world(loaded: LoadedScenario, wholes: Models, processes: tuple[tuple[str, Process], ...]) -> World:
    """Read the measured cells that the scenario names, and fit the model to it.

    A type that the model was not trained on gets a meaning from its own cells here, taken as controls. What runs is
    the model of the types that are there, on their genes, with the perturbations that the scenario names.

    Parameters
    ----------
    wholes : per compartment the whole model.

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
    models: dict[str, WorldModel] = dict(wholes)
    donors = () if scenario.variation is None else scenario.variation.donor_names(scenario.replicates)
    for name, compartment in scenario.compartments.items():
        source, whole, model = compartment.cells, wholes[name], models[name]
        if isinstance(source, MeasuredCells):
            tissue = read_tissue(loaded, name, source)
            data = tissue.cells
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
            extended, new = _extended(model, name, tissue.data, source, names[name]["cell_type"])
            told[name] = [*tissue.notes, *new]
            models |= {other: extended for other in models if models[other] is model}
        elif isinstance(source, Built):
            types = types_of_built(compartment)
            names[name] = {"cell_type": types, **dict.fromkeys(CODED[1:], (UNKNOWN,)), "donor": (SAMPLED,)}
            present[name] = set(types)
            told[name] = []
            file = file_source(compartment)
            if file is not None:
                data = measured[name] = read_transcriptomes(loaded, name, compartment)
                _shared_genes(name, file, data, model)
                for what in CODED[1:]:
                    known = data.find_column(what) is not None
                    names[name][what] = _categories(data.column(what)) if known else (UNKNOWN,)
                extended, told[name] = _extended(model, name, data, file, types)
                models |= {other: extended for other in models if models[other] is model}
        else:
            if isinstance(source, TableCells):
                placed[name] = read_places(loaded.resolve(source.file), source.types)
                can_be = {str(t) for t in placed[name].cell_type} | set(scenario.cell_types)
                types = tuple(t for t in whole.contexts if t in can_be)
            else:
                types = types_of(compartment, whole)
            names[name] = {
                "cell_type": types,
                "donor": (SAMPLED,),
                "species": (UNKNOWN,),
                "technology": (UNKNOWN,),
            }
            if isinstance(source, TableCells):
                present[name] = {str(t) for t in placed[name].cell_type}
            else:
                n_of = composed(name, compartment, types, whole)
                present[name] = {t for t, n in zip(types, n_of, strict=True) if n}
        if compartment.species is not None:
            names[name]["species"] = (compartment.species,)
        if donors and name in measured and names[name]["donor"] != (UNKNOWN,):
            _refuse_other_donors(loaded, name, names[name]["donor"])
        if donors and names[name]["donor"] in ((SAMPLED,), (UNKNOWN,)):
            names[name]["donor"] = (INJECTED, *donors)  # first, so that more replicates leave the codes as they are
        _with_injected(scenario, name, names[name], whole)
    for tied in travelled(scenario):
        _know_each_other(scenario, {name: names[name] for name in names if name in tied})
    for homes in choices(scenario).values():
        model, whole = models[homes[0]], wholes[homes[0]]
        here = {t for name in homes for t in names[name]["cell_type"]}
        contexts = tuple(c for c in model.contexts if c in here)
        models |= dict.fromkeys(homes, focused(model, contexts, tuple(perturbations_named(scenario, whole))))
    findings = Findings(loaded)
    gene_faults(scenario, tuple(gene for model in distinct(models) for gene in model.genes), findings)
    if findings.faults:
        raise loaded.error(findings.faults)
    notes: list[str] = []
    for name, data in measured.items():
        file = file_source(scenario.compartments[name])
        assert file is not None
        notes += [_shared_genes(name, file, data, models[name]), *told[name]]
    context = {
        name: np.array([models[name].contexts.index(t) for t in columns["cell_type"]], dtype=np.intp)
        for name, columns in names.items()
    }
    columns = tuple(column for _, process in processes for column in process.columns)
    if follows_clones(scenario):
        columns += (Column(FOUNDER, "1"),)
    notes += _absent(scenario, present)
    return World(
        scenario,
        models,
        processes,
        substances_of(scenario),
        names,
        context,
        measured,
        columns,
        behaviours_of(scenario),
        tuple(notes),
        placed,
        _snapshots(loaded, models),
        donors,
        spreads_of(scenario.variation, loaded.resolve),
    )


def _snapshots(loaded: LoadedScenario, models: Models) -> dict[int, Snapshot]:
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
            model = models[event.compartment or next(iter(models))]
            try:
                found[i] = read_snapshot(file, model.genes, event.cell_type, event.where, event.hold_out)
            except InputError as error:
                findings.add(("timeline", i, "file"), str(error))
    if findings.faults:
        raise loaded.error(findings.faults)
    return found


def _know_each_other(scenario: Scenario, tied: Mapping[str, dict[str, tuple[str, ...]]]) -> None:
    """Give compartments between which cells travel each other's categories, their own first: nobody's code changes.

    Raises
    ------
    InputError
        If declared and measured donors would mix: in what they differ is drawn by compartment.
    """
    if scenario.variation is not None and len({columns["donor"] for columns in tied.values()}) > 1:
        raise InputError(
            f"organs.traffic: cells travel between {', '.join(tied)}, whose donors differ: with a section variation "
            "they must be the same ones; leave the traffic or the variation out"
        )
    for what in CODED:
        known = [word for columns in tied.values() for word in columns[what]]
        for columns in tied.values():
            columns[what] = tuple(dict.fromkeys((*columns[what], *known)))


def _with_injected(scenario: Scenario, name: str, names: dict[str, tuple[str, ...]], whole: WorldModel) -> None:
    """Add the types of the cells that will be injected into a compartment to its names, and their donor."""
    events = [e for e in scenario.timeline if isinstance(e, InjectCells) and e.compartment in (None, name)]
    new = dict.fromkeys(e.cell_type for e in events if e.cell_type not in names["cell_type"])
    names["cell_type"] = (*names["cell_type"], *(t for t in new if t in whole.contexts))
    if events and names["donor"] != (SAMPLED,) and INJECTED not in names["donor"]:
        names["donor"] = (*names["donor"], INJECTED)


def _refuse_other_donors(loaded: LoadedScenario, name: str, own: tuple[str, ...]) -> None:
    """Refuse donors that are declared where the cells of a file have donors of their own."""
    declared = [key for key in ("n", "names", "per_replicate") if key in (loaded.document["variation"]["donors"] or {})]
    if declared:
        message = f"the cells of compartments.{name} are of the {len(own)} donors of their file: leave it out"
        raise loaded.error([loaded.fault(("variation", "donors", declared[0]), message)])


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
    if source.count == 0:
        return np.zeros(len(types), dtype=np.intp)
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
