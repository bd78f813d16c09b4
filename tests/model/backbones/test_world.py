"""Token backbones behind the contract of world models, and their files."""

import json
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from safetensors.torch import load_file, save_file

from tests.model.backbones.tiny import KINDS, N_GENES, RESPONDERS, cells, tiny
from twin.errors import InputError
from twin.kernels.random import Streams
from twin.model.backbones.files import load_backbone, save_backbone
from twin.model.backbones.fitting import fit_tokens
from twin.model.backbones.lingshu import LingshuConfig
from twin.model.backbones.patches import PatchesConfig
from twin.model.backbones.world import Names, TokenWorldModel
from twin.model.condition import HALF_LIFE, Condition, Perturbation
from twin.model.contract import WorldModel
from twin.model.training import TrainingConfig

GENES = tuple(f"G{i}" for i in range(N_GENES))
CYTOKINE = Perturbation("CYT", "cytokine", 10.0, "10 nM", 2.0, 1.0, (6.0,), {"a": 60, "b": 60})
SIZES = {"n_genes": N_GENES, "context_width": 3, "perturbation_width": 1}


def fitted(kind: str) -> TokenWorldModel:
    torch.set_num_threads(1)
    data, _ = cells(900)
    names = Names(
        "tiny", GENES, ("a", "b"), np.array([0.5, 0.5]), (CYTOKINE,), np.full(N_GENES, HALF_LIFE), ("f",), data.n
    )
    config: PatchesConfig | LingshuConfig
    if kind == "patches":
        config = PatchesConfig(**SIZES, latent=2, patch=8, width=32, blocks=2, heads=2, code_in=6, code_out=12)
    else:
        config = LingshuConfig(**SIZES, packing=8, width=32, blocks=2, heads=2, inner=64)
    training = TrainingConfig(steps=250, batch=64, warm_up=20, learning_rate=4e-3)
    return fit_tokens(data, names, config, training)


@pytest.fixture(scope="module", params=KINDS)
def model(request: pytest.FixtureRequest) -> TokenWorldModel:
    return fitted(request.param)


def here(model: WorldModel, n: int, dose: float, context: int = 0) -> Condition:
    ids = np.arange(n, dtype=np.uint64)
    which = np.full(n, context)
    depth = model.depths(which, ids, Streams(3, 0, 0))
    return Condition(ids, which, depth, np.full((n, 1), dose), np.full((n, 1), np.nan), np.ones(n))


def test_it_draws_the_cells_it_was_trained_on(model: TokenWorldModel) -> None:
    """Per context and arm, the drawn means correlate with the measured ones, and the responders respond."""
    data, _ = cells(900)
    for context in (0, 1):
        means = []
        for treated in (0, 1):
            rows = (data.context == context) & (data.strength[:, 0] == treated) & (data.file == 0)
            real = np.asarray(data.counts[np.flatnonzero(rows)].mean(axis=0)).ravel()
            drawn, z = model.sample(here(model, 300, 10.0 * treated, context), Streams(0, 0, 0))
            assert z.shape == (300, model.latent_size)
            means.append((real, drawn.toarray().mean(axis=0)))
            assert np.corrcoef(np.log1p(means[-1]))[0, 1] > 0.9
        (control_real, control), (treated_real, treated_drawn) = means
        moved = (treated_drawn - control)[RESPONDERS].sum() / (treated_real - control_real)[RESPONDERS].sum()
        assert 0.5 < moved < 1.6
        assert abs(treated_drawn[20:].sum() / control[20:].sum() - 1) < 0.4


def test_the_contract_is_kept(model: TokenWorldModel) -> None:
    control, exposed = here(model, 60, 0.0), here(model, 60, 10.0)
    counts, z = model.sample(control, Streams(0, 0, 0))
    assert counts.dtype == np.int32
    assert counts.has_sorted_indices
    same, z_same = model.transition(counts, z, exposed, 0.0, 3.6, Streams(0, 0, 1))
    assert (same != counts).nnz == 0
    np.testing.assert_allclose(z_same, z, atol=1e-6)
    blank = sp.csr_array(counts.shape, dtype=np.int32)
    late = [model.transition(x, z, exposed, 1e9, 3.6, Streams(0, 0, 1))[0] for x in (counts, blank)]
    assert (late[0] != late[1]).nnz == 0
    assert (model.perturb(counts, control, Streams(0, 0, 0)) != counts).nnz == 0
    moved = model.perturb(counts, exposed, Streams(0, 0, 0)).toarray()
    assert moved[:, RESPONDERS].sum() > 1.5 * counts.toarray()[:, RESPONDERS].sum()
    assert model.encode(counts, control).shape == (60, model.latent_size)
    assert model.support(control).tolist() == [1.0] * 60
    strong = here(model, 60, 40.0)
    assert model.support(strong) == pytest.approx(model.support(exposed) / 4)
    assert 0.9 < model.support(exposed)[0] <= 1


def test_turnover_follows_the_half_life_law(model: TokenWorldModel) -> None:
    n = 300
    control, exposed = here(model, n, 0.0), here(model, n, 10.0)
    counts, z = model.sample(control, Streams(0, 0, 0))

    def score(x: sp.csr_array) -> float:
        return float(x.toarray()[:, RESPONDERS].mean())

    low, high = score(counts), score(model.transition(counts, z, exposed, 1e9, 1.0, Streams(0, 0, 99))[0])
    for tick in range(3):
        counts, z = model.transition(counts, z, exposed, 2.0, 1.0, Streams(0, 0, tick + 1))
        law = 1 - 2 ** (-2.0 * (tick + 1) / HALF_LIFE)
        assert (score(counts) - low) / (high - low) == pytest.approx(law, abs=0.12)


def test_expected_rates_are_those_of_the_draws(model: TokenWorldModel) -> None:
    one = here(model, 1, 10.0)
    n = 3_000
    rows = np.zeros(n, np.intp)
    many = one.rows(rows)
    many = Condition(
        np.arange(n, dtype=np.uint64), many.context, many.depth, many.dose, many.time_since, many.ec50_factor
    )
    z = np.zeros((n, model.latent_size), np.float32)
    drawn, _ = model.transition(sp.csr_array((n, N_GENES), dtype=np.int32), z, many, 1e9, 1.0, Streams(0, 0, 0))
    if model.latent_size:
        z = model.prior(many, Streams(0, 0, 0).stream("drift z").normal(many.ids, model.latent_size))
    rates = model.expected(z, many, range(N_GENES)).mean(axis=0)
    depth = many.depth[0] if model.backbone.sees_depth else np.exp(model.tables.depth_law[0, 0])
    counts = drawn.toarray()
    error = counts.std(axis=0) / np.sqrt(n) + 1e-9
    assert (np.abs(counts.mean(axis=0) - rates * depth / 1e4) / error).max() < 6


def test_clamped_genes_are_silent_or_scaled(model: TokenWorldModel) -> None:
    free = here(model, 200, 0.0)
    clamp = sp.csr_array(np.zeros((200, N_GENES)))
    row = np.repeat(np.arange(200), 2)
    clamp = sp.csr_array((np.tile([0.0, 0.5], 200), (row, np.tile([4, 20], 200))), shape=(200, N_GENES))
    held = Condition(free.ids, free.context, free.depth, free.dose, free.time_since, free.ec50_factor, clamp)
    a, z = model.sample(free, Streams(0, 0, 0))
    b, _ = model.sample(held, Streams(0, 0, 0))
    assert a[:, [4]].sum() > 0
    assert b[:, [4]].sum() == 0
    assert 0.3 < b[:, [20]].sum() / a[:, [20]].sum() < 0.7
    later, _ = model.transition(a, z, held, 1e9, 1.0, Streams(0, 0, 1))
    assert later[:, [4]].sum() == 0
    kept, _ = model.transition(a, z, held, 0.0, 1.0, Streams(0, 0, 1))
    assert (kept != a).nnz == 0
    rates = model.expected(z, free, [4, 20, 30]) * [0.0, 0.5, 1.0]
    np.testing.assert_allclose(model.expected(z, held, [4, 20, 30]), rates)


def test_half_a_dose_acts_less_and_no_dose_not_at_all(model: TokenWorldModel) -> None:
    means = []
    for dose in (0.0, 0.5, 10.0):
        drawn, _ = model.sample(here(model, 300, dose), Streams(0, 0, 0))
        means.append(float(drawn.toarray()[:, RESPONDERS].mean()))
    assert means[0] < means[1] < means[2]


def test_a_context_never_seen_gets_its_meaning_from_its_control_cells(model: TokenWorldModel) -> None:
    data, _ = cells(900)
    rows = np.flatnonzero((data.context == 1) & (data.strength[:, 0] == 0) & (data.file == 0))
    known = model.with_context("new", data.counts[rows])
    assert known.contexts == ("a", "b", "new")
    assert model.contexts == ("a", "b")
    vectors = known.tables.context
    assert np.linalg.norm(vectors[2] - vectors[1]) < 0.3 * np.linalg.norm(vectors[0] - vectors[1])
    drawn, _ = known.sample(here(known, 200, 0.0, context=2), Streams(0, 0, 0))
    real = np.asarray(data.counts[rows].mean(axis=0)).ravel()
    assert np.corrcoef(np.log1p(drawn.toarray().mean(axis=0)), np.log1p(real))[0, 1] > 0.9
    assert 0 < known.support(here(known, 1, 10.0, context=2))[0] <= 1


def test_a_checkpoint_comes_back_the_same(model: TokenWorldModel, tmp_path: Path) -> None:
    save_backbone(model, tmp_path / "a", "a card")
    once = load_backbone(tmp_path / "a")
    save_backbone(once, tmp_path / "b")
    again = load_backbone(tmp_path / "b")
    assert again.fingerprint == once.fingerprint
    assert once.perturbations == model.perturbations
    assert once.words.genes == GENES
    assert json.loads((tmp_path / "a" / "config.json").read_text())["backbone"] == model.backbone.config.kind
    asked = here(model, 20, 10.0)
    a, b = (m.sample(asked, Streams(0, 0, 0))[0] for m in (once, again))
    assert (a != b).nnz == 0


def change(folder: Path, name: str, make: object) -> None:
    tensors = load_file(folder / "model.safetensors")
    value = tensors.pop(name)
    if callable(make):
        tensors[name] = make(value).contiguous()
    save_file(tensors, folder / "model.safetensors")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda f: change(f, "net.norm.weight", lambda x: x[:-1]), "net.norm.weight has shape"),
        (lambda f: change(f, "net.norm.weight", None), "net.norm.weight is missing"),
        (lambda f: change(f, "net.norm.weight", lambda x: x * float("nan")), "not finite"),
        (lambda f: change(f, "tables.context", lambda x: x[:1]), "tables.context has shape"),
        (lambda f: (f / "genes.tsv").unlink(), "genes.tsv is not there"),
        (lambda f: (f / "genes.tsv").write_text("gene\thalf_life_h\nA\t-1\n"), "line 2"),
        (lambda f: (f / "genes.tsv").write_text("gene\thalf_life_h\nA\t1\n"), "1 genes"),
        (lambda f: (f / "config.json").write_text("{"), "damaged"),
        (lambda f: (f / "model.safetensors").write_bytes(b"12"), "damaged"),
        (
            lambda f: (f / "config.json").write_text(
                (f / "config.json").read_text().replace('"format": 1', '"format": 9')
            ),
            "format 9",
        ),
    ],
)
def test_a_damaged_checkpoint_is_named(model: TokenWorldModel, tmp_path: Path, damage: object, said: str) -> None:
    save_backbone(model, tmp_path / "a")
    assert callable(damage)
    damage(tmp_path / "a")
    with pytest.raises(InputError, match=said):
        load_backbone(tmp_path / "a")


def test_sizes_that_do_not_fit_the_data_are_told() -> None:
    data, _ = cells(60)
    names = Names("x", GENES, ("a", "b"), np.ones(2) / 2, (CYTOKINE,), np.full(N_GENES, HALF_LIFE))
    config = PatchesConfig(n_genes=N_GENES, context_width=3, perturbation_width=5, width=16, heads=2, blocks=1)
    with pytest.raises(InputError, match="perturbation_width = 5, the data have 1"):
        fit_tokens(data, names, config, TrainingConfig(steps=1))
    assert tiny("patches").config.n_genes == N_GENES
