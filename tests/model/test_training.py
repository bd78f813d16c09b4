"""Training: it learns, it resumes to the same weights, and it says what it cannot use."""

from pathlib import Path

import anndata as ad
import numpy as np
import pytest
import torch

from tests.model.synthetic import synthetic_adata, synthetic_experiment
from twin.data.counts import checked_counts
from twin.errors import InputError
from twin.model.files import load_checkpoint, save_checkpoint
from twin.model.fit import assemble, fit, starting_network
from twin.model.masked import MaskedDiffusion
from twin.model.network import LatentNetwork, NetworkConfig
from twin.model.training import Runtime, Step, TrainingConfig, schedule, stratified, train

SIZES = {"latent": 4, "code": 16, "width": 24, "blocks": 1}


class Stopped(Exception):  # noqa: N818 - it is no error
    """Stands for a kill."""


def network(seed: int = 0) -> LatentNetwork:
    data = synthetic_experiment(300)
    config = NetworkConfig(n_genes=120, n_contexts=3, n_perturbations=1, **SIZES)
    return starting_network(data, config, seed)


def test_the_bound_on_the_likelihood_falls() -> None:
    seen: list[Step] = []
    train(
        network(),
        synthetic_experiment(300).training_cells(),
        TrainingConfig(steps=120, warm_up=10),
        on_step=seen.append,
    )
    first, last = (np.mean([s.nats_per_gene for s in part]) for part in (seen[:15], seen[-15:]))
    assert last < 0.97 * first


def test_an_interrupted_training_ends_as_an_uninterrupted_one(tmp_path: Path) -> None:
    cells = synthetic_experiment(300).training_cells()
    config = TrainingConfig(steps=24, warm_up=4, save_every=8)
    straight = train(network(), cells, config)

    def stop(step: Step) -> None:
        if step.step == 19:
            raise Stopped

    with pytest.raises(Stopped):
        train(network(), cells, config, state_file=tmp_path / "state.safetensors", on_step=stop)
    resumed_steps: list[int] = []
    resumed = train(
        network(seed=9),
        cells,
        config,
        state_file=tmp_path / "state.safetensors",
        on_step=lambda s: resumed_steps.append(s.step),
    )
    assert resumed_steps[0] == 17
    for (name, a), (_, b) in zip(straight.named_parameters(), resumed.named_parameters(), strict=True):
        assert torch.equal(a, b), name


def test_blocks_of_the_latent_backbone_are_not_checkpointed() -> None:
    cells = synthetic_experiment(300).training_cells()
    with pytest.raises(InputError, match="is for token backbones"):
        train(network(), cells, TrainingConfig(steps=1), runtime=Runtime(checkpoint_blocks=True))


def test_a_state_of_another_training_is_refused(tmp_path: Path) -> None:
    cells = synthetic_experiment(300).training_cells()
    file = tmp_path / "state.safetensors"
    train(network(), cells, TrainingConfig(steps=2, save_every=2), state_file=file)
    with pytest.raises(InputError, match="other settings or other cells"):
        train(network(), cells, TrainingConfig(steps=4, save_every=2), state_file=file)


def test_masking_probabilities_are_stratified_and_some_are_one() -> None:
    t = stratified(64, torch.Generator().manual_seed(0))
    assert (t == 1).sum() >= 16
    rest = np.sort(t[t < 1].numpy())
    assert np.abs(np.diff(rest)).max() < 0.2
    assert schedule(0, TrainingConfig(steps=1000)) < schedule(99, TrainingConfig(steps=1000)) == pytest.approx(1.0)


def test_a_checkpoint_comes_back_the_same_in_16_bit(small_model: MaskedDiffusion, tmp_path: Path) -> None:
    save_checkpoint(small_model, tmp_path / "a", "a card")
    once = load_checkpoint(tmp_path / "a")
    save_checkpoint(once, tmp_path / "b")
    assert load_checkpoint(tmp_path / "b").fingerprint == once.fingerprint
    assert once.genes == small_model.genes
    assert once.perturbations == small_model.perturbations
    for (name, a), (_, b) in zip(small_model.net.state_dict().items(), once.net.state_dict().items(), strict=True):
        torch.testing.assert_close(a, b, rtol=2e-3, atol=2e-4, msg=name)


def damage_tensor(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / "model.safetensors")
    tensors["code_out"] = tensors["code_out"][:, :-1].contiguous()
    save_file(tensors, folder / "model.safetensors")


def drop_tensor(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / "model.safetensors")
    del tensors["code_in"]
    save_file(tensors, folder / "model.safetensors")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (damage_tensor, "code_out has shape"),
        (drop_tensor, "code_in is missing"),
        (lambda f: (f / "genes.tsv").unlink(), "genes.tsv is not there"),
        (lambda f: (f / "config.json").write_text("{"), "damaged"),
        (lambda f: (f / "model.safetensors").write_bytes(b"12"), "damaged"),
        (lambda f: (f / "genes.tsv").write_text("gene\thalf_life_h\nA\t-1\n"), "line 2"),
    ],
)
def test_a_damaged_checkpoint_is_named(small_model: MaskedDiffusion, tmp_path: Path, damage: object, said: str) -> None:
    save_checkpoint(small_model, tmp_path / "a")
    assert callable(damage)
    damage(tmp_path / "a")
    with pytest.raises(InputError, match=said):
        load_checkpoint(tmp_path / "a")


def normalised() -> ad.AnnData:
    adata = synthetic_adata(30)
    adata.X = adata.X.astype(np.float32) * 0.37
    return adata


def negative() -> ad.AnnData:
    adata = synthetic_adata(30)
    adata.X.data[0] = -1
    return adata


def twice() -> ad.AnnData:
    adata = synthetic_adata(30)
    adata.var_names = ["G0", *adata.var_names[:-1]]
    return adata


def untreated_only() -> ad.AnnData:
    adata = synthetic_adata(60)
    return adata[adata.obs["condition"] != "control"].copy()


def two_doses() -> ad.AnnData:
    adata = synthetic_adata(60)
    treated = np.flatnonzero(adata.obs["condition"] == "CYT")
    adata.obs.iloc[treated[:5], list(adata.obs.columns).index("dose")] = 30.0
    return adata


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (two_doses, "several doses"),
        (normalised, "no whole number: normalised data"),
        (negative, "negative"),
        (twice, "more than once"),
        (untreated_only, "no control cells"),
    ],
)
def test_cells_that_cannot_be_used_are_refused(make: object, said: str) -> None:
    assert callable(make)
    with pytest.raises(InputError, match=said):
        assemble([checked_counts(make(), "file.h5ad")])


def test_files_of_different_genes_train_together(tmp_path: Path) -> None:
    """A gene that a file did not measure is neither input nor loss, and its rate comes from the other file."""
    whole, part = synthetic_adata(400, seed=1), synthetic_adata(300, seed=1)[:, 30:].copy()
    part.obs_names = [f"p{i}" for i in range(part.n_obs)]
    data = assemble([checked_counts(whole, "a"), checked_counts(part, "b")])
    assert data.measured.sum(axis=1).tolist() == [120, 90]
    model = fit(data, TrainingConfig(steps=10, warm_up=2), sizes=SIZES)
    alone = starting_network(
        assemble([checked_counts(whole, "a")]), NetworkConfig(n_genes=120, n_contexts=3, n_perturbations=1, **SIZES), 0
    )
    both = np.asarray(model.net.log_rate)[:, :10]
    assert np.abs(both - np.asarray(alone.log_rate)[:, :10]).max() < 0.3
