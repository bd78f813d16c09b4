"""A run as `twin.open_run` gives it, small and known: the test double of drawing, nothing else.

500 × 45 × 45 µm of cells; the plasmacytoid cells at x < 20 µm release IFN-beta from 2 h on; the
response falls with the distance from them and is stronger in monocytes.
"""

from dataclasses import dataclass, field
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp
import xarray as xr
from scipy.spatial import KDTree

BOX = (500.0, 45.0, 45.0)
TYPES = ("CD14+ Monocytes", "CD4 T cells", "B cells", "Plasmacytoid dendritic cells")
GENES = ("ISG15", "IFI6", "CD3D", *(f"G{i}" for i in range(40)))
LENGTH = 90.0  # µm, of the field's decay
START = 2.0  # h
MOST_IN_CONTACT = 5_000  # cells; more would all touch each other in this box


def rise(hours: float) -> float:
    return float(1 - np.exp2(-max(hours - START, 0.0) / 3.0))


@dataclass
class FakeRun:
    n: int = 600
    kept: tuple[float, ...] = (0.0, 6.0, 12.0, 24.0)
    n_replicates: int = 1
    extra: dict[str, Any] = field(default_factory=dict)
    box: tuple[float, float, float] = BOX  # µm

    @property
    def attrs(self) -> dict[str, Any]:
        return {"compartments": ["tissue"], "last_measured_time_h": 6.0, **self.extra}

    @property
    def scenario(self) -> dict[str, Any]:
        secretion = {"substance": "IFN-beta", "by": [TYPES[3]], "rate": 1.0, "start": START}
        return {
            "name": "a small patch",
            "compartments": {"tissue": {"box": list(self.box)}},
            "substances": {"IFN-beta": {"half_life": 1.0}},
            "signalling": {"secretion": [secretion]},
            "observe": {"genes": ["ISG15"], "programs": {"interferon": ["ISG15", "IFI6"]}},
        }

    def log(self, replicate: int = 0) -> list[dict[str, Any]]:
        return []

    def times(self, replicate: int = 0) -> list[float]:
        return list(self.kept)

    def cells(self, time: float | str | None = None, replicate: int = 0, compartment: str | None = None) -> ad.AnnData:
        assert time is None or isinstance(time, float)
        hours = self.kept[-1] if time is None else time
        rng = np.random.default_rng(7 + replicate)
        position = rng.random((self.n, 3)) * self.box
        kind = rng.choice(3, self.n, p=[0.2, 0.55, 0.25])
        kind[position[:, 0] < 20] = 3
        near = np.exp(-position[:, 0] / (1.6 * LENGTH)) * np.where(kind == 0, 1.0, 0.6)
        counts = rng.poisson(1.0, (self.n, len(GENES)))
        counts[:, 0] = rng.poisson(0.05 + 12 * near * rise(hours))
        obs = pd.DataFrame(
            {
                "id": np.arange(self.n, dtype=np.uint64),
                "cell_type": pd.Categorical([TYPES[k] for k in kind], categories=TYPES),
                "radius": np.where(kind == 0, 6.0, 4.0),
                "alive": np.ones(self.n, bool),
                "donor": pd.Categorical(["d1"] * self.n),
            },
            index=[str(i) for i in range(self.n)],
        )
        var = pd.DataFrame(index=list(GENES))
        found = ad.AnnData(sp.csr_matrix(counts.astype(np.int32)), obs=obs, var=var, obsm={"spatial": position})
        if self.n <= MOST_IN_CONTACT:
            near = KDTree(position).query_pairs(12.0, output_type="ndarray")
            both = np.concatenate([near, near[:, ::-1]])
            found.obsp["contacts"] = sp.csr_matrix((np.ones(len(both)), both.T), shape=(self.n, self.n))
        return found

    def lineage(self, replicate: int = 0, compartment: str | None = None) -> pd.DataFrame:
        half = np.arange(self.n // 2, dtype=np.uint64)  # the second half are daughters of the first
        return pd.DataFrame({"id": half + self.n // 2, "parent": half, "event": "birth"})

    def fields(self, replicate: int = 0, compartment: str | None = None) -> xr.Dataset:
        x, y, z = np.arange(5.0, 500, 10), np.arange(5.0, 45, 10), np.arange(5.0, 45, 10)
        level = np.array([0.05 * rise(t) for t in self.kept])  # (time,), nM
        values = level[:, None, None, None, None] * np.exp(-x / LENGTH) * np.ones((1, 1, len(z), len(y), 1))
        return xr.Dataset(
            {"concentration": (("time", "substance", "z", "y", "x"), values, {"units": "nM"})},
            coords={"time": list(self.kept), "substance": ["IFN-beta"], "z": z, "y": y, "x": x},
        )

    @property
    def readouts(self) -> xr.Dataset:
        time, distance = np.arange(0.0, 25.0), np.array([25.0, 75.0, 150.0, 250.0, 350.0, 450.0])
        luck = 1 + 0.1 * np.random.default_rng(3).standard_normal((self.n_replicates, 1, 1, 1))
        up = np.array([rise(t) for t in time])
        far = luck * up[:, None, None] * np.exp(-distance / (2 * LENGTH))
        kinds = luck * up[:, None, None] * np.array([0.8, 0.5, 0.4, 0.9])
        level = np.broadcast_to(
            0.05 * up[:, None, None] * np.exp(-distance / LENGTH), (self.n_replicates, len(time), 1, 6)
        )
        leading = ("replicate", "time", "compartment")
        return xr.Dataset(
            {
                "response_by_distance": ((*leading, "distance"), far),
                "response_by_type": ((*leading, "cell_type"), kinds),
                "concentration_by_distance": ((*leading, "distance", "substance"), level[..., None]),
            },
            coords={
                "replicate": np.arange(self.n_replicates),
                "time": time,
                "compartment": ["tissue"],
                "distance": distance,
                "cell_type": list(TYPES),
                "substance": ["IFN-beta"],
            },
        )
