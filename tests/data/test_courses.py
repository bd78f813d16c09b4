"""A file of several times and one treatment is a course from its earliest cells."""

import math
from pathlib import Path

import numpy as np
import pytest

from tests.data.made import cells
from twin.data.counts import read_counts
from twin.data.courses import MOST_TIMES
from twin.data.experiment import assemble


def test_later_control_cells_are_arms_that_count_from_the_earliest() -> None:
    e = assemble([cells(30, source="days.h5ad", time=[2] * 10 + [5] * 10 + [9] * 10, time_unit="d", tissue="heart")])
    assert [(a.name, a.time, a.agents[0].kind) for a in e.arms] == [
        ("course: days", 72.0, "course"),
        ("course: days", 168.0, "course"),
    ]
    assert all(math.isnan(arm.since) for arm in e.arms)
    assert [int((e.arm == i).sum()) for i in (-1, 0, 1)] == [10, 10, 10]
    assert e.contexts[0].cell_type == "T"
    assert "days.h5ad: course of 3 times; cells at 48 h are the reference" in e.notes


def test_types_that_come_and_go_are_one_context_of_the_tissue() -> None:
    types = ["stem"] * 10 + ["heart cell"] * 20
    e = assemble([cells(30, cell_type=types, time=[0] * 10 + [5] * 10 + [9] * 10, time_unit="d", tissue="heart")])
    assert [c.name for c in e.contexts] == ["course heart"]


def test_an_exposure_without_untreated_cells_keeps_its_agent_and_its_time() -> None:
    data = cells(15, condition="LPS", dose=100, dose_unit="ng/mL", time=[1] * 5 + [2] * 5 + [6] * 5, time_unit="h")
    e = assemble([data])
    assert [(a.name, a.time, a.since) for a in e.arms] == [("LPS", 2.0, 1.0), ("LPS", 6.0, 1.0)]
    assert int((e.arm < 0).sum()) == 5


def test_one_time_is_no_course_and_controls_of_treated_cells_are_controls_at_any_time() -> None:
    assert assemble([cells(10, time=18, time_unit="d post coitum")]).arms == ()
    mixed = cells(20, condition=["control"] * 10 + ["IFNB1"] * 10, time=[1, 6] * 10, time_unit="h")
    e = assemble([mixed])
    assert [(a.name, a.time) for a in e.arms] == [("IFNB1", 1.0), ("IFNB1", 6.0)]
    assert int((e.arm < 0).sum()) == 10


def test_times_without_a_unit_are_not_used_and_that_is_said() -> None:
    e = assemble([cells(10, time=[1, 2] * 5)])
    assert e.arms == ()
    assert e.notes == ("made.h5ad: the times of 10 cells have no unit of time and are not used",)


def test_cells_of_no_known_time_are_left_out_of_a_course() -> None:
    e = assemble([cells(20, time=[0.0] * 5 + [1.0] * 5 + [np.nan] * 10, time_unit="d")])
    assert e.n_cells == 10
    assert any("10 cells of the course have no known time" in note for note in e.notes)


def test_many_times_are_binned_by_quantiles() -> None:
    e = assemble([cells(400, time=np.arange(400), time_unit="min of development")])
    assert len(e.arms) == MOST_TIMES - 1
    sizes = np.bincount(e.arm + 1)
    assert sizes.min() >= 60
    assert [a.time for a in e.arms] == sorted(a.time for a in e.arms)


@pytest.mark.parametrize(
    ("file", "hours", "contexts"),
    [
        ("ipsc_cardiomyocyte_timecourse", [144.0, 720.0, 1440.0], ["course heart (iPSC-derived)"]),
        ("shalek2014_mouse_bmdc_lps_timecourse", [2.0, 6.0], ["bone-marrow-derived dendritic cell"]),
        ("mouse_heart_e18_10x", [], None),
    ],
)
def test_measured_courses_are_read(
    data_folder: Path, file: str, hours: list[float], contexts: list[str] | None
) -> None:
    e = assemble([read_counts(data_folder / f"{file}.h5ad")])
    assert [arm.time for arm in e.arms] == hours
    if contexts is not None:
        assert [context.name for context in e.contexts] == contexts


def test_the_worm_embryo_has_at_most_six_times(data_folder: Path) -> None:
    e = assemble([read_counts(data_folder / "packer2019_worm_embryo_neurons.h5ad")])
    assert len({arm.time for arm in e.arms}) == MOST_TIMES - 1
    assert np.bincount(e.arm + 1).min() > 100
    assert (e.depth > np.asarray(e.counts.sum(axis=1)).ravel()).any()  # whole-transcriptome totals beside 10,000 genes
