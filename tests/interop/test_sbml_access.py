"""Quantities of an SBML model in bulk are those that it tells one by one."""

import numpy as np
import pytest

from tests.plugins.sbml_texts import TAKING, sbml
from twin.errors import UnknownNameError
from twin.interop.sbml import load_model
from twin.interop.sbml.access import Access

pytest.importorskip("roadrunner")

MIXED = sbml(  # concentrations, an amount, a boundary species, two compartments, a rule
    {"A": (2.0, "c"), "B": (5.0, "d"), "N": (7.0, "d"), "E": (3.0, "c")},
    {"k": 0.3},
    [("A", "", "c * k * A"), ("B", "N", "d * k * B * E")],
    compartments={"c": 2.0, "d": 0.5},
    rules={"twice": "2 * A"},
    boundary=["E"],
    amounts=["N"],
)
IDS = ("r1", "N", "twice", "d", "E", "B", "k", "A", "r0", "c")


def test_what_is_read_in_bulk_is_what_is_told_one_by_one() -> None:
    model = load_model("mixed.xml", text=MIXED)
    model.reset()
    access = Access(model, IDS)
    np.testing.assert_array_equal(access.read(), model.get(IDS))
    model.advance(0.0, 1.5)
    np.testing.assert_array_equal(access.read(), model.get(IDS))
    assert model.get(["twice"])[0] == pytest.approx(4 * np.exp(-0.45))


def test_what_is_written_in_bulk_is_there_and_concentrations_hold_in_another_volume() -> None:
    model = load_model("mixed.xml", text=MIXED)
    model.reset()
    settable = tuple(name for name in IDS if model.quantities[name].settable)
    values = np.arange(1.0, 1.0 + len(settable))
    Access(model, settable).write(values)
    np.testing.assert_allclose(model.get(settable), values, rtol=1e-15)


def test_a_name_that_is_not_there_is_told() -> None:
    with pytest.raises(UnknownNameError, match="'LL'"):
        Access(load_model("taking.xml", text=TAKING), ["L", "LL"])
