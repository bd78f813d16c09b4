"""Tables: what they mean, what they refuse, and that they can be written and read."""

from pathlib import Path

import numpy as np
import pytest

from twin.analysis.protocol.figure import figure, save
from twin.analysis.protocol.quoted import quoted_rows
from twin.analysis.protocol.render import markdown, text
from twin.analysis.protocol.support import (
    AGAINST,
    BEST,
    NOTHING,
    PLAIN,
    Cases,
    by_other_families,
    calibration,
    reliability,
    support_cases,
)
from twin.analysis.protocol.table import Row, Table, from_json, ordered, to_json
from twin.errors import InputError

NAN = float("nan")


def table() -> Table:
    rows = ordered(
        [
            Row("halves", "ceiling", {"a": {"pearson_delta": (0.95,), "mse": (0.01,)}}),
            Row("mean shift", "baseline", {t: {"pearson_delta": (0.8,), "mse": (0.1,)} for t in "ab"}),
            Row("part only", "baseline", {"a": {"pearson_delta": (0.99,), "mse": (0.001,)}}),
            Row(
                "ours",
                "model",
                {
                    "a": {"pearson_delta": (0.9, 0.8), "mse": (0.05, 0.07), "support": (0.9, 0.9)},
                    "b": {"pearson_delta": (0.7, 0.8), "mse": (0.15, 0.17), "support": (0.2, 0.2)},
                },
            ),
            Row("peer", "quoted", {}, "somewhere, 2024", {"pearson_delta": 0.77, "mse": 0.2}),
        ]
    )
    return Table("toy", "Toy", "one split", "nothing at all", ("a", "b"), {"a": (5, 6), "b": (7, 8)}, rows, ("a note",))


def test_means_worst_and_spread() -> None:
    t = table()
    ours = t.row("ours")
    assert t.mean(ours, "pearson_delta") == pytest.approx(0.8)
    assert t.worst(ours, "pearson_delta") == pytest.approx(0.75)
    assert t.worst(ours, "mse") == pytest.approx(0.16)
    assert t.spread(ours, "mse") == pytest.approx(np.std([0.10, 0.12], ddof=1))
    assert np.isnan(t.spread(t.row("mean shift"), "mse"))
    assert t.mean(t.row("peer"), "mse") == 0.2
    assert t.defined(t.row("part only"), "mse") == 1


def test_the_best_row_must_be_defined_on_all_tasks() -> None:
    best = table().best("mse")
    assert best is not None
    assert best.name == "mean shift"


def test_models_come_first_and_quoted_rows_last() -> None:
    assert [r.name for r in table().rows] == ["ours", "mean shift", "part only", "halves", "peer"]


def test_json_comes_back_the_same() -> None:
    t = table()
    odd = Row("odd", "baseline", {"a": {"mse": (NAN, 0.5)}})
    (back,) = from_json(to_json([Table(**{**t.__dict__, "rows": (*t.rows, odd)})]))
    assert back.rows[:-1] == t.rows
    assert (back.tasks, back.sizes, back.notes, back.limits) == (t.tasks, t.sizes, t.notes, t.limits)
    np.testing.assert_array_equal(back.rows[-1].scores["a"]["mse"], (NAN, 0.5))


@pytest.mark.parametrize("wrong", ["", "[1]", '{"version": 9, "tables": []}', '{"version": 1, "tables": [{}]}'])
def test_what_is_no_table_is_refused(wrong: str) -> None:
    with pytest.raises(InputError):
        from_json(wrong)


@pytest.mark.parametrize("kept", [{"ours"}, {"mean shift"}, {"ours", "halves", "peer"}])
def test_no_number_is_shown_without_its_baselines(kept: set[str]) -> None:
    t = table()
    alone = Table(**{**t.__dict__, "rows": tuple(r for r in t.rows if r.name in kept)})
    for show in (markdown, text, lambda x: to_json([x]), lambda x: figure([x])):
        with pytest.raises(InputError, match="without its baselines"):
            show(alone)


def test_markdown_says_split_limits_sources_and_the_best() -> None:
    shown = markdown(table())
    for piece in ("### Toy", "one split", "nothing at all", "a note", "somewhere, 2024", "0.990 (1)", "**0.1000**"):
        assert piece in shown, piece
    assert "| ours | 0.800 |" in shown.replace("**", "")
    assert "0.1100 ± 0.0141" in shown
    assert "a (5/6)" in shown


def test_text_stands_in_columns() -> None:
    lines = text(table()).splitlines()
    head = next(line for line in lines if line.startswith("predictor"))
    rows = [line for line in lines if line.startswith(("ours", "mean shift"))]
    assert all(len(line) <= len(head) for line in rows)
    assert "0.1000*" in rows[1]


def test_a_figure_is_written_in_the_format_of_its_name(tmp_path: Path) -> None:
    drawn = figure([table(), table()])
    save(drawn, tmp_path / "f.png")
    save(drawn, tmp_path / "f.svg")
    assert (tmp_path / "f.png").read_bytes()[:4] == b"\x89PNG"
    assert "<svg" in (tmp_path / "f.svg").read_text(encoding="utf-8")
    with pytest.raises(InputError, match=r"\.png, \.svg, \.pdf"):
        save(drawn, tmp_path / "f.doc")


def test_support_is_told_against_named_baselines() -> None:
    """Each baseline on the tasks where it is defined: no change on one, the plain mean and the best one on both."""
    still = Row("no change", "baseline", {"b": {"mse": (0.3,)}})
    t = Table(**{**table().__dict__, "rows": (*table().rows, still)})
    found = {name: support_cases([t], "ours", name) for name in AGAINST}
    assert found[NOTHING].names == ("toy: b",)
    assert found[NOTHING].worse.tolist() == [False]
    for name in (PLAIN, BEST):
        np.testing.assert_allclose(found[name].support, [0.9, 0.2])
        assert found[name].worse.tolist() == [False, True]
        assert found[name].auroc == 1.0
    with pytest.raises(InputError, match="no row 'theirs'"):
        support_cases([t], "theirs")


def test_support_is_calibrated_on_other_families_and_its_classes_say_how_often_it_was_right() -> None:
    """Two families that agree: what one teaches orders the other, and a calibrated score keeps its scale."""
    rng = np.random.default_rng(0)
    said = rng.uniform(0.05, 0.95, 4000)
    names = tuple(f"{'xy'[i % 2]}: {i}" for i in range(len(said)))
    cases = Cases(said, rng.uniform(size=len(said)) > said, names)
    curve = calibration(cases)
    assert curve.slope == pytest.approx(1.0, abs=0.1)
    assert curve.intercept == pytest.approx(0.0, abs=0.1)
    np.testing.assert_allclose(by_other_families(cases), said, atol=0.05)
    rows = reliability(cases)
    assert sum(n for _, n, _, _ in rows) == len(said)
    for _, n, mean, true in rows:
        assert abs(mean - true) < 5 * np.sqrt(0.25 / n)
    odd = Cases(said[:3], cases.worse[:3], ("x: 1", "x: 2", "x: 3"))
    assert np.isnan(by_other_families(odd)).all()  # there is no other family


def test_quoted_rows_say_where_they_come_from() -> None:
    rows = quoted_rows("ifnb-types")
    assert {r.name for r in rows} == {"scGen (26 epochs)", "scVI, sampled counts"}
    for row in rows:
        assert "not run here" in row.source
        columns = [[s["pearson_delta"][0] for s in row.scores.values()], [s["mse"][0] for s in row.scores.values()]]
        assert np.mean(columns[0]) == pytest.approx(row.means["pearson_delta"], abs=1e-3)
        assert np.mean(columns[1]) == pytest.approx(row.means["mse"], abs=1e-4)
