"""A planted Hill curve comes back out of a run; what tells none says so."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from twin_viz.plots import dose_response
from twin_viz.plots.dose_axis import dose_axis
from twin_viz.plots.doses import Series, _without_curve

from tests.viz.plots.stores import DOSES, EC50, SLOPE, branches_store, doses_store, without_last_replicate
from twin.analysis.hill import fit_hill
from twin.errors import InputError
from twin.results import Run, open_run


def notes(figure: Figure) -> str:
    return str(figure._supxlabel.get_text()).replace("\n", " ")  # type: ignore[attr-defined]  # Matplotlib's place for it


def legend(axes: Axes) -> str:
    found = axes.get_legend()
    assert found is not None
    return " ".join(text.get_text() for text in found.get_texts())


def told(run: Run) -> tuple[float, float, float, float, float, float]:
    """Return EC50 and slope with their intervals as the legend prints them."""
    words = legend(dose_response(run).axes[0]).replace("[", " ").replace("]", " ").replace(",", " ").split()
    numbers = [float(w) for w in words if w.replace(".", "").isdigit() and w != "50"]
    assert len(numbers) == 6
    return tuple(numbers)  # type: ignore[return-value]  # six of them


def test_the_legend_tells_the_planted_ec50_and_slope(dosed: Run) -> None:
    ec50, low, high, slope, flat, steep = told(dosed)
    assert low < EC50 < high
    assert flat < SLOPE < steep
    assert (ec50, slope) == pytest.approx((EC50, SLOPE), rel=0.1)


def test_points_are_replicates_and_the_trunk_is_what_no_dose_does(dosed: Run) -> None:
    axes = dose_response(dosed).axes[0]
    points = next(line for line in axes.get_lines() if line.get_marker() == "o")
    x, y = (np.asarray(v, dtype=float) for v in points.get_data())
    assert len(x) == (1 + len(DOSES)) * dosed.replicates
    untreated = dosed.readouts["response_by_type"].sel(branch="trunk", time=2.0)[0, :, 0, 0]
    zero = x < min(DOSES) / 1.5
    np.testing.assert_allclose(np.sort(y[zero]), np.sort(untreated))
    labels = [label.get_text() for label in axes.get_xticklabels()]
    assert labels[0] == "0"  # beyond the break
    assert labels[1:] == ["3", "10", "30", "300"]
    assert axes.get_xlabel() == "dose of IFNB1 (U/mL)"


def test_branches_that_differ_in_a_dose_are_doses_too(tmp_path: Path) -> None:
    found = dose_axis(open_run(branches_store(tmp_path / "run")))
    assert found.doses.tolist() == [0.0, *DOSES]
    assert found.branches == ("trunk", *(f"d{dose:g}" for dose in DOSES))
    assert (found.label, found.unit) == ("dose of IFNB1", "U/mL")
    values = xr.DataArray(
        np.arange(10.0).reshape(5, 2), dims=("branch", "replicate"), coords={"branch": [*found.branches]}
    )
    np.testing.assert_array_equal(found.placed(values, None).transpose("dose", "replicate"), values)


def test_of_a_run_that_goes_on_what_is_there_is_drawn(dosed: Run, tmp_path: Path) -> None:
    figure = dose_response(open_run(without_last_replicate(dosed.path, tmp_path / "run")))
    points = next(line for line in figure.axes[0].get_lines() if line.get_marker() == "o")
    assert np.isfinite(np.asarray(points.get_ydata(), dtype=float)).sum() == 2 * (1 + len(DOSES))
    assert "a replicate (2)" in figure._supxlabel.get_text().replace("\n", " ")  # type: ignore[attr-defined]


def test_too_few_doses_tell_no_curve_and_no_number_is_printed(tmp_path: Path) -> None:
    run = open_run(doses_store(tmp_path / "run", 1, (3.0, 30.0)))
    words = legend(dose_response(run).axes[0])
    assert words == "no Hill curve: 3 doses cannot tell the 4 numbers of the curve"


def test_other_readouts_types_and_times_can_be_asked_for(dosed: Run) -> None:
    axes = dose_response(dosed, readout="GENE6", cell_type="monocyte", time="1 h").axes[0]
    assert axes.get_ylabel() == "GENE6: mean expression (counts per 10,000) of monocyte"
    axes = dose_response(dosed, readout="field_mean").axes[0]
    assert axes.get_ylabel() == "mean of a field (nM)"


def swept(tmp_path: Path, key: str, dosed: Run) -> Run:
    """Return the dosed run as if its axis had set another key."""
    whole = dosed.ensemble
    axis = whole.axes[0]
    axes = (replace(axis, coordinates=(replace(axis.coordinates[0], key=key, units="min"),)),)
    shutil.copytree(dosed.path, tmp_path / "run")
    return Run(tmp_path / "run", {**dosed.attrs, "ensemble": replace(whole, axes=axes).record()})


@pytest.mark.parametrize(
    "key", ["branches.treated.set.substances.IFNB1.half_life", "cell_types.B.cell attachment rate"]
)
def test_an_axis_that_is_no_dose_is_taken_only_where_it_is_named(dosed: Run, tmp_path: Path, key: str) -> None:
    run = swept(tmp_path, key, dosed)
    run.scenario["branches"] = {}
    with pytest.raises(InputError, match=r"no doses to compare.*; or name what is swept, with --over: dose"):
        dose_response(run)
    figure = dose_response(run, over="dose", branch="treated")
    assert figure.axes[0].get_xlabel() == f"dose, {key} (min)"
    assert "4 values of dose, a point a replicate" in notes(figure)
    assert "EC50" not in legend(figure.axes[0])


def test_the_reason_for_no_curve_is_said_once() -> None:
    series = [Series(name, np.ones(2), np.ones(2), np.ones(2)) for name in ("a", "b", "c")]
    few, flat, good = (replace(fit_hill(np.ones(2), np.ones(2)), why_not=why) for why in ("few doses", "flat", ""))
    assert _without_curve(series, [few] * 3) == ["no Hill curves: few doses"]
    assert _without_curve(series, [few, good, few]) == ["no Hill curve of a and c: few doses"]
    assert len(_without_curve(series, [few, flat, few])) == 2


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"over": "dsoe"}, "no axis of the sweep is called 'dsoe'; did you mean dose"),
        ({"branch": "treted"}, "did you mean treated"),
        ({"readout": "GENE7"}, "no readout is called 'GENE7'; did you mean GENE6"),
        ({"readout": "gene_mean"}, "gene_mean has several: say which, like 'gene_mean:GENE0'"),
        ({"readout": "gene_mean:GENE9"}, "no gene of gene_mean is called 'GENE9'"),
        ({"readout": "field_mean:IL6"}, "field_mean has no parts"),
        ({"readout": "field_mean", "cell_type": "B cell"}, "is not told by cell type"),
        ({"cell_type": "B cells"}, "did you mean B cell"),
        ({"time": "1.5 h"}, "nothing was observed at 1.5 h; the nearest times: 1 h and 2 h"),
        ({"time": "2"}, "write a number and a unit"),
        ({"point": {"dose": 3.0}}, "the doses are its values"),
        ({"point": {"start": 3.0}}, "no axis of the sweep is called 'start'"),
        ({"compartment": "tisue"}, "did you mean tissue"),
    ],
)
def test_what_is_not_there_is_one_sentence(dosed: Run, options: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        dose_response(dosed, **options)  # type: ignore[arg-type]  # options are of many kinds


def test_a_run_without_doses_has_no_dose_response(plain: Run) -> None:
    with pytest.raises(InputError, match="no doses to compare: give its scenario a sweep"):
        dose_response(plain)
    with pytest.raises(InputError, match="--over dose: the run has no sweep"):
        dose_response(plain, over="dose")
