"""Runs are read here, lazily: nothing is opened before it is asked for, and a going run is followed."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import anndata as ad
import networkx as nx
import numpy as np
import pandas as pd
import xarray as xr
import zarr

from twin.errors import InputError, UnknownNameError
from twin.results.commits import Commit, Commits, Frame, stop_in
from twin.results.damage import damaged, naming_damage, open_dataset
from twin.results.ensemble import Ensemble, Trajectory
from twin.results.evidence import replicate_weights, updates_in
from twin.results.frames import load_frame, load_genes, load_groups, load_table
from twin.results.glance import GeneCounts, Kept, load_counts, load_glance
from twin.results.graphs import contact_graph, counted, lineage_graph
from twin.results.layout import (
    CELLS,
    FIELDS,
    FORMAT,
    LINEAGE,
    PARTIAL,
    READOUTS,
    RECORD,
    TIME,
    TRAJECTORIES,
    readouts_of,
    trajectory_of,
)
from twin.results.packed import open_group, place_of
from twin.results.state import load_network
from twin.scenario.futures import TRUNK
from twin.state.groups import plain_tree
from twin.units import quantity

Point = Mapping[str, Any] | None  # a value for each axis of a sweep

BESIDE = "its cells, and the other trajectories of the run, still open"
SAME_TIME = 1e-9  # relative; two spellings of one time


def open_run(path: str | Path) -> "Run":
    """Open a run store, finished or still going.

    Raises
    ------
    InputError
        If nothing is there, or it is no run, half a run, or one of a newer format.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"there is no run at {path}: give the folder that `twin run --out` made")
    try:
        document = json.loads((path / "zarr.json").read_text("utf-8"))
        record = document["attributes"][RECORD]
    except FileNotFoundError:
        raise InputError(f"{path} is no run: it has no zarr.json; give the folder that `twin run` made") from None
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError(
            f"{path} is no run: its zarr.json holds no record of twin; give the folder that `twin run` made"
        ) from None
    if record["format"] > FORMAT:
        raise InputError(f"{path} has format {record['format']}, this twin reads up to {FORMAT}: install a newer twin")
    places = {READOUTS: readouts_of(path, int(record.get("generation", 0))), TRAJECTORIES: path / TRAJECTORIES}
    missing = [name for name, place in places.items() if not (place / "zarr.json").exists()]
    if missing or path.name.endswith(PARTIAL):
        what = f"{missing[0]} is missing" if missing else "it was never finished"
        raise InputError(f"{path} is half a run ({what}): delete it and run anew")
    run = Run(path, record)
    for trajectory in run.trajectories:
        run.ticks_of(trajectory)  # what is damaged is told now
    return run


class Run:
    """A run store.

    path : its folder.
    attrs : the run's record: scenario, versions, seed, model, assumptions, tick in h, n_ticks, ...
    """

    def __init__(self, path: Path, attrs: dict[str, Any]) -> None:
        self.path = path
        self.attrs = attrs
        self._family: Ensemble | None = None  # of which this is a part
        self._place: dict[str, int] = {}  # where in its readouts
        self._lists = Commits()

    def __repr__(self) -> str:
        done = sum(self.ticks_of(t) for t in self.trajectories)
        name = self.scenario.get("name", self.path.name)
        sizes = " × ".join(f"{n} {dim}" for dim, n in zip(self.ensemble.dims, self.ensemble.shape, strict=True))
        many = f"{self.replicates} replicates" if len(self.ensemble.dims) == 1 else sizes
        return f"Run({name!r}, {many}, {done} ticks done, {self.path})"

    @property
    def scenario(self) -> dict[str, Any]:
        """Return the resolved scenario."""
        scenario: dict[str, Any] = self.attrs.get("scenario", {})
        return scenario

    @cached_property
    def ensemble(self) -> Ensemble:
        """The trajectories, and the axes along which they differ."""
        if "ensemble" not in self.attrs:
            return Ensemble.plain(int(self.attrs["replicates"]))
        return Ensemble.of_record(self.attrs["ensemble"])

    @property
    def trajectories(self) -> tuple[Trajectory, ...]:
        """All trajectories; two points of a sweep that come to the same share one."""
        return self.ensemble.trajectories

    @property
    def branches(self) -> tuple[str, ...]:
        """Return the names of the branches, the trunk first."""
        return self.ensemble.branches

    @property
    def replicates(self) -> int:
        """How many replicates there are of each branch at each point of the sweep."""
        return self.ensemble.replicates

    @property
    def compartments(self) -> tuple[str, ...]:
        """Return the names of the compartments."""
        return tuple(self.attrs["compartments"])

    @cached_property
    def genes(self) -> tuple[str, ...]:
        """Return the genes of all compartments' cells; one axis, but where they have several world models.

        Raises
        ------
        InputError
            If no cells are kept yet, or all that are kept are damaged.
        """
        return tuple(dict.fromkeys(gene for name in self.compartments for gene in self.genes_of(name)))

    def genes_of(self, compartment: str) -> tuple[str, ...]:
        """Return the gene axis of the cells of a compartment.

        Raises
        ------
        InputError
            As `genes`.
        """
        spoilt: InputError | None = None
        for trajectory in self.trajectories:
            for commit in self._commits(trajectory):
                if commit.frames:
                    folder = self._folder(trajectory, compartment, CELLS, commit)
                    try:
                        with naming_damage(folder):
                            return load_genes(open_group(folder))
                    except InputError as error:  # another commit may tell
                        spoilt = spoilt or error
        if spoilt is not None:
            raise spoilt
        raise InputError(f"{self.path} keeps no cells yet: wait for its first commit")

    @property
    def is_complete(self) -> bool:
        """Whether every trajectory has done all its ticks, or ended early by a condition of its scenario."""
        n_ticks = int(self.attrs["n_ticks"])
        return all(self.ticks_of(t) >= n_ticks or self.why_stopped(t) is not None for t in self.trajectories)

    @property
    def variation(self) -> pd.DataFrame:
        """Return which donor, batch and operator each replicate has, and what they are like: a row a donor in it.

        Empty where the scenario declares nothing of the kind. Factors are as they act; what is called a baseline or a
        composition is added, the one to the share of the effect that untreated cells have, the other to the log of a
        type's share before they are made to sum to 1; a delay is in h.
        """
        return pd.DataFrame(self.attrs.get("variation", []))

    def ticks_done(self, replicate: int = 0, branch: str | None = None, point: Point = None) -> int:
        """Return the ticks of a trajectory that are committed."""
        return self.ticks_of(self.ensemble.find(replicate, branch, point))

    def ticks_of(self, trajectory: Trajectory) -> int:
        """Return the ticks of a trajectory that are committed; a branch begins with those of its past."""
        commits = self._commits(trajectory)
        return commits[-1].tick if commits else 0

    def log(self, replicate: int = 0, branch: str | None = None, point: Point = None) -> list[dict[str, Any]]:
        """Return what happened in a trajectory, in order: "tick", "time" (h), "what", and more as it is the case.

        Events that a condition let happen, snapshots that were assimilated, what was learned of them, an early end; of
        a branch what happened in its past, too.
        """
        return self._log(self.ensemble.find(replicate, branch, point))

    @property
    def updates(self) -> list[dict[str, Any]]:
        """What ensembles learned from snapshots while they ran, by time.

        Each with "event" (its place in the timeline), "file", "time" (h), "parameters" (moments before and after, of
        the logarithm where "log" is true), and by id of its trajectories "old_values" and "values", the new ones; with
        "why_not" where nothing could be learned. Labels along the axes of a sweep are values at the start.

        Raises
        ------
        InputError
            If one is damaged.
        """
        return updates_in(self.path)

    def stopped(self, replicate: int = 0, branch: str | None = None, point: Point = None) -> str | None:
        """Return why a trajectory ended before its time; None where it did not."""
        return self.why_stopped(self.ensemble.find(replicate, branch, point))

    def why_stopped(self, trajectory: Trajectory) -> str | None:
        """Return why a trajectory, or its past before it forked, ended before its time; None where neither did."""
        return stop_in(self._log(trajectory))

    def _log(self, trajectory: Trajectory) -> list[dict[str, Any]]:
        return [
            dict(entry)
            for owner in self._line(trajectory)
            for commit in self._commits(owner)
            for entry in commit.log
            if owner is trajectory or entry["tick"] <= trajectory.fork
        ]

    def times(
        self, replicate: int = 0, branch: str | None = None, point: Point = None
    ) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Return the times at which whole cells were kept, h."""
        frames = self._frames(self.ensemble.find(replicate, branch, point))
        return np.array([frame.time for _, _, frame in frames], dtype=np.float64)

    @property
    def readouts(self) -> xr.Dataset:
        """Return all readouts (branch, sweep axes, replicate, time, ...), lazily; NaN where nothing is committed yet.

        The dimensions branch and sweep axes are there where the scenario has them.
        """
        data = self.streamed
        done = np.zeros((*self.ensemble.shape, data.sizes[TIME]), dtype=bool)
        for trajectory in self.trajectories:
            written = [i for commit in self._commits(trajectory) for i in commit.readouts]
            for place in trajectory.places:
                done[place][written] = True
        dims = self.ensemble.dims
        data = data if done.all() else data.where(xr.DataArray(done, dims=(*dims, TIME)))
        weights = self.weights
        return data if weights is None else data.assign_coords(weight=(dims, weights))

    @property
    def streamed(self) -> xr.Dataset:
        """Return all readouts that are written by now, lazily, also those that wait for a commit."""
        folder = readouts_of(self.path, int(self.attrs.get("generation", 0)))
        data = open_dataset(folder)
        return data.isel(self._place, drop=True)

    @property
    def weights(self) -> np.ndarray[Any, np.dtype[np.float64]] | None:
        """Return the weights of the trajectories, of the shape of `readouts` before the time, or None.

        Snapshots give them (`reweight`): in proportion to the likelihood of all snapshots so far, and summing to 1
        over the replicates of each branch and point. A replicate that has not come to a snapshot yet, or ended before,
        has none.
        """
        told = {t.id: self._log(t) for t in self.trajectories}
        return replicate_weights(told, self.ensemble)

    def at(self, branch: str | None = None, point: Point = None) -> "Run":
        """Return the part of this run that is one branch at one point of the sweep, as a run of replicates alone."""
        chosen = [self.ensemble.find(i, branch, point) for i in range(self.replicates)]
        return self._part(chosen, self._place_of(self.ensemble.place(branch, point)))

    def scenes(self) -> "list[tuple[str, Run]]":
        """Return every branch at every point, in words and as a run of its own; those that are the same once."""
        found = []
        for first in self.trajectories:
            if first.replicate == 0:
                place = first.places[0][:-1]
                chosen = [self.ensemble.by_place[(*place, i)] for i in range(self.replicates)]
                found.append((self.ensemble.label(first, replicate=False), self._part(chosen, self._place_of(place))))
        return found

    def _place_of(self, place: tuple[int, ...]) -> dict[str, int]:
        return dict(zip(self.ensemble.dims[:-1], place, strict=True))

    def _part(self, chosen: list[Trajectory], place: dict[str, int]) -> "Run":
        part = Run(self.path, self.attrs)
        part._family = self.ensemble if self._family is None else self._family
        part._place = {**self._place, **place}
        part._lists = self._lists
        alone = tuple(replace(t, branch=TRUNK, point=(), places=((i,),)) for i, t in enumerate(chosen))
        part.__dict__["ensemble"] = Ensemble((TRUNK,), (), self.replicates, alone)
        return part

    def cells(
        self,
        time: float | str | None = None,
        replicate: int = 0,
        compartment: str | None = None,
        branch: str | None = None,
        point: Point = None,
        *,
        lazy: bool = False,
        counts: bool = True,
    ) -> ad.AnnData:
        """Return all cells of one compartment at one kept time; obs_names are the cells' ids.

        Parameters
        ----------
        time : h, or text with a unit ("6 h"); None: the last kept time.
        compartment : may be left out where there is only one.
        branch : without it the trunk. Before its fork a branch is its trunk.
        point : a value for each axis of the sweep, like {"dose": 10} or {"dose": "10 U/mL"}.
        lazy : leave the counts on the disk; X is a Dask array of CSR blocks. `adata[rows].to_memory()` reads only what
            those rows need.
        counts : without them there are `obs` and `obsm["spatial"]` alone, no genes, contacts or latent states: a small
            part of the whole is read.

        Raises
        ------
        InputError
            If that time was not kept, or there is no such trajectory: the nearest that are there are named; or if a
            file is damaged: it is named.
        """
        compartment = self._compartment(compartment)
        trajectory = self.ensemble.find(replicate, branch, point)
        owner, commit, frame = self._frame_at(time, trajectory)
        about = {"time": frame.time, "tick": frame.tick}
        with naming_damage(self._folder(owner, compartment, CELLS, commit)):
            group = self._open(owner, compartment, CELLS, commit)
            if not counts:
                return load_glance(group, frame.rows[compartment])
            return load_frame(group, frame.rows[compartment], about, lazy=lazy)

    def counts_of(
        self,
        genes: Sequence[str],
        time: float | str | None = None,
        replicate: int = 0,
        compartment: str | None = None,
        branch: str | None = None,
        point: Point = None,
    ) -> GeneCounts:
        """Return the counts of some genes in all cells of one kept time; the others' pass through, and are not held.

        Parameters and errors are those of `cells`.

        Raises
        ------
        UnknownNameError
            If a gene is not in the run.
        """
        compartment = self._compartment(compartment)
        owner, commit, frame = self._frame_at(time, self.ensemble.find(replicate, branch, point))
        with naming_damage(self._folder(owner, compartment, CELLS, commit)):
            return load_counts(self._open(owner, compartment, CELLS, commit), frame.rows[compartment], genes)

    def kept(
        self, replicate: int = 0, compartment: str | None = None, branch: str | None = None, point: Point = None
    ) -> list[Kept]:
        """Return at which instants whole cells of a compartment were kept, in order; no cell is read for it."""
        compartment = self._compartment(compartment)
        trajectory = self.ensemble.find(replicate, branch, point)
        return [
            Kept(
                owner.id,
                frame.tick,
                frame.time,
                frame.rows[compartment][1] - frame.rows[compartment][0],
                place_of(self._folder(owner, compartment, CELLS, commit)),
                compartment in commit.fields,
            )
            for owner, commit, frame in self._frames(trajectory)
        ]

    def fields(
        self, replicate: int = 0, compartment: str | None = None, branch: str | None = None, point: Point = None
    ) -> xr.Dataset:
        """Return concentrations (time, substance, z, y, x) in nM at all kept times, lazily.

        Raises
        ------
        InputError
            If the run keeps no fields of this compartment.
        """
        compartment = self._compartment(compartment)
        trajectory = self.ensemble.find(replicate, branch, point)
        parts = []
        for owner in self._line(trajectory):
            for commit in self._commits(owner):
                mine = [i for i, f in enumerate(commit.frames) if owner is trajectory or f.tick <= trajectory.fork]
                if compartment not in commit.fields or not mine:
                    continue
                part = open_dataset(self._folder(owner, compartment, FIELDS, commit), BESIDE)
                parts.append(part if len(mine) == len(commit.frames) else part.isel(time=mine))
        if not parts:
            raise InputError(
                f"{self.path} keeps no fields of {compartment}: its scenario has no substances, or "
                "nothing is committed yet"
            )
        joined: xr.Dataset = xr.concat(
            parts, "time", data_vars="minimal", coords="minimal", compat="override", join="override"
        )
        return joined

    def fields_at(
        self,
        time: float,
        replicate: int = 0,
        compartment: str | None = None,
        branch: str | None = None,
        point: Point = None,
    ) -> xr.Dataset:
        """Return concentrations (substance, z, y, x) in nM at one kept time, h, lazily; its commit alone is opened.

        Raises
        ------
        InputError
            If no fields of this compartment were kept then.
        """
        compartment = self._compartment(compartment)
        owner, commit, frame = self._frame_at(time, self.ensemble.find(replicate, branch, point))
        if compartment not in commit.fields:
            raise InputError(f"{self.path} keeps no fields of {compartment} at {frame.time:g} h")
        part = open_dataset(self._folder(owner, compartment, FIELDS, commit), BESIDE)
        return part.isel(time=commit.frames.index(frame))

    def damaged(self) -> list[Path]:
        """Return the committed files that cannot be read, of all trajectories; every one is read for it."""
        ids = [t.id for t in self.trajectories]
        return list(damaged(self.path, ids, int(self.attrs.get("generation", 0))))

    def lineage(
        self, replicate: int = 0, compartment: str | None = None, branch: str | None = None, point: Point = None
    ) -> pd.DataFrame:
        """Return births and deaths, in order: id, parent, tick, time in h, event."""
        compartment = self._compartment(compartment)
        trajectory = self.ensemble.find(replicate, branch, point)
        tables = []
        for owner in self._line(trajectory):
            for commit in self._commits(owner):
                if compartment in commit.lineage:
                    with naming_damage(self._folder(owner, compartment, LINEAGE, commit), BESIDE):
                        table = load_table(self._open(owner, compartment, LINEAGE, commit))
                    tables.append(table if owner is trajectory else table[table["tick"] < trajectory.fork])
        if not tables:
            kinds = {
                "id": "uint64",
                "parent": "uint64",
                "tick": "int64",
                "time": "float64",
                "event": "object",
            }
            return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in kinds.items()})
        return pd.concat(tables, ignore_index=True)

    def groups(
        self, compartment: str | None = None, replicate: int = 0, branch: str | None = None, point: Point = None
    ) -> "nx.DiGraph[int]":
        """Return the tree of groups of a compartment: its organ, organoids and niches, each with `name` and `kind`.

        `obs["group"]` of cells names a node; `obs["niche"]`, `obs["organoid"]` and `obs["organ"]` say it in words.
        """
        compartment = self._compartment(compartment)
        trajectory = self.ensemble.find(replicate, branch, point)
        owner, commit, _ = self._frame_at(None, trajectory)
        with naming_damage(self._folder(owner, compartment, CELLS, commit)):
            found = load_groups(self._open(owner, compartment, CELLS, commit))
        organ = self.scenario.get("compartments", {}).get(compartment, {}).get("organ", "tissue")
        return plain_tree(organ, compartment) if found is None else found

    def body_tree(
        self,
        time: float | str | None = None,
        replicate: int = 0,
        branch: str | None = None,
        point: Point = None,
    ) -> "nx.DiGraph[str]":
        """Return the groups of all compartments as one tree below "body", with how many living cells each has.

        Nodes are paths like "gut/crypts 1/crypt base", with `name`, `kind` and `n_cells`; organs of one name are one.
        """
        trees = {name: self.groups(name, replicate, branch, point) for name in self.compartments}
        cells = {name: self.cells(time, replicate, name, branch, point, lazy=True).obs for name in trees}
        return counted(trees, cells)

    def contact_graph(
        self,
        time: float | str | None = None,
        replicate: int = 0,
        compartment: str | None = None,
        branch: str | None = None,
        point: Point = None,
    ) -> "nx.Graph[int]":
        """Return who touches whom at one kept time: see `twin.results.graphs.contact_graph`.

        Parameters and errors are those of `cells`.
        """
        return contact_graph(self.cells(time, replicate, compartment, branch, point))

    def lineage_graph(
        self, replicate: int = 0, compartment: str | None = None, branch: str | None = None, point: Point = None
    ) -> "nx.DiGraph[int]":
        """Return who descends from whom: see `twin.results.graphs.lineage_graph`.

        Founders that never divide nor die are in it too, where the cells of the start were kept.
        """
        kept = self.times(replicate, branch, point)
        first = len(kept) > 0 and kept[0] == 0
        founders = self.cells(0.0, replicate, compartment, branch, point) if first else None
        return lineage_graph(self.lineage(replicate, compartment, branch, point), founders)

    def organ_graph(self, replicate: int = 0, branch: str | None = None, point: Point = None) -> "nx.DiGraph[str]":
        """Return how the compartments hang together, as of the last commit.

        Nodes are compartments with `organ` and `volume` (of the whole organ, mL). Edges have `flow` (blood and lymph,
        mL/h) with its `kind`, and `cells`, in words, where cells travel.

        Raises
        ------
        InputError
            If nothing is committed yet, or there is no such trajectory.
        """
        trajectory = self.ensemble.find(replicate, branch, point)
        for owner in reversed(self._line(trajectory)):
            commits = self._commits(owner)
            if commits:
                return load_network(trajectory_of(self.path, owner.id) / commits[-1].state)
        raise InputError(f"{self.path} holds no state yet: wait for its first commit")

    def _commits(self, trajectory: Trajectory) -> list[Commit]:
        return self._lists.of(trajectory_of(self.path, trajectory.id))

    def _line(self, trajectory: Trajectory) -> tuple[Trajectory, ...]:
        """Return who holds a trajectory's history: its trunk, up to the fork, and itself."""
        everyone = self.ensemble if self._family is None else self._family
        parent = () if trajectory.parent is None else (everyone.by_id[trajectory.parent],)
        return (*parent, trajectory)

    def _frames(self, trajectory: Trajectory) -> list[tuple[Trajectory, Commit, Frame]]:
        return [
            (owner, commit, frame)
            for owner in self._line(trajectory)
            for commit in self._commits(owner)
            for frame in commit.frames
            if owner is trajectory or frame.tick <= trajectory.fork
        ]

    def _compartment(self, name: str | None) -> str:
        if name is None:
            if len(self.compartments) == 1:
                return self.compartments[0]
            raise InputError(f"this run has several compartments: say which of {', '.join(self.compartments)}")
        if name not in self.compartments:
            raise UnknownNameError("compartment", name, self.compartments)
        return name

    def _frame_at(self, time: float | str | None, trajectory: Trajectory) -> tuple[Trajectory, Commit, Frame]:
        """Return the kept instant of this time, the commit that holds it, and whose that is."""
        kept = self._frames(trajectory)
        if not kept:
            raise InputError(f"{self.path} keeps no cells of {self.ensemble.label(trajectory)} yet")
        if time is None:
            return kept[-1]
        if isinstance(time, str):
            try:
                time = quantity(time, "hour", "a time", "6 h")
            except ValueError as error:
                raise InputError(str(error)) from None
        kept.sort(key=lambda found: abs(found[2].time - time))
        if abs(kept[0][2].time - time) > SAME_TIME * max(1.0, abs(time)):
            near = sorted({frame.time for _, _, frame in kept[:2]})
            names = " and ".join(f"{t:g} h" for t in near)
            raise InputError(f"no cells were kept at {time:g} h; the nearest kept: {names}")
        return kept[0]

    def _folder(self, trajectory: Trajectory, compartment: str, kind: str, commit: Commit) -> Path:
        return trajectory_of(self.path, trajectory.id) / compartment / kind / commit.name

    def _open(self, trajectory: Trajectory, compartment: str, kind: str, commit: Commit) -> zarr.Group:
        return open_group(self._folder(trajectory, compartment, kind, commit))
