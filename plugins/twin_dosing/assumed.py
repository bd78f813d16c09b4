"""What a run takes for granted of its drugs: every number with where it comes from."""

from collections.abc import Iterator
from math import expm1

from twin.data.drugs import REFERENCE_WEIGHT
from twin.data.substances import HOW_KNOWN, how_known
from twin.scenario.drugs import ROUTES, Depot, Drug
from twin.scenario.network import network_of
from twin.scenario.schema import Scenario

LITRE = 1e15  # µm³
OWN = "of the scenario"


def assumptions(scenario: Scenario) -> list[str]:
    """Return a sentence for each drug's numbers and its way to the cells, and what holds for all of them."""
    if not scenario.drugs:
        return []
    lines = []
    for name, drug in scenario.drugs.items():
        lines += [_numbers(name, drug, scenario), _way(name, drug, scenario)]
    if any(home.cells.source == "vessel_slab" for home in scenario.compartments.values()):
        lines.append("where vessels are here and there, tissue gets the mean of free drug in plasma over each tick")
    words = {how_known(source) for drug in scenario.drugs.values() for source in drug.taken.values()}
    if words:
        meant = "; ".join(f"{word}: {HOW_KNOWN[word]}" for word in HOW_KNOWN if word in words)
        lines.append(
            f"drugs of the built-in table are those of an adult of {REFERENCE_WEIGHT:g} kg, clearances and volumes in "
            f"proportion to weight ({meant})"
        )
    lines.append(
        "absorption, distribution and elimination of drugs are linear; a dose comes at the start of a tick, its lag "
        "and its end are exact"
    )
    return lines


def _numbers(name: str, drug: Drug, scenario: Scenario) -> str:
    """Say with what numbers a drug goes through this body."""
    weight = scenario.subject.body_weight
    values = {
        "molar_mass": f"{drug.molar_mass:g} g/mol",
        "fraction_unbound": f"fraction unbound {drug.fraction_unbound:g}",
    }
    if not drug.is_cleared_by(scenario.organs, drug.substance or name):
        values["clearance"] = f"clearance {drug.clearance.of(weight) / LITRE:.3g} L/h"
    if drug.into is None:
        values["volume"] = f"volume {drug.volume.of(weight) / LITRE:.3g} L"
        if drug.peripheral is not None:
            values["peripheral volume"] = f"second compartment {drug.peripheral.volume.of(weight) / LITRE:.3g} L"
            values["flow"] = f"with {drug.peripheral.flow.of(weight) / LITRE:.3g} L/h"
    for route, depot in _depots(drug):
        values[f"{route} bioavailability"] = f"{route} F {depot.bioavailability:g}"
        values[f"{route} absorption"] = f"absorption {depot.absorption:.3g} /h"
    sources = drug.taken
    grouped: dict[str, list[str]] = {}
    for key, text in values.items():
        grouped.setdefault(sources.get(key, OWN), []).append(text)
    return f"{name}: " + "; ".join(f"{', '.join(texts)} ({source})" for source, texts in grouped.items())


def _way(name: str, drug: Drug, scenario: Scenario) -> str:
    """Say how a drug comes from plasma to the cells."""
    if drug.into is not None:
        second = ", in the place of its second compartment" if drug.peripheral is not None else ""
        line = (
            f"{name}: {drug.into} is its plasma, and flows carry it to the organs{second}; bound drug goes with them, "
            f"and cells there see the total concentration; {_room(name, drug, scenario)}; levels of plasma are those "
            "before a tick's flows; "
        )
        if drug.is_cleared_by(scenario.organs, drug.substance or name):
            return line + "organs clear it, in the place of a clearance of its own"
        pool = scenario.compartments[drug.into].volume
        assert pool is not None, drug.into
        gone = -expm1(-drug.clearance.of(scenario.subject.body_weight) / pool * scenario.tick)
        return line + (
            f"clearance and flows take turns in each tick, in which {100 * gone:.0f} % of what plasma holds is "
            "cleared: where that is much, shorten the tick or let organs clear it"
        )
    share = f" × {drug.partition:g}" if drug.partition != 1 and isinstance(drug.partition, float) else ""
    share = " × partition by compartment" if isinstance(drug.partition, dict) else share
    return (
        f"{name}: voxels that vessels supply relax to the free concentration in plasma{share} with a half-time of "
        f"{drug.equilibration * 60:.3g} min, both ways; what tissues hold is taken to be a part of the volumes"
    )


def _room(name: str, drug: Drug, scenario: Scenario) -> str:
    """Say how much room a drug has in the organs of a network, beside what its own volumes say."""
    assert drug.into is not None
    substance, weight, network = drug.substance or name, scenario.subject.body_weight, network_of(scenario)
    by_organ = {} if scenario.organs is None else scenario.organs.partition.get(substance, {})
    there = sum(v * by_organ.get(n, 1.0) for n, v in zip(network.names, network.volume.tolist(), strict=True))
    own = drug.volume.of(weight) + (0.0 if drug.peripheral is None else drug.peripheral.volume.of(weight))
    return f"the organs hold it as {there / LITRE:.3g} L of plasma would, its own volumes are {own / LITRE:.3g} L"


def _depots(drug: Drug) -> Iterator[tuple[str, Depot]]:
    for route in ROUTES:
        depot = getattr(drug, route)
        if depot is not None:
            yield route, depot
