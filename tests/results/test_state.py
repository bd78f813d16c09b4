"""A state that is saved and loaded is the same state, bit by bit."""

from dataclasses import fields
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import networkx as nx
import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.results.bodies import body, compartment
from twin.errors import InputError
from twin.results.state import load_state, save_state
from twin.state.body import Body
from twin.state.groups import newcomers


def bits(values: np.ndarray) -> tuple[str, tuple[int, ...], bytes]:
    return str(values.dtype), values.shape, values.tobytes()


def csr_bits(matrix: sp.csr_array) -> list[object]:
    return [matrix.shape, *(bits(part) for part in (matrix.data, matrix.indices, matrix.indptr))]


def graph(g: "nx.DiGraph[Any]") -> list[object]:
    return [list(g.nodes(data=True)), list(g.edges(data=True)), g.graph]


def everything(b: Body) -> list[object]:
    """All that a body holds, in an order that counts, so that == compares every bit."""
    told: list[object] = [b.tick, graph(b.network)]
    for name, c in b.compartments.items():
        told += [name, c.name, c.cells.names, c.cells.columns, list(c.cells.extra), c.grid, graph(c.groups)]
        told += [(key, bits(values)) for key, values in c.cells.arrays().items()]
        told += [csr_bits(c.cells.clamp), csr_bits(c.contacts), bits(c.concentration)]
        told += [c.expression.n_genes, c.expression.chunk_size]
        told += [bits(getattr(chunk, f.name)) for chunk in c.expression.chunks for f in fields(chunk)]
        told += [(port, p, bits(v)) for port, given in c.rates.items() for p, v in given.items()]
        told += [c.lineage.id, c.lineage.parent, c.lineage.tick, c.lineage.event]
    return told


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31), n=st.tuples(st.integers(0, 30), st.integers(0, 9)), tick=st.integers(0, 10**6))
def test_what_is_loaded_is_what_was_saved_bit_by_bit(seed: int, n: tuple[int, int], tick: int) -> None:
    before = body(seed, n, tick)
    before.compartments["pool"].lineage.record(2**64 - 1, 0, tick, "death: hunger")
    before.compartments["pool"].rates = {"b": {"z": np.ones(2), "a": np.zeros(0)}, "a": {}}
    told = everything(before)
    with TemporaryDirectory() as folder:
        save_state(before, Path(folder) / "state.safetensors")
        assert everything(before) == told
        assert everything(load_state(Path(folder) / "state.safetensors")) == told


def test_negative_zero_and_the_payload_of_a_nan_survive(tmp_path: Path) -> None:
    before = body()
    odd = np.array([0x8000000000000000, 0x7FF8000000000123], np.uint64).view(np.float64)
    before.compartments["tissue"].cells.depth[:2] = odd
    save_state(before, tmp_path / "s")
    assert load_state(tmp_path / "s").compartments["tissue"].cells.depth[:2].tobytes() == odd.tobytes()


def test_wide_sparse_indices_stay_wide(tmp_path: Path) -> None:
    before = body()
    contacts = before.compartments["tissue"].contacts
    contacts.indices, contacts.indptr = contacts.indices.astype(np.int64), contacts.indptr.astype(np.int64)
    save_state(before, tmp_path / "s")
    assert load_state(tmp_path / "s").compartments["tissue"].contacts.indices.dtype == np.int64


def test_what_an_older_twin_called_a_tissue_takes_newcomers(tmp_path: Path) -> None:
    before = body()
    tree: nx.DiGraph[int] = nx.DiGraph([(0, 1)])
    tree.nodes[0].update(name="skin", kind="organ")
    tree.nodes[1].update(name="tissue", kind="tissue")
    before.compartments["tissue"].groups = tree
    save_state(before, tmp_path / "s")
    home = load_state(tmp_path / "s").compartments["tissue"]
    came = newcomers(home.groups, home.cells.group, home.cells.position, np.zeros((2, 3)))
    np.testing.assert_array_equal(came, [1, 1])


def test_a_loaded_state_can_be_changed_in_place(tmp_path: Path) -> None:
    save_state(body(), tmp_path / "s")
    loaded = load_state(tmp_path / "s")
    loaded.compartments["tissue"].cells.position += 1.0
    loaded.compartments["tissue"].concentration[:] = 0.0
    loaded.compartments["tissue"].expression.chunks[0].token[:] = 1


def test_odd_names_do_not_mix_up_two_tensors(tmp_path: Path) -> None:
    before = body()
    tissue = before.compartments["tissue"]
    tissue.rates = {"a/b": {"c": np.zeros(1)}, "a": {"b/c": np.ones(1)}}
    before.compartments["a%2F ü"] = compartment(np.random.default_rng(3), "a%2F ü", 2)
    save_state(before, tmp_path / "s")
    assert everything(load_state(tmp_path / "s")) == everything(before)


def test_the_same_body_gives_the_same_file(tmp_path: Path) -> None:
    save_state(body(5), tmp_path / "a")
    save_state(body(5), tmp_path / "b")
    save_state(body(6), tmp_path / "c")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes() != (tmp_path / "c").read_bytes()


@pytest.mark.parametrize("keep", [None, 0, 7, 300, -1])
def test_a_missing_or_cut_file_is_told_in_one_line(tmp_path: Path, keep: int | None) -> None:
    save_state(body(), tmp_path / "s")
    whole = (tmp_path / "s").read_bytes()
    (tmp_path / "s").unlink() if keep is None else (tmp_path / "s").write_bytes(whole[:keep])
    with pytest.raises(InputError, match="cannot be read as a state") as caught:
        load_state(tmp_path / "s")
    assert "\n" not in str(caught.value)
