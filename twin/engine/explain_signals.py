"""What cells notice, as text: which exposure reaches the world model as which condition, through what."""

from collections.abc import Iterable
from math import isfinite

from twin.data.substances import HOW_KNOWN, how_known, to_nanomolar
from twin.model.contract import Perturbation, WorldModel
from twin.scenario.schema import Scenario, Substance
from twin.scenario.signalling import Antagonist, Complexes, ContactSignal, Reception, present, spelt


def notices(scenario: Scenario, model: WorldModel) -> list[str]:
    """Return a line for every reception and every contact signal, those that stand for pairs of a table included."""
    told = [_reception(r, model, scenario) for r in scenario.signalling.reception]
    told += [_contact(s, model) for s in scenario.signalling.contact]
    for pairs in scenario.signalling.pairs:
        told.append(f"from the pairs of {pairs.file}: {', '.join(pairs.ligands)}")
    return told


def from_table(name: str, substance: Substance) -> list[str]:
    """Return what of a substance is the built-in table's, and where the table has it from."""
    known = substance.known
    if known is None:
        return []
    sources: dict[str, list[str]] = {}
    for key, source in substance.taken.items():
        sources.setdefault(source, []).append(_value(key, getattr(substance, key)))
    parts = [f"{', '.join(values)} ({source})" for source, values in sources.items()]
    return [f"{name} as the table's {known.name}: {'; '.join(parts)}"] if parts else []


def table_words(substances: Iterable[Substance]) -> list[str]:
    """Return a line that says what the words mean by which the built-in table tells how its values are known."""
    used = {how_known(source) for substance in substances for source in substance.taken.values()}
    return ["; ".join(f"{word}: {meaning}" for word, meaning in HOW_KNOWN.items() if word in used)] if used else []


def _value(key: str, value: float) -> str:
    shown = {
        "diffusivity": f"D = {value / 3600:.3g} µm²/s",
        "half_life": f"half-life {value:g} h",
        "molar_mass": f"{value / 1000:.4g} kDa",
        "specific_activity": f"{value:.3g} U/mg",
        "solubility": f"{value:g} nM/mmHg",
    }
    return shown[key]


def _reception(reception: Reception, model: WorldModel, scenario: Scenario) -> str:
    substance = scenario.substances[reception.substance]
    through = _through(scenario.complexes(reception), model)
    if reception.written is None and substance.known is not None and substance.known.receptors:
        through += " (the table's)"
    uptake = f"; each cell clears {reception.uptake:g} µm³/h" if reception.uptake else "; no uptake"
    against = "".join(f"; {_antagonist(a, scenario)}" for a in reception.antagonists)
    if reception.perturbation is None:
        return f"{reception.substance}{through}: taken up, not felt{uptake}{against}"
    known = next(p for p in model.perturbations if p.name == reception.perturbation)
    ec50 = known.ec50
    if reception.ec50 is not None:
        ec50 = substance.nanomolar(reception.ec50, reception.substance)
    whose = "the scenario's" if reception.ec50 is not None else "the model's"
    return (
        f"{reception.substance}{through} → {_trained(known)}, {whose} EC50 {ec50:.3g} nM, "
        f"Hill exponent {known.hill:g}{uptake}{against}"
    )


def _antagonist(antagonist: Antagonist, scenario: Scenario) -> str:
    constant = scenario.substances[antagonist.substance].nanomolar(antagonist.ki, antagonist.substance)
    return f"{antagonist.substance} competes, K_B {constant:.3g} nM: dose and uptake / (1 + c/K_B)"


def _contact(signal: ContactSignal, model: WorldModel) -> str:
    by = ", ".join(signal.by) or "any type"
    line = f"{signal.ligand} on touching cells of {by}{_through(signal.written or (), model)} → column {signal.column}"
    if signal.perturbation is None or signal.dose is None:
        return f"{line}, not felt by the world model"
    known = next(p for p in model.perturbations if p.name == signal.perturbation)
    dose = to_nanomolar(signal.perturbation, signal.dose)
    return f"{line} → {_trained(known)}; a signal of 1 is {dose:.3g} nM, the model's EC50 {known.ec50:.3g} nM"


def _trained(known: Perturbation) -> str:
    text = f"{known.name} of the world model: trained at {known.reference_text}"
    if isfinite(known.reference):
        text += f" = {known.reference:.3g} nM"
    return text + (f" after {', '.join(f'{t:g}' for t in known.times)} h" if known.times else "")


def _through(complexes: Complexes, model: WorldModel) -> str:
    """Say through which receptors, and which are left out because the model lacks their genes."""
    here = present(complexes, model.genes)
    left = tuple(whole for whole in complexes if whole not in here)
    if not complexes:
        return ""
    if not here:  # told as a fault elsewhere; a plan is not described then
        return f" through {spelt(complexes)}"
    return f" through {spelt(here)}" + (f" (the model lacks genes of {spelt(left)})" if left else "")
