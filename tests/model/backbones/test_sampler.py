"""Drawing from token backbones: the law of the heads, no matter who stands beside whom."""

import math

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2

from tests.model.backbones.tiny import KINDS, LUCK, N_GENES, ask, tiny
from twin.errors import InputError
from twin.kernels.random import Stream, Streams
from twin.kernels.tokens import MASK, tokens_of
from twin.model.backbones.couple import couple
from twin.model.backbones.lingshu import LingshuHeads
from twin.model.backbones.luck import id_words, uniforms
from twin.model.backbones.sampler import Ask, Chunk, draw, masked_share, value_cdf


def same_cell(net: object, n: int, strength: float = 1.0) -> Ask:
    one = ask(net, 1)  # type: ignore[arg-type]
    many = one.rows(np.zeros(n, np.intp))
    return Ask(
        np.arange(n, dtype=np.uint64),
        many.context,
        many.log_depth,
        many.z,
        many.perturbation,
        np.full((n, 1), strength),
    )


@given(seed=st.integers(0, 2**40), first=st.integers(0, 2**64 - 50))
def test_uniforms_on_the_device_are_those_of_the_streams(seed: int, first: int) -> None:
    ids, genes = np.arange(first, first + 40, dtype=np.uint64), np.arange(7)
    stream = Streams(seed, 1, 2).stream("x", 3)
    here = uniforms(stream, id_words(ids, torch.device("cpu"))[:, None], torch.from_numpy(genes))
    np.testing.assert_array_equal(here.numpy(), stream.uniform(ids, 7))
    assert isinstance(stream, Stream)


@pytest.mark.parametrize("kind", KINDS)
def test_one_round_draws_the_marginal_law_of_the_heads(kind: str) -> None:
    """χ² of 8,000 draws of one cell against P(0) and the values' law, gene by gene, below the 1 − 1e-6 quantile."""
    net = tiny(kind).eval()
    n = 8_000
    asked = same_cell(net, n)
    drawn = tokens_of(draw(net, asked, LUCK, "x").toarray())
    chunk = Chunk(net, asked.rows(np.arange(1)), asked.strength[:1], 16, "auto")
    heads = chunk.heads(torch.full((1, N_GENES), MASK, dtype=torch.int32))
    genes = torch.arange(N_GENES)
    with torch.no_grad():
        zero = np.exp(-heads.hazard_at(genes * 0, genes).double().numpy())
        value = np.diff(value_cdf(heads, genes * 0, genes).numpy(), axis=1, prepend=0.0)
    law = np.concatenate([zero[:, None], (1 - zero[:, None]) * value], axis=1)  # (gene, 281)
    assert law.sum(axis=1) == pytest.approx(1.0)
    for g in range(N_GENES):
        seen = np.bincount(drawn[:, g], minlength=281).astype(float)
        often = n * law[g] >= 8
        expected = np.append(n * law[g][often], n * law[g][~often].sum() + 1e-9)
        found = np.append(seen[often], seen[~often].sum())
        enough = expected > 1
        statistic = ((found - expected)[enough] ** 2 / expected[enough]).sum()
        assert statistic < chi2.isf(1e-6, max(int(enough.sum()) - 1, 1)), g


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rounds", [1, 3])
def test_a_cell_does_not_depend_on_its_neighbours(kind: str, rounds: int) -> None:
    net = tiny(kind).eval()
    whole = ask(net, 40, arms=2)
    options = {"rounds": rounds, "guidance": 1.5}
    together = draw(net, whole, LUCK, "x", **options)  # type: ignore[arg-type]
    some = np.random.default_rng(0).permutation(40)[:23]
    alone = draw(net, whole.rows(some), LUCK, "x", **options)  # type: ignore[arg-type]
    assert (together[some] != alone).nnz == 0
    assert (together != draw(net, whole, Streams(1, 0, 0), "x", **options)).nnz > 0  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", KINDS)
def test_no_guidance_is_no_guidance_and_no_dose_is_control(kind: str) -> None:
    net = tiny(kind).eval()
    blank = torch.full((8, N_GENES), MASK, dtype=torch.int32)
    asked = same_cell(net, 8)
    rows, genes = torch.arange(8).repeat_interleave(N_GENES), torch.arange(N_GENES).repeat(8)
    with torch.no_grad():
        plain = net.heads(Chunk(net, asked, asked.strength, 16, "auto").blank.but(level=blank[[0] * 16]))
        control = Chunk(net, asked.untreated(), np.zeros((8, 1)), 16, "auto").heads(blank)
        unguided = Chunk(net, asked, 1.0 * asked.strength, 16, "auto").heads(blank)
        guided = Chunk(net, asked, 3.0 * asked.strength, 16, "auto").heads(blank)
        assert torch.equal(unguided.hazard()[:8], plain.hazard()[:8])
        assert torch.equal(unguided.value_logits(rows, genes), plain.value_logits(rows, genes))
        assert not torch.allclose(guided.hazard(), plain.hazard(), rtol=1e-2)
        assert not torch.allclose(control.hazard()[:8], plain.hazard()[:8], rtol=1e-2)
    none = Ask(asked.ids, asked.context, asked.log_depth, asked.z, asked.perturbation, np.zeros((8, 1)))
    zeros = Ask(asked.ids, asked.context, asked.log_depth, asked.z, asked.perturbation * 0, asked.strength)
    for guidance in (0.0, 2.0):
        assert (draw(net, none, LUCK, "x", guidance=guidance) != draw(net, zeros, LUCK, "x")).nnz == 0


def test_lingshu_guides_its_logits() -> None:
    """a = a_ctrl + (w + 1)(a_pert − a_ctrl), on all 281 logits."""
    net = tiny("lingshu").eval()
    asked, w = same_cell(net, 1), 2.0
    blank = torch.full((1, N_GENES), MASK, dtype=torch.int32)
    genes = torch.arange(N_GENES)

    def logits(weight: float, perturbed: bool) -> torch.Tensor:
        who = asked if perturbed else asked.untreated()
        heads = Chunk(net, who, np.full((1, 1), weight), 16, "auto").heads(blank)
        assert isinstance(heads, LingshuHeads)
        with torch.no_grad():
            return heads.logits(genes * 0, genes)

    control, treated = logits(0.0, False), logits(1.0, True)
    assert not torch.allclose(control, treated, atol=1e-2)
    torch.testing.assert_close(logits(w + 1, True), control + (w + 1) * (treated - control), rtol=1e-3, atol=1e-4)


def test_guidance_of_patches_keeps_the_depth() -> None:
    net = tiny("patches").eval()
    asked = same_cell(net, 1)
    for weight in (0.0, 0.5, 1.0, 3.0):
        heads = Chunk(net, asked, np.full((1, 1), weight), 16, "auto").heads(
            torch.full((1, N_GENES), MASK, dtype=torch.int32)
        )
        assert float(heads.log_mean[0].exp().sum()) == pytest.approx(math.exp(asked.log_depth[0]), rel=1e-4)  # type: ignore[attr-defined]


def test_the_cosine_schedule_is_the_published_one() -> None:
    assert [masked_share(k, 3, "cosine") for k in range(4)] == pytest.approx([1, 0.866, 0.5, 0], abs=1e-3)
    assert [masked_share(k, 4, "linear") for k in range(5)] == [1, 0.75, 0.5, 0.25, 0]


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
def test_several_rounds_show_each_round_what_the_earlier_ones_drew(schedule: str) -> None:
    net = tiny("patches").eval()
    seen: list[torch.Tensor] = []
    hidden = net.hidden

    def spy(inputs):  # type: ignore[no-untyped-def]
        seen.append((inputs.level != MASK).float().mean(dim=1)[:10])
        return hidden(inputs)

    net.hidden = spy  # type: ignore[method-assign]
    draw(net, ask(net, 10).untreated(), LUCK, "x", rounds=4, schedule=schedule)  # type: ignore[arg-type]
    shown = [float(x.mean()) for x in seen]
    assert shown == pytest.approx([1 - masked_share(k, 4, schedule) for k in range(4)], abs=0.1)  # type: ignore[arg-type]
    assert shown[0] == 0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rounds", [1, 3])
def test_only_genes_that_are_due_are_drawn_anew(kind: str, rounds: int) -> None:
    net = tiny(kind).eval()
    asked = ask(net, 30)
    before = sp.csr_array(np.random.default_rng(0).poisson(60.0, (30, N_GENES)).astype(np.int32))
    never = np.zeros(N_GENES)
    assert (draw(net, asked, LUCK, "x", before=before, due=never, rounds=rounds) != before).nnz == 0
    half = never.copy()
    half[::2] = 1.0
    after = draw(net, asked, LUCK, "x", before=before, due=half, rounds=rounds)
    assert (after[:, 1::2] != before[:, 1::2]).nnz == 0
    assert (after[:, ::2] != before[:, ::2]).nnz > 100
    due = draw(net, asked, LUCK, "x", before=before, due=np.full(N_GENES, 0.3), rounds=rounds)
    assert 0.2 < (due != before).nnz / before.nnz < 0.35


def test_what_is_held_is_seen_and_not_drawn() -> None:
    net = tiny("patches").eval()
    asked = ask(net, 20)
    rows, genes, value = np.arange(20), np.full(20, 7), np.full(20, 3)
    held = sp.csr_array((value, (rows, genes)), shape=(20, N_GENES), dtype=np.int32)
    drawn = draw(net, asked, LUCK, "x", held=held)
    assert (drawn[:, [7]].toarray() == 3).all()
    free = draw(net, asked, LUCK, "x")
    assert (drawn[:, 8:] != free[:, 8:]).nnz > 0


@pytest.mark.parametrize("kind", KINDS)
def test_moving_cells_gives_the_treated_law_and_leaves_the_untreated_alone(kind: str) -> None:
    """Control draws, moved along equal quantiles, have the treated law: means within five standard errors."""
    net = tiny(kind).eval()
    n = 3_000
    asked = same_cell(net, n)
    control = draw(net, asked.untreated(), LUCK, "control")
    treated = draw(net, asked, LUCK, "treated").toarray()
    moved = couple(net, asked, control, LUCK, "move").toarray()
    for a, b in ((moved.astype(float), treated.astype(float)), (1.0 * (moved > 0), 1.0 * (treated > 0))):
        error = np.sqrt((a.var(axis=0) + b.var(axis=0)) / n) + 1e-9
        assert np.abs((a.mean(axis=0) - b.mean(axis=0)) / error).max() < 5
    together = np.mean([np.corrcoef(control.toarray()[:, g], moved[:, g])[0, 1] for g in range(10)])
    assert together > 0.5
    assert (couple(net, asked.untreated(), control, LUCK, "move") != control).nnz == 0


def test_too_many_perturbations_for_one_pass_are_told() -> None:
    net = tiny("patches").eval()
    asked = ask(net, 1, arms=20)
    asked.strength[:] = 0.5
    with pytest.raises(InputError, match="20 perturbations at once: at most 15"):
        draw(net, asked, LUCK, "x")
