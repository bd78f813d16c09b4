"""From measured cells to a token world model: tables, training, priors."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from twin.errors import InputError
from twin.kernels.tokens import N_LEVELS, tokens_of
from twin.model.backbones.lingshu import Lingshu, LingshuConfig
from twin.model.backbones.patches import Patches, PatchesConfig
from twin.model.backbones.sizes import build
from twin.model.backbones.tables import Tables, depths_of, measure_tables
from twin.model.backbones.world import Drawing, Names, TokenWorldModel
from twin.model.batches import ConditionVectors, TrainingCells
from twin.model.learner import TrainingConfig
from twin.model.runtime import Runtime
from twin.model.training import Step, train

MOST_PRIOR_CELLS = 1_000  # of a context, encoded for its prior of z; our choice
LEVEL_CELLS = 5_000  # whose levels the head starts at; our choice


def fit_tokens(
    cells: TrainingCells,
    names: Names,
    config: PatchesConfig | LingshuConfig,
    training: TrainingConfig,
    *,
    perturbation: NDArray[np.float32] | None = None,
    runtime: Runtime = Runtime(),  # noqa: B008 - frozen
    drawing: Drawing = Drawing(),  # noqa: B008 - frozen
    state_file: Path | None = None,
    on_step: Callable[[Step], None] | None = None,
    on_note: Callable[[str], None] | None = None,
) -> TokenWorldModel:
    """Train a token backbone on cells and return it as a world model.

    Parameters
    ----------
    names : genes, contexts and perturbations, in the order of the cells' columns and indices.
    perturbation : (perturbation, perturbation_width) what each perturbation is, as numbers (features of a gene, a
        fingerprint); without it, each has a place of its own and `config.perturbation_width` is their number.

    Raises
    ------
    InputError
        If the configuration's sizes are not those of the cells and vectors.
    """
    vectors = np.eye(cells.strength.shape[1], dtype=np.float32) if perturbation is None else perturbation
    vectors = np.zeros((0, config.perturbation_width), np.float32) if len(vectors) == 0 else vectors
    for word, asked, found in (
        ("n_genes", config.n_genes, cells.measured.shape[1]),
        ("n_genes", config.n_genes, len(names.genes)),
        ("perturbation_width", config.perturbation_width, vectors.shape[1]),
    ):
        if asked != found:
            raise InputError(f"the configuration says {word} = {asked}, the data have {found}")
    tables = measure_tables(cells, len(names.contexts), vectors, config.context_width, config.latent)
    backbone = starting_backbone(config, cells, tables, training.seed)
    told = ConditionVectors(tables.context, tables.perturbation)
    train(
        backbone,
        cells,
        training,
        vectors=told,
        runtime=runtime,
        state_file=state_file,
        on_step=on_step,
        on_note=on_note,
    )
    model = TokenWorldModel(backbone, names, tables, drawing, runtime.device)
    return with_priors(model, cells)


def starting_backbone(
    config: PatchesConfig | LingshuConfig, cells: TrainingCells, tables: Tables, seed: int
) -> Patches | Lingshu:
    """Return a backbone of drawn weights that starts at the measured rates and levels."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        backbone = build(config)
    some = np.unique(np.linspace(0, cells.n - 1, min(cells.n, LEVEL_CELLS)).astype(np.intp))
    part = cells.counts[some]
    levels = np.bincount(tokens_of(part.data), minlength=N_LEVELS).astype(np.float64)
    levels[0] = cells.measured[cells.file[some]].sum() - levels[1:].sum()
    rate = np.exp(tables.log_rate.astype(np.float64)).mean(axis=0)
    backbone.start(torch.from_numpy(rate).float(), torch.from_numpy(levels / levels.sum()).float())
    return backbone


def with_priors(model: TokenWorldModel, cells: TrainingCells) -> TokenWorldModel:
    """Return the model with each context's prior of z set to the moments of q(z | x) over its control cells."""
    tables = model.tables
    if model.latent_size == 0:
        return model
    control = ~(cells.strength != 0).any(axis=1)
    for c in range(len(model.contexts)):
        rows = np.flatnonzero(control & (cells.context == c))
        rows = rows[np.unique(np.linspace(0, len(rows) - 1, min(len(rows), MOST_PRIOR_CELLS)).astype(np.intp))]
        mean, variance = model.encoded(cells.counts[rows], model.untreated(depths_of(cells, rows), c))
        tables = tables.with_prior(c, mean.astype(np.float64), variance.astype(np.float64))
    return TokenWorldModel(model.backbone, model.words, tables, model.drawing, model.device)
