"""A model with other values written into its file, so that it needs nothing beside it."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

from twin.interop.sbml.document import read_document, read_text

MATHML = "http://www.w3.org/1998/Math/MathML"
TIME = "http://www.sbml.org/sbml/symbols/time"
BEFORE_RULES = (  # what comes before the list of rules in a model, in the order of SBML's schema
    "notes",
    "annotation",
    "listOfFunctionDefinitions",
    "listOfUnitDefinitions",
    "listOfCompartmentTypes",
    "listOfSpeciesTypes",
    "listOfCompartments",
    "listOfSpecies",
    "listOfParameters",
    "listOfInitialAssignments",
)
VALUES = {"compartment": "size", "parameter": "value"}

Course = Sequence[tuple[float, float]]  # (start, value) pairs; the first holds from the beginning


def with_values(file: Path, values: Mapping[str, float], courses: Mapping[str, Course]) -> str:
    """Return the text of a model that begins with other values, whatever its initial assignments said.

    Parameters
    ----------
    values : of every quantity that has one of its own: species by their symbols (concentrations, or amounts).
    courses : of parameters that are one value after another in the model's time; those become piecewise rules.

    Raises
    ------
    InputError
        If the file cannot be read.
    """
    document = read_document(file, read_text(file))
    root = ElementTree.fromstring(document.text)
    core = root.tag.rpartition("}")[0] + "}"
    model = next(child for child in root if child.tag == f"{core}model")
    quantities = {q.id: q for q in document.quantities if q.settable}
    for part in list(model):
        if part.tag == f"{core}listOfInitialAssignments":
            model.remove(part)
        elif part.tag in (f"{core}listOfCompartments", f"{core}listOfSpecies", f"{core}listOfParameters"):
            for element in part:
                quantity = quantities.get(element.get("id", ""))
                if quantity is None or quantity.id not in values:
                    continue
                if quantity.kind == "species":
                    element.attrib.pop("initialAmount", None)
                    element.attrib.pop("initialConcentration", None)
                    name = "initialAmount" if quantity.amount else "initialConcentration"
                else:
                    name = VALUES[quantity.kind]
                element.set(name, repr(float(values[quantity.id])))
                if quantity.id in courses:
                    element.set("constant", "false")
    _add_rules(model, core, courses)
    ElementTree.register_namespace("", core.strip("{}"))
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _add_rules(model: ElementTree.Element, core: str, courses: Mapping[str, Course]) -> None:
    if not courses:
        return
    rules = model.find(f"{core}listOfRules")
    if rules is None:
        place = sum(part.tag.removeprefix(core) in BEFORE_RULES for part in model)
        rules = ElementTree.Element(f"{core}listOfRules")
        model.insert(place, rules)
    for name, course in courses.items():
        rule = ElementTree.SubElement(rules, f"{core}assignmentRule", {"variable": name})
        piecewise = ElementTree.SubElement(ElementTree.SubElement(rule, _math("math")), _math("piecewise"))
        for (_, value), (end, _) in pairwise(course):
            piece = ElementTree.SubElement(piecewise, _math("piece"))
            _number(piece, value)
            compared = ElementTree.SubElement(piece, _math("apply"))
            ElementTree.SubElement(compared, _math("lt"))
            symbol = ElementTree.SubElement(compared, _math("csymbol"), {"encoding": "text", "definitionURL": TIME})
            symbol.text = "time"
            _number(compared, end)
        _number(ElementTree.SubElement(piecewise, _math("otherwise")), course[-1][1])


def _math(tag: str) -> str:
    return f"{{{MATHML}}}{tag}"


def _number(parent: ElementTree.Element, value: float) -> None:
    """Write a number; MathML has no letter e in one."""
    mantissa, _, exponent = repr(float(value)).partition("e")
    number = ElementTree.SubElement(parent, _math("cn"), {"type": "e-notation"} if exponent else {})
    number.text = mantissa
    if exponent:
        ElementTree.SubElement(number, _math("sep")).tail = str(int(exponent))
