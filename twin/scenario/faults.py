"""What pydantic found wrong, in the words of the file and the user."""

from collections.abc import Sequence
from difflib import get_close_matches
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from twin.errors import Fault
from twin.scenario.overlay import Key, Marked, Path


def faults_of(
    error: ValidationError, model: type[BaseModel], marked: Marked, prefix: Sequence[Key] = ()
) -> list[Fault]:
    """Return one fault for each thing wrong.

    Parameters
    ----------
    error : what validating the part of the document at `prefix` as `model` raised.
    """
    told: dict[Path, list[str]] = {}
    unions: dict[Path, set[Path]] = {}  # where a plain union stands → where its members failed
    for detail in error.errors(include_url=False):
        where = _Place(model, detail["loc"])
        path, message = where.path, _message(detail, where)
        if detail["type"] in ("union_tag_invalid", "union_tag_not_found"):
            path = (*path, str(detail["ctx"]["discriminator"]).strip("'"))
        if where.union is not None:
            unions.setdefault(where.union, set()).add(path)
        told.setdefault(path, []).append(message)
    for union, paths in unions.items():
        if paths != {union}:  # one member got further than the others: only that one is meant
            told.pop(union, None)
    return [marked.fault((*prefix, *path), "; ".join(dict.fromkeys(messages))) for path, messages in told.items()]


class _Place:
    """A pydantic location as a path of the document, without the parts that name union members.

    path : keys as they stand in the file.
    union : path of the union of plain types (no tags) that the location went through, or None.
    table : the model that the last key belongs to.
    field : the field that the location ends at, or None.
    """

    def __init__(self, model: type[BaseModel], loc: Sequence[Key]) -> None:
        self.path: Path = ()
        self.union: Path | None = None
        self.table: type[BaseModel] | None = None
        self.field: FieldInfo | None = None
        self._walk(model, None, tuple(loc))

    def _walk(self, kind: Any, tag: str | None, loc: tuple[Key, ...]) -> None:
        if get_origin(kind) is Annotated:
            tag = next((m.discriminator for m in kind.__metadata__ if _has_tag(m)), tag)
            self._walk(kind.__origin__, tag, loc)
        elif get_origin(kind) in (Union, UnionType):
            self._walk_union(kind, tag, loc)
        elif loc and isinstance(kind, type) and issubclass(kind, BaseModel):
            self.table = kind
            self.path = (*self.path, loc[0])
            fields = {f.alias or name: f for name, f in kind.model_fields.items()}
            found = fields.get(str(loc[0]))
            self.field = found
            if found is not None:
                named = found.discriminator if isinstance(found.discriminator, str) else None
                self._walk(found.annotation, named, loc[1:])
        elif loc and get_origin(kind) is dict:
            self.path = (*self.path, loc[0])
            self._walk(get_args(kind)[1], None, loc[1:])
        elif loc and get_origin(kind) in (tuple, list) and isinstance(loc[0], int):
            self.path = (*self.path, loc[0])
            kinds = get_args(kind)
            same = len(kinds) == 1 or kinds[-1] is ...
            self._walk(kinds[0] if same or loc[0] >= len(kinds) else kinds[loc[0]], None, loc[1:])

    def _walk_union(self, kind: Any, tag: str | None, loc: tuple[Key, ...]) -> None:
        members = [m for m in get_args(kind) if m is not type(None)]
        if len(members) == 1:
            self._walk(members[0], tag, loc)
        elif loc and tag is not None:
            chosen = next((m for m in members if loc[0] in get_args(m.model_fields[tag].annotation)), None)
            if chosen is not None:
                self._walk(chosen, None, loc[1:])
        elif loc:
            self.union = self.path
            chosen = next((m for m in members if _is_label(str(loc[0]), m)), None)
            self._walk(chosen, None, loc[1:])


def _has_tag(metadata: Any) -> bool:
    return isinstance(metadata, FieldInfo) and isinstance(metadata.discriminator, str)


def _is_label(label: str, kind: Any) -> bool:
    """Say whether pydantic's label of a union member is this type's."""
    while get_origin(kind) is Annotated:
        kind = kind.__origin__
    origin = get_origin(kind) or kind
    name = "literal" if origin is Literal else getattr(origin, "__name__", "")
    return label == name or label.startswith(f"{name}[")


_TYPES = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "string": "text: put it in quotes",
    "tuple": "a list",
    "list": "a list",
    "dict": "a table of 'key: value' lines",
    "model": "a table of 'key: value' lines",
}
_LIMITS = {"greater_than": ">", "greater_than_equal": ">=", "less_than": "<", "less_than_equal": "<="}


def _message(detail: ErrorDetails, where: _Place) -> str:
    kind, given, about = detail["type"], detail["input"], detail.get("ctx", {})
    if kind == "extra_forbidden":
        return _no_such_key(where)
    if kind == "missing":
        return f"is missing{_expected(where.field)}"
    if kind == "union_tag_not_found":
        return "is missing: it says which kind this is"
    if kind == "union_tag_invalid":
        return f"{about['tag']!r} is none of {str(about['expected_tags']).replace(chr(39), '')}"
    if kind == "value_error":
        return str(about["error"]) if "error" in about else detail["msg"].removeprefix("Value error, ")
    if given is None:
        return "is empty: give a value, or leave the key away"
    if kind == "literal_error":
        return f"{_shown(given)} is none of {str(about['expected']).replace(chr(39), '').replace(' or ', ', ')}"
    if kind in _LIMITS:
        return f"{given} must be {_LIMITS[kind]} {next(iter(about.values())):g}"
    if kind in ("too_short", "string_too_short"):
        return f"needs at least {about.get('min_length', 1)} {_entries(kind)}, has {len(given)}"
    if kind in ("too_long", "string_too_long"):
        return f"has {len(given)} {_entries(kind)}, at most {about['max_length']} are allowed"
    expected = _TYPES.get(kind.split("_")[0])
    if expected is not None:
        return f"{_shown(given)} is not {expected}"
    return f"{_shown(given)}: {detail['msg'][0].lower()}{detail['msg'][1:]}"


def _entries(kind: str) -> str:
    return "characters" if kind.startswith("string") else "entries"


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _no_such_key(where: _Place) -> str:
    fields = where.table.model_fields if where.table is not None else {}
    known = sorted(field.alias or name for name, field in fields.items())
    near = get_close_matches(str(where.path[-1]), known, n=1, cutoff=0.6)
    if near:
        return f"no such key; did you mean {near[0]!r}?"
    return f"no such key; known here: {', '.join(known)}" if known else "no such key; nothing can be set here"


def _expected(field: FieldInfo | None) -> str:
    """Return what a missing field is, from its own JSON schema."""
    if field is None:
        return ""
    about = field.description or ""
    if not about:
        adapter: TypeAdapter[Any] = TypeAdapter(Annotated[field.annotation, field])  # type: ignore[arg-type]  # a runtime type
        about = adapter.json_schema().get("description", "")
    about = about.rstrip(".")
    return f": {about[0].lower()}{about[1:]}" if about else ""
