"""What is wrong with the drugs of a scenario and with their doses."""

from collections.abc import Iterator

from twin.data.drugs import SPECIES
from twin.errors import unknown_name
from twin.scenario.drugs import ROUTES, Drug
from twin.scenario.schema import Scenario
from twin.scenario.timeline import GiveDose
from twin_dosing.pending import nanomoles


def drug_faults(name: str, drug: Drug, scenario: Scenario) -> Iterator[str]:
    """Yield what is wrong with a drug; each begins with the key below it."""
    substance = drug.substance or name
    if substance not in scenario.substances:
        known = unknown_name("substance", substance, scenario.substances)
        yield f".substance: {known}; declare it under substances, like {{{substance}: {{diffusivity: 250 um^2/s}}}}"
    same = [n for n, other in scenario.drugs.items() if n != name and (other.substance or n) == substance]
    if same:
        yield f".substance: {same[0]} is {substance} too: of two drugs that are one substance the tissue knows no sum"
    if drug.known is not None and scenario.subject.species != SPECIES:
        yield (
            f".from_table: the table knows {drug.from_table} in {SPECIES}, not in {scenario.subject.species}: write "
            "its clearance and volumes there"
        )
    parts = {"clearance": drug.clearance, "volume": drug.volume}
    if drug.peripheral is not None:
        parts |= {"peripheral.volume": drug.peripheral.volume, "peripheral.flow": drug.peripheral.flow}
    for key, part in parts.items():
        try:
            part.of(scenario.subject.body_weight)
        except ValueError as error:
            yield f".{key}: {error}"
            break  # one weight is missing, not four
    for route in ROUTES:
        depot = getattr(drug, route)
        if depot is not None and depot.absorption == 0:
            yield f".{route}.absorption: at 0 /h no drug ever comes into plasma"
    for home in drug.partition if isinstance(drug.partition, dict) else ():
        if home not in scenario.compartments:
            yield f".partition: {unknown_name('compartment', home, scenario.compartments)}"
    if drug.into is None and scenario.organs is not None and substance in scenario.organs.clearance:
        yield f".into: organs clear {substance}, which comes to them from blood: name that, like into: blood"
    if drug.into is not None:
        if drug.into not in scenario.compartments:
            yield f".into: {unknown_name('compartment', drug.into, scenario.compartments)}"
        elif not scenario.compartments[drug.into].well_mixed:
            yield f".into: {drug.into} is a tissue; plasma is a well-mixed compartment, one with a volume"


def dose_faults(event: GiveDose, scenario: Scenario) -> Iterator[str]:
    """Yield what is wrong with a dose; each begins with the key below it."""
    drug = scenario.drugs.get(event.drug)
    if drug is None:
        yield f".drug: {unknown_name('drug', event.drug, scenario.drugs)}"
        return
    if event.route in ROUTES and getattr(drug, event.route) is None:
        yield (
            f".route: how {event.drug} is absorbed is not known: add {event.route}: {{bioavailability: 0.8, "
            f"absorption: 1 /h}} to drugs.{event.drug}"
        )
    if event.route in ("bolus", "infusion") and drug.apparent:
        yield (
            f".route: clearance and volume of {event.drug} are apparent, over an oral bioavailability that is not "
            "known: give it by mouth, or write the true ones and apparent: false"
        )
    try:
        nanomoles(event, drug, scenario)
    except ValueError as error:
        yield f".amount: {error}"
