"""`predict` and its options: what a user asks of his own cells."""

from typing import Any

import anndata as ad
import numpy as np
import pytest
import scipy.sparse as sp
from numpy.typing import NDArray

from tests.model.synthetic import FIRST, PATHWAYS, RESPONDERS, SECOND, dosed_adata, panel_adata, synthetic_adata
from twin.data.counts import checked_counts
from twin.data.experiment import assemble
from twin.errors import InputError
from twin.model.fit import fit
from twin.model.likeness import NO_FEATURES, Features
from twin.model.masked import MaskedDiffusion


@pytest.fixture(scope="module")
def mine() -> ad.AnnData:
    """Control cells of both types."""
    adata = dosed_adata(seed=4)
    return adata[adata.obs["condition"] == "control"][::5].copy()


def counts(adata: ad.AnnData) -> NDArray[np.int64]:
    return np.asarray(adata.X.todense())


def gain(before: ad.AnnData, after: ad.AnnData, genes: slice) -> float:
    """Return the log fold change of some genes' share of all counts."""
    share = [counts(x)[:, genes].sum() / counts(x).sum() for x in (before, after)]
    return float(np.log(share[1] / share[0]))


def test_a_time_between_two_measured_ones_gives_an_effect_between_theirs(
    dosed_model: MaskedDiffusion, mine: ad.AnnData
) -> None:
    early, between, late, untold = (
        gain(mine, dosed_model.predict(mine, "CYT", "100 nM", **time), FIRST)
        for time in ({"time": "2 h"}, {"time": "300 min"}, {"time": "8 h"}, {})
    )
    assert 0.3 < early < between < late
    assert untold == late  # the last measured


def test_a_dose_between_two_measured_ones_gives_an_effect_between_theirs(
    dosed_model: MaskedDiffusion, mine: ad.AnnData
) -> None:
    low, between, high, untold = (
        gain(mine, dosed_model.predict(mine, "CYT", dose), FIRST) for dose in ("1 nM", "10 nM", "100 nM", None)
    )
    assert 0.2 < low < between < high
    assert untold == high  # the highest measured


def test_several_together_are_asked_for_with_a_plus(dosed_model: MaskedDiffusion, mine: ad.AnnData) -> None:
    result = dosed_model.predict(mine, "CYT+DRG", "100 nM + 10 nM")
    assert gain(mine, result, FIRST) > 0.5
    assert gain(mine, result, SECOND) > 0.2
    assert (result.obs["twin_perturbation"] == "CYT+DRG").all()
    assert (result.obs["twin_dose_nM"] == "100 + 10").all()


def test_guidance_goes_further_in_cells_and_in_populations(dosed_model: MaskedDiffusion, mine: ad.AnnData) -> None:
    for output in ("cells", "population"):
        plain, guided = (
            gain(mine, dosed_model.predict(mine, "CYT", "1 nM", time="2 h", output=output, guidance=w), FIRST)
            for w in (0.0, 1.0)
        )
        assert guided > plain + 0.1


def test_a_clamped_gene_is_gone_and_a_halved_one_is_half(dosed_model: MaskedDiffusion, mine: ad.AnnData) -> None:
    free = counts(dosed_model.predict(mine, "CYT"))
    held = counts(dosed_model.predict(mine, "CYT", clamp={"G12": 0.0, "G13": 0.5}))
    assert free[:, 12].sum() > 100
    assert held[:, 12].sum() == 0
    assert held[:, 13].sum() == pytest.approx(0.5 * free[:, 13].sum(), rel=0.1)
    others = np.delete(np.arange(free.shape[1]), [12, 13])
    np.testing.assert_array_equal(held[:, others], free[:, others])


def test_a_population_is_drawn_anew_of_the_same_types_and_sizes(
    small_model: MaskedDiffusion,
) -> None:
    adata = synthetic_adata(900, seed=0)
    mine = adata[adata.obs["condition"] == "control"].copy()
    cells, population = (small_model.predict(mine, "CYT", output=o) for o in ("cells", "population"))
    assert list(population.obs_names) == list(mine.obs_names)
    assert population.X.dtype.kind == "i"
    before, moved, drawn = counts(mine), counts(cells), counts(population)
    others = np.delete(np.arange(before.shape[1]), RESPONDERS)
    alike = [
        np.corrcoef(np.log1p(x[:, others]).ravel(), np.log1p(before[:, others]).ravel())[0, 1] for x in (moved, drawn)
    ]
    assert alike[0] > 0.9 > alike[1]  # these very cells, and new ones
    assert drawn[:, RESPONDERS].mean() == pytest.approx(moved[:, RESPONDERS].mean(), rel=0.2)
    assert drawn.sum() == pytest.approx(before.sum(), rel=0.08)  # sizes are calibrated on controls
    several = counts(small_model.predict(mine, "CYT", output="population", steps=4))
    assert (several != drawn).any()
    assert several.mean() == pytest.approx(drawn.mean(), rel=0.1)


@pytest.fixture(scope="module")
def panel() -> MaskedDiffusion:
    """A panel of knock-outs of two pathways; features tell the pathways, also of genes that were not in it."""
    names = {f"{p}{i}": 10 * "AB".index(p) + i for p in "AB" for i in range(10)}
    rng = np.random.default_rng(0)
    vectors = np.stack([[i < 10, i >= 10, 0.0] for i in range(20)]) + 0.15 * np.abs(rng.normal(size=(20, 3)))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    data = assemble([checked_counts(panel_adata(), "panel.h5ad")])
    return fit(data, None, features=Features(names, sp.csr_array(vectors)), sizes={"latent": 2, "code": 8, "width": 8})


def test_a_gene_never_perturbed_is_known_by_its_features(panel: MaskedDiffusion) -> None:
    """A9 was not in the panel: its pathway's genes fall, the other's do not, with less support than a measured one."""
    adata = panel_adata(n_each=0, seed=5)
    known, told = panel.predict(adata, "A1"), panel.predict(adata, "A9")
    fall = gain(adata, known, PATHWAYS[0])
    assert gain(adata, told, PATHWAYS[0]) == pytest.approx(fall, rel=0.3)
    assert fall < -0.6
    assert abs(gain(adata, told, PATHWAYS[1])) < 0.25
    assert 0.2 < told.obs["twin_support"].mean() < known.obs["twin_support"].mean()


def test_features_may_come_with_the_question(panel: MaskedDiffusion) -> None:
    adata = panel_adata(n_each=0, seed=5)
    blank = panel.with_features(NO_FEATURES)
    with pytest.raises(InputError, match="'B9'"):
        blank.predict(adata, "B9")
    again = blank.predict(adata, "B9", features=panel.knowledge.features)
    np.testing.assert_array_equal(counts(again), counts(panel.predict(adata, "B9")))


def test_features_say_nothing_where_they_were_not_found_to_tell_treatments(dosed_model: MaskedDiffusion) -> None:
    """Too few treatments to see whether features matter: no answer is better than "no effect"."""
    assert dosed_model.knowledge.families[0].likeness.feature == 0
    assert dosed_model.with_perturbation("KIN") is None


def test_a_new_perturbation_is_added_at_the_end_of_what_is_known(panel: MaskedDiffusion) -> None:
    more = panel.with_perturbation("A9")
    assert more is not None
    assert [p.name for p in more.perturbations] == [*(p.name for p in panel.perturbations), "A9"]
    assert more.fingerprint != panel.fingerprint
    assert panel.with_perturbation("unheard of") is None


def test_genes_that_the_model_does_not_know_keep_their_counts(dosed_model: MaskedDiffusion, mine: ad.AnnData) -> None:
    stranger = mine.copy()
    stranger.var_names = [f"X{i}" if i % 2 else name for i, name in enumerate(mine.var_names)]
    result = dosed_model.predict(stranger, "CYT")
    assert list(result.var_names) == list(stranger.var_names)
    np.testing.assert_array_equal(counts(result)[:, 1::2], counts(mine)[:, 1::2])
    even = counts(result)[:, 10:20:2]
    assert even.sum() > 1.2 * counts(mine)[:, 10:20:2].sum()


def test_types_that_are_not_known_get_their_meaning_from_these_cells(
    dosed_model: MaskedDiffusion, mine: ad.AnnData
) -> None:
    renamed = mine.copy()
    renamed.obs["kind"] = np.where(renamed.obs.pop("cell_type") == "alpha", "novel", "beta")
    result = dosed_model.predict(renamed, "CYT", cell_type="kind")
    new = np.asarray(result.obs["kind"] == "novel")
    assert gain(renamed[new], result[new], FIRST) > 0.3
    assert (result.obs["twin_support"][new] < result.obs["twin_support"][~new].min()).all()
    with pytest.raises(InputError, match="'novel' is not known to the model and has 3 cells"):
        dosed_model.predict(renamed[np.r_[np.flatnonzero(new)[:3], np.flatnonzero(~new)]], "CYT", cell_type="kind")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"time": "6"}, "time: "),
        ({"time": "6 nM"}, "time: "),
        ({"dose": "1 nM + 2 nM"}, "2 doses for 1 perturbations"),
        ({"clamp": {"G1O": 0.0}}, "did you mean G1"),
        ({"clamp": {"G1": -1.0}}, "the factor of G1 is -1"),
        ({"cell_type": "sort"}, "sort"),
    ],
)
def test_an_option_that_means_nothing_is_refused(
    dosed_model: MaskedDiffusion, mine: ad.AnnData, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(InputError, match=said.replace("+", r"\+")):
        dosed_model.predict(mine, "CYT", **options)


def test_treated_cells_and_foreign_axes_are_refused(dosed_model: MaskedDiffusion, mine: ad.AnnData) -> None:
    with pytest.raises(InputError, match="keep the controls"):
        dosed_model.predict(dosed_adata(seed=4)[::40].copy(), "CYT")
    foreign = mine.copy()
    foreign.var_names = [f"ENSMUSG{i:011d}" for i in range(mine.n_vars)]
    with pytest.raises(InputError, match="gene"):
        dosed_model.predict(foreign, "CYT")
