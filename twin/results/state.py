"""The full state of a trajectory in one file: safetensors with a JSON record, no pickle."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import networkx as nx
import numpy as np
import scipy.sparse as sp

from twin.errors import InputError
from twin.results.layout import unfinished
from twin.results.tensors import Tensors, load_tensors, load_text, save_tensors
from twin.state.body import Body, Compartment, Lineage
from twin.state.cells import DENSE_COLUMNS, Cells, Column
from twin.state.expression import Chunk, Expression
from twin.state.fields import Grid

FORMAT = 1  # of the file


def save_state(body: Body, file: Path) -> None:
    """Write the whole body into `file` in one step; it is on the disk when this returns.

    What `load_state` gives back is equal bit by bit, the order of every dict included.
    """
    tensors: Tensors = {}
    record = {
        "format": FORMAT,
        "tick": body.tick,
        "network": _graph_record(body.network),
        "watched": body.watched,
        "log": body.log,
        "stores": list(body.stores),
        "compartments": [_pack(compartment, tensors) for compartment in body.compartments.values()],
    }
    for name, values in body.stores.items():
        tensors[_store_name(name)] = values
    partial = unfinished(file)
    save_tensors(tensors, partial, json.dumps(record, default=_plain))
    partial.replace(file)


def load_state(file: Path) -> Body:
    """Return the body that `save_state` wrote.

    Raises
    ------
    InputError
        If the file is missing, damaged or no state.
    """
    tensors, text = load_tensors(file)
    if text is None:
        raise InputError(f"{file} is no state of a run: it has no twin record")
    record = json.loads(text)
    if record["format"] > FORMAT:
        raise InputError(f"{file} has format {record['format']}, this twin reads up to {FORMAT}: install a newer twin")
    compartments = [_unpack(part, tensors) for part in record["compartments"]]
    return Body(
        {c.name: c for c in compartments},
        _graph(record["network"]),
        record["tick"],
        record.get("watched", {}),
        record.get("log", []),
        {name: tensors[_store_name(name)] for name in record.get("stores", [])},
    )


def load_network(file: Path) -> "nx.DiGraph[str]":
    """Return the network of organs of the body that `save_state` wrote, without reading the body.

    Raises
    ------
    InputError
        If the file is missing, damaged or no state.
    """
    text = load_text(file)
    if text is None:
        raise InputError(f"{file} is no state of a run: it has no twin record")
    return _graph(json.loads(text)["network"])


def _pack(c: Compartment, tensors: Tensors) -> dict[str, Any]:
    """Put the arrays of a compartment into `tensors` and return what else there is to know."""
    home = quote(c.name, safe="")
    for name, values in c.cells.arrays().items():
        tensors[f"{home}/cells/{quote(name, safe='')}"] = values
    _pack_csr(c.cells.clamp, f"{home}/clamp", tensors)
    _pack_csr(c.contacts, f"{home}/contacts", tensors)
    for i, chunk in enumerate(c.expression.chunks):
        tensors[f"{home}/expression/{i}/indptr"] = chunk.indptr
        tensors[f"{home}/expression/{i}/gene"] = chunk.gene
        tensors[f"{home}/expression/{i}/token"] = chunk.token
    tensors[f"{home}/concentration"] = c.concentration
    for port, contributions in c.rates.items():
        for process, values in contributions.items():
            tensors[_rate_name(home, port, process)] = values
    return {
        "name": c.name,
        "names": {kind: list(words) for kind, words in c.cells.names.items()},
        "columns": [[k.name, k.units, k.width, k.initial, k.inherit] for k in c.cells.columns],
        "extra": list(c.cells.extra),
        "clamp": list(c.cells.clamp.shape),
        "contacts": list(c.contacts.shape),
        "expression": [c.expression.n_genes, c.expression.chunk_size, len(c.expression.chunks)],
        "grid": [list(c.grid.shape), c.grid.spacing, list(c.grid.origin)],
        "groups": _graph_record(c.groups),
        "rates": [[port, list(contributions)] for port, contributions in c.rates.items()],
        "lineage": [c.lineage.id, c.lineage.parent, c.lineage.tick, c.lineage.event],
        "well_mixed": c.well_mixed,
    }


def _unpack(record: dict[str, Any], tensors: Tensors) -> Compartment:
    home = quote(record["name"], safe="")
    dense = {name: tensors[f"{home}/cells/{name}"] for name in DENSE_COLUMNS}
    cells = Cells(
        **dense,
        clamp=_unpack_csr(record["clamp"], f"{home}/clamp", tensors),
        names={kind: tuple(words) for kind, words in record["names"].items()},
        columns=tuple(Column(*fields) for fields in record["columns"]),
        extra={name: tensors[f"{home}/cells/{quote(name, safe='')}"] for name in record["extra"]},
    )
    n_genes, chunk_size, n_chunks = record["expression"]
    chunks = [
        Chunk(*(tensors[f"{home}/expression/{i}/{part}"] for part in ("indptr", "gene", "token")))
        for i in range(n_chunks)
    ]
    shape, spacing, origin = record["grid"]
    return Compartment(
        name=record["name"],
        cells=cells,
        expression=Expression(n_genes, chunk_size, chunks),
        grid=Grid(tuple(shape), spacing, tuple(origin)),
        concentration=tensors[f"{home}/concentration"],
        contacts=_unpack_csr(record["contacts"], f"{home}/contacts", tensors),
        groups=_groups(record["groups"]),
        rates={
            port: {process: tensors[_rate_name(home, port, process)] for process in processes}
            for port, processes in record["rates"]
        },
        lineage=Lineage(*record["lineage"]),
        well_mixed=record.get("well_mixed", False),
    )


def _groups(record: dict[str, Any]) -> "nx.DiGraph[int]":
    """Return a compartment's tree of groups; what an older twin called a tissue is its organoid."""
    tree: nx.DiGraph[int] = _graph(record)
    for about in tree.nodes.values():
        if about.get("kind") == "tissue":
            about["kind"] = "organoid"
    return tree


def _store_name(name: str) -> str:
    return f".stores/{quote(name, safe='')}"  # no compartment's name begins with a dot


def _rate_name(home: str, port: str, process: str) -> str:
    return f"{home}/rates/{quote(port, safe='')}/{quote(process, safe='')}"


def _pack_csr(matrix: sp.csr_array, name: str, tensors: Tensors) -> None:
    for part in ("data", "indices", "indptr"):
        tensors[f"{name}/{part}"] = getattr(matrix, part)


def _unpack_csr(shape: list[int], name: str, tensors: Tensors) -> sp.csr_array:
    data, indices, indptr = (tensors[f"{name}/{part}"] for part in ("data", "indices", "indptr"))
    rows, columns = shape
    matrix = sp.csr_array((data, indices, indptr), shape=(rows, columns))
    matrix.indices, matrix.indptr = indices, indptr  # the constructor may have narrowed them
    return matrix


def _graph_record(graph: "nx.DiGraph[Any]") -> dict[str, Any]:
    record: dict[str, Any] = nx.node_link_data(graph, edges="edges")
    return record


def _graph(record: dict[str, Any]) -> "nx.DiGraph[Any]":
    graph = nx.node_link_graph(record, directed=True, multigraph=False, edges="edges")
    assert isinstance(graph, nx.DiGraph)
    return graph


def _plain(value: object) -> Any:
    """Turn a numpy number into Python's for JSON; anything else is a fault of ours."""
    assert isinstance(value, np.generic), f"a state cannot hold {type(value).__name__}: {value!r}"
    return value.item()
