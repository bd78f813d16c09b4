"""Every family on the measured files: how many tasks, and that what is hidden is hidden."""

from pathlib import Path

import numpy as np
import pytest

from twin.analysis.protocol import kang
from twin.analysis.protocol.families import FAMILIES, Family, chosen
from twin.analysis.protocol.task import CONTROL
from twin.errors import UnknownNameError

TASKS = {
    "ifnb-types": 7,
    "ifnb-donors": 20,
    "ifnb-cells": 7,
    "crispr-doubles": 11,
    "thp1-knock-outs": 3,
    "jurkat-tcr": 18,
    "panobinostat": 4,
    "lps-course": 1,
    "cardiomyocyte-course": 2,
    "primate-course": 9,
    "worm-course": 11,
    "trem2-microglia": 1,
    "cftr-types": 3,
    "cftr-animals": 6,
    "yeast": 2,
    "dexamethasone-doses": 5,
    "drug-lines": 40,
    "doxorubicin": 6,
}
SEEN_AT_HOME = {"ifnb-donors", "ifnb-cells", "panobinostat", "doxorubicin", "trem2-microglia", "yeast", "cftr-animals"}


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.key)
def test_hidden_cells_are_hidden(family: Family, data_folder: Path) -> None:
    assert not family.missing(data_folder)
    tasks = family.tasks(data_folder)
    assert len(tasks) == TASKS[family.key]
    assert len({t.name for t in tasks}) == len(tasks)
    for task in tasks:
        assert task.truth.any()
        assert not (task.truth & task.visible).any()
        assert (task.start <= task.visible).all()
        assert not set(task.blind().obs.index) & set(task.obs.index[task.truth])
        assert (task.obs["context"][task.truth] == task.target).all()
        assert task.is_asked()[task.truth].all(), "what is asked is what was done to the hidden cells"
        assert (task.obs["condition"][task.start].isin([CONTROL, "LPS"])).all()
        asked_at_home = task.visible & task.is_asked() & (task.column("context") == task.target)
        assert asked_at_home.any() == (family.key in SEEN_AT_HOME), "the whole arm is hidden, or a part of it by design"


def test_no_treated_cell_of_a_left_out_donor_is_visible(data_folder: Path) -> None:
    for task in kang.leave_donor_out(data_folder):
        donor = task.name.split("/")[0]
        assert not (task.visible & (task.column("donor") == donor) & (task.column("condition") == kang.IFNB)).any()
        assert set(task.column("donor")[task.start]) == {donor}


def test_a_left_out_animal_is_not_visible_in_any_type(data_folder: Path) -> None:
    (family,) = chosen(["cftr-animals"])
    for task in family.tasks(data_folder):
        assert task.name.split("/")[0] not in set(task.column("donor")[task.visible])


def test_a_hidden_time_is_hidden_and_both_its_neighbours_are_not(data_folder: Path) -> None:
    for family in chosen(["lps-course", "cardiomyocyte-course", "primate-course", "worm-course"]):
        for task in family.tasks(data_folder):
            times = task.numbers("time")[task.visible & (task.column("context") == task.target)]
            assert task.time not in times
            assert times.min() < task.time < times.max()
            assert (task.numbers("time")[task.start] == times.min()).all()


def test_the_scored_genes_are_the_reference_ones(data_folder: Path) -> None:
    data = kang.cells(data_folder)
    assert data.counts.shape == (3741, 9015)
    assert len(data.scored) == 1000
    assert {"ISG15", "CXCL10", "CCL8"} <= {data.genes[j] for j in data.scored}
    assert len({"cell_type", "context", "donor"} & set(data.obs.columns)) == 3


def test_panels_are_normalised_with_the_whole_transcriptome(data_folder: Path) -> None:
    (family,) = chosen(["crispr-doubles"])
    task = family.tasks(data_folder)[0]
    sums = np.asarray(task.counts.sum(axis=1)).ravel()
    assert (task.totals > 5 * sums).mean() > 0.99
    assert set(task.obs["context"]) == {"K562"}


def test_an_unknown_family_is_told_with_the_nearest_known_one() -> None:
    with pytest.raises(UnknownNameError, match="ifnb-types"):
        chosen(["ifnb-type"])
