"""The baselines on the measured files, against numbers that an independent scorer printed."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from twin.analysis.protocol.families import chosen
from twin.analysis.protocol.registry import BASELINES, CEILINGS, Entry
from twin.analysis.protocol.score import Scores, score, split_control
from twin.analysis.protocol.task import Prediction, Task

BY_NAME = {entry.name: entry for entry in BASELINES}

# Family, row, mean Pearson-delta, mean MSE: tables 2 and 5.3 of the reference, printed with these digits.
PRINTED = [
    ("ifnb-types", "mean shift", 0.803, 0.0361),
    ("ifnb-types", "mean shift (by cells)", 0.759, 0.0454),
    ("ifnb-types", "nearest context", 0.849, 0.0206),
    ("ifnb-types", "level blend", 0.811, 0.0352),
    ("ifnb-types", "ridge", 0.867, 0.0205),
    ("ifnb-types", "similarity-weighted shift", 0.872, 0.0178),
    ("ifnb-types", "similarity-weighted level", 0.883, 0.0168),
    ("ifnb-donors", "mean shift", 0.871, 0.0170),
    ("ifnb-donors", "own context's shift, pooled", 0.878, 0.0162),
    ("ifnb-donors", "nearest context", 0.839, 0.0241),
    ("ifnb-donors", "similarity-weighted shift", 0.876, 0.0166),
    ("ifnb-donors", "level blend", 0.911, 0.0130),
    ("ifnb-donors", "own context's treated mean", 0.908, 0.0140),
    ("ifnb-donors", "ridge", 0.882, 0.0154),
    ("panobinostat", "mean shift", 0.564, 0.418),
    ("panobinostat", "nearest context", 0.531, 0.733),
    ("panobinostat", "level blend", 0.587, 0.372),
]
# Table 5.1 and 5.2: task, row, Pearson-delta, MSE.
SINGLE = [
    ("crispr-doubles", "MAP2K3+MAP2K6 (2 known)", "additive (known parts)", 0.726, 0.0005),
    ("crispr-doubles", "MAP2K3+SLC38A2 (2 known)", "additive (known parts)", 0.708, 0.0004),
    ("crispr-doubles", "CNN1+MAPK1 (1 known)", "additive (known parts)", 0.922, 0.0014),
    ("crispr-doubles", "SGK1+TBX3 (1 known)", "additive (known parts)", 0.248, 0.0267),
    ("crispr-doubles", "CNN1+MAPK1 (1 known)", "mean effect of all other perturbations", -0.433, 0.0052),
    ("crispr-doubles", "PTPN12+PTPN9 (0 known)", "mean effect of all other perturbations", 0.850, 0.0072),
    ("crispr-doubles", "ZBTB10+PTPN12 (0 known)", "mean effect of the peers", 0.527, 0.0015),
    ("thp1-knock-outs", "IFNGR1", "mean effect of the peers", 0.827, 0.0267),
    ("thp1-knock-outs", "IFNGR2", "mean effect of the peers", 0.801, 0.0357),
    ("thp1-knock-outs", "STAT1", "mean effect of the peers", 0.732, 0.1230),
    ("thp1-knock-outs", "STAT1", "mean effect of all other perturbations", 0.643, 0.1614),
]


@cache
def tasks(key: str, folder: Path) -> list[Task]:
    (family,) = chosen([key])
    return family.tasks(folder)


def predicted(entry: Entry, task: Task) -> Prediction:
    found = entry.predict(task.blind())
    assert found is not None, (entry.name, task.name)
    return found


@pytest.mark.parametrize(("key", "name", "pearson", "error"), PRINTED)
def test_the_means_are_the_printed_ones(key: str, name: str, pearson: float, error: float, data_folder: Path) -> None:
    rows = [score(task, predicted(BY_NAME[name], task)) for task in tasks(key, data_folder)]
    assert np.mean([r["pearson_delta"] for r in rows]) == pytest.approx(pearson, abs=5.1e-4)
    assert np.mean([r["mse"] for r in rows]) == pytest.approx(error, abs=5.1e-4 if error > 0.1 else 5.1e-5)


@pytest.mark.parametrize(("key", "task", "name", "pearson", "error"), SINGLE)
def test_single_tasks_are_the_printed_ones(
    key: str, task: str, name: str, pearson: float, error: float, data_folder: Path
) -> None:
    (found,) = [t for t in tasks(key, data_folder) if t.name == task]
    row = score(found, predicted(BY_NAME[name], found))
    assert row["pearson_delta"] == pytest.approx(pearson, abs=5.1e-4)
    assert row["mse"] == pytest.approx(error, abs=5.1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("key", "name", "printed"),
    [
        ("ifnb-types", "mean shift", 0.790),
        ("ifnb-types", "similarity-weighted level", 0.860),
        ("ifnb-types", "ridge", 0.851),
        ("ifnb-donors", "ridge", 0.852),
        ("ifnb-donors", "level blend", 0.794),
        ("ifnb-donors", "own context's treated mean", 0.771),
    ],
)
def test_split_control_is_the_printed_one(key: str, name: str, printed: float, data_folder: Path) -> None:
    found = [split_control(t, {"": lambda half: predicted(BY_NAME[name], half)}) for t in tasks(key, data_folder)]
    assert np.mean([row[""]["split_control"] for row in found]) == pytest.approx(printed, abs=5.1e-4)


def test_the_monocytes_are_the_printed_ones(data_folder: Path) -> None:
    (task,) = [t for t in tasks("ifnb-types", data_folder) if t.name == "monocyte"]
    row = score(task, predicted(BY_NAME["similarity-weighted level"], task))
    assert (row["pearson_delta"], row["mse"]) == pytest.approx((0.899, 0.0351), abs=5.1e-4)
    assert score(task, predicted(BY_NAME["no change"], task))["mse"] == pytest.approx(0.1838, abs=5.1e-5)


def test_two_halves_and_the_limit_are_the_printed_ones(data_folder: Path) -> None:
    def mean(name: str, metric: str) -> float:
        rows = [CEILINGS[name](t) for t in tasks("ifnb-types", data_folder)]
        return float(np.mean([row[metric] for row in rows if row is not None]))

    assert mean("two disjoint halves (noise)", "pearson_delta") == pytest.approx(0.864, abs=5.1e-4)
    assert mean("two disjoint halves (noise)", "mse") == pytest.approx(0.0159, abs=5.1e-5)
    assert mean("limit of a noise-free shift", "pearson_delta") == pytest.approx(0.961, abs=5.1e-4)
    assert mean("limit of a noise-free shift", "mse") == pytest.approx(0.0040, abs=5.1e-5)


def test_calibrated_counts_keep_the_pseudobulk_and_call_genes_where_dense_shifts_cannot(data_folder: Path) -> None:
    """Printed for other random numbers: DES 0.485, AUPRC 0.574, MSE 0.0162; here over the three small types."""
    found: list[Scores] = []
    for task in tasks("ifnb-types", data_folder):
        if task.name in ("B", "DC", "NK"):
            found.append(score(task, predicted(BY_NAME["similarity-weighted level, calibrated counts"], task)))
    assert np.mean([r["des"] for r in found]) == pytest.approx(np.mean([0.400, 0.633, 0.562]), abs=0.06)
    assert np.mean([r["auprc"] for r in found]) == pytest.approx(np.mean([0.434, 0.637, 0.522]), abs=0.05)
    assert [r["n_real"] for r in found] == [35, 49, 16]


@pytest.mark.slow
def test_every_family_has_a_baseline_on_all_its_tasks(data_folder: Path) -> None:
    for family in chosen():
        whole = [
            entry.name
            for entry in BASELINES
            if not entry.is_random and all(entry.predict(t.blind()) is not None for t in tasks(family.key, data_folder))
        ]
        assert whole, family.key


def test_names_are_unique_and_told() -> None:
    assert len(BY_NAME) == len(BASELINES)
    assert not set(BY_NAME) & set(CEILINGS)
