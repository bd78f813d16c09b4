"""The process `contact`: what cells notice of the cells that touch them, held against sums by hand."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from twin_signalling import ContactSignal, Exposure

from twin.conformance.trial import UniformModel, make_scenario, make_view
from twin.kernels.contacts import contact_areas
from twin.process import Port, Set, View
from twin.scenario.schema import Scenario

# CD3D stands for Delta, ISG15 for Notch: the trial model knows five genes
RATES = {("T cell", "CD3D"): 6.0, ("Monocyte", "CD3D"): 2.0, ("Dendritic", "CD3D"): 0.0}
DELTA = {"ligand": "CD3D", "receptor": ["ISG15"]}


def scenario_of(**changes: Any) -> Scenario:
    return make_scenario(signalling={"contact": [DELTA | changes]})


def signal_of(view: View) -> np.ndarray:
    (update,) = ContactSignal(ContactSignal.Config()).step(view, 0.5)
    assert isinstance(update, Set)
    assert update.port == Port("contact_CD3D", ("cell",), "1")
    return np.asarray(update.value)


def test_each_cell_receives_the_sum_of_what_its_neighbours_show() -> None:
    """Cells in a row, T T M M D D: rates 6 6 2 2 0 0."""
    view = make_view(scenario_of(), UniformModel(rates=RATES))
    np.testing.assert_allclose(signal_of(view), [6, 6 + 2, 6 + 2, 2 + 0, 2 + 0, 0])


def test_a_neighbour_shows_at_most_one_where_the_rate_saturates() -> None:
    view = make_view(scenario_of(half_rate=2.0), UniformModel(rates=RATES))
    np.testing.assert_allclose(signal_of(view), [0.75, 0.75 + 0.5, 0.75 + 0.5, 0.5, 0.5, 0.0])


def test_the_dead_show_and_receive_nothing_and_knocked_out_genes_act_on_both_sides() -> None:
    alive = np.array([True, True, False, True, True, True])
    clamp = {(0, 3): 0.5, (1, 4): 0.0}  # half of the receptor of cell 0, none of the ligand of cell 1
    view = make_view(scenario_of(), UniformModel(rates=RATES), alive=alive, clamp=clamp)
    np.testing.assert_allclose(signal_of(view), [0.0, 6.0, 0.0, 0.0, 2.0, 0.0])
    view = make_view(scenario_of(), UniformModel(rates=RATES), clamp={(0, 3): 0.5})
    assert signal_of(view)[0] == pytest.approx(3.0)


def test_only_the_types_that_show_it_and_the_types_that_have_the_receptor_take_part() -> None:
    model = UniformModel(rates=RATES | {("T cell", "ISG15"): 0.0})
    view = make_view(scenario_of(by=["Monocyte"]), model)
    np.testing.assert_allclose(signal_of(view), [0, 0, 2, 2, 2, 0])
    view = make_view(scenario_of(competence={"Dendritic": 0.25}), UniformModel(rates=RATES))
    np.testing.assert_allclose(signal_of(view)[4], 0.25 * 2)


def test_a_complex_shows_as_much_as_its_scarcest_subunit() -> None:
    scenario = make_scenario(signalling={"contact": [{"ligand": "CD3D+IFNB1"}]})
    model = UniformModel(rates=RATES | {("T cell", "IFNB1"): 1.0, ("Monocyte", "IFNB1"): 5.0})
    (update,) = ContactSignal(ContactSignal.Config()).step(make_view(scenario, model), 0.5)
    assert isinstance(update, Set)
    assert update.port.name == "contact_CD3D_IFNB1"
    np.testing.assert_allclose(update.value, [1, 1 + 2, 1 + 2, 2, 2, 0])


def test_a_neighbour_can_weigh_as_the_area_of_its_contact() -> None:
    position = np.array([[5.0, 20, 15], [11, 20, 15], [18.5, 20, 15]])  # 6 and 7.5 µm apart, radius 4
    view = make_view(scenario_of(weigh="area"), UniformModel(rates=RATES), types=(0, 0, 1), position=position)
    near, far = np.pi * (16 - 9), np.pi * (16 - 3.75**2)
    np.testing.assert_allclose(signal_of(view), [6 * near, 6 * near + 2 * far, 6 * far])


def test_lateral_inhibition_leaves_every_other_cell_of_a_ring_with_the_ligand() -> None:
    """Collier et al. 1996: a cell's Delta falls with what it receives. A ring of six, one slightly ahead.

    Here the ligand's rate is clamped to what the signal leaves of it, tick by tick; the fixed point alternates.
    """
    n, scenario = 6, scenario_of()
    around = np.arange(n)
    ring = sp.csr_array(
        (np.ones(2 * n), (np.r_[around, around], np.r_[(around + 1) % n, (around - 1) % n])), shape=(n, n)
    )
    delta = np.full(n, 0.5)
    delta[0] = 0.51
    for _ in range(60):
        clamp = {(i, 4): float(delta[i]) for i in range(n)}
        model = UniformModel(rates={("T cell", "CD3D"): 1.0})
        view = replace(make_view(scenario, model, types=(0,) * n, clamp=clamp), contacts=ring)
        received = signal_of(view) / 2
        np.testing.assert_allclose(received, (np.roll(delta, 1) + np.roll(delta, -1)) / 2, rtol=1e-12)
        delta += 0.3 * (1 / (1 + 100 * received**2) - delta)
    assert (delta[::2] > 0.9).all()
    assert (delta[1::2] < 0.05).all()


def test_a_signal_that_names_a_perturbation_becomes_its_dose() -> None:
    felt = {"perturbation": "IFNB1", "dose": "100 U/mL"}  # 0.02 nM
    feel = {"substance": "IFNB1", "perturbation": "IFNB1", "receptor": []}
    scenario = make_scenario(signalling={"contact": [DELTA | felt], "reception": [feel]})
    assert Port("contact_CD3D", ("cell",), "1") in Exposure.made_for(Exposure.Config(), scenario).reads
    view = make_view(scenario, UniformModel(rates=RATES), concentration=0.5, extra={"contact_CD3D": np.arange(6.0)})
    dose, since = Exposure(Exposure.Config()).step(view, 0.5)
    assert isinstance(dose, Set)
    assert isinstance(since, Set)
    np.testing.assert_allclose(dose.value[:, 0], 0.5 + 0.02 * np.arange(6))
    assert (since.value[:, 0] == 0.5).all()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"ligand": "DLL1"}, "signalling.contact[0].ligand: no gene of the world model is called 'DLL1'"),
        ({"receptor": ["NOTCH1"]}, "contact[0].receptor: no gene of the world model is called 'NOTCH1'"),
        ({"receptor": [], "complexes": ["NOTCH1", "NOTCH2+X"]}, "every receptor of 'CD3D' (NOTCH1 or NOTCH2+X)"),
        ({"perturbation": "IFNG", "dose": "1 nM"}, "no perturbation of the world model is called 'IFNG'"),
        ({"perturbation": "XYZ", "dose": "1 ng/mL"}, "contact[0].dose: '1 ng/mL' needs the molar mass of XYZ"),
    ],
)
def test_a_contact_signal_that_cannot_be_is_told(change: dict[str, Any], told: str) -> None:
    faults = ContactSignal.check(ContactSignal.Config(), scenario_of(**change), UniformModel())
    assert any(told in fault for fault in faults), faults


@pytest.mark.parametrize(
    ("contact", "told"),
    [
        ([DELTA, DELTA], "two contact signals would be the column contact_CD3D"),
        ([DELTA | {"perturbation": "IFNB1"}], "perturbation and dose go together"),
        ([DELTA | {"complexes": ["ISG15"]}], "give receptor or complexes, not both"),
    ],
)
def test_a_document_of_contact_signals_is_checked(contact: list[dict[str, Any]], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        make_scenario(signalling={"contact": contact})


def test_the_area_of_a_contact_is_that_of_the_disc_where_two_spheres_meet() -> None:
    """Spheres of 5 and 4 µm, 3 apart: the plane of the circle goes through the smaller's centre, so its radius is 4."""
    position = np.array([[0.0, 0, 0], [3, 0, 0], [100, 0, 0], [100.5, 0, 0], [200, 0, 0], [210.05, 0, 0]])
    radius = np.array([5.0, 4.0, 5.0, 1.0, 5.0, 5.0])
    rows, columns = np.array([0, 1, 2, 3, 4, 5]), np.array([1, 0, 3, 2, 5, 4])
    touching = sp.csr_array((np.ones(6), (rows, columns)), shape=(6, 6))
    areas = contact_areas(position, radius, touching)
    assert areas.nnz == 6
    np.testing.assert_allclose(areas.data, np.pi * np.array([16.0, 16.0, 1.0, 1.0, 0.0, 0.0]))
    np.testing.assert_allclose((areas - areas.T).toarray(), 0.0)
