"""Runs are read here, lazily: nothing is opened before it is asked for, and a going run is followed."""

import json
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
from twin.kernels.ensemble import weights_of
from twin.results.commits import Commit, Frame, load_commits
from twin.results.frames import load_frame, load_genes, load_table
from twin.results.graphs import contact_graph, lineage_graph
from twin.results.layout import (
    CELLS,
    FIELDS,
    FORMAT,
    LEADING_DIMS,
    LINEAGE,
    PARTIAL,
    READOUTS,
    RECORD,
    TRAJECTORIES,
    trajectory_of,
)
from twin.units import quantity

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
    missing = [name for name in (READOUTS, TRAJECTORIES) if not (path / name / "zarr.json").exists()]
    if missing or path.name.endswith(PARTIAL):
        what = f"{missing[0]} is missing" if missing else "it was never finished"
        raise InputError(f"{path} is half a run ({what}): delete it and run anew")
    run = Run(path, record)
    for replicate in range(run.replicates):
        load_commits(trajectory_of(path, replicate))
    return run


class Run:
    """A run store.

    path : its folder.
    attrs : the run's record: scenario, versions, seed, model, assumptions, tick in h, n_ticks, ...
    """

    def __init__(self, path: Path, attrs: dict[str, Any]) -> None:
        self.path = path
        self.attrs = attrs

    def __repr__(self) -> str:
        done = sum(self.ticks_done(i) for i in range(self.replicates))
        name = self.scenario.get("name", self.path.name)
        return f"Run({name!r}, {self.replicates} replicates, {done} ticks done, {self.path})"

    @property
    def scenario(self) -> dict[str, Any]:
        """Return the resolved scenario."""
        scenario: dict[str, Any] = self.attrs.get("scenario", {})
        return scenario

    @property
    def replicates(self) -> int:
        """How many trajectories there are."""
        return int(self.attrs["replicates"])

    @property
    def compartments(self) -> tuple[str, ...]:
        """Return the names of the compartments."""
        return tuple(self.attrs["compartments"])

    @cached_property
    def genes(self) -> tuple[str, ...]:
        """Return the gene axis of the cells.

        Raises
        ------
        InputError
            If no cells are kept yet.
        """
        for commit in self._commits(0):
            if commit.frames:
                return load_genes(self._open(0, next(iter(commit.frames[0].rows)), CELLS, commit))
        raise InputError(f"{self.path} keeps no cells yet: wait for its first commit")

    @property
    def is_complete(self) -> bool:
        """Whether every trajectory has done all its ticks, or ended early by a condition of its scenario."""
        return all(
            self.ticks_done(i) >= int(self.attrs["n_ticks"]) or self.stopped(i) is not None
            for i in range(self.replicates)
        )

    def ticks_done(self, replicate: int = 0) -> int:
        """Return the ticks that are committed."""
        commits = self._commits(replicate)
        return commits[-1].tick if commits else 0

    def log(self, replicate: int = 0) -> list[dict[str, Any]]:
        """Return what happened in a trajectory, in order: "tick", "time" (h), "what", and more as it is the case.

        Events that a condition let happen, snapshots that were assimilated, an early end.
        """
        return [dict(entry) for commit in self._commits(replicate) for entry in commit.log]

    def stopped(self, replicate: int = 0) -> str | None:
        """Return why a trajectory ended before its time; None where it did not."""
        return next((str(e["why"]) for e in reversed(self.log(replicate)) if e["what"] == "stop"), None)

    def times(self, replicate: int = 0) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Return the times at which whole cells were kept, h."""
        return np.array([f.time for c in self._commits(replicate) for f in c.frames], dtype=np.float64)

    @property
    def readouts(self) -> xr.Dataset:
        """Return all readouts (replicate, time, ...), lazily; NaN where nothing is committed yet."""
        data: xr.Dataset = xr.open_zarr(self.path / READOUTS, consolidated=False)
        done = np.zeros((self.replicates, data.sizes["time"]), dtype=bool)
        for replicate in range(self.replicates):
            for commit in self._commits(replicate):
                done[replicate, list(commit.readouts)] = True
        data = data if done.all() else data.where(xr.DataArray(done, dims=LEADING_DIMS))
        weights = self.weights
        return data if weights is None else data.assign_coords(weight=("replicate", weights))

    @property
    def weights(self) -> np.ndarray[Any, np.dtype[np.float64]] | None:
        """Return the weights of the replicates, (replicate,), where snapshots have given them some (`reweight`).

        They are in proportion to the likelihood of all snapshots so far; a replicate that has not come to one yet, or
        ended before, has none.
        """
        told: dict[int, dict[tuple[int, int], float]] = {}
        for replicate in range(self.replicates):
            entries = (e for e in self.log(replicate) if "log_likelihood" in e)
            told[replicate] = {(e["tick"], e["event"]): float(e["log_likelihood"]) for e in entries}
        snapshots = set().union(*told.values())
        if not snapshots:
            return None
        sums = [sum(told[i].values()) if told[i].keys() == snapshots else np.nan for i in range(self.replicates)]
        return weights_of(np.array(sums, dtype=np.float64))

    @property
    def streamed(self) -> xr.Dataset:
        """Return all readouts that are written by now, lazily, also those that wait for a commit."""
        data: xr.Dataset = xr.open_zarr(self.path / READOUTS, consolidated=False)
        return data

    def cells(self, time: float | str | None = None, replicate: int = 0, compartment: str | None = None) -> ad.AnnData:
        """Return all cells of one compartment at one kept time; obs_names are the cells' ids.

        Parameters
        ----------
        time : h, or text with a unit ("6 h"); None: the last kept time.
        compartment : may be left out where there is only one.

        Raises
        ------
        InputError
            If that time was not kept; the nearest kept ones are named.
        """
        compartment = self._compartment(compartment)
        commit, frame = self._frame_at(time, replicate)
        about = {"time": frame.time, "tick": frame.tick}
        group = self._open(replicate, compartment, CELLS, commit)
        return load_frame(group, frame.rows[compartment], about)

    def fields(self, replicate: int = 0, compartment: str | None = None) -> xr.Dataset:
        """Return concentrations (time, substance, z, y, x) in nM at all kept times, lazily.

        Raises
        ------
        InputError
            If the run keeps no fields of this compartment.
        """
        compartment = self._compartment(compartment)
        commits = [c for c in self._commits(replicate) if compartment in c.fields]
        if not commits:
            raise InputError(
                f"{self.path} keeps no fields of {compartment}: its scenario has no substances, or "
                "nothing is committed yet"
            )
        parts = [xr.open_zarr(self._folder(replicate, compartment, FIELDS, c), consolidated=False) for c in commits]
        joined: xr.Dataset = xr.concat(
            parts, "time", data_vars="minimal", coords="minimal", compat="override", join="override"
        )
        return joined

    def lineage(self, replicate: int = 0, compartment: str | None = None) -> pd.DataFrame:
        """Return births and deaths, in order: id, parent, tick, time in h, event."""
        compartment = self._compartment(compartment)
        tables = [
            load_table(self._open(replicate, compartment, LINEAGE, commit))
            for commit in self._commits(replicate)
            if compartment in commit.lineage
        ]
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

    def contact_graph(
        self, time: float | str | None = None, replicate: int = 0, compartment: str | None = None
    ) -> "nx.Graph[int]":
        """Return who touches whom at one kept time: see `twin.results.graphs.contact_graph`.

        Parameters and errors are those of `cells`.
        """
        return contact_graph(self.cells(time, replicate, compartment))

    def lineage_graph(self, replicate: int = 0, compartment: str | None = None) -> "nx.DiGraph[int]":
        """Return who descends from whom: see `twin.results.graphs.lineage_graph`.

        Founders that never divide nor die are in it too, where the cells of the start were kept.
        """
        kept = self.times(replicate)
        founders = self.cells(0.0, replicate, compartment) if len(kept) and kept[0] == 0 else None
        return lineage_graph(self.lineage(replicate, compartment), founders)

    def _commits(self, replicate: int) -> list[Commit]:
        if not 0 <= replicate < self.replicates:
            raise InputError(f"there is no replicate {replicate}; this run has 0 to {self.replicates - 1}")
        return load_commits(trajectory_of(self.path, replicate))

    def _compartment(self, name: str | None) -> str:
        if name is None:
            if len(self.compartments) == 1:
                return self.compartments[0]
            raise InputError(f"this run has several compartments: say which of {', '.join(self.compartments)}")
        if name not in self.compartments:
            raise UnknownNameError("compartment", name, self.compartments)
        return name

    def _frame_at(self, time: float | str | None, replicate: int) -> tuple[Commit, Frame]:
        """Return the kept instant of this time and the commit that holds it."""
        kept = [(commit, frame) for commit in self._commits(replicate) for frame in commit.frames]
        if not kept:
            raise InputError(f"{self.path} keeps no cells of replicate {replicate} yet")
        if time is None:
            return kept[-1]
        if isinstance(time, str):
            try:
                time = quantity(time, "hour", "a time", "6 h")
            except ValueError as error:
                raise InputError(str(error)) from None
        kept.sort(key=lambda pair: abs(pair[1].time - time))
        if abs(kept[0][1].time - time) > SAME_TIME * max(1.0, abs(time)):
            near = sorted({frame.time for _, frame in kept[:2]})
            names = " and ".join(f"{t:g} h" for t in near)
            raise InputError(f"no cells were kept at {time:g} h; the nearest kept: {names}")
        return kept[0]

    def _folder(self, replicate: int, compartment: str, kind: str, commit: Commit) -> Path:
        return trajectory_of(self.path, replicate) / compartment / kind / commit.name

    def _open(self, replicate: int, compartment: str, kind: str, commit: Commit) -> zarr.Group:
        return zarr.open_group(self._folder(replicate, compartment, kind, commit), mode="r")
