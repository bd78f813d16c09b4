"""The shipped kind of world model behind the contract, on cells with a known law."""

from dataclasses import replace

import anndata as ad
import numpy as np
import pytest
import scipy.sparse as sp

from tests.model.synthetic import PROGRAMME, RESPONDERS, TYPES, synthetic_adata
from twin.data.counts import checked_counts
from twin.errors import InputError
from twin.kernels.random import Streams
from twin.model.baselines import Still, without_network
from twin.model.contract import Condition
from twin.model.masked import MaskedDiffusion


def population(model: MaskedDiffusion, n: int, dose: float, context: int = 0) -> Condition:
    ids = np.arange(n, dtype=np.uint64)
    which = np.full(n, context, dtype=np.intp)
    return Condition(
        ids,
        which,
        model.depths(which, ids, Streams(8, 0, 0)),
        np.full((n, 1), dose),
        np.full((n, 1), np.nan),
        np.ones(n),
    )


def controls(n: int) -> ad.AnnData:
    adata = synthetic_adata(n, seed=9)
    return adata[adata.obs["condition"] == "control"].copy()


def test_samples_have_the_means_and_the_correlations_of_the_data(small_model: MaskedDiffusion) -> None:
    data = checked_counts(synthetic_adata(), "x")
    for context, name in enumerate(TYPES):
        real = data.counts[np.flatnonzero((data.column("cell_type") == name) & (data.column("condition") == "control"))]
        drawn, _ = small_model.sample(population(small_model, 600, 0.0, context), Streams(0, 0, 0))
        a, b = real.toarray().mean(axis=0), drawn.toarray().mean(axis=0)
        assert np.corrcoef(np.log(a + 0.05), np.log(b + 0.05))[0, 1] > 0.97
        busy = PROGRAMME[a[PROGRAMME] > 1.0]
        real_r = np.corrcoef(real[:, busy].toarray().T)[np.triu_indices(len(busy), 1)].mean()
        drawn_r = np.corrcoef(drawn[:, busy].toarray().T)[np.triu_indices(len(busy), 1)].mean()
        alone, _ = without_network(small_model, "alone").sample(
            population(small_model, 600, 0.0, context), Streams(0, 0, 0)
        )
        without_z = np.corrcoef(alone[:, busy].toarray().T)[np.triu_indices(len(busy), 1)].mean()
        assert without_z < 0.2  # genes drawn one by one know nothing of each other
        assert drawn_r > 0.5 * real_r  # z carries it, though all genes come in one round


def test_rounds_reveal_every_gene_once_and_keep_the_means(small_model: MaskedDiffusion) -> None:
    here = population(small_model, 500, 0.0)
    one, _ = small_model.sample(here, Streams(0, 0, 0))
    many, _ = small_model.sample(here, Streams(0, 0, 1), steps=6)
    a, b = one.toarray().mean(axis=0), many.toarray().mean(axis=0)
    assert np.corrcoef(a, b)[0, 1] > 0.97
    assert many.sum() == pytest.approx(one.sum(), rel=0.1)


def test_the_trained_dose_has_the_measured_effect_and_zero_dose_none(small_model: MaskedDiffusion) -> None:
    data = checked_counts(synthetic_adata(), "x")
    mine, arm = data.column("cell_type") == TYPES[0], data.column("condition") == "CYT"

    def share(counts: sp.csr_array) -> float:
        return float(counts[:, RESPONDERS].sum() / counts.sum())

    real = [share(data.counts[np.flatnonzero(mine & which)]) for which in (~arm, arm)]
    drawn = [share(small_model.sample(population(small_model, 500, d), Streams(0, 0, 0))[0]) for d in (0.0, 10.0)]
    assert real[1] > 3 * real[0]
    assert drawn == pytest.approx(real, rel=0.15)


def test_a_cell_to_which_nothing_is_done_comes_back_unchanged(small_model: MaskedDiffusion) -> None:
    data = checked_counts(synthetic_adata(120, seed=5), "x")
    n = data.n_cells
    context = np.array([TYPES.index(t) for t in data.column("cell_type")])
    here = Condition(
        np.arange(n, dtype=np.uint64), context, data.totals, np.zeros((n, 1)), np.full((n, 1), np.nan), np.ones(n)
    )
    assert (small_model.perturb(data.counts, here, Streams(0, 0, 0)) != data.counts).nnz == 0


def test_a_half_dose_is_a_mixture_of_responders(small_model: MaskedDiffusion) -> None:
    """Each cell has an EC50 of its own: near the EC50 strengths spread, at the trained dose they do not."""
    n = 400
    spread = np.exp(1.0 * Streams(1, 0, 0).stream("e").normal(np.arange(n, dtype=np.uint64), 1)[:, 0])
    here = population(small_model, n, 1.0)
    half = small_model.strengths(replace(here, ec50_factor=spread))
    assert half.std() > 0.15
    assert small_model.strengths(population(small_model, 3, 10.0)) == pytest.approx(1.0)
    assert small_model.strengths(population(small_model, 3, 1e6)) == pytest.approx(
        1.0
    )  # capped: nothing measured there
    assert (small_model.strengths(population(small_model, 3, 0.0)) == 0).all()


def test_expected_rates_are_the_means_of_draws(small_model: MaskedDiffusion) -> None:
    here = population(small_model, 1, 10.0)
    n = 4_000
    many = here.rows(np.zeros(n, np.intp))
    many = Condition(
        np.arange(n, dtype=np.uint64), many.context, many.depth, many.dose, many.time_since, many.ec50_factor
    )
    z = np.zeros((n, small_model.latent_size), np.float32)
    blank = sp.csr_array((n, len(small_model.genes)), dtype=np.int32)
    drawn = small_model.decoder.target(blank, z, many, small_model.effects(many), Streams(0, 0, 0), "x")
    genes = [0, 3, *RESPONDERS[:4].tolist()]
    rate = small_model.expected(z[:1], here, genes)[0]
    seen = drawn[:, genes].toarray() * 1e4 / here.depth[0]
    assert (np.abs(seen.mean(axis=0) - rate) < 5 * seen.std(axis=0) / np.sqrt(n) + 1e-6).all()


def test_support_falls_off_the_data(small_model: MaskedDiffusion) -> None:
    seen = small_model.support(population(small_model, 1, 10.0))[0]
    beyond = small_model.support(population(small_model, 1, 1000.0))[0]
    assert small_model.support(population(small_model, 1, 0.0))[0] == 1.0
    assert seen > 0.9
    assert beyond < 0.05 * seen


def test_a_new_context_means_what_its_control_cells_are(small_model: MaskedDiffusion) -> None:
    """Cells of a known type under a new name behave like that type, untreated and treated."""
    data = checked_counts(synthetic_adata(), "x")
    rows = np.flatnonzero((data.column("cell_type") == "beta") & (data.column("condition") == "control"))
    model = small_model.with_context("stranger", data.counts[rows])
    assert model.contexts == (*small_model.contexts, "stranger")
    for dose in (0.0, 10.0):
        a, _ = model.sample(population(model, 500, dose, context=1), Streams(0, 0, 0))
        b, _ = model.sample(population(model, 500, dose, context=3), Streams(0, 0, 0))
        x, y = np.log(a.toarray().mean(axis=0) + 0.05), np.log(b.toarray().mean(axis=0) + 0.05)
        assert np.corrcoef(x, y)[0, 1] > 0.97


def test_prediction_keeps_the_cells_and_returns_integer_counts(small_model: MaskedDiffusion) -> None:
    mine = controls(200)
    mine.layers["counts"], mine.layers["log"] = mine.X.copy(), mine.X.copy()
    result = small_model.predict(mine, "CYT", "10 nM")
    assert not result.layers  # they were computed from the old counts
    assert isinstance(result, ad.AnnData)
    assert list(result.obs_names) == list(mine.obs_names)
    assert (result.obs["donor"] == mine.obs["donor"]).all()
    assert result.X is not None
    assert result.X.dtype.kind == "i"
    before, after = np.asarray(mine.X.todense()), np.asarray(result.X.todense())
    assert after[:, RESPONDERS].mean() > 2 * before[:, RESPONDERS].mean()
    untouched = small_model.predict(mine, "CYT", "0 nM")
    np.testing.assert_array_equal(np.asarray(untouched.X.todense()), before)


@pytest.mark.parametrize(
    ("perturbation", "dose", "said"),
    [("CIT", None, "did you mean CYT"), ("CYT", "10", "not a concentration"), ("CYT", "10 U/mL", "molar mass")],
)
def test_a_question_that_cannot_be_asked_is_refused(
    small_model: MaskedDiffusion, perturbation: str, dose: str | None, said: str
) -> None:
    with pytest.raises(InputError, match=said):
        small_model.predict(controls(30), perturbation, dose)


def test_the_baselines_keep_the_contract(small_model: MaskedDiffusion) -> None:
    still, shift = Still(small_model), without_network(small_model, "shift")
    here = population(small_model, 300, 10.0)
    counts, z = still.sample(here, Streams(0, 0, 0))
    assert z.shape == (300, 0)
    after, _ = still.transition(counts, z, here, 100.0, 3.6, Streams(0, 0, 1))
    assert after is counts
    low, _ = shift.sample(population(small_model, 300, 0.0), Streams(0, 0, 0))
    assert low.sum() == pytest.approx(here.depth.sum(), rel=0.03)
    assert still.predict(controls(60), "CYT").n_obs == len(controls(60))
    high, _ = shift.sample(here, Streams(0, 0, 0))
    assert high[:, RESPONDERS].mean() > 2 * low[:, RESPONDERS].mean()
    assert still.fingerprint != shift.fingerprint != small_model.fingerprint


def test_a_perturbation_leaves_the_library_size_alone(small_model: MaskedDiffusion) -> None:
    """Exactly so without the network's corrections; with them to within their own error."""
    bare = without_network(small_model, "bare")
    for model, bound in ((bare, 0.01), (small_model, 0.07)):
        for context in range(3):
            here = population(model, 1_000, 10.0, context)
            counts, _ = model.sample(here, Streams(0, 0, 0))
            assert counts.sum() == pytest.approx(here.depth.sum(), rel=bound)
