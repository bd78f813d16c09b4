"""PhysiCell's rules file: read unchanged, its units ours, its faults at their line."""

import json
from pathlib import Path
from typing import Any

import pytest

from twin.engine.plan import check_file
from twin.errors import ScenarioError
from twin.scenario.behaviours import value_of
from twin.scenario.load import load_scenario
from twin.scenario.rules_file import canonical_behaviours, canonical_signal, lines_of
from twin.scenario.signals import half_max_of

RULES = """\
// macrophages wake up
M0,debris,increases,transform to M1,0.05,0.005,4,0

M0,oxygen,decreases,migration speed,0.1,5,4,1
M0,grad(debris),promotes,migration bias,1,0.5,2,0
M0,total attack time,increases,apoptosis,0.1,30,8,0
M0,volume,decreases,phagocytose dead cell,0,6000,4,0
M0,pressure,decreases,debris export,1000,1,4,0
"""


def write(folder: Path, rules: Any = "rules.csv", text: str = RULES, **changes: Any) -> Path:
    (folder / "rules.csv").write_text(text)
    scenario = {
        "name": "rules",
        "duration": "1 h",
        "tick": "6 min",
        "world_model": {"name": "none"},
        "compartments": {
            "box": {"box": ["50 um"] * 3, "cells": {"source": "model", "count": 3, "composition": {"M0": 1, "M1": 0}}}
        },
        "substances": {
            "oxygen": {"diffusivity": "1e5 um^2/min", "solubility": "1.3 uM/mmHg"},
            "debris": {"diffusivity": "1 um^2/min"},
        },
        "rules": rules,
        "processes": {"mechanics": {}, "diffusion": {}, "rules": {}},
        **changes,
    }
    file = folder / "rules.yaml"
    file.write_text(json.dumps(scenario))
    return file


def faults_of(file: Path) -> list[str]:
    with pytest.raises(ScenarioError) as caught:
        check_file(file)
    return [str(fault) for fault in caught.value.faults]


@pytest.mark.parametrize("named", ["rules.csv", {"file": "rules.csv"}])
def test_a_file_of_rules_is_read_in_the_inner_units(tmp_path: Path, named: Any) -> None:
    scenario = load_scenario(write(tmp_path, named)).scenario
    values = [
        (r.behaviour, value_of(r.behaviour, r.saturation, scenario), half_max_of(r.signal, r.half_max, scenario))
        for r in scenario.rules
    ]
    assert values == [
        ("transform to M1", 3.0, 0.005),  # 0.05 /min; a dimensionless 1 is 1 nM
        ("migration speed", 6.0, 6500.0),  # 0.1 um/min; 5 mmHg of a gas with a solubility
        ("migration bias", 1.0, 0.5),
        ("apoptosis", 6.0, 0.5),  # 30 min
        *((f"phagocytose {how} cell", 0.0, 6000.0) for how in ("apoptotic", "necrotic", "other dead")),
        ("debris export", pytest.approx(0.06), 1.0),  # 1000 nM·µm³/min are 1e-3 amol/min
    ]
    assert [r.response for r in scenario.rules[:3]] == ["increases", "decreases", "increases"]
    assert [r.applies_to_dead for r in scenario.rules[:3]] == [False, True, False]
    assert [r.power for r in scenario.rules[:4]] == [4, 4, 2, 8]


def test_the_record_of_a_run_holds_the_rules_themselves(tmp_path: Path) -> None:
    loaded = load_scenario(write(tmp_path))
    assert loaded.document["rules"][0] == {
        "cell_type": "M0",
        "signal": "debris",
        "response": "increases",
        "behaviour": "transform to M1",
        "saturation": "0.05 /min",
        "half_max": "0.005 nM",
        "power": 4.0,
        "applies_to_dead": False,
    }
    other = load_scenario(write(tmp_path, text=RULES.replace("0.05", "0.06")))
    assert other.sha256 != loaded.sha256


def test_a_header_a_byte_order_mark_and_tabs_are_read_too(tmp_path: Path) -> None:
    header = "Cell type,Signal,Direction,Behavior,Max response,Half-max,Hill power,Applies to dead\n"
    assert (
        load_scenario(write(tmp_path, text="\ufeff" + header + RULES)).scenario.rules
        == load_scenario(write(tmp_path, text=RULES.replace(",", "\t"))).scenario.rules
    )


def test_each_fault_of_the_file_is_told_at_its_line(tmp_path: Path) -> None:
    text = (
        "M0,debris,increases,apoptosis,0.1,1,4\n"
        "M0,debris,increases,apoptosis,0.1,one,4,0\n"
        "M0,debris,hinders,apoptosis,0.1,1,4,0\n"
        "M0,debris,increases,apoptosis,0.1,1,4,2\n"
        "M0,,increases,apoptosis,0.1,1,4,0\n"
        "M0,debris,increases,apoptosis,0,0.1,1,4,0\n"
        "M0,apoptosis,0,0,0.1,debris,increases,1,4,0\n"
    )
    told = faults_of(write(tmp_path, text=text))
    assert [fault.partition(": ")[0] for fault in told] == [f"rules.csv, line {n}" for n in range(1, 8)]
    for fault, what in zip(
        told,
        (
            "has 7 columns: a rule has 8",
            "half-max is 'one', not a finite number",
            "'hinders' is neither 'increases' nor 'decreases'",
            "applies to dead is 2, not 0 or 1",
            "has no signal",
            "has 9 columns: this is version 1 of the grammar, with the base value in column 5",
            "has 10 columns: this is the prototype of the grammar",
        ),
        strict=True,
    ):
        assert what in fault


def test_what_a_rule_names_and_nobody_knows_is_told_at_its_line(tmp_path: Path) -> None:
    text = (
        "// one\n"
        "M2,debris,increases,apoptosis,0.1,1,4,0\n"
        "M0,debri,increases,apoptosis,0.1,1,4,0\n"
        "M0,debris,increases,apoptosys,0.1,1,4,0\n"
        "M0,debris,increases,apoptosis,-0.1,1,4,0\n"
        "M0,debris,increases,apoptosis,0.1,1,4,0\n"
        "M0,damage,increases,apoptosis,0.1,1,4,0\n"
        "M0,gene:HIF1A,increases,necrosis,0.1,1,4,0\n"
    )
    told = faults_of(write(tmp_path, text=text))
    for what in (
        "rules.csv, line 2, rules[0].cell_type: no cell type is called 'M2'",
        "rules.csv, line 3, rules[1].signal: no signal is called 'debri'; did you mean debris",
        "rules.csv, line 4, rules[2].behaviour: no behaviour is called 'apoptosys'; did you mean apoptosis",
        "rules.csv, line 5, rules[3].saturation: -0.1 /min is below what is possible",
        "rules.csv, line 6, rules[4].signal: 'debris' increases 'apoptosis' of M0 already by rules[3]",
        "rules.csv, line 7, rules[5].signal: 'damage' is not known without a process that brings 'damage': "
        "add one, like 'interactions:' under processes",
        "rules.csv, line 8, rules[6].signal: no gene of the world model is called 'HIF1A'",
    ):
        assert any(fault.startswith(what) for fault in told), (what, told)
    assert not any("processes.rules" in fault for fault in told)  # each is told once


@pytest.mark.parametrize(
    ("rules", "told"),
    [
        ("none.csv", "line 1, rules: none.csv is not there"),
        ({"file": "../rules.csv"}, "line 1, rules.file: '../rules.csv' lies outside the scenario's folder"),
        ({"fil": "rules.csv"}, "rules"),
        (7, "rules"),
    ],
)
def test_a_file_that_cannot_be_read_is_told_at_the_key(tmp_path: Path, rules: Any, told: str) -> None:
    assert any(told in fault for fault in faults_of(write(tmp_path, rules)))


def test_rules_that_nobody_carries_out_are_a_fault(tmp_path: Path) -> None:
    told = faults_of(write(tmp_path, processes={"mechanics": {}, "diffusion": {}}))
    assert "line 1, rules: no process carries them out; add one, like 'rules:' under processes" in told


def test_other_words_of_physicell_mean_ours() -> None:
    assert canonical_signal("internalized oxygen") == "intracellular oxygen"
    assert canonical_signal("gradient of oxygen") == "oxygen gradient"
    assert canonical_signal("custom: mood") == "custom:mood"
    assert canonical_signal("contact with live cells") == "contact with live cell"
    assert canonical_signal("contact with macrophages") == "contact with macrophages"
    assert canonical_behaviours("transition to M1") == ("transform to M1",)
    assert canonical_behaviours("oxygen secretion saturation density") == ("oxygen secretion target",)
    assert canonical_behaviours("exit from cycle phase 0") == ("cycle entry",)
    assert canonical_behaviours("exit from cycle phase 1") == ("exit from cycle phase 1",)


def test_a_file_of_comments_has_no_rules() -> None:
    assert list(lines_of("// nothing\n\n", {})) == []
