"""Power curves and donors, drawn from runs with planted answers."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from twin_viz.plots import donors, power

from tests.viz.plots.stores import DOSES
from twin.analysis.contrasts import contrasts_of
from twin.analysis.power import Design, assumed, needed, pilot_of
from twin.errors import InputError
from twin.results import Run

AT = {"dose": DOSES[3]}


def notes(figure: Figure) -> str:
    return str(figure._supxlabel.get_text()).replace("\n", " ")  # type: ignore[attr-defined]  # Matplotlib's place for it


def test_the_curve_is_the_power_of_the_pilot_and_each_replicate_is_a_line(dosed: Run) -> None:
    figure = power(dosed, branch="treated", point={"dose": DOSES[0]}, cell_type="monocyte")
    left, right = figure.axes
    (one,) = contrasts_of(dosed, ["response_by_type:monocyte"], ("treated", "trunk"), point={"dose": DOSES[0]})
    assert len(left.get_lines()) == dosed.replicates
    drawn = sorted(float(np.asarray(line.get_ydata())[1]) for line in left.get_lines())
    np.testing.assert_allclose(drawn, np.sort(one.first))
    pilot = pilot_of(one.first, one.second, "paired")
    legend = right.get_legend()
    assert legend is not None
    assert f"n = {needed(pilot.size, 'paired'):g} for 80%" in legend.get_texts()[0].get_text()
    curve = right.get_lines()[0]
    n, y = (np.asarray(v, dtype=float) for v in curve.get_data())
    assert n[0] == 2
    assert (np.diff(y) > -1e-9).all()
    assert "3 replicates that differ by the luck of their cells alone" in notes(figure)


@pytest.mark.parametrize("design", ["paired", "unpaired"])
def test_the_design_and_a_wanted_effect_count(dosed: Run, design: Design) -> None:
    figure = power(dosed, branch="treated", point=AT, cell_type="monocyte", design=design, effect=0.02, alpha=0.01)
    (one,) = contrasts_of(dosed, ["response_by_type:monocyte"], ("treated", "trunk"), point=AT)
    pilot = assumed(pilot_of(one.first, one.second, design), 0.02)
    legend = figure.axes[1].get_legend()
    assert legend is not None
    assert f"n = {needed(pilot.size, design, alpha=0.01):g} for 80%" in legend.get_texts()[0].get_text()
    assert f"{design} t test, two-sided, at 0.01" in notes(figure)


def test_a_design_that_is_none_is_told(dosed: Run) -> None:
    with pytest.raises(InputError, match="no design is called 'pair'"):
        power(dosed, branch="treated", point=AT, design="pair")


def test_a_run_without_branches_or_programs_is_told_what_it_lacks(plain: Run, dosed: Run) -> None:
    with pytest.raises(InputError, match="the scenario has no branches"):
        power(plain)
    with pytest.raises(InputError, match="which program\\? the run observes none"):
        donors(dosed, branch="treated", point=AT)


def test_donors_stand_beside_measured_ones(dosed: Run, data_folder: Path) -> None:
    """The planted readout stands in for a program; what is measured is drawn from the file."""
    observe = {
        "programs": {"GENE0": ["ISG15", "IFI6", "MX1"]},
        "response": {"program": "GENE0", "perturbation": "IFNB1"},
    }
    run = Run(dosed.path, {**dosed.attrs, "scenario": {**dosed.scenario, "observe": observe}})
    renamed = run.readouts.rename({"gene_mean": "program_score", "gene": "program"})
    renamed = renamed.assign_coords(cell_type=["B", "CD14 Mono"])
    readouts = type(run).readouts
    try:
        type(run).readouts = property(lambda self: renamed.isel(self._place, drop=True))  # type: ignore[method-assign,assignment]
        figure = donors(run, branch="treated", point=AT, measured=data_folder / "kang2018_pbmc_ifnb.h5ad")
    finally:
        type(run).readouts = readouts  # type: ignore[method-assign]
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_xticklabels()] == ["B", "CD14 Mono"]
    points = [line for line in axes.get_lines() if line.get_marker() == "o"]
    assert [len(np.asarray(line.get_xdata())) for line in points[::2]] == [3, 3]
    assert all(len(np.asarray(line.get_xdata())) >= 4 for line in points[1::2])
    assert "standard deviation between simulated donors" in notes(figure).lower()
