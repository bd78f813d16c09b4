"""The unit system, and the gate through which quantities come in.

Inside there is one system: µm, h, nM, amol (1 nM·µm³ = 1e-6 amol = 0.602 molecules). A quantity of a
user's file is text with a unit; it is parsed and checked here, and rounded to 12 digits so
that two spellings of one quantity give one number. A bare number is refused.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from math import isfinite
from tokenize import TokenError
from typing import Annotated, Any, Literal

import pint
from pydantic import BeforeValidator, WithJsonSchema

MOLECULES_PER_AMOL = 602214.076  # 1/amol; Avogadro's number
MOLECULES_PER_NM_UM3 = 0.602214076  # 1/(nM·µm³)

# A registry of our own words: it loads at once and knows no unit that means something else here
# (pint's own "U" is the katal-like enzyme unit, a cytokine's U is a bioassay's).
_DEFINITIONS = """
pico- = 1e-12 = p-
femto- = 1e-15 = f-
atto- = 1e-18 = a-
nano- = 1e-9 = n-
micro- = 1e-6 = µ- = μ- = u-
milli- = 1e-3 = m-
centi- = 1e-2 = c-
kilo- = 1e3 = k-
mega- = 1e6 = M-
meter = [length] = m = metre
second = [time] = s = sec
minute = 60 * second = min
hour = 60 * minute = h = hr
day = 24 * hour = d
week = 7 * day
gram = [mass] = g
mole = [substance] = mol
molecule = mole / 6.02214076e23 = molecules
dalton = gram / mole = Da
liter = 1e-3 * meter ** 3 = L = l = litre
molar = mole / liter = M
activity_unit = [activity] = U = IU
percent = 0.01 = % = pct
mmHg = [partial_pressure]
"""


@lru_cache(maxsize=1)
def _registry() -> pint.UnitRegistry[float]:
    registry: pint.UnitRegistry[float] = pint.UnitRegistry(None)
    for line in _DEFINITIONS.strip().splitlines():
        registry.define(line)
    return registry


_NUMBER_AND_UNIT = re.compile(r"\s*([-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?)\s*([^\d\s.+-].{0,40})?\s*$")

_TERM = r"[A-Za-zµμ%]+(?:\s*\*\*\s*-?[0-9]{1,2})?"
_UNIT = re.compile(rf"(?:/\s*)?{_TERM}(?:(?:\s*[*/]\s*|\s+){_TERM})*")


def _parse(text: object, what: str, example: str) -> Any:
    """Return the pint quantity that `text` spells, or raise ValueError with what would do."""
    refusal = f"{text} is not {what}: write a number and a unit, like {example!r}"
    found = _NUMBER_AND_UNIT.match(text) if isinstance(text, str) else None
    if found is None or found[2] is None:
        raise ValueError(refusal)
    spelt = found[2].strip().replace("^", "**")
    if not _UNIT.fullmatch(spelt):  # pint evaluates what it is given; some texts crash it
        raise ValueError(refusal)
    if not isfinite(float(found[1])):
        raise ValueError(f"{text} is too large a number")
    try:
        unit = _registry().parse_units(f"1{spelt}" if spelt.startswith("/") else spelt)
    except (pint.PintError, TokenError, ValueError, TypeError, AttributeError, KeyError) as error:
        raise ValueError(refusal) from error
    return _registry().Quantity(float(found[1]), unit)


def quantity(text: object, unit: str, what: str, example: str) -> float:
    """Return `text` in `unit`, rounded to 12 digits.

    Raises
    ------
    ValueError
        If `text` is a bare number, cannot be parsed, or has another dimension.
    """
    parsed = _parse(text, what, example)
    target = _registry().parse_units(unit)
    if not parsed.is_compatible_with(target):
        raise ValueError(f"{text!r} is not {what}: write a number and a unit, like {example!r}")
    return round12(float(parsed.to(target).magnitude))


def round12(value: float) -> float:
    """Round to 12 significant digits: 0.01 µg/mL and 10 ng/mL are then one number."""
    return float(f"{value:.12g}")


def same_unit(texts: Sequence[object], unit: str | None = None) -> tuple[tuple[float, ...], str | None]:
    """Return quantities as numbers in one unit: `unit`, or without it the one that the first is written in.

    Returns
    -------
    ((), None) where one of them is no text of a number and a unit, or has another dimension.
    """
    try:
        parsed = [_parse(text, "a quantity", "1 nM") for text in texts]
        if not parsed:
            return (), None
        found = _NUMBER_AND_UNIT.match(str(texts[0]))
        assert found is not None
        target = parsed[0].units if unit is None else _registry().parse_units(unit)
        spelt = found[2].strip() if unit is None else unit
        return tuple(round12(float(q.to(target).magnitude)) for q in parsed), spelt
    except (ValueError, pint.DimensionalityError):
        return (), None


def number_and_unit(text: str) -> tuple[float, str] | None:
    """Return what a quantity is written of, "10 nM" as (10, "nM"); None where it is none."""
    found = _NUMBER_AND_UNIT.match(text)
    return None if found is None else (float(found[1]), (found[2] or "").strip())


def _kind(unit: str, what: str, example: str, *, signed: bool = False, zero: bool = True) -> Any:
    def check(value: object) -> float:
        number = quantity(value, unit, what, example)
        if (number < 0 and not signed) or (number == 0 and not zero):
            raise ValueError(f"{value} is below what is possible: {what} is {'>= 0' if zero else '> 0'}")
        return number

    schema = {"type": "string", "description": f"{what}, for example {example}", "examples": [example]}
    return BeforeValidator(check), WithJsonSchema(schema)


Hours = Annotated[float, *_kind("hour", "a time", "6 h")]
PositiveHours = Annotated[float, *_kind("hour", "a time", "6 h", zero=False)]
Micrometres = Annotated[float, *_kind("micrometer", "a length", "10 um", zero=False)]
Position = Annotated[float, *_kind("micrometer", "a place", "0 um", signed=True)]
Diffusivity = Annotated[float, *_kind("micrometer ** 2 / hour", "a diffusivity", "30 um^2/s")]
Speed = Annotated[float, *_kind("micrometer / hour", "a speed", "10 um/min")]
PerHour = Annotated[float, *_kind("1 / hour", "a rate", "0.1 /h")]
Volume = Annotated[float, *_kind("micrometer ** 3", "a volume", "5 L", zero=False)]
CellDensity = Annotated[float, *_kind("1 / micrometer ** 3", "a density of cells", "1e5 /mm^3", zero=False)]
SheetDensity = Annotated[float, *_kind("1 / micrometer ** 2", "a density in a sheet", "2000 /mm^2", zero=False)]
Clearance = Annotated[float, *_kind("micrometer ** 3 / hour", "a clearance", "1e4 um^3/h")]
Flow = Annotated[float, *_kind("micrometer ** 3 / hour", "a flow", "90 L/h")]
SecretionRate = Annotated[float, *_kind("attomole / hour", "a secretion rate", "5000 molecules/h")]
MolarMass = Annotated[float, *_kind("gram / mole", "a molar mass", "20 kDa", zero=False)]
Weight = Annotated[float, *_kind("kilogram", "a weight", "70 kg", zero=False)]
Surface = Annotated[float, *_kind("meter ** 2", "a body surface", "1.8 m^2", zero=False)]
Solubility = Annotated[float, *_kind("nanomolar / mmHg", "a solubility", "1.3 uM/mmHg", zero=False)]
SpecificActivity = Annotated[
    float, *_kind("activity_unit / milligram", "a specific activity", "2.5e8 U/mg", zero=False)
]


@dataclass(frozen=True)
class Concentration:
    """An amount per volume as a user wrote it; `Substance` data turn it into nM.

    `value` is in nM (molar), ng/mL (mass), U/mL (activity) or mmHg (partial pressure of a gas).
    """

    value: float
    kind: Literal["molar", "mass", "activity", "pressure"]
    text: str

    def to_nanomolar(
        self,
        molar_mass: float | None,
        specific_activity: float | None,
        name: str = "the substance",
        solubility: float | None = None,
    ) -> float:
        """Return the concentration in nM.

        Parameters
        ----------
        molar_mass : g/mol, or None where not known.
        specific_activity : U/mg, or None where not known.
        name : for the message.
        solubility : nM/mmHg, of a gas; or None where not known.

        Raises
        ------
        ValueError
            If what the conversion needs is not known.
        """
        if self.kind == "molar":
            return self.value
        if self.kind == "pressure":
            if solubility is None:
                raise ValueError(
                    f"{self.text!r} needs the solubility of {name}: add solubility, like '1.3 uM/mmHg' for oxygen"
                )
            return round12(self.value * solubility)
        if molar_mass is None:
            raise ValueError(f"{self.text!r} needs the molar mass of {name}: add molar_mass, like '20 kDa'")
        nanograms_per_ml = self.value
        if self.kind == "activity":
            if specific_activity is None:
                raise ValueError(
                    f"{self.text!r} needs the specific activity of {name}: add specific_activity, like '2.5e8 U/mg'"
                )
            nanograms_per_ml = self.value / specific_activity * 1e6
        return round12(nanograms_per_ml / molar_mass * 1e3)


_CONCENTRATIONS: tuple[tuple[Literal["molar", "mass", "activity", "pressure"], str], ...] = (
    ("molar", "nanomolar"),
    ("mass", "nanogram / milliliter"),
    ("activity", "activity_unit / milliliter"),
    ("pressure", "mmHg"),
)


def concentration(text: object) -> Concentration:
    """Parse a molar ("1 nM"), mass ("10 ng/mL"), activity ("100 U/mL") or partial-pressure ("38 mmHg") concentration.

    Raises
    ------
    ValueError
        If it is a bare number, negative, or no concentration.
    """
    if isinstance(text, Concentration):
        return text
    parsed = _parse(text, "a concentration", "100 U/mL")
    for kind, unit in _CONCENTRATIONS:
        target = _registry().parse_units(unit)
        if parsed.is_compatible_with(target):
            value = round12(float(parsed.to(target).magnitude))
            if value < 0:
                raise ValueError(f"{text} is negative: a dose or concentration is >= 0")
            return Concentration(value, kind, str(text))
    raise ValueError(f"{text!r} is not a concentration: write a number and a unit, like '100 U/mL' or '1 nM'")


ConcentrationText = Annotated[
    Concentration,
    BeforeValidator(concentration),
    WithJsonSchema({"type": "string", "examples": ["100 U/mL", "10 ng/mL", "1 nM"]}),
]


@dataclass(frozen=True)
class Scaled:
    """A volume (µm³) or a flow (µm³/h) of a body as a user wrote it: of the whole of it, or a kg."""

    value: float
    per_kg: bool
    text: str

    def of(self, weight: float | None) -> float:
        """Return it for a body of a weight (kg).

        Raises
        ------
        ValueError
            If it is a kg's, and the weight is not known.
        """
        if not self.per_kg:
            return self.value
        if weight is None:
            raise ValueError(f"{self.text!r} needs the weight of the body: add subject: {{body_weight: 70 kg}}")
        return round12(self.value * weight)


def _scaled(unit: str, what: str, example: str) -> Any:
    def check(value: object) -> Scaled:
        if isinstance(value, Scaled):
            return value
        parsed = _parse(value, what, example)
        for per_kg, target in ((False, unit), (True, f"{unit} / kilogram")):
            wanted = _registry().parse_units(target)
            if parsed.is_compatible_with(wanted):
                number = round12(float(parsed.to(wanted).magnitude))
                if number <= 0:
                    raise ValueError(f"{value} is below what is possible: {what} is > 0")
                return Scaled(number, per_kg, str(value))
        raise ValueError(f"{value!r} is not {what}: write a number and a unit, like {example!r}")

    return BeforeValidator(check), WithJsonSchema({"type": "string", "examples": [example]})


BodyVolume = Annotated[Scaled, *_scaled("micrometer ** 3", "a volume of a body", "0.8 L/kg")]
BodyFlow = Annotated[Scaled, *_scaled("micrometer ** 3 / hour", "a clearance of a body", "15 L/h")]


@dataclass(frozen=True)
class Dose:
    """What is given of a drug, as a user wrote it.

    value : in mg, nmol or U, by `kind`; of the whole body, a kg or a m² of it, by `per`.
    """

    value: float
    kind: Literal["mass", "molar", "activity"]
    per: Literal["body", "kg", "m^2"]
    text: str

    def to_nanomoles(
        self,
        molar_mass: float,
        specific_activity: float | None,
        weight: float | None,
        surface: float | None,
        name: str = "the drug",
    ) -> float:
        """Return the dose in nmol.

        Parameters
        ----------
        molar_mass : g/mol. specific_activity : U/mg. weight : kg. surface : m². None: not known.
        name : for the message.

        Raises
        ------
        ValueError
            If what the conversion needs is not known.
        """
        amount = self.value
        if self.per == "kg":
            if weight is None:
                raise ValueError(f"{self.text!r} needs the weight of the body: add subject: {{body_weight: 70 kg}}")
            amount *= weight
        elif self.per == "m^2":
            if surface is None:
                raise ValueError(
                    f"{self.text!r} needs the surface of the body: add body_surface, like '1.8 m^2', to subject"
                )
            amount *= surface
        if self.kind == "activity":
            if specific_activity is None:
                raise ValueError(
                    f"{self.text!r} needs the specific activity of {name}: add specific_activity, like '2.7e8 U/mg'"
                )
            amount /= specific_activity
        return round12(amount if self.kind == "molar" else amount / molar_mass * 1e6)


_DOSES: tuple[tuple[Literal["mass", "molar", "activity"], str], ...] = (
    ("mass", "milligram"),
    ("molar", "nanomole"),
    ("activity", "activity_unit"),
)
_BODIES: tuple[tuple[Literal["body", "kg", "m^2"], str], ...] = (
    ("body", ""),
    ("kg", " / kilogram"),
    ("m^2", " / meter ** 2"),
)
_PER_KG = re.compile(r"/\s*(?:kg|kilogram)\b")  # mg/kg is a pure number: a % is not meant


def dose(text: object) -> Dose:
    """Parse an amount of drug: "40 mg", "12 MU", "3 umol", and the same per kg or m² of body ("0.5 mg/kg").

    Raises
    ------
    ValueError
        If it is a bare number, not above 0, or no such amount.
    """
    if isinstance(text, Dose):
        return text
    parsed = _parse(text, "a dose of a drug", "0.5 mg/kg")
    for (kind, unit), (per, of) in product(_DOSES, _BODIES):
        target = _registry().parse_units(unit + of)
        if parsed.is_compatible_with(target) and (target.dimensionless is False or _PER_KG.search(str(text))):
            value = round12(float(parsed.to(target).magnitude))
            if value <= 0:
                raise ValueError(f"{text} is no dose: it has to be above 0")
            return Dose(value, kind, per, str(text))
    raise ValueError(f"{text!r} is not a dose of a drug: write a number and a unit, like '40 mg' or '0.5 mg/kg'")


DoseText = Annotated[
    Dose,
    BeforeValidator(dose),
    WithJsonSchema({"type": "string", "examples": ["40 mg", "0.5 mg/kg", "75 mg/m^2", "12 MIU"]}),
]
