"""Cells of many files as one experiment: one gene axis, contexts, and what was done to each cell."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import NDArray

from twin.data.arms import Agent, Arm
from twin.data.axis import LazyCounts, joined_axis, thinning_keys, thinning_share
from twin.data.columns import Columns, distinct, is_control, needed_column
from twin.data.contexts import Context, join_arms, join_contexts
from twin.data.counts import CountData
from twin.data.courses import as_course
from twin.data.labels import Labels, read_labels
from twin.data.orthologs import Orthologs, species_word
from twin.data.stream import CountStream
from twin.errors import InputError

__all__ = ["Agent", "Arm", "Context", "Experiment", "assemble"]

Indices = NDArray[np.intp]


@dataclass(frozen=True)
class Experiment:
    """Cells of all files on one gene axis, with what was done to them.

    counts : (cell, gene) CSR int32; of streamed files `LazyCounts`, of which `counts[rows]` is such a CSR.
    measured : (file, gene) which genes a file holds.
    file : (cell,) index into sources.
    context : (cell,) index into contexts.
    arm : (cell,) index into arms; −1: control.
    donor : (cell,) index into donors.
    depth : (cell,) counts of the whole transcriptome: the file's total where it holds a panel, else the row's sum.
    names : (cell,) obs names; row : (cell,) row in its file.
    batch : (cell,) index into batches, which are "file: batch".
    notes : what was left out or decided, in words.
    """

    counts: sp.csr_array
    measured: NDArray[np.bool_]
    file: Indices
    genes: tuple[str, ...]
    contexts: tuple[Context, ...]
    context: Indices
    arms: tuple[Arm, ...]
    arm: Indices
    donors: tuple[str, ...]
    donor: Indices
    depth: NDArray[np.float64]
    names: tuple[str, ...]
    row: Indices
    sources: tuple[str, ...]
    batches: tuple[str, ...]
    batch: Indices
    notes: tuple[str, ...] = field(default=())

    @property
    def n_cells(self) -> int:
        """How many cells."""
        return len(self.context)

    @property
    def n_controls(self) -> NDArray[np.intp]:
        """Control cells of each context, (context,)."""
        return np.bincount(self.context[self.arm < 0], minlength=len(self.contexts)).astype(np.intp)

    @property
    def has_control(self) -> NDArray[np.bool_]:
        """Which contexts have control cells, (context,)."""
        return self.n_controls > 0

    def take(self, rows: Indices | NDArray[np.bool_]) -> "Experiment":
        """Return some of the cells, on the same axes: no context, arm or donor is renumbered."""
        keep: Indices = np.arange(self.n_cells)[rows]
        counts = self.counts.select(keep) if isinstance(self.counts, LazyCounts) else self.counts[keep]
        return replace(
            self,
            counts=counts,
            file=self.file[keep],
            context=self.context[keep],
            arm=self.arm[keep],
            donor=self.donor[keep],
            depth=self.depth[keep],
            names=tuple(self.names[i] for i in keep),
            row=self.row[keep],
            batch=self.batch[keep],
        )


def assemble(
    files: Sequence[CountData | CountStream],
    columns: Columns = Columns(),  # noqa: B008 - frozen
    orthologs: Orthologs | None = None,
    *,
    least_cells: int = 5,
    max_depth: float | None = None,
    on_file: Callable[[str], None] | None = None,
) -> Experiment:
    """Join files of raw counts into one experiment; the first file's genes lead the axis.

    Contexts of two files are one where cell type, species, tissue and technology agree and the files share a donor.
    With a `CountStream` among the files the counts stay on disk.

    Parameters
    ----------
    orthologs : puts the genes of other species on the axis of one; None: the first told species names the axis, and
        genes of the others are "species:symbol".
    least_cells : contexts with fewer cells are left out.
    max_depth : read counts and bulk profiles of more counts are thinned to it (`thinning_share`).
    on_file : called with each file's name once it has been read.

    Raises
    ------
    InputError
        If a file has no cell type or condition column, none has control cells, a control word is in none of them,
        genes of one species do not overlap, no context has enough cells, or there are no files.
    """
    if not files:
        raise InputError("no files of cells are given: name at least one")
    labels = _labelled(files, columns, least_cells, on_file)
    stems = _stems(files)
    genes, places = _axis(files, labels, orthologs)
    contexts, context, left_out = join_contexts(labels, stems, least_cells)
    usable = context >= 0
    if not usable.any():
        raise InputError(f"{files[0].source}: no context has {least_cells} cells, the least that are asked for")
    arms, arm = join_arms(labels, usable)
    if not (arm[usable] < 0).any():
        raise _no_control(labels, arms)
    keep = np.flatnonzero(usable)
    file = np.repeat(np.arange(len(files)), [data.n_cells for data in files])[keep]
    row = np.concatenate([np.arange(data.n_cells) for data in files])[keep]
    names = np.array([name for part in labels for name in part.names], dtype=object)[keep]
    row_sum = np.concatenate([data.totals for data in files])[keep]
    total = np.concatenate([part.total for part in labels])[keep]
    depth = np.where(total >= row_sum, total, row_sum)
    technology = np.concatenate([part.technology for part in labels])[keep]
    share = thinning_share(depth, technology, file, max_depth)
    keys = thinning_keys(share, file, stems, names)
    lazy = LazyCounts(tuple(files), places, len(genes), file, row, share, keys)
    measured = np.zeros((len(files), len(genes)), np.bool_)
    for index, place in enumerate(places):
        measured[index, place] = True
    donor, donors = pd.factorize(np.concatenate([part.donor for part in labels])[keep], sort=True)
    stem_of = np.array(stems, dtype=object)[file]
    pairs, batch = distinct(stem_of, np.concatenate([part.batch for part in labels])[keep])
    deep = np.bincount(file[share < 1], minlength=len(files))
    thinned = [f"{stem}: {n} cells thinned to {max_depth:g} counts" for stem, n in zip(stems, deep, strict=True) if n]
    return Experiment(
        counts=lazy if any(isinstance(data, CountStream) for data in files) else lazy[:],
        measured=measured,
        file=file,
        genes=genes,
        contexts=contexts,
        context=context[keep],
        arms=arms,
        arm=arm[keep],
        donors=tuple(map(str, donors)),
        donor=donor.astype(np.intp),
        depth=lazy.thinned_depth(depth, row_sum),
        names=tuple(names),
        row=row,
        sources=tuple(Path(data.source).name for data in files),
        batches=tuple(f"{stem}: {word}" for stem, word in pairs),
        batch=batch,
        notes=(*(note for part in labels for note in part.notes), *left_out, *thinned),
    )


def _labelled(
    files: Sequence[CountData | CountStream],
    columns: Columns,
    least_cells: int,
    on_file: Callable[[str], None] | None,
) -> list[Labels]:
    """Return the labels of each file, courses told from treatments.

    Raises
    ------
    InputError
        If the user's control word is a condition of no file.
    """
    word = columns.control
    knows = [True] * len(files)
    if word is not None:
        conditions = [needed_column(d.obs, "condition", columns.condition, d.source) for d in files]
        knows = [bool(is_control(c, word).any()) for c in conditions]
        if not any(knows):
            found = sorted({str(c) for condition in conditions for c in set(condition)})
            raise InputError(
                f"{files[0].source}: no control cells: no condition is {word!r}; "
                f"conditions are {', '.join(found[:6])}; name the control with --control"
            )
    labels = []
    for data, known in zip(files, knows, strict=True):
        part = read_labels(data.obs, data.genes, data.source, columns, word if known else None)
        labels.append(as_course(part, least_cells))
        if on_file is not None:
            on_file(Path(data.source).name)
    return labels


def _stems(files: Sequence[CountData | CountStream]) -> tuple[str, ...]:
    """Return the files' names without endings, numbered where two are alike."""
    seen: Counter[str] = Counter()
    stems = []
    for data in files:
        stem = Path(data.source).stem
        seen[stem] += 1
        stems.append(stem if seen[stem] == 1 else f"{stem} {seen[stem]}")
    return tuple(stems)


def _axis(
    files: Sequence[CountData | CountStream], labels: Sequence[Labels], orthologs: Orthologs | None
) -> tuple[tuple[str, ...], tuple[NDArray[np.int32], ...]]:
    """Return the joint gene axis, and the place of each file's genes on it.

    Raises
    ------
    InputError
        If a file shares no gene with the other files of its species.
    """
    species = []  # "" where a file has several: they share one axis already
    for part in labels:
        words = {species_word(str(word)) for word in set(part.species)}
        species.append(next(iter(words)) if len(words) == 1 else "")
    if orthologs is None:
        orthologs = Orthologs(axis=next((word for word in species if word), "human"))
    axes = [orthologs.to_axis(data.genes, word) for data, word in zip(files, species, strict=True)]
    for i, axis in enumerate(axes):
        others = {gene for j, other in enumerate(axes) if j != i and species[j] == species[i] for gene in other}
        if others and others.isdisjoint(axis):
            raise InputError(
                f"{files[i].source} shares no gene with the other files: its genes are {', '.join(axis[:3])}, …; "
                f"theirs {', '.join(sorted(others)[:3])}, …; use the same kind of gene name in all files"
            )
    return joined_axis(axes)


def _no_control(labels: Sequence[Labels], arms: Sequence[Arm]) -> InputError:
    found = sorted({arm.name for arm in arms})
    return InputError(
        f"{', '.join(part.source for part in labels[:3])}: no control cells: conditions are {', '.join(found[:6])}; "
        "name the control with --control"
    )


def trimmed(data: Experiment, least_counts: int) -> Experiment:
    """Return the experiment without genes of fewer counts than `least_counts`, but all of the first file's.

    Raises
    ------
    InputError
        If the counts stay on disk.
    """
    if isinstance(data.counts, LazyCounts):
        raise InputError(
            "genes cannot be left out by their counts while the counts stay on disk: give --least-counts 0"
        )
    total = np.asarray(data.counts.sum(axis=0), dtype=np.float64).ravel()
    keep = np.flatnonzero((total >= least_counts) | data.measured[0])
    gone = len(total) - len(keep)
    note = f"{gone:,} genes of fewer than {least_counts} counts in all files were left out" if gone else ""
    return replace(
        data,
        counts=sp.csr_array(data.counts[:, keep]),
        measured=data.measured[:, keep],
        genes=tuple(data.genes[i] for i in keep),
        notes=(*data.notes, note) if note else data.notes,
    )
