"""Formulas of foreign files: parsed here, never handed to an interpreter."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf, nan

import numpy as np
from numpy.typing import NDArray

Value = NDArray[np.float64] | np.float64 | float
Node = Callable[[Mapping[str, Value]], Value]

DEEPEST = 60  # brackets and signs within each other, our choice
TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)|(?P<name>[A-Za-z_]\w*)"
    r"|(?P<sign>\*\*|&&|\|\||[<>=!]=|[-+*/^<>!(),]))"
)
CONSTANTS: Mapping[str, float] = {"inf": inf, "nan": nan, "true": 1.0, "false": 0.0}
COMPARED: Mapping[str, Callable[..., Value]] = {
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
    "==": np.equal,
    "!=": np.not_equal,
}
FUNCTIONS: Mapping[str, tuple[int, int, Callable[..., Value]]] = {  # fewest arguments, most, what it is
    **{name: (1, 1, getattr(np, name)) for name in ("exp", "log2", "log10", "sqrt", "abs", "sign", "floor", "ceil")},
    **{name: (1, 1, getattr(np, name)) for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh")},
    **{f"a{name}": (1, 1, getattr(np, f"arc{name}")) for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh")},
    "ln": (1, 1, np.log),
    "log": (1, 2, lambda x, base=np.e: np.log(x) / np.log(base)),
    "pow": (2, 2, np.power),
    "min": (1, 99, lambda *x: np.minimum.reduce(np.broadcast_arrays(*x))),
    "max": (1, 99, lambda *x: np.maximum.reduce(np.broadcast_arrays(*x))),
    "heaviside": (1, 2, lambda x, at_zero=0.5: np.heaviside(x, at_zero)),
    "piecewise": (1, 99, lambda *x: _piecewise(*x)),
}


@dataclass(frozen=True)
class Formula:
    """A formula that can be evaluated. names : what it reads."""

    text: str
    names: frozenset[str]
    node: Node

    def evaluate(self, values: Mapping[str, Value]) -> Value:
        """Return the value; arrays go through element by element. Each of `names` is in `values`."""
        with np.errstate(all="ignore"):
            return self.node(values)


def parse(text: str) -> Formula:
    """Parse a formula: + − * / ^ (or **), comparisons, &&, ||, !, brackets, the usual functions, piecewise.

    Powers bind before signs (−a^2 is −(a^2)) and from the right, as in mathematics. A number compares as one.

    Raises
    ------
    ValueError
        If it is no formula: what stands where.
    """
    parser = _Parser(text)
    node = parser.either(0)
    parser.end()
    return Formula(text, frozenset(parser.names), node)


class _Parser:
    """A descent through the grammar, one method a level of binding; each returns the node of what it read."""

    def __init__(self, text: str) -> None:
        self.text, self.names = text, set[str]()
        self.tokens: list[tuple[str, str, int]] = []  # kind, word, column
        at = 0
        while text[at:].strip():
            found = TOKEN.match(text, at)
            if found is None:
                column = len(text) - len(text[at:].lstrip())
                raise ValueError(f"{text!r}: {text[column]!r} at column {column + 1} means nothing")
            kind = found.lastgroup or ""
            self.tokens.append((kind, found[kind], found.start(kind)))
            at = found.end()
        self.at = 0

    def sign(self, *words: str) -> str:
        """Take the next token if it is one of these signs."""
        if self.at < len(self.tokens) and self.tokens[self.at][0] == "sign" and self.tokens[self.at][1] in words:
            self.at += 1
            return self.tokens[self.at - 1][1]
        return ""

    def end(self) -> None:
        if self.at < len(self.tokens):
            raise self.fault("an operator")

    def fault(self, wanted: str) -> ValueError:
        if self.at >= len(self.tokens):
            return ValueError(f"{self.text!r} ends where {wanted} should follow")
        _, word, column = self.tokens[self.at]
        return ValueError(f"{self.text!r}: {word!r} at column {column + 1} stands where {wanted} should")

    def either(self, depth: int) -> Node:
        if depth > DEEPEST:
            raise ValueError(f"{self.text[:40]!r}… is nested deeper than {DEEPEST}")
        node = self.both(depth)
        while self.sign("||"):
            node = _binary(np.logical_or, node, self.both(depth))
        return node

    def both(self, depth: int) -> Node:
        node = self.compared(depth)
        while self.sign("&&"):
            node = _binary(np.logical_and, node, self.compared(depth))
        return node

    def compared(self, depth: int) -> Node:
        node = self.sum(depth)
        if word := self.sign(*COMPARED):
            node = _binary(COMPARED[word], node, self.sum(depth))
        return node

    def sum(self, depth: int) -> Node:
        node = self.product(depth)
        while word := self.sign("+", "-"):
            node = _binary(np.add if word == "+" else np.subtract, node, self.product(depth))
        return node

    def product(self, depth: int) -> Node:
        node = self.signed(depth)
        while word := self.sign("*", "/"):
            node = _binary(np.multiply if word == "*" else np.divide, node, self.signed(depth))
        return node

    def signed(self, depth: int) -> Node:
        word = self.sign("-", "+", "!")
        if not word:
            return self.power(depth)
        if depth > DEEPEST:
            raise ValueError(f"{self.text[:40]!r}… is nested deeper than {DEEPEST}")
        below = self.signed(depth + 1)
        if word == "+":
            return below
        return _unary(np.negative if word == "-" else np.logical_not, below)

    def power(self, depth: int) -> Node:
        base = self.atom(depth)
        return _binary(np.power, base, self.signed(depth + 1)) if self.sign("^", "**") else base

    def atom(self, depth: int) -> Node:
        if self.sign("("):
            node = self.either(depth + 1)
            self.close()
            return node
        if self.at >= len(self.tokens) or self.tokens[self.at][0] == "sign":
            raise self.fault("a number, a name or a bracket")
        kind, word, _ = self.tokens[self.at]
        self.at += 1
        if kind == "number":
            return _constant(float(word))
        if self.sign("("):
            return self.call(word, depth + 1)
        if word in CONSTANTS:
            return _constant(CONSTANTS[word])
        self.names.add(word)
        return lambda values: values[word]

    def call(self, word: str, depth: int) -> Node:
        if word not in FUNCTIONS:
            raise ValueError(f"{self.text!r}: there is no function {word}()")
        arguments = [self.either(depth)]
        while self.sign(","):
            arguments.append(self.either(depth))
        self.close()
        fewest, most, function = FUNCTIONS[word]
        if not fewest <= len(arguments) <= most:
            raise ValueError(f"{self.text!r}: {word}() does not take {len(arguments)} arguments")
        return lambda values: function(*(node(values) for node in arguments))

    def close(self) -> None:
        if not self.sign(")"):
            raise self.fault("')'")


def _constant(number: float) -> Node:
    return lambda values: np.float64(number)


def _unary(function: Callable[..., Value], below: Node) -> Node:
    return lambda values: function(below(values))


def _binary(function: Callable[..., Value], left: Node, right: Node) -> Node:
    return lambda values: function(left(values), right(values))


def _piecewise(*parts: Value) -> Value:
    """Return the first value whose condition holds (value, condition, …), else the last, else nan."""
    otherwise = parts[-1] if len(parts) % 2 else nan
    for value, condition in reversed(list(zip(parts[:-1:2], parts[1::2], strict=True))):
        otherwise = np.where(condition, value, otherwise)
    return otherwise
