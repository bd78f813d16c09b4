"""The response plot shows what the readouts say."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from matplotlib.image import imread
from twin_viz.plots import has_curves, response_figure, response_plot
from twin_viz.source import exposure_start

from tests.viz.fake_run import LENGTH, FakeRun
from twin.analysis.summary import DecayLength
from twin.errors import InputError

LENGTHS = (DecayLength("tissue", "IFN-beta", predicted=100.0, measured=LENGTH),)


class Silent(FakeRun):
    @property
    def readouts(self) -> xr.Dataset:
        return super().readouts * np.nan


def test_each_bin_and_each_type_is_a_line_of_the_readouts() -> None:
    run = FakeRun(5)
    by_distance, by_type, _ = response_figure(run).axes
    data = run.readouts["response_by_distance"].sel(compartment="tissue").isel(replicate=0)
    for line, column in zip(by_distance.get_lines(), data.T.values, strict=False):
        np.testing.assert_allclose(np.asarray(line.get_ydata()), column)
    named = [text.get_text() for text in by_type.get_legend().get_texts()]  # type: ignore[union-attr]  # there is one
    assert named == list(run.readouts["cell_type"].values)


def test_each_type_says_how_many_cells_it_has_at_the_end() -> None:
    class Counted(FakeRun):
        @property
        def readouts(self) -> xr.Dataset:
            data = super().readouts
            return data.assign(n_cells=xr.full_like(data["response_by_type"], 7).where(data["time"] > 3, 1000))

    figure = response_figure(Counted(5, n_replicates=2))
    legend = figure.axes[1].get_legend()
    assert legend is not None
    types = [str(t) for t in Counted(5).readouts["cell_type"].values]
    assert [text.get_text() for text in legend.get_texts()] == [f"{t} (n = 7)" for t in types]
    said = figure._supxlabel.get_text()  # type: ignore[attr-defined]  # Matplotlib's place for it
    assert "Living cells of a type at the end: n" in said.replace("\n", " ")


def test_replicates_become_a_band_that_holds_the_median() -> None:
    axes = response_figure(FakeRun(5, n_replicates=5)).axes[0]
    assert len(axes.collections) == 6  # one band a bin
    edge = np.asarray(axes.collections[0].get_paths()[0].vertices)[:, 1]
    low, high = edge.min(), edge.max()
    assert low <= np.asarray(axes.get_lines()[0].get_ydata()).max() <= high
    assert not response_figure(FakeRun(5)).axes[0].collections


def test_time_beyond_the_assay_is_marked_from_the_exposure_on() -> None:
    run = FakeRun(5)
    assert exposure_start(run) == 2.0
    axes = response_figure(run).axes[0]
    assert any("extrapolated" in text.get_text() for text in axes.texts)
    assert min(patch.get_x() for patch in axes.patches) == 8.0  # type: ignore[attr-defined]  # rectangles
    inside = FakeRun(5, extra={"last_measured_time_h": 100.0})
    assert not response_figure(inside).axes[0].texts


def test_the_fitted_length_runs_through_the_profile_and_the_predicted_one_does_not() -> None:
    axes = response_figure(FakeRun(5), lengths=LENGTHS).axes[2]
    points, fitted, predicted = axes.get_lines()
    x, y = (np.asarray(v, dtype=float) for v in points.get_data())
    for line, close in ((fitted, True), (predicted, False)):
        along, level = (np.asarray(v, dtype=float) for v in line.get_data())
        at_points = np.exp(np.interp(x, along, np.log(level)))
        assert np.allclose(at_points, y, rtol=0.01) == close
    legend = axes.get_legend()
    assert legend is not None
    assert any("100 µm" in text.get_text() for text in legend.get_texts())


def test_a_run_without_readouts_has_no_plot() -> None:
    assert has_curves(FakeRun(5))
    assert not has_curves(Silent(5))
    with pytest.raises(InputError, match="no readout to plot"):
        response_figure(Silent(5))


def test_the_plot_is_written_in_colour(tmp_path: Path) -> None:
    image = np.asarray(imread(response_plot(FakeRun(5), tmp_path / "new" / "response.png", lengths=LENGTHS)))
    assert image.shape[0] > 300
    assert (np.ptp(image[..., :3], axis=-1) > 0.3).mean() > 0.003
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["response.png"]
