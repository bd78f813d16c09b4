"""The cells of the scenario's own files and nothing else: any species, any genes, nothing learned."""

from collections.abc import Sequence
from functools import cached_property
from hashlib import sha256

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from twin.data.axis import joined_axis, thin
from twin.data.counts import CountData, onto_axis
from twin.errors import InputError
from twin.kernels.random import Streams
from twin.model.contract import Condition, Counts, Resting

Float = NDArray[np.float64]
Index = NDArray[np.intp]

PER = 10_000.0  # counts; rates are given per so many


class AsMeasured(Resting):
    """A cell holds the counts that were measured of it, and keeps them.

    A file of one time says nothing of how a transcriptome moves: to turn messages over towards a rate that one count
    hardly tells would be a guess that looks like a measurement. So cells move, signal, divide and die, and their
    transcriptomes stay as they are; daughters hold their mother's. Neither a dose nor a knock-out changes a count.

    Its genes and cell types are those of the files that the scenario names. New cells (of another compartment, or
    injected) are measured cells of their type, drawn with replacement.
    """

    shares_threads, needs_data = True, True
    name = "measured"

    def __init__(
        self,
        genes: Sequence[str] = (),
        contexts: Sequence[str] = (),
        counts: Counts | None = None,
        code: Index | None = None,
    ) -> None:
        """Hold measured cells.

        counts : (cell, gene) CSR int32. Not modified. code : (cell,) index of each cell's type among the contexts.
        """
        self.genes, self.contexts = tuple(genes), tuple(contexts)
        self._counts = sp.csr_array((0, len(self.genes)), dtype=np.int32) if counts is None else counts
        self._code = np.empty(0, np.intp) if code is None else code
        self._total = np.asarray(self._counts.sum(axis=1), dtype=np.float64).ravel()
        number = np.bincount(self._code, minlength=len(self.contexts))
        self.composition = number / max(int(number.sum()), 1)
        # the cells of a context are those from first[context] on in the order of contexts
        self._order = np.argsort(self._code, kind="stable")
        self._first = np.concatenate([[0], np.cumsum(number)])
        self.perturbations = ()
        self.notes = (
            f"transcriptomes are as measured: {len(self._code):,} cells of {len(self.contexts)} types on "
            f"{len(self.genes):,} genes. Nothing is learned of them and nothing moves them: no time, dose or knock-out "
            "changes a count, and new cells are measured ones of their type",
        )

    @cached_property
    def fingerprint(self) -> str:
        """A hash of its cells."""
        digest = sha256("\n".join((*self.genes, "", *self.contexts)).encode())
        for part in (self._counts.indptr, self._counts.indices, self._counts.data, self._code):
            digest.update(np.ascontiguousarray(part, dtype=np.int64).tobytes())
        return f"measured:{digest.hexdigest()[:16]}"

    @cached_property
    def _rates(self) -> Float:
        """Rates of the types, (context, gene), counts per 10,000: of all molecules of a type's cells together."""
        shape = (len(self.contexts), len(self._code))
        adding = sp.csr_array((np.ones(len(self._code)), (self._code, np.arange(len(self._code)))), shape=shape)
        total = np.asarray((adding @ self._counts).toarray(), dtype=np.float64)
        return np.asarray(PER * total / np.maximum(total.sum(axis=1, keepdims=True), 1.0))

    def _drawn(self, context: Index, ids: NDArray[np.uint64], streams: Streams) -> Index:
        """Return a measured cell of the context of each cell, (cell,): the same for its depth and for its counts."""
        luck = streams.stream("measured cell").uniform(ids, 1)[:, 0]
        first, n = self._first[context], np.diff(self._first)[context]
        return np.asarray(self._order[first + (luck * n).astype(np.intp)])

    def depths(self, context: Index, ids: NDArray[np.uint64], streams: Streams) -> Float:
        """Draw library sizes (cell,) from the measured cells of each context."""
        return np.maximum(self._total[self._drawn(context, ids, streams)], 1.0)

    def sample(
        self, condition: Condition, streams: Streams, *, steps: int = 1, guidance: float = 0.0
    ) -> tuple[Counts, NDArray[np.float32]]:
        """Draw measured cells of each context with replacement; one that is deeper than asked is thinned."""
        row = self._drawn(condition.context, condition.ids, streams)
        share = np.minimum(1.0, condition.depth / np.maximum(self._total[row], 1.0))
        keys = streams.stream("thin a measured cell").bits(condition.ids, np.zeros(1, np.uint64))
        return thin(self._counts[row], share, keys), np.zeros((condition.n, 0), np.float32)

    def expected(self, z: NDArray[np.float32], condition: Condition, genes: Sequence[int]) -> Float:
        """Return the rates of each cell's type, (cell, gene) counts per 10,000."""
        return self._rates[np.ix_(condition.context, np.asarray(genes, dtype=np.intp))]

    def support(self, condition: Condition) -> Float:
        """Return 1 for every cell: it was measured, and nothing is predicted."""
        return np.ones(condition.n)

    def with_context(self, name: str, controls: Counts) -> "AsMeasured":
        """Return the model with these cells as one more type."""
        counts = sp.csr_array(sp.vstack([self._counts, controls], format="csr"), dtype=np.int32)
        code = np.concatenate([self._code, np.full(controls.shape[0], len(self.contexts), np.intp)])
        return AsMeasured(self.genes, (*self.contexts, name), counts, code)

    def for_data(self, files: Sequence[tuple[CountData, NDArray[np.str_]]]) -> "AsMeasured":
        """Return the model of these cells, on all their genes.

        A gene that one of several files did not measure counts as 0 in its cells.

        Raises
        ------
        InputError
            If there is no file.
        """
        if not files:
            raise InputError(
                "the world model 'measured' is the cells of the scenario's files, and none is named: give a "
                "compartment cells of source: h5ad, or choose another world model"
            )
        genes, _ = joined_axis([data.genes for data, _ in files])
        counts = sp.vstack([onto_axis(data, genes)[0] for data, _ in files], format="csr")
        contexts, code = np.unique(np.concatenate([types for _, types in files]), return_inverse=True)
        names = tuple(str(name) for name in contexts)
        return AsMeasured(genes, names, sp.csr_array(counts, dtype=np.int32), code.ravel().astype(np.intp))

    def focused(
        self,
        contexts: Sequence[str] | None = None,
        genes: Sequence[str] | None = None,
        perturbations: Sequence[str] | None = None,
    ) -> "AsMeasured":
        """Return the model of some types and genes."""
        names = self.contexts if contexts is None else tuple(contexts)
        axis = self.genes if genes is None else tuple(genes)
        if names == self.contexts and axis == self.genes:
            return self
        place = np.full(len(self.contexts), -1)
        place[[self.contexts.index(name) for name in names]] = np.arange(len(names))
        rows = np.flatnonzero(place[self._code] >= 0)
        column = {gene: i for i, gene in enumerate(self.genes)}
        counts = sp.csr_array(self._counts[rows][:, [column[gene] for gene in axis]])
        return AsMeasured(axis, names, counts, place[self._code[rows]].astype(np.intp))


def measured() -> AsMeasured:
    """Return the model without cells, which waits for those of a scenario's files."""
    return AsMeasured()
