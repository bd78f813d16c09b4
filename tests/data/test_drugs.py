"""The built-in table of drugs: complete, each number with where it comes from, and consistent with itself."""

import re

import numpy as np
import pytest

from twin.data.drugs import SMALL_FREE, SMALL_POWER, Absorption, Drug, known_drugs, known_factors
from twin.data.substances import how_known, known_substances
from twin.kernels.pharmacokinetics import CENTRAL, ORAL, advance, compartment_rates, half_life

DRUGS = list(known_drugs().values())
ASKED = (
    "dexamethasone methotrexate tofacitinib ruxolitinib baricitinib imatinib dasatinib erlotinib gefitinib trametinib "
    "dabrafenib vemurafenib sunitinib olaparib doxorubicin cisplatin paclitaxel gemcitabine fluorouracil "
    "cyclophosphamide bortezomib panobinostat vorinostat cyclosporine tacrolimus hydroxychloroquine ibuprofen "
    "interferon-beta-1a tocilizumab adalimumab infliximab pembrolizumab carboplatin cobimetinib palbociclib"
)


def test_the_drugs_that_these_tissues_meet_are_there() -> None:
    assert set(ASKED.split()) <= set(known_drugs())


@pytest.mark.parametrize("drug", DRUGS, ids=lambda drug: drug.name)
def test_every_number_has_a_source_and_can_be(drug: Drug) -> None:
    numbers = {
        "molar_mass": drug.molar_mass,
        "specific_activity": drug.specific_activity,
        "fraction_unbound": drug.fraction_unbound,
        "clearance": drug.clearance,
        "volume": drug.volume,
        "peripheral": drug.peripheral,
        "flow": drug.flow,
        "half_life": drug.half_life,
        "blood_plasma": drug.blood_plasma,
    }
    for route in ("oral", "subcutaneous"):
        depot: Absorption | None = getattr(drug, route)
        if depot is not None:
            numbers |= {f"{route}_bioavailability": depot.bioavailability, f"{route}_absorption": depot.rate}
            assert depot.bioavailability <= 1
    assert (drug.peripheral is None) == (drug.flow is None)
    assert drug.fraction_unbound <= 1
    for key, value in numbers.items():
        if value is not None:
            assert value > 0, key
            assert how_known(drug.sources[key]) in ("derived", "recalled", "our choice"), key  # nothing was looked up
            assert drug.sources[key].split(": ", 1)[1], key


@pytest.mark.parametrize("drug", DRUGS, ids=lambda drug: drug.name)
def test_clearance_and_volumes_give_the_half_life_that_is_recalled(drug: Drug) -> None:
    """Within a factor of 1.5 where the numbers are independent, of 1.01 where the flow was derived from it."""
    found = half_life(drug.clearance, drug.volume, drug.peripheral or 0.0, drug.flow or 0.0)
    derived = drug.sources["flow"].startswith("derived: so that the terminal half-life is")
    assert abs(np.log(found / drug.half_life)) < np.log(1.01 if derived else 1.5)


@pytest.mark.parametrize("drug", [d for d in DRUGS if d.oral is not None and d.oral.peak], ids=lambda d: d.name)
def test_absorption_gives_the_peak_that_is_recalled(drug: Drug) -> None:
    assert drug.oral is not None
    assert drug.oral.peak is not None
    rates = compartment_rates(
        drug.clearance, drug.volume, drug.peripheral or 0.0, drug.flow or 0.0, (drug.oral.rate, 0.0)
    )
    hours = np.linspace(0.02, 2.5, 200) * drug.oral.peak
    level = [advance(rates, np.eye(len(rates))[ORAL], float(t))[CENTRAL] for t in hours]
    assert hours[int(np.argmax(level))] == pytest.approx(drug.oral.peak, rel=0.05)


def test_levels_after_usual_doses_are_near_those_of_the_labels() -> None:
    """Peaks recalled of labels, single doses: within a factor of two, as people differ so much."""
    for name, milligrams, nanograms_per_ml in (
        ("ruxolitinib", 25.0, 396.0),  # 1,290 nM after 25 mg
        ("baricitinib", 4.0, 46.0),
        ("imatinib", 400.0, 1900.0),
        ("panobinostat", 20.0, 21.6),
        ("ibuprofen", 400.0, 33_000.0),
    ):
        drug = known_drugs()[name]
        assert drug.oral is not None
        rates = compartment_rates(
            drug.clearance, drug.volume, drug.peripheral or 0.0, drug.flow or 0.0, (drug.oral.rate, 0.0)
        )
        start = np.eye(len(rates))[ORAL] * milligrams * 1e6 * drug.oral.bioavailability  # ng
        peak = max(advance(rates, start, float(t))[CENTRAL] for t in np.geomspace(0.2, 24, 120)) / drug.volume / 1e3
        assert 0.5 < peak / nanograms_per_ml < 2.0, (name, peak)


def test_masses_of_formulas_are_right() -> None:
    """Atomic weights, IUPAC 2021, of the formulas of what is well known."""
    weight = {"C": 12.011, "H": 1.008, "N": 14.007, "O": 15.999, "F": 18.998, "S": 32.06, "Cl": 35.45, "P": 30.974}
    weight |= {"Pt": 195.084, "B": 10.81, "I": 126.904}
    formulas = {
        "dexamethasone": "C22H29FO5",
        "methotrexate": "C20H22N8O5",
        "tofacitinib": "C16H20N6O",
        "ruxolitinib": "C17H18N6",
        "baricitinib": "C16H17N7O2S",
        "imatinib": "C29H31N7O",
        "dasatinib": "C22H26ClN7O2S",
        "erlotinib": "C22H23N3O4",
        "gefitinib": "C22H24ClFN4O3",
        "trametinib": "C26H23FIN5O4",
        "dabrafenib": "C23H20F3N5O2S2",
        "vemurafenib": "C23H18ClF2N3O3S",
        "sunitinib": "C22H27FN4O2",
        "olaparib": "C24H23FN4O3",
        "palbociclib": "C24H29N7O2",
        "cobimetinib": "C21H21F3IN3O2",
        "doxorubicin": "C27H29NO11",
        "cisplatin": "Cl2H6N2Pt",
        "carboplatin": "C6H12N2O4Pt",
        "paclitaxel": "C47H51NO14",
        "gemcitabine": "C9H11F2N3O4",
        "fluorouracil": "C4H3FN2O2",
        "cyclophosphamide": "C7H15Cl2N2O2P",
        "bortezomib": "C19H25BN4O4",
        "panobinostat": "C21H23N3O2",
        "vorinostat": "C14H20N2O3",
        "cyclosporine": "C62H111N11O12",
        "tacrolimus": "C44H69NO12",
        "hydroxychloroquine": "C18H26ClN3O",
        "ibuprofen": "C13H18O2",
    }
    assert set(formulas) == {drug.name for drug in DRUGS if drug.kind == "small molecule"}
    for name, formula in formulas.items():
        atoms = re.findall(r"([A-Z][a-z]?)(\d*)", formula)
        mass = sum(weight[element] * int(count or 1) for element, count in atoms)
        assert known_drugs()[name].molar_mass == pytest.approx(mass, rel=5e-4), name


def test_a_drug_is_a_substance_that_tissue_slows_by_its_size() -> None:
    assert known_factors().keys() == known_substances().keys() | known_drugs().keys()
    dexamethasone = known_factors()["dexamethasone"]
    assert dexamethasone.molar_mass == 392.46
    assert dexamethasone.receptors == ()
    assert dexamethasone.diffusivity / 3600 == pytest.approx(254, abs=1)  # µm²/s
    antibody = known_factors()["adalimumab"].diffusivity / 3600
    assert 10 < antibody < 25  # Stokes and Einstein; IgG in tumours, 10 to 20 µm²/s (recalled, Jain's group)
    glucose_in_water = SMALL_FREE * 180.16**SMALL_POWER
    assert glucose_in_water == pytest.approx(930, rel=0.05)  # µm²/s at 37 °C: 600 at 25 °C (recalled), by T/η
