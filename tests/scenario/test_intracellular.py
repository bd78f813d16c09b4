"""The section `intracellular`: what is refused, with its place; its files; and that a run needs an optional part."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.plugins.sbml_texts import BINDING, DECAY, sbml
from twin.engine.identity import essence
from twin.engine.plan import check_file
from twin.errors import MissingExtraError, ScenarioError
from twin.interop.sbml import backend
from twin.scenario.load import load_scenario, scenario_schema
from twin.scenario.variants import name_faults

SCENARIO: dict[str, Any] = {
    "name": "inside",
    "duration": "1 h",
    "tick": "30 min",
    "world_model": {"name": "none"},
    "compartments": {
        "dish": {
            "box": ["60 um"] * 3,
            "spacing": "20 um",
            "cells": {"source": "model", "count": 8, "composition": {"mono": 1.0}},
        }
    },
    "substances": {"IFNB1": {"diffusivity": "30 um^2/s"}},
    "processes": {"sbml": {}, "diffusion": {}},
    "observe": {"every": "30 min"},
}
GOOD: dict[str, Any] = {"file": "m.xml", "cell_types": ["mono"], "concentration_unit": "nM"}


def write(folder: Path, xml: str = BINDING, sections: dict[str, Any] | None = None, **model: Any) -> Path:
    (folder / "m.xml").write_text(xml)
    file = folder / "inside.yaml"
    whole = {"m": {key: value for key, value in {**GOOD, **model}.items() if value is not None}}
    file.write_text(json.dumps({**SCENARIO, "intracellular": whole, **(sections or {})}))
    return file


def told(folder: Path, *given: Any, **model: Any) -> str:
    with pytest.raises(ScenarioError) as caught:
        check_file(write(folder, *given, **model))
    return str(caught.value)


def test_a_good_one_says_what_it_assumes(tmp_path: Path) -> None:
    pytest.importorskip("roadrunner")
    plan = check_file(write(tmp_path, inputs={"L": "field:IFNB1"}, spread={"R": 0.3}))[1]
    assert "m: m.xml (2 states) in each cell of mono, solved by CVODE (libRoadRunner)" in plan.describe()
    assert "m: R differs among cells, log-normal with 0.3" in plan.describe()


EVENT = (
    '<listOfEvents><event id="e" useValuesFromTriggerTime="true"><trigger initialValue="true" persistent="true">'
    '<math xmlns="http://www.w3.org/1998/Math/MathML"><apply><gt/><ci>X</ci><cn>1</cn></apply></math></trigger>'
    '<listOfEventAssignments><eventAssignment variable="X"><math xmlns="http://www.w3.org/1998/Math/MathML"><cn>0</cn>'
    "</math></eventAssignment></listOfEventAssignments></event></listOfEvents>"
)
STATELESS = sbml({"X": 1.0}, {"k": 1.0}, [("X", "", "k * X")], time="")


@pytest.mark.parametrize(
    ("text", "model", "expected"),
    [
        (BINDING, {"inputs": {"Q": "field:IFNB1"}}, "inputs.Q: no parameter, boundary species or compartment of m.xml"),
        (BINDING, {"inputs": {"C": "field:IFNB1"}}, "inputs.C: 'C' is a state of the model"),
        (BINDING, {"inputs": {"L": "field:IFNB"}}, "inputs.L: no substance is called 'IFNB'; did you mean IFNB1?"),
        (BINDING, {"inputs": {"L": "dose:IFNB1"}}, "inputs.L: no perturbation of the world model is called 'IFNB1'"),
        (BINDING, {"inputs": {"L": "gene:STAT1"}}, "inputs.L: no gene of the world model is called 'STAT1'"),
        (BINDING, {"inputs": {"L": "column:damage"}}, "inputs.L: no column of the cells is called 'damage'"),
        (BINDING, {"inputs": {"L": "IFNB1"}}, "inputs.L: 'IFNB1' is no signal of the tissue"),
        (BINDING, {"inputs": {"L": "field:IFNB1"}, "concentration_unit": None}, "m.xml states no molar unit of 'L'"),
        (
            BINDING,
            {"parameters": {"onn": 1.0}},
            "parameters: no parameter of m.xml that can be set is called 'onn'; did",
        ),
        (BINDING, {"parameters": {"C": 1.0}}, "parameters: no parameter of m.xml that can be set is called 'C'"),
        (BINDING, {"initial": {"RR": 1.0}}, "initial: no species of m.xml with a value at the start is called 'RR'"),
        (BINDING, {"spread": {"Z": 0.3}}, "spread: no parameter or species of m.xml is called 'Z'"),
        (BINDING, {"spread": {"R": 0.3}, "per": "type"}, "spread: it is of single cells: write per: cell"),
        (BINDING, {"exchange": {"S": {"substance": "IFNB1"}}}, "exchange.S: no species of m.xml that it changes is"),
        (BINDING, {"exchange": {"R": {"substance": "O2"}}}, "exchange.R.substance: no substance is called 'O2'"),
        (
            BINDING,
            {"exchange": {"R": {"substance": "IFNB1"}, "C": {"substance": "IFNB1"}}},
            "exchange.C.substance: IFNB1 is R already",
        ),
        (BINDING, {"exchange": {"R": {"substance": "IFNB1", "by": "membrane"}}}, "by: membrane needs a rate"),
        (BINDING, {"outputs": {"columns": ["D"]}}, "outputs.columns: no quantity of m.xml is called 'D'"),
        (
            BINDING,
            {"outputs": {"behaviours": {"apoptosis": {"of": "C", "per_unit": "1 um"}}}},
            "outputs.behaviours: apoptosis: '1 um' is not a rate",
        ),
        (
            BINDING,
            {"outputs": {"behaviours": {"apoptosis": {"of": "C", "per_unit": "1 /h"}}}},
            "no process of this scenario carries out 'apoptosis'; add 'death:'",
        ),
        (
            BINDING,
            {"outputs": {"doses": {"IFNB1": {"of": "C"}}}},
            "no process writes the dose; add one, like 'exposure:'",
        ),
        (
            BINDING,
            {"outputs": {"release": {"IL2": {"of": "C", "per_unit": "5 molecules/h"}}}},
            "outputs.release: no substance is called 'IL2'",
        ),
        (BINDING, {"cell_types": ["monocyte"]}, "cell_types[0]: no cell type is called 'monocyte'; did you mean mono?"),
        (BINDING, {"time_unit": "um"}, "time_unit: 'um' is not a unit of time: write min"),
        (BINDING, {"concentration_unit": "ng/mL"}, "concentration_unit: 'ng/mL' is not a unit of concentration"),
        (BINDING, {"file": "n.xml"}, "intracellular.m.file: "),
        (BINDING, {"text": "<sbml/>"}, "text is no key"),
        (STATELESS, {}, "time_unit: m.xml states no unit of time: write time_unit: s, min or h"),
        (DECAY.replace("</model>", EVENT + "</model>"), {}, "file: m.xml has events"),
        (DECAY.replace("<ci>k</ci>", "<ci>kk</ci>"), {}, "intracellular.m.file: m.xml, line 2"),
        ("no XML", {}, "intracellular.m.file: m.xml is no valid XML"),
    ],
)
def test_what_cannot_be_is_told_at_its_place(tmp_path: Path, text: str, model: dict[str, Any], expected: str) -> None:
    pytest.importorskip("roadrunner")
    assert expected in told(tmp_path, text, None, **model)


def test_rules_and_sections_that_nobody_serves_are_told(tmp_path: Path) -> None:
    pytest.importorskip("roadrunner")
    rule = {"cell_type": "mono", "response": "increases", "behaviour": "apoptosis", "saturation": "1 /h", "half_max": 1}
    processes: dict[str, Any] = {"sbml": {}, "diffusion": {}, "rules": {}, "death": {}}
    for signal, expected in (
        ("sbml:m.CC", "rules[0].signal: no state or column of m is called 'CC'"),
        ("sbml:n.C", "rules[0].signal: no model under intracellular is called 'n'"),
        ("sbml:m", "names no quantity of the model: write sbml:m. and one of its SBML ids"),
    ):
        found = told(tmp_path, BINDING, {"rules": [{**rule, "signal": signal}], "processes": processes})
        assert expected in found
        assert found.count("rules[0].signal") == 1
    lonely = told(tmp_path, BINDING, {"processes": {"diffusion": {}}})
    assert "intracellular: no process steps these models; add 'sbml:' under processes" in lonely


def test_the_model_counts_as_a_part_of_the_trajectory(tmp_path: Path) -> None:
    file = write(tmp_path)
    first = load_scenario(file)
    assert first.scenario.intracellular["m"].text == BINDING
    before = essence(first)
    (tmp_path / "m.xml").write_text(DECAY)
    assert essence(load_scenario(file)) != before
    (tmp_path / "deep").mkdir()
    outside = write(tmp_path / "deep", sections={"intracellular": {"m": {**GOOD, "file": "../m.xml"}}})
    with pytest.raises(ScenarioError, match=r"'../m.xml' lies outside the scenario's folder"):
        load_scenario(outside)


def test_what_a_model_is_made_of_cannot_change_at_a_fork(tmp_path: Path) -> None:
    def found(key: str) -> list[str]:
        branches = {"other": {"at": "30 min", "set": {key: 3.0}}}
        loaded = load_scenario(write(tmp_path, sections={"branches": branches}))
        return [fault.message for fault in name_faults(loaded, loaded.scenario, ())]

    assert found("intracellular.m.parameters.on") == []
    assert found("intracellular.m.initial.R") == ["was settled when the past began: sweep over it instead"]


def test_without_the_extra_the_command_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(what: str = "an SBML model") -> None:
        raise MissingExtraError(what, "sbml")

    fresh = sbml({"X": 1.0}, {"gone": 1.0}, [("X", "", "gone * X")])  # of which no instance waits
    monkeypatch.setattr(backend, "roadrunner", missing)
    monkeypatch.setattr("twin.interop.sbml.model.roadrunner", missing)
    with pytest.raises(MissingExtraError, match=r"pip install 'twin\[sbml\]'") as caught:
        check_file(write(tmp_path, fresh))
    assert caught.value.exit_code == 3


def test_editors_know_that_a_signal_alone_may_stand_for_an_input() -> None:
    schema = scenario_schema()["$defs"]
    assert schema["Input"]["anyOf"][0]["type"] == "string"
    assert "text" not in schema["Intracellular"]["properties"]
