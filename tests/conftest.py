"""What tests share: measured data, a small trained model, and a stranger's distribution through the real door."""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from hypothesis import HealthCheck, settings

from tests.model.synthetic import dosed_adata, synthetic_experiment
from twin.data.counts import checked_counts
from twin.data.experiment import assemble
from twin.model.fit import fit
from twin.model.likeness import Features
from twin.model.masked import MaskedDiffusion
from twin.model.training import TrainingConfig

# A loaded machine draws examples slowly: that is no fault of the code under test.
settings.register_profile("twin", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("twin")

PARTS = '''
"""A world model that answers uniformly, and processes that do little."""

import numpy as np
import scipy.sparse as sp

from twin.model.contract import Perturbation, WorldModel
from twin.process import (
    CONCENTRATION, DOSE, EXPRESSION, SINK, SOURCE, Add, Phase, Port, Process, ProcessConfig, Set
)
from twin.state.cells import Column
from twin.units import PositiveHours


class Uniform(WorldModel):
    name = "toy_model"
    genes = ("ISG15", "MX1", "IFNAR1", "IFNAR2", "IFNB1", "CD3D")
    contexts = ("B cells", "CD14+ Monocytes", "pDC")
    composition = np.array([0.5, 0.4, 0.1])
    perturbations = (Perturbation("IFNB1", "cytokine", 0.02, "100 U/mL", 0.002, 1.0, (6.0,), {"B cells": 9}),)
    latent_size = 2
    notes = ("the EC50 of IFNB1 is our choice",)
    fingerprint = "toy"

    def depths(self, context, ids, streams):
        return np.full(len(ids), 1000.0)

    def sample(self, condition, streams, *, steps=1, guidance=0.0):
        counts = sp.csr_array(np.ones((condition.n, len(self.genes)), np.int32))
        return counts, np.zeros((condition.n, 2), np.float32)

    def encode(self, counts, condition):
        return np.zeros((condition.n, 2), np.float32)

    def transition(self, counts, z, condition, elapsed, kappa, streams):
        return counts, z

    def perturb(self, counts, condition, streams):
        return counts

    def expected(self, z, condition, genes):
        return np.full((condition.n, len(genes)), 1e4 / len(self.genes))

    def support(self, condition):
        return np.ones(condition.n)

    def with_context(self, name, controls):
        return self


class Source(Process):
    """Releases nothing, properly."""

    class Config(ProcessConfig):
        pause: PositiveHours = 1.0
        share: float = 0.5

    writes = (SOURCE, SINK)
    phase = Phase.SOURCES

    def step(self, view, dt):
        return ()


class Spread(Process):
    reads = (CONCENTRATION, SOURCE, SINK)
    writes = (CONCENTRATION,)
    phase = Phase.FIELDS

    @classmethod
    def check(cls, config, scenario, model):
        told = [
            f"signalling.secretion[{i}].substance: no substance is called {s.substance!r}, says toy_spread"
            for i, s in enumerate(scenario.signalling.secretion)
            if s.substance not in scenario.substances
        ]
        return [*told, "observe.every: one hour is too often"] if scenario.observe.every == 1 else told

    def step(self, view, dt):
        return [Add(CONCENTRATION, view["concentration"] * 0)]


class Feel(Process):
    reads = (CONCENTRATION,)
    writes = (DOSE,)
    sets = (DOSE,)
    phase = Phase.EXPOSURE
    interval = 2.0

    def step(self, view, dt):
        return ()


class Turn(Process):
    reads = (EXPRESSION, DOSE)
    writes = (EXPRESSION,)
    sets = (EXPRESSION,)
    columns = (Column("mood", "1"),)
    phase = Phase.TRANSITION

    def assumptions(self, scenario, model):
        return ["turning is uniform"]

    def step(self, view, dt):
        return ()


class Turn2(Turn):
    columns = ()


class Wants(Process):
    reads = (Port("colour", ("cell",), "1"), Port("radius", ("cell",), "nM"))
    phase = Phase.PHENOTYPE

    def step(self, view, dt):
        return ()


EGG, HEN = Port("egg", ("cell",), "1"), Port("hen", ("cell",), "1")


class Hen(Process):
    reads, writes = (EGG,), (HEN,)
    phase = Phase.PHENOTYPE

    def step(self, view, dt):
        return ()


class Egg(Process):
    reads, writes = (HEN,), (EGG,)
    phase = Phase.PHENOTYPE

    def step(self, view, dt):
        return ()


class Unfinished(Process):
    phase = Phase.PHENOTYPE


NOT_A_PROCESS = dict


def not_a_model():
    return 5


def hello(name: str) -> None:
    """Greet."""
    print(f"hello {name}")
'''

ENTRY_POINTS = """
[twin.plugins]
toy_source = toy_parts:Source
toy_spread = toy_parts:Spread
toy_feel = toy_parts:Feel
toy_turn = toy_parts:Turn
toy_turn2 = toy_parts:Turn2
toy_wants = toy_parts:Wants
toy_hen = toy_parts:Hen
toy_egg = toy_parts:Egg
toy_unfinished = toy_parts:Unfinished
toy_dict = toy_parts:NOT_A_PROCESS
toy_missing = toy_parts:NoSuchClass
toy_nowhere = toy_no_such_module:Thing

[twin.models]
toy_model = toy_parts:Uniform
toy_five = toy_parts:not_a_model

[twin.commands]
toy_hello = toy_parts:hello
"""


@dataclass(frozen=True)
class Door:
    """A folder on the path with distributions in it."""

    site: Path

    def install(self, package: str, version: str, entry_points: str) -> None:
        """Put a distribution there as pip would."""
        info = self.site / f"{package}-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(entry_points)


@pytest.fixture
def door(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Door:
    """A distribution `toy_parts` 1.2, installed for one test."""
    from twin import registry

    opened = Door(tmp_path / "site")
    opened.install("toy_parts", "1.2", ENTRY_POINTS)
    (opened.site / "toy_parts.py").write_text(PARTS)
    monkeypatch.syspath_prepend(str(opened.site))
    monkeypatch.delitem(sys.modules, "toy_parts", raising=False)
    registry.model.cache_clear()
    return opened


Twin = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def twin(door: Door, tmp_path: Path) -> Twin:
    """The `twin` command in a process of its own, standing in the test's folder."""

    def call(*arguments: str | Path, code: str = "") -> subprocess.CompletedProcess[str]:
        start: Sequence[str] = ("-c", code) if code else ("-m", "twin")
        return subprocess.run(
            [sys.executable, *start, *map(str, arguments)],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p), "COLUMNS": "100"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return call


GOOD = """\
name: patch
duration: 24 h
tick: 30 min
world_model: {name: toy_model}
compartments:
  tissue:
    box: [500 um, 60 um, 60 um]
    cells:
      source: model
      count: 200
      radius: {default: 4 um, CD14+ Monocytes: 6 um}
      place: {pDC: {x: [0 um, 100 um]}}
substances:
  IFNB:
    diffusivity: 30 um^2/s
    half_life: 1 h
    molar_mass: 20 kDa
signalling:
  secretion:
    - {substance: IFNB, by: [pDC], rate: 5000 molecules/h, start: 2 h}
  reception:
    - {substance: IFNB, perturbation: IFNB1, receptor: [IFNAR1, IFNAR2]}
processes:
  toy_turn:
  toy_feel:
  toy_spread: {}
  toy_source: {pause: 2 h}
observe:
  every: 2 h
  genes: [ISG15]
  programs: {interferon: [ISG15, MX1]}
  response: {program: interferon, perturbation: IFNB1}
  distance: {source: pDC, edges: [0 um, 50 um, 100 um]}
"""


@pytest.fixture
def good() -> str:
    """A scenario that can be run with the toy parts."""
    return GOOD


Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a scenario, with pieces of the text exchanged, and return its file."""

    def make(text: str, *exchanges: tuple[str, str], name: str = "patch.yaml") -> Path:
        for old, new in exchanges:
            assert old in text, old
            text = text.replace(old, new, 1)
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return file

    return make


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of measured data; tests that need it are skipped where it is not."""
    folder = Path(os.environ.get("TWIN_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not (folder / "kang2018_pbmc_ifnb.h5ad").is_file():
        pytest.skip(f"no measured data in {folder}; set TWIN_DATA")
    return folder


@pytest.fixture(scope="session")
def small_model() -> MaskedDiffusion:
    """A world model trained for seconds on synthetic cells with a known law: 3 types, 120 genes, one cytokine."""
    torch.set_num_threads(1)
    experiment = synthetic_experiment(seed=0)
    config = TrainingConfig(steps=500, batch=64, warm_up=20, learning_rate=5e-3, seed=0)
    return fit(experiment, config, name="small", sizes={"latent": 4, "code": 32, "width": 48, "blocks": 1})


@pytest.fixture(scope="session")
def dosed_model() -> MaskedDiffusion:
    """What was measured of a cytokine at two doses and times, a drug, and both; its network is not trained.

    Features know a gene KIN, which was never perturbed.
    """
    torch.set_num_threads(1)
    features = Features({"CYT": 0, "DRG": 1, "KIN": 2}, sp.csr_array(np.array([[1.0, 0.0], [0.0, 1.0], [0.96, 0.28]])))
    experiment = assemble([checked_counts(dosed_adata(), "dosed.h5ad")])
    return fit(
        experiment, None, name="dosed", features=features, sizes={"latent": 3, "code": 8, "width": 16, "blocks": 1}
    )
