"""Doses, times and combinations: between what was measured lies what is in between."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.model.synthetic import BOTH, FIRST, SECOND, dosed_adata
from twin.kernels.random import Streams
from twin.model.condition import Condition
from twin.model.masked import MaskedDiffusion

CYT, DRG = 0, 1  # columns of the dose


def asked(
    model: MaskedDiffusion, n: int = 1, *, cyt: float = 0.0, drg: float = 0.0, hours: float = np.nan
) -> Condition:
    ids = np.arange(n, dtype=np.uint64)
    dose = np.zeros((n, 2))
    dose[:, CYT], dose[:, DRG] = cyt, drg
    since = np.where(dose > 0, hours, np.nan)
    return Condition(ids, np.zeros(n, np.intp), np.full(n, 1500.0), dose, since, np.ones(n))


def felt(model: MaskedDiffusion, condition: Condition) -> dict[str, float]:
    """Return how strongly the first cell feels each treatment."""
    strengths = model.strengths(condition)[0]
    return {t.arm.label: float(h) for t, h in zip(model.knowledge.treatments, strengths, strict=True) if h}


def response(model: MaskedDiffusion, condition: Condition, genes: slice = FIRST) -> float:
    """Return the mean shift of log μ of some genes of the first cell."""
    return float(model.effects(condition).shift()[0, genes].mean())


def test_the_columns_are_as_the_tests_take_them(dosed_model: MaskedDiffusion) -> None:
    assert [p.name for p in dosed_model.perturbations] == ["CYT", "DRG"]
    assert dosed_model.perturbations[CYT].reference == 100.0
    assert dosed_model.perturbations[CYT].times == (2.0, 8.0)


def test_a_measured_dose_and_time_is_that_arm_alone(dosed_model: MaskedDiffusion) -> None:
    assert felt(dosed_model, asked(dosed_model, cyt=1.0, hours=8.0)) == {"CYT 1 nM, 8 h": pytest.approx(1.0)}
    assert felt(dosed_model, asked(dosed_model, cyt=100.0, hours=2.0)) == {"CYT 100 nM, 2 h": pytest.approx(1.0)}


def test_between_two_doses_the_effects_are_mixed_linearly_in_the_log(dosed_model: MaskedDiffusion) -> None:
    """10 nM lies half-way between 1 and 100 nM; the effect there is the mean of the two."""
    middle = felt(dosed_model, asked(dosed_model, cyt=10.0, hours=8.0))
    assert middle == {"CYT 1 nM, 8 h": pytest.approx(0.5), "CYT 100 nM, 8 h": pytest.approx(0.5)}
    low, between, high = (response(dosed_model, asked(dosed_model, cyt=d, hours=8.0)) for d in (1.0, 10.0, 100.0))
    assert 0.5 < low < between < high
    assert between == pytest.approx(0.5 * (low + high), rel=1e-3)


def test_between_two_times_the_effects_are_mixed_linearly(dosed_model: MaskedDiffusion) -> None:
    third = felt(dosed_model, asked(dosed_model, cyt=100.0, hours=4.0))
    assert third == {"CYT 100 nM, 2 h": pytest.approx(2 / 3), "CYT 100 nM, 8 h": pytest.approx(1 / 3)}
    early, late = (asked(dosed_model, cyt=100.0, hours=h) for h in (2.0, 8.0))
    assert response(dosed_model, early) < response(dosed_model, late)
    assert felt(dosed_model, asked(dosed_model, cyt=100.0, hours=0.5)) == felt(dosed_model, early)
    assert felt(dosed_model, asked(dosed_model, cyt=100.0, hours=99.0)) == felt(dosed_model, late)
    assert felt(dosed_model, asked(dosed_model, cyt=100.0)) == felt(dosed_model, late)  # not told: the last measured


def test_dose_and_time_mix_at_once(dosed_model: MaskedDiffusion) -> None:
    mixed = felt(dosed_model, asked(dosed_model, cyt=10.0, hours=5.0))
    assert len(mixed) == 4
    assert list(mixed.values()) == pytest.approx([0.25] * 4)


def test_outside_the_doses_the_hill_curve_leads_to_nothing_and_the_top_stays(dosed_model: MaskedDiffusion) -> None:
    highest, above = (felt(dosed_model, asked(dosed_model, cyt=d, hours=8.0)) for d in (100.0, 1e5))
    assert above == highest
    cyt = dosed_model.perturbations[CYT]
    dose = 0.1
    (below,) = felt(dosed_model, asked(dosed_model, cyt=dose, hours=8.0)).values()
    hill = [d**cyt.hill / (d**cyt.hill + cyt.ec50**cyt.hill) for d in (dose, 1.0)]
    assert below == pytest.approx(hill[0] / hill[1])
    assert felt(dosed_model, asked(dosed_model)) == {}


def test_a_less_sensitive_cell_feels_a_dose_as_a_lower_one(dosed_model: MaskedDiffusion) -> None:
    plain = asked(dosed_model, cyt=10.0, hours=8.0)
    dull = replace(asked(dosed_model, cyt=100.0, hours=8.0), ec50_factor=np.full(1, 10.0))
    assert felt(dosed_model, dull) == pytest.approx(felt(dosed_model, plain))


def test_a_measured_combination_does_what_it_was_seen_to_do(dosed_model: MaskedDiffusion) -> None:
    """The shift is that of the pooled cells, in genes that only the two together raise and in each part's own."""
    cells = dosed_adata()
    mine = cells.obs["cell_type"] == "alpha"

    def share(condition: str) -> NDArray[np.float64]:
        pooled = np.asarray(cells[mine & (cells.obs["condition"] == condition)].X.sum(axis=0)).ravel()
        return np.asarray(pooled / pooled.sum())

    truth = np.log(share("CYT+DRG") / share("control"))
    both = dosed_model.effects(asked(dosed_model, cyt=100.0, drg=10.0, hours=8.0)).shift()[0]
    for genes in (FIRST, SECOND, BOTH):
        np.testing.assert_allclose(both[genes], truth[genes], atol=0.15)
    alone = dosed_model.effects(asked(dosed_model, cyt=100.0, hours=8.0)).shift()[0]
    assert truth[BOTH].mean() > 0.8 > 0 > alone[BOTH].mean()


def test_a_half_felt_part_brings_half_of_what_a_combination_adds(dosed_model: MaskedDiffusion) -> None:
    ec50 = dosed_model.perturbations[DRG].ec50
    low = asked(dosed_model, cyt=100.0, drg=ec50 * 0.5, hours=8.0)
    told = felt(dosed_model, low)
    assert told["CYT 100 nM + DRG 10 nM, 8 h"] == pytest.approx(told["DRG 10 nM, 8 h"])
    assert 0 < told["DRG 10 nM, 8 h"] < 0.6


def test_guidance_scales_every_effect(dosed_model: MaskedDiffusion) -> None:
    plain = asked(dosed_model, cyt=100.0, hours=8.0)
    guided = replace(plain, guidance=0.5)
    np.testing.assert_allclose(dosed_model.effects(guided).shift(), 1.5 * dosed_model.effects(plain).shift(), rtol=1e-5)
    control = replace(asked(dosed_model), guidance=2.0)
    assert dosed_model.effects(control).shift().any() == np.False_


def test_guidance_moves_a_drawn_population_further(dosed_model: MaskedDiffusion) -> None:
    here = asked(dosed_model, 300, cyt=1.0, hours=2.0)
    means = [dosed_model.sample(here, Streams(0, 0, 0), guidance=w)[0][:, FIRST].mean() for w in (0.0, 1.0, 2.0)]
    assert means[0] < means[1] < means[2]


def test_what_two_experiments_did_alike_is_read_from_the_one_that_has_the_context(dosed_model: MaskedDiffusion) -> None:
    """A second family without this context changes nothing here, and answers for its own."""
    known = dosed_model.knowledge
    family = known.families[0]
    other = replace(family, contexts=tuple(-1 for _ in family.contexts))
    doubled = replace(
        known,
        families=(family, other),
        treatments=(*known.treatments, *(replace(t, family=1) for t in known.treatments)),
    )
    two = MaskedDiffusion(dosed_model.net, doubled, dosed_model.card)
    here = asked(two, cyt=10.0, drg=10.0, hours=4.0)
    np.testing.assert_allclose(two.effects(here).shift(), dosed_model.effects(here).shift(), rtol=1e-6)
    assert two.strengths(here)[0, len(known.treatments) :].sum() == 0
    moved = replace(doubled, families=(other, family))
    assert (
        MaskedDiffusion(dosed_model.net, moved, dosed_model.card).strengths(here)[0, : len(known.treatments)].sum() == 0
    )
