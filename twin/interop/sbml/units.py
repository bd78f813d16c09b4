"""Units as an SBML file states them, in words; and the one that counts, of time, in hours."""

from math import prod
from xml.etree import ElementTree

PREFIXES = {-18: "a", -15: "f", -12: "p", -9: "n", -6: "µ", -3: "m", -2: "c", 3: "k", 6: "M"}
BASE = ("dimensionless", "gram", "item", "kilogram", "litre", "metre", "mole", "second")  # of SBML's, the ones met here
SECONDS_PER_HOUR = 3600.0


def units_of(model: ElementTree.Element) -> dict[str, str]:
    """Return each unit of a model in words, by its id: "nmole/litre" of a definition, "second" of a base unit."""
    defined = {e.get("id", ""): "*".join(_worded(part) for part in _parts(e)) for e in _definitions(model)}
    return {base: base for base in BASE} | {name: _divided(text) for name, text in defined.items()}


def hours_of(model: ElementTree.Element) -> float | None:
    """Return the hours in a model's unit of time; None where it states none, or no multiple of the second.

    Level 2 redefines the unit `time`, level 3 names one in `timeUnits`. Level 2's silent default, the second, does not
    count as stated: most files that leave it out mean minutes.
    """
    name = model.get("timeUnits", "time").strip()
    if name == "second":
        return 1 / SECONDS_PER_HOUR
    for definition in _definitions(model):
        parts = [part for part in _parts(definition) if part.get("kind") != "dimensionless"]
        is_time = [part.get("kind") for part in parts] == ["second"] and number_of(parts[0], "exponent", 1.0) == 1.0
        if definition.get("id") == name and is_time:
            return prod(_factor(part) for part in _parts(definition)) / SECONDS_PER_HOUR
    return None


def number_of(element: ElementTree.Element, name: str, default: float) -> float:
    """Return the number in an attribute; what is none counts as the default, and the validation tells of it."""
    try:
        return float(element.get(name, "").strip())
    except ValueError:
        return default


def _definitions(model: ElementTree.Element) -> list[ElementTree.Element]:
    return [e for part in model if part.tag.endswith("}listOfUnitDefinitions") for e in part]


def _parts(definition: ElementTree.Element) -> list[ElementTree.Element]:
    return [e for part in definition if part.tag.endswith("}listOfUnits") for e in part]


def _factor(unit: ElementTree.Element) -> float:
    return number_of(unit, "multiplier", 1.0) * float(10.0 ** number_of(unit, "scale", 0.0))


def _worded(unit: ElementTree.Element) -> str:
    """Return one factor of a definition: "nmole", "60 second", "litre^-1"."""
    multiplier, scale = number_of(unit, "multiplier", 1.0), int(number_of(unit, "scale", 0.0))
    prefix = PREFIXES.get(scale, "") if scale else ""
    number = multiplier if prefix or not scale else _factor(unit)
    exponent = number_of(unit, "exponent", 1.0)
    word = f"{prefix}{unit.get('kind', '')}"
    word = word if number == 1 else f"{number:g} {word}"
    return word if exponent == 1 else f"{word}^{exponent:g}"


def _divided(text: str) -> str:
    """Return factors with the power −1 below a stroke."""
    factors = text.split("*")
    above = [f for f in factors if not f.endswith("^-1")]
    below = [f.removesuffix("^-1") for f in factors if f.endswith("^-1")]
    return "*".join(above or ["1"]) + "".join(f"/{f}" for f in below)
