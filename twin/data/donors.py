"""Spreads between donors that were fitted to measured ones: small JSON files, one of them in the package."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from twin.errors import InputError, unknown_name

FOLDER = Path(__file__).parent
PACKAGED = {"ifnb": FOLDER / "donors_ifnb.json"}  # what `twin calibrate --donors` wrote of the file's own `source`


class Estimate(BaseModel):
    """The variance of one number between measured donors.

    variance, low, high : REML, with the ends of its 95 % interval (Q-profile); high is None where nothing bounds it.
    mean : over donors. donors : how many.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    cell_type: str
    what: Literal["response", "control", "treated"]
    mean: float
    variance: float
    low: float
    high: float | None
    donors: int


class Spreads(BaseModel):
    """Spreads between donors with where they come from.

    source : the measured data. method : how the spreads were found.
    effects : as `variation.donors.effects` of a scenario has them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    source: str = Field(min_length=1)
    method: str
    model: str
    perturbation: str
    dose: str
    program: tuple[str, ...]
    donors: tuple[str, ...]
    n_cells: int
    effects: dict[str, Any]
    measured: tuple[Estimate, ...] = ()


def spreads_file(name: str, resolve: Callable[[str], Path]) -> Path:
    """Return the file of calibrated spreads: one of the package by its word, else one beside the scenario.

    Raises
    ------
    InputError
        If it is neither.
    """
    if name in PACKAGED:
        return PACKAGED[name]
    file = resolve(name)
    if not file.is_file():
        known = unknown_name("set of calibrated donors", name, PACKAGED)
        raise InputError(f"{known}; and there is no file {file}, as twin calibrate --donors writes one")
    return file


def read_spreads(file: Path) -> Spreads:
    """Return the spreads of a file.

    Raises
    ------
    InputError
        If it is none that `twin calibrate --donors` wrote.
    """
    try:
        return Spreads.model_validate_json(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file} cannot be read: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(k) for k in first["loc"]) or "the file"
        raise InputError(
            f"{file} holds no spreads of donors ({where}: {first['msg']}): write one with twin calibrate --donors"
        ) from error
