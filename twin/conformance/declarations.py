"""What a process class says of itself: its settings, its ports, its columns, its phase."""

import inspect
from collections.abc import Iterator

import numpy as np

from twin.process import (
    CLAMP,
    CONTACTS,
    CORE_PORTS,
    CORE_RATES,
    EXPRESSION,
    Phase,
    Port,
    Process,
    ProcessConfig,
)
from twin.state.cells import Column
from twin.state.stores import Store

CORE = {port.name: port for port in (*CORE_PORTS, *CORE_RATES)}
STATE = {port.name for port in CORE_PORTS}  # what is no rate
ONLY_SET = {EXPRESSION.name, CLAMP.name, CONTACTS.name}  # sparse: no increments
NOBODYS = {"id", "birth"}  # fixed at birth


def declaration_faults(process_class: type[Process]) -> list[str]:
    """Return what is wrong with a process class before it is made, a sentence each."""
    if not (isinstance(process_class, type) and issubclass(process_class, Process)):
        return [f"{process_class!r} is no class derived from twin.process.Process"]
    faults = []
    if inspect.isabstract(process_class):
        faults.append(f"it lacks {', '.join(sorted(process_class.__abstractmethods__))}")
    if not isinstance(getattr(process_class, "phase", None), Phase):
        faults.append("phase: give one of twin.process.Phase")
    return [*faults, *_config_faults(process_class.Config), *_port_faults(process_class)]


def own_ports(process_class: type[Process] | Process) -> dict[str, Port]:
    """Return the ports that a process's own columns are, by name."""
    return {
        c.name: Port(c.name, ("cell", c.name) if c.width else ("cell",), c.units)
        for c in process_class.columns
        if isinstance(c, Column)
    }


def _config_faults(config: type[ProcessConfig]) -> Iterator[str]:
    if not (isinstance(config, type) and issubclass(config, ProcessConfig)):
        yield "Config: derive it from twin.process.ProcessConfig"
        return
    if not config.model_config.get("frozen"):
        yield "Config: it can be changed after it was made; leave it frozen"
    if config.model_config.get("extra") != "forbid":
        yield "Config: it takes settings that it does not know; leave extra='forbid'"


def _port_faults(process_class: type[Process]) -> Iterator[str]:
    own = own_ports(process_class)
    meanings: dict[str, Port] = CORE | own
    for kind in ("reads", "writes", "sets"):
        ports = getattr(process_class, kind)
        if not isinstance(ports, tuple) or not all(isinstance(port, Port) for port in ports):
            yield f"{kind}: give a tuple of twin.process.Port"
            return
        for port in ports:
            yield from (f"{kind}: {fault}" for fault in _shape_faults(port))
            meant = meanings.setdefault(port.name, port)
            if (port.units, len(port.dims)) != (meant.units, len(meant.dims)):
                yield f"{kind}: {_described(port)} is meant elsewhere as {_described(meant)}"
            if port.combine != "add" and (port.name in STATE or port.name in own):
                yield f"{kind}: {port.name!r} is no rate, so nothing of it is multiplied"
    written = {port.name for port in process_class.writes}
    given = {port.name for port in process_class.sets}
    yield from (f"sets: {name!r} is not among what it writes" for name in sorted(given - written))
    yield from (f"writes: {name!r} is nobody's to write" for name in sorted(written & NOBODYS))
    yield from (f"writes: {name!r} is sparse and can only be set" for name in sorted(written & ONLY_SET - given))
    yield from _column_faults(process_class)
    yield from _store_faults(process_class)


def _shape_faults(port: Port) -> Iterator[str]:
    if not port.name.isidentifier():
        yield f"{port.name!r} is no name of a port: letters, digits and _"
    if not port.dims or not all(isinstance(dim, str) and dim for dim in port.dims):
        yield f"{port.name!r} has no named axes"
    if not port.units:
        yield f"{port.name!r} has no unit: '1' is that of a pure number"


def _column_faults(process_class: type[Process]) -> Iterator[str]:
    columns = process_class.columns
    if not isinstance(columns, tuple) or not all(isinstance(column, Column) for column in columns):
        yield "columns: give a tuple of twin.state.cells.Column"
        return
    names = [column.name for column in columns]
    yield from (f"columns: {name!r} is declared twice" for name in sorted({n for n in names if names.count(n) > 1}))
    for column in columns:
        if column.name in CORE:
            yield f"columns: {column.name!r} is the core's: take another name"
        if not column.name.isidentifier() or not column.units or column.width < 0:
            yield f"columns: {column.name!r} needs a name of letters, digits and _, a unit, and a width >= 0"
        if not np.isfinite(column.initial):
            yield f"columns: {column.name!r} starts at {column.initial}, which is no number"


def _store_faults(process_class: type[Process]) -> Iterator[str]:
    if not isinstance(process_class.stores, tuple) or not all(isinstance(s, Store) for s in process_class.stores):
        yield "stores: give a tuple of twin.state.stores.Store"
        return
    for store in process_class.stores:
        if not store.name.isidentifier() or not store.units or not np.isfinite(store.initial):
            yield f"stores: {store.name!r} needs a name of letters, digits and _, a unit, and a number to start at"


def _described(port: Port) -> str:
    return f"{port.name!r} ({', '.join(port.dims)}) in {port.units}"
