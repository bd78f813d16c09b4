"""The world model of the scenario's own cells: what it draws are those cells, and it changes nothing."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from twin.data.counts import CountData
from twin.errors import InputError
from twin.kernels.random import Streams
from twin.model.as_measured import AsMeasured, measured
from twin.model.contract import Condition

STREAMS = Streams(5, 0, 0)


def file(genes: tuple[str, ...], counts: np.ndarray) -> CountData:
    obs = pd.DataFrame(index=[f"r{i}" for i in range(len(counts))])
    return CountData(sp.csr_array(counts.astype(np.int32)), genes, obs, "f.h5ad")


COUNTS = np.array([[9, 0, 1], [8, 1, 0], [0, 20, 5], [1, 30, 9], [2, 10, 3]])
TYPES = np.array(["neuron", "neuron", "glia", "glia", "glia"])


def made() -> AsMeasured:
    return measured().for_data([(file(("Gad2", "Plp1", "Mbp"), COUNTS), TYPES)])


def condition(context: np.ndarray, depth: np.ndarray | None = None) -> Condition:
    n = len(context)
    ids = np.arange(n, dtype=np.uint64)
    none = np.zeros((n, 0))
    return Condition(ids, context, np.full(n, 1e9) if depth is None else depth, none, none, np.ones(n))


def test_its_genes_types_and_rates_are_the_files() -> None:
    model = made()
    assert model.genes == ("Gad2", "Plp1", "Mbp")
    assert model.contexts == ("glia", "neuron")
    np.testing.assert_allclose(model.composition, [0.6, 0.4])
    rates = model.expected(np.zeros((2, 0), np.float32), condition(np.array([1, 0])), [0, 2])
    np.testing.assert_allclose(rates, [[1e4 * 17 / 19, 1e4 * 1 / 19], [1e4 * 3 / 80, 1e4 * 17 / 80]])
    assert (model.support(condition(np.array([0, 1]))) == 1).all()
    assert model.perturbations == ()


def test_what_it_draws_are_measured_cells_of_the_type() -> None:
    model, context = made(), np.repeat([0, 1], 300)
    counts, z = model.sample(condition(context), STREAMS)
    own = {tuple(row): t for row, t in zip(COUNTS.tolist(), TYPES, strict=True)}
    drawn = [tuple(row) for row in counts.toarray().tolist()]
    assert [own[row] for row in drawn] == ["glia"] * 300 + ["neuron"] * 300
    assert z.shape == (600, 0)
    for row, of_type in own.items():
        n = 100 if of_type == "glia" else 150
        assert drawn.count(row) == pytest.approx(n, abs=5 * n**0.5)


def test_a_depth_that_it_draws_is_that_of_the_cell_that_it_draws() -> None:
    model, context = made(), np.repeat([0, 1], 100)
    depth = model.depths(context, np.arange(200, dtype=np.uint64), STREAMS)
    counts, _ = model.sample(condition(context, depth), STREAMS)
    np.testing.assert_array_equal(np.asarray(counts.sum(axis=1)).ravel(), depth)


def test_a_shallower_cell_is_thinned() -> None:
    big = measured().for_data([(file(("a", "b"), np.array([[3000, 1000]])), np.array(["x"]))])
    counts, _ = big.sample(condition(np.zeros(200, np.intp), np.full(200, 400.0)), STREAMS)
    drawn = counts.toarray()
    assert drawn.sum(axis=1).mean() == pytest.approx(400, abs=5 * (400 * 0.9 / 200) ** 0.5)
    assert drawn[:, 0].sum() / drawn.sum() == pytest.approx(0.75, abs=5 * (0.75 * 0.25 / drawn.sum()) ** 0.5)
    assert (drawn[0] != drawn[1]).any()


def test_nothing_changes_a_cell() -> None:
    model = made()
    counts, here = sp.csr_array(COUNTS.astype(np.int32)), condition(np.array([1, 1, 0, 0, 0]))
    after, _ = model.transition(counts, model.encode(counts, here), here, 100.0, 1.0, STREAMS)
    assert (after != counts).nnz == 0
    assert (model.perturb(counts, here, STREAMS) != counts).nnz == 0
    assert not model.turns_over
    assert "no time, dose or knock-out changes a count" in model.notes[0]


def test_files_with_different_genes_stand_on_the_union() -> None:
    other = file(("Mbp", "Aqp4"), np.array([[4, 6]]))
    model = measured().for_data([(file(("Gad2", "Plp1", "Mbp"), COUNTS), TYPES), (other, np.array(["astrocyte"]))])
    assert model.genes == ("Gad2", "Plp1", "Mbp", "Aqp4")
    counts, _ = model.sample(condition(np.array([model.contexts.index("astrocyte")])), STREAMS)
    assert counts.toarray().tolist() == [[0, 0, 4, 6]]


def test_a_part_of_it_is_the_model_of_those_types_and_genes() -> None:
    part = made().focused(["neuron"], ["Mbp", "Gad2"])
    assert part.contexts == ("neuron",)
    counts, _ = part.sample(condition(np.zeros(20, np.intp)), STREAMS)
    assert {tuple(row) for row in counts.toarray().tolist()} == {(1, 9), (0, 8)}
    assert made().focused() is not made().focused(["neuron"])
    assert made().focused(["glia", "neuron"]).fingerprint == made().fingerprint != part.fingerprint


def test_more_cells_make_one_more_type() -> None:
    more = made().with_context("new", sp.csr_array(np.array([[7, 7, 7]], np.int32)))
    assert more.contexts == ("glia", "neuron", "new")
    counts, _ = more.sample(condition(np.array([2])), STREAMS)
    assert counts.toarray().tolist() == [[7, 7, 7]]


def test_without_a_file_it_is_refused() -> None:
    with pytest.raises(InputError, match="'measured' is the cells of the scenario's files, and none is named"):
        measured().for_data([])
