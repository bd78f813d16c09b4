"""Generated populations: the split, floors and ceiling against numbers that an independent scorer printed."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from twin.analysis.metrics.population import GenerationScorer
from twin.analysis.protocol.generation import (
    SETS,
    GenerationTask,
    better_on,
    floors,
    generation_sets,
    generation_table,
    independent_genes,
    read_population,
    split,
)
from twin.analysis.protocol.quoted import QUOTED_GENERATORS
from twin.errors import InputError, UnknownNameError

COLUMNS = ("mmd", "ilisi", "w1_all", "corr_err", "ks_library")
PRINTED = {  # section 4 of the reference, 'lung-lines' and 'mouse-gut'
    ("lung-lines", "cells not trained on"): (0.0752, 0.879, 0.0347, 0.1229, 0.1111),
    ("lung-lines", "training cells copied"): (0.1277, 0.649, 0.0347, 0.1238, 0.1111),
    ("lung-lines", "independent genes within a type"): (0.0987, 0.452, 0.0405, 0.1838, 0.3158),
    ("lung-lines", "independent genes"): (0.2273, 0.200, 0.0449, 0.3163, 0.4825),
    ("mouse-gut", "cells not trained on"): (0.1055, 0.755, 0.0602, 0.2175, 0.1364),
    ("mouse-gut", "independent genes within a type"): (0.1851, 0.556, 0.0648, 0.2296, 0.3030),
}


def test_a_fifth_is_held_out_and_nothing_is_lost() -> None:
    training, held_out = split(1133)
    assert (len(training), len(held_out)) == (906, 227)
    assert sorted([*training, *held_out]) == list(range(1133))
    assert held_out[:3].tolist() == np.sort(np.random.default_rng(0).permutation(1133)[:227])[:3].tolist()


@pytest.mark.parametrize("key", ["lung-lines", "mouse-gut"])
def test_floors_and_ceiling_are_the_printed_ones(key: str, data_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("twin.analysis.protocol.generation.RESAMPLES", 3)  # the intervals are not looked at here
    (wanted,) = generation_sets([key])
    population = read_population(data_folder, wanted)
    found = floors(population, GenerationScorer(population.task.training, population.held_out))
    for (one, name), printed in PRINTED.items():
        if one == key:
            means = [np.mean([row[c] for row in found[name]]) for c in COLUMNS]
            assert means == pytest.approx(printed, abs=5.1e-4), name


def test_the_treated_cells_of_a_study_are_not_generated(data_folder: Path) -> None:
    (wanted,) = generation_sets(["kang-controls"])
    population = read_population(data_folder, wanted)
    assert population.task.training.shape == (906, 14053)
    assert population.held_out.shape == (227, 14053)
    assert population.task.n == 227
    assert len(population.task.obs) == 906


def test_independent_genes_keep_means_and_lose_correlations() -> None:
    rng = np.random.default_rng(0)
    size = rng.gamma(3.0, 1.0, (4000, 1))
    counts = sp.csr_array(rng.poisson(size * np.array([5.0, 5.0, 1.0])).astype(np.int32))
    obs = read_obs(4000)
    made = independent_genes(GenerationTask("t", "t", counts, ("a", "b", "c"), obs, 4000), rng, within_types=False)
    real, drawn = counts.toarray().astype(float), made.toarray().astype(float)
    error = real.std(axis=0) * np.sqrt(2 / 4000)
    assert (np.abs(real.mean(axis=0) - drawn.mean(axis=0)) < 5 * error).all()
    assert np.corrcoef(real[:, :2].T)[0, 1] > 0.5
    assert abs(np.corrcoef(drawn[:, :2].T)[0, 1]) < 5 / np.sqrt(4000)


def read_obs(n: int) -> pd.DataFrame:
    return pd.DataFrame({"cell_type": ["x"] * n})


def test_the_table_holds_peers_intervals_and_who_is_better(data_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("twin.analysis.protocol.generation.RESAMPLES", 5)

    def by_type(task: GenerationTask) -> sp.csr_array:
        return independent_genes(task, np.random.default_rng(task.seed), within_types=True)

    sets = generation_sets(["mouse-gut"])
    table = generation_table({"by type": by_type}, sets, folder=data_folder, seeds=(0, 1))
    own = table.row("by type").scores[sets[0].name]
    assert len(own["mmd"]) == 2
    assert own["mmd_low"][0] <= own["mmd"][0] <= own["mmd_high"][0]
    peer = table.row("scVI, prior samples")
    assert better_on(table, table.row("by type"), peer)[sets[0].name] >= 3
    assert better_on(table, peer, peer)[sets[0].name] == 0
    assert any("better on how many of the five" in note for note in table.notes)


def test_quoted_generators_are_on_the_sets_by_their_names() -> None:
    names = {s.name for s in SETS}
    for quoted in QUOTED_GENERATORS:
        assert set(quoted.scores) <= names
        assert len(quoted.scores) == 4


def test_what_cannot_be_scored_is_refused(data_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="mouse-gut"):
        generation_sets(["mouse-guts"])
    with pytest.raises(InputError, match="has none of"):
        generation_table({}, folder=tmp_path)
    with pytest.raises(InputError, match="asked are 44 cells"):
        generation_table({"few": lambda task: task.training[:3]}, generation_sets(["mouse-gut"]), folder=data_folder)
