"""The built-in table of soluble factors: complete, sane, and each number with where it comes from."""

import re
from collections import Counter

import numpy as np
import pytest

from twin.data.substances import (
    HINDRANCE,
    HOW_KNOWN,
    Known,
    how_known,
    known_protein,
    known_substances,
    protein_diffusivity,
    to_nanomolar,
)
from twin.units import concentration

PROTEINS = [known for known in known_substances().values() if known.kind != "metabolite"]
ASKED = (
    "IFNA2 IFNB1 IFNG IFNL1 IL1B IL2 IL3 IL4 IL5 IL6 IL7 IL10 IL12 IL13 IL15 IL17A IL18 IL21 IL22 IL23 IL33 TNF LTA "
    "TGFB1 CSF1 CSF2 CSF3 EGF FGF2 VEGFA PDGFB HGF IGF1 BMP4 WNT3A CXCL8 CXCL9 CXCL10 CXCL12 CCL2 CCL3 CCL5 CCL19 "
    "CCL21 FASLG TNFSF10 oxygen glucose"
)


def test_the_factors_that_tissues_live_by_are_there() -> None:
    assert set(ASKED.split()) <= set(known_substances())
    assert len(PROTEINS) >= 50


@pytest.mark.parametrize("known", known_substances().values(), ids=lambda known: known.name)
def test_every_number_has_a_source_and_says_how_it_is_known(known: Known) -> None:
    for key in ("molar_mass", "specific_activity", "ec50", "diffusivity", "half_life", "solubility", "receptors"):
        value = getattr(known, key)
        if value is None or value == ():
            continue
        assert how_known(known.sources[key]) in HOW_KNOWN, (known.name, key)
        assert known.sources[key].split(": ", 1)[1], (known.name, key)
        if key != "receptors":
            assert value > 0, (known.name, key)


@pytest.mark.parametrize("known", PROTEINS, ids=lambda known: known.name)
def test_a_mass_is_that_of_its_chain(known: Known) -> None:
    """A residue weighs 110 g/mol on average (Voet and Voet), 100 to 125 in short chains."""
    found = re.search(
        r"recalled as UniProt [\w+]+, (\d+) residues(?: × (\d))?, no sugars$", known.sources["molar_mass"]
    )
    assert found is not None, known.sources["molar_mass"]
    residues, copies = int(found[1]), int(found[2] or 1)
    assert 100 < known.molar_mass / (residues * copies) < 125


def test_no_recalled_number_passes_for_one_that_was_looked_up() -> None:
    """Half-effect doses are recalled but for a few; a half-life that nobody measured is our choice, and 24 h."""
    how = {key: Counter(how_known(p.sources[key]) for p in PROTEINS if p.sources[key]) for key in PROTEINS[0].sources}
    assert how["ec50"]["recalled"] > 3 * how["ec50"]["looked up"]
    assert how["specific_activity"]["looked up"] > 3 * how["specific_activity"]["recalled"]
    assert {p.name for p in PROTEINS if how_known(p.sources["half_life"]) == "looked up"} == {"FGF2", "IFNB1"}
    assert {p.half_life for p in PROTEINS if how_known(p.sources["half_life"]) == "our choice"} == {24.0}
    assert {p.name for p in PROTEINS if how_known(p.sources["diffusivity"]) != "derived"} == {"EGF"}
    with pytest.raises(AssertionError, match="UniProt"):
        how_known("UniProt P01375")


def test_activities_are_those_of_standards_and_labels() -> None:
    """Units over mass of the ampoule or vial that each source names, in mg."""
    for name, units, mass in (
        ("IL1B", 100_000, 1e-3),
        ("IL2", 18e6, 1.1),
        ("IFNG", 2e6, 0.1),
        ("TNF", 40_000, 1e-3),
        ("LTA", 150_000, 1e-3),
        ("CSF3", 10_000, 1e-4),
        ("EGF", 2_000, 2e-3),
        ("FGF2", 1_600, 2e-3),
        ("IFNA2", 63_000, 2.5e-4),
    ):
        known = known_protein(name)
        assert known is not None
        assert known.specific_activity == pytest.approx(units / mass, rel=0.01), name


def test_receptors_and_genes_are_symbols_and_receptors_of_no_two_subunits_are_the_same() -> None:
    for known in PROTEINS:
        for whole in (known.genes, *known.receptors):
            assert all(gene == gene.upper().strip() and gene for gene in whole), known.name
            assert len(set(whole)) == len(whole), known.name
        assert known.receptors, known.name
        assert len(set(known.receptors)) == len(known.receptors), known.name


def test_interferon_beta_is_what_the_shipped_model_was_trained_with() -> None:
    known = known_protein("IFNB1")
    assert known is not None
    assert (known.molar_mass, known.specific_activity, known.hill) == (20_000.0, 2.5e8, 1.0)
    assert known.ec50 == pytest.approx(0.002, rel=1e-12)
    assert known.receptors == (("IFNAR1", "IFNAR2"),)
    assert "our choice" in known.source


def test_doses_by_activity_mass_and_pressure_become_nanomolar() -> None:
    assert to_nanomolar("IFNB1", concentration("100 U/mL")) == pytest.approx(0.02)
    assert to_nanomolar("IL2", concentration("15.4 ng/mL")) == pytest.approx(1.0)
    assert to_nanomolar("oxygen", concentration("38 mmHg")) == pytest.approx(49_400.0)
    with pytest.raises(ValueError, match="molar mass of nobody"):
        to_nanomolar("nobody", concentration("1 ng/mL"))
    assert known_protein("oxygen") is None


def test_a_derived_diffusivity_is_stokes_and_einsteins() -> None:
    """Lysozyme, 14.3 kDa: 106 to 112 µm²/s in water at 20 °C (Brune and Kim 1993, PNAS 90:3835), η 1.002 mPa s."""
    in_tissue = protein_diffusivity(14_300.0) / 3600.0
    in_water_at_20 = in_tissue * HINDRANCE * (0.6913 / 1.002) * (293.15 / 310.15)
    assert 95 < in_water_at_20 < 120
    assert protein_diffusivity(8 * 14_300.0) == pytest.approx(protein_diffusivity(14_300.0) / 2)
    assert np.median([known.diffusivity / 3600 for known in PROTEINS]) == pytest.approx(32, abs=5)


def test_the_formula_is_right_for_factors_that_were_measured() -> None:
    """Nerve growth factor, 26 kDa, at 34 °C: 126 ± 9 µm²/s free, 27.5 ± 2.4 in rat striatum (Stroh et al. 2003).

    The hindrance is taken from these two, the free value is not; epidermal growth factor in rat cortex is independent.
    """
    at_34 = (307.15 / 310.15) * (0.6913 / 0.7340)  # T/η over that at 37 °C, IAPWS 2008
    in_tissue = protein_diffusivity(26_000.0) / 3600.0 * at_34
    assert in_tissue * HINDRANCE == pytest.approx(126, abs=9)
    assert in_tissue == pytest.approx(27.5, abs=2.4)
    growth_factor = known_protein("EGF")
    assert growth_factor is not None
    assert protein_diffusivity(growth_factor.molar_mass) == pytest.approx(growth_factor.diffusivity, rel=0.15)
