"""Formulas of PEtab: what they are worth, and what is none."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.interop.petab.formula import parse

X = {"x": 2.0, "y": 3.0, "lambda": 5.0}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 + 2 * x - y / 2", 3.5),
        ("-x^2", -4.0),
        ("2^-x", 0.25),
        ("2^y^2", 512.0),
        ("2 ** y", 8.0),
        ("(x + y) * -lambda", -25.0),
        ("1.5e-3 * .5E+3", 0.75),
        ("exp(ln(x)) + log(exp(2)) + log10(100) + log2(8) + log(8, x)", 12.0),
        ("sqrt(abs(-4)) + pow(x, 3) + min(x, y, 1) + max(x, y)", 14.0),
        ("piecewise(1, x > y, 2, x == 2, 3)", 2.0),
        ("piecewise(1, x > y, 3)", 3.0),
        ("piecewise(7, x < y && !(x >= 3) || false)", 7.0),
        ("heaviside(0) + heaviside(-1) + sign(-3)", -0.5),
        ("arctan_free", 1.0),
    ],
)
def test_a_formula_is_worth_what_mathematics_says(text: str, value: float) -> None:
    assert float(parse(text).evaluate(X | {"arctan_free": 1.0})) == pytest.approx(value)


def test_its_names_are_known_and_arrays_go_through() -> None:
    formula = parse("a * observableParameter1_b + exp(time)")
    assert formula.names == {"a", "observableParameter1_b", "time"}
    times = np.array([0.0, 1.0])
    found = formula.evaluate({"a": 2.0, "observableParameter1_b": np.array([1.0, 2.0]), "time": times})
    assert np.asarray(found).tolist() == [3.0, 4.0 + math.e]


def test_what_is_not_defined_is_no_number() -> None:
    assert math.isinf(float(parse("1 / 0").evaluate({})))
    assert math.isnan(float(parse("log(-1)").evaluate({})))


@given(a=st.floats(0.1, 9), b=st.floats(0.1, 9), c=st.floats(0.1, 3))
def test_it_binds_as_python_does(a: float, b: float, c: float) -> None:
    text = "a - b / c * a ** c + -b ** c - (a - b) * c"
    assert float(parse(text).evaluate({"a": a, "b": b, "c": c})) == pytest.approx(
        a - b / c * a**c + -(b**c) - (a - b) * c
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "ends where a number, a name or a bracket should follow"),
        ("a +", "ends where a number"),
        ("a b", "'b' at column 3 stands where an operator should"),
        ("(a", r"ends where '\)' should follow"),
        ("a; b", "';' at column 2 means nothing"),
        ("__import__('os')", '"\'" at column 12 means nothing'),
        ("system(1)", r"there is no function system\(\)"),
        ("exp(1, 2)", r"exp\(\) does not take 2 arguments"),
        ("(" * 200 + "1" + ")" * 200, "is nested deeper than"),
        ("-" * 200 + "1", "is nested deeper than"),
    ],
)
def test_what_is_no_formula_is_told(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        parse(text)
