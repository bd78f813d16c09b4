"""What a request brings, checked before it is used: whatever it is, it ends as a value or as one sentence."""

import json
import math
from collections.abc import Mapping
from typing import Any, NoReturn

from aiohttp import web

from twin.errors import InputError

DIGITS = 9  # of a number in an address that are read; our choice: Python reads no more than some thousand
SHOWN = 40  # characters of a wrong value that its sentence repeats; our choice


async def body(request: web.Request) -> dict[str, Any]:
    """Return the JSON object that a request brings; an empty body is an empty object.

    Raises
    ------
    InputError
        If it is no JSON, or no object, or holds NaN or an infinite number.
    """
    sent = await request.read()
    if not sent.strip():
        return {}
    try:
        found = json.loads(sent, parse_constant=_no_number)
    except RecursionError:
        raise InputError("the request is nested too deeply: send a flat JSON object") from None
    except ValueError as error:
        raise InputError(f"the request is no JSON: {error}") from None
    if not isinstance(found, dict):
        raise InputError("the request is no JSON object: send one, like {}")
    return found


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


def text(given: Mapping[str, Any], key: str, default: str | None = None, longest: int = 1000) -> str:
    """Return a text of a request.

    Raises
    ------
    InputError
        If it is missing and there is no default, is no text, or is too long.
    """
    found = given.get(key, default)
    if not isinstance(found, str):
        raise InputError(f"{key}: {_shown(found)} is no text")
    if len(found) > longest:
        raise InputError(f"{key}: {len(found)} characters are too many, at most {longest}")
    return found


def number(
    given: Mapping[str, Any], key: str, low: float, high: float, default: float | None = None, units: str = ""
) -> float:
    """Return a number of a request, from `low` to `high`.

    Raises
    ------
    InputError
        If it is missing and there is no default, is no finite number, or lies outside.
    """
    found = given.get(key, default)
    if isinstance(found, bool) or not isinstance(found, int | float) or not math.isfinite(found):
        raise InputError(f"{key}: {_shown(found)} is no number")
    if not low <= found <= high:
        unit = f" {units}" if units else ""
        raise InputError(f"{key}: {found:g}{unit} lies outside {low:g} to {high:g}{unit}")
    return float(found)


def whole(given: Mapping[str, Any], key: str, low: int, high: int, default: int | None = None) -> int:
    """Return a whole number of a request, from `low` to `high`; what is wrong is told as `number` does."""
    found = number(given, key, low, high, default)
    if found != int(found):
        raise InputError(f"{key}: {found:g} is no whole number")
    return int(found)


def at_most(asked: str, most: int, default: int) -> int:
    """Return the number that an address asks for, `most` where it is larger; the default where it is none."""
    return min(int(asked[:DIGITS]), most) if asked.isdecimal() else default


def _shown(value: object) -> str:
    """Return a wrong value as a sentence repeats it; what is missing is called so."""
    if value is None:
        return "nothing"
    told = json.dumps(value, ensure_ascii=False)
    return told if len(told) <= SHOWN else f"{told[:SHOWN]}…"
