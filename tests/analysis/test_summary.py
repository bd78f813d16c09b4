"""What a run says at its end."""

from pathlib import Path
from typing import Any, ClassVar

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from twin.analysis import summary
from twin.analysis.summary import decay_lengths, report

LENGTH, SPACING = 40.0, 10.0  # µm


class Store:
    updates: tuple[Any, ...] = ()
    """A run whose field is a known function of the distance from the middle or the low end of its box."""

    attrs: ClassVar[dict[str, Any]] = {
        "name": "known",
        "substances": {"IFNB1": {"diffusivity_um2_per_h": LENGTH**2, "decay_per_h": 1.0}},
        "distance_from": "pDC",
    }
    compartments = ("patch",)
    replicates = 1
    genes: ClassVar[tuple[str, ...]] = ("ISG15",)
    events: tuple[str, ...] = ()
    happened: tuple[dict[str, Any], ...] = ()

    def __init__(self, box: tuple[float, float, float], source: float | None, few: int = 3) -> None:
        self.box, self.source, self.few = box, source, few

    @property
    def scenario(self) -> dict[str, object]:
        return {
            "compartments": {"patch": {"box": [f"{edge:g} um" for edge in self.box]}},
            "signalling": {"secretion": [{"substance": "IFNB1", "by": ["pDC"]}]},
        }

    def fields(self, replicate: int, compartment: str) -> xr.Dataset:
        x, y, z = ((np.arange(round(edge / SPACING)) + 0.5) * SPACING for edge in self.box)
        wave = np.exp(-np.abs(x - (self.source or 0.0)) / LENGTH)
        values = np.broadcast_to(wave, (1, 1, len(z), len(y), len(x)))
        dims = ("time", "substance", "z", "y", "x")
        coords = {"time": [3.0], "substance": ["IFNB1"], "z": z, "y": y, "x": x}
        return xr.Dataset({"concentration": (dims, values)}, coords=coords)

    def cells(self, time: float, replicate: int, compartment: str) -> ad.AnnData:
        assert time == 3.0
        step = np.arange(2.5, 60, 5)
        y, z = (a.ravel() for a in np.meshgrid(step, step))
        wall = np.stack([np.full(len(y), self.source or 0.0), y, z], axis=1)
        kind = "B" if self.source is None else "pDC"
        obs = pd.DataFrame({"cell_type": [kind] * len(y), "alive": True}, index=[str(i) for i in range(len(y))])
        return ad.AnnData(obs=obs, obsm={"spatial": wall})

    weights = None
    trajectories = (None,)

    def scenes(self) -> "list[tuple[str, Store]]":
        return [("trunk", self)]

    def log(self, replicate: int) -> list[dict[str, Any]]:
        return list(self.happened)

    def lineage(self, replicate: int, compartment: str) -> pd.DataFrame:
        return pd.DataFrame({"event": list(self.events)})

    @property
    def readouts(self) -> xr.Dataset:
        leading = ("replicate", "time", "compartment", "cell_type")
        numbers = {
            "n_cells": [40.0, float(self.few)],
            "support": [0.9, 0.49],
            "response_by_type": [0.5, 0.7],
        }
        coords = {"replicate": [0], "time": [3.0], "compartment": ["patch"], "cell_type": ["B", "Eryth"]}
        return xr.Dataset({k: (leading, np.reshape(v, (1, 1, 1, 2))) for k, v in numbers.items()}, coords=coords)


def told(monkeypatch: pytest.MonkeyPatch, store: Store) -> str:
    monkeypatch.setattr(summary, "open_run", lambda path: store)
    return report(Path("anywhere"))


@pytest.mark.parametrize("source", [0.0, 250.0, 500.0])
def test_the_decay_length_is_found_wherever_the_source_is(source: float) -> None:
    (length,) = decay_lengths(Store((500.0, 60.0, 60.0), source))  # type: ignore[arg-type]  # a test double
    assert length.predicted == pytest.approx(LENGTH)
    assert length.measured == pytest.approx(LENGTH, rel=0.03)


def test_without_a_source_no_length_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store((500.0, 60.0, 60.0), None)
    (length,) = decay_lengths(store)  # type: ignore[arg-type]  # a test double
    assert np.isnan(length.measured)
    assert "decay length no gradient from a source to measure" in told(monkeypatch, store)


def test_a_box_too_short_for_the_length_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "decay length box too short to measure it" in told(monkeypatch, Store((110.0, 60.0, 60.0), 0.0))
    assert "box too short" not in told(monkeypatch, Store((130.0, 60.0, 60.0), 0.0))


def test_the_type_with_the_least_support_and_rows_of_few_cells_are_marked(monkeypatch: pytest.MonkeyPatch) -> None:
    text = told(monkeypatch, Store((500.0, 60.0, 60.0), 0.0, few=9))
    assert "at least 0.49, lowest for Eryth" in text
    assert "   *Eryth" in text
    assert "    B " in text
    assert "* fewer than 10 cells" in text
    assert "*" not in told(monkeypatch, Store((500.0, 60.0, 60.0), 0.0, few=10))


class Growing(Store):
    """A run in which one type grows and the other dies out."""

    genes: ClassVar[tuple[str, ...]] = ()
    events = ("birth", "birth", "birth", "birth", "death: apoptosis", "type")

    @property
    def readouts(self) -> xr.Dataset:
        numbers = {"n_cells": [[40.0, 3.0], [42.0, 0.0]], "support": [[1.0, 1.0], [1.0, np.nan]]}
        leading = ("replicate", "time", "compartment", "cell_type")
        coords = {"replicate": [0], "time": [0.0, 3.0], "compartment": ["patch"], "cell_type": ["B", "Eryth"]}
        data = xr.Dataset({k: (leading, np.reshape(v, (1, 2, 1, 2))) for k, v in numbers.items()}, coords=coords)
        radius = (*leading, "column"), np.reshape([[5.0, 4.0], [5.25, np.nan]], (1, 2, 1, 2, 1))
        return data.assign({"column_mean": radius}).assign_coords(column=["radius"])


def test_divisions_deaths_and_columns_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    text = told(monkeypatch, Growing((500.0, 60.0, 60.0), 0.0))
    assert "living cells by type" in text
    assert "divisions: 2" in text
    assert "death: apoptosis: 1" in text
    assert "changes of type: 1" in text
    assert "radius by cell type" in text
    assert "5.25" in text
    assert "support" not in text  # there is no transcriptome that could be supported


def test_what_happened_is_told_and_no_more_of_it_than_can_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store((500.0, 60.0, 60.0), 0.0)
    dose = {"tick": 1, "time": 0.5, "what": "add", "condition": "timeline[0]", "why": "n > 3 (4 against 3)"}
    store.happened = (*(dose for _ in range(20)), {"tick": 3, "time": 1.5, "what": "stop", "why": "n < 1"})
    text = told(monkeypatch, store)
    assert "0.5 h: add (timeline[0]), for n > 3 (4 against 3)" in text
    assert "and 9 more: run.log(0)" in text
    store.happened = store.happened[-1:]
    assert "1.5 h: stopped, for n < 1" in told(monkeypatch, store)
