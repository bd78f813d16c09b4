"""The protocol as a plain loop: families, tasks, predictors, seeds; what is finished is kept in a file of lines."""

import hashlib
import json
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

import numpy as np

from twin.analysis.protocol.ceilings import scaled
from twin.analysis.protocol.families import Family
from twin.analysis.protocol.quoted import PUBLISHED, quoted_rows
from twin.analysis.protocol.registry import BASELINES, CEILINGS, Entry
from twin.analysis.protocol.score import DRAWS, Scores, distribution, score, split_control
from twin.analysis.protocol.table import Kind, Row, Table, ordered
from twin.analysis.protocol.task import Prediction, Predictor, Task
from twin.errors import InputError

SCALE = 2.0  # of the scaled copy of a model's predicted effect; our choice
MODEL_DRAWS = 3  # halvings of the controls for a model, whose every prediction costs; our choice


@dataclass(frozen=True)
class Finished:
    """One finished row of one task; scores None: the predictor does not apply.

    seconds : of processor time, all threads.
    """

    family: str
    task: str
    predictor: str
    kind: Kind
    seed: int
    scores: Scores | None
    seconds: float = field(default=0.0, compare=False)


OnTask = Callable[[Finished], None]


def run_protocol(
    predictors: Mapping[str, Predictor],
    families: Iterable[Family],
    *,
    folder: Path,
    seeds: Sequence[int] = (0, 1, 2),
    draws: int | Mapping[str, int] = MODEL_DRAWS,
    store: Path | None = None,
    fingerprints: Mapping[str, str] | None = None,
    steady: Collection[str] = (),
    with_distribution: bool = True,
    on_task: OnTask | None = None,
) -> list[Table]:
    """Score predictors beside every baseline that applies, and return a table a family.

    A predictor gets a task without the hidden cells, whose `seed` is each of the seeds in turn; beside it stands a copy
    with its effect doubled, which shows the scores that a mere change of scale moves. Baselines that draw random
    numbers are run once a seed, the others once. Families whose files the folder lacks are left out.

    Parameters
    ----------
    folder : the measured data.
    draws : halvings of the controls for a predictor's split-control Pearson-delta, of all or by name; 0: none.
        Baselines have ten.
    store : file of finished rows, read and added to, so that a stopped run goes on where it was. A row is used again
        if the task's data, the predictor's fingerprint, the seed and this program's scores are the same.
    fingerprints : what a predictor's answer depends on besides the task (a checkpoint's hash); without it its name.
    steady : names of predictors that draw no random numbers: they are run at the first seed alone, as such baselines.
    with_distribution : score predicted cells as a population too (energy distance, MMD, ...): of predictors at every
        seed, of baselines at the first.
    on_task : called with each row as it is finished.

    Raises
    ------
    InputError
        If a predictor has a baseline's name, no family has its files, or the store cannot be read.
    """
    taken = {e.name for e in BASELINES} | set(CEILINGS)
    if clash := sorted(taken & set(predictors)):
        raise InputError(f"a predictor cannot be called {clash[0]!r}: that is the name of a baseline")
    wanted = list(families)
    there = [f for f in wanted if not f.missing(folder)]
    if not there:
        raise InputError(f"{folder} has none of the files of {', '.join(f.key for f in wanted) or 'any family'}")
    done = _Store(store)
    loop = _Loop(predictors, dict(fingerprints or {}), tuple(seeds), draws, steady, with_distribution, done, on_task)
    return [loop.family(family, folder) for family in there]


@dataclass(frozen=True)
class _Loop:
    predictors: Mapping[str, Predictor]
    fingerprints: Mapping[str, str]
    seeds: tuple[int, ...]
    draws: int | Mapping[str, int]
    steady: Collection[str]
    with_distribution: bool
    done: "_Store"
    on_task: OnTask | None

    def family(self, family: Family, folder: Path) -> Table:
        found: list[Finished] = []
        tasks = family.tasks(folder)
        for task in tasks:
            found += self._task(family.key, task)
        names = dict.fromkeys((f.predictor, f.kind) for f in found if f.scores is not None)
        rows = [Row(name, kind, _collected(found, name)) for name, kind in names]
        return Table(
            family.key,
            family.name,
            family.split,
            family.limits,
            tuple(t.name for t in tasks),
            {t.name: (int(t.start.sum()), int(t.truth.sum())) for t in tasks},
            ordered([*rows, *quoted_rows(family.key)]),
            PUBLISHED.get(family.key, ()),
        )

    def _task(self, family: str, task: Task) -> list[Finished]:
        digest = task.digest()
        found = []
        for name, predictor in self.predictors.items():
            draws = self.draws if isinstance(self.draws, int) else self.draws.get(name, 0)
            print_ = f"{self.fingerprints.get(name, name)}, {draws}, {self.with_distribution}"
            for seed in self.seeds[:1] if name in self.steady else self.seeds:
                both = (name, "model"), (doubled(name), "scaled")
                keys = [_key(digest, print_, row, seed) for row, _ in both]
                parts = [self.done.get(k) for k in keys]
                if any(p is None for p in parts):
                    begun = time.process_time()
                    scores = self._model(replace(task, seed=seed), predictor, draws)
                    spent = time.process_time() - begun
                    kinds: tuple[Kind, Kind] = ("model", "scaled")
                    parts = [
                        Finished(family, task.name, row, kind, seed, s, spent)
                        for (row, _), kind, s in zip(both, kinds, scores, strict=True)
                    ]
                found += [self._keep(k, p) for k, p in zip(keys, parts, strict=True) if p is not None]
        found += self._baselines(family, task, digest)
        for name, ceiling in CEILINGS.items():
            key = _key(digest, "", name, self.seeds[0])
            known = self.done.get(key)
            if known is None:
                begun = time.process_time()
                made = ceiling(replace(task, seed=self.seeds[0]))
                spent = time.process_time() - begun
                known = Finished(family, task.name, name, "ceiling", self.seeds[0], made, spent)
            found.append(self._keep(key, known))
        return found

    def _baselines(self, family: str, task: Task, digest: str) -> list[Finished]:
        """Return the baselines' rows of a task; those that are not in the store are run together, on one blind task."""
        settings = f"{self.with_distribution}, {self.seeds[0]}"
        jobs = [(entry, seed) for entry in BASELINES for seed in (self.seeds if entry.is_random else self.seeds[:1])]
        rows = {(e.name, seed): self.done.get(_key(digest, settings, e.name, seed)) for e, seed in jobs}
        new = [(entry, seed) for entry, seed in jobs if rows[entry.name, seed] is None]
        if new:
            blind = task.blind()
            for entry, seed in new:
                begun = time.process_time()
                predicted = entry.predict(replace(blind, seed=seed))
                as_population = self.with_distribution and seed == self.seeds[0]
                scores = None if predicted is None else _scores(task, predicted, as_population=as_population)
                spent = time.process_time() - begun
                rows[entry.name, seed] = Finished(family, task.name, entry.name, "baseline", seed, scores, spent)
            steady = {e.name: _applying(e) for e, seed in new if not e.is_random and _scored(rows[e.name, seed])}
            for name, split in split_control(task, steady, DRAWS).items():
                row = rows[name, self.seeds[0]]
                assert row is not None
                assert row.scores is not None
                rows[name, self.seeds[0]] = replace(row, scores={**row.scores, **split})
        found = []
        for (name, seed), row in rows.items():
            assert row is not None
            found.append(self._keep(_key(digest, settings, name, seed), row))
        return found

    def _keep(self, key: str, row: Finished) -> Finished:
        self.done.add(key, row)
        if self.on_task is not None:
            self.on_task(row)
        return row

    def _model(self, task: Task, predictor: Predictor, draws: int) -> tuple[Scores, Scores]:
        predicted = checked(task, predictor(task.blind()))
        scores = _scores(task, predicted, as_population=self.with_distribution)
        if draws:
            scores |= split_control(task, {"": predictor}, draws)[""]
        return scores, score(task, Prediction(scaled(task, predicted.mean, SCALE)))


def _scores(task: Task, predicted: Prediction, *, as_population: bool) -> Scores:
    return score(task, predicted) | (distribution(task, predicted) if as_population else {})


def _scored(row: Finished | None) -> bool:
    return row is not None and row.scores is not None


def doubled(name: str) -> str:
    """Return the name of a model's scaled copy."""
    return f"{name}, effect × {SCALE:g}"


def checked(task: Task, predicted: Prediction) -> Prediction:
    """Return a prediction whose shape and numbers can be scored.

    Raises
    ------
    InputError
        If the pseudobulk is of another shape or not finite, or the cells are no integer counts on the task's genes.
    """
    where = f"{task.family}, {task.name}: the prediction"
    if predicted.mean.shape != (len(task.scored),):
        raise InputError(f"{where} has shape {predicted.mean.shape}; asked are the {len(task.scored)} scored genes")
    if not np.isfinite(predicted.mean).all():
        raise InputError(f"{where} is not finite for {int((~np.isfinite(predicted.mean)).sum())} genes")
    cells = predicted.cells
    if cells is not None:
        if cells.shape[1] != len(task.genes):
            raise InputError(f"{where} has cells of {cells.shape[1]} genes; the task has {len(task.genes)}")
        if (cells.data < 0).any() or (cells.data != np.floor(cells.data)).any():
            raise InputError(f"{where} has cells that are no counts; integers of at least 0 are needed")
    return predicted


def _applying(entry: Entry) -> Predictor:
    def predict(task: Task) -> Prediction:
        found = entry.predict(task)
        assert found is not None, (entry.name, task.family, task.name)
        return found

    return predict


def _collected(found: Iterable[Finished], name: str) -> dict[str, dict[str, tuple[float, ...]]]:
    """Return task -> metric -> a score per seed, in the order of the seeds."""
    out: dict[str, dict[str, tuple[float, ...]]] = {}
    for row in found:
        if row.predictor == name and row.scores is not None:
            task = out.setdefault(row.task, {})
            for metric, value in row.scores.items():
                task[metric] = (*task.get(metric, ()), value)
    return out


def _key(digest: str, fingerprint: str, name: str, seed: int) -> str:
    return hashlib.sha256(repr((digest, fingerprint, name, seed, _program())).encode()).hexdigest()


@cache
def _program() -> str:
    """Return a hash of the files that decide a score: this package, the metrics, the scores."""
    here = Path(__file__).parent
    files = sorted([*here.glob("*.py"), *(here.parent / "metrics").glob("*.py"), here.parent / "scores.py"])
    h = hashlib.sha256()
    for file in files:
        h.update(file.read_bytes())
    return h.hexdigest()


class _Store:
    """Finished rows by key, one JSON line each; a line cut short by a stop is left out and written anew."""

    def __init__(self, file: Path | None) -> None:
        self.file = file
        self.known: dict[str, Finished] = {}
        if file is not None and file.exists():
            whole = [line for line in file.read_text(encoding="utf-8").splitlines(keepends=True) if line.endswith("\n")]
            for number, line in enumerate(whole, start=1):
                self._read(line, number)
            file.write_text("".join(whole), encoding="utf-8")

    def get(self, key: str) -> Finished | None:
        return self.known.get(key)

    def add(self, key: str, row: Finished) -> None:
        if key in self.known:
            return
        self.known[key] = row
        if self.file is None:
            return
        scores = None if row.scores is None else {k: v if np.isfinite(v) else None for k, v in row.scores.items()}
        plain = {**row.__dict__, "scores": scores, "key": key}
        with self.file.open("a", encoding="utf-8") as out:
            out.write(json.dumps(plain, allow_nan=False) + "\n")

    def _read(self, line: str, number: int) -> None:
        try:
            plain = json.loads(line)
            key = plain.pop("key")
            if plain["scores"] is not None:
                plain["scores"] = {k: float("nan") if v is None else float(v) for k, v in plain["scores"].items()}
            self.known[key] = Finished(**plain)
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{self.file}, line {number}: no finished row of an evaluation; give another file, or delete this one"
            ) from error
