"""Donors with a known spread: it is found through the noise of their cells, and comes back out of simulated ones."""

from pathlib import Path
from typing import Literal

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from tests.model.synthetic import RESPONDERS, TYPES, synthetic_adata
from twin.analysis.donors.calibrate import calibrate_donors, effects_from, model_for, scores, slopes_of
from twin.analysis.donors.leave_out import ALL_TYPES, covered, folds, simulate_donors
from twin.analysis.donors.measured import levels_of, over_types, read_donors, told_types, variance_of
from twin.data.counts import CountData, checked_counts, read_counts
from twin.errors import InputError
from twin.kernels.random import Streams
from twin.model.masked import MaskedDiffusion
from twin.registry import named_model
from twin.scenario.variation import DonorEffects

PROGRAM = tuple(f"G{j}" for j in RESPONDERS)
N_GENES = 60
ALONG: tuple[Literal["gain", "baseline"], ...] = ("gain", "baseline")


def planted(n_donors: int, cells: int, spread: float, seed: int) -> tuple[CountData, float]:
    """Return cells of donors whose log response in ten genes is 1 ± spread, and the variance of that response.

    n cells a donor, arm and type, of two types. What rises takes its share of the library from itself, too.
    """
    rng = np.random.default_rng(seed)
    base = np.random.default_rng(0).gamma(2.0, 1.0, N_GENES) + 0.5
    own = 1.0 + spread * rng.normal(size=n_donors)
    rows, obs, rise = [], [], []
    for donor in range(n_donors):
        for treated in (False, True):
            rate = base.copy()
            rate[:10] *= np.exp(own[donor] * treated)
            rise += [own[donor] - np.log(rate.sum() / base.sum())] if treated else []
            for kind in ("one", "two"):
                rows.append(rng.poisson(4000 * rate / rate.sum(), (cells, N_GENES)))
                obs += [(f"p{donor}", kind, "drug" if treated else "control")] * cells
    table = pd.DataFrame(obs, columns=["donor", "cell_type", "condition"], index=[f"c{i}" for i in range(len(obs))])
    counts = sp.csr_matrix(np.concatenate(rows).astype(np.float32))
    genes = pd.DataFrame(index=[f"G{j}" for j in range(N_GENES)])
    return checked_counts(ad.AnnData(counts, obs=table, var=genes), "planted.h5ad"), float(np.var(rise, ddof=1))


def spread_of(spread: float) -> float:
    """Return the variance of the response of many planted donors, without their cells."""
    return planted(300, 1, spread, 1)[1]


GENES = tuple(f"G{j}" for j in range(10))


def test_the_spread_between_donors_is_found_through_the_noise_of_their_cells() -> None:
    """The spread of the raw means holds the noise of six cells too; what is found does not."""
    data, truth = planted(300, 6, 0.05, 1)
    levels = levels_of(read_donors([data], "drug", GENES))
    assert told_types(levels) == [0, 1]
    for t in (0, 1):
        found = variance_of(levels, "response", t)
        raw = float(levels.of("response")[0][:, t].var(ddof=1))
        assert raw > 1.2 * found.variance
        assert found.variance == pytest.approx(truth, rel=5 * np.sqrt(2 / 300) * raw / truth)
        assert variance_of(levels, "control", t).variance < 0.2 * found.variance
    none = levels_of(read_donors([planted(40, 6, 0.0, 2)[0]], "drug", GENES))
    assert variance_of(none, "response", 0).low == 0.0


def test_intervals_from_seven_donors_hold_the_truth_as_often_as_they_say() -> None:
    truth = spread_of(0.2)
    held = []
    for seed in range(30):
        levels = levels_of(read_donors([planted(7, 8, 0.2, 100 + seed)[0]], "drug", GENES))
        held.append(variance_of(levels, "response", 0).holds(truth))
    assert 0.95 - 5 * np.sqrt(0.95 * 0.05 / 30) < np.mean(held)


def test_over_all_types_a_donors_composition_does_not_count() -> None:
    cells = read_donors([planted(6, 20, 0.3, 4)[0]], "drug", GENES)
    levels = levels_of(cells)
    value, noise = over_types(levels, [0, 1])
    response, own = levels.of("response")
    np.testing.assert_allclose(value, (response - response.mean(axis=0)).mean(axis=1), atol=1e-12)
    np.testing.assert_allclose(noise, own.mean(axis=1) / 2)
    fewer = levels_of(cells.without(2))
    assert np.isnan(over_types(fewer, [0, 1])[0][2])


@pytest.fixture(scope="module")
def people() -> CountData:
    """Cells of the law that `small_model` was trained on, dealt out among seven donors."""
    cells = synthetic_adata(1400, seed=0)
    cells.obs["donor"] = [f"p{i % 7}" for i in range(cells.n_obs)]
    return checked_counts(cells, "people.h5ad")


def test_simulated_donors_vary_as_the_effects_that_they_are_given(
    small_model: MaskedDiffusion, people: CountData
) -> None:
    cells = read_donors([people], "CYT", PROGRAM)
    model, types = model_for(small_model, cells)
    assert [cells.cell_types[t] for t in types] == list(TYPES)
    slopes = slopes_of(model, cells, types)
    effects = DonorEffects.model_validate({"gain": {"CYT": 0.15}, "baseline": {"CYT": 0.1}, "shared": 0.0})
    n = 70
    levels = levels_of(simulate_donors(model, cells, types, effects, n, seed=2))
    still = levels_of(simulate_donors(model, cells, types, DonorEffects(), n, seed=2))
    for t in types:
        expected = (0.15 * slopes[t].gain) ** 2 + (0.1 * slopes[t].baseline) ** 2
        found = variance_of(levels, "response", t)
        assert found.variance == pytest.approx(expected, rel=0.6)
        tone = variance_of(levels, "control", t).variance
        assert tone == pytest.approx((0.1 * slopes[t].baseline) ** 2, rel=0.6)
        assert variance_of(still, "response", t).variance < 0.25 * expected


def test_what_is_calibrated_on_simulated_donors_is_what_they_were_simulated_with(
    small_model: MaskedDiffusion, people: CountData
) -> None:
    cells = read_donors([people], "CYT", PROGRAM)
    model, types = model_for(small_model, cells)
    slopes = slopes_of(model, cells, types)
    asked = DonorEffects.model_validate({"gain": {"CYT": 0.2}, "baseline": {"CYT": 0.15}, "shared": 1.0})
    drawn = simulate_donors(model, cells, types, asked, 84, seed=3)
    found = DonorEffects.model_validate(effects_from(drawn, types, slopes))
    for t in types:
        kind = cells.cell_types[t]
        assert found.of_type("baseline", "CYT", kind) == pytest.approx(0.15, rel=0.3)
        assert found.of_type("gain", "CYT", kind) == pytest.approx(0.2, rel=0.35)
    assert found.common("gain") > 0.8
    assert found.common("baseline") > 0.8


def test_each_donor_is_left_out_once(small_model: MaskedDiffusion, people: CountData) -> None:
    cells = read_donors([people], "CYT", PROGRAM)
    spreads, model, types = calibrate_donors(small_model, cells, "10 nM")
    assert (spreads.donors, spreads.n_cells) == (tuple(f"p{i}" for i in range(7)), 1400)
    DonorEffects.model_validate(spreads.effects)
    told: list[tuple[int, int]] = []
    done = list(folds(model, cells, types[:1], n=7, on_fold=lambda *at: told.append(at)))
    assert [fold.left_out for fold in done] == ["nobody", "nobody", *spreads.donors]
    assert [fold.differ for fold in done] == [False] + [True] * 8
    assert told[-1] == (9, 9)
    rows = [row for fold in done[2:] for row in fold.rows if row.cell_type != ALL_TYPES]
    assert covered(rows)[1] == 7
    assert covered(rows)[0] >= covered(rows, differ=False)[0] >= 4  # these donors do not differ
    assert sum(abs(row.score) for row in rows) <= sum(abs(row.without) for row in rows)


def test_two_calls_draw_the_same_cells_but_for_what_is_done(small_model: MaskedDiffusion) -> None:
    depth = np.full(50, 400.0)
    some = [scores(small_model, PROGRAM, "alpha", depth, Streams(0, 0, 0), gain=g) for g in (1.0, 1.0, 1.5)]
    np.testing.assert_array_equal(some[0], some[1])
    assert (some[2] >= some[0] - 0.3).mean() > 0.95
    assert some[2].mean() > some[0].mean() + 0.1


def test_what_cannot_tell_donors_apart_is_refused(small_model: MaskedDiffusion, people: CountData) -> None:
    with pytest.raises(InputError, match="does not hold NOPE of the program"):
        read_donors([people], "CYT", ("NOPE",))
    with pytest.raises(InputError, match=r"no treatment of people\.h5ad is called 'CYTT'; did you mean CYT"):
        read_donors([people], "CYTT", PROGRAM)
    with pytest.raises(InputError, match="2 donors have both controls and cells given CYT; 4 are needed"):
        read_donors([checked_counts(synthetic_adata(200), "two.h5ad")], "CYT", PROGRAM)
    cells = read_donors([people], "CYT", PROGRAM)
    with pytest.raises(InputError, match="does not tell donors apart"):
        model_for(named_model("still"), cells)
    flat = read_donors([people], "CYT", tuple(f"G{j}" for j in range(100, 104)))
    model, types = model_for(small_model, flat)
    with pytest.raises(InputError, match="the program does not rise under CYT"):
        slopes_of(model, flat, types)


@pytest.mark.slow
def test_without_any_of_seven_donors_their_spread_is_predicted(data_folder: Path) -> None:
    """IFN-beta in monocytes, whose spread is the surest: variance within the interval that all seven have.

    What the spreads of any six mean is; of 21 simulated donors, whose variance is known to 31 %, nearly always.
    """
    files = [read_counts(data_folder / name) for name in ("kang2018_pbmc_ifnb.h5ad", "kang2018_pbmc_ifnb_extra.h5ad")]
    cells = read_donors(files, "IFNB1")
    model, types = model_for(named_model("default"), cells)
    mono = [t for t in types if cells.cell_types[t] == "CD14 Mono"]
    without, *done = folds(model, cells, mono, n=21)
    assert not without.rows[0].holds
    assert without.rows[0].simulated.variance < 0.2 * without.rows[0].measured.variance
    slope = slopes_of(model, cells, mono)[mono[0]]
    for donor in range(7):
        effects = DonorEffects.model_validate(effects_from(cells.without(donor), mono, {mono[0]: slope}))
        gain, baseline = (effects.of_type(what, "IFNB1", "CD14 Mono") for what in ALONG)
        assert without.rows[0].measured.holds((gain * slope.gain) ** 2 + (baseline * slope.baseline) ** 2)
    rows = [fold.rows[0] for fold in done[1:]]
    assert sum(row.holds for row in rows) >= 6
    held, n = covered(rows)
    assert n == 7
    assert held >= 6
    assert covered(rows, differ=False)[0] < held
