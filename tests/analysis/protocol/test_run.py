"""The loop: seeds, resume, and predictions that cannot be scored."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp

from tests.analysis.protocol.synthetic import BASE, GENES, cells
from twin.analysis.protocol.families import Family
from twin.analysis.protocol.run import Finished, doubled, run_protocol
from twin.analysis.protocol.task import CONTROL, Prediction, Task
from twin.errors import InputError

EFFECT = np.where(np.arange(GENES) < 8, 3.0, 1.0)


def build(folder: Path) -> Iterator[Task]:
    groups = [{"context": k, "condition": s, "donor": d} for k in "ABC" for s in (CONTROL, "X") for d in "uv"]
    rates = [BASE * (EFFECT if g["condition"] == "X" else 1.0) for g in groups]
    data = cells(groups, rates, n=20)
    for kind in "AB":
        hidden = data.where(context=kind, condition="X")
        start = data.where(context=kind, condition=CONTROL)
        yield data.task("Toy", kind, start=start, truth=hidden, hidden=hidden, condition="X")


FAMILY = Family("toy", "Toy", "a split", "much", (), build)


class Guess:
    """Predicts control plus noise that depends on the seed, and counts its calls."""

    def __init__(self) -> None:
        self.calls = 0
        self.seen: dict[str, set[str]] = {}

    def __call__(self, task: Task) -> Prediction:
        self.calls += 1
        self.seen.setdefault(task.name, set()).update(task.obs.index)
        noise = np.random.default_rng(task.seed).normal(0, 0.1, GENES)
        return Prediction(task.means(task.start) + noise, sp.csr_array(task.counts[task.start]), support=0.5)


def test_a_table_holds_models_copies_baselines_ceilings(tmp_path: Path) -> None:
    guess = Guess()
    (table,) = run_protocol({"guess": guess}, [FAMILY], folder=tmp_path, seeds=(0, 1), draws=2)
    names = [r.name for r in table.rows]
    assert names[:2] == ["guess", doubled("guess")]
    for name in ("no change", "mean shift", "kNN over contexts", "ridge", "interpolated duplicate"):
        assert name in names
    assert "additive (known parts)" not in names
    ours = table.row("guess")
    assert len(ours.scores["A"]["mse"]) == 2
    assert ours.scores["A"]["mse"][0] != ours.scores["A"]["mse"][1]
    assert len(table.row("mean shift").scores["A"]["mse"]) == 1
    assert len(table.row("no change").scores["A"]["des"]) == 2
    assert table.mean(table.row("mean shift"), "pearson_delta") > 0.7
    assert guess.calls == 2 * 2 * (1 + 2)


def test_a_predictor_that_draws_nothing_is_run_once_whatever_the_seeds(tmp_path: Path) -> None:
    steady, drawn = Guess(), Guess()
    both = {"steady": steady, "drawn": drawn}
    (table,) = run_protocol(both, [FAMILY], folder=tmp_path, seeds=(0, 1, 2), draws=0, steady=("steady",))
    assert (steady.calls, drawn.calls) == (2, 6)
    assert [len(table.row(name).scores["A"]["support"]) for name in both] == [1, 3]


def test_a_predictor_never_gets_a_hidden_cell(tmp_path: Path) -> None:
    guess = Guess()
    run_protocol({"guess": guess}, [FAMILY], folder=tmp_path, seeds=(0,), draws=1, with_distribution=False)
    for task in build(tmp_path):
        assert len(guess.seen[task.name]) == task.visible.sum()
        assert not guess.seen[task.name] & set(task.obs.index[task.truth])


def test_a_stopped_run_goes_on_where_it_was(tmp_path: Path) -> None:
    store = tmp_path / "rows.jsonl"
    first, second, third = Guess(), Guess(), Guess()

    class StoppedError(Exception):
        pass

    def stop(row: Finished) -> None:
        if row.task == "B":
            raise StoppedError

    arguments = {"folder": tmp_path, "seeds": (0,), "draws": 1}
    with pytest.raises(StoppedError):
        run_protocol({"guess": first}, [FAMILY], store=store, on_task=stop, **arguments)  # type: ignore[arg-type]  # one dict of several types
    with store.open("a", encoding="utf-8") as out:
        out.write('{"key": "cut sho')
    (resumed,) = run_protocol({"guess": second}, [FAMILY], store=store, **arguments)  # type: ignore[arg-type]  # as above
    (whole,) = run_protocol({"guess": third}, [FAMILY], **arguments)  # type: ignore[arg-type]  # as above
    assert 0 < second.calls < third.calls
    for a, b in zip(resumed.rows, whole.rows, strict=True):
        assert (a.name, a.kind) == (b.name, b.kind)
        for task in a.scores:
            for metric, scores in a.scores[task].items():
                np.testing.assert_array_equal(scores, b.scores[task][metric])
    again = Guess()
    run_protocol({"guess": again}, [FAMILY], store=store, **arguments)  # type: ignore[arg-type]  # as above
    assert again.calls == 0


def test_another_fingerprint_is_run_anew(tmp_path: Path) -> None:
    store = tmp_path / "rows.jsonl"
    calls = []
    for mark in ("one", "one", "two"):
        guess = Guess()
        run_protocol(
            {"guess": guess},
            [FAMILY],
            folder=tmp_path,
            seeds=(0,),
            draws=0,
            store=store,
            fingerprints={"guess": mark},
            with_distribution=False,
        )
        calls.append(guess.calls)
    assert calls == [2, 0, 2]


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (Prediction(np.zeros(3)), "40 scored genes"),
        (Prediction(np.full(GENES, np.nan)), "not finite for 40 genes"),
        (Prediction(np.zeros(GENES), sp.csr_array(np.ones((9, 3)))), "cells of 3 genes"),
        (Prediction(np.zeros(GENES), sp.csr_array(np.full((9, GENES), 0.5))), "no counts"),
    ],
)
def test_a_prediction_that_cannot_be_scored_is_refused(made: Prediction, told: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=told):
        run_protocol({"bad": lambda task: made}, [FAMILY], folder=tmp_path, seeds=(0,))


def test_names_and_files_are_checked(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="name of a baseline"):
        run_protocol({"mean shift": Guess()}, [FAMILY], folder=tmp_path)
    absent = Family("absent", "Absent", "", "", ("nowhere.h5ad",), build)
    with pytest.raises(InputError, match="none of the files of absent"):
        run_protocol({}, [absent], folder=tmp_path)
    store = tmp_path / "rows.jsonl"
    store.write_text("not a row\n", encoding="utf-8")
    with pytest.raises(InputError, match="line 1"):
        run_protocol({}, [FAMILY], folder=tmp_path, store=store)
