"""A population drawn from a model: of the asked types, counts and sizes, the same for the same seed."""

import numpy as np
import pytest

from twin.errors import InputError
from twin.model.masked import MaskedDiffusion
from twin.model.population import draw


def test_the_same_seed_gives_the_same_cells(small_model: MaskedDiffusion) -> None:
    a, b, c = (draw(small_model, 60, seed=s) for s in (1, 1, 2))
    assert (a.X != b.X).nnz == 0
    assert (a.X != c.X).nnz > 0
    assert a.X.dtype == np.int32
    assert a.obsm["X_twin"].shape == (60, small_model.latent_size)


def test_types_are_drawn_in_their_shares(small_model: MaskedDiffusion) -> None:
    cells = draw(small_model, 3_000)
    shares = cells.obs["cell_type"].value_counts(normalize=True)
    for name, share in zip(small_model.contexts, small_model.composition, strict=True):
        assert abs(shares[name] - share) < 0.04


def test_one_type_at_a_depth_under_a_cytokine(small_model: MaskedDiffusion) -> None:
    plain = draw(small_model, 400, contexts=["alpha"], depth=500.0)
    treated = draw(small_model, 400, contexts=["alpha"], depth=500.0, perturbation="CYT")
    assert set(plain.obs["cell_type"]) == {"alpha"}
    assert abs(plain.obs["total_counts"].mean() / 500.0 - 1) < 0.05
    assert treated.X[:, 10:20].sum() > 1.8 * plain.X[:, 10:20].sum()
    assert (treated.obs["twin_support"] > 0.5).all()


def test_unknown_words_are_named_with_their_neighbours(small_model: MaskedDiffusion) -> None:
    with pytest.raises(InputError, match="alpha"):
        draw(small_model, 5, contexts=["alpho"])
    with pytest.raises(InputError, match="CYT"):
        draw(small_model, 5, perturbation="CYTO")
