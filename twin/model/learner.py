"""One network being trained: its steps, the average of its weights, its early stopping, its state."""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from twin.kernels.random import Stream, hash_words
from twin.model.batches import Batch, ConditionVectors, TrainingCells, batch_of, stratified
from twin.model.runtime import autocast
from twin.model.training_state import Store, local

CLIP = 0.05  # of the gradient's norm, nats per gene and unit; our choice
LAST_RATE = 0.02  # of the peak learning rate at the end; our choice
MOMENTS = (0.9, 0.98)  # of AdamW; our choice
MOST_VALIDATION_CELLS = 512  # looked at in a check, the same ones every time; our choice

DRAWN: dict[str, object] = {"kl_weight": 1.0, "code_rate": 0.2, "axes": True}  # settings for drawing; our choice

Losses = tuple[Tensor, Tensor, Tensor, Tensor]  # hurdle, value, KL, imbalance
Loss = Callable[[Batch, Tensor, torch.Generator], Losses]


class TrainingConfig(BaseModel):
    """How long and how fast; the defaults are our choice, tried on 2,981 cells of 14,053 genes.

    accumulate : blocks that a batch is split into, one after the other or one a process; each has luck of its own.
    validation : share of the cells kept apart; the weights that do best on them are returned. check_every : steps.
    patience : checks without an improvement after which training stops; 0 never stops. code_rate : share of the
    learning rate at which the latent backbone's gene codes change. axes : whether these codes start at the axes of the
    cells that are trained on (`twin.model.spectral`), else at random; not where a trained model is the start.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: int = Field(2_000, ge=1)
    batch: int = Field(64, ge=1)
    learning_rate: float = Field(2e-3, gt=0)
    weight_decay: float = Field(0.02, ge=0)
    warm_up: int = Field(100, ge=1)
    kl_weight: float = Field(0.3, ge=0)
    balance_weight: float = Field(1e-3, ge=0)
    ema: float = Field(0.995, ge=0, lt=1)
    seed: int = Field(0, ge=0)
    save_every: int = Field(200, ge=1)
    accumulate: int = Field(1, ge=1)
    validation: float = Field(0.0, ge=0, lt=1)
    check_every: int = Field(100, ge=1)
    patience: int = Field(0, ge=0)
    code_rate: float = Field(1.0, gt=0)
    axes: bool = False


def _own(x: Tensor) -> Tensor:
    return x


def _not_shared(module: nn.Module) -> None:
    """Do nothing: a process on its own has no gathered copies."""


@dataclass(frozen=True)
class Team:
    """The processes that train together: this one's place, how many there are, and how they take a mean.

    changed : called when parameters were written other than by a step, so that no gathered copy of them is used again.
    """

    rank: int = 0
    size: int = 1
    mean: Callable[[Tensor], Tensor] = _own
    changed: Callable[[nn.Module], None] = _not_shared

    def share(self, things: int) -> range:
        """Return which of `things` blocks are this process's: as many for each."""
        each = things // self.size
        return range(self.rank * each, (self.rank + 1) * each)


class Learner:
    """A network, its optimiser, and the exponential moving average of its weights.

    Everything random is keyed by (seed, step, block): what a step does depends on nothing before it but the state.
    """

    def __init__(
        self,
        module: nn.Module,
        loss: Loss,
        decayed: Iterable[nn.Parameter],
        config: TrainingConfig,
        cells: TrainingCells,
        vectors: ConditionVectors | None,
        device: torch.device,
        precision: str,
        team: Team,
        slow: Iterable[nn.Parameter] = (),
    ) -> None:
        """Set up; `decayed` parameters have weight decay, `slow` ones change at the `code_rate`."""
        self.module, self.loss, self.config, self.cells, self.vectors = module, loss, config, cells, vectors
        self.device, self.precision, self.team = device, precision, team
        self.parameters = [(k, p) for k, p in module.named_parameters() if p.requires_grad]
        decay, slowly = {id(p) for p in decayed}, {id(p) for p in slow}
        kinds = sorted({(id(p) in decay, id(p) in slowly) for _, p in self.parameters}, reverse=True)
        self.optimiser = torch.optim.AdamW(
            [
                {
                    "params": [p for _, p in self.parameters if (id(p) in decay, id(p) in slowly) == (d, s)],
                    "weight_decay": config.weight_decay if d else 0.0,
                    "share": config.code_rate if s else 1.0,
                }
                for d, s in kinds
            ],
            lr=config.learning_rate,
            betas=MOMENTS,
        )
        self.average = {k: p.detach().clone() for k, p in self.parameters}
        self.best = {k: p.clone() for k, p in self.average.items()} if config.validation else {}
        self.best_loss, self.stale = math.inf, 0
        self.seen, self.held = split(cells.n, config)

    def batch_size(self) -> int:
        """Return how many cells a step has: a whole number of them in every block."""
        return min(self.config.batch, len(self.seen)) // self.config.accumulate * self.config.accumulate

    def learn(self, step: int) -> Tensor:
        """Take one step and return hurdle, value and KL terms, the mean over all blocks and processes, (3,)."""
        config = self.config
        for group in self.optimiser.param_groups:
            group["lr"] = group["share"] * config.learning_rate * schedule(step, config)
        self.optimiser.zero_grad(set_to_none=True)
        blocks = self.seen[self._rows(step)].reshape(config.accumulate, -1)
        mine = self.team.share(config.accumulate)
        told = torch.zeros(3, device=self.device)
        for block in mine:
            hurdle, value, kl, skew = self._losses(blocks[block], (config.seed, step, *([block] if block else [])))
            loss = hurdle + value + config.kl_weight * kl + config.balance_weight * skew
            (loss / len(mine)).backward()  # type: ignore[no-untyped-call]
            told += torch.stack([hurdle, value, kl]).detach() / len(mine)
        torch.nn.utils.clip_grad_norm_([p for _, p in self.parameters], CLIP)
        self.optimiser.step()
        decay = min(config.ema, (1 + step) / (10 + step))
        with torch.no_grad():
            for k, p in self.parameters:
                self.average[k].lerp_(p, 1 - decay)
        return self.team.mean(told)

    def _rows(self, step: int) -> NDArray[np.intp]:
        """Return the places, among the cells seen, of a step's cells: of one file where the files' genes differ."""
        if self.vectors is not None or self.cells.one_axis:
            return batch_rows(len(self.seen), self.batch_size(), self.config.seed, step)
        rows = file_rows(self.cells.file[self.seen], self.cells.measured, self.config.batch, self.config.seed, step)
        return rows[: max(1, len(rows) // self.config.accumulate) * self.config.accumulate]

    def _losses(self, rows: NDArray[np.intp], key: tuple[int | str, ...]) -> Losses:
        generator = torch.Generator(self.device).manual_seed(hash_words(*key) % 2**63)
        batch = batch_of(self.cells, rows, self.vectors).to(self.device)
        t = stratified(len(rows), generator)
        with autocast(self.device, self.precision):
            return self.loss(batch, t, generator)

    def check(self) -> float:
        """Look at the averaged weights on the validation cells, keep them if they are the best, return the bound.

        Returns
        -------
        nats per gene; the cells, masks and noise are those of every check.
        """
        size = max(1, self.batch_size() // self.config.accumulate)
        blocks = [self.held[i : i + size] for i in range(0, len(self.held), size)]
        whole = -(-len(blocks) // self.team.size) * self.team.size
        told = torch.zeros(1, device=self.device)
        with torch.no_grad(), Exchanged(self.parameters, self.average):
            self.team.changed(self.module)
            for i in self.team.share(whole):  # all make as many passes; what is beyond the blocks does not count
                terms = self._losses(blocks[i % len(blocks)], (self.config.seed, "validation", i))
                told += sum(terms[:3]) * (self.team.size / len(blocks) if i < len(blocks) else 0.0)
        self.team.changed(self.module)
        loss = float(self.team.mean(told))
        if loss < self.best_loss:
            self.best_loss, self.stale = loss, 0
            for k, value in self.average.items():
                self.best[k].copy_(value)
        else:
            self.stale += 1
        return loss

    @property
    def is_done(self) -> bool:
        """Whether validation has not improved for as long as the patience lasts."""
        return bool(self.config.patience) and self.stale >= self.config.patience

    def finish(self) -> None:
        """Give the network the averaged weights: the best ones where there was a validation."""
        chosen = self.best if self.config.validation and math.isfinite(self.best_loss) else self.average
        with torch.no_grad():
            for k, p in self.parameters:
                p.copy_(chosen[k])

    # -- state ----------------------------------------------------------------------------------------------

    def save(self, store: Store, step: int) -> None:
        """Keep the state after `step` steps."""
        tensors = {k: local(v) for k, v in self._tensors()}
        store.save(step, tensors, {"best": self.best_loss.hex(), "stale": str(self.stale)})

    def restore(self, store: Store) -> int:
        """Take up the last state and return its step."""
        step, tensors, told = store.load()
        for _, p in self.parameters:  # moments come into being with the first step
            self.optimiser.state[p] = {
                "step": torch.tensor(0.0),
                "exp_avg": torch.zeros_like(p),
                "exp_avg_sq": torch.zeros_like(p),
            }
        with torch.no_grad():
            for k, v in self._tensors():
                local(v).copy_(tensors[k])
        self.best_loss, self.stale = float.fromhex(told["best"]), int(told["stale"])
        return step

    def _tensors(self) -> Iterator[tuple[str, Tensor]]:
        for k, v in self.module.state_dict().items():
            yield f"net.{k}", v
        for word, table in (("average", self.average), ("best", self.best)):
            for k, v in table.items():
                yield f"{word}.{k}", v
        for k, p in self.parameters:
            for moment, v in self.optimiser.state.get(p, {}).items():
                yield f"optimiser.{k}.{moment}", v


class Exchanged:
    """A context in which parameters hold other values; afterwards they hold their own again."""

    def __init__(self, parameters: Iterable[tuple[str, Tensor]], values: dict[str, Tensor]) -> None:
        self.pairs = [(p, values[k]) for k, p in parameters]
        self.own: list[Tensor] = []

    def __enter__(self) -> None:
        """Put the other values in."""
        with torch.no_grad():
            self.own = [p.detach().clone() for p, _ in self.pairs]
            for p, value in self.pairs:
                p.copy_(value)

    def __exit__(self, *_: object) -> None:
        """Put the own values back."""
        with torch.no_grad():
            for (p, _other), value in zip(self.pairs, self.own, strict=True):
                p.copy_(value)
        self.own = []


def split(n: int, config: TrainingConfig) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the rows to train on and those of the validation checks, keyed by the seed and the row."""
    index = np.arange(n, dtype=np.uint64)
    if not config.validation:
        return index.astype(np.intp), np.zeros(0, np.intp)
    u = Stream(hash_words(config.seed, "validation cells")).uniform_at(np.zeros(n, np.uint64), index)
    held = np.flatnonzero(u < config.validation)
    by_luck = held[np.argsort(u[held], kind="stable")]
    return np.flatnonzero(u >= config.validation), np.sort(by_luck[:MOST_VALIDATION_CELLS])


def batch_rows(n: int, batch: int, seed: int, step: int) -> NDArray[np.intp]:
    """Return the rows of a step: epochs of a permutation keyed by the seed, whatever came before."""
    epoch, place = divmod(step, n // batch)
    order = np.random.default_rng([seed, epoch]).permutation(n)
    return np.asarray(order[place * batch : (place + 1) * batch])


def file_rows(
    file: NDArray[np.intp], measured: NDArray[np.bool_], batch: int, seed: int, step: int
) -> NDArray[np.intp]:
    """Return the rows of a step from one file, drawn in proportion to the root of its cells times genes measured."""
    luck = np.random.default_rng([seed, step])
    files, n = np.unique(file, return_counts=True)
    weight = np.sqrt(n * measured[files].sum(axis=1))
    chosen = luck.choice(files, p=weight / weight.sum())
    mine = np.flatnonzero(file == chosen)
    return np.asarray(luck.choice(mine, size=min(batch, len(mine)), replace=False))


def schedule(step: int, config: TrainingConfig) -> float:
    """Return the learning rate's factor: linear warm-up, then a cosine."""
    if step < config.warm_up:
        return (step + 1) / config.warm_up
    done = (step - config.warm_up) / max(1, config.steps - config.warm_up)
    return LAST_RATE + (1 - LAST_RATE) * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
