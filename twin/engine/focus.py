"""What of a world model a scenario needs: the types its cells can be of, and what can be done to them.

A model of many tissues and species is as wide as all of their genes together; a run is as wide as its own cells.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

from twin.data.peek import Contents
from twin.model.contract import WorldModel
from twin.scenario.intracellular import perturbations_of
from twin.scenario.schema import Compartment, Scenario
from twin.scenario.timeline import InjectCells


class _Same:
    """A model that is the same as itself alone: a stranger's may be one that cannot be hashed."""

    def __init__(self, model: WorldModel) -> None:
        self.model = model

    def __hash__(self) -> int:
        return id(self.model)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.model is other.model


def focused(
    model: WorldModel,
    contexts: tuple[str, ...] | None,
    perturbations: tuple[str, ...],
) -> WorldModel:
    """Return `model.focused`, made once: all points of a sweep ask for the same."""
    return _focused(_Same(model), contexts, perturbations)


@lru_cache(maxsize=8)
def _focused(same: _Same, contexts: tuple[str, ...] | None, perturbations: tuple[str, ...]) -> WorldModel:
    return same.model.focused(contexts, perturbations=perturbations)


def types_of(compartment: Compartment, model: WorldModel) -> tuple[str, ...]:
    """Return the cell types of a compartment whose cells the model draws."""
    source = compartment.cells
    assert source.source == "model", source
    if isinstance(source.composition, str):
        return tuple(c for c, share in zip(model.contexts, model.composition, strict=True) if share > 0)
    return tuple(source.composition)


def types_named(
    scenario: Scenario, model: WorldModel, contents: Mapping[str, Contents], homes: Sequence[str]
) -> set[str]:
    """Return the cell types that these compartments can hold, known to the model or not.

    contents : per compartment, what its file holds.
    """
    found: set[str] = set()
    for name in homes:
        compartment = scenario.compartments[name]
        if compartment.cells.source == "model":
            found |= set(types_of(compartment, model))
        elif name in contents:
            found |= contents[name].cell_types
    events = (event for event in scenario.timeline if isinstance(event, InjectCells))
    return found | {e.cell_type for e in events if e.compartment is None or e.compartment in homes}


def perturbations_named(scenario: Scenario, model: WorldModel) -> list[str]:
    """Return the model's perturbations that the scenario names: in what cells notice, in a response, or in the
    settings of a process.
    """
    named = {r.perturbation for r in scenario.signalling.reception}
    named |= {s.perturbation for s in scenario.signalling.contact}
    named |= {scenario.observe.response.perturbation} if scenario.observe.response else set()
    named |= perturbations_of(scenario)
    if scenario.variation is not None and scenario.variation.donors is not None:
        named |= set(scenario.variation.donors.effects.perturbations("baseline"))
    for settings in scenario.processes.values():
        named |= set(_words(settings))
    return [p.name for p in model.perturbations if p.name in named]


def _words(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _words(key)
            yield from _words(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _words(item)
