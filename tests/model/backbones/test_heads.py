"""The two token backbones: what their heads say, what they depend on, how large they are."""

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from tests.model.backbones.tiny import KINDS, N_GENES, cells, tiny
from twin.errors import InputError
from twin.kernels.tokens import MASK, N_LEVELS
from twin.model.backbones.backbone import Inputs
from twin.model.backbones.lingshu import Lingshu, LingshuConfig, LingshuHeads
from twin.model.backbones.objective import inputs_of, masked_loss
from twin.model.backbones.patches import Patches, PatchesConfig
from twin.model.backbones.sizes import KINDS as ALL
from twin.model.backbones.sizes import LINGSHU, PATCHES, build, configuration, n_parameters
from twin.model.batches import batch_of


def inputs(net: Patches | Lingshu, n: int = 3, seed: int = 0) -> Inputs:
    g = torch.Generator().manual_seed(seed)
    c = net.config
    level = torch.randint(0, 30, (n, c.n_genes), generator=g, dtype=torch.int32)
    level[:, ::3] = MASK
    return Inputs(
        level,
        torch.randn(n, c.context_width, generator=g),
        torch.randn(n, c.perturbation_width, generator=g),
        torch.full((n,), 4.0),
        torch.randn(n, c.latent, generator=g),
    )


def every_entry(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.arange(n).repeat_interleave(N_GENES), torch.arange(N_GENES).repeat(n)


@pytest.mark.parametrize("kind", KINDS)
def test_entries_and_the_whole_say_the_same(kind: str) -> None:
    net = tiny(kind).eval()
    with torch.no_grad():
        heads = net.heads(inputs(net))
        whole, at = heads.hazard(), heads.hazard_at(*every_entry(3)).view(3, N_GENES)
    torch.testing.assert_close(at, whole)
    assert (whole >= 0).all()


def test_the_281_logits_are_hurdle_and_value_at_once() -> None:
    net = tiny("lingshu").eval()
    rows, genes = every_entry(3)
    with torch.no_grad():
        heads = net.heads(inputs(net))
        assert isinstance(heads, LingshuHeads)
        law = torch.log_softmax(heads.logits(rows, genes), dim=1)
        hazard, value = heads.hazard_at(rows, genes), torch.log_softmax(heads.value_logits(rows, genes), dim=1)
    torch.testing.assert_close(law[:, 0], -hazard, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(law[:, 1:], torch.log(-torch.expm1(-hazard))[:, None] + value, rtol=1e-4, atol=1e-4)


def test_packing_folding_and_permuting_are_what_the_recipe_says() -> None:
    """The tables that make Lingshu fast give what concatenating, mapping, mapping back and permuting back give."""
    net = tiny("lingshu").eval()
    x = inputs(net)
    s, order = net.config.packing, torch.from_numpy(net.layout.order)  # type: ignore[union-attr]
    assert sorted(order.tolist()) == list(range(N_GENES)) != order.tolist()
    assert isinstance(net, Lingshu)
    with torch.no_grad():
        embedded = (net.level_in[x.level.long()] + net.gene_in)[:, order]
        embedded = torch.nn.functional.pad(embedded, (0, 0, 0, net.n_groups * s - N_GENES))
        tokens = embedded.view(3, net.n_groups, -1) @ net.pack.reshape(-1, net.config.width)
        told = torch.stack([net.context_in(x.context), net.perturbation_in(x.perturbation)], dim=1)
        h = torch.cat([told, tokens], dim=1)
        for block in net.blocks_of():
            h = block(h, net.rotation)
        h = net.norm(h[:, 2:])
        torch.testing.assert_close(net.hidden(x), h, rtol=1e-4, atol=1e-5)
        back = h @ net.unpack.reshape(-1, net.config.width).T + net.unpack_bias.reshape(-1)
        shuffled = net.head(back.view(3, net.n_groups * s, -1))[:, :N_GENES]
        logits = torch.empty_like(shuffled)
        logits[:, order] = shuffled
        heads = net.heads(x)
        assert isinstance(heads, LingshuHeads)
        torch.testing.assert_close(heads.logits(*every_entry(3)).view(3, N_GENES, -1), logits, rtol=1e-4, atol=1e-4)


def test_patch_heads_are_the_formula_of_the_docstring() -> None:
    net = tiny("patches").eval()
    assert isinstance(net, Patches)
    x, c = inputs(net), net.config
    rows, genes = every_entry(3)
    with torch.no_grad():
        hidden = net.hidden(x)
        u = (hidden @ net.unpack.T).view(3, -1, c.code_out)[:, :N_GENES]
        m, h, v = net.mix
        log_mu = 4.0 + torch.log_softmax(net.rate + (u * net.gene_out) @ m, dim=1)
        theta = net.theta()
        hazard = theta * torch.log1p(log_mu.exp() / theta) * torch.exp(net.hurdle_bias + (u * net.gene_out) @ h)
        log_nu = log_mu + net.value_bias + (u * net.gene_out) @ v
        k = net.level_value
        law = torch.lgamma(k + theta[:, None]) - torch.lgamma(k + 1) + net.level_width
        odds = torch.log(log_nu.exp() / (log_nu.exp() + theta))
        logits = law + odds[..., None] * k + (u * net.gene_out) @ net.levels.T
        heads = net.read(hidden, x)
        torch.testing.assert_close(heads.hazard(), hazard, rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(heads.value_logits(rows, genes), logits.flatten(0, 1), rtol=1e-4, atol=1e-3)
    assert torch.allclose(log_mu.exp().sum(dim=1), torch.tensor(4.0).exp())  # depth is depth


@pytest.mark.parametrize("kind", KINDS)
def test_every_condition_acts(kind: str) -> None:
    net = tiny(kind).eval()
    x = inputs(net)
    changes = {"context": x.context + 1, "perturbation": x.perturbation + 1, "level": x.level.clamp(max=20)}
    if kind == "patches":
        changes |= {"z": x.z + 1, "log_depth": x.log_depth + 1}
    with torch.no_grad():
        before = net.heads(x).hazard()
        for name, value in changes.items():
            assert not torch.allclose(net.heads(x.but(**{name: value})).hazard(), before, rtol=1e-3), name


def test_the_encoder_sees_the_cell_and_what_was_done_to_it() -> None:
    net = tiny("patches").eval()
    x = inputs(net)
    with torch.no_grad():
        mean, log_var = net.encode(x)
        assert mean.shape == log_var.shape == (3, 3)
        for changed in (x.but(perturbation=x.perturbation + 1), x.but(level=x.level.clamp(max=9))):
            assert not torch.allclose(net.encode(changed)[0], mean, rtol=1e-3)
    assert tiny("lingshu").encode(x)[0].shape == (3, 0)


@pytest.mark.parametrize("packing", [1, 8, 32])
def test_lingshu_packs_by_one_eight_or_thirty_two(packing: int) -> None:
    net = tiny("lingshu", packing=packing)
    net.eval()
    with torch.no_grad():
        assert net.heads(inputs(net)).hazard().shape == (3, N_GENES)
    assert isinstance(net, Lingshu)
    assert net.n_groups == -(-N_GENES // packing)


@pytest.mark.parametrize("kind", KINDS)
def test_a_gene_that_was_not_measured_is_neither_input_nor_loss(kind: str) -> None:
    net = tiny(kind)
    some, vectors = cells()
    rows = np.flatnonzero(some.file == 1)[:8]
    batch = batch_of(some, rows, vectors)
    assert (inputs_of(net, batch).level[:, :3] == MASK).all()

    def terms() -> list[float]:
        told = masked_loss(net, batch, torch.full((8,), 0.5), torch.Generator().manual_seed(0))
        return [float(x.detach()) for x in told]

    before = terms()
    with torch.no_grad():  # a change that touches the law of the three genes alone
        if isinstance(net, Patches):
            net.hurdle_bias[:3] += 3.0
            assert terms() == before
            net.hurdle_bias[3:6] += 3.0
    if isinstance(net, Patches):
        assert terms() != before
    assert all(np.isfinite(before))


@pytest.mark.parametrize("kind", KINDS)
def test_the_loss_is_the_cross_entropy_of_281_levels(kind: str) -> None:
    """Hurdle and value terms add up to −log p(level) of every masked gene, weighted 1/t."""
    net = tiny(kind)
    some, vectors = cells()
    batch = batch_of(some, np.arange(6), vectors)
    t = torch.full((6,), 0.4)
    with torch.no_grad():
        hurdle, value, kl, _ = masked_loss(net, batch, t, torch.Generator().manual_seed(3))
        luck = torch.Generator().manual_seed(3)
        mask = (torch.rand(6, N_GENES, generator=luck) < 0.4) & (batch.measured > 0)
        whole = inputs_of(net, batch)
        mean, log_var = net.encode(whole)
        z = mean + torch.exp(0.5 * log_var) * torch.randn(mean.shape, generator=luck)
        heads = net.heads(whole.but(level=whole.level.masked_fill(mask, MASK), z=z))
        row, gene = torch.nonzero(mask, as_tuple=True)
        hazard = heads.hazard_at(row, gene)
        law = torch.log(-torch.expm1(-hazard))[:, None] + torch.log_softmax(heads.value_logits(row, gene), dim=1)
        law = torch.cat([-hazard[:, None], law], dim=1)
        assert law.exp().sum(dim=1) == pytest.approx(1.0, abs=1e-4)
        target = whole.level[row, gene].long()
        nll = torch.nn.functional.nll_loss(law, target, reduction="none")
        expected = (nll / (0.4 * batch.measured.sum(dim=1)[row])).sum() / 6
    assert float(hurdle + value) == pytest.approx(float(expected), rel=1e-4)
    assert float(kl) > 0 if kind == "patches" else float(kl) == 0


@pytest.mark.parametrize("kind", KINDS)
def test_every_weight_learns(kind: str) -> None:
    net = tiny(kind)
    some, vectors = cells()
    batch = batch_of(some, np.arange(32), vectors)
    terms = masked_loss(net, batch, torch.full((32,), 0.5), torch.Generator().manual_seed(0))
    sum(terms[:3]).backward()  # type: ignore[union-attr]
    still = [name for name, p in net.named_parameters() if p.grad is None or not bool(p.grad.abs().sum() > 0)]
    assert still == []


def test_the_thirteen_blocks_of_lingshu_have_85_million_parameters() -> None:
    with torch.device("meta"):
        net = Lingshu(LingshuConfig(n_genes=18_080, context_width=64, perturbation_width=5_120, packing=32))
        bare = Lingshu(
            LingshuConfig(n_genes=18_080, context_width=64, perturbation_width=5_120, packing=32, identity=False)
        )
    matrices = sum(p.numel() for block in net.blocks_of() for p in block.parameters() if p.ndim == 2)
    assert matrices == 13 * (4 * 640**2 + 3 * 640 * 2_560) == 85_196_800
    assert net.n_groups == 565
    assert all(block.heads == 10 for block in net.blocks_of())
    # weights and average of the released file: 917,377,561 bytes, twice in 32 bit
    assert n_parameters(bare) == pytest.approx(917_377_561 / 8, rel=0.01)


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize("size", ["1m", "8m", "25m", "85m", "300m", "1.3b", "4.9b"])
def test_a_named_size_is_what_its_name_says(kind: str, size: str) -> None:
    assert list(PATCHES) == list(LINGSHU)
    with torch.device("meta"):
        net = build(configuration(kind, size))
    said = float(size[:-1]) * {"m": 1e6, "b": 1e9}[size[-1]]
    counted = n_parameters(net) if kind == "patches" else sum(n_parameters(block) for block in net.blocks_of())
    assert counted == pytest.approx(said, rel=0.1)
    assert all(p.is_meta for p in net.parameters())


def test_sizes_and_shapes_that_do_not_exist_are_told() -> None:
    with pytest.raises(InputError, match="no size of patches is called '7m'"):
        configuration("patches", "7m")
    with pytest.raises(InputError, match="no token backbone is called 'latent'"):
        configuration("latent", "1m")
    with pytest.raises(ValidationError, match="cannot be shared by 3 heads"):
        PatchesConfig(n_genes=9, context_width=1, perturbation_width=1, heads=3)
    assert N_LEVELS == 281
