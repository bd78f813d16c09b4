"""World models beside their baselines: a checkpoint on its held-out cells, or the recipe retrained fold by fold."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from twin.analysis.held_out import Checkpoint, held_out_families, words
from twin.analysis.metrics.calibration import auroc
from twin.analysis.protocol.bases import DRAWING, MOVING, Bases
from twin.analysis.protocol.families import FAMILIES, Family
from twin.analysis.protocol.figure import figure, save
from twin.analysis.protocol.generation import SETS, generation_table
from twin.analysis.protocol.recipe import Recipe
from twin.analysis.protocol.render import UNKNOWN, markdown, number, pipes
from twin.analysis.protocol.run import Finished, run_protocol
from twin.analysis.protocol.score import DRAWS
from twin.analysis.protocol.support import (
    AGAINST,
    NOTHING,
    Cases,
    by_other_families,
    calibration,
    reliability,
    support_cases,
)
from twin.analysis.protocol.table import Table, to_json
from twin.analysis.protocol.task import Predictor
from twin.analysis.sampling import AROUND, NAME, Sampler, few_steps
from twin.data.experiment import Experiment
from twin.errors import InputError, UnknownNameError
from twin.model.contract import WorldModel
from twin.model.features import read_features
from twin.model.likeness import NO_FEATURES
from twin.model.masked import MaskedDiffusion
from twin.model.trials import INTERCEPT, SLOPE

EXPECTED, CELLS = f"{NAME} (expected)", f"{NAME} (cells)"
RECIPE = "2"  # of our model as a predictor; another one is scored anew
GENE_SETS = Path("knowledge") / "genesets.gmt"
QUICK_FAMILIES = ("ifnb-types", "thp1-knock-outs", "panobinostat")
SPLITS: dict[str, tuple[str, ...]] = {
    "types": ("ifnb-types", "cftr-types", "drug-lines"),
    "donors": ("ifnb-donors", "panobinostat", "cftr-animals", "doxorubicin"),
    "perturbations": ("thp1-knock-outs",),
    "combinations": ("crispr-doubles", "jurkat-tcr"),
    "times": ("lps-course", "cardiomyocyte-course", "primate-course", "worm-course"),
    "doses": ("dexamethasone-doses",),
    "refitted-cells": ("ifnb-cells", "trem2-microglia", "yeast"),
}
GENERATION, FEW_STEPS, ALL, HELD_OUT = "generation", "few-steps", "all", "cells"


@dataclass(frozen=True)
class Support:
    """How well the support score told where a model is worse than a baseline.

    against : baseline (`twin.analysis.protocol.support.AGAINST`) -> the left-out tasks compared with it.
    """

    against: Mapping[str, Cases]

    @property
    def slope(self) -> float:
        """Factor on the log odds of the support that fits these cases best; 1: it is calibrated."""
        return calibration(self.against[NOTHING]).slope

    @property
    def intercept(self) -> float:
        """What these cases add to the log odds; 0: it is calibrated."""
        return calibration(self.against[NOTHING]).intercept


@dataclass(frozen=True)
class Evaluation:
    """All tables, and what the support scores were worth where enough conditions were left out."""

    tables: tuple[Table, ...]
    support: Support | None


def split_words(wanted: Sequence[str]) -> tuple[tuple[str, ...], bool, bool]:
    """Return the keys of the families that words ask for, whether to generate, and whether in few rounds.

    Raises
    ------
    UnknownNameError
        If a word is no split and no family.
    """
    known = (*SPLITS, ALL, GENERATION, FEW_STEPS, *(f.key for f in FAMILIES))
    keys: list[str] = []
    for word in wanted:
        if word not in known:
            raise UnknownNameError("split", word, (HELD_OUT, *known))
        keys += (
            [f.key for f in FAMILIES]
            if word == ALL
            else SPLITS.get(word, () if word in (GENERATION, FEW_STEPS) else (word,))
        )
    chosen = tuple(f.key for f in FAMILIES if f.key in keys)
    return chosen, bool({GENERATION, ALL} & set(wanted)), bool({FEW_STEPS, ALL} & set(wanted))


def evaluate_recipe(
    wanted: Sequence[str],
    folder: Path,
    *,
    seeds: Sequence[int] = (0,),
    out: Path | None = None,
    quick: bool = False,
    on_task: Callable[[Finished], None] | None = None,
    on_note: Callable[[str], None] | None = None,
) -> Evaluation:
    """Retrain our model fold by fold on the families' files, beside every baseline.

    Parameters
    ----------
    wanted : words of `SPLITS`, families' keys, `generation`, `few-steps` or `all`.
    out : folder of finished rows and trained networks, from which a stopped evaluation goes on.
    quick : fewer training steps, no population scores, two halvings.

    Raises
    ------
    InputError
        If the folder has none of the files.
    """
    keys, generate, rounds = split_words(wanted)
    families = [f for f in FAMILIES if f.key in keys]
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder}: set TWIN_DATA to the folder of the measured data")
    there = [f for f in families if not f.missing(folder)]
    if families and not there:
        lacking = sorted({name for f in families for name in f.missing(folder)})
        raise InputError(f"{folder} lacks {', '.join(lacking[:3])}: set TWIN_DATA to the folder of the measured data")
    sets_file = folder / GENE_SETS
    features = read_features(sets_file) if sets_file.is_file() else NO_FEATURES
    networks = None if out is None else out / "networks"
    share = 10 if quick else 1
    moving, drawing = Bases(networks, steps=MOVING // share), Bases(networks, steps=DRAWING // share, draws=True)
    predictors: dict[str, Predictor] = {EXPECTED: Recipe(features), CELLS: Recipe(features, moving)}
    tables: list[Table] = []
    if there:
        tables = run_protocol(
            predictors,
            there,
            folder=folder,
            seeds=seeds,
            draws={EXPECTED: 2 if quick else DRAWS},
            store=None if out is None else out / "rows.jsonl",
            fingerprints={name: f"{name} {RECIPE} {quick}" for name in predictors},
            steady=(EXPECTED,),
            with_distribution=not quick,
            on_task=on_task,
        )

    def told(key: str, name: str) -> None:
        if on_note is not None:
            on_note(f"{key}: {name}")

    support = support_of(tables, EXPECTED)
    if generate:
        generators = {NAME: Sampler(drawing), AROUND: Sampler(drawing, around=True)}
        tables.append(generation_table(generators, folder=folder, seeds=seeds, on_row=told))
    if rounds:
        tables.append(few_steps(drawing, SETS[0], folder=folder, seeds=seeds[:1], on_row=told))
    return Evaluation(tuple(tables), support)


def evaluate_checkpoint(
    model: WorldModel,
    data: Experiment,
    *,
    holdout: float,
    seeds: Sequence[int] = (0,),
    out: Path | None = None,
    on_task: Callable[[Finished], None] | None = None,
) -> Evaluation:
    """Score a trained model on its held-out cells, every perturbation of every file, beside every baseline.

    Parameters
    ----------
    holdout : share of the cells that the model has not seen (a checkpoint records it).

    Raises
    ------
    InputError
        If nothing is held out, or there is nothing to score.
    """
    if not 0 < holdout < 1:
        raise InputError(
            f"{model.name} has no held-out cells: give --holdout between 0 and 1, and know that it may have seen them"
        )
    families = held_out_families(model, data, holdout)
    arms = {word: data.arms[i] for i, word in words(data.arms).items()}
    names = {f"{model.name}: these cells, perturbed": False, f"{model.name}: population, sampled": True}
    tables = run_protocol(
        {name: Checkpoint(model, arms, sampled) for name, sampled in names.items()},
        families,
        folder=Path(),
        seeds=seeds,
        draws=0,
        store=None if out is None else out / "rows.jsonl",
        fingerprints={name: f"{name} {model.fingerprint}" for name in names},
        with_distribution=False,
        on_task=on_task,
    )
    return Evaluation(tuple(tables), None)


def support_of(tables: Sequence[Table], predictor: str) -> Support | None:
    """Return what the support scores were worth over all left-out tasks; None with fewer than two."""
    against = {name: support_cases(tables, predictor, name) for name in AGAINST} if tables else {}
    return Support(against) if against and len(against[NOTHING].support) > 1 else None


def calibrated(model: MaskedDiffusion, slope: float, intercept: float) -> MaskedDiffusion:
    """Return the model with its support calibrated anew: log odds of before, times `slope`, plus `intercept`."""
    first, second = model.card.support or (SLOPE, INTERCEPT)
    return model.named({"support": (slope * first, slope * second + intercept)})


def report(found: Evaluation) -> str:
    """Return everything as Markdown."""
    parts = ["# Evaluation", *(markdown(table) for table in found.tables)]
    if found.support is not None:
        parts.append(support_text(found.support))
    return "\n\n".join(parts)


def support_text(support: Support) -> str:
    """Return a section on the support scores: how they rank, and whether they are calibrated."""
    ranks = [["error above that of", "worse", "cases", "AUROC", "the baseline"]]
    for name, cases in support.against.items():
        shown = number(cases.auroc, 3)
        ranks.append([name, str(int(cases.worse.sum())), str(len(cases.support)), shown, AGAINST[name]])
    cases = support.against[NOTHING]
    told = by_other_families(cases)
    known = np.isfinite(told)
    brier = float(np.mean((told[known] - ~cases.worse[known]) ** 2)) if known.any() else float("nan")
    base = (~cases.worse).mean()
    rows = [["support", "cases", "mean support", "no worse than no change"]]
    rows += [[word, str(n), f"{said:.2f}", f"{true:.2f}"] for word, n, said, true in reliability(cases)]
    ranked = number(auroc(cases.worse[known], -told[known]), 3) if known.any() else UNKNOWN
    return "\n\n".join(
        [
            "### Support",
            "The support is the probability that a prediction is no worse than to say that nothing changes. AUROC: "
            "how often a case whose error is above the baseline's has less support than one whose error is not.",
            pipes(ranks),
            pipes(rows),
            f"Calibrated for each family on the other families alone: AUROC {ranked}, Brier score {number(brier, 3)} "
            f"(the share of cases alone: {base * (1 - base):.3f}). Best curve on all cases: log odds of the support "
            f"× {support.slope:.3g} + {support.intercept:.3g}.",
        ]
    )


def as_json(found: Evaluation) -> str:
    """Return everything as JSON: `tables` as `twin.analysis.protocol.table`, and `support` by baseline."""
    document: dict[str, object] = json.loads(to_json(found.tables))
    if found.support is not None:
        s = found.support
        document["support"] = {
            "slope": s.slope,
            "intercept": s.intercept,
            "against": {
                name: {
                    "auroc": c.auroc if c.auroc == c.auroc else None,
                    "cases": [
                        {"task": n, "support": float(x), "worse": bool(w)}
                        for n, x, w in zip(c.names, c.support, c.worse, strict=True)
                    ],
                }
                for name, c in s.against.items()
            },
        }
    return json.dumps(document, indent=1, allow_nan=False)


def write_report(found: Evaluation, out: Path) -> tuple[Path, ...]:
    """Write report.md, report.json and report.png into a folder, and return the files.

    Raises
    ------
    InputError
        If the folder cannot be written.
    """
    files = tuple(out / f"report.{end}" for end in ("md", "json", "png"))
    try:
        out.mkdir(parents=True, exist_ok=True)
        files[0].write_text(report(found) + "\n", encoding="utf-8")
        files[1].write_text(as_json(found) + "\n", encoding="utf-8")
        responses = [t for t in found.tables if any(m.key == "pearson_delta" for m in t.metrics())]
        others = [t for t in found.tables if t not in responses]
        metrics = ("pearson_delta", "mse") if responses else ("mmd", "corr_err")
        save(figure(responses or others, metrics), files[2])
    except OSError as error:
        raise InputError(f"{out} cannot be written: {error.strerror or error}") from error
    return files


def count_tasks(wanted: Sequence[str], folder: Path) -> Mapping[str, int]:
    """Return how many tasks each family of these words has."""
    keys, _, _ = split_words(wanted)
    there: list[Family] = [f for f in FAMILIES if f.key in keys and not f.missing(folder)]
    return {f.key: len(f.tasks(folder)) for f in there}
