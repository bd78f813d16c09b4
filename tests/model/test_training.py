"""Training: it learns, it resumes to the same weights, and it says what it cannot use."""

from pathlib import Path

import anndata as ad
import numpy as np
import pytest
import torch

from tests.model.synthetic import RESPONDERS, synthetic_adata, synthetic_experiment
from twin.data.counts import checked_counts
from twin.data.experiment import Experiment, assemble
from twin.errors import InputError
from twin.model.fit import fit, starting_network, training_cells, warm
from twin.model.measured import measure
from twin.model.network import LatentNetwork
from twin.model.training import Runtime, Step, TrainingConfig, schedule, stratified, train

SIZES = {"latent": 4, "code": 16, "width": 24, "blocks": 1}


class Stopped(Exception):  # noqa: N818 - it is no error
    """Stands for a kill."""


def network(seed: int = 0) -> LatentNetwork:
    return network_of(synthetic_experiment(300), seed)


def network_of(data: Experiment, seed: int = 0) -> LatentNetwork:
    return starting_network(data, measure(data), seed, SIZES)


def test_the_bound_on_the_likelihood_falls() -> None:
    seen: list[Step] = []
    train(
        network(),
        training_cells(synthetic_experiment(300)),
        TrainingConfig(steps=120, warm_up=10),
        on_step=seen.append,
    )
    first, last = (np.mean([s.nats_per_gene for s in part]) for part in (seen[:15], seen[-15:]))
    assert last < 0.97 * first


def test_an_interrupted_training_ends_as_an_uninterrupted_one(tmp_path: Path) -> None:
    cells = training_cells(synthetic_experiment(300))
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
    cells = training_cells(synthetic_experiment(300))
    with pytest.raises(InputError, match="is for token backbones"):
        train(network(), cells, TrainingConfig(steps=1), runtime=Runtime(checkpoint_blocks=True))


def test_a_state_of_another_training_is_refused(tmp_path: Path) -> None:
    cells = training_cells(synthetic_experiment(300))
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


@pytest.mark.parametrize(
    ("make", "said"),
    [
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
    alone = network_of(assemble([checked_counts(whole, "a")]))
    both = np.asarray(model.net.log_rate)[:, :10]
    assert np.abs(both - np.asarray(alone.log_rate)[:, :10]).max() < 0.3


def test_fine_tuning_starts_from_the_weights_of_the_genes_that_both_know() -> None:
    """Without a step the weights are those of the start, gene by gene; what is measured is the new data's."""
    first = fit(synthetic_experiment(300), TrainingConfig(steps=4, warm_up=1), sizes=SIZES)
    some = synthetic_adata(300, seed=3)[:, 20:].copy()
    some.var_names = [*some.var_names[:-1], "NEW"]
    second = fit(assemble([checked_counts(some, "b")]), None, start=first)
    assert torch.equal(second.net.code_out[:-1], first.net.code_out[20:119])
    assert torch.equal(second.net.to_code.weight, first.net.to_code.weight)
    mine = fit(assemble([checked_counts(some, "b")]), None, sizes=SIZES)
    assert torch.equal(second.net.log_rate, mine.net.log_rate)


def test_a_start_that_does_not_fit_is_refused() -> None:
    first = fit(synthetic_experiment(100), None, sizes=SIZES)
    net = network_of(synthetic_experiment(100))
    with pytest.raises(InputError, match="share no gene with trained"):
        warm(net, [f"X{i}" for i in range(120)], first)
    with pytest.raises(InputError, match="sizes of trained and those asked for differ"):
        fit(synthetic_experiment(100), None, sizes={**SIZES, "code": 24}, start=first)


def test_treated_cells_bring_their_measured_shift_to_training() -> None:
    """What was done is told, so that z need not hold it: the responders are shifted, in treated cells only."""
    data = synthetic_experiment(300)
    cells = training_cells(data, fit(data, None, sizes=SIZES))
    rows, columns = np.arange(data.n_cells), np.arange(120)
    shift = cells.shift(rows, columns)
    assert (shift[data.arm < 0] == 0).all()
    treated = shift[data.arm >= 0]
    assert treated[:, RESPONDERS].mean() > 1.0
    assert np.abs(np.delete(treated, RESPONDERS, axis=1)).mean() < 0.4
