"""A document with a mark on every key that says where it was written; merging and overriding it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from twin.errors import Fault, InputError

Key = str | int
Path = tuple[Key, ...]
Tree = dict[str, Any]  # plain YAML: dicts with text keys, lists, text, numbers, booleans, None


@dataclass(frozen=True)
class Mark:
    """Where a key was written: `line` of the main file; `place` names any other origin."""

    line: int | None
    place: str = ""


@dataclass
class Marked:
    """A document and the mark of every key and list item in it."""

    tree: Tree
    marks: dict[Path, Mark] = field(default_factory=dict)

    def fault(self, loc: Sequence[Key], message: str) -> Fault:
        """Return a fault at `loc`, on the line of the nearest key that was really written."""
        path = tuple(loc)
        mark = next((self.marks[path[:n]] for n in range(len(path), 0, -1) if path[:n] in self.marks), None)
        if mark is None:
            return Fault(None, key_text(path), message)
        return Fault(mark.line, f"{mark.place}{key_text(path)}", message)


def key_text(path: Sequence[Key]) -> str:
    """Return a path as a user reads it: timeline[0].dose."""
    text = ""
    for key in path:
        text += f"[{key}]" if isinstance(key, int) else f".{key}" if text else key
    return text


def merge(base: Marked, over: Marked) -> Marked:
    """Return `base` overlaid by `over`: tables are merged, lists and values replaced, null removes.

    Source
    ------
    JSON Merge Patch, RFC 7396.
    """
    tree = _patch(base.tree, over.tree)
    marks = {path: mark for path, mark in {**base.marks, **over.marks}.items() if _holds(tree, path)}
    for path in list(marks):
        if path not in over.marks and _replaced(over.tree, path):
            del marks[path]
    return Marked(tree, marks)


def _patch(base: Any, over: Any) -> Any:
    if not isinstance(over, dict):
        return over
    merged = dict(base) if isinstance(base, dict) else {}
    for key, value in over.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = _patch(merged.get(key), value)
    return merged


def _holds(tree: Any, path: Path) -> bool:
    for key in path:
        if isinstance(tree, dict):
            if key not in tree:
                return False
        elif not (isinstance(tree, list) and isinstance(key, int) and key < len(tree)):
            return False
        tree = tree[key]
    return True


def _replaced(over: Any, path: Path) -> bool:
    """Say whether `over` puts a list or a value somewhere above `path`."""
    for key in path:
        if not isinstance(over, dict):
            return True
        if key not in over:
            return False
        over = over[key]
    return False


TYPED = Mark(None, "--set ")  # what stands on the command line


def put(marked: Marked, words: str, value: Any, marks: Mapping[Path, Mark], mark: Mark = TYPED) -> Path:
    """Put a value at a dotted path (`timeline.0.dose`), in place; null removes a key.

    Parameters
    ----------
    marks : marks inside the value, by their paths below it.
    mark : where it was written that this is put there.

    Raises
    ------
    InputError
        If a list has no such item or a plain value stands in the way.
    """
    typed = "--set " if mark is TYPED else ""
    path: Path = ()
    here: Any = marked.tree
    keys = words.split(".")
    for n, word in enumerate(keys):
        last = n == len(keys) - 1
        if isinstance(here, list):
            if not (word.isdecimal() and int(word) < len(here)):
                has = f"items 0 to {len(here) - 1}" if here else "no items"
                raise InputError(f"{typed}{words}: {key_text(path)} is a list with {has}, not {word!r}")
            key: Key = int(word)
        elif isinstance(here, dict):
            key = word
        else:
            raise InputError(f"{typed}{words}: {key_text(path)} is {here!r}, nothing stands below it")
        path = (*path, key)
        if last:
            break
        if isinstance(here, dict) and here.get(key) is None:
            here[key] = {}
            marked.marks[path] = mark
        here = here[key]
    if value is None and isinstance(here, dict):
        here.pop(path[-1], None)
    else:
        here[path[-1]] = value
    for old in [p for p in marked.marks if p[: len(path)] == path]:
        del marked.marks[old]
    marked.marks[path] = mark
    for below in marks:
        marked.marks[(*path, *below)] = mark
    return path


def texts(tree: Any) -> Iterator[str]:
    """Yield every text value in a document."""
    if isinstance(tree, str):
        yield tree
    elif isinstance(tree, dict):
        for value in tree.values():
            yield from texts(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from texts(value)
