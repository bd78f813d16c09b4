"""The plot `exposure`: levels, doses and numbers that are planted, told by what is drawn."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from twin_viz import palette
from twin_viz.plots import exposure

from tests.viz.plots.stores import body_of, cells_of
from twin.errors import InputError, UnknownNameError
from twin.results import Ensemble, Run, Trajectory, TrajectoryWriter, create_run, open_run
from twin.results.layout import Readout, ReadoutLayout

HOURS = np.arange(0.0, 11.0)
KE, FU, PEAK = 0.3, 0.25, 80.0
LAYOUT = ReadoutLayout(
    times=HOURS,
    coords={
        "compartment": ["tissue"],
        "cell_type": ["B cell", "monocyte"],
        "drug": ["aspirin", "other"],
        "substance": ["asa"],
    },
    variables=(
        Readout("n_cells", ("compartment", "cell_type"), "1", "number of living cells"),
        Readout("plasma", ("drug",), "nM", "total drug in plasma"),
        Readout("plasma_free", ("drug",), "nM", "free drug in plasma"),
        Readout("drug_given", ("drug",), "nmol", "drug given since the run began"),
        Readout("concentration_mean", ("compartment", "substance"), "nM", "mean concentration"),
    ),
)
DOSES = {"trunk": (), "once": (2.0,), "thrice": (2.0, 5.0, 8.0)}


def plasma(branch: str, hour: float) -> float:
    """Total drug at a readout; a dose is seen at the next one."""
    return float(sum(PEAK * np.exp(-KE * (hour - t)) for t in DOSES[branch] if hour > t))


@pytest.fixture(scope="module")
def dosed(tmp_path_factory: pytest.TempPathFactory) -> Run:
    path = tmp_path_factory.mktemp("drugs") / "run"
    trajectories = tuple(
        Trajectory(f"{branch}-{r}", branch, (), r, None, 0, ((b, r),)) for b, branch in enumerate(DOSES) for r in (0, 1)
    )
    scenario = {"name": "planted", "drugs": {"aspirin": {"substance": "asa"}, "other": {}}}
    attributes = {"seed": 1, "tick": 1.0, "n_ticks": 10, "scenario": scenario}
    create_run(path, attributes, LAYOUT, Ensemble(tuple(DOSES), (), 2, trajectories), ("tissue",))
    for trajectory in open_run(path).trajectories:
        at = TrajectoryWriter(path, trajectory, (), ("IFNB1",), (), 1.0)
        part = cells_of(4, (3,), genes=0)
        for tick, hour in enumerate(HOURS):
            level = plasma(trajectory.branch, float(hour))
            given = sum(t < hour for t in DOSES[trajectory.branch])
            at.readouts(
                tick,
                {
                    "n_cells": np.array([[2.0, 2.0]]),
                    "plasma": np.array([level, 0.0]),
                    "plasma_free": np.array([FU * level, 0.0]),
                    "drug_given": np.array([100.0 * given, 0.0]),
                    "concentration_mean": np.array([[0.9 * FU * level]]),
                },
            )
        at.frame(body_of(part, 10))
        at.commit(body_of(part, 10))
    return open_run(path)


@pytest.fixture(scope="module")
def figure(dosed: Run) -> Figure:
    return exposure(dosed)


def words(figure: Figure) -> str:
    note = getattr(figure, "_supxlabel")  # noqa: B009
    return " ".join(str(note.get_text()).split())


def test_levels_of_every_future_are_drawn(figure: Figure) -> None:
    total, free, response = figure.axes
    drawn = [np.asarray(line.get_ydata(), dtype=np.float64) for line in total.lines]
    for line, branch in zip(drawn, DOSES, strict=True):
        np.testing.assert_allclose(line, [plasma(branch, float(h)) for h in HOURS])
    thin, thick = (np.asarray(line.get_ydata(), dtype=np.float64) for line in free.lines[2:4])
    np.testing.assert_allclose(thin, FU * drawn[1])
    np.testing.assert_allclose(thick, 0.9 * thin)
    assert len(response.lines) == len(DOSES)
    assert [axes.get_title(loc="left") for axes in (total, response)] == ["in plasma", "what the cells make of it"]


def test_doses_are_marked_at_the_readout_before_they_show(figure: Figure) -> None:
    total = figure.axes[0]
    marks = [np.asarray(c.get_offsets())[:, 0].tolist() for c in total.collections]
    assert marks == [[2.0], [2.0, 5.0, 8.0]]
    assert total.get_ylim()[0] < 0  # below the lines
    assert min(total.get_yticks()) == 0


def test_the_numbers_below_are_those_of_the_course(figure: Figure) -> None:
    told = words(figure)
    peak = FU * PEAK * np.exp(-KE)
    assert f"Once: C_max {peak:.3g} nM after 1 h" in told
    assert f"t½ {np.log(2) / KE:.3g} h" in told
    assert "Thrice: C_max" in told
    assert "Trunk" not in told
    assert "2 replicates" in told


def test_another_drug_is_asked_for_by_its_name(dosed: Run) -> None:
    figure = exposure(dosed, drug="other")
    assert not np.asarray(figure.axes[0].lines[0].get_ydata()).any()
    assert len(figure.axes[1].lines) == len(DOSES)  # it has no field
    assert "doses: none" in words(figure)
    with pytest.raises(UnknownNameError, match=r"no drug of this run is called 'aspirn'; did you mean aspirin\?"):
        exposure(dosed, drug="aspirn")


def test_futures_keep_their_colours(figure: Figure) -> None:
    colors = [line.get_color() for line in figure.axes[0].lines]
    assert colors == list(palette.CATEGORIES[:3])


def test_a_run_without_drugs_says_what_it_needs(plain: Run) -> None:
    with pytest.raises(InputError, match="follows no drug through a body: it needs drugs and the process"):
        exposure(plain)


def test_the_command_draws_it(dosed: Run, tmp_path: Path) -> None:
    from tests.viz.plots.test_plot_command import twin_plot

    out = tmp_path / "exposure.svg"
    assert twin_plot(dosed.path, "exposure", "--drug", "aspirin", "--out", out).split() == [str(out)]
    assert out.read_bytes().startswith(b"<?xml")
