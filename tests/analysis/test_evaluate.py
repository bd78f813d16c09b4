"""The evaluation: the shipped model beside its baselines on cells that it never saw."""

from pathlib import Path

import numpy as np
import pytest

from tests.model.synthetic import synthetic_adata
from twin.analysis.evaluate import Evaluation, evaluate, markdown
from twin.data.counts import checked_counts, held_out, read_counts
from twin.errors import InputError
from twin.model.files import embedded
from twin.model.fit import assemble, fit
from twin.model.masked import MaskedDiffusion
from twin.model.training import TrainingConfig

FILES = ("kang2018_pbmc_ifnb.h5ad", "kang2018_pbmc_ifnb_extra.h5ad")


@pytest.fixture(scope="module")
def table(data_folder: Path) -> Evaluation:
    (only,) = evaluate(embedded(), [read_counts(data_folder / f) for f in FILES], holdout=embedded().card.holdout)
    return only


def row(table: Evaluation, name: str) -> float:
    (found,) = [r for r in table.rows if name in r.name]
    return found.mean(found.pearson)


def test_the_shipped_model_is_above_the_mean_shift_on_all_seven_types(table: Evaluation) -> None:
    assert set(table.groups) == {"B", "CD4 T", "CD8 T", "DC", "NK", "T activated", "monocyte"}
    assert row(table, "these cells, perturbed") > row(table, "mean shift")
    assert row(table, "population, sampled") > row(table, "mean shift")


def test_no_headline_without_its_baselines(table: Evaluation) -> None:
    text = markdown(table)
    for name in ("control copied", "mean shift", "similarity-weighted shift", "own type's", "two halves", "ceiling"):
        assert name in text


def test_held_out_cells_were_not_trained_on() -> None:
    """Training with a hold-out is training on the other cells alone: same tables, same weights."""
    data = assemble([checked_counts(synthetic_adata(300), "x.h5ad")])
    config = TrainingConfig(steps=6, warm_up=2)
    sizes = {"latent": 4, "code": 16, "width": 24, "blocks": 1}
    kept = data.take(~held_out(data.names, 0.3))
    a = fit(data, config, holdout=0.3, sizes=sizes)
    b = fit(kept, config, sizes=sizes)
    for key, value in a.net.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), b.net.state_dict()[key].numpy(), err_msg=key)
    assert 0.2 < held_out([f"c{i}" for i in range(2000)], 0.3).mean() < 0.4


def test_data_that_answer_nothing_are_refused(small_model: MaskedDiffusion) -> None:
    adata = synthetic_adata(300)
    adata.obs["condition"] = np.where(adata.obs["condition"] == "CYT", "OTHER", "control")
    with pytest.raises(InputError, match="nothing to score"):
        evaluate(small_model, [checked_counts(adata, "x")], holdout=0.5)
    adata.var_names = [f"X{j}" for j in range(adata.n_vars)]
    with pytest.raises(InputError, match="not on the model's axis"):
        evaluate(small_model, [checked_counts(adata, "x")], holdout=0.5)
