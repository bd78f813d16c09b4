"""Networks that all folds of a family share: trained once, on cells that nothing was done to, kept on disk."""

import hashlib
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from twin.data.contexts import Context
from twin.data.experiment import Experiment
from twin.model.files import load_checkpoint, save_checkpoint
from twin.model.fit import fit
from twin.model.learner import DRAWN
from twin.model.masked import MaskedDiffusion
from twin.model.training import Step, TrainingConfig

Float = NDArray[np.float64]

VERSION = "3"  # of what is trained; another one trains anew
MOVING, DRAWING = 300, 400  # steps at most, of a network that moves cells, and of one that draws them; our choice
PATIENCE, CHECK_EVERY = 3, 50  # checks without a gain after which training stops; steps between them; our choice
VALIDATION = 0.1  # share of the cells that early stopping watches; our choice
BATCH = 64

OnTraining = Callable[[Step], None]


@dataclass
class Bases:
    """Trained networks by the cells that they were trained on.

    folder : where they are kept, a checkpoint each; None: in memory alone. steps : of training, at most. draws : cells
    are drawn from nothing, so that z has to follow its prior, codes start at the cells' axes and types have shapes of
    their own; a network that moves cells reads z off each, however sharp.
    """

    folder: Path | None = None
    on_training: OnTraining | None = None
    steps: int = MOVING
    draws: bool = False
    _known: dict[str, MaskedDiffusion] = field(default_factory=dict)

    def base(
        self,
        counts: sp.csr_array,
        totals: Float,
        genes: Sequence[str],
        contexts: Sequence[str],
        context: NDArray[np.intp],
        seed: int,
    ) -> MaskedDiffusion:
        """Return the network trained on these cells, from memory or disk where it is there.

        counts : (cell, gene). totals : (cell,) library sizes. context : (cell,) index into contexts.
        """
        seen = counts.shape[0] - int(np.ceil(counts.shape[0] * VALIDATION))
        config = TrainingConfig(
            steps=self.steps,
            batch=max(1, min(BATCH, seen)),
            seed=seed,
            validation=VALIDATION,
            patience=PATIENCE,
            check_every=CHECK_EVERY,
        )
        config = config.model_copy(update=DRAWN if self.draws else {})
        key = _key(counts, totals, genes, contexts, context, config)
        if key not in self._known:
            self._known = {key: self._made(key, counts, totals, genes, contexts, context, config)}
        return self._known[key]

    def _made(
        self,
        key: str,
        counts: sp.csr_array,
        totals: Float,
        genes: Sequence[str],
        contexts: Sequence[str],
        context: NDArray[np.intp],
        config: TrainingConfig,
    ) -> MaskedDiffusion:
        place = None if self.folder is None else self.folder / key
        if place is None or not place.is_dir():
            experiment = _experiment(counts, totals, genes, contexts, context)
            state = None if place is None else place.with_name(f"{key}.training") / "state.safetensors"
            made = fit(experiment, config, own_shapes=self.draws, state_file=state, on_step=self.on_training)
            if place is None:
                return made
            place.parent.mkdir(parents=True, exist_ok=True)
            save_checkpoint(made, place)
            shutil.rmtree(place.with_name(f"{key}.training"), ignore_errors=True)
        return load_checkpoint(place)


def _key(
    counts: sp.csr_array,
    totals: Float,
    genes: Sequence[str],
    contexts: Sequence[str],
    context: NDArray[np.intp],
    config: TrainingConfig,
) -> str:
    h = hashlib.sha256(repr((VERSION, tuple(genes), tuple(contexts), config.model_dump_json())).encode())
    for array in (counts.indptr, counts.indices, counts.data, totals, context):
        h.update(np.ascontiguousarray(array).tobytes())
    return h.hexdigest()[:20]


def _experiment(
    counts: sp.csr_array, totals: Float, genes: Sequence[str], contexts: Sequence[str], context: NDArray[np.intp]
) -> Experiment:
    n = counts.shape[0]
    zeros = np.zeros(n, np.intp)
    return Experiment(
        counts=sp.csr_array(counts, dtype=np.int32),
        measured=np.ones((1, counts.shape[1]), np.bool_),
        file=zeros,
        genes=tuple(genes),
        contexts=tuple(Context(name, name, "", "", "", (0,)) for name in contexts),
        context=context,
        arms=(),
        arm=zeros - 1,
        donors=("",),
        donor=zeros,
        depth=totals,
        names=tuple(map(str, range(n))),
        row=np.arange(n, dtype=np.intp),
        sources=("controls",),
        batches=("controls",),
        batch=zeros,
    )
