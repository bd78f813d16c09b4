"""The suite: a process is stepped on small compartments, and what it gives is held to the contract."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from twin.conformance.declarations import CORE, declaration_faults, own_ports
from twin.conformance.outcome import Outcome, Reading, sizes_of, turned
from twin.conformance.trial import UniformModel, make_scenario, make_view
from twin.errors import TwinError
from twin.kernels.random import Streams, mix
from twin.model.contract import WorldModel
from twin.process import CONCENTRATION, Process, ProcessConfig, View
from twin.scenario.schema import Scenario
from twin.state.expression import Expression

N_CELLS, CHUNK = 11, 4  # of the large compartment: several chunks, the last one not full; our choice
ROUNDING = 1e-9  # relative; a sum over cells in another order; our choice
ROUNDING_32 = 1e-5  # the same in 32 bits; our choice

# What a step may raise that is a fault of the step.
_BROKEN = (ArithmeticError, AssertionError, AttributeError, LookupError, NameError, TypeError, ValueError, TwinError)


def check_process(
    process_class: type[Process],
    config: ProcessConfig | Mapping[str, object] | None = None,
    *,
    scenario: Scenario | None = None,
    model: WorldModel | None = None,
) -> list[str]:
    """Return what of the contract a process does not keep, a sentence each; an empty list is good.

    Its declarations are well formed; its `Config` is frozen and strict; it steps on no cell, one
    cell and dead cells; it changes nothing of the view; its updates have the ports, shapes and finite
    values that it declared; the same view gives the same updates, also from a process that has stepped
    before; and when the rows come in another order, so do the updates, and nothing else changes.

    Parameters
    ----------
    config : settings, where those by default would not do.
    scenario : where the process needs one of its own; else one with a substance that is secreted, felt
        and dosed, a knock-out and a removal.
    model : where the process needs genes, types or perturbations of its own.
    """
    faults = declaration_faults(process_class)
    if faults:
        return faults
    try:
        settings = process_class.Config.model_validate(config if config is not None else {})
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        return [f"Config: {wrong}: give settings with which it can be tried"]
    scenario, model = scenario or _scenario(), model or UniformModel()
    try:
        refused = process_class.check(settings, scenario, model)
        process = process_class.made_for(settings, scenario)
        told = process.assumptions(scenario, model)
    except _BROKEN as error:
        return [f"it cannot be made: {type(error).__name__}: {error}"]
    for word, sentences in (("check", refused), ("assumptions", told)):
        if not isinstance(sentences, list | tuple) or not all(isinstance(s, str) for s in sentences):
            return [f"{word} returns no list of sentences"]
    if refused:
        return [f"it refuses the scenario it is tried on ({'; '.join(refused)}): give one of its own"]
    if process.interval is not None and not process.interval > 0:
        return [f"interval: {process.interval} h is not above 0"]
    found: list[str] = []
    for where, view in _views(process, scenario, model):
        found += (f"{where}: {fault}" for fault in _step_faults(process_class, settings, view))
    return found


def _scenario() -> Scenario:
    """Return a scenario in which every part of the document says something."""
    return make_scenario(
        signalling={
            "secretion": [{"substance": "IFNB1", "by": ["Dendritic"], "rate": "500 molecules/h", "gene": "IFNB1"}],
            "reception": [
                {
                    "substance": "IFNB1",
                    "perturbation": "IFNB1",
                    "receptor": ["IFNAR1", "IFNAR2"],
                    "uptake": "1e3 um^3/h",
                }
            ],
        },
        organs={"clearance": {"IFNB1": {"node": "1e4 um^3/h"}}},
        timeline=[
            {"do": "add", "at": "0 h", "substance": "IFNB1", "dose": "1 nM"},
            {"do": "knock_out", "at": "0 h", "gene": "ISG15", "fraction": 0.5},
            {"do": "remove", "at": "0 h", "cell_types": ["T cell"], "fraction": 0.5},
            {"do": "wash_out", "at": "1 h"},
        ],
    )


def _views(process: Process, scenario: Scenario, model: WorldModel) -> Iterator[tuple[str, View]]:
    yield "no cells", _view(process, scenario, model, 0, tick=0)
    yield "one cell", _view(process, scenario, model, 1, tick=0)
    yield "only dead cells", _view(process, scenario, model, 3, tick=0, living=0.0)
    yield "living and dead cells", _view(process, scenario, model, N_CELLS, tick=0, living=0.7)
    yield "a later tick", _view(process, scenario, model, N_CELLS, tick=2, living=0.7)


def _view(process: Process, scenario: Scenario, model: WorldModel, n: int, *, tick: int, living: float = 1.0) -> View:
    """Return a view of `n` cells that differ in everything, read-only, with all that the process reads."""
    types = [i % len(model.contexts) for i in range(n)]
    plain = make_view(scenario, model, tick=tick, types=types)
    ids = mix(np.arange(1, n + 1, dtype=np.uint64))  # as daughters' ids: large, in no order

    def luck(word: str, width: int) -> NDArray[np.float64]:
        return Streams(1, 0, 0).stream(word).uniform(ids, width)

    dose = 3.0 * luck("dose", len(model.perturbations))
    sizes = sizes_of(plain, process)
    own = {c.name: np.full((n, c.width) if c.width else n, c.initial) for c in process.columns}
    foreign = {
        port.name: (np.zeros if port.combine == "add" else np.ones)(tuple(sizes.get(dim, 2) for dim in port.dims))
        for port in process.reads
        if port.name not in CORE and port.name not in own_ports(process)
    }
    level = np.linspace(0.0, 2.0, plain["concentration"].size).reshape(plain["concentration"].shape)
    view = make_view(
        scenario,
        model,
        tick=tick,
        types=types,
        clamp={(row, 0): 0.5 for row in range(0, n, 2)},
        concentration=level,
        rates={"source": level / 2, "sink": level / 4, **foreign},
        extra=own,
        stores={store.name: store.fresh() for store in process.stores},
        chunk=CHUNK,
        id=ids,
        parent=ids,
        position=np.asarray(plain.grid.origin) + luck("position", 3) * plain.grid.size,
        radius=3.0 + 2.0 * luck("radius", 1)[:, 0],
        alive=luck("alive", 1)[:, 0] < living,
        depth=5.0 + 10.0 * luck("depth", 1)[:, 0],
        z=luck("z", model.latent_size).astype(np.float32),
        dose=dose,
        time_since=np.where(dose > 1.0, dose, np.nan),
        ec50_factor=0.5 + luck("ec50", 1)[:, 0],
    )
    return _frozen(view)


def _step_faults(process_class: type[Process], settings: ProcessConfig, view: View) -> list[str]:
    process = process_class.made_for(settings, view.scenario)
    dt = process.interval or view.scenario.tick
    before = _photo(view)
    try:
        first = Reading(process, view, list(process.step(view, dt)))
        changed = [name for name, picture in _photo(view).items() if picture != before[name]]
        if changed:
            return [f"step changes {', '.join(changed)} of the view; return an update instead"]
        if first.faults:
            return first.faults
        again = Reading(process, view, list(process.step(view, dt)))
        new = process_class.made_for(settings, view.scenario)
        fresh = Reading(new, view, list(new.step(view, dt)))
        order = np.argsort(view.ids)  # ids are hashes: this shuffles
        other = _reordered(view, order)
        moved = Reading(process, other, list(process.step(other, dt)))
    except _BROKEN as error:
        return [f"step fails: {type(error).__name__}: {error}"]
    faults = [
        f"a second step of the same view gives another {key}: something is kept in the process, or drawn without a key"
        for key in _different(first.outcome, again.outcome, exact=True)
    ]
    faults += [
        f"a new process gives another {key} on the same view: something is drawn without a key"
        for key in _different(first.outcome, fresh.outcome, exact=True)
        if not faults
    ]
    if not faults:
        faults = [
            f"with the rows in another order the cells get another {key}: it depends on rows, not on ids"
            for key in _different(turned(first, order), moved.outcome, exact=False)
        ]
    return [*faults, *moved.faults]


def _different(one: Outcome, other: Outcome, *, exact: bool) -> list[str]:
    return [
        key
        for key in sorted({*one, *other})
        if key not in one or key not in other or not _same(one[key], other[key], exact=exact)
    ]


def _same(a: NDArray[Any], b: NDArray[Any], *, exact: bool) -> bool:
    if a.shape != b.shape:
        return False
    if exact or a.dtype.kind != "f":
        return bool(np.array_equal(a, b, equal_nan=a.dtype.kind == "f"))
    rounding = ROUNDING if a.dtype.itemsize == 8 else ROUNDING_32
    scale = float(np.nanmax(np.abs(a), initial=0.0))
    return bool(np.allclose(a, b, rtol=rounding, atol=rounding * scale, equal_nan=True))


def _frozen(view: View) -> View:
    """Return the view with arrays that cannot be written, as the engine hands them out."""
    for array in (*view.arrays.values(), *view.rates.values(), *view.stores.values()):
        array.flags.writeable = False
    return view


def _reordered(view: View, order: NDArray[np.intp]) -> View:
    """Return the view with its rows in another order."""
    arrays = {name: a if name == CONCENTRATION.name else a[order] for name, a in view.arrays.items()}
    counts = view.expression.to_counts(view.ids)[order]
    turned_view = replace(
        view,
        arrays=arrays,
        rates={name: a if a.ndim == 4 else a[order] for name, a in view.rates.items()},
        expression=Expression.from_counts(counts, view.expression.chunk_size),
        clamp=view.clamp[order],
        contacts=view.contacts[order][:, order],
    )
    return _frozen(turned_view)


def _photo(view: View) -> dict[str, tuple[bytes, ...]]:
    """Return everything that a view shows, by name, as bytes."""
    parts: dict[str, tuple[bytes, ...]] = {
        name: (a.tobytes(),) for name, a in (*view.arrays.items(), *view.rates.items(), *view.stores.items())
    }
    for name, matrix in (("clamp", view.clamp), ("contacts", view.contacts)):
        stored = matrix.copy()
        stored.sort_indices()  # the order in which entries are stored is no value
        parts[name] = tuple(a.tobytes() for a in (stored.indptr, stored.indices, stored.data))
    parts["expression"] = tuple(
        a.tobytes() for chunk in view.expression.chunks for a in (chunk.indptr, chunk.gene, chunk.token)
    )
    return parts
