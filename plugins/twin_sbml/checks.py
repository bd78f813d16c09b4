"""What is wrong with the models of a scenario and their ties to it, and what is taken for granted of them."""

from collections.abc import Iterable, Iterator

from twin.errors import InputError, unknown_name
from twin.model.contract import WorldModel
from twin.scenario.behaviours import entry, value_of, word_fault
from twin.scenario.intracellular import SBML, Intracellular, signal_of
from twin.scenario.schema import Scenario
from twin_sbml.program import Program, program_of, programs_of
from twin_sbml.solvers import Description, described, values_at_start

_BY = {"local": "in the cell's share of its voxel", "membrane": "behind the membrane"}  # where an exchanged species is


def faults_of(scenario: Scenario, model: WorldModel) -> Iterator[str]:
    """Yield what is wrong, a sentence each, with its place in the document where there is one.

    Raises
    ------
    MissingExtraError
        If there is a model and libRoadRunner is not installed.
    """
    for name, inside in scenario.intracellular.items():
        try:
            description = described(inside.file, inside.text, inside.precision)
        except InputError as error:
            yield f"intracellular.{name}.file: {error}"
            continue
        yield from (f"intracellular.{name}{fault}" for fault in _model_faults(inside, description))
        yield from (f"intracellular.{name}.{fault}" for fault in _input_faults(scenario, inside, description, model))
        yield from (f"intracellular.{name}.{fault}" for fault in _swap_faults(scenario, inside, description))
        yield from (f"intracellular.{name}.outputs.{f}" for f in _output_faults(scenario, inside, description, model))
    yield from _rule_faults(scenario)


def _model_faults(inside: Intracellular, description: Description) -> Iterator[str]:
    file = inside.file
    if description.has_events:
        yield (
            f".file: {file} has events, and a cell's state is not all that an event hangs on (a trigger remembers): "
            "write it without, and do the event with the timeline or a rule"
        )
    if inside.time_unit is None and description.time_hours is None:
        yield f".time_unit: {file} states no unit of time: write time_unit: s, min or h"
    known = description.settable
    yield from _unknown("parameters", inside.parameters, f"parameter of {file} that can be set", known)
    yield from _unknown("initial", inside.initial, f"species of {file} with a value at the start", description.states)
    yield from _unknown("spread", inside.spread, f"parameter or species of {file}", (*known, *description.states))
    for gene, symbols in inside.knock_out.items():
        told = _unknown("knock_out", symbols, f"parameter or species of {file}", (*known, *description.states))
        yield from (f"{fault}, in knock_out of {gene}" for fault in told)
    try:
        values_at_start(file, inside.text, inside.precision, tuple({**inside.parameters, **inside.initial}.items()))
    except InputError as error:
        if set(inside.parameters) <= set(known) and set(inside.initial) <= set(description.states):
            yield f".parameters: {error}"
    if inside.per == "type":
        for key in ("spread", "knock_out", "exchange"):
            if getattr(inside, key):
                yield f".{key}: it is of single cells: write per: cell"


def _unknown(key: str, given: Iterable[str], kind: str, known: Iterable[str]) -> Iterator[str]:
    names = tuple(known)
    yield from (f".{key}: {unknown_name(kind, name, names)}" for name in given if name not in names)


def _input_faults(
    scenario: Scenario, inside: Intracellular, description: Description, model: WorldModel
) -> Iterator[str]:
    known = {
        "field": ("substance", tuple(scenario.substances)),
        "dose": ("perturbation of the world model", tuple(p.name for p in model.perturbations)),
    }
    for symbol, given in inside.inputs.items():
        key = f"inputs.{symbol}" if symbol.isidentifier() else "inputs"
        if symbol in description.states:
            yield f"{key}: {symbol!r} is a state of the model: an input sets what stays; for a field use exchange"
        elif symbol not in description.settable:
            kind = f"parameter, boundary species or compartment of {inside.file}"
            yield f"{key}: {unknown_name(kind, symbol, description.settable)}"
        kind, names = known.get(given.kind, ("", ()))
        if kind and given.name not in names:
            yield f"{key}: {unknown_name(kind, given.name, names)}"
        if given.kind in known and symbol in description.quantities:
            yield from (f"{key}: {fault}" for fault in _no_unit(inside, description, symbol))


def _swap_faults(scenario: Scenario, inside: Intracellular, description: Description) -> Iterator[str]:
    taken: dict[str, str] = {}
    for symbol, swap in inside.exchange.items():
        key = f"exchange.{symbol}" if symbol.isidentifier() else "exchange"
        if symbol not in description.states:
            yield f"{key}: {unknown_name(f'species of {inside.file} that it changes', symbol, description.states)}"
            continue
        if description.quantities[symbol].kind != "species" or description.quantities[symbol].amount:
            yield f"{key}: {symbol!r} is no concentration (it counts an amount): a field is one"
            continue
        yield from (f"{key}: {fault}" for fault in _no_unit(inside, description, symbol))
        if swap.substance not in scenario.substances:
            yield f"{key}.substance: {unknown_name('substance', swap.substance, scenario.substances)}"
        elif swap.substance in taken:
            yield f"{key}.substance: {swap.substance} is {taken[swap.substance]} already: a field is one species"
        taken.setdefault(swap.substance, symbol)


def _output_faults(
    scenario: Scenario, inside: Intracellular, description: Description, model: WorldModel
) -> Iterator[str]:
    out, kind = inside.outputs, f"quantity of {inside.file}"
    named = [("behaviours", o.of) for o in out.behaviours.values()]
    named += [(key, o.of) for key in ("release", "uptake") for o in getattr(out, key).values()]
    named += [("doses", o.of) for o in out.doses.values()]
    named += [("columns", symbol) for symbol in out.columns]
    for key, symbol in named:
        if symbol not in description.quantities:
            yield f"{key}: {unknown_name(kind, symbol, description.quantities)}"
    types = (*model.contexts, *scenario.cell_types)
    for word, drive in out.behaviours.items():
        fault = word_fault(word, tuple(scenario.substances), types)
        try:
            if fault is None and value_of(word, drive.per_unit, scenario) < 0 and entry(word).kind != "number":
                fault = f"per_unit {drive.per_unit} is below what is possible: {word!r} is >= 0"
        except ValueError as error:
            fault = f"{word}: {error}"
        if fault is not None:
            yield f"behaviours: {fault}"
    for key in ("release", "uptake"):
        for name in getattr(out, key):
            if name not in scenario.substances:
                yield f"{key}: {unknown_name('substance', name, scenario.substances)}"
    for name, dosed in out.doses.items():
        perturbations = {p.name: p for p in model.perturbations}
        if name not in perturbations:
            yield f"doses: {unknown_name('perturbation of the world model', name, perturbations)}"
        elif not perturbations[name].ec50 > 0:
            yield f"doses: {name} of the world model was trained without a dose; train it with one"
        if dosed.per_unit is None and dosed.of in description.quantities:
            yield from (f"doses: {fault}, or per_unit of {name}" for fault in _no_unit(inside, description, dosed.of))
        elif dosed.per_unit is not None and dosed.per_unit.kind != "molar":
            yield f"doses: {dosed.per_unit.text} of {name} is no molar concentration: write it in nM"


def _no_unit(inside: Intracellular, description: Description, symbol: str) -> Iterator[str]:
    """Yield that nobody says what a concentration of the model is in nM."""
    if inside.concentration_unit is None and description.nanomolar(symbol) is None:
        yield f"{inside.file} states no molar unit of {symbol!r}: give concentration_unit, like nM"


def _rule_faults(scenario: Scenario) -> Iterator[str]:
    for i, rule in enumerate(scenario.rules):
        if not rule.signal.startswith(SBML):
            continue
        name, symbol = signal_of(rule.signal)
        program = program_of(name, scenario.intracellular[name]) if name in scenario.intracellular else None
        if program is not None and symbol and symbol not in program.kept:
            hint = "; what is no state has to be named under outputs.columns"
            yield f"rules[{i}].signal: {unknown_name(f'state or column of {name}', symbol, program.kept)}{hint}"
    driven = any(model.outputs.behaviours for model in scenario.intracellular.values())
    if scenario.rules and driven and "rules" not in scenario.processes:
        yield "rules: no process carries them out; add one, like 'rules:' under processes"


def assumptions_of(scenario: Scenario) -> Iterator[str]:
    """Yield what is taken for granted of each model, a sentence each."""
    for program in programs_of(scenario):
        yield from _assumed(program)


def _assumed(program: Program) -> Iterator[str]:
    inside, name = program.document, program.name
    one = "each cell" if inside.per == "cell" else "all cells of a type in a compartment as one"
    yield (
        f"{name}: {inside.file} ({len(program.states)} states) in {one} of {', '.join(inside.cell_types)}, solved by "
        f"CVODE (libRoadRunner), relative tolerance {inside.precision:g}, begun anew at every step"
    )
    ties = [f"{symbol} {'times' if i.factor else 'is'} {i.signal}" for symbol, i in inside.inputs.items()]
    ties += [f"{symbol} is {swap.substance} {_BY[swap.by]}" for symbol, swap in inside.exchange.items()]
    for word, table in (
        ("releases", inside.outputs.release),
        ("takes up", inside.outputs.uptake),
        ("drives", inside.outputs.behaviours),
        ("gives the dose", inside.outputs.doses),
    ):
        ties += [f"{output.of} {word} {told}" for told, output in table.items()]
    if ties:
        yield f"{name}: {', '.join(ties)}"
    stated = program.description.time_hours
    if inside.time_unit is not None and stated is not None and inside.time_unit != stated:
        yield f"{name}: its time is taken in units of {inside.time_unit:g} h, though its file states {stated:g} h"
    if inside.per == "cell":
        yield f"{name}: daughters inherit concentrations and parameters; the dead are not stepped"
    if inside.exchange:
        yield (
            f"{name}: fields and models take turns, first order in the length of a step; cells of one voxel have equal "
            "shares of it"
        )
    if inside.outputs.uptake:
        yield (
            f"{name}: {', '.join(inside.outputs.uptake)} is taken up at the rate of the concentration at the beginning "
            "of a step, first order in it: molecules are conserved to first order in the length of a step"
        )
    for symbol, sd in inside.spread.items():
        yield f"{name}: {symbol} differs among cells, log-normal with {sd:g} around the median, inherited"
