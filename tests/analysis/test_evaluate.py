"""The evaluation: a checkpoint on cells that it never saw, and the recipe retrained fold by fold."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.model.synthetic import dosed_adata, synthetic_adata, synthetic_experiment
from twin.analysis.evaluate import (
    Evaluation,
    as_json,
    calibrated,
    evaluate_checkpoint,
    evaluate_recipe,
    report,
    split_words,
    support_of,
    write_report,
)
from twin.analysis.metrics.calibration import auroc
from twin.analysis.protocol.table import Row, Table
from twin.data.counts import checked_counts, held_out
from twin.data.experiment import assemble
from twin.errors import InputError, UnknownNameError
from twin.model.condition import Condition
from twin.model.fit import fit
from twin.model.masked import MaskedDiffusion
from twin.model.training import TrainingConfig

SMALL = {"latent": 4, "code": 16, "width": 24, "blocks": 1}


@pytest.fixture(scope="module")
def found(small_model: MaskedDiffusion) -> Evaluation:
    return evaluate_checkpoint(small_model, synthetic_experiment(), holdout=0.3)


def test_a_checkpoint_stands_beside_every_baseline_that_applies(found: Evaluation) -> None:
    (table,) = found.tables
    assert set(table.tasks) == {f"CYT/{kind}" for kind in ("alpha", "beta", "gamma")}
    names = {row.name for row in table.rows}
    told = {"no change", "mean shift", "similarity-weighted level", "ridge", "own context's shift, pooled"}
    assert told | {"two disjoint halves (noise)", "small: population, sampled"} <= names
    own = table.row("small: these cells, perturbed")
    assert table.mean(own, "pearson_delta") > 0.9
    assert table.mean(own, "mse") < 0.2 * table.mean(table.row("no change"), "mse")
    assert np.isfinite(table.values(own, "support")).all()
    assert np.isfinite(table.mean(own, "des"))


def test_held_out_cells_were_not_trained_on() -> None:
    """Training with a hold-out is training on the other cells alone: same tables, same weights."""
    data = assemble([checked_counts(synthetic_adata(300), "x.h5ad")])
    config = TrainingConfig(steps=6, warm_up=2)
    kept = data.take(~held_out(data.names, 0.3))
    a = fit(data, config, holdout=0.3, sizes=SMALL)
    b = fit(kept, config, sizes=SMALL)
    for key, value in a.net.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), b.net.state_dict()[key].numpy(), err_msg=key)
    assert 0.2 < held_out([f"c{i}" for i in range(2000)], 0.3).mean() < 0.4


@pytest.mark.slow
def test_every_dose_time_and_combination_of_a_file_is_a_task() -> None:
    data = assemble([checked_counts(dosed_adata(), "dosed.h5ad")])
    model = fit(data, TrainingConfig(steps=2, warm_up=1), holdout=0.3, sizes=SMALL)
    (table,) = evaluate_checkpoint(model, data, holdout=0.3).tables
    assert len(table.tasks) == 2 * len(data.arms)
    assert {"CYT+DRG/alpha", "CYT 1 nM, 2 h/beta"} <= set(table.tasks)
    own = table.row("trained: these cells, perturbed")
    assert table.mean(own, "pearson_delta") > 0.9
    assert 0.8 < table.mean(own, "slope") < 1.2


def test_data_that_answer_nothing_are_refused(small_model: MaskedDiffusion) -> None:
    other = synthetic_adata(300)
    other.obs["condition"] = np.where(other.obs["condition"] == "CYT", "OTHER", "control")
    for holdout, told in ((0.5, "nothing to score"), (0.0, "no held-out cells")):
        with pytest.raises(InputError, match=told):
            evaluate_checkpoint(small_model, assemble([checked_counts(other, "x")]), holdout=holdout)
    adata = synthetic_adata(300)
    adata.var_names = [f"X{j}" for j in range(adata.n_vars)]
    with pytest.raises(InputError, match="nothing to score"):
        evaluate_checkpoint(small_model, assemble([checked_counts(adata, "x")]), holdout=0.5)


def test_words_of_splits_name_families() -> None:
    assert split_words(["types", "generation"]) == (("ifnb-types", "cftr-types", "drug-lines"), True, False)
    keys, generate, few = split_words(["all"])
    assert len(keys) == 18
    assert generate
    assert few
    with pytest.raises(UnknownNameError, match="did you mean types"):
        split_words(["type"])


def test_a_folder_without_the_data_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no folder"):
        evaluate_recipe(["types"], tmp_path / "nowhere")
    with pytest.raises(InputError, match="lacks kang2018"):
        evaluate_recipe(["ifnb-types"], tmp_path)


def table_of(support: list[float], own: list[float]) -> Table:
    """A table whose model has these supports and errors beside a baseline of error 1."""
    names = tuple(f"t{i}" for i in range(len(own)))
    mine = {
        t: {"support": (s,), "mse": (e,), "pearson_delta": (0.5,)} for t, s, e in zip(names, support, own, strict=True)
    }
    base = {t: {"mse": (1.0,), "pearson_delta": (0.4,)} for t in names}
    rows = (Row("m", "model", mine), Row("no change", "baseline", base))
    return Table("k", "K", "", "", names, dict.fromkeys(names, (9, 9)), rows)


def test_support_is_told_against_each_baseline_and_can_be_calibrated_anew(
    small_model: MaskedDiffusion, tmp_path: Path
) -> None:
    support, own = [0.9, 0.8, 0.7, 0.6, 0.3, 0.2, 0.1], [0.5, 0.6, 0.9, 1.2, 0.8, 1.5, 2.0]
    table = table_of(support, own)
    told = support_of([table], "m")
    assert told is not None
    ranked = auroc(np.array(own) > 1.0, -np.array(support))
    assert told.against["no change"].auroc == ranked
    assert len(told.against["the plain mean"].names) == 0
    files = write_report(Evaluation((table,), told), tmp_path)
    assert [f.name for f in files] == ["report.md", "report.json", "report.png"]
    assert all(f.stat().st_size > 0 for f in files)
    assert f"| no change | 3 | 7 | {ranked:.3f} |" in files[0].read_text()
    read = json.loads(files[1].read_text())["support"]
    assert len(read["against"]["no change"]["cases"]) == 7
    assert read["slope"] > 0
    once = calibrated(small_model, read["slope"], read["intercept"])
    twice = calibrated(once, 1.0, 0.0)
    n, none = 1, np.zeros((1, 1))
    here = Condition(np.zeros(n, np.uint64), np.zeros(n, np.intp), np.ones(n), none + 10.0, none + np.nan, np.ones(n))
    before, after = (np.log(s / (1 - s)) for s in (small_model.support(here), once.support(here)))
    assert after == pytest.approx(read["slope"] * before + read["intercept"], rel=1e-6)
    assert twice.card.support == once.card.support


def test_the_report_is_markdown_and_json_with_the_baselines(found: Evaluation) -> None:
    assert "mean shift" in report(found)
    assert "support" not in json.loads(as_json(found))


@pytest.mark.slow
def test_a_family_is_retrained_and_a_stopped_evaluation_goes_on(data_folder: Path, tmp_path: Path) -> None:
    rows: list[float] = []
    for _ in range(2):
        got = evaluate_recipe(
            ["panobinostat"], data_folder, out=tmp_path, quick=True, on_task=lambda row: rows.append(row.seconds)
        )
    (table,) = got.tables
    own, blend = table.row("twin (expected)"), table.row("level blend")
    assert table.mean(own, "pearson_delta") > table.mean(blend, "pearson_delta")
    assert table.mean(own, "mse") < table.mean(blend, "mse")
    assert got.support is not None
    half = len(rows) // 2
    assert rows[:half] == rows[half:]  # the second time every row came from the file


def twin(*words: object, data: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "twin", "evaluate", *map(str, words)],
        env={**os.environ, "TWIN_DATA": str(data), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--split", "tipes"), "did you mean types"),
        (("--split", "types"), "set TWIN_DATA"),
        (("default", "cells.h5ad", "--split", "donors"), "DATA is for --split cells"),
        (("default", "--holdout", "0"), "no held-out cells"),
    ],
)
def test_bad_words_are_answered_in_one_sentence(words: tuple[str, ...], told: str, tmp_path: Path) -> None:
    said = twin(*words, data=tmp_path / "nowhere")
    assert said.returncode == 2, said.stderr
    assert told in said.stderr
    assert "Traceback" not in said.stderr
