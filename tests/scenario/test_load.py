"""A scenario file becomes a document, or a list of everything that is wrong with it."""

import json
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest
from ruamel.yaml import YAML

from twin.errors import InputError, ScenarioError
from twin.scenario.load import load_scenario, scenario_schema
from twin.scenario.timeline import AddSubstance

Write = Callable[..., Path]


def faults_of(file: Path, *sets: str) -> list[str]:
    with pytest.raises(ScenarioError) as caught:
        load_scenario(file, sets)
    assert str(caught.value).startswith(f"{file} cannot be run:\n  ")
    return [str(fault) for fault in caught.value.faults]


def test_a_good_file_is_read_in_the_inner_units(write: Write, good: str) -> None:
    loaded = load_scenario(write(good))
    scenario = loaded.scenario
    assert (scenario.duration, scenario.tick, scenario.n_ticks) == (24.0, 0.5, 48)
    assert scenario.substances["IFNB"].diffusivity == 30 * 3600
    assert scenario.processes["toy_turn"] == {}  # "toy_turn:" alone means with nothing set
    assert loaded.document["duration"] == "24 h"


def test_every_fault_is_told_at_once_with_its_line_and_key(write: Write, good: str) -> None:
    file = write(
        good,
        ("duration: 24 h", "duration: 48"),
        ("[500 um, 60 um, 60 um]", "[500 um, 60 um]"),
        ("count: 200", "count: 5.5\n      kount: 3"),
        ("diffusivity: 30 um^2/s", "diffusivity: 30 s"),
        ("start: 2 h", "start: 2 h, end: 1 h"),
        ("  every: 2 h", "  evry: 2 h"),
    )
    assert faults_of(file) == [
        "line 2, duration: 48 is not a time: write a number and a unit, like '6 h'",
        "line 7, compartments.tissue.box[2]: is missing: edges along x, y, z",
        "line 10, compartments.tissue.cells.count: 5.5 is not a whole number",
        "line 11, compartments.tissue.cells.kount: no such key; did you mean 'count'?",
        "line 16, substances.IFNB.diffusivity: '30 s' is not a diffusivity: "
        "write a number and a unit, like '30 um^2/s'",
        "line 21, signalling.secretion[0]: ends at 1 h, but starts at 2 h",
        "line 30, observe.evry: no such key; did you mean 'every'?",
    ]


@pytest.mark.parametrize(
    ("new", "told"),
    [
        ("timelin: []", "line 1, timelin: no such key; did you mean 'timeline'?"),
        ("seed: -1", "line 1, seed: -1 must be >= 0"),
        ("timeline: [{do: ad, at: 1 h}]", "do: 'ad' is none of add, wash_out, knock_out, remove"),
        ("timeline: [{at: 1 h}]", "timeline[0].do: is missing"),
        ("timeline: [7]", "timeline[0]: 7 is not a table of 'key: value' lines"),
        ("timeline:", "line 1, timeline: is empty: give a value, or leave the key away"),
        (
            "timeline: [{do: add, at: 1 h, substance: IFNB, dose: -3 U/mL}]",
            "timeline[0].dose: -3 U/mL is negative: a dose or concentration is >= 0",
        ),
        (
            "timeline: [{do: add, at: 1 h, substance: IFNB}]",
            "line 1, timeline[0].dose: is missing",
        ),
        ("execution: {chunk: 3}", "execution.chunk: 3 must be >= 16"),
    ],
)
def test_a_fault_is_told_in_the_users_words(write: Write, good: str, new: str, told: str) -> None:
    assert any(told in fault for fault in faults_of(write(f"{new}\n{good}")))


def test_a_value_that_could_be_two_things_is_told_once(write: Write, good: str) -> None:
    walls = write(good, ("half_life: 1 h", "half_life: 1 h\n    walls: {x_low: opn}"))
    assert faults_of(walls) == [
        "line 17, substances.IFNB.walls.x_low: 'opn' is none of closed, periodic; "
        "opn is not a concentration: write a number and a unit, like '100 U/mL'"
    ]
    shares = write(good, ("count: 200", "count: 200\n      composition: {B cells: -1}"))
    assert faults_of(shares) == ["line 11, compartments.tissue.cells.composition.B cells: -1 must be >= 0"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: 1\n\tb: 2\n", "line 2, no valid YAML: a tab stands"),
        ("a: [1\nb: 2", "line 2, no valid YAML: expected ',' or ']'"),
        ("a: *x", "line 1, no valid YAML: found undefined alias"),
        ("a: &x [*x]", "line 1, a[0]: an alias holds itself"),
        ("", "the file is empty"),
        ("- 1", "the file is no table"),
        ("a: 1\na: 2", "line 2, a: stands twice; first on line 1"),
        ("a: .nan", "line 1, a: .nan is no finite number"),
        ("a: !!python/object:os.system x", "the tag !!python/object:os.system is not allowed"),
        ("<<: {a: 1}", "YAML 1.2 has no merge key"),
        ("a: 1\n---\nb: 2", "no valid YAML"),
        ("\x00", "no valid YAML"),
        ("a: " + "[" * 3000, "nested too deeply"),
    ],
)
def test_text_that_is_no_scenario_is_refused_with_its_line(write: Write, text: str, told: str) -> None:
    assert told in faults_of(write(text))[0]


def test_aliases_that_multiply_are_stopped(write: Write) -> None:
    rows = "\n".join(f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 9)}]" for i in range(9))
    assert "do aliases multiply?" in faults_of(write(f"a: &a [1,2,3,4,5,6,7,8,9]\n{rows}"))[0]


def test_words_that_older_yaml_misread_stay_words(write: Write, good: str) -> None:
    file = write(good, ("name: patch", "name: NO\ndescription: 12:30\nreplicates: 1e3"))
    scenario = load_scenario(file).scenario
    assert (scenario.name, scenario.description, scenario.replicates) == ("NO", "12:30", 1000)
    file = write(good, ("name: patch", "%YAML 1.1\n---\nname: NO"))
    assert load_scenario(file).scenario.name == "NO"
    file = write(good, ("duration: 24 h", "duration: 12:30"))
    assert faults_of(file) == ["line 2, duration: 12:30 is not a time: write a number and a unit, like '6 h'"]


def test_a_key_is_text_whatever_it_looks_like(write: Write, good: str) -> None:
    file = write(good, ("count: 200", "count: 200\n      composition: {1: 0.5, true: 0.5, 1e3: 1}"))
    cells = load_scenario(file).scenario.compartments["tissue"].cells
    assert cells.source == "model"
    assert cells.composition == {"1": 0.5, "true": 0.5, "1e3": 1.0}


def test_an_extended_scenario_is_merged_table_by_table(write: Write, good: str) -> None:
    write(good, name="base.yaml")
    child = write("extends: base.yaml\nduration: 6 h\nobserve: {genes: [MX1], distance: null}\n", name="child.yaml")
    scenario = load_scenario(child).scenario
    assert scenario.duration == 6.0
    assert scenario.observe.genes == ("MX1",)  # a list is replaced
    assert scenario.observe.distance is None  # null takes a key away
    assert scenario.observe.every == 2.0  # the rest stays
    assert "extends" not in load_scenario(child).document


def test_a_fault_in_an_extended_file_names_that_file(write: Write, good: str) -> None:
    write(good, ("duration: 24 h", "duration: 24"), name="base.yaml")
    child = write("extends: base.yaml\nseed: -2\n", name="child.yaml")
    assert faults_of(child) == [
        "line 2, seed: -2 must be >= 0",
        "base.yaml, line 2, duration: 24 is not a time: write a number and a unit, like '6 h'",
    ]


def test_an_item_missing_in_a_replaced_list_is_told_where_the_new_list_stands(write: Write, good: str) -> None:
    write(
        good.replace("processes:", "timeline:\n- {do: remove, at: 1 h, cell_types: [pDC]}\nprocesses:"),
        name="base.yaml",
    )
    child = write("extends: base.yaml\n\ntimeline: [{do: knock_out, at: 1 h}]\n", name="child.yaml")
    assert faults_of(child)[0].startswith("line 3, timeline[0].gene: is missing")


def test_files_that_extend_each_other_in_a_circle_are_refused(write: Write) -> None:
    write("extends: b.yaml\n", name="a.yaml")
    file = write("extends: a.yaml\n", name="b.yaml")
    with pytest.raises(ScenarioError, match=r"line 1, extends: 'b.yaml' extends itself in a circle"):
        load_scenario(file)


def test_a_base_outside_the_folder_is_refused_unless_allowed(write: Write, good: str) -> None:
    write(good, name="base.yaml")
    child = write("name: child\nextends: ../base.yaml\n", name="inner/child.yaml")
    assert "line 2, extends: '../base.yaml' lies outside" in faults_of(child)[0]
    assert load_scenario(child, allow_outside=True).scenario.name == "child"


def test_a_base_that_is_not_there_is_told_at_its_line(write: Write) -> None:
    assert "line 1, extends: " in faults_of(write("extends: nowhere.yaml\n"))[0]


def test_set_overrides_values_lists_and_makes_tables(write: Write, good: str) -> None:
    sets = (
        "duration=6 h",
        "signalling.secretion.0.rate=10 molecules/h",
        "execution.chunk=64",
        "observe.genes=[MX1, ISG15]",
        "observe.distance=null",
        "processes.toy_source.share=1e-3",
    )
    scenario = load_scenario(write(good), sets).scenario
    assert scenario.duration == 6.0
    assert scenario.signalling.secretion[0].rate == pytest.approx(10 / 602214.076)
    assert scenario.execution.chunk == 64
    assert scenario.observe.genes == ("MX1", "ISG15")
    assert scenario.observe.distance is None
    assert scenario.processes["toy_source"] == {"pause": "2 h", "share": 0.001}


def test_a_wrong_override_is_told_as_one(write: Write, good: str) -> None:
    told = faults_of(write(good), "durtion=6 h", "tick=2", "observe.distance.sorce=pDC")
    assert sorted(told) == [
        "--set durtion: no such key; did you mean 'duration'?",
        "--set observe.distance.sorce: no such key; did you mean 'source'?",
        "--set tick: 2 is not a time: write a number and a unit, like '6 h'",
    ]


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("duration", "write key=value"),
        ("=3", "write key=value"),
        ("a..b=3", "write key=value"),
        ("name.x=3", "name is 'patch', nothing stands below it"),
        ("signalling.secretion.7.rate=1", "is a list with items 0 to 0, not '7'"),
        ("signalling.secretion.rate=1", "is a list with items 0 to 0, not 'rate'"),
        ("name=[", "no valid YAML"),
        ("name=!foo x", "the tag !foo is not allowed"),
    ],
)
def test_an_override_that_cannot_be_applied_is_refused(write: Write, good: str, override: str, told: str) -> None:
    with pytest.raises(InputError, match=r"^--set ") as caught:
        load_scenario(write(good), [override])
    assert told in str(caught.value)


def test_files_lie_beside_the_scenario_unless_the_user_types_them(
    write: Write, good: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(good, name="inner/patch.yaml")
    loaded = load_scenario(file)
    assert loaded.resolve("cells.h5ad") == tmp_path.resolve() / "inner" / "cells.h5ad"
    for outside in ("../cells.h5ad", "/etc/passwd"):
        with pytest.raises(InputError, match="lies outside the scenario's folder"):
            loaded.resolve(outside)
    (tmp_path / "inner" / "link").symlink_to(tmp_path)
    with pytest.raises(InputError, match="lies outside"):
        loaded.resolve("link/cells.h5ad")
    (tmp_path / "mine.h5ad").touch()
    monkeypatch.chdir(tmp_path)
    typed = load_scenario(
        write(
            good,
            ("source: model\n      count: 200", "source: h5ad\n      file: a.h5ad"),
            name="inner/h5ad.yaml",
        ),
        ["compartments.tissue.cells.file=mine.h5ad"],
    )
    assert typed.resolve(typed.document["compartments"]["tissue"]["cells"]["file"]) == tmp_path / "mine.h5ad"


def test_the_hash_names_the_content_not_the_spelling(write: Write, good: str) -> None:
    plain = load_scenario(write(good)).sha256
    commented = load_scenario(write(good.replace("tick: 30 min", "tick: '30 min'  # half")))
    assert commented.sha256 == plain
    assert load_scenario(write(good), ["seed=1"]).sha256 != plain


def test_a_fault_is_told_at_the_nearest_key_that_was_written(write: Write, good: str) -> None:
    loaded = load_scenario(write(good), ["execution.chunk=64"])
    assert str(loaded.fault(("observe", "genes", 0), "no")) == "line 30, observe.genes[0]: no"
    assert str(loaded.fault(("observe", "cells_every"), "no")) == "line 28, observe.cells_every: no"
    assert str(loaded.fault(("execution", "chunk"), "no")) == "--set execution.chunk: no"
    assert str(loaded.fault(("replicates",), "no")) == "replicates: no"


@pytest.mark.parametrize("what", ["missing", "folder", "large", "binary"])
def test_a_file_that_cannot_be_read_is_one_sentence(what: str, tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    if what == "folder":
        file.mkdir()
    elif what == "large":
        file.write_text("a: 1\n" * 1_100_000)
    elif what == "binary":
        file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError) as caught:
        load_scenario(file)
    assert str(caught.value).startswith(str(file))
    assert "\n" not in str(caught.value)


def test_the_schema_accepts_what_loads_and_refuses_a_misspelt_key(write: Write, good: str) -> None:
    schema = scenario_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    document = load_scenario(write(good)).document
    assert list(validator.iter_errors(document)) == []
    assert list(validator.iter_errors({"extends": "base.yaml"})) == []
    assert list(validator.iter_errors({**document, "timelin": []}))
    assert list(validator.iter_errors({**document, "duration": 24}))
    assert list(validator.iter_errors({"name": "nothing else"}))


def test_no_default_of_the_schema_is_a_number_that_a_file_may_not_hold() -> None:
    tick = scenario_schema()["properties"]["tick"]
    assert tick["type"] == "string"
    assert "default" not in tick


def test_a_loaded_event_is_of_its_kind(write: Write, good: str) -> None:
    file = write(
        good,
        ("processes:", "timeline:\n- {do: add, at: 1 h, substance: IFNB, dose: 0.01 ug/mL}\nprocesses:"),
    )
    event = load_scenario(file).scenario.timeline[0]
    assert isinstance(event, AddSubstance)
    assert event.dose.to_nanomolar(20_000.0, None) == 0.5


def test_our_reader_agrees_with_ruamel_on_plain_documents(write: Write, good: str) -> None:
    reference = YAML(typ="safe", pure=True).load(good)
    reference["processes"]["toy_turn"] = reference["processes"]["toy_feel"] = {}
    assert load_scenario(write(good)).document == reference


def test_the_schema_beside_the_scenarios_is_the_present_one() -> None:
    """Editors read it; write it anew with: twin schema --out scenarios/scenario.schema.json"""
    file = Path(__file__).parents[2] / "scenarios" / "scenario.schema.json"
    assert json.loads(file.read_text()) == scenario_schema()
