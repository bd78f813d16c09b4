"""Plain values of a YAML text: it is composed into nodes, and only plain scalars, lists and tables are made of them.

Tags, repeated keys and runaway aliases are refused, each at its line.
"""

from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from twin.errors import Fault, ScenarioError
from twin.scenario.overlay import Mark, Marked, Tree
from twin.scenario.overlay import Path as KeyPath

MOST_VALUES = 200_000  # values after aliases are spelt out; our choice, stops alias bombs
_TAG = "tag:yaml.org,2002:"


def compose(text: str) -> Node | None:
    """Return the node of a YAML text; nothing is made of it yet."""
    node: Node | None = YAML(typ="safe", pure=True).compose(text)
    return node


def parse(text: str, file: str, place: str) -> Marked:
    """Return the document of a YAML text, or raise all its faults as a ScenarioError."""
    try:
        node = compose(text)
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark is not None else None
        problem = str(error.problem)
        if "\\t" in problem:
            problem = "a tab stands where only spaces may: indent with spaces"
        raise ScenarioError(file, [Fault(line, "", f"no valid YAML: {problem}")]) from error
    except (YAMLError, RecursionError) as error:
        raise ScenarioError(file, [Fault(None, "", f"no valid YAML: {first_line(error)}")]) from error
    if not isinstance(node, MappingNode):
        what = "is empty" if node is None else "is no table of 'key: value' lines"
        raise ScenarioError(file, [Fault(None, "", f"the file {what}")])
    reader = Reader(place)
    tree = reader.plain(node, ())
    if reader.faults:
        raise ScenarioError(file, reader.faults)
    return Marked(tree, reader.marks)


def first_line(error: BaseException) -> str:
    """Return what an error of YAML says first."""
    if isinstance(error, RecursionError):
        return "nested too deeply"
    return str(error).splitlines()[0]


class Reader:
    """Makes plain values of YAML nodes, noting where each key stands."""

    def __init__(self, place: str) -> None:
        self.place = place
        self.marks: dict[KeyPath, Mark] = {}
        self.faults: list[Fault] = []
        self._values = 0
        self._open: set[int] = set()

    def plain(self, node: Node, path: KeyPath) -> Any:
        """Return what a node holds; faults are collected."""
        self._values += 1
        if self._values > MOST_VALUES:
            if self._values == MOST_VALUES + 1:
                self._fault(node, (), f"more than {MOST_VALUES:,} values: do aliases multiply?")
            return None
        if id(node) in self._open:
            self._fault(node, path, "an alias holds itself")
            return None
        if isinstance(node, ScalarNode):
            return self._scalar(node, path)
        self._open.add(id(node))
        try:
            if isinstance(node, MappingNode):
                return self._mapping(node, path)
            assert isinstance(node, SequenceNode), type(node)
            self._refuse_tag(node, path, "seq")
            items = []
            for index, item in enumerate(node.value):
                self._mark(item, (*path, index))
                items.append(self.plain(item, (*path, index)))
            return items
        finally:
            self._open.discard(id(node))

    def _mapping(self, node: MappingNode, path: KeyPath) -> Tree:
        self._refuse_tag(node, path, "map")
        table: Tree = {}
        for key, value in node.value:
            if not isinstance(key, ScalarNode):
                self._fault(key, path, "a key must be a word")
                continue
            below = (*path, key.value)
            if str(key.tag) == f"{_TAG}merge":
                self._fault(key, below, "YAML 1.2 has no merge key: write it out, or use extends")
            elif key.value in table:
                first = self.marks[below].line
                self._fault(key, below, f"stands twice; first on line {first}")
            else:
                self._mark(key, below)
                table[key.value] = self.plain(value, below)
        return table

    def _scalar(self, node: ScalarNode, path: KeyPath) -> Any:
        tag, text = str(node.tag).removeprefix(_TAG), str(node.value)
        if tag in ("str", "timestamp"):
            return text
        if tag == "null":
            return None
        if tag == "bool":
            return text.lower() == "true" if text.lower() in ("true", "false") else text
        if tag in ("int", "float"):
            return self._number(node, tag, text, path)
        self._refuse_tag(node, path, "str")
        return None

    def _number(self, node: ScalarNode, tag: str, text: str, path: KeyPath) -> Any:
        digits = text.replace("_", "")
        try:
            if tag == "int":
                prefixed = digits.lstrip("+-")[:2].lower() in ("0x", "0o", "0b")
                return int(digits, 0) if prefixed else int(digits)
            number = float(digits.lower().replace(".inf", "inf").replace(".nan", "nan"))
        except ValueError:
            return text
        if number - number != 0:  # infinite, or not a number
            self._fault(node, path, f"{text} is no finite number")
            return None
        return number

    def _refuse_tag(self, node: Node, path: KeyPath, plain: str) -> None:
        if str(node.tag) != f"{_TAG}{plain}":
            self._fault(node, path, f"the tag {str(node.tag).replace(_TAG, '!!')} is not allowed")

    def _mark(self, node: Node, path: KeyPath) -> None:
        line = node.start_mark.line + 1
        self.marks[path] = Mark(None, f"{self.place}line {line}, ") if self.place else Mark(line)

    def _fault(self, node: Node, path: KeyPath, message: str) -> None:
        self.faults.append(Marked({}, self.marks).fault(path, message))
        last = self.faults[-1]
        line = node.start_mark.line + 1
        if not self.place and last.line != line:
            self.faults[-1] = Fault(line, last.key, last.message)
