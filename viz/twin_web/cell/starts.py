"""The cells that a question is asked of: drawn by the model, uploaded, or taken out of a run."""

import json
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
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
from twin_web.bodies import number, text, whole
from twin_web.cell.lab import SITE_MODEL, Lab, Ready
from twin_web.cell.panels import Panel, described
from twin_web.cell.sentences import Said, Words, said, told
from twin_web.runs.find import find_run, find_upload
from twin_web.runs.upload import Upload
from twin_web.viewer.shelf import version_of

Index = NDArray[np.intp]

LEAST_NEW = 5  # cells that give a type a meaning which the model does not know; as `twin predict` has it
LEAST_SHARED = 10  # genes of a file that a panel has; our choice: fewer say too little of a cell
MOST_POOL = 2_000  # cells of a file that are held to begin with; our choice: four times what one simulation takes
FEW = 0.5  # share of a panel's genes; from here down it is told that the file has few of them; our choice


@dataclass(frozen=True)
class Start:
    """Where a simulation begins.

    origin : tells it from every other start, another's of the same name among them. key : what the model `whole` is
    kept by. context : of `whole`, that the cells are read as. type : what they are called where they come from. cells :
    counts on the panel's axis, (cell, gene); None: the model draws them. copies : whether all replicates begin as one
    cell. notes : what should be known of it.
    """

    origin: Hashable
    key: Hashable
    whole: WorldModel
    panel: Panel
    context: str
    type: str
    source: Words
    cells: sp.csr_array | None = None
    copies: bool = False
    donor: str | None = None
    notes: tuple[Said, ...] = ()

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


@dataclass(frozen=True)
class _Found:
    """Measured cells as they were found.

    alike : rows of all cells of their type. chosen : rows of those to begin with. own : their type. word : what they
    are, in words.
    """

    origin: Hashable
    data: CountData
    alike: Index
    chosen: Index
    own: str
    word: Words
    donor: str | None

    @property
    def called(self) -> str:
        """Return what they are as errors, which are in English, call them."""
        return told(self.word, "en")


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
    ready, source = lab.ready(), text(start, "source", "model", longest=20)
    if source == "model":
        context = text(start, "context", longest=300)
        return Start(context, SITE_MODEL, ready.model, ready.panel(context), context, context, said("drawn"))
    word = json.dumps(start, sort_keys=True)
    if source == "upload":
        upload = find_upload(lab.site, owner, text(start, "id", longest=64))
        key: Hashable = (upload.path, upload.sha256, upload.types_column, word)
        return lab.starts.get(key, lambda: _read(lab, ready, _uploaded(lab, upload, start, key), start))
    if source == "run":
        path = find_run(lab.site, owner, text(start, "run", longest=200))
        record = path / "zarr.json"  # a run that was deleted, and begun anew under its name, is another one
        key = (path, version_of(record) if record.is_file() else None, word)
        return lab.starts.get(key, lambda: _read(lab, ready, _of_run(path, start, key), start))
    raise InputError(f"start: {source!r} is no source; it is model, upload or run")


def _uploaded(lab: Lab, upload: Upload, start: Mapping[str, Any], origin: Hashable) -> _Found:
    if upload.types_column is None:
        raise InputError(f"{upload.file}: say first which of its columns names the cell types")
    data = lab.uploads.get((upload.path, upload.sha256), lambda: read_counts(upload.path))
    types = data.column("cell_type", upload.types_column)
    if start.get("cell") is not None:
        row = _row(data, start["cell"], upload.file)
        own, word = str(types[row]), said("cell-of", cell=str(data.obs.index[row]), file=upload.file)
        donor = str(data.column("donor")[row]) if data.find_column("donor") is not None else None
        return _Found(origin, data, np.flatnonzero(types == own), np.array([row]), own, word, donor)
    own = next(iter(upload.types)) if start.get("type") is None else text(start, "type", longest=300)
    if own not in upload.types:
        raise UnknownNameError(f"cell type in {upload.file}", own, upload.types)
    alike = np.flatnonzero(types == own)
    return _Found(origin, data, alike, alike, own, said("type-of", type=own, file=upload.file), None)


def _of_run(path: Path, start: Mapping[str, Any], origin: Hashable) -> _Found:
    time, cell = number(start, "time", 0, 1e6, units="h"), text(start, "cell", longest=40)
    branch, compartment = (
        None if start.get(key) is None else text(start, key, longest=200) for key in ("branch", "compartment")
    )
    point, replicate = start.get("point"), whole(start, "replicate", 0, 10**6, 0)
    if point is not None and not isinstance(point, Mapping):
        raise InputError("start: a point is an object, a value for each axis of the sweep")
    frame = open_run(path).cells(time, replicate, compartment, branch, point, lazy=True)
    if cell not in frame.obs_names:
        raise InputError(f"{path.name} has no cell {cell} at {time:g} h")
    one = frame[[frame.obs_names.get_loc(cell)]].to_memory()
    data = CountData(sp.csr_array(one.X).astype(np.int32), tuple(map(str, one.var_names)), one.obs, path.name)
    about = {word: str(one.obs[word].iloc[0]) for word in ("cell_type", "donor") if word in one.obs}
    row, word = np.array([0]), said("cell-at", cell=cell, run=path.name, time=time)
    return _Found(origin, data, row, row, about.get("cell_type", ""), word, about.get("donor"))


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


def _read(lab: Lab, ready: Ready, found: _Found, start: Mapping[str, Any]) -> Start:
    """Return measured cells as a start: read as what was asked, as their own type, or as a type that they define."""
    key: Hashable = SITE_MODEL
    context = found.own if start.get("context") is None else text(start, "context", longest=300)
    if context in ready.panel_of:
        panel, model = ready.panel_of[context], ready.model
        notes = [] if context == found.own else [said("read-as", context=context)]
    elif start.get("context") is not None:
        raise UnknownNameError("cell type of this model", context, ready.panel_of)
    else:
        panel = max(ready.panels, key=lambda p: len(set(p.genes) & set(found.data.genes)))
        key, model = (found.origin, found.own), _taught(lab, ready, panel, found)
        notes = [said("new-type", type=found.own, n=len(found.alike))]
    cells = _onto(found, found.chosen, panel)
    if not cells.sum():
        raise InputError(f"{found.called}: none of its messages is on the axis of {panel.name}")
    own, shared = len(found.data.genes), len(set(found.data.genes) & set(panel.genes))
    if shared < own:
        notes.append(said("off-axis", left=own - shared, own=own, panel=panel.name))
    if shared < FEW * len(panel.genes):
        notes.append(said("few-genes", shared=shared, all=len(panel.genes), panel=panel.name))
    one = len(found.chosen) == 1
    return Start(found.origin, key, model, panel, context, found.own, found.word, cells, one, found.donor, tuple(notes))


def _taught(lab: Lab, ready: Ready, panel: Panel, found: _Found) -> WorldModel:
    """Return the model of a panel that also knows the type that these cells are."""
    if len(found.alike) < LEAST_NEW:
        raise InputError(
            f"the model does not know the cell type {found.own!r}, and {len(found.alike)} cells are too few to show it "
            f"what that is ({LEAST_NEW} are needed): choose the type as which it should read {found.called}"
        )
    controls = _onto(found, found.alike, panel)
    with lab.turn:
        return ready.model.focused(panel.contexts).with_context(found.own, controls)


def _onto(found: _Found, rows: Index, panel: Panel) -> sp.csr_array:
    """Return some of the cells on a panel's axis; of very many, `MOST_POOL` that are spread evenly over the file."""
    shared = len(set(panel.genes) & set(found.data.genes))
    if shared < min(LEAST_SHARED, len(panel.genes)):
        raise InputError(
            f"{found.called}: {shared} of its genes are on the axis of {panel.name}, which are too few; choose another "
            "cell type as which it should be read"
        )
    some = rows[np.linspace(0, len(rows) - 1, min(len(rows), MOST_POOL)).astype(np.intp)]
    return onto_axis(found.data.take(some), panel.genes)[0]
