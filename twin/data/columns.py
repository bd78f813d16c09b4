"""Which obs column says what, by the user's name or by convention, and what its words mean."""

import ast
import re
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from twin.errors import InputError, UnknownNameError
from twin.units import quantity

CONTROL_WORDS = (
    "control",
    "ctrl",
    "non-targeting",
    "nontargeting",
    "non_targeting",
    "untreated",
    "unperturbed",
    "unstimulated",
    "dmso",
    "dmso_tf",
    "vehicle",
    "mock",
    "pbs",
    "none",
)
COLUMN_WORDS = {
    "cell_type": ("cell_type", "celltype", "cell_type_broad", "CellType", "annotation", "cell_line"),
    "donor": ("donor", "donor_id", "patient", "sample", "individual"),
    "batch": ("batch", "gem_group", "batch_var", "plate"),
    "condition": (
        "condition",
        "target_gene",
        "perturbation",
        "treatment",
        "drugname_drugconc",
        "stim",
        "gene",
    ),
    "dose": ("dose", "dose_value"),
    "dose_unit": ("dose_unit",),
    "time": ("time", "timepoint"),
    "time_unit": ("time_unit",),
    "species": ("species", "organism"),
    "tissue": ("tissue", "organ", "tissue_type"),
    "technology": ("technology", "modality", "assay", "platform"),
    "perturbation_type": ("perturbation_type",),
    "total": ("total_counts", "n_counts", "nCount_RNA", "total_umis"),
}
MISSING_WORDS = frozenset({"", "nan", "none", "unknown"})
GENERIC_DONORS = frozenset({"unknown", "pool", "cell line", "healthy", "mouse", "human", "patient", "strain", "donor"})

Text = NDArray[np.object_]  # of str: cells share the words, so a long word costs a cell no more than a short one

_SPELT_TIME = re.compile(r"([0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?)\s*_?\s*([A-Za-z].*)?")
_NAMED_TIME = re.compile(r"(d|day|h|hour)s?\s*_?\s*([0-9]*\.?[0-9]+)", re.IGNORECASE)


@dataclass(frozen=True)
class Columns:
    """Names of obs columns as the user gives them; None: found by convention (`COLUMN_WORDS`).

    control : not a column but the word of control cells in `condition`; None: `CONTROL_WORDS`.
    total : counts of the whole transcriptome of a cell, where the file holds a panel of genes.
    """

    cell_type: str | None = None
    condition: str | None = None
    control: str | None = None
    donor: str | None = None
    batch: str | None = None
    dose: str | None = None
    dose_unit: str | None = None
    time: str | None = None
    time_unit: str | None = None
    species: str | None = None
    tissue: str | None = None
    technology: str | None = None
    perturbation_type: str | None = None
    total: str | None = None


def find_column(obs: pd.DataFrame, what: str, given: str | None, source: str) -> str | None:
    """Return the name of the obs column that says `what`, or None: the user's, else the first known word.

    Raises
    ------
    UnknownNameError
        If the user names a column that is not there.
    """
    if given is not None:
        if given not in obs.columns:
            raise UnknownNameError("obs column", given, map(str, obs.columns), f"{source}: ")
        return given
    words = COLUMN_WORDS.get(what, (what,))
    exact = next((word for word in words if word in obs.columns), None)
    if exact is not None:
        return exact
    lower = {str(name).lower(): str(name) for name in reversed(obs.columns)}
    return next((lower[word.lower()] for word in words if word.lower() in lower), None)


def needed_column(obs: pd.DataFrame, what: str, given: str | None, source: str) -> Text:
    """Return an obs column as text, as it is spelt, (cell,).

    Raises
    ------
    InputError
        If there is no such column.
    """
    name = find_column(obs, what, given, source)
    if name is None:
        raise InputError(
            f"{source}: no obs column says the {what.replace('_', ' ')}; "
            f"looked for {', '.join(COLUMN_WORDS.get(what, (what,)))}; found {', '.join(map(str, obs.columns[:12]))}"
        )
    code, words = pd.factorize(obs[name].astype(str))
    return np.array([str(word) for word in words], dtype=object)[code]


def text_column(obs: pd.DataFrame, what: str, given: str | None, source: str, missing: str = "") -> Text:
    """Return an obs column as text with `missing` where it says nothing or is not there, (cell,)."""
    name = find_column(obs, what, given, source)
    if name is None:
        return np.full(len(obs), missing, dtype=object)
    return said(needed_column(obs, what, name, source), missing)


def said(column: Text, missing: str) -> Text:
    """Return text with `missing` where it says nothing ("nan", "unknown", `MISSING_WORDS`), (cell,)."""
    code, words = pd.factorize(column)
    clean = [missing if str(word).strip().lower() in MISSING_WORDS else str(word).strip() for word in words]
    return np.array(clean, dtype=object)[code]


def distinct(*columns: Text) -> tuple[list[tuple[str, ...]], NDArray[np.intp]]:
    """Return the distinct rows of some columns in the order of first sight, and which one each cell has, (cell,)."""
    table = pd.DataFrame(dict(enumerate(columns)))
    code = table.groupby(list(table.columns), sort=False).ngroup().to_numpy().astype(np.intp)
    return [tuple(map(str, row)) for row in table.drop_duplicates().itertuples(index=False)], code


def is_control(condition: NDArray[np.str_] | Text, control: str | None = None) -> NDArray[np.bool_]:
    """Return which cells are controls, by the user's word or by convention, (cell,).

    A condition is control where each of its parts is a control word: "ctrl+ctrl", "[('DMSO_TF', 0.0, 'uM')]".
    """
    words = (control.lower(),) if control else CONTROL_WORDS
    code, texts = pd.factorize(np.asarray(condition, dtype=object))
    known = [
        str(text).lower() in words or all(name.lower() in words for name, _ in components(str(text))) for text in texts
    ]
    return np.array(known, dtype=np.bool_)[code]


def components(condition: str) -> tuple[tuple[str, str], ...]:
    """Return the (name, dose text) of each perturbation of a condition; the text is "" where no dose is spelt.

    "A+B" names two; "[('A', 0.5, 'uM')]" names one at "0.5 uM".

    Raises
    ------
    InputError
        If a bracketed list is no list of (name, number, unit).
    """
    if condition.lstrip().startswith("[("):
        return _listed(condition)
    parts = [part.strip() for part in condition.split("+")]
    if not all(parts):  # "CD34+": a plus that joins nothing belongs to the name
        return ((condition.strip(), ""),)
    return tuple((part, "") for part in dict.fromkeys(parts))


def _listed(condition: str) -> tuple[tuple[str, str], ...]:
    try:
        listed = ast.literal_eval(condition.strip())
        return tuple((str(name), f"{float(number):g} {unit}") for name, number, unit in listed)
    except (ValueError, SyntaxError, TypeError) as error:
        raise InputError(
            f"condition {condition!r} cannot be read: a list of (name, dose, unit) is spelt [('name', 0.5, 'uM')]"
        ) from error


def hours(value: str, unit: str = "") -> float:
    """Return a time in h, NaN where it is not told: a number with the unit of its column, or text like "6h", "day 3".

    Of a unit of several words the first counts: "d post coitum" is d.
    """
    text = value.strip()
    named = _NAMED_TIME.fullmatch(text)
    spelt = _SPELT_TIME.fullmatch(text)
    if named:
        number, word = named[2], "d" if named[1].lower().startswith("d") else "h"
    elif spelt:
        number, word = spelt[1], spelt[2] or unit
    else:
        return float("nan")
    leading = word.split()[0] if word.split() else ""
    if leading.lower() in MISSING_WORDS:
        return float("nan")
    try:
        return quantity(f"{float(number):.12g} {leading}", "hour", "a time", "6 h")
    except ValueError:
        return float("nan")


def times_of(values: Text, units: Text) -> NDArray[np.float64]:
    """Return times in h, NaN where they are not told, (cell,)."""
    pairs, code = distinct(values, units)
    return np.array([hours(value, unit) for value, unit in pairs], np.float64)[code]
