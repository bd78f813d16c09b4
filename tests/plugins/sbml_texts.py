"""SBML by few words, for tests: reactions as text become a file of level 3."""

import ast
from collections.abc import Iterable, Mapping

SECONDS = {"minute": 60, "hour": 3600}  # in one unit of time
_OPERATORS = {ast.Add: "plus", ast.Sub: "minus", ast.Mult: "times", ast.Div: "divide", ast.Pow: "power"}
Reactions = Iterable[tuple[str, str, str]]  # ("A + B", "C", "k * A * B"): a side may be ""


def sbml(
    species: Mapping[str, float | tuple[float, str]],
    parameters: Mapping[str, float],
    reactions: Reactions,
    *,
    compartments: Mapping[str, float] | None = None,
    rules: Mapping[str, str] | None = None,
    boundary: Iterable[str] = (),
    amounts: Iterable[str] = (),
    time: str = "hour",
    extra: str = "",
) -> str:
    """Return an SBML model.

    Parameters
    ----------
    species : initial concentrations, or (concentration, compartment); a compartment left out is the first one.
    rules : assignment rules of parameters. extra : XML at the end of the model.
    time : its unit, one of SECONDS; "" states none.
    Rate laws are in concentration an hour, of the first species' compartment.
    """
    homes = compartments or {"cell": 1.0}
    first = next(iter(homes))
    place = {name: value[1] if isinstance(value, tuple) else first for name, value in species.items()}
    value = {name: v[0] if isinstance(v, tuple) else v for name, v in species.items()}
    unit = "".join(
        f'<unitDefinition id="{u}"><listOfUnits><unit kind="second" exponent="1" scale="0" multiplier="{n}"/>'
        "</listOfUnits></unitDefinition>"
        for u, n in SECONDS.items()
    )
    parts = [
        f"<listOfUnitDefinitions>{unit}</listOfUnitDefinitions><listOfCompartments>",
        *(f'<compartment id="{c}" spatialDimensions="3" size="{v}" constant="false"/>' for c, v in homes.items()),
        "</listOfCompartments><listOfSpecies>",
        *(_species(s, value[s], place[s], s in set(boundary), s in set(amounts)) for s in species),
        "</listOfSpecies>",
    ]
    if parameters or rules:
        given = (f'<parameter id="{p}" value="{v}" constant="false"/>' for p, v in parameters.items())
        ruled = (f'<parameter id="{p}" constant="false"/>' for p in rules or ())
        parts += ["<listOfParameters>", *given, *ruled, "</listOfParameters>"]
    if rules:
        given = (f'<assignmentRule variable="{p}">{_math(text)}</assignmentRule>' for p, text in rules.items())
        parts += ["<listOfRules>", *given, "</listOfRules>"]
    parts += [
        "<listOfReactions>",
        *(_reaction(k, *r, set(species)) for k, r in enumerate(reactions)),
        "</listOfReactions>",
    ]
    stated = f' timeUnits="{time}"' if time else ""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<sbml xmlns="http://www.sbml.org/sbml/level3/version1/core" level="3" version="1">'
        f'<model id="test"{stated}>{"".join(parts)}{extra}</model></sbml>'
    )


def _species(name: str, value: float, place: str, boundary: bool, amount: bool) -> str:
    start = f'initial{"Amount" if amount else "Concentration"}="{value}"'
    return (
        f'<species id="{name}" compartment="{place}" {start} hasOnlySubstanceUnits="{str(amount).lower()}" '
        f'boundaryCondition="{str(boundary).lower()}" constant="false"/>'
    )


def _reaction(k: int, left: str, right: str, law: str, species: set[str]) -> str:
    sides = [[s.strip() for s in side.split("+") if s.strip()] for side in (left, right)]
    lists = []
    for side, word in zip(sides, ("Reactants", "Products"), strict=True):
        counted = dict.fromkeys(side)
        refs = "".join(
            f'<speciesReference species="{s}" stoichiometry="{side.count(s)}" constant="true"/>' for s in counted
        )
        lists.append(f"<listOf{word}>{refs}</listOf{word}>" if refs else "")
    named = {n.id for n in ast.walk(ast.parse(law, mode="eval")) if isinstance(n, ast.Name)}
    others = sorted((named & species) - set(sides[0]) - set(sides[1]))
    modifiers = "".join(f'<modifierSpeciesReference species="{s}"/>' for s in others)
    lists.append(f"<listOfModifiers>{modifiers}</listOfModifiers>" if modifiers else "")
    return (
        f'<reaction id="r{k}" reversible="true" fast="false">{"".join(lists)}<kineticLaw>{_math(law)}</kineticLaw>'
        "</reaction>"
    )


def _math(text: str) -> str:
    inner = _node(ast.parse(text, mode="eval").body)
    return f'<math xmlns="http://www.w3.org/1998/Math/MathML">{inner}</math>'


def _node(node: ast.expr) -> str:
    if isinstance(node, ast.BinOp):
        word = _OPERATORS[type(node.op)]
        return f"<apply><{word}/>{_node(node.left)}{_node(node.right)}</apply>"
    if isinstance(node, ast.UnaryOp):
        return f"<apply><minus/>{_node(node.operand)}</apply>"
    if isinstance(node, ast.Constant):
        return f"<cn>{node.value!r}</cn>"
    assert isinstance(node, ast.Name), ast.dump(node)
    if node.id == "time":
        symbol = 'definitionURL="http://www.sbml.org/sbml/symbols/time"'
        return f'<csymbol encoding="text" {symbol}>time</csymbol>'
    return f"<ci>{node.id}</ci>"


DECAY = sbml({"X": 10.0}, {"k": 0.1}, [("X", "", "k * X")], time="minute")
BINDING = sbml(  # of a ligand that the tissue holds
    {"R": 100.0, "C": 0.0}, {"L": 0.0, "on": 2.0, "off": 0.5}, [("R", "C", "on * L * R - off * C")]
)
TAKING = sbml(  # of a ligand outside, that is used up; rate laws are amounts an hour
    {"L": (0.0, "medium"), "R": (100.0, "cell"), "C": (0.0, "cell")},
    {"on": 0.05, "off": 0.5},
    [("L + R", "C", "cell * (on * L * R - off * C)")],
    compartments={"cell": 1.0, "medium": 1.0},
)
