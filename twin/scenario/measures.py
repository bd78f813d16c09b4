"""What the words of an observable mean: units, levels (a cell's or the tissue's), and what is wrong with one."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TypeAlias

from twin.errors import unknown_name
from twin.scenario.expression import COMPARISONS, Binary, Call, ExpressionError, Node, Number, Text, Unary, Word, parse
from twin.state.groups import KINDS
from twin.units import quantity

Unit: TypeAlias = tuple[tuple[str, int], ...]  # (base, power), in alphabetical order; () is a pure number

PER_10K = "counts per 10,000"
COUNTED = frozenset({"count", PER_10K, "tick"})  # bases beside which a bare number may stand
CELL_WORDS = {
    "radius": "um",
    "volume": "um^3",
    "depth": "count",
    "library_size": "count",
    "degree": "1",
    "age": "h",
    "x": "um",
    "y": "um",
    "z": "um",
    "ec50_factor": "1",
}
STATISTICS = ("mean", "median", "std", "min", "max", "sum")
MATHS = ("log", "log1p", "exp", "sqrt", "abs")
FIELDS = ("field", "field_min", "field_max")
LEVELS = ("plasma", "plasma_free")  # of a drug; stores of the plugin pharmacokinetics are called so
CLONES = ("clones", "largest_clone", "mean_clone", "effective_clones")
PAIRS = ("mixing", "enrichment")
FUNCTIONS = (*STATISTICS, "percentile", "share", "count", *MATHS, *FIELDS, *LEVELS, "mean_degree", *PAIRS, *CLONES)
GROUPS = ("cell_type", "cycle_phase", *KINDS)  # by which a quantity can be split
WHO = ("cell_type", "compartment", "dead", *KINDS)  # options that choose cells
INNER = (  # pint's word and ours
    ("hour", "h"),
    ("micrometer", "um"),
    ("micrometer ** 2", "um^2"),
    ("micrometer ** 3", "um^3"),
    ("nanomolar", "nM"),
    ("attomole", "amol"),
    ("1 / hour", "1/h"),
    ("micrometer / hour", "um/h"),
    ("nanomolar / hour", "nM/h"),
)


@dataclass(frozen=True)
class Kind:
    """What an expression gives.

    unit : of its number. of_cells : one number a cell, rather than one of the tissue. yes_no : true or false.
    by : "" or what it is split by. bare : a number that was written without a unit.
    """

    unit: Unit = ()
    of_cells: bool = False
    yes_no: bool = False
    by: str = ""
    bare: bool = False


@dataclass(frozen=True)
class Known:
    """The names that expressions of a scenario can use; None: not known yet, and not checked.

    columns : numbers of cells that processes bring, each with its unit. quantities : name → text.
    groups : kind ("niche") → names; of a kind that is not there nothing is checked.
    """

    genes: frozenset[str] | None
    programs: tuple[str, ...]
    columns: Mapping[str, str]
    substances: tuple[str, ...]
    perturbations: frozenset[str] | None
    cell_types: frozenset[str] | None
    compartments: tuple[str, ...]
    quantities: Mapping[str, str]
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    drugs: tuple[str, ...] = ()
    found: dict[str, Kind] = field(default_factory=dict)

    def kind_of(self, text: str) -> Kind:
        """Return what an expression gives.

        Raises
        ------
        ExpressionError
            If it cannot be parsed, names what is not there, or joins what does not go together.
        """
        return _kind(parse(text), self, ())


def unit_of(text: str) -> Unit:
    """Return a unit like "um^3", "nM/h" or "counts per 10,000"."""
    if text in ("", "1"):
        return ()
    if text in COUNTED:
        return ((text, 1),)
    powers: dict[str, int] = {}
    sign = 1
    for part in re.findall(r"[/*]|[^\s/*]+", text):
        if part in "/*":
            sign = -1 if part == "/" else 1
        elif part != "1":
            base, _, power = part.partition("^")
            powers[base] = powers.get(base, 0) + sign * int(power or 1)
    return _joined(powers)


def unit_text(unit: Unit) -> str:
    """Return a unit as text, "1" for a pure number."""

    def side(sign: int) -> str:
        return "*".join(b if abs(p) == 1 else f"{b}^{abs(p)}" for b, p in unit if p * sign > 0)

    above, below = side(1), side(-1)
    return (above or "1") + (f"/{below}" if below else "")


@lru_cache(maxsize=512)
def literal(node: Number | Text) -> tuple[float, Unit]:
    """Return a written quantity in the inner units.

    Raises
    ------
    ExpressionError
        If its unit is not one of a time, length, area, volume, concentration, amount, speed or rate.
    """
    if isinstance(node, Number) and not node.unit:
        return node.value, ()
    text = node.value if isinstance(node, Text) else f"{node.value!r} {node.unit}"
    for word, unit in INNER:
        try:
            return quantity(text, word, "", ""), unit_of(unit)
        except ValueError:
            continue
    raise ExpressionError(f"{text!r} is no quantity that can be compared here: write it like '5 um', '2 h' or '0.1 nM'")


def _kind(node: Node, known: Known, inside: tuple[str, ...], *, in_cells: bool = False) -> Kind:
    match node:
        case Number() | Text():
            return Kind(unit=literal(node)[1], bare=isinstance(node, Number) and not node.unit)
        case Word():
            return _cell_word(node, known) if in_cells else _tissue_word(node, known, inside)
        case Unary(sign, of):
            kind = _kind(of, known, inside, in_cells=in_cells)
            if (sign == "not") != kind.yes_no:
                raise ExpressionError(f"{sign!r} stands before {'a number' if sign == 'not' else 'a yes or no'}")
            return replace(kind, bare=False) if sign == "not" else kind
        case Binary():
            left = _kind(node.left, known, inside, in_cells=in_cells)
            return _joint(node, left, _kind(node.right, known, inside, in_cells=in_cells))
        case Call():
            return _call(node, known, inside, in_cells=in_cells)


def _joint(node: Binary, left: Kind, right: Kind) -> Kind:
    sign = node.sign
    if left.by and right.by and left.by != right.by:
        raise ExpressionError(f"a number by {left.by} and one by {right.by} do not go together")
    kind = Kind(of_cells=left.of_cells or right.of_cells, by=left.by or right.by, bare=left.bare and right.bare)
    if sign in ("and", "or"):
        if not (left.yes_no and right.yes_no):
            raise ExpressionError(f"{sign!r} joins comparisons, like radius > 5 um {sign} x < 10 um")
        return replace(kind, yes_no=True, bare=False)
    if left.yes_no or right.yes_no:
        raise ExpressionError(f"a comparison cannot stand beside {sign!r}")
    if sign in COMPARISONS or sign in "+-":
        _check_alike(left, right, sign)
        unit = left.unit if right.bare or left.unit == right.unit else right.unit if left.bare else ()
        return replace(kind, yes_no=True, bare=False) if sign in COMPARISONS else replace(kind, unit=unit)
    if sign == "^":
        assert isinstance(node.right, Number)
        power = node.right.value
        if left.unit and power != int(power):
            raise ExpressionError(f"a power of something in {unit_text(left.unit)} is a whole number, not {power:g}")
        return replace(kind, unit=_joined({b: p * int(power) for b, p in left.unit}))
    powers = dict(left.unit)
    for base, power in right.unit:
        powers[base] = powers.get(base, 0) + (power if sign == "*" else -power)
    return replace(kind, unit=_joined(powers))


def _check_alike(left: Kind, right: Kind, sign: str) -> None:
    def physical(unit: Unit) -> Unit:
        return tuple((b, p) for b, p in unit if b not in COUNTED)

    if physical(left.unit) == physical(right.unit):
        return
    with_unit, other = (left, right) if left.unit else (right, left)
    if other.bare:
        unit = unit_text(with_unit.unit)
        raise ExpressionError(f"a number beside {sign!r} needs a unit: the other side is in {unit}, so write one")
    raise ExpressionError(
        f"{unit_text(left.unit)} and {unit_text(right.unit)} do not go together in {sign!r}: both sides need one unit"
    )


def _cell_word(node: Word, known: Known) -> Kind:
    """Return what a word says of a cell."""
    match node.kind:
        case "gene":
            _check_name("gene of the world model", node.name, known.genes)
            return Kind(unit_of(PER_10K), of_cells=True)
        case "program":
            _check_name("program under observe.programs", node.name, known.programs)
            return Kind(of_cells=True)
        case "dose" | "time_since":
            _check_name("perturbation of this run", node.name, known.perturbations)
            return Kind(unit_of("nM" if node.kind == "dose" else "h"), of_cells=True)
        case "concentration":
            _check_name("substance", node.name, known.substances)
            return Kind(unit_of("nM"), of_cells=True)
    columns = {**CELL_WORDS, **known.columns}
    if known.genes is not None and node.name in known.genes and node.name not in columns:
        raise ExpressionError(f"{node.name!r} is a gene: write gene:{node.name}")
    if node.name not in columns and node.name in known.programs:
        raise ExpressionError(f"{node.name!r} is a program: write program:{node.name}")
    _check_name("number of a cell", node.name, columns)
    return Kind(unit_of(columns[node.name]), of_cells=True)


def _tissue_word(node: Word, known: Known, inside: tuple[str, ...]) -> Kind:
    """Return what a word outside of functions says: a quantity, or the time."""
    if node.kind:
        word = f"{node.kind}:{node.name}"
        raise ExpressionError(f"{word} is a number of each cell: say which statistic, like mean({word})")
    if node.name == "time":
        return Kind(unit_of("h"))
    if node.name not in known.quantities:
        if node.name in CELL_WORDS or node.name in known.columns:
            raise ExpressionError(f"{node.name} is a number of each cell: say which statistic, like mean({node.name})")
        raise ExpressionError(unknown_name("quantity under observe.quantities", node.name, (*known.quantities, "time")))
    if node.name in inside:
        raise ExpressionError(f"the quantities go in a circle: {' → '.join((*inside, node.name))}")
    if node.name not in known.found:
        try:
            kind = _kind(parse(known.quantities[node.name]), known, (*inside, node.name))
        except ExpressionError as error:
            if "circle" in str(error):
                raise
            raise ExpressionError(f"quantity {node.name!r} is wrong itself ({error})") from error
        known.found[node.name] = kind
    return replace(known.found[node.name], bare=False)


def _call(node: Call, known: Known, inside: tuple[str, ...], *, in_cells: bool) -> Kind:
    name = node.name
    if name not in FUNCTIONS:
        raise ExpressionError(unknown_name("function", name, FUNCTIONS))
    if name in MATHS:
        kind = _kind(_only(node), known, inside, in_cells=in_cells)
        if node.options:
            raise ExpressionError(f"{name}() has no options")
        if kind.yes_no or (name != "abs" and any(b not in COUNTED for b, _ in kind.unit)):
            raise ExpressionError(f"{name}() is of a pure number, not of one in {unit_text(kind.unit)}")
        return kind if name == "abs" else replace(kind, unit=(), bare=False)
    if in_cells:
        raise ExpressionError(f"{name}() is a number of the tissue: it cannot stand inside of another statistic")
    _options(node, known)
    by = _group(node)
    if name in STATISTICS:
        return replace(_of_cells(node, _only(node), known, yes_no=False), of_cells=False, by=by)
    if name == "percentile":
        if len(node.given) != 2 or not isinstance(node.given[1], Number) or not 0 <= node.given[1].value <= 100:
            raise ExpressionError("percentile() is of a number of cells and of 0 to 100, like percentile(radius, 90)")
        return replace(_of_cells(node, node.given[0], known, yes_no=False), of_cells=False, by=by)
    if name in ("share", "count"):
        if node.given or name == "share":
            _of_cells(node, _only(node), known, yes_no=True)
        return Kind(unit_of("count") if name == "count" else (), by=by)
    if name in FIELDS:
        _check_name("substance", _name(_only(node), name), known.substances)
        return Kind(unit_of("nM"))
    if name in LEVELS:
        _check_name("drug", _name(_only(node), name), known.drugs)
        return Kind(unit_of("nM"))
    if name in PAIRS:
        if len(node.given) != 2:
            raise ExpressionError(f"{name}() is of two cell types, like {name}(tumour, 'T cell')")
        for given in node.given:
            _check_name("cell type", _name(given, name), known.cell_types)
        return Kind()
    if node.given:
        raise ExpressionError(f"{name}() takes nothing but cell_type and compartment")
    return Kind(unit_of("count") if name in CLONES else ())


def _of_cells(node: Call, given: Node, known: Known, *, yes_no: bool) -> Kind:
    kind = _kind(given, known, (), in_cells=True)
    if kind.yes_no != yes_no:
        wanted = "a comparison, like gene:ISG15 > 10" if yes_no else "a number of each cell, not of a comparison"
        raise ExpressionError(f"{node.name}() is of {wanted}")
    return kind


def _options(node: Call, known: Known) -> None:
    """Refuse options that a function does not have, and what they name that is not there."""
    if node.name in FIELDS:
        allowed: tuple[str, ...] = ("at", "x", "y", "z", "compartment")
    elif node.name in CLONES or node.name == "mean_degree":
        allowed = ("cell_type", "compartment")
    elif node.name in PAIRS:
        allowed = ("compartment",)
    elif node.name in LEVELS:
        allowed = ()
    else:
        allowed = (*WHO, "by")
    for key, values in node.options.items():
        if key not in allowed:
            raise ExpressionError(f"{node.name}(): {unknown_name('option', key, allowed)}")
        if key == "cell_type":
            for value in values:
                _check_name("cell type", _name(value, key), known.cell_types)
        elif key == "compartment":
            for value in values:
                _check_name("compartment", _name(value, key), known.compartments)
        elif key in KINDS:
            for value in values:
                _check_name(key, _name(value, key), known.groups.get(key))
        elif key == "dead" and names(values) not in (("true",), ("false",)):
            raise ExpressionError("dead is true or false")
        elif key in ("at", "x", "y", "z"):
            _check_place(key, values)
    if "at" in node.options and {"x", "y", "z"} & node.options.keys():
        raise ExpressionError("give at, or x, y and z, not both")


def _check_place(key: str, values: tuple[Node, ...]) -> None:
    n, like = (3, "at=[10 um, 20 um, 30 um]") if key == "at" else (2, f"{key}=[0 um, 50 um]")
    if len(values) != n or not all(isinstance(v, Number | Text) and literal(v)[1] == unit_of("um") for v in values):
        raise ExpressionError(f"{key} is {n} places, like {like}")
    low, high = number_of(values[0]), number_of(values[1])
    if key != "at" and low >= high:
        raise ExpressionError(f"{key} goes from {low:g} to {high:g} um: the first is the lower")


def _group(node: Call) -> str:
    by = names(node.options.get("by", ()))
    if by and (len(by) > 1 or by[0] not in GROUPS):
        raise ExpressionError(unknown_name("grouping", ", ".join(by), GROUPS))
    return by[0] if by else ""


def names(values: tuple[Node, ...]) -> tuple[str, ...]:
    """Return the names that an option holds, written as words or as texts."""
    return tuple(_name(value, "an option") for value in values)


def _name(node: Node, where: str) -> str:
    if isinstance(node, Word) and not node.kind:
        return node.name
    if isinstance(node, Text):
        return node.value
    raise ExpressionError(f"{where} needs a name, in quotes where it has spaces")


def number_of(node: Node) -> float:
    """Return a number that was written, in the inner units; the expression has been checked."""
    assert isinstance(node, Number | Text), node
    return literal(node)[0]


def _only(node: Call) -> Node:
    if len(node.given) != 1:
        raise ExpressionError(f"{node.name}() is of one thing, {len(node.given)} are given")
    return node.given[0]


def _check_name(kind: str, name: str, known: object) -> None:
    if known is not None and name not in known:  # type: ignore[operator]  # a set, tuple or mapping of names
        raise ExpressionError(unknown_name(kind, name, known))  # type: ignore[arg-type]  # as above


def _joined(powers: Mapping[str, int]) -> Unit:
    return tuple(sorted((base, power) for base, power in powers.items() if power))
