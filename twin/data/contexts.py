"""Contexts and arms of several files, told apart and joined."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from twin.data.arms import Arm
from twin.data.arms import Key as ArmKey
from twin.data.columns import GENERIC_DONORS, distinct
from twin.data.labels import Labels

Key = tuple[str, str, str, str]  # cell type, tissue, species, technology


@dataclass(frozen=True)
class Context:
    """One kind of cell, as one data set shows it.

    name : unique in the experiment.
    tissue, species, technology : "" where not told.
    files : indices of the files that hold its cells.
    """

    name: str
    cell_type: str
    tissue: str
    species: str
    technology: str
    files: tuple[int, ...]


def join_contexts(
    labels: Sequence[Labels], stems: Sequence[str], least_cells: int
) -> tuple[tuple[Context, ...], NDArray[np.intp], tuple[str, ...]]:
    """Join the contexts of all files that have at least `least_cells` usable cells.

    Those of two files are one where cell type, species, tissue and technology agree and the files share a donor; a
    word for any donor ("pool", `GENERIC_DONORS`) is none. The name is the cell type where no earlier context has it
    (of one file the one of most cells), else the type with what tells it from those that have: tissue, species,
    technology or file.

    Returns
    -------
    contexts : file by file, in the order of cell types.
    context : (cell,) index into them; −1: in none that is kept, or not usable.
    notes : what was left out, in words.
    """
    sets = _data_sets(labels)
    place: dict[tuple[int, Key], int] = {}
    files: list[list[int]] = []
    codes = []
    for index, part in enumerate(labels):
        rows, code = distinct(part.cell_type, part.tissue, part.species, part.technology)
        n = np.bincount(code[part.keep], minlength=len(rows))
        keys: list[Key] = [(row[0], row[1], row[2], row[3]) for row in rows]
        for _, _, _, i in sorted((key[0], -n[i], key, i) for i, key in enumerate(keys) if n[i]):
            if place.setdefault((sets[index], keys[i]), len(place)) == len(files):
                files.append([])
            files[place[sets[index], keys[i]]].append(index)
        numbers = np.array([place.get((sets[index], key), -1) for key in keys], np.intp)
        codes.append(np.where(part.keep, numbers[code], -1))
    every = np.concatenate(codes)
    sizes = np.bincount(every[every >= 0], minlength=len(place))
    contexts: list[Context] = []
    number = np.full(len(place) + 1, -1, np.intp)  # the last stands for −1
    for (_, key), i in place.items():
        if sizes[i] >= least_cells:
            number[i] = len(contexts)
            draft = Context("", *key, tuple(files[i]))
            contexts.append(replace(draft, name=_name(draft, contexts, stems)))
    small = [(stems[files[i][0]], key[0], int(sizes[i])) for (_, key), i in place.items() if sizes[i] < least_cells]
    return tuple(contexts), number[every], tuple(_left_out(small, least_cells))


def _left_out(small: Sequence[tuple[str, str, int]], least_cells: int) -> list[str]:
    """Say for each file which contexts were too small. small : (file, cell type, cells) of each."""
    return [
        f"{stem}: left out, of fewer than {least_cells} cells: "
        + ", ".join(f"{cell_type} ({n})" for other, cell_type, n in small if other == stem)
        for stem in dict.fromkeys(stem for stem, _, _ in small)
    ]


def _data_sets(labels: Sequence[Labels]) -> list[int]:
    """Return for each file the first file of its data set: files that share donors, directly or through others."""
    first = list(range(len(labels)))
    donors = [{str(d) for d in set(p.donor) if str(d).lower() not in GENERIC_DONORS} for p in labels]
    for i in range(len(labels)):
        for j in range(i):
            if donors[i] & donors[j] and first[i] != first[j]:
                low, high = sorted((first[i], first[j]))
                first = [low if f == high else f for f in first]
    return first


def _name(context: Context, named: Sequence[Context], stems: Sequence[str]) -> str:
    taken = {other.name for other in named}
    if context.cell_type not in taken:
        return context.cell_type
    alike = [other for other in named if other.cell_type == context.cell_type]
    stem = stems[context.files[0]]
    choices = [
        getattr(context, word)
        for word in ("tissue", "species", "technology")
        if getattr(context, word) and all(getattr(other, word) != getattr(context, word) for other in alike)
    ]
    whole = ", ".join(word for word in (context.tissue, context.species, context.technology, stem) if word)
    names = [f"{context.cell_type} ({choice})" for choice in (*choices, stem, whole)]
    names += [f"{context.cell_type} ({whole}, {i})" for i in range(2, len(named) + 3)]
    return next(name for name in names if name not in taken)


def join_arms(labels: Sequence[Labels], usable: NDArray[np.bool_]) -> tuple[tuple[Arm, ...], NDArray[np.intp]]:
    """Return the arms of all files' usable cells, by name, dose and time, and which of them each cell is of.

    Returns
    -------
    arms : each treatment at each time.
    arm : (cell,) index into them; −1: control, or a cell that is not usable.
    """
    found: dict[ArmKey, Arm] = {}
    keys: list[list[ArmKey]] = []
    codes = []
    start = 0
    for part in labels:
        rows = usable[start : start + len(part.names)] & (part.treatment >= 0)
        start += len(part.names)
        time = np.where(np.isfinite(part.time), part.time, -1.0)
        pairs, code = np.unique(np.stack([part.treatment[rows], time[rows]], axis=1), axis=0, return_inverse=True)
        arms = [Arm(part.treatments[int(t)], float(h) if h >= 0 else float("nan"), part.since) for t, h in pairs]
        for arm in arms:
            found.setdefault(arm.key, arm)
        keys.append([arm.key for arm in arms])
        codes.append((rows, code.ravel()))
    order = {key: i for i, key in enumerate(sorted(found))}
    whole = []
    for part_keys, (rows, code) in zip(keys, codes, strict=True):
        arm_of = np.full(len(rows), -1, np.intp)
        arm_of[rows] = np.array([order[key] for key in part_keys], np.intp)[code]
        whole.append(arm_of)
    return tuple(found[key] for key in order), np.concatenate(whole)
