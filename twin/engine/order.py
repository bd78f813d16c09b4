"""Who runs when: ports checked against each other, processes put in order."""

from collections.abc import Collection, Mapping, Sequence

import networkx as nx

from twin.process import CLAMP, CORE_PORTS, CORE_RATES, Phase, Port, Process

IN_TURN = (CLAMP.name,)  # set by several: each multiplies what those before it left


def offered_by(processes: Mapping[str, Process]) -> tuple[dict[str, tuple[Port, str]], list[tuple[str, str]]]:
    """Return every port that can be read, with who has it, and columns that two have as (process, sentence)."""
    faults: list[tuple[str, str]] = []
    offered: dict[str, tuple[Port, str]] = {p.name: (p, "the core") for p in (*CORE_PORTS, *CORE_RATES)}
    for name, process in processes.items():
        for column in process.columns:
            dims = ("cell", column.name) if column.width else ("cell",)
            port = Port(column.name, dims, column.units)
            if column.name in offered and offered[column.name][1] != name:
                faults.append((name, f"brings a column {column.name!r} that {offered[column.name][1]} has too"))
            offered.setdefault(column.name, (port, name))
    for name, process in processes.items():
        for port in process.writes:
            offered.setdefault(port.name, (port, name))
    return offered, faults


def port_faults(processes: Mapping[str, Process], told: Collection[str] = ()) -> list[tuple[str, str]]:
    """Return what is wrong among the ports as (process, sentence) pairs.

    Every port that is read is the core's, a column of some process, or written by one; a name
    means one thing (dims, units) to all; one process at most sets a port, but for those of `IN_TURN`.

    told : names of ports that somebody reads, nobody has, and that were told already.
    """
    offered, faults = offered_by(processes)
    for name, process in processes.items():
        for port in dict.fromkeys((*process.reads, *process.writes)):
            if port.name not in offered:
                if port.name in told:
                    continue
                faults.append((name, f"reads {port.name!r}, which no process of this scenario writes"))
                continue
            meant, owner = offered[port.name]
            if (port.units, len(port.dims)) != (meant.units, len(meant.dims)):
                faults.append(
                    (name, f"takes {port.name!r} as {_described(port)}, but {owner} has it as {_described(meant)}")
                )
    return faults + _setter_faults(processes) + _store_faults(processes)


def _setter_faults(processes: Mapping[str, Process]) -> list[tuple[str, str]]:
    faults: list[tuple[str, str]] = []
    setters: dict[str, str] = {}
    for name, process in processes.items():
        for port in process.sets:
            if port not in process.writes:
                faults.append((name, f"sets {port.name!r}, which is not among what it writes"))
            if port.name in setters and port.name not in IN_TURN:
                faults.append((name, f"sets {port.name!r}, and so does {setters[port.name]}: keep one of the two"))
            setters.setdefault(port.name, name)
    return faults


def _store_faults(processes: Mapping[str, Process]) -> list[tuple[str, str]]:
    """Return stores that two processes keep, and axes that two stores label in two ways."""
    faults: list[tuple[str, str]] = []
    keepers: dict[str, str] = {}
    axes: dict[str, tuple[tuple[str, ...], str]] = {}
    for name, process in processes.items():
        for store in process.stores:
            if store.name in keepers:
                faults.append((name, f"keeps a store {store.name!r}, and so does {keepers[store.name]}"))
            keepers.setdefault(store.name, name)
            for dim, labels in store.coords if store.observed else ():
                known, owner = axes.setdefault(dim, (labels, name))
                if known != labels:
                    faults.append((name, f"labels the axis {dim!r} of {store.name!r} otherwise than {owner}"))
    return faults


def _described(port: Port) -> str:
    return f"({', '.join(port.dims)}) in {port.units}"


def in_order(processes: Mapping[str, Process]) -> tuple[list[str], list[tuple[str, str]]]:
    """Return the processes in the order in which they run in a tick, and cycles as faults.

    Phases come first. Inside a phase a process that writes a port runs before one that only reads it, unless this one
    takes it delayed; two that both read and write it take turns in the order of their names, as do strangers.
    """
    order: list[str] = []
    faults: list[tuple[str, str]] = []
    for phase in Phase:
        names = sorted(name for name, process in processes.items() if process.phase == phase)
        graph: nx.DiGraph[str] = nx.DiGraph()
        graph.add_nodes_from(names)
        for writer in names:
            for reader in names:
                if writer != reader and _feeds(processes[writer], processes[reader]):
                    graph.add_edge(writer, reader)
        if nx.is_directed_acyclic_graph(graph):
            order += nx.lexicographical_topological_sort(graph)
        else:
            circle = [edge[0] for edge in nx.find_cycle(graph)]
            chain = " → ".join([*circle, circle[0]])
            faults.append((circle[0], f"the processes wait for each other in a circle: {chain}"))
    return order, faults


def _feeds(writer: Process, reader: Process) -> bool:
    written, read, rewritten = _names(writer.writes), _names(reader.reads), _names(reader.writes)
    return bool(written & (read - rewritten - _names(reader.delayed)))


def _names(ports: Sequence[Port]) -> set[str]:
    return {port.name for port in ports}
