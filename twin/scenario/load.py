"""From a scenario file to a `Scenario`, with every fault at its line.

Files are not trusted: YAML is composed into nodes and only plain scalars are made of them, tags,
repeated keys and runaway aliases are refused, and no path leaves the scenario's folder unless the
user typed it.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from ruamel.yaml.error import YAMLError

from twin.errors import Fault, InputError, ScenarioError
from twin.scenario.faults import faults_of
from twin.scenario.intracellular import with_models
from twin.scenario.layout import fill_boxes
from twin.scenario.overlay import Key, Mark, Marked, Tree, merge, put, texts
from twin.scenario.overlay import Path as KeyPath
from twin.scenario.pairs import with_pairs
from twin.scenario.rules_file import lines_of
from twin.scenario.schema import Scenario
from twin.scenario.yaml_text import Reader, compose, first_line, parse

LARGEST_FILE = 5_000_000  # bytes; our choice: hand-written scenarios have thousands
FILES = (  # keys that name files
    ("world_model", "path"),
    ("compartments", "*", "world_model", "path"),
    ("variation", "donors", "calibrated"),
    ("compartments", "*", "cells", "file"),
    ("compartments", "*", "cells", "orthologs"),
    ("compartments", "*", "cells", "transcriptomes", "file"),
    ("compartments", "*", "cells", "spatial", "spots", "reference", "file"),
    ("rules",),
    ("rules", "file"),
    ("signalling", "pairs", "*", "file"),
    ("intracellular", "*", "file"),
    ("timeline", "*", "file"),
)


@dataclass(frozen=True)
class ScenarioSource:
    """A scenario as it was written: read, merged with what it extends, and overridden; not yet checked.

    file : the scenario's file.
    folder : where it lies; its paths start here.
    marked : the resolved document and where each key was written.
    typed : texts that the user gave on the command line.
    unread : what is wrong with files that belong to the document itself.
    """

    file: Path
    folder: Path
    marked: Marked
    typed: frozenset[str]
    allow_outside: bool
    unread: tuple[Fault, ...] = ()

    @property
    def document(self) -> Tree:
        """The resolved document: plain, JSON-able."""
        return self.marked.tree

    @property
    def sha256(self) -> str:
        """Hash of the resolved document; the order of keys counts, as it orders the substances."""
        text = json.dumps(self.document, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return sha256(text.encode()).hexdigest()

    def fault(self, loc: Sequence[Key], message: str) -> Fault:
        """Return a fault at a place of the document, with its line."""
        return self.marked.fault(loc, message)

    def error(self, faults: Sequence[Fault]) -> ScenarioError:
        """Return all faults as one error, in the order of the file."""
        once = dict.fromkeys(faults)
        return ScenarioError(str(self.file), sorted(once, key=lambda f: (f.line is None, f.line or 0)))

    def resolve(self, path_text: str) -> Path:
        """Return the path that a text of the scenario names.

        Raises
        ------
        InputError
            If it lies outside the scenario's folder and the user has not typed it.
        """
        return _inside(self.folder, path_text, allowed=self.allow_outside or path_text in self.typed)

    def validate(self) -> tuple[Scenario | None, list[Fault]]:
        """Return the checked document, or None and everything that is wrong with it."""
        try:
            scenario = Scenario.model_validate(self.document)
        except ValidationError as error:
            return None, [*self.unread, *faults_of(error, Scenario, self.marked)]
        if self.unread:
            return None, list(self.unread)
        joined, faults = with_pairs(scenario, self.resolve)
        if joined is not None:
            joined, faults = with_models(joined, lambda name: _text(self.resolve(name)))
        return joined, [self.fault(loc, message) for loc, message in faults]


@dataclass(frozen=True)
class LoadedScenario(ScenarioSource):
    """A scenario whose document is checked."""

    scenario: Scenario = field(kw_only=True)

    @classmethod
    def of(cls, source: ScenarioSource, scenario: Scenario) -> "LoadedScenario":
        """Join a source with its checked document."""
        return cls(**vars(source), scenario=scenario)

    def fault(self, loc: Sequence[Key], message: str) -> Fault:
        """Return a fault at a place of the document; of a signal that stands for a pair of a table, at the pairs."""
        keys = tuple(loc)
        if keys[:1] == ("signalling",) and keys[1:2] in (("reception",), ("contact",)) and len(keys) > 2:
            written = self.document["signalling"].get(str(keys[1])) or ()
            if isinstance(keys[2], int) and keys[2] >= len(written):
                return super().fault(("signalling", "pairs"), message)
        return super().fault(keys, message)


def load_scenario(path: str | Path, sets: Sequence[str] = (), *, allow_outside: bool = False) -> LoadedScenario:
    """Read and check a scenario file.

    Parameters
    ----------
    sets : overrides, "timeline.0.dose=10 ng/mL"; the value is read as YAML.
    allow_outside : whether the file may name files outside its own folder.

    Raises
    ------
    ScenarioError
        With all faults of the document.
    InputError
        If the file cannot be read or an override cannot be applied.
    """
    source = read_source(path, sets, allow_outside=allow_outside)
    scenario, faults = source.validate()
    if scenario is None:
        raise source.error(faults)
    return LoadedScenario.of(source, scenario)


def read_source(path: str | Path, sets: Sequence[str] = (), *, allow_outside: bool = False) -> ScenarioSource:
    """Read a scenario file, what it extends, and the overrides; as `load_scenario` without the check."""
    file = Path(path)
    folder = file.resolve().parent
    marked = _read(file, folder, allow_outside=allow_outside, chain=())
    typed: set[str] = set()
    for override in sets:
        typed |= _override(marked, override, folder)
    processes = marked.tree.get("processes")
    if isinstance(processes, dict):  # `mechanics:` alone means: with nothing set
        marked.tree["processes"] = {name: {} if c is None else c for name, c in processes.items()}
    unread = _with_rules(marked, folder, typed, allow_outside=allow_outside)

    def resolve(text: str) -> Path:
        return _inside(folder, text, allowed=allow_outside or text in typed)

    unread += [marked.fault(loc, message) for loc, message in fill_boxes(marked.tree, resolve)]
    return ScenarioSource(file, folder, marked, frozenset(typed), allow_outside, tuple(unread))


def _with_rules(marked: Marked, folder: Path, typed: set[str], *, allow_outside: bool) -> list[Fault]:
    """Put the rules of the file that the document names in its place, and return what is wrong with them."""
    named = marked.tree.get("rules")
    key: KeyPath = ("rules",)
    if isinstance(named, dict) and set(named) == {"file"}:
        named, key = named["file"], ("rules", "file")
    if not isinstance(named, str):
        return []  # a list of rules, or what the document's own check tells
    marked.tree["rules"] = []
    try:
        text = _text(_inside(folder, named, allowed=allow_outside or named in typed))
    except InputError as error:
        return [marked.fault(key, str(error).replace(f"{folder}/", ""))]
    known = marked.tree.get("substances")
    faults: list[Fault] = []
    for line in lines_of(text, known if isinstance(known, dict) else {}):
        place = f"{named}, line {line.number}, "
        if line.fault:
            faults.append(Fault(None, place.removesuffix(", "), line.fault))
        for rule in line.rules:
            marked.marks[("rules", len(marked.tree["rules"]))] = Mark(None, place)
            marked.tree["rules"].append(rule)
    return faults


def scenario_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of scenario files, for editors."""
    schema = Scenario.model_json_schema()
    _drop_numeric_defaults(schema)
    required = schema.pop("required")
    rules = schema["properties"]["rules"]
    file = {"type": "string", "description": "PhysiCell's eight-column CSV of rules, beside the scenario."}
    schema["properties"]["rules"] = {
        "anyOf": [
            rules,
            file,
            {"type": "object", "properties": {"file": file}, "required": ["file"], "additionalProperties": False},
        ]
    }
    schema["properties"]["extends"] = {
        "type": "string",
        "description": "A scenario beside this one: its tables are merged, its lists and values replaced; "
        "null takes a key away.",
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "anyOf": [{"required": ["extends"]}, {"required": required}],
    }


def _drop_numeric_defaults(schema: Any) -> None:
    """Take away the defaults of quantities: they are numbers of ours, a file needs a unit."""
    if isinstance(schema, dict):
        if schema.get("type") == "string" and not isinstance(schema.get("default", ""), str):
            del schema["default"]
        for value in schema.values():
            _drop_numeric_defaults(value)
    elif isinstance(schema, list):
        for value in schema:
            _drop_numeric_defaults(value)


def _inside(folder: Path, text: str, *, allowed: bool) -> Path:
    path = (folder / text).resolve()
    if not allowed and not path.is_relative_to(folder):
        raise InputError(f"{text!r} lies outside the scenario's folder: move it there, or name it with --set")
    return path


def _read(file: Path, root: Path, *, allow_outside: bool, chain: tuple[Path, ...]) -> Marked:
    """Read one file and, below it, the one it extends."""
    here = file.resolve()
    place = "" if not chain else f"{file.name}, "
    marked = parse(_text(file), str(file), place)
    base = marked.tree.pop("extends", None)
    if base is None:
        return marked
    at = marked.marks.pop(("extends",), Mark(None))
    fault = Fault(at.line, f"{at.place}extends", "")
    if not isinstance(base, str):
        raise ScenarioError(str(file), [Fault(fault.line, fault.key, f"{base!r} is not the name of a file")])
    try:
        target = _inside(root, str(here.parent / base), allowed=allow_outside)
        if target in (*chain, here):
            raise InputError(f"{base!r} extends itself in a circle")
        below = _read(target, root, allow_outside=allow_outside, chain=(*chain, here))
    except ScenarioError:
        raise
    except InputError as error:
        message = str(error).replace(str(here.parent / base), base)
        raise ScenarioError(str(file), [Fault(fault.line, fault.key, message)]) from error
    return merge(below, marked)


def _text(file: Path) -> str:
    try:
        if file.is_dir():
            raise InputError(f"{file} is a folder, not a scenario file")
        if file.stat().st_size > LARGEST_FILE:
            raise InputError(f"{file} has {file.stat().st_size} bytes; a scenario has at most {LARGEST_FILE}")
        return file.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise InputError(f"{file} is not there") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{file} is not text in UTF-8 (byte {error.start})") from error
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}") from error


def _override(marked: Marked, override: str, folder: Path) -> set[str]:
    """Apply one `--set key=value` in place and return the texts that it typed."""
    words, equals, text = override.partition("=")
    words = words.strip()
    if not equals or not words or not all(words.split(".")):
        raise InputError(f"--set {override}: write key=value, like duration='6 h' or timeline.0.dose='1 nM'")
    try:
        node = compose(text)
    except (YAMLError, RecursionError) as error:
        raise InputError(f"--set {override}: the value is no valid YAML ({first_line(error)})") from error
    reader = Reader("")
    value = None if node is None else reader.plain(node, ())
    if reader.faults:
        raise InputError(f"--set {override}: {reader.faults[0].message}")
    if isinstance(value, str) and _names_file(words):
        beside = Path.cwd() / value  # a path that is typed starts where the user stands
        value = str(beside) if beside.exists() and not (folder / value).exists() else value
    put(marked, words, value, reader.marks)
    return set(texts(value))


def _names_file(words: str) -> bool:
    keys = words.split(".")
    return any(
        len(keys) == len(known) and all(k in ("*", key) for key, k in zip(keys, known, strict=True)) for known in FILES
    )
