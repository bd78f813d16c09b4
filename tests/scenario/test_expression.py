"""The parser of observables: what it reads, and that it runs nothing and breaks at nothing."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.scenario.expression import Binary, Call, ExpressionError, Node, Number, Text, Unary, Word, nodes, parse


def value(node: Node) -> float:
    match node:
        case Number(number, ""):
            return number
        case Unary("-", of):
            return -value(of)
        case Binary(sign, left, right):
            a, b = value(left), value(right)
            return {"+": a + b, "-": a - b, "*": a * b}[sign]
    raise AssertionError(node)


ARITHMETIC = st.recursive(
    st.integers(0, 99).map(str),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from([" + ", " - ", " * ", "*"]), inner).map("".join),
        inner.map("({})".format),
        inner.map("-({})".format),
    ),
    max_leaves=12,
)


@given(ARITHMETIC)
def test_arithmetic_has_the_usual_order(text: str) -> None:
    assert value(parse(text)) == eval(text)


@given(st.text(alphabet="abx09.:,()[]+-*/^<>='\" _&é\n", max_size=60))
def test_any_text_is_read_or_refused_in_one_sentence(text: str) -> None:
    with suppress(ExpressionError):  # anything else is a failure
        assert list(nodes(parse(text)))


def test_words_quotes_units_and_options_are_told_apart() -> None:
    tree = parse('mean(gene:HLA-DRA, cell_type=["CD14 Mono", B], dead=true) >= 0.5 nM')
    assert tree == Binary(
        ">=",
        Call(
            "mean", (Word("HLA-DRA", "gene"),), {"cell_type": (Text("CD14 Mono"), Word("B")), "dead": (Word("true"),)}
        ),
        Number(0.5, "nM"),
    )
    assert parse("a - b") == Binary("-", Word("a"), Word("b"))
    assert parse("not a > 1 and b < 2") == Binary(
        "and",
        Unary("not", Binary(">", Word("a"), Number(1.0))),
        Binary("<", Word("b"), Number(2.0)),
    )
    assert parse("x^-2") == Binary("^", Word("x"), Number(-2.0))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "missing before 'the end'"),
        ("mean(", "missing before 'the end'"),
        ("mean(radius", "',' is missing before 'the end'"),
        ("1 +", "missing before 'the end'"),
        ("a b", "'b' was not expected here"),
        ("gne:ISG15", "'gne' begins no word; these do: gene:"),
        ("__import__('os').system('ls')", "cannot stand in an expression"),
        ("a; b", "cannot stand in an expression"),
        ("x^y", "a power is a plain number, not 'y'"),
        ("f(by=a, b)", "what has a name comes last"),
        ("f(by=a, by=b)", "given by twice"),
        ("(" * 60 + "1" + ")" * 60, "more than 40 brackets"),
        ("1" * 2000, "2000 characters are too long"),
    ],
)
def test_what_is_no_expression_is_told(text: str, told: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse(text)
    assert told in str(caught.value)
