"""The cells that a question is asked of: drawn by the model, uploaded, or taken out of a run."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from twin.data.counts import CountData, onto_axis, read_counts
from twin.errors import InputError, UnknownNameError
from twin.kernels.random import Streams
from twin.model.contract import WorldModel
from twin.model.rollout import Culture, draw_culture, take_culture
from twin.results import open_run
from twin_web.bodies import number, text
from twin_web.cell.lab import Lab
from twin_web.cell.panels import Panel, described
from twin_web.runs.find import find_run, find_upload

Index = NDArray[np.intp]

LEAST_NEW = 5  # cells that give a type a meaning which the model does not know; as `twin predict` has it
LEAST_SHARED = 30  # genes of a file that a panel has; our choice: fewer say too little of a cell


@dataclass(frozen=True)
class Start:
    """Where a simulation begins.

    key : what the model `whole` is kept by. context : of `whole`, that the cells are read as. type : what they are
    called where they come from. cells : counts on the panel's axis, (cell, gene); None: the model draws them. copies :
    whether all replicates begin as one cell. note : what should be known of it, or "".
    """

    key: Hashable
    whole: WorldModel
    panel: Panel
    context: str
    type: str
    source: str
    cells: sp.csr_array | None = None
    copies: bool = False
    donor: str | None = None
    note: str = ""

    @property
    def species(self) -> str:
        """Return the species, "" where it is not told."""
        return self.panel.species or described(self.whole, self.context).species

    def culture(self, model: WorldModel, n: int, seed: int) -> Culture:
        """Return `n` untreated cells, on the axis of `model`, which is `whole` for this context."""
        if self.cells is None:
            return draw_culture(model, self.context, n, seed=seed)
        held = self.cells.shape[0]
        order = np.argsort(Streams(seed, 0, 0).stream("start cells").uniform(np.arange(held, dtype=np.uint64), 1)[:, 0])
        counts = sp.csr_array(self.cells[np.resize(order, n)])
        return take_culture(model, counts, self.context, seed=seed)


def start_of(lab: Lab, owner: str, given: Mapping[str, Any]) -> Start:
    """Return the cells that a request begins with.

    Raises
    ------
    InputError
        If they are not there, not the owner's, or the model cannot read them.
    """
    start = given.get("start")
    if not isinstance(start, Mapping):
        raise InputError('start: give an object, like {"source": "model", "context": "CD14 Mono"}')
    source = text(start, "source", "model", longest=20)
    match source:
        case "model":
            return _drawn(lab, text(start, "context", longest=300))
        case "upload":
            return _uploaded(lab, owner, start)
        case "run":
            return _from_run(lab, owner, start)
    raise InputError(f"start: {source!r} is no source; it is model, upload or run")


def _drawn(lab: Lab, context: str) -> Start:
    ready = lab.ready()
    return Start("site", ready.model, ready.panel(context), context, context, "drawn by the model")


def _uploaded(lab: Lab, owner: str, start: Mapping[str, Any]) -> Start:
    upload = find_upload(lab.site, owner, text(start, "id", longest=64))
    if upload.types_column is None:
        raise InputError(f"{upload.file}: say first which of its columns names the cell types")
    data = lab.uploads.get((upload.path, upload.sha256), lambda: read_counts(upload.path))
    types = data.column("cell_type", upload.types_column)
    cell = start.get("cell")
    row = None if cell is None else _row(data, cell, upload.file)
    named = start.get("type")
    if row is not None:
        own = str(types[row])
    elif named is None:
        own = next(iter(upload.types))
    else:
        own = text(start, "type", longest=300)
        if own not in upload.types:
            raise UnknownNameError(f"cell type in {upload.file}", own, upload.types)
    alike = np.flatnonzero(types == own)
    chosen = alike if row is None else np.array([row])
    word = f"cells of {upload.file}" if row is None else f"cell {data.obs.index[row]} of {upload.file}"
    donor = str(data.column("donor")[row]) if row is not None and data.find_column("donor") is not None else None
    return _measured(lab, (upload.path, upload.sha256), data, alike, chosen, own, start.get("context"), word, donor)


def _from_run(lab: Lab, owner: str, start: Mapping[str, Any]) -> Start:
    name = text(start, "run", longest=200)
    path = find_run(lab.site, owner, name)
    time = number(start, "time", 0, 1e6, units="h")
    cell = text(start, "cell", longest=40)
    branch = text(start, "branch", longest=200) if start.get("branch") is not None else None
    compartment = text(start, "compartment", longest=200) if start.get("compartment") is not None else None
    point, replicate = start.get("point"), int(number(start, "replicate", 0, 1e6, 0))
    if point is not None and not isinstance(point, Mapping):
        raise InputError("start: a point is an object, a value for each axis of the sweep")
    frame = open_run(path).cells(time, replicate, compartment, branch, point, lazy=True)
    if cell not in frame.obs_names:
        raise InputError(f"{name} has no cell {cell} at {time:g} h")
    one = frame[[frame.obs_names.get_loc(cell)]].to_memory()
    data = CountData(sp.csr_array(one.X).astype(np.int32), tuple(map(str, one.var_names)), one.obs, name)
    told = {word: str(one.obs[word].iloc[0]) for word in ("cell_type", "donor") if word in one.obs}
    row = np.array([0])
    word = f"cell {cell} of {name} at {time:g} h"
    return _measured(
        lab,
        (path, time, cell),
        data,
        row,
        row,
        told.get("cell_type", ""),
        start.get("context"),
        word,
        told.get("donor"),
    )


def _row(data: CountData, cell: object, file: str) -> int:
    if isinstance(cell, int) and not isinstance(cell, bool):
        if not 0 <= cell < data.n_cells:
            raise InputError(f"{file} has {data.n_cells} cells: there is no row {cell}")
        return cell
    name = text({"cell": cell}, "cell", longest=200)
    found = np.flatnonzero(data.obs.index.astype(str) == name)
    if not len(found):
        raise InputError(f"{file} has no cell {name!r}")
    return int(found[0])


def _measured(
    lab: Lab,
    key: Hashable,
    data: CountData,
    alike: Index,
    chosen: Index,
    own: str,
    asked: object,
    word: str,
    donor: str | None,
) -> Start:
    """Return measured cells as a start: read as what was asked, as their own type, or as a type that they define."""
    ready = lab.ready()
    name: Hashable = "site"
    whole, note = ready.model, ""
    context = own if asked is None else text({"context": asked}, "context", longest=300)
    if context in ready.panel_of:
        panel = ready.panel_of[context]
        note = "" if context == own else f"read as {context}"
    elif asked is not None:
        raise UnknownNameError("cell type of this model", context, ready.panel_of)
    else:
        panel = max(ready.panels, key=lambda p: len(set(p.genes) & set(data.genes)))
        if len(alike) < LEAST_NEW:
            raise InputError(
                f"the model does not know the cell type {own!r}, and {len(alike)} cells are too few to show it what "
                f"that is ({LEAST_NEW} are needed): choose the type as which it should read {word}"
            )
        name, note = (key, own), f"{own} is new to the model: it is what these {len(alike)} cells show"
    counts = _onto(data, panel, word)
    if context not in ready.panel_of:
        with lab.turn:
            whole = lab.models.get(
                name, lambda: ready.model.focused(panel.contexts).with_context(own, sp.csr_array(counts[alike]))
            )
    cells = sp.csr_array(counts[chosen])
    if not cells.sum():
        raise InputError(f"{word}: none of its messages is on the axis of {panel.name}")
    lost = len(set(data.genes) - set(panel.genes))
    notes = [note] if note else []
    if lost:
        notes.append(f"{lost:,} of its {len(data.genes):,} genes are not on the axis of {panel.name} and stay out")
    return Start(name, whole, panel, context, own, word, cells, len(chosen) == 1, donor, "; ".join(notes))


def _onto(data: CountData, panel: Panel, word: str) -> sp.csr_array:
    shared = len(set(panel.genes) & set(data.genes))
    if shared < min(LEAST_SHARED, len(panel.genes)):
        raise InputError(
            f"{word}: {shared} of its genes are on the axis of {panel.name}, which are too few; choose another cell "
            "type as which it should be read"
        )
    return onto_axis(data, panel.genes)[0]
