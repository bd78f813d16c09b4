"""What is said of how replicates differ: faults before a run, what is taken for granted, and the run's record."""

from collections.abc import Iterator, Sequence
from typing import Any, Literal

from twin.data.donors import read_spreads, spreads_file
from twin.engine.findings import Findings
from twin.engine.variation import drawn_of
from twin.engine.world import World
from twin.errors import InputError
from twin.model.contract import WorldModel
from twin.scenario.load import LoadedScenario, ScenarioSource
from twin.scenario.schema import Scenario
from twin.scenario.variation import DEFAULT, DonorEffects, spreads_of

LOC = ("variation", "donors")
ALONG: tuple[Literal["gain", "baseline"], ...] = ("gain", "baseline")
MOST_RECORDED = 1000  # replicates whose effects stand in a run's record; our choice


def note(loaded: LoadedScenario, models: Sequence[WorldModel], findings: Findings) -> None:
    """Note what is wrong with what a scenario says of donors, batches and operators."""
    variation = loaded.scenario.variation
    if variation is None or not models:
        return
    donors, batch = variation.donors, variation.batch
    try:
        effects = spreads_of(variation, loaded.resolve)
    except InputError as error:
        findings.add((*LOC, "calibrated"), str(error))
        return
    if donors is not None:
        _names(donors.effects, models, findings)
    shifted = batch is not None and batch.shift > 0
    heeded = [model for model in models if not model.tells_donors_apart]
    if heeded and (shifted or effects.identity or effects.gain or effects.baseline):
        place = LOC if not shifted or donors is not None else ("variation", "batch", "shift")
        findings.add(
            place,
            f"the world model {heeded[0].name} does not tell donors apart: leave out gain, baseline, identity and "
            "shift, or take another, like default",
        )


def _names(effects: DonorEffects, models: Sequence[WorldModel], findings: Findings) -> None:
    """Note perturbations and cell types that no model knows."""
    known = [p.name for model in models for p in model.perturbations]
    types = [c for model in models for c in model.contexts]
    for what in ALONG:
        for perturbation in effects.perturbations(what):
            findings.name((*LOC, "effects", what, perturbation), "perturbation of the world model", perturbation, known)
            by_type = getattr(effects, what)[perturbation]
            for cell_type in by_type if isinstance(by_type, dict) else ():
                if cell_type != DEFAULT:
                    loc = (*LOC, "effects", what, perturbation, cell_type)
                    findings.name(loc, "cell type of the world model", cell_type, types)


def assumptions(loaded: ScenarioSource, scenario: Scenario) -> list[str]:
    """Return what is taken for granted of how replicates differ, a sentence each."""
    variation = scenario.variation
    if variation is None:
        return []
    told = []
    if variation.donors is not None:
        donors, names = variation.donors, variation.donor_names(scenario.replicates)
        each = len(variation.donors_of(0, len(names)))
        whose = (
            f"all of the same {each}" if variation.replicate_is == "technical" else f"{each} of {len(names)} in turn"
        )
        told.append(f"replicates are {'technical' if variation.replicate_is == 'technical' else 'donors'}: {whose}")
        if variation.replicate_is == "donor" and each * scenario.replicates > len(names):
            told.append(f"{len(names)} donors are fewer than {scenario.replicates} replicates hold: they come again")
        if donors.calibrated is not None:
            found = read_spreads(spreads_file(donors.calibrated, loaded.resolve))
            told.append(
                f"donors differ as the {len(found.donors)} of {found.source} do, under {found.perturbation} at "
                f"{found.dose}; of other perturbations nothing is calibrated"
            )
        if spreads_of(variation, loaded.resolve).sensitivity is None:
            told.append(
                "donors do not differ in their EC50: nothing says how much; variation.donors.effects.sensitivity"
            )
    if variation.operator is not None and 0 < variation.operator.delay < scenario.tick / 2:
        told.append(
            f"an operator's delay of about {variation.operator.delay:g} h is less than half a tick of "
            f"{scenario.tick:g} h: it seldom shows"
        )
    return told


def calibrated_file(loaded: LoadedScenario) -> dict[str, Any]:
    """Return the file of calibrated spreads that a scenario is made of, by the name that it has there."""
    variation = loaded.scenario.variation
    donors = None if variation is None else variation.donors
    if donors is None or donors.calibrated is None:
        return {}
    return {donors.calibrated: spreads_file(donors.calibrated, loaded.resolve)}


def table_of(world: World) -> list[dict[str, Any]]:
    """Return which donor, batch and operator each replicate has, and what they are like: a row for each donor in it.

    Factors are as they act; baseline and composition (of log shares) are what is added.
    """
    variation = world.scenario.variation
    if variation is None:
        return []
    rows = []
    for replicate in range(min(world.scenario.replicates, MOST_RECORDED)):
        for name in world.scenario.compartments:
            drawn = drawn_of(world, name, replicate)
            common = {"replicate": replicate, "compartment": name}
            if variation.batch is not None:
                common |= {"batch": replicate // variation.batch.every, "depth": drawn.depth}
            if variation.operator is not None:
                hand = {"dose": drawn.dose, "seeding": drawn.seeding, "delay": drawn.delay * world.scenario.tick}
                common |= {"operator": replicate // variation.operator.every, **hand}
            for donor in drawn.present or (None,):
                rows.append({**common, **(dict(_of_donor(world, name, replicate, donor)) if donor is not None else {})})
    return rows


def _of_donor(world: World, name: str, replicate: int, donor: int) -> Iterator[tuple[str, Any]]:
    drawn, names = drawn_of(world, name, replicate), world.names[name]
    yield "donor", names["donor"][donor]
    if drawn.ec50 is not None:
        yield "sensitivity", float(drawn.ec50[donor])
    if drawn.library is not None:
        yield "library", float(drawn.library[donor])
    for i, cell_type in enumerate(names["cell_type"]):
        if drawn.odds is not None:
            yield f"composition {cell_type}", float(drawn.odds[donor, i])
        for j, perturbation in enumerate(world.perturbations_of(name)):
            if drawn.gain is not None:
                yield f"gain {perturbation} {cell_type}", float(drawn.gain[donor, i, j])
            if drawn.tone is not None:
                yield f"baseline {perturbation} {cell_type}", float(drawn.tone[donor, i, j])
