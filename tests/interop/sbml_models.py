"""Small models in SBML, level 3, written for these tests."""

from collections.abc import Mapping

CORE = "http://www.sbml.org/sbml/level3/version1/core"
MATHML = "http://www.w3.org/1998/Math/MathML"
TIME = '<csymbol encoding="text" definitionURL="http://www.sbml.org/sbml/symbols/time">t</csymbol>'
DELAY = '<csymbol encoding="text" definitionURL="http://www.sbml.org/sbml/symbols/delay">delay</csymbol>'


def apply(operator: str, *operands: str) -> str:
    """Return MathML; an operand is an id, a number, or MathML."""
    return f"<apply><{operator}/>{''.join(_operand(o) for o in operands)}</apply>"


def _operand(operand: str) -> str:
    if operand.startswith("<"):
        return operand
    return f"<ci>{operand}</ci>" if operand[0].isalpha() else f"<cn>{operand}</cn>"


def math(content: str) -> str:
    return f'<math xmlns="{MATHML}">{_operand(content)}</math>'


def species(name: str, value: float = 0.0, place: str = "c", *, amount: bool = False, boundary: bool = False) -> str:
    flags = f'hasOnlySubstanceUnits="{str(amount).lower()}" boundaryCondition="{str(boundary).lower()}"'
    kind = "initialAmount" if amount else "initialConcentration"
    return f'<species id="{name}" compartment="{place}" {kind}="{value!r}" {flags} constant="false"/>'


def reaction(name: str, law: str, *, uses: str = "", makes: str = "", reads: str = "", fast: bool = False) -> str:
    """Return a reaction; `uses`, `makes`, `reads` are ids of species, apart by blanks."""
    parts = "".join(
        f"<{lists}>{''.join(_reference(tag, s) for s in ids.split())}</{lists}>" if ids else ""
        for lists, tag, ids in (
            ("listOfReactants", "speciesReference", uses),
            ("listOfProducts", "speciesReference", makes),
            ("listOfModifiers", "modifierSpeciesReference", reads),
        )
    )
    law = f"<kineticLaw>{math(law)}</kineticLaw>" if law else ""
    return f'<reaction id="{name}" reversible="false" fast="{str(fast).lower()}">{parts}{law}</reaction>'


def _reference(tag: str, name: str) -> str:
    more = ' stoichiometry="1" constant="true"' if tag == "speciesReference" else ""
    return f'<{tag} species="{name}"{more}/>'


def event(name: str, trigger: str, target: str, value: str, *, delay: str = "") -> str:
    delay = f"<delay>{math(delay)}</delay>" if delay else ""
    return (
        f'<event id="{name}" useValuesFromTriggerTime="true"><trigger initialValue="true" persistent="true">'
        f"{math(trigger)}</trigger>{delay}<listOfEventAssignments>"
        f'<eventAssignment variable="{target}">{math(value)}</eventAssignment></listOfEventAssignments></event>'
    )


def sbml(
    *,
    sizes: Mapping[str, float] | None = None,
    species: str = "",
    parameters: Mapping[str, float | None] | None = None,
    moving: tuple[str, ...] = (),
    initial: Mapping[str, str] | None = None,
    rules: str = "",
    reactions: str = "",
    events: str = "",
    units: str = "",
    root: str = "",
    model: str = "",
) -> str:
    """Return a model. moving : parameters that are not constant. initial : initial assignments. root, model : XML."""
    constant = {name: str(name not in moving).lower() for name in (parameters or {})}
    lists = {
        "UnitDefinitions": units,
        "Compartments": "".join(
            f'<compartment id="{name}" spatialDimensions="3" size="{size!r}" constant="true"/>'
            for name, size in (sizes or {"c": 1.0}).items()
        ),
        "Species": species,
        "Parameters": "".join(
            f'<parameter id="{name}" {"" if value is None else f"value={chr(34)}{value!r}{chr(34)}"} '
            f'constant="{constant[name]}"/>'
            for name, value in (parameters or {}).items()
        ),
        "InitialAssignments": "".join(
            f'<initialAssignment symbol="{name}">{math(content)}</initialAssignment>'
            for name, content in (initial or {}).items()
        ),
        "Rules": rules,
        "Reactions": reactions,
        "Events": events,
    }
    body = "".join(f"<listOf{name}>{content}</listOf{name}>\n" for name, content in lists.items() if content)
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<sbml xmlns="{CORE}" level="3" version="1" {root}>\n'
        f'<model id="made" {model}>\n{body}</model></sbml>\n'
    )


def assignment(name: str, content: str) -> str:
    return f'<assignmentRule variable="{name}">{math(content)}</assignmentRule>'


def rate(name: str, content: str) -> str:
    return f'<rateRule variable="{name}">{math(content)}</rateRule>'


def decay(k: float | None = 0.1, start: float = 10.0, size: float = 1.0) -> str:
    """Return A → B at rate k: A falls as exp(−k t)."""
    return sbml(
        sizes={"c": size},
        species=species("A", start) + species("B"),
        parameters={"k": k},
        reactions=reaction("r", apply("times", "c", "k", "A"), uses="A", makes="B"),
    )


def renewal(make: float = 2.0, lose: float = 0.5) -> str:
    """Return ∅ → A → ∅: A goes to make/lose."""
    return sbml(
        species=species("A"),
        parameters={"make": make, "lose": lose},
        reactions=reaction("r", "make", makes="A") + reaction("s", apply("times", "lose", "A"), uses="A"),
    )
