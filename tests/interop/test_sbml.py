"""SBML models: what they give against what is known, what they tell of themselves, and what is refused."""

import sys
from pathlib import Path

import numpy as np
import pytest

from tests.interop.sbml_models import (
    DELAY,
    TIME,
    apply,
    assignment,
    decay,
    event,
    math,
    rate,
    reaction,
    renewal,
    sbml,
    species,
)
from twin.errors import InputError, MissingExtraError
from twin.interop.sbml import Model, load_model

pytest.importorskip("roadrunner")


def model_of(text: str, **tolerances: float) -> Model:
    return load_model("made.xml", text=text, **tolerances)


def test_a_decay_is_exponential_within_the_tolerance() -> None:
    times = np.array([0.0, 1.0, 3.5, 10.0])
    exact = 10 * np.exp(-0.1 * times)
    assert model_of(decay()).simulate(times, ["A"])[:, 0] == pytest.approx(exact, rel=1e-7)
    loose = model_of(decay(), relative=1e-4, absolute=1e-6).simulate(times, ["A"])[:, 0]
    assert 1e-7 < np.abs(loose / exact - 1).max() < 1e-3


def test_times_come_in_any_order_and_repeated() -> None:
    model = model_of(decay())
    found = model.simulate([4.0, 0.0, 4.0], ["A", "time"])
    assert found[:, 1].tolist() == [4.0, 0.0, 4.0]
    assert found[0, 0] == found[2, 0] == pytest.approx(10 * np.exp(-0.4), rel=1e-7)
    model.reset()
    assert model.simulate([0.0, 0.0], ["A"]).tolist() == [[10.0], [10.0]]


def test_a_reset_evaluates_initial_assignments_anew() -> None:
    model = model_of(
        sbml(
            sizes={"c": 2.0},
            species=species("A")
            + species("B", 7.0)
            + species("N", 3.0, amount=True)
            + species("Q", 5.0, boundary=True)
            + species("P", 1.0, boundary=True),
            parameters={"j": 1.0, "k": 0.0, "m": 0.0, "p": 0.0},
            initial={
                "A": apply("times", "2", "j"),
                "k": apply("times", "3", "A"),
                "m": apply("plus", "B", "N"),
                "p": apply("plus", "P", "1"),
            },
        )
    )
    ids = ["A", "k", "m", "B", "N", "Q", "c"]
    start = [2.0, 6.0, 10.0, 7.0, 3.0, 5.0, 2.0]
    assert model.get(ids).tolist() == start
    model.reset({"j": 4.0, "Q": 6.0, "B": 9.0, "N": 1.0})
    assert model.get(ids).tolist() == [8.0, 24.0, 10.0, 9.0, 1.0, 6.0, 2.0]
    model.reset({"k": 1.5, "Q": 0.0})
    assert model.get(ids).tolist() == [2.0, 1.5, 10.0, 7.0, 3.0, 0.0, 2.0]
    model.reset()
    assert model.get(ids).tolist() == start
    for name in ("A", "P"):
        with pytest.raises(InputError, match=f"'{name}' cannot begin with another value, the initial assignment of"):
            model.reset({name: 1.0})


def test_concentrations_stay_when_a_compartment_has_another_size_and_amounts_stay_amounts() -> None:
    model = model_of(
        sbml(
            sizes={"c": 2.0},
            species=species("A")
            + species("B", 7.0)
            + species("N", 3.0, amount=True)
            + species("Q", 5.0, boundary=True),
            parameters={"k": 3.0, "m": 0.0},
            initial={"A": "k", "m": apply("plus", "B", "N")},
        )
    )
    ids = ["A", "B", "N", "Q", "m"]
    model.reset({"c": 5.0})
    assert model.get(ids).tolist() == [3.0, 7.0, 3.0, 5.0, 10.0]
    assert model.state().tolist() == [15.0, 35.0, 3.0]
    model.reset({"c": 5.0, "B": 1.0, "Q": 2.0})
    assert model.get(ids).tolist() == [3.0, 1.0, 3.0, 2.0, 4.0]
    model.set(["c"], [10.0])  # in the midst of a run nothing is poured in
    assert model.get(["A", "B", "N"]).tolist() == [1.5, 0.5, 3.0]


def test_an_event_fires_again_after_a_reset() -> None:
    model = model_of(
        sbml(
            species=species("A", 10.0),
            parameters={"k": 0.1},
            moving=("k",),
            reactions=reaction("r", apply("times", "c", "k", "A"), uses="A"),
            events=event("stop", apply("geq", TIME, "5"), "k", "0"),
        )
    )
    assert model.has_events
    assert not model.has_delayed_events
    assert model.reads_time
    assert model.state_ids == ("A", "k")
    for _ in range(2):
        model.reset()
        assert model.simulate([10.0], ["A", "k"])[0] == pytest.approx([10 * np.exp(-0.5), 0.0], rel=1e-7)


def test_two_instances_take_turns_in_one_model() -> None:
    model = model_of(decay(size=2.0))
    assert model.state_ids == ("A", "B")
    first, second = np.array([4.0, 0.0]), np.array([10.0, 1.0])  # amounts
    for hour in range(3):
        model.set_state(first)
        model.set(["k"], [0.5])
        model.advance(float(hour), 1.0)
        first = model.state()
        model.set_state(second)
        model.set(["k"], [0.2])
        model.advance(float(hour), 1.0)
        second = model.state()
        assert model.get(["A"])[0] == pytest.approx(second[0] / 2)
    assert first == pytest.approx([4 * np.exp(-1.5), 4 - 4 * np.exp(-1.5)], rel=1e-7)
    assert second == pytest.approx([10 * np.exp(-0.6), 11 - 10 * np.exp(-0.6)], rel=1e-7)


def test_rate_rules_and_what_they_move_are_state() -> None:
    model = model_of(
        sbml(
            species=species("W", 1.0, boundary=True),
            parameters={"y": 3.0, "k": 2.0},
            moving=("y",),
            rules=rate("W", "k") + rate("y", apply("times", "-1", "y")),
        )
    )
    assert model.state_ids == ("W", "y")
    assert model.simulate([1.0], ["W", "y"])[0] == pytest.approx([3.0, 3 * np.exp(-1.0)], rel=1e-7)
    model.set_state(np.array([5.0, 1.0]))
    assert model.state().tolist() == [5.0, 1.0]


def test_what_a_rule_computes_is_no_state() -> None:
    model = model_of(
        sbml(
            species=species("Z") + species("A", 4.0),
            parameters={"k": None, "m": 0.0},
            initial={"m": apply("times", "2", "k")},
            rules=assignment("Z", apply("times", "3", "A")),
            reactions=reaction("r", apply("times", "k", "A"), uses="A"),
        )
    )
    assert model.state_ids == ("A",)
    model.reset({"k": 1.0})
    assert model.get(["Z", "m"]).tolist() == [12.0, 2.0]
    model.set_state(np.array([5.0]))
    assert model.get(["A", "Z"]).tolist() == [5.0, 15.0]


@pytest.mark.parametrize("lose", [0.5, 1e-6])
def test_it_settles_where_rates_vanish_and_takes_no_slow_start_for_rest(lose: float) -> None:
    model = model_of(renewal(make=2 * lose, lose=lose))
    model.settle()
    assert model.get(["A", "time"]) == pytest.approx([2.0, 0.0], rel=1e-6)


def test_what_only_grows_does_not_settle() -> None:
    growing = model_of(sbml(species=species("A"), reactions=reaction("r", "1", makes="A")))
    with pytest.raises(InputError, match="comes to no steady state"):
        growing.settle()


def test_a_model_tells_what_it_is_made_of() -> None:
    minute = '<listOfUnits><unit kind="second" exponent="1" scale="0" multiplier="60"/></listOfUnits>'
    nano = '<listOfUnits><unit kind="mole" exponent="1" scale="-9" multiplier="1"/></listOfUnits>'
    model = model_of(
        sbml(
            units="".join(
                f'<unitDefinition id="{name}">{content}</unitDefinition>'
                for name, content in (("min", minute), ("nmol", nano))
            ),
            model='timeUnits="min" substanceUnits="nmol" volumeUnits="litre"',
            species=species("A", 1.0) + species("I", 2.0, boundary=True) + species("N", 1.0, amount=True),
            parameters={"k": 0.1, "z": 0.0},
            moving=("z",),
            rules=assignment("z", apply("plus", "A", "I")),
            reactions=reaction("r", apply("times", "k", "I"), uses="A", reads="I"),
        )
    )
    assert model.id == "made"
    assert model.time_hours == pytest.approx(1 / 60)
    assert (model.species, model.parameters) == (("A", "I", "N"), ("k", "z"))
    assert (model.compartments, model.reactions) == (("c",), ("r",))
    found = model.quantities
    assert (found["A"].units, found["N"].units, found["c"].units) == ("nmole/litre", "nmole", "litre")
    assert [found[q].set_by for q in ("A", "I", "k", "z")] == ["reactions", "", "", "assignment rule"]
    assert [found[q].settable for q in ("A", "I", "k", "z", "r")] == [True, True, True, False, False]
    assert (found["I"].boundary, found["N"].amount, found["z"].value) == (True, True, 3.0)
    assert model_of(decay()).time_hours is None


PACKAGE = 'xmlns:{0}="http://www.sbml.org/sbml/level3/version1/{0}/version1" {0}:required="true"'
X_IS_A = apply("minus", "x", "A")
REFUSED = {
    "fast reactions are not supported": sbml(species=species("A"), reactions=reaction("r", "1", makes="A", fast=True)),
    "'r': it has no kinetic law": sbml(species=species("A"), reactions=reaction("r", "", makes="A")),
    "has an algebraic rule": sbml(
        species=species("A"),
        parameters={"x": 1.0},
        moving=("x",),
        rules=f"<algebraicRule>{math(X_IS_A)}</algebraicRule>",
    ),
    "delay differential equations are not supported": sbml(
        species=species("A"),
        parameters={"x": 1.0},
        moving=("x",),
        rules=assignment("x", f"<apply>{DELAY}<ci>A</ci><cn>1</cn></apply>"),
    ),
    **{
        f"requires the SBML package '{name}'": decay().replace("<sbml ", f"<sbml {PACKAGE.format(name)} ")
        for name in ("comp", "qual", "multi", "arrays", "distrib")
    },
    r"line \d+: .*'zz' that is not the id": decay().replace("<ci>k</ci>", "<ci>zz</ci>"),
    r"line \d+: .*the compartment 'd' which is not defined": decay().replace('compartment="c"', 'compartment="d"', 1),
    r"line \d+: The parameter with id 'k' should have a constant value of 'false'": sbml(
        parameters={"k": 1.0}, events=event("e", apply("geq", TIME, "5"), "k", "0")
    ),
    "SBML of level 1: levels 2 and 3 are read": '<sbml xmlns="http://www.sbml.org/sbml/level1" level="1" version="2"/>',
    "begins with <html>": "<html></html>",
    "holds no <model>": f'<sbml xmlns="{"http://www.sbml.org/sbml/level3/version1/core"}" level="3" version="1"/>',
    "is no valid XML: .*line 1": "<sbml",
    "declares a document type": '<!DOCTYPE sbml [<!ENTITY a "b">]><sbml/>',
}


@pytest.mark.parametrize("told", REFUSED)
def test_what_cannot_be_run_is_refused_in_one_sentence(told: str) -> None:
    with pytest.raises(InputError, match=rf"^made\.xml.*{told}") as refused:
        model_of(REFUSED[told])
    assert "\n" not in str(refused.value)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.xml cannot be read: No such file"):
        load_model(tmp_path / "none.xml")


def test_a_value_that_cannot_be_given_is_told() -> None:
    model = model_of(
        sbml(
            species=species("A"),
            parameters={"k": None, "z": 0.0},
            moving=("z",),
            rules=assignment("z", "A"),
            reactions=reaction("r", "k", makes="A"),
        )
    )
    with pytest.raises(InputError, match=r"made\.xml: parameter 'k' has no value, give it one"):
        model.reset()
    model.reset({"k": 2.0})
    assert model.simulate([3.0], ["A"])[0, 0] == pytest.approx(6.0)
    with pytest.raises(InputError, match="'z' is computed by an assignment rule"):
        model.reset({"k": 1.0, "z": 1.0})
    with pytest.raises(InputError, match="'r' is computed by a rate law"):
        model.set(["r"], [1.0])
    with pytest.raises(InputError, match="nan is no value for 'k'"):
        model.reset({"k": float("nan")})
    with pytest.raises(InputError, match="no quantity is called 'kk'; did you mean k"):
        model.reset({"kk": 1.0})


def test_an_integration_that_fails_is_told_and_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    explodes = model_of(
        sbml(parameters={"x": 1.0}, moving=("x",), rules=rate("x", apply("times", "x", "x")))  # 1/(1 − t)
    )
    with pytest.raises(InputError, match=r"made\.xml cannot be integrated to time 10, it stops at 1: CVODE Error"):
        explodes.simulate([10.0], ["x"])
    assert capfd.readouterr() == ("", "")


def test_without_the_extra_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "roadrunner", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'twin\[sbml\]'"):
        model_of(decay())
