"""The little language of observables: text into a tree, by a parser of our own that runs nothing.

    mean(gene:ISG15, cell_type="CD14 Mono") / (mean(radius) + 1 um)
    share(gene:ISG15 > 10 and not damage > 3)          percentile(program:hypoxia, 90, by=cell_type)
    field(IFNB1, x=[0 um, 50 um])                      enrichment(tumour, "T cell")

Words with a hyphen are one word where no space stands beside it (gene:HLA-DRA); a minus has spaces.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

LONGEST = 1000  # characters; our choice
DEEPEST = 40  # brackets in brackets; our choice, far below where Python's own stack ends
COMPARISONS = ("<=", ">=", "==", "!=", "<", ">")
PREFIXES = ("gene", "program", "dose", "time_since", "concentration")  # of words like gene:ISG15

_TOKEN = re.compile(
    r"""\s*(?:
    (?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?)(?:[ ]*(?P<unit>(?!and\b|or\b)[A-Za-zµμ%]+))?
    |(?P<text>"[^"]*"|'[^']*')
    |(?P<word>[^\W\d]\w*(?:[-.]\w+)*)(?::(?P<rest>"[^"]*"|'[^']*'|[^\W]\w*(?:[-./]\w+)*))?
    |(?P<sign><=|>=|==|!=|\*\*|[-+*/^<>=(),\[\]])
    )""",
    re.VERBOSE,
)


class ExpressionError(ValueError):
    """What is wrong with an expression, in one sentence."""


@dataclass(frozen=True)
class Number:
    """A number as it was written, with its unit or without ("" then)."""

    value: float
    unit: str = ""


@dataclass(frozen=True)
class Text:
    """A quoted text: a name, or a quantity like "5 um/min"."""

    value: str


@dataclass(frozen=True)
class Word:
    """A name; of gene:ISG15 the kind is "gene", of a plain word ""."""

    name: str
    kind: str = ""


@dataclass(frozen=True)
class Unary:
    """Minus, or not."""

    sign: str
    of: "Node"


@dataclass(frozen=True)
class Binary:
    """Arithmetic, a comparison, and, or."""

    sign: str
    left: "Node"
    right: "Node"


@dataclass(frozen=True)
class Call:
    """A function of the language with what stands in its brackets."""

    name: str
    given: tuple["Node", ...] = ()
    options: dict[str, tuple["Node", ...]] = field(default_factory=dict)


Node: TypeAlias = Number | Text | Word | Unary | Binary | Call


def parse(text: str) -> Node:
    """Return the tree of an expression.

    Raises
    ------
    ExpressionError
        If it is no expression; what was found where a number, name or sign was due is named.
    """
    if len(text) > LONGEST:
        raise ExpressionError(f"{len(text)} characters are too long for an expression, at most {LONGEST} are read")
    return _Parser(text).whole()


def nodes(tree: Node) -> Iterator[Node]:
    """Yield a tree's nodes, the tree itself first."""
    yield tree
    below: tuple[Node, ...] = ()
    if isinstance(tree, Unary):
        below = (tree.of,)
    elif isinstance(tree, Binary):
        below = (tree.left, tree.right)
    elif isinstance(tree, Call):
        below = (*tree.given, *(node for values in tree.options.values() for node in values))
    for node in below:
        yield from nodes(node)


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    node: Node | None = None


def _tokens(text: str) -> Iterator[_Token]:
    at = 0
    while text[at:].strip():
        found = _TOKEN.match(text, at)
        if found is None:
            raise ExpressionError(f"{text[at:].split()[0]!r} cannot stand in an expression")
        at = found.end()
        if found["number"]:
            yield _Token("value", found[0].strip(), Number(float(found["number"]), found["unit"] or ""))
        elif found["text"]:
            yield _Token("value", found["text"], Text(found["text"][1:-1]))
        elif found["word"] in ("and", "or", "not") and not found["rest"]:
            yield _Token("sign", found["word"])
        elif found["word"]:
            kind = found["word"] if found["rest"] else ""
            if kind and kind not in PREFIXES:
                raise ExpressionError(f"{kind!r} begins no word; these do: {', '.join(f'{p}:' for p in PREFIXES)}")
            name = found["rest"].strip("\"'") if found["rest"] else found["word"]
            yield _Token("word", found[0].strip(), Word(name, kind))
        else:
            yield _Token("sign", "^" if found["sign"] == "**" else found["sign"])
    yield _Token("end", "the end")


class _Parser:
    """Recursive descent: or, and, not, comparison, sum, product, minus, power, atom."""

    def __init__(self, text: str) -> None:
        self.tokens = list(_tokens(text))
        self.at = 0
        self.depth = 0

    def whole(self) -> Node:
        tree = self.any_of()
        if self.now.kind != "end":
            raise ExpressionError(f"{self.now.text!r} was not expected here")
        return tree

    @property
    def now(self) -> _Token:
        return self.tokens[self.at]

    def sign(self, *signs: str) -> str:
        """Return the sign at hand and go on if it is one of these, else nothing."""
        if self.now.kind == "sign" and self.now.text in signs:
            self.at += 1
            return self.tokens[self.at - 1].text
        return ""

    def expect(self, sign: str) -> None:
        if not self.sign(sign):
            raise ExpressionError(f"{sign!r} is missing before {self.now.text!r}")

    def any_of(self) -> Node:
        tree = self.all_of()
        while sign := self.sign("or"):
            tree = Binary(sign, tree, self.all_of())
        return tree

    def all_of(self) -> Node:
        tree = self.negated()
        while sign := self.sign("and"):
            tree = Binary(sign, tree, self.negated())
        return tree

    def negated(self) -> Node:
        if not self.sign("not"):
            return self.compared()
        self.deeper()
        tree = Unary("not", self.negated())
        self.depth -= 1
        return tree

    def compared(self) -> Node:
        tree = self.summed()
        if sign := self.sign(*COMPARISONS):
            tree = Binary(sign, tree, self.summed())
        return tree

    def summed(self) -> Node:
        tree = self.multiplied()
        while sign := self.sign("+", "-"):
            tree = Binary(sign, tree, self.multiplied())
        return tree

    def multiplied(self) -> Node:
        tree = self.signed()
        while sign := self.sign("*", "/"):
            tree = Binary(sign, tree, self.signed())
        return tree

    def signed(self) -> Node:
        if not self.sign("-"):
            return self.power()
        self.deeper()
        tree = Unary("-", self.signed())
        self.depth -= 1
        return tree

    def power(self) -> Node:
        base = self.atom()
        if not self.sign("^"):
            return base
        minus = self.sign("-")
        exponent = self.now.node
        if not isinstance(exponent, Number) or exponent.unit:
            raise ExpressionError(f"a power is a plain number, not {self.now.text!r}")
        self.at += 1
        return Binary("^", base, Number(-exponent.value if minus else exponent.value))

    def atom(self) -> Node:
        if self.sign("("):
            self.deeper()
            tree = self.any_of()
            self.depth -= 1
            self.expect(")")
            return tree
        token = self.now
        if token.node is None:
            raise ExpressionError(f"a number, a name or a function is missing before {token.text!r}")
        self.at += 1
        if isinstance(token.node, Word) and not token.node.kind and self.sign("("):
            return self.call(token.node.name)
        return token.node

    def call(self, name: str) -> Node:
        self.deeper()
        given: list[Node] = []
        options: dict[str, tuple[Node, ...]] = {}
        while not self.sign(")"):
            if given or options:
                self.expect(",")
            following = self.tokens[self.at + 1] if self.at + 1 < len(self.tokens) else self.now
            if isinstance(self.now.node, Word) and following.kind == "sign" and following.text == "=":
                key = self.now.node.name
                self.at += 2
                if key in options:
                    raise ExpressionError(f"{name}() is given {key} twice")
                options[key] = self.listed()
            elif options:
                raise ExpressionError(f"in {name}() what has a name comes last")
            else:
                given.append(self.any_of())
        self.depth -= 1
        return Call(name, tuple(given), options)

    def listed(self) -> tuple[Node, ...]:
        """Return the value of an option, or the values in its square brackets."""
        if not self.sign("["):
            return (self.summed(),)
        values = [self.summed()]
        while self.sign(","):
            values.append(self.summed())
        self.expect("]")
        return tuple(values)

    def deeper(self) -> None:
        self.depth += 1
        if self.depth > DEEPEST:
            raise ExpressionError(f"more than {DEEPEST} brackets stand in each other")
