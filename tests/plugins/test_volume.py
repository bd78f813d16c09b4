"""The volume plugin: cells keep their size, grow to divide, eat, dry up, swell."""

import numpy as np
import pytest
from twin_volume import Volume

from twin.conformance import check_process
from twin.verification.tissue import Tissue

WHOLE = 4 / 3 * np.pi * 8.4127**3  # µm³; PhysiCell's 2494


def volumes(tissue: Tissue) -> np.ndarray:
    return np.asarray(tissue.home.cells.volume)


def test_it_keeps_the_contract() -> None:
    assert check_process(Volume) == []
    assert check_process(Volume, {"flat": "10 h", "types": {"T cell": {"fluid_fraction": 0.6}}}) == []


def test_a_cell_that_nothing_happens_to_keeps_its_size_its_parts_and_its_library() -> None:
    tissue = Tissue(5, {"volume": {}}).run(50)
    np.testing.assert_allclose(volumes(tissue), WHOLE, rtol=1e-9)
    np.testing.assert_allclose(tissue.column("fluid"), 0.75 * WHOLE, rtol=1e-9)
    np.testing.assert_allclose(tissue.column("nuclear_solid"), 135.0, rtol=1e-3)  # PhysiCell's
    np.testing.assert_allclose(tissue.column("cytoplasmic_solid"), 488.5, rtol=1e-3)
    np.testing.assert_allclose(tissue.column("depth"), 1.0)


@pytest.mark.parametrize(("tick", "steps"), [("6 min", 100), ("1 h", 10)])
def test_a_growing_cell_reaches_twice_its_volume_whatever_the_tick(tick: str, steps: int) -> None:
    phases = [{"name": "growing", "duration": "1000 h", "fixed": True, "grows": True, "divides": True}]
    tissue = Tissue(3, {"volume": {}, "cycle": {"phases": phases}}, tick=tick).run(steps)
    nuclear = 135.0 * (2 - np.exp(-0.33 * 10))  # after 10 h
    np.testing.assert_allclose(tissue.column("nuclear_solid"), nuclear, rtol=1e-3)
    np.testing.assert_allclose(volumes(tissue.run(4 * steps)), 2 * WHOLE, rtol=1e-5)


def test_a_daughter_grows_back_its_volume_and_its_library() -> None:
    phases = [{"name": "all", "duration": "10 h", "fixed": True, "divides": True}]
    tissue = Tissue(4, {"volume": {}, "cycle": {"phases": phases}}).run(100)
    assert tissue.home.cells.n == 8
    np.testing.assert_allclose(volumes(tissue), WHOLE / 2, rtol=1e-9)
    np.testing.assert_allclose(tissue.column("depth"), 0.5)
    tissue.run(90)  # the slowest part is made at 0.27 /h
    missing = 0.5 * np.exp(-0.27 * 9)
    assert (np.abs(volumes(tissue) / WHOLE - (1 - missing)) < 0.02).all()
    np.testing.assert_allclose(tissue.column("depth"), 1.0, rtol=0.06)


def test_what_is_added_to_a_radius_is_taken_in_and_digested() -> None:
    tissue = Tissue(2, {"volume": {}}).run(1)
    tissue.home.cells.radius[0] *= 1.5 ** (1 / 3)
    tissue.run(1)
    parts = tissue.column("fluid") + tissue.column("nuclear_solid") + tissue.column("cytoplasmic_solid")
    np.testing.assert_allclose(parts, volumes(tissue), rtol=1e-9)
    assert 1.4 < volumes(tissue)[0] / WHOLE < 1.5
    np.testing.assert_allclose(volumes(tissue.run(600)), WHOLE, rtol=1e-6)
    np.testing.assert_allclose(tissue.column("nuclear_solid"), 135.0, rtol=1e-3)  # none of it became nucleus
    np.testing.assert_allclose(tissue.column("depth"), 1.0, rtol=1e-6)


def test_a_disc_gains_its_own_area_in_the_time_given() -> None:
    phases = [{"name": "grows", "radius": "8.4127 um", "grows": True, "divides": True}]
    tissue = Tissue(1, {"volume": {"flat": "10 h"}, "cycle": {"phases": phases, "inhibited": []}})
    area = np.pi * 8.4127**2
    assert tissue.column("radius") == pytest.approx(8.4127)
    tissue.run(1)  # as large as it divides at: it does at once
    assert tissue.home.cells.n == 2
    tissue.run(1)  # two daughters, each of half the area, gain a whole one in 10 h
    assert tissue.column("disc_area").sum() == pytest.approx(area * (1.01 + 2 * 0.01))
