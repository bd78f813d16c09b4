"""The settings XML: read with care, and with a memory of what was read."""

from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from twin.errors import InputError

LARGEST_FILE = 50_000_000  # bytes; our choice: PhysiCell's samples have below 100,000
TRUE = ("true", "1", "yes")


class Node:
    """An element of the settings. What is asked of it is remembered, so that the rest can be told.

    element : as parsed. path : from the root, as the report has it. read : ids of elements that were asked for.
    """

    def __init__(self, element: ElementTree.Element, path: str, read: set[int]) -> None:
        self.element, self.path, self._read = element, path, read

    def find(self, path: str) -> "Node | None":
        """Return the first element at a path below, or None."""
        found = self.element.find(path)
        return None if found is None else self._below(found, path)

    def all(self, path: str) -> "list[Node]":
        """Return all elements at a path below."""
        return [self._below(found, path) for found in self.element.findall(path)]

    def text(self, path: str = "", default: str = "") -> str:
        """Return the text of an element, stripped."""
        found = self if not path else self.find(path)
        return default if found is None or found.element.text is None else found.element.text.strip()

    def number(self, path: str = "", default: float = 0.0) -> float:
        """Return the number in an element.

        Raises
        ------
        InputError
            If it holds something else.
        """
        text = self.text(path)
        if not text:
            return default
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if value - value != 0:
            where = f"{self.path}/{path}".rstrip("/")
            raise InputError(f"settings, {where}: {text!r} is not a finite number")
        return value

    def digits(self, path: str = "", default: str = "0") -> str:
        """Return the number in an element as the text that was written."""
        self.number(path)
        return (self.text(path) or default).lstrip("+")

    def flag(self, path: str, *, default: bool = False) -> bool:
        """Say whether the element at a path says true."""
        text = self.text(path)
        return default if not text else text.lower() in TRUE

    def is_enabled(self, *, default: bool = False) -> bool:
        """Say whether its attribute `enabled` says true."""
        given = self.element.get("enabled")
        return default if given is None else given.strip().lower() in TRUE

    def attribute(self, name: str, default: str = "") -> str:
        """Return an attribute, stripped."""
        return self.element.get(name, default).strip()

    def number_of(self, name: str, default: float) -> float:
        """Return the number in an attribute; what is none counts as the default."""
        try:
            return float(self.attribute(name))
        except ValueError:
            return default

    def pass_over(self, path: str = "") -> None:
        """Take an element and all below it as read."""
        for found in [self.element] if not path else self.element.findall(path):
            self._read.update(id(e) for e in found.iter())

    def unread(self) -> "Iterator[Node]":
        """Yield the highest elements below that hold something and were not asked for, nor anything below them."""
        for child in self.element:
            node = Node(child, f"{self.path}/{_tag(child)}".lstrip("/"), self._read)
            if not any(id(e) in self._read for e in child.iter()):
                if any((e.text or "").strip() or e.attrib for e in child.iter()):
                    yield node
            else:
                yield from node.unread()

    def _below(self, element: ElementTree.Element, path: str) -> "Node":
        self._read.add(id(element))
        return Node(element, f"{self.path}/{path}".strip("/"), self._read)


def read_settings(file: Path) -> Node:
    """Parse a settings file and return its root.

    Raises
    ------
    InputError
        If it cannot be read, is no XML of PhysiCell's, or declares entities.
    """
    try:
        size = file.stat().st_size
        if size > LARGEST_FILE:
            raise InputError(f"{file} has {size} bytes, at most {LARGEST_FILE} are read")
        data = file.read_bytes()
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}") from error
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data:
        raise InputError(f"{file} declares a document type or entities: settings have none, take that out")
    try:
        root = ElementTree.fromstring(data)
    except ElementTree.ParseError as error:
        raise InputError(f"{file} is no valid XML: {error}") from error
    if root.tag != "PhysiCell_settings":
        raise InputError(f"{file} begins with <{root.tag}>, settings of PhysiCell with <PhysiCell_settings>")
    return Node(root, "", set())


def _tag(element: ElementTree.Element) -> str:
    name = element.get("name")
    return f"{element.tag} {name!r}" if name else element.tag
