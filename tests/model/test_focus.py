"""A model of some contexts, genes and perturbations: the same cells, smaller."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.model.synthetic import RESPONDERS, synthetic_adata
from twin.data.counts import checked_counts
from twin.data.experiment import assemble
from twin.kernels.random import Streams
from twin.model.baselines import Still, without_network
from twin.model.condition import Condition
from twin.model.contract import WorldModel
from twin.model.fit import fit
from twin.model.masked import MaskedDiffusion
from twin.model.training import TrainingConfig

SIZES = {"latent": 3, "code": 16, "width": 24, "blocks": 1}


@pytest.fixture(scope="module")
def two_tissues() -> MaskedDiffusion:
    """Two experiments that share some genes: 120 in one, 90 of them and 10 of its own in the other."""
    torch.set_num_threads(1)
    first, second = synthetic_adata(400, seed=1), synthetic_adata(400, seed=2)[:, 20:].copy()
    second.var_names = [*second.var_names[:90], *(f"OWN{i}" for i in range(10))]
    second.obs_names = [f"s{i}" for i in range(second.n_obs)]
    second.obs["cell_type"] = "far " + second.obs["cell_type"].astype(str)
    second.obs["donor"] = "far " + second.obs["donor"].astype(str)
    second.obs["condition"] = second.obs["condition"].replace({"CYT": "OTHER"})
    second.obs["time"] = 48.0
    data = assemble([checked_counts(first, "a.h5ad"), checked_counts(second, "b.h5ad")])
    return fit(data, TrainingConfig(steps=30, batch=32, warm_up=5), sizes=SIZES)


def condition_of(model: WorldModel, name: str, n: int, dose: dict[str, float]) -> Condition:
    ids = np.arange(n, dtype=np.uint64)
    context = np.full(n, model.contexts.index(name))
    doses = np.array([dose.get(p.name, 0.0) for p in model.perturbations])
    depth = model.depths(context, ids, Streams(3, 0, 0))
    shape = (n, len(doses))
    return Condition(ids, context, depth, np.tile(doses, (n, 1)), np.full(shape, np.nan), np.ones(n))


@pytest.mark.parametrize(("name", "agent"), [("beta", "CYT"), ("far alpha", "OTHER")])
def test_the_focused_model_draws_and_moves_the_same_cells(two_tissues: MaskedDiffusion, name: str, agent: str) -> None:
    """For the same ids log μ agrees to rounding, and so do the counts, one by one, but for 1 in 10,000."""
    small = two_tissues.focused([name], perturbations=[agent])
    assert small.contexts == (name,)
    assert [p.name for p in small.perturbations] == [agent]
    place = [two_tissues.genes.index(g) for g in small.genes]
    assert len(place) < len(two_tissues.genes)
    n, results = 300, []
    for model in (two_tissues, small):
        here = condition_of(model, name, n, {agent: 10.0})
        z = np.zeros((n, model.latent_size), np.float32)
        log_mean = model.decoder.log_mean(z, here) + model.effects(here).shift()
        counts, z = model.sample(here, Streams(0, 0, 0))
        later, _ = model.transition(counts, z, here, 2.0, 3.0, Streams(0, 0, 1))
        moved = model.perturb(counts, here, Streams(0, 0, 2))
        results.append((here.depth, log_mean, z, counts.toarray(), later.toarray(), moved.toarray()))
    whole, part = results
    np.testing.assert_array_equal(whole[0], part[0])
    np.testing.assert_allclose(whole[1][:, place], part[1], atol=2e-4)
    np.testing.assert_array_equal(whole[2], part[2])
    others = np.setdiff1d(np.arange(len(two_tissues.genes)), place)
    for a, b in zip(whole[3:], part[3:], strict=True):
        assert a[:, others].sum() == 0  # never measured there, never drawn
        assert b.sum() > 1000
        assert (a[:, place] != b).mean() < 1e-4


def test_support_and_expected_rates_are_those_of_the_whole_model(two_tissues: MaskedDiffusion) -> None:
    small = two_tissues.focused(["alpha", "gamma"])
    gene = two_tissues.genes[RESPONDERS[0]]
    told = []
    for model in (two_tissues, small):
        here = condition_of(model, "gamma", 2, {"CYT": 5.0})
        rate = model.expected(np.zeros((2, model.latent_size), np.float32), here, [model.genes.index(gene)])
        told.append((model.support(here)[0], rate[0, 0]))
    assert told[0] == pytest.approx(told[1], rel=1e-4)


def test_the_clock_is_that_of_the_perturbations_that_are_kept(two_tissues: MaskedDiffusion) -> None:
    by_name = {p.name: p.times for p in two_tissues.perturbations}
    assert by_name == {"CYT": (6.0,), "OTHER": (48.0,)}
    assert two_tissues.focused(["alpha"], perturbations=["CYT"]).last_time() == 6.0
    far = two_tissues.focused(["far alpha"], perturbations=["OTHER"])
    assert far.last_time() == 48.0
    assert far.kappa() == pytest.approx(4.32 * 5.0 / 48.0)


def test_what_lies_off_the_axis_stays_part_of_the_transcriptome(two_tissues: MaskedDiffusion) -> None:
    """On half of the genes a cell of depth D holds half of its counts, not D."""
    half = list(two_tissues.genes[:60])
    small = two_tissues.focused(["alpha"], half)
    assert small.genes == tuple(half)
    drawn, _ = small.sample(condition_of(small, "alpha", 400, {}), Streams(0, 0, 0))
    whole, _ = two_tissues.sample(condition_of(two_tissues, "alpha", 400, {}), Streams(0, 0, 0))
    assert drawn.sum() == pytest.approx(whole[:, :60].sum(), rel=0.03)


def test_a_context_given_before_focusing_is_kept(two_tissues: MaskedDiffusion) -> None:
    data = checked_counts(synthetic_adata(200, seed=7), "x")
    rows = np.flatnonzero((data.column("cell_type") == "beta") & (data.column("condition") == "control"))
    controls = data.counts[rows]
    padded = controls.copy()
    padded.resize((len(rows), len(two_tissues.genes)))
    model = two_tissues.with_context("stranger", padded).focused(["stranger", "alpha"], perturbations=["CYT"])
    assert model.contexts == ("stranger", "alpha")
    assert model.genes == two_tissues.genes[:120]  # those of the cells and of the context most like them, no others
    here = condition_of(model, "stranger", 400, {"CYT": 10.0})
    drawn, _ = model.sample(here, Streams(0, 0, 0))
    plain, _ = model.sample(replace(here, dose=np.zeros_like(here.dose)), Streams(0, 0, 0))
    responders = [model.genes.index(two_tissues.genes[g]) for g in RESPONDERS]
    assert drawn[:, responders].sum() > 2 * plain[:, responders].sum()


def test_baselines_focus_as_the_model_does(two_tissues: MaskedDiffusion) -> None:
    focus = (["far beta"], None, ["OTHER"])
    shift, still = without_network(two_tissues, "shift"), Still(two_tissues)
    assert shift.focused(*focus).genes == still.focused(*focus).genes == two_tissues.focused(*focus).genes
    assert still.focused(*focus).contexts == ("far beta",)
    assert still.focused(*focus).turns_over is False


def test_a_part_is_another_model_to_a_run_and_the_same_part_the_same(two_tissues: MaskedDiffusion) -> None:
    one, again = (two_tissues.focused(["alpha"], perturbations=["CYT"]) for _ in range(2))
    assert one.fingerprint == again.fingerprint != two_tissues.fingerprint
    assert two_tissues.focused() is two_tissues
    turned = two_tissues.focused(two_tissues.contexts[::-1], two_tissues.genes[::-1])
    assert (turned.contexts, turned.genes) == (two_tissues.contexts[::-1], two_tissues.genes[::-1])
    torch.testing.assert_close(turned.net.log_rate, two_tissues.net.log_rate.flip(0, 1))


def test_panels_are_the_genes_that_each_context_measured(two_tissues: MaskedDiffusion) -> None:
    panels = two_tissues.panels()
    assert panels == tuple(two_tissues.focused([c]).genes for c in two_tissues.contexts)
    assert panels == WorldModel.panels(two_tissues)
    assert {len(p) for p in panels} == {120, 100}
