"""How a run is carried out, interrupted, broken off and gone on with."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from time import monotonic, sleep

import numpy as np
import pytest
import scipy.sparse as sp
from distributed import Client

from tests.conftest import Door
from tests.engine.tiny import write_tiny
from tests.model.synthetic import synthetic_adata
from tests.results.bodies import body
from twin.engine import cluster, identity, simulation
from twin.engine.apply import Pending, apply_updates, declared
from twin.engine.plan import check_file
from twin.engine.simulation import _new_folder, run, simulate
from twin.errors import InputError, RunError, ScenarioError
from twin.process import (
    CONCENTRATION,
    CONTACTS,
    EXPRESSION,
    POSITION,
    SOURCE,
    Add,
    Phase,
    Port,
    Process,
    Rate,
    Set,
    Structure,
    Update,
)
from twin.results import differences, open_run
from twin.scenario.load import load_scenario
from twin.state.body import Compartment

SHORT = ("duration=1 h", "execution.commit_every=30 min")
MEASURED = (
    "world_model.name=still",
    "compartments.patch.cells={source: h5ad, file: cells.h5ad, where: {condition: control}}",
    "compartments.patch.box=[200 um, 100 um, 100 um]",
    "signalling.secretion=[]",
    "observe.distance.source=x_low",
    *SHORT,
)


# -- what Dask opens, starts and repeats ---------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 2])
def test_nobody_but_this_machine_is_listened_to(workers: int) -> None:
    psutil = pytest.importorskip("psutil")  # comes with Dask, without types
    me = psutil.Process()
    with cluster.local_client(workers):
        family = [me, *me.children(recursive=True)]
        listening = [c.laddr.ip for p in family for c in p.net_connections() if c.status == psutil.CONN_LISTEN]
    assert listening
    assert set(listening) == {"127.0.0.1"}


def test_no_more_workers_start_than_there_are_trajectories_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    client_of = cluster.client_of

    def one(where: None, workers: int, versions: dict[str, str]) -> AbstractContextManager[Client]:
        asked.append(workers)
        return client_of(where, 1, versions)

    monkeypatch.setattr(simulation, "client_of", one)
    loaded = load_scenario(write_tiny(tmp_path), ("replicates=2", *SHORT))
    simulate(loaded, tmp_path / "run", workers=5)
    assert asked == [2]
    simulate(loaded, tmp_path / "run", workers=5, resume=True)
    assert asked == [2]  # nothing is left to do


# -- plugins that break --------------------------------------------------------------------------------------

BROKEN = """
from pathlib import Path
from twin.process import Phase, Process, ProcessConfig

class Odd(Exception):
    pass

class Broken(Process):
    class Config(ProcessConfig):
        odd: bool = False

    phase = Phase.PHENOTYPE

    def step(self, view, dt):
        if view.tick == 1 and Path("broken").exists():
            with Path("tried").open("a") as tried:
                tried.write("once\\n")
            if self.config.odd:
                raise Odd("quite odd")
            {}["no such key"]
        return ()
"""


@pytest.fixture
def broken(door: Door, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to run in, in which a plugin breaks at the second tick for as long as a file "broken" lies there."""
    door.install("broken_parts", "0.1", "[twin.plugins]\nbroken = broken_parts:Broken\n")
    (door.site / "broken_parts.py").write_text(BROKEN)
    (tmp_path / "broken").touch()
    monkeypatch.chdir(tmp_path)
    write_tiny(tmp_path)
    return tmp_path


@pytest.mark.slow
def test_a_plugin_that_breaks_is_named_tried_once_and_the_run_goes_on_when_it_is_mended(
    broken: Path, twin: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    sets = [word for s in (*SHORT, "processes.broken={}") for word in ("--set", s)]
    told = twin("run", "tiny.yaml", "--out", "run", "--quiet", *sets)
    assert told.returncode == 4, told.stderr
    assert told.stderr.startswith("twin: plugin 'broken' failed in patch at 0.5 h: KeyError: 'no such key'; what is")
    assert told.stderr.endswith("--resume\n")
    assert len(told.stderr.splitlines()) == 1
    assert (broken / "tried").read_text().splitlines() == ["once"]
    (broken / "broken").unlink()
    assert open_run(broken / "run").ticks_done() == 1
    loaded, _ = check_file(broken / "tiny.yaml", (*SHORT, "processes.broken={}"))
    simulate(loaded, broken / "run", resume=True)
    simulate(loaded, broken / "whole")
    assert differences(broken / "run", broken / "whole") == []


def test_an_error_of_a_kind_that_nobody_knows_is_told_in_our_words_too(broken: Path) -> None:
    loaded, _ = check_file(broken / "tiny.yaml", (*SHORT, "processes.broken={odd: true}"))
    with pytest.raises(RunError, match="the run stopped: Odd: quite odd"):
        simulate(loaded, broken / "run")
    assert open_run(broken / "run").ticks_done() == 1


def tissue() -> Compartment:
    return next(iter(body().compartments.values()))


class Modest(Process):
    """Declares positions alone."""

    writes = (POSITION,)
    phase = Phase.MECHANICS

    def step(self, view: object, dt: float) -> list[Update]:
        return []


@pytest.mark.parametrize(
    ("update", "told"),
    [
        (Add(CONCENTRATION, np.zeros(1)), "'modest' changes 'concentration', which is not among the ports"),
        (Set(POSITION, np.zeros(1)), "'modest' sets 'position', which is not among"),
        (5, "'modest' gave a int, which is no Add, Rate, Set or Structure"),
    ],
)
def test_what_a_process_did_not_declare_is_refused(update: Update, told: str) -> None:
    with pytest.raises(RunError, match=told):
        list(declared("modest", Modest(Modest.Config()), [update]))


def test_what_a_process_declared_passes() -> None:
    updates: list[Update] = [Add(POSITION, np.zeros((3, 3))), Structure()]
    assert list(declared("modest", Modest(Modest.Config()), updates)) == updates


@pytest.mark.parametrize(
    ("update", "told"),
    [
        (
            lambda n: Add(POSITION, np.zeros((n, 2))),
            r"'p' gives 'position' in the shape \(30, 2\), wanted is \(30, 3\)",
        ),
        (lambda n: Set(POSITION, np.zeros((n, 3)), slice(0, 2)), r"shape \(30, 3\), wanted is \(2, 3\)"),
        (
            lambda n: Set(CONTACTS, sp.csr_array((n, n + 1))),
            r"'contacts' in the shape \(30, 31\), wanted is \(30, 30\)",
        ),
        (lambda n: Set(CONTACTS, np.zeros((n, n))), "'contacts' as ndarray, not as a CSR array"),
        (lambda n: Set(EXPRESSION, sp.csr_array((2, 7)), slice(1, 3)), "none of its chunks"),
        (lambda n: Rate(SOURCE, np.zeros(n)), r"'source' in the shape \(30,\), wanted"),
        (lambda n: Rate(Port("hazard", ("cell",), "1/h"), np.zeros(n + 1)), r"'hazard' in the shape \(31,\)"),
        (lambda n: Rate(Port("hue", ("cell", "hue"), "1"), np.zeros((n, 1))), "a rate is per cell or per voxel"),
        (lambda n: Rate(POSITION, np.zeros((n, 3))), "Rate of 'position', which is held, not a rate: give Add or Set"),
        (lambda n: Add(SOURCE, np.zeros(n)), "Add of 'source', which is a rate: give Rate"),
        (lambda n: Structure(divide=np.array([n])), "asks to divide rows 30 to 30, .* has cells 0 to 29"),
        (lambda n: Structure(divide=np.array([0]), axis=np.zeros((2, 3))), r"'axis' in the shape \(2, 3\)"),
        (lambda n: Structure(retype=np.array([0, 1]), to_type=np.zeros(1, np.int16)), "'to_type' in the shape"),
    ],
)
def test_what_does_not_fit_is_refused_before_it_touches_the_state(update: Callable[[int], Update], told: str) -> None:
    home = tissue()
    position = home.cells.position.copy()
    with pytest.raises(RunError, match=told):
        apply_updates(home, "p", [update(home.cells.n)], Pending())
    np.testing.assert_array_equal(home.cells.position, position)


# -- going on ------------------------------------------------------------------------------------------------


LONG = ("replicates=2", "duration=12 h", "execution.commit_every=30 min")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nobody disturbed."""
    folder = tmp_path_factory.mktemp("undisturbed")
    simulate(load_scenario(write_tiny(folder), LONG), folder / "run")
    return folder / "run"


def test_a_run_without_a_folder_gets_one_called_as_its_scenario(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = write_tiny(tmp_path)
    short = ("duration=30 min", "name='a /tiny: one'", "world_model.name=still")
    assert run(file, sets=short).path == Path("runs/a-tiny-one")
    assert _new_folder("a /tiny: one") == Path("runs/a-tiny-one-2")
    assert _new_folder("…") == Path("runs/run")
    with pytest.raises(InputError, match="which run goes on"):
        run(file, resume=True)


def _heed() -> None:
    """Let Ctrl-C count, even where these tests were begun with `&` by a script, which ignores it for all below."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.slow
def test_ctrl_c_is_one_sentence_and_the_run_goes_on_as_if_nothing_had_been(
    tmp_path: Path, whole: Path, workers: int
) -> None:
    loaded = load_scenario(write_tiny(tmp_path), LONG)
    words = ["run", "tiny.yaml", "--out", "run", "--quiet", *(w for s in LONG for w in ("--set", s))]
    process = subprocess.Popen(
        [sys.executable, "-m", "twin", *words, "--workers", str(workers)],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # so that the workers are signalled too, as a terminal does
        preexec_fn=_heed,  # it takes no lock
    )
    began = monotonic()
    home = tmp_path / "run" / "trajectories"
    while process.poll() is None and not any("state" in c.read_text() for c in home.glob("*/commits.json")):
        assert monotonic() - began < 40
        sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    _, told = process.communicate(timeout=120)
    assert process.returncode == 130, told
    assert told.startswith("twin: interrupted; what is committed stays; go on with: twin run tiny.yaml")
    assert len(told.splitlines()) == 1
    assert not open_run(tmp_path / "run").is_complete
    simulate(loaded, tmp_path / "run", resume=True)
    assert differences(tmp_path / "run", whole) == []


def named_cells(folder: Path, file: str = "cells.h5ad", seed: int = 0) -> None:
    """Write synthetic cells with genes and types of the shipped model."""
    from twin import registry

    adata = synthetic_adata(60, seed)
    adata.var_names = list(registry.model("still").genes[: adata.n_vars])
    types = {"alpha": "CD14 Mono", "beta": "CD4 Naive T", "gamma": "pDC"}
    adata.obs["cell_type"] = adata.obs["cell_type"].map(types)
    adata.write_h5ad(folder / file)


def test_a_file_that_has_changed_since_is_named_when_the_run_is_resumed(tmp_path: Path) -> None:
    named_cells(tmp_path)
    loaded, _ = check_file(write_tiny(tmp_path), MEASURED)
    simulate(loaded, tmp_path / "run")
    simulate(loaded, tmp_path / "run", resume=True)
    named_cells(tmp_path, seed=1)
    with pytest.raises(InputError, match=r"^cells.h5ad has changed since the run in .* was begun: put it back"):
        simulate(loaded, tmp_path / "run", resume=True)
    simulate(loaded, tmp_path / "other")  # the changed file is read anew
    assert len(differences(tmp_path / "run", tmp_path / "other")) > 5


def test_a_folder_of_cells_has_changed_when_a_file_in_it_has(tmp_path: Path) -> None:
    (tmp_path / "a.zarr" / "x").mkdir(parents=True)
    (tmp_path / "a.zarr" / "x" / "0").write_bytes(b"1")
    before = identity.hash_of(tmp_path / "a.zarr")
    assert identity.hash_of(tmp_path / "a.zarr") == before
    (tmp_path / "a.zarr" / "x" / "0").write_bytes(b"2")
    assert identity.hash_of(tmp_path / "a.zarr") != before


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("plugins", {"diffusion": "twin 0.0.1"}, "diffusion was of twin 0.0.1 and is of"),
        ("model", {"fingerprint": "another"}, "the world model still has changed"),
    ],
)
def test_another_model_or_plugin_is_told_when_the_run_is_resumed(
    tmp_path: Path, key: str, value: dict[str, str], told: str
) -> None:
    loaded = load_scenario(write_tiny(tmp_path), (*SHORT, "world_model.name=still"))
    simulate(loaded, tmp_path / "run")
    file = tmp_path / "run" / "zarr.json"
    document = json.loads(file.read_text())
    document["attributes"]["twin"][key] |= value
    file.write_text(json.dumps(document))
    with pytest.raises(InputError, match=told):
        simulate(loaded, tmp_path / "run", resume=True)


# -- what a plan says ----------------------------------------------------------------------------------------


def test_more_ticks_than_anybody_wants_are_a_fault_of_the_tick(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"tick: 3 h in ticks of .* are 10,800,000 ticks, at most 1,000,000"):
        check_file(write_tiny(tmp_path), ("tick=1 ms",))


def test_a_model_that_never_moves_has_no_turnover_to_speak_of(tmp_path: Path) -> None:
    file = write_tiny(tmp_path)
    _, still = check_file(file, ("world_model.name=still",))
    _, shift = check_file(file, ("world_model.name=shift",))
    words = ("κ", "kappa")
    assert not [s for s in still.assumptions if any(w in s for w in words)]
    assert len([s for s in shift.assumptions if any(w in s for w in words)]) == 2


def test_more_workers_than_the_memory_holds_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    file = write_tiny(tmp_path)
    one = check_file(file)[1].memory_bytes / 2**30
    sets = ["replicates=4", f"execution.memory_limit_gib={2.5 * one:.4f}"]
    with pytest.raises(InputError, match=r"4 trajectories at a time need about .* each, .* take --workers 2, or raise"):
        run(file, tmp_path / "run", sets=sets, workers=8)
    assert not (tmp_path / "run").exists()
    few = [f"execution.memory_limit_gib={1.5 * one:.4f}", "duration=1 h", "observe.every=1 h"]
    begun = run(file, tmp_path / "run", sets=["replicates=1", *few])
    with pytest.raises(InputError, match="take --workers 1"):
        run(file, tmp_path / "run", sets=["replicates=3", *few], workers=2, extend=True)
    assert open_run(begun.path).replicates == 1, "it was not extended"
