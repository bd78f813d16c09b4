"""Errors cross from workers as what they are."""

import pickle

import pytest

from twin.errors import (
    Fault,
    InputError,
    MissingExtraError,
    RunError,
    ScenarioError,
    TwinError,
    UnknownNameError,
)


@pytest.mark.parametrize(
    "error",
    [
        TwinError("a"),
        InputError("b"),
        RunError("c"),
        ScenarioError("s.yaml", [Fault(3, "tick", "is wrong"), Fault(None, "", "too")]),
        UnknownNameError("gene", "ISG1", ("ISG15", "MX1"), "color: "),
        MissingExtraError("parity", "eval"),
    ],
)
def test_an_error_is_the_same_after_a_journey(error: TwinError) -> None:
    there = pickle.loads(pickle.dumps(error))
    assert type(there) is type(error)
    assert str(there) == str(error)
    assert vars(there) == vars(error)
