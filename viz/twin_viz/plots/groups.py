"""Two groups of cells to compare: two branches, two times, or cells that a column tells apart; by replicate."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from anndata import AnnData
from numpy.typing import NDArray

from twin.errors import InputError, UnknownNameError, unknown_name
from twin.results import Run
from twin.scenario.futures import TRUNK
from twin.units import number_and_unit, quantity
from twin_viz.coloring import PREFIX_UNITS, UNITS
from twin_viz.plots.scene import Point, Scene, scene_of

Bool = NDArray[np.bool_]

CONDITION = re.compile(r"\s*(?P<column>[^<>=]+?)\s*(?P<sign>>=|<=|=|>|<)\s*(?P<value>.+?)\s*$")
COMPARE: Mapping[str, Callable[[Any, Any], Any]] = {
    ">": np.greater,
    ">=": np.greater_equal,
    "<": np.less,
    "<=": np.less_equal,
}


@dataclass(frozen=True)
class Groups:
    """Living cells of two groups, by replicate; what is positive in a comparison is more in the first.

    first_name, second_name : in words. title : what is compared, and where. hour : of the first, h.
    same_cells : whether both sides are the same cells: at two times, or in two branches of one past.
    """

    first: Mapping[int, AnnData]
    second: Mapping[int, AnnData]
    first_name: str
    second_name: str
    title: str
    scene: Scene
    hour: float
    same_cells: bool = False


def groups_of(
    run: Run,
    time: float | str | None = None,
    versus: str | None = None,
    compartment: str | None = None,
    branch: str | None = None,
    point: Point = None,
) -> Groups:
    """Return the two groups that are asked for.

    Parameters
    ----------
    time : of kept cells; without it the last.
    versus : a branch ("trunk"), a time ("0 h"), or a condition on a column ("dose_IFNB1 > 0 nM", "cell_type=B",
        "alive"). Without it a branch is held against its trunk, and a run without branches against its first time.
    branch : without it the only one there is beside the trunk.

    Raises
    ------
    InputError
        If a group is not there, holds no cells, or both are the same.
    """
    others = [b for b in run.branches if b != TRUNK]
    if branch is None and versus is None and others:
        if len(others) > 1:
            raise InputError(f"say which branch is held against the trunk, with --branch: {', '.join(others)}")
        branch = others[0]
    scene = scene_of(run, compartment, branch, point)
    hour = scene.hour(time)
    cells = scene.living(hour)
    if versus is None:
        versus = TRUNK if others and branch not in (None, TRUNK) else "first time"
    if versus in run.branches:
        return _of_branches(run, scene, hour, cells, branch or TRUNK, versus, point)
    if versus == "first time" or number_and_unit(versus) is not None:
        return _of_times(scene, hour, cells, None if versus == "first time" else versus)
    return _of_column(run, scene, hour, cells, versus)


def _of_branches(
    run: Run, scene: Scene, hour: float, cells: dict[int, AnnData], branch: str, versus: str, point: Point
) -> Groups:
    if versus == branch:
        raise InputError(f"--versus {versus}: both sides are the same branch; name another with --branch or --versus")
    other = scene_of(run, scene.compartment, versus, point)
    return Groups(
        cells,
        other.living(other.hour(hour)),
        branch,
        versus,
        f"{scene.title} against {versus} · {hour:g} h",
        scene,
        hour,
        same_cells=True,
    )


def _of_times(scene: Scene, hour: float, cells: dict[int, AnnData], versus: str | None) -> Groups:
    then = scene.hour(versus, first=versus is None)
    if then == hour:
        kept = ", ".join(f"{t:g} h" for t in sorted({t for times in scene.kept().values() for t in times})[:8])
        raise InputError(f"both sides are the cells at {hour:g} h: name two of the kept times ({kept})")
    title = f"{scene.title} · {hour:g} h against {then:g} h"
    return Groups(cells, scene.living(then), f"{hour:g} h", f"{then:g} h", title, scene, hour, same_cells=True)


def _of_column(run: Run, scene: Scene, hour: float, cells: dict[int, AnnData], versus: str) -> Groups:
    name, test = _condition(next(iter(cells.values())).obs, versus, run)
    first, second = {}, {}
    for i, part in cells.items():
        holds = test(part.obs)
        first[i], second[i] = part[holds], part[~holds]
    for who, side in (("no living cell", first), ("every living cell", second)):
        if not any(c.n_obs for c in side.values()):
            raise InputError(f"--versus: at {hour:g} h it holds of {who} that {name}; choose another value")
    return Groups(first, second, name, "the rest", f"{scene.title} · {name} against the rest · {hour:g} h", scene, hour)


def _condition(obs: pd.DataFrame, text: str, run: Run) -> tuple[str, Callable[[pd.DataFrame], Bool]]:
    """Return a condition in words, and what tells for a table of cells which fulfil it, (cell,)."""
    found = CONDITION.match(text)
    column = found["column"] if found is not None else text.strip()
    known = [str(c) for c in obs.columns]
    if column not in known:
        if found is not None:
            raise UnknownNameError("obs column", column, known, where="--versus: ")
        told = unknown_name("branch, time or obs column", text, [*run.branches, *known])
        raise InputError(f"--versus: {told} Write a time as '6 h', a condition as 'column>1' or 'column=word'")
    series = obs[column]
    is_number = pd.api.types.is_numeric_dtype(series) and not pd.api.types.is_bool_dtype(series)
    if found is None:
        if not pd.api.types.is_bool_dtype(series):
            how = f"'{column}>…' with a number" if is_number else f"'{column}={series.iloc[0]}'"
            raise InputError(f"--versus {column}: say which of its values are one side, like {how}")
        return column, lambda table: table[column].to_numpy(dtype=np.bool_)
    sign, value = found["sign"], found["value"]
    if not is_number:
        if sign != "=":
            raise InputError(f"--versus {text}: {column} holds words; write {column}=word")
        words = sorted({str(v) for v in (series.cat.categories if hasattr(series, "cat") else series)})
        if value not in words:
            raise UnknownNameError(column, value, words, where="--versus: ")
        return f"{column} = {value}", lambda table: (table[column].astype(str) == value).to_numpy(dtype=np.bool_)
    number, unit = _number(column, value)
    shown = f"{column} {sign} {number:g}" + (f" {unit}" if unit else "")
    if sign == "=":
        return shown, lambda table: (table[column] == number).to_numpy(dtype=np.bool_)
    return shown, lambda table: np.asarray(COMPARE[sign](table[column].to_numpy(dtype=np.float64), number))


def _number(column: str, text: str) -> tuple[float, str]:
    """Return a threshold in the unit of its column, and that unit; "" where it has none."""
    unit = UNITS.get(column) or next((u for p, u in PREFIX_UNITS.items() if column.startswith(p)), "")
    try:
        if unit and float(text) == 0:
            return 0.0, unit  # no dose is no dose in any unit
    except ValueError:
        pass
    try:
        plain = unit in ("", "counts")
        return (float(text), "") if plain else (quantity(text, unit, f"a value of {column}", f"0.1 {unit}"), unit)
    except ValueError as error:
        told = str(error) if unit not in ("", "counts") else f"{text!r} is no number"
        raise InputError(f"--versus: {told}") from None


def counts_of(cells: AnnData) -> sp.csr_array:
    """Return counts as (cell, gene) CSR."""
    return sp.csr_array(cells.X)
