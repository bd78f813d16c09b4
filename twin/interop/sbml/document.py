"""What an SBML file declares, read from its XML: quantities, units, rules, events, and what nothing here can run."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal
from xml.etree import ElementTree

from twin.errors import InputError
from twin.interop.sbml.units import hours_of, number_of, units_of

LARGEST_FILE = 50_000_000  # bytes; our choice: the nine models of the tests have below 200,000
CORE = "http://www.sbml.org/sbml/level"  # what the namespace of every level begins with
SYMBOLS = "http://www.sbml.org/sbml/symbols/"

Kind = Literal["species", "compartment", "parameter", "reaction"]
SetBy = Literal["", "assignment rule", "rate rule", "reactions", "event"]


@dataclass(frozen=True)
class Quantity:
    """One species, compartment, parameter or reaction.

    value : at time 0 of the file; a species' concentration, or its amount where `amount` says so; nan where the file
        gives none. units : as the file states them, "" where it does not. set_by : what changes it in time.
    boundary : a species that reactions do not change. amount : the species' symbol means an amount
        (`hasOnlySubstanceUnits`). compartment : the species' own. assigned : an initial assignment gives its value.
    stated_concentration : the file gives its beginning as a concentration.
    """

    id: str
    name: str
    kind: Kind
    value: float
    units: str
    constant: bool
    set_by: SetBy = ""
    boundary: bool = False
    amount: bool = False
    compartment: str = ""
    assigned: bool = False
    stated_concentration: bool = False

    @property
    def settable(self) -> bool:
        """Whether a value can be given to it: neither a rule nor a rate law computes it."""
        return self.kind != "reaction" and self.set_by != "assignment rule"


@dataclass(frozen=True)
class Document:
    """An SBML file as far as its XML tells.

    text : what is compiled; parameters without a value have nan. quantities : in the file's order; values are those
        that the XML states. assigned_from : of each initial assignment, the ids that it reads. time_hours : hours in
        the model's unit of time, None where none is stated. delayed : an event waits.
    """

    file: str
    text: str
    id: str
    quantities: tuple[Quantity, ...]
    assigned_from: dict[str, frozenset[str]]
    time_hours: float | None
    has_events: bool
    delayed: bool
    reads_time: bool


def read_document(file: Path, text: str) -> Document:
    """Read the text of an SBML file.

    Raises
    ------
    InputError
        If it is no SBML of level 2 or 3, or needs what cannot be run: algebraic rules, delays, fast
        reactions, reactions without a rate law, packages that it requires.
    """
    root = _root(file, text)
    model = next((child for child in root if _tag(child) == "model"), None)
    if model is None:
        raise InputError(f"{file} holds no <model>")
    _refuse(str(file), root, model)
    units = units_of(model)
    changed = _changed(model)
    assigned = {_attribute(a, "symbol"): _names(a) for a in _each(model, "listOfInitialAssignments")}
    quantities = [
        replace(q, set_by=changed.get(q.id, ""), assigned=q.id in assigned)
        for q in (*_compartments(model, units), *_species(model, units), *_parameters(model, units), *_reactions(model))
    ]
    events = list(_each(model, "listOfEvents"))
    for parameter in _each(model, "listOfParameters"):
        if not parameter.get("value"):  # the simulator refuses what has no value, PEtab gives it one later
            parameter.set("value", "NaN")
    return Document(
        file=str(file),
        text=ElementTree.tostring(root, encoding="unicode", xml_declaration=True),
        id=_attribute(model, "id") or file.stem,
        quantities=tuple(quantities),
        assigned_from=assigned,
        time_hours=hours_of(model),
        has_events=bool(events),
        delayed=any(_tag(part) == "delay" for event in events for part in event),
        reads_time=any(_symbol(e) == "time" for e in model.iter()),
    )


def read_text(file: Path) -> str:
    """Return what is in a file.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    try:
        size = file.stat().st_size
        if size > LARGEST_FILE:
            raise InputError(f"{file} has {size} bytes, at most {LARGEST_FILE} are read")
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{file} is no text in UTF-8") from error


def _root(file: Path, text: str) -> ElementTree.Element:
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise InputError(f"{file} declares a document type or entities: SBML has none, take that out")
    try:
        root = ElementTree.fromstring(text.encode())
    except ElementTree.ParseError as error:
        raise InputError(f"{file} is no valid XML: {error}") from error
    if _tag(root) != "sbml":
        raise InputError(f"{file} begins with <{_tag(root)}>, a model in SBML with <sbml>")
    if _attribute(root, "level") not in ("2", "3"):
        level = _attribute(root, "level") or "?"
        raise InputError(f"{file} is SBML of level {level}: levels 2 and 3 are read, convert it with any SBML tool")
    return root


def _refuse(file: str, root: ElementTree.Element, model: ElementTree.Element) -> None:
    """Refuse what the simulator would pass over in silence, or tell only in its own words."""
    for name, value in root.attrib.items():
        if name.endswith("}required") and value.strip().lower() == "true":
            package = name[1:].partition("}")[0].rstrip("/").split("/")
            word = package[-2] if len(package) > 1 and package[-1].startswith("version") else name[1:].partition("}")[0]
            raise InputError(
                f"{file} requires the SBML package {word!r}, which is not supported: export it as plain SBML"
            )
    for rule in _each(model, "listOfRules"):
        if _tag(rule) == "algebraicRule":
            raise InputError(f"{file} has an algebraic rule, which is not supported: solve it for one variable")
    for element in model.iter():
        if _symbol(element) == "delay":
            raise InputError(f"{file} uses delay(…): delay differential equations are not supported")
    for reaction in _each(model, "listOfReactions"):
        name = _attribute(reaction, "id")
        if _attribute(reaction, "fast") == "true":
            raise InputError(
                f"{file}, reaction {name!r}: fast reactions are not supported, give it a rate law that is fast"
            )
        if not any(_tag(part) == "kineticLaw" for part in reaction):
            raise InputError(f"{file}, reaction {name!r}: it has no kinetic law; models of fluxes alone cannot be run")


def _compartments(model: ElementTree.Element, units: "dict[str, str]") -> Iterator[Quantity]:
    for e in _each(model, "listOfCompartments"):
        own = _attribute(e, "units") or _attribute(model, "volumeUnits") or "volume"
        value = number_of(e, "size", 1.0)
        yield _quantity(e, "compartment", value, units.get(own, ""), constant=_attribute(e, "constant") != "false")


def _species(model: ElementTree.Element, units: "dict[str, str]") -> Iterator[Quantity]:
    for e in _each(model, "listOfSpecies"):
        amount = _attribute(e, "hasOnlySubstanceUnits") == "true"
        own = units.get(_attribute(e, "substanceUnits") or _attribute(model, "substanceUnits") or "substance", "")
        place = _attribute(e, "compartment")
        yield replace(
            _quantity(e, "species", number_of(e, "initialAmount" if amount else "initialConcentration", 0.0), own),
            units=own if amount or not own else f"{own}/{_volume(model, place, units)}",
            constant=_attribute(e, "constant") == "true",
            boundary=_attribute(e, "boundaryCondition") == "true",
            amount=amount,
            compartment=place,
            stated_concentration=e.get("initialConcentration") is not None,
        )


def _volume(model: ElementTree.Element, place: str, units: "dict[str, str]") -> str:
    own = next((q.units for q in _compartments(model, units) if q.id == place), "")
    return own or "volume"


def _parameters(model: ElementTree.Element, units: "dict[str, str]") -> Iterator[Quantity]:
    for e in _each(model, "listOfParameters"):
        own = _attribute(e, "units")
        value = number_of(e, "value", float("nan"))
        yield _quantity(e, "parameter", value, units.get(own, own), constant=_attribute(e, "constant") != "false")


def _reactions(model: ElementTree.Element) -> Iterator[Quantity]:
    for e in _each(model, "listOfReactions"):
        yield _quantity(e, "reaction", 0.0, "", constant=False)


def _quantity(e: ElementTree.Element, kind: Kind, value: float, units: str, *, constant: bool = True) -> Quantity:
    name = _attribute(e, "id")
    return Quantity(name, _attribute(e, "name") or name, kind, value, units, constant)


def _changed(model: ElementTree.Element) -> dict[str, SetBy]:
    """Return what changes in time, and by what; rules come before events, events before reactions."""
    by: dict[str, SetBy] = {}
    for reaction in _each(model, "listOfReactions"):
        for part in reaction:
            if _tag(part) in ("listOfReactants", "listOfProducts"):
                by.update({_attribute(reference, "species"): "reactions" for reference in part})
    for species in _each(model, "listOfSpecies"):
        if _attribute(species, "boundaryCondition") == "true":
            by.pop(_attribute(species, "id"), None)
    for event in _each(model, "listOfEvents"):
        assignments = (e for part in event if _tag(part) == "listOfEventAssignments" for e in part)
        by.update({name: "event" for e in assignments if by.get(name := _attribute(e, "variable")) != "reactions"})
    for rule in _each(model, "listOfRules"):
        by[_attribute(rule, "variable")] = "rate rule" if _tag(rule) == "rateRule" else "assignment rule"
    return by


def _names(element: ElementTree.Element) -> frozenset[str]:
    return frozenset((e.text or "").strip() for e in element.iter() if _tag(e) == "ci")


def _each(model: ElementTree.Element, lists: str) -> "Sequence[ElementTree.Element]":
    return [e for part in model if _tag(part) == lists for e in part if _tag(e) not in ("notes", "annotation")]


def _symbol(e: ElementTree.Element) -> str:
    return e.get("definitionURL", "").removeprefix(SYMBOLS) if _tag(e) == "csymbol" else ""


def _attribute(e: ElementTree.Element, name: str) -> str:
    return e.get(name, "").strip()


def _tag(e: ElementTree.Element) -> str:
    return e.tag.rpartition("}")[2]
