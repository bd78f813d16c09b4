"""From a checked scenario to a plan: which processes, in which order, on which model, at what cost.

Everything that can be known to be wrong before the first tick is told here, all at once.
"""

import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from pydantic import ValidationError

from twin import registry
from twin.data.peek import Contents
from twin.engine import checks, estimate, explain, observables, order, replicates, unserved
from twin.engine.findings import Findings
from twin.engine.models import choices, distinct, in_all_eyes, load_models, main_of, needed
from twin.engine.peeking import peek_files, peek_snapshots
from twin.errors import Fault, InputError
from twin.model.contract import HALF_LIFE, REACHED, WorldModel
from twin.process import Phase, Process, ProcessConfig
from twin.scenario.faults import faults_of
from twin.scenario.load import LoadedScenario, ScenarioSource, read_source
from twin.scenario.overlay import Key
from twin.scenario.schema import Scenario
from twin.scenario.timeline import whole_ticks

MOST_TICKS = 1_000_000  # our choice: nearly a year of half-minutes; above it a tick was mistyped
RECORDED = ("twin", "torch", "numpy", "scipy", "numba", "anndata", "xarray", "zarr", "dask", "networkx", "pydantic")

Chosen = dict[str, tuple[type[Process], ProcessConfig]]


@dataclass(frozen=True)
class Plan:
    """What a run is going to do.

    model : the part that the scenario needs, as far as its files' counts are not needed to know it; where compartments
        have models of their own, the one that stands for the run.
    models, whole : per compartment the same, and all of it, which also lends unknown types a meaning.
    processes : (name, process) in the order in which they run in a tick.
    every : per process, how many ticks lie between its steps.
    n_cells : per compartment, at the start.
    assumptions : what the run takes for granted, a sentence each.
    versions : of Python and the packages that compute.
    plugins : per process, the distribution and version that it comes from.
    model_from : the same of the world model.
    load : what a trajectory holds and does.
    """

    loaded: LoadedScenario
    model: WorldModel
    models: Mapping[str, WorldModel]
    whole: Mapping[str, WorldModel]
    processes: tuple[tuple[str, Process], ...]
    every: Mapping[str, int]
    n_ticks: int
    n_cells: Mapping[str, int]
    assumptions: tuple[str, ...]
    versions: Mapping[str, str]
    plugins: Mapping[str, str]
    model_from: str
    load: estimate.Load

    @property
    def scenario(self) -> Scenario:
        """The checked document."""
        return self.loaded.scenario

    @property
    def memory_bytes(self) -> float:
        """Peak of one trajectory, estimated."""
        return estimate.memory_bytes(self.load)

    @property
    def expected_seconds(self) -> float:
        """Of one replicate on one core, estimated."""
        return estimate.seconds(self.load)

    def describe(self) -> str:
        """Return the plan as text: the answer of `twin explain`."""
        return explain.describe(self)


def check_file(
    path: str | Path, sets: Sequence[str] = (), *, allow_outside: bool = False
) -> tuple[LoadedScenario, Plan]:
    """Read a scenario file and plan its run.

    Raises
    ------
    ScenarioError
        With all faults: of the document, or of what it means; unknown plugins and their settings always.
    InputError
        If the file cannot be read.
    """
    source = read_source(path, sets, allow_outside=allow_outside)
    scenario, faults = source.validate()
    if scenario is None:
        raise source.error([*faults, *choose_processes(source)[1]])
    loaded = LoadedScenario.of(source, scenario)
    return loaded, compile_plan(loaded)


def compile_plan(loaded: LoadedScenario) -> Plan:
    """Return the plan of a scenario.

    Raises
    ------
    ScenarioError
        With everything that keeps it from running.
    """
    scenario, findings = loaded.scenario, Findings(loaded)
    if scenario.duration / scenario.tick > MOST_TICKS:  # first: nothing below can count so many
        findings.add(
            ("tick",),
            f"{scenario.duration:g} h in ticks of {scenario.tick:g} h are {scenario.duration / scenario.tick:,.0f} "
            f"ticks, at most {MOST_TICKS:,} are run: take a longer tick",
        )
        raise loaded.error([*findings.faults, *choose_processes(loaded)[1]])
    contents = peek_files(loaded, findings)
    peek_snapshots(loaded, findings)
    whole = load_models(loaded, contents, findings)
    known = len(whole) == len(scenario.compartments)
    models = needed(whole, scenario, contents)
    named = _named(whole, models)
    types = checks.types_there(loaded, named, contents)
    eyes: list[WorldModel | None] = [*distinct(named)] if known else [None]
    in_all_eyes(findings, eyes, lambda m, part: checks.document_faults(loaded, m, named, contents, part))
    replicates.note(loaded, distinct(named) if known else (), findings)
    chosen, faults = choose_processes(loaded)
    findings.faults += faults
    complete = len(chosen) == len(scenario.processes)
    in_all_eyes(findings, eyes, lambda m, part: _ask(chosen, m, part))
    processes = {name: cls.made_for(config, scenario) for name, (cls, config) in chosen.items()}
    every = {name: _every(name, process, findings) for name, process in processes.items()}
    ordered, circles = order.in_order(processes)
    if complete:
        unheard = unserved.unheard(scenario, processes, findings)
        for name, message in (*order.port_faults(processes, unheard), *circles):
            findings.add(("processes", name), message)
        unserved.note(scenario, processes, findings)
        in_all_eyes(findings, eyes, lambda m, part: observables.note(scenario, m, types, processes, part))
    n_cells = _n_cells(scenario, contents)
    largest = max(models.values(), key=lambda m: len(m.genes)) if known else None
    load = estimate.load_of(scenario, n_cells, largest, processes, every) if largest is not None else None
    memory = 0.0 if load is None else estimate.memory_bytes(load)
    if memory > scenario.execution.memory_limit_gib * estimate.GIB:
        findings.add(
            ("execution", "memory_limit_gib"),
            f"about {memory / estimate.GIB:.1f} GiB are needed, the limit is "
            f"{scenario.execution.memory_limit_gib:g}; take fewer cells, commit more often, or raise it",
        )
    if findings.faults or load is None:
        raise loaded.error(findings.faults)
    return Plan(
        loaded=loaded,
        model=main_of(models, scenario),
        models=models,
        whole=whole,
        processes=tuple((name, processes[name]) for name in ordered),
        every=every,
        n_ticks=scenario.n_ticks,
        n_cells=n_cells,
        assumptions=(
            *_assumptions(scenario, distinct(models), [processes[name] for name in ordered]),
            *replicates.assumptions(loaded, scenario),
        ),
        versions=versions(),
        plugins={name: _brought_by(registry.PLUGINS, "plugin", name) for name in ordered},
        model_from=_model_from(scenario),
        load=load,
    )


def choose_processes(source: ScenarioSource) -> tuple[Chosen, list[Fault]]:
    """Return the class and the settings of each process that a document names, and what is wrong there."""
    chosen: Chosen = {}
    faults: list[Fault] = []
    section = source.document.get("processes")
    for name, settings in section.items() if isinstance(section, dict) else ():
        loc = ("processes", name)
        try:
            found = registry.plugin(name)
        except InputError as error:
            faults.append(source.fault(loc, str(error)))
            continue
        if not isinstance(settings, dict):
            continue  # the document's own check tells
        try:
            chosen[name] = (found, found.Config.model_validate(settings))
        except ValidationError as error:
            faults += faults_of(error, found.Config, source.marked, loc)
    return chosen, faults


_PLACED = re.compile(r"((?:[A-Za-z_]\w*|\[\d+\]|\.)+): (.+)", re.DOTALL)


def _ask(chosen: Chosen, model: WorldModel | None, findings: Findings) -> None:
    """Note what the processes say of the scenario; "timeline[0].dose: …" is told at that place.

    A process often checks a name that was found wrong already: that sentence is left out.
    """
    if model is None:
        return
    told = [(fault.key, fault.message) for fault in findings.faults]
    for name, (cls, config) in chosen.items():
        for sentence in cls.check(config, findings.loaded.scenario, model):
            placed = _PLACED.fullmatch(sentence)
            key = placed[1] if placed else ""
            loc = _keys(key)
            if placed is None or loc[0] not in Scenario.model_fields:
                findings.add(("processes", name), sentence)
                continue
            quoted = re.findall(r"'[^']+'", placed[2])[:1]
            if not any(k.removeprefix("--set ").startswith(key) and q in m for k, m in told for q in quoted):
                findings.add(loc, placed[2])


def _keys(text: str) -> tuple[Key, ...]:
    """Return `timeline[0].dose` as keys."""
    return tuple(int(w) if w.isdecimal() else w for w in re.findall(r"[^.\[\]]+", text))


def _every(name: str, process: Process, findings: Findings) -> int:
    if process.interval is None:
        return 1
    if process.phase == Phase.TIMELINE:
        findings.add(("processes", name, "interval"), "the timeline is looked at every tick: leave interval out")
        return 1
    try:
        return max(1, whole_ticks(process.interval, findings.loaded.scenario.tick, "interval"))
    except ValueError as error:
        findings.add(("processes", name, "interval"), str(error).removeprefix("interval: "))
        return 1


def _n_cells(scenario: Scenario, contents: Mapping[str, Contents]) -> dict[str, int]:
    n_cells = {}
    for name, compartment in scenario.compartments.items():
        found = contents.get(name)
        cells = compartment.cells
        count = cells.count if cells.source in ("model", "h5ad") else None
        n_cells[name] = count or (found.n_cells if found is not None else 0)
    return n_cells


def _named(whole: Mapping[str, WorldModel], models: Mapping[str, WorldModel]) -> dict[str, WorldModel]:
    """Return per compartment what names are looked up in: all types and perturbations, genes of the types there."""
    made: dict[int, WorldModel] = {}
    for name, model in models.items():
        if id(model) not in made:
            all_of = whole[name]
            made[id(model)] = all_of if model.genes == all_of.genes else all_of.focused(genes=model.genes)
    return {name: made[id(model)] for name, model in models.items()}


def _assumptions(scenario: Scenario, models: Sequence[WorldModel], processes: Sequence[Process]) -> tuple[str, ...]:
    told = [sentence for model in models for sentence in _of_model(model)]
    for process in processes:
        for model in models:
            told += process.assumptions(scenario, model)
    return tuple(dict.fromkeys(told))


def _of_model(model: WorldModel) -> list[str]:
    told = list(model.notes)
    last = model.last_time()
    times = sorted({t for p in model.perturbations for t in p.times if 0 < t <= last})
    if times and model.turns_over:
        how = f"one measured time ({times[0]:g} h)" if len(times) == 1 else f"last measured time {times[-1]:g} h"
        if model.kappa() == REACHED * HALF_LIFE / last:
            told.append(
                f"{how}: the model's κ = {model.kappa():.3g} is a convention, not a fit; it takes a message of the "
                f"median half-life, {HALF_LIFE:g} h, 95 % of the way in {times[-1]:g} h"
            )
        else:
            told.append(f"{how}: the model's κ = {model.kappa():.3g} was fitted to measured times")
    return told


@lru_cache(maxsize=1)
def versions() -> Mapping[str, str]:
    """Return the versions of Python and of the packages that compute."""
    found = {"python": platform.python_version()}
    for package in RECORDED:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"  # twin itself, run from a source tree
    return found


def _brought_by(group: str, kind: str, name: str) -> str:
    entry = registry.find(group, kind, name)
    return f"{entry.package} {entry.version}"


def _model_from(scenario: Scenario) -> str:
    choice = next(iter(choices(scenario)))
    return f"checkpoint {choice.path}" if choice.path else _brought_by(registry.MODELS, "world model", choice.name)
