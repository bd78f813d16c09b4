"""The built-in table of soluble factors: complete, sane, and each number with where it comes from."""

import numpy as np
import pytest

from twin.data.substances import (
    Known,
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
def test_every_number_has_a_source(known: Known) -> None:
    for key in ("molar_mass", "specific_activity", "ec50", "diffusivity", "half_life", "solubility", "receptors"):
        value = getattr(known, key)
        if value is None or value == ():
            continue
        assert known.sources[key], (known.name, key)
        if key != "receptors":
            assert value > 0, (known.name, key)


@pytest.mark.parametrize("known", PROTEINS, ids=lambda known: known.name)
def test_a_mass_is_that_of_its_chain(known: Known) -> None:
    """A residue weighs 110 g/mol on average (Voet and Voet), 100 to 125 in short chains."""
    text = known.sources["molar_mass"]
    residues = int(text.split(", ")[1].split()[0])
    copies = int(text.split(" × ")[1].split(",")[0]) if " × " in text else 1
    assert 100 < known.molar_mass / (residues * copies) < 125


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
    in_water_at_20 = in_tissue * 2.6 * (0.6913 / 1.002) * (293.15 / 310.15)
    assert 95 < in_water_at_20 < 120
    assert protein_diffusivity(8 * 14_300.0) == pytest.approx(protein_diffusivity(14_300.0) / 2)
    assert np.median([known.diffusivity / 3600 for known in PROTEINS]) == pytest.approx(56, abs=10)
