"""Competition for a receptor, receptors of which any will do, and what the built-in table fills in."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from twin_signalling import Exposure, Secretion

from twin.conformance.trial import UniformModel, make_scenario, make_view
from twin.kernels.exposure import dose_shift, hill
from twin.process import CONCENTRATION, Rate, Set, View
from twin.scenario.schema import Scenario

FACTOR = {"diffusivity": "30 um^2/s", "decay": "0.1 /h", "molar_mass": "20 kDa"}
FEEL = {"substance": "IFNB1", "perturbation": "IFNB1", "receptor": ["IFNAR1", "IFNAR2"]}


def rivals(**changes: Any) -> Scenario:
    feel = FEEL | {"antagonists": [{"substance": "blocker", "ki": "2 nM"}]} | changes
    return make_scenario(substances={"IFNB1": FACTOR, "blocker": FACTOR}, signalling={"reception": [feel]})


def felt(view: View) -> np.ndarray:
    dose, _ = Exposure(Exposure.Config()).step(view, 0.5)
    assert isinstance(dose, Set)
    return np.asarray(dose.value)[:, 0]


def fields(*amounts: float) -> np.ndarray:
    return np.stack([np.full((3, 4, 5), amount) for amount in amounts])


@given(a=st.floats(1e-6, 1e6), b=st.floats(0, 1e6), k_a=st.floats(1e-3, 1e3), k_b=st.floats(1e-3, 1e3))
def test_the_shifted_dose_has_the_occupancy_of_gaddums_equation(a: float, b: float, k_a: float, k_b: float) -> None:
    """y = (A/K_A) / (1 + A/K_A + B/K_B), Gaddum 1937."""
    shift = dose_shift(np.array([[b]]), np.array([k_b]))
    gaddum = (a / k_a) / (1.0 + a / k_a + b / k_b)
    np.testing.assert_allclose(hill(np.array([a]) / shift, k_a), gaddum, rtol=1e-9)


def test_a_schild_plot_has_the_slope_one_and_meets_the_axis_at_the_constant() -> None:
    """log(dose ratio − 1) against log [B]: slope 1, intercept −log K_B."""
    b = np.logspace(-2, 4, 7)
    ratio = dose_shift(b[:, None], np.array([2.0]))
    slope, intercept = np.polyfit(np.log10(b), np.log10(ratio - 1), 1)
    assert slope == pytest.approx(1.0, rel=1e-9)
    assert 10**-intercept == pytest.approx(2.0, rel=1e-9)


def test_antagonists_at_one_site_add_up_and_none_shifts_nothing() -> None:
    two = dose_shift(np.array([[2.0, 9.0]]), np.array([1.0, 3.0]))
    np.testing.assert_allclose(two, 1 + 2 + 3)
    np.testing.assert_array_equal(dose_shift(np.empty((3, 0)), np.empty(0)), 1.0)


def test_the_dose_is_the_one_that_competition_leaves() -> None:
    view = make_view(rivals(), concentration=fields(3.0, 4.0))
    np.testing.assert_allclose(felt(view), 3.0 / (1 + 4.0 / 2.0))
    by_mass = rivals(antagonists=[{"substance": "blocker", "ki": "40 ng/mL"}])  # of 20 kDa: 2 nM
    np.testing.assert_allclose(felt(make_view(by_mass, concentration=fields(3.0, 4.0))), 1.0)


def test_an_antagonist_that_varies_in_space_acts_where_it_is() -> None:
    c = fields(6.0, 0.0)
    c[1, :, :, 2:] = 2.0
    view = make_view(rivals(), types=(0, 0, 0, 0, 0), concentration=c)
    np.testing.assert_allclose(felt(view), [6.0, 6.0, 3.0, 3.0, 3.0])


def test_an_antagonist_keeps_the_ligand_from_being_taken_up() -> None:
    scenario = rivals(uptake="500 um^3/h")
    config = Secretion.Config()
    assert CONCENTRATION in Secretion.made_for(config, scenario).reads
    assert CONCENTRATION not in Secretion.made_for(config, rivals(uptake="0 um^3/h")).reads
    sinks = []
    for blocker in (0.0, 6.0):
        _, sink = Secretion(config).step(make_view(scenario, concentration=fields(1.0, blocker)), 0.5)
        assert isinstance(sink, Rate)
        sinks.append(sink.value[0].sum())
    assert sinks[0] / sinks[1] == pytest.approx(4.0)


@pytest.mark.parametrize(
    ("antagonist", "told"),
    [
        ({"substance": "blocke", "ki": "2 nM"}, "antagonists[0].substance: no substance is called 'blocke'; did you"),
        ({"substance": "blocker", "ki": "0 nM"}, "antagonists[0].ki: 0 nM is no constant"),
        ({"substance": "blocker", "ki": "5 U/mL"}, "needs the specific activity of blocker"),
        ({"substance": "IFNB1", "ki": "2 nM"}, "'IFNB1' cannot be its own antagonist"),
    ],
)
def test_an_antagonist_that_cannot_be_is_told(antagonist: dict[str, str], told: str) -> None:
    (fault,) = Exposure.check(Exposure.Config(), rivals(antagonists=[antagonist]), UniformModel())
    assert told in fault


def test_of_several_receptors_the_best_counts() -> None:
    """T cells have the first receptor only, monocytes the second, dendritic cells neither."""
    model = UniformModel(
        rates={
            ("T cell", "CD3D"): 0.0,
            ("Monocyte", "IFNAR2"): 0.0,
            ("Dendritic", "IFNAR2"): 0.0,
            ("Dendritic", "CD3D"): 0.0,
        }
    )
    either = {"complexes": ["IFNAR1+IFNAR2", "IFNAR1+CD3D"], "receptor": []}
    scenario = make_scenario(signalling={"reception": [FEEL | either]})
    view = make_view(scenario, model, types=(0, 1, 2, 0, 1), concentration=2.0, clamp={(3, 1): 0.5, (4, 0): 0.25})
    np.testing.assert_allclose(felt(view), [2.0, 2.0, 0.0, 1.0, 0.5])


def test_a_table_substance_has_the_tables_receptors_unless_others_are_written() -> None:
    no_subunit = UniformModel(rates={("T cell", "IFNAR2"): 0.0})
    table = {"IFNB1": {"from_table": "IFNB1"}}
    plain = {"substance": "IFNB1", "perturbation": "IFNB1"}
    for written, expected in (({}, [0.0, 2.0]), ({"receptor": []}, [2.0, 2.0]), ({"receptor": ["IFNAR1"]}, [2.0, 2.0])):
        scenario = make_scenario(substances=table, signalling={"reception": [plain | written]})
        np.testing.assert_allclose(felt(make_view(scenario, no_subunit, types=(0, 1), concentration=2.0)), expected)
    scenario = make_scenario(
        substances={"IL2": {"from_table": "IL2"}}, signalling={"reception": [{"substance": "IL2"}]}
    )
    faults = Exposure.check(Exposure.Config(), scenario, UniformModel())
    assert "lacks genes of every receptor of 'IL2' (IL2RA+IL2RB+IL2RG or IL2RB+IL2RG)" in faults[0]


def test_the_table_fills_in_what_is_not_written_and_nothing_else() -> None:
    given = {"from_table": "IFNB1", "decay": "0.3 /h", "molar_mass": "22 kDa"}
    substance = make_scenario(substances={"IFNB1": given}).substances["IFNB1"]
    assert (substance.decay, substance.half_life, substance.molar_mass) == (0.3, None, 22_000.0)
    assert substance.specific_activity == 2.5e8
    assert substance.diffusivity / 3600 == pytest.approx(31.9, abs=0.3)
    assert set(substance.taken) == {"diffusivity", "specific_activity"}
    with pytest.raises(ValueError, match="no substance of the built-in table is called 'IFNB'; did you mean IFN"):
        make_scenario(substances={"IFNB1": {"from_table": "IFNB"}})
    with pytest.raises(ValueError, match=r"diffusivity\s+Field required"):
        make_scenario(substances={"IFNB1": {"half_life": "5 h"}})
