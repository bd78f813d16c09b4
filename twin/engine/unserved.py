"""What a scenario asks for and no process of it carries out: it would silently do nothing."""

from collections.abc import Mapping

from twin import registry
from twin.engine import order
from twin.engine.findings import Findings
from twin.errors import InputError
from twin.process import BEHAVIOUR, CONTACTS, DOSE, SOURCE, Phase, Process
from twin.scenario.behaviours import entry
from twin.scenario.intracellular import SBML, doses_of
from twin.scenario.overlay import Key
from twin.scenario.schema import Scenario
from twin.scenario.signals import entry as signal_entry
from twin.scenario.timeline import Assimilate, GiveDose, InjectCells

PLASMA = "plasma"  # the store of whoever takes drugs through the body
OWN_COLUMNS = ("radius", "depth", "ec50_factor")  # of the cells themselves, that can be observed


def note(scenario: Scenario, processes: Mapping[str, Process], findings: Findings) -> None:
    """Note all of it, each at its place in the document."""
    _sections(scenario, processes, findings)
    _behaviours(scenario, processes, findings)
    _observed_columns(scenario, processes, findings)


def unheard(scenario: Scenario, processes: Mapping[str, Process], findings: Findings) -> set[str]:
    """Note the signals of rules that no process brings, and return the names of their ports."""
    offered = order.offered_by(processes)[0]
    missing: set[str] = set()
    for i, rule in enumerate(scenario.rules):
        signal = signal_entry(rule.signal)
        port = signal.port_of(rule.signal)
        if port and port not in offered:
            missing.add(port)
            if rule.signal.startswith(SBML) and "sbml" in processes:
                continue  # which knows what its models have
            hint = f"add one, like '{signal.plugin}:' under processes" if signal.plugin else "none of ours does"
            findings.add(
                ("rules", i, "signal"), f"{rule.signal!r} is not known without a process that brings {port!r}: {hint}"
            )
    return missing


def _sections(scenario: Scenario, processes: Mapping[str, Process], findings: Findings) -> None:
    """Note sections that nobody reads."""
    written = {port.name for process in processes.values() for port in process.writes}
    handed = any(not isinstance(event, InjectCells | GiveDose | Assimilate) for event in scenario.timeline)
    if handed and not any(p.phase == Phase.TIMELINE for p in processes.values()):
        findings.add(("timeline",), "no process carries it out; add one, like 'dosing:' under processes")
    given = scenario.drugs or any(isinstance(event, GiveDose) for event in scenario.timeline)
    if given and not any(store.name == PLASMA for process in processes.values() for store in process.stores):
        doses = [("timeline", i) for i, event in enumerate(scenario.timeline) if isinstance(event, GiveDose)]
        place: tuple[Key, ...] = ("drugs",) if scenario.drugs else doses[0]
        findings.add(place, "no process takes drugs through the body; add one, like 'pharmacokinetics:'")
    if scenario.signalling.secretion and SOURCE.name not in written:
        findings.add(("signalling", "secretion"), "no process releases; add one, like 'secretion:'")
    for kind in ("reception", "contact"):
        if any(r.perturbation for r in getattr(scenario.signalling, kind)) and DOSE.name not in written:
            findings.add(("signalling", kind), "no process writes the dose; add one, like 'exposure:'")
    if scenario.signalling.contact:
        lost = [s.column for s in scenario.signalling.contact if s.column not in written]
        if lost:
            findings.add(("signalling", "contact"), f"no process writes {lost[0]}; add one, like 'contact:'")
        if CONTACTS.name not in written:
            findings.add(("signalling", "contact"), "no process finds who touches whom; add one, like 'mechanics:'")
    if scenario.intracellular and "sbml" not in processes:
        findings.add(("intracellular",), "no process steps these models; add 'sbml:' under processes")
    if doses_of(scenario) and DOSE.name not in written:
        findings.add(("intracellular",), "no process writes the dose; add one, like 'exposure:'")
    if scenario.organs is not None and not any(p.phase == Phase.TRANSPORT for p in processes.values()):
        findings.add(("organs",), "no process carries it out; add one, like 'transport:' under processes")
    if scenario.rules and BEHAVIOUR.name not in written:
        findings.add(("rules",), "no process carries them out; add one, like 'rules:' under processes")


def _behaviours(scenario: Scenario, processes: Mapping[str, Process], findings: Findings) -> None:
    """Note behaviours that are given or ruled and that no process carries out: they would do nothing."""
    places: dict[str, list[tuple[Key, ...]]] = {}
    for cell_type, values in scenario.cell_types.items():
        for word in values:
            places.setdefault(word, []).append(("cell_types", cell_type, word))
    for i, rule in enumerate(scenario.rules):
        places.setdefault(rule.behaviour, []).append(("rules", i, "behaviour"))
    for name, model in scenario.intracellular.items():
        for word in model.outputs.behaviours:
            places.setdefault(word, []).append(("intracellular", name, "outputs", "behaviours", word))
    done = {pattern for process in processes.values() for pattern in process.acts_on}
    for word, locs in places.items():
        try:
            pattern = entry(word).word
        except KeyError:
            continue  # an unknown word is told elsewhere
        if pattern in done or pattern.startswith("custom:"):
            continue
        for loc in locs:
            findings.add(loc, f"no process of this scenario carries out {word!r}{_who_acts(pattern)}")


def _who_acts(pattern: str) -> str:
    """Return which installed plugins would carry out a behaviour, as the end of a sentence."""
    able = []
    for found in registry.entries(registry.PLUGINS):
        try:
            if pattern in registry.plugin(found.name).acts_on:
                able.append(f"'{found.name}:'")
        except InputError:
            continue  # a plugin that is broken is told when it is named
    return f"; add {' or '.join(able)} under processes" if able else ""


def _observed_columns(scenario: Scenario, processes: Mapping[str, Process], findings: Findings) -> None:
    """Note the columns to observe that no cell has."""
    brought = [column.name for process in processes.values() for column in process.columns if not column.width]
    for i, name in enumerate(scenario.observe.columns):
        findings.name(("observe", "columns", i), "column of the cells", name, (*OWN_COLUMNS, *brought))
    for model, inside in scenario.intracellular.items():
        for symbol, given in inside.inputs.items():
            if given.kind == "column":
                loc = ("intracellular", model, "inputs", symbol)
                findings.name(loc, "column of the cells", given.name, (*OWN_COLUMNS, *brought))
