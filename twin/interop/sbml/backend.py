"""The one place that imports libRoadRunner, silenced: what it has to say comes back as an exception."""

import os
from typing import Any

from twin.errors import InputError, MissingExtraError

_LOGS = ("SUNLOGGER_ERROR_FILENAME", "SUNLOGGER_WARNING_FILENAME")  # where its integrator writes, past Python's streams


def roadrunner(what: str = "an SBML model") -> Any:
    """Return the module `roadrunner`.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    for name in _LOGS:
        os.environ.setdefault(name, os.devnull)
    try:
        import roadrunner
    except ImportError as error:
        raise MissingExtraError(what, "sbml") from error
    roadrunner.Logger.disableLogging()
    return roadrunner


def validate(file: str, text: str) -> None:
    """Hold a text against the rules of SBML.

    Raises
    ------
    InputError
        If it breaks one: with the line, and what the rule is about.
    """
    library = roadrunner()
    checks = library.VALIDATE_GENERAL | library.VALIDATE_IDENTIFIER | library.VALIDATE_MATHML
    told = library.validateSBML(text, checks | library.VALIDATE_OVERDETERMINED)
    for entry in told.split("\n\n"):
        if "[Error]" in entry or "[Fatal]" in entry:
            place, _, words = entry.partition(": ")
            lines = [line.strip() for line in words.splitlines() if line.strip() and not line.startswith("Reference")]
            raise InputError(f"{file}, {place}: {' '.join(lines[1:] or lines)}")
