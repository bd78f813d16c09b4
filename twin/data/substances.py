"""What is known of soluble factors: one built-in table, each number with where it comes from.

The table turns doses that data name by an activity or a mass into nM, says how strongly a dose acts, and fills in
what a scenario leaves out (`substances: {IL2: {from_table: IL2}}`): diffusivity, half-life, mass, activity, receptors.
Every source begins with how its value is known, a word of `HOW_KNOWN`: most half-effect doses are recalled only.
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from math import pi
from pathlib import Path

from twin.units import Concentration

FOLDER = Path(__file__).parent
PROTEINS, METABOLITES = FOLDER / "substances.tsv", FOLDER / "metabolites.tsv"

HALF_LIFE = 24.0  # h; our choice where nothing was measured: most lose little in a day of medium, but to cells
DEFAULT_EC50_SHARE = 0.1  # EC50 as a share of the trained dose where nothing is known; our choice
HILL = 1.0  # 1; exponent of a dose curve without cooperativity; our choice, not fitted
THERMAL = 1.380649e-23 * 310.15  # J; k_B T at 37 °C, CODATA 2018
VISCOSITY = 0.6913e-3  # Pa s; water at 37 °C, IAPWS 2008
SPHERE = 0.066  # nm/(g/mol)^(1/3); radius of the least sphere of a protein, Erickson 2009, Biol Proced Online 11:32
SHAPE = 1.25  # 1; Stokes radius over that of the sphere, globular proteins 1.2-1.3, Erickson 2009, table 2
# 1; free over effective diffusivity of a protein in tissue: 126 over 27.5 µm²/s of nerve growth factor in rat striatum,
# Stroh et al. 2003, Biophys J 85:581. Of small ions it is 2.6, Syková and Nicholson 2008, Physiol Rev 88:1277.
HINDRANCE = 4.6

HOW_KNOWN: Mapping[str, str] = {
    "looked up": "read in the place that is named",
    "derived": "computed",
    "recalled": "from general knowledge of the source that is named, which was not read again",
    "our choice": "nobody measured it, or what was found disagrees",
}


@dataclass(frozen=True)
class Known:
    """One soluble factor.

    kind : "cytokine", "chemokine", "growth factor" or "metabolite".
    genes : that make it; several where chains of two genes join.
    receptors : complexes, each with its subunits; any one will do. () for a metabolite.
    molar_mass : g/mol, of the form that acts.
    specific_activity : U/mg, or None.
    ec50 : nM, or None.
    hill : exponent of the dose curve.
    diffusivity : µm²/h, in tissue.
    half_life : h in medium; None: does not decay.
    solubility : nM/mmHg of a gas, else None.
    sources : field → how its value is known, a word of `HOW_KNOWN`, a colon, and where it comes from.
    """

    name: str
    kind: str
    genes: tuple[str, ...]
    receptors: tuple[tuple[str, ...], ...]
    molar_mass: float
    specific_activity: float | None
    ec50: float | None
    hill: float
    diffusivity: float
    half_life: float | None
    solubility: float | None
    sources: Mapping[str, str]

    @property
    def source(self) -> str:
        """Say in one sentence what turns its doses into nM, and what half effect is taken to be."""
        parts = [f"{self.molar_mass / 1000:g} kDa ({self.sources['molar_mass']})"]
        if self.specific_activity is not None:
            parts.append(f"{self.specific_activity:.3g} U/mg ({self.sources['specific_activity']})")
        if self.ec50 is not None:
            parts.append(f"EC50 {self.ec50:.3g} nM ({self.sources['ec50']}), Hill exponent {self.hill:g}: our choice")
        return "; ".join(parts)


def how_known(source: str) -> str:
    """Return the word that a source begins with, one of `HOW_KNOWN`."""
    word = source.split(":", 1)[0]
    assert word in HOW_KNOWN, source
    return word


@cache
def known_substances() -> Mapping[str, Known]:
    """Return the table, by name."""
    found = [_protein(row) for row in _rows(PROTEINS)] + [_metabolite(row) for row in _rows(METABOLITES)]
    table = {known.name: known for known in found}
    assert len(table) == len(found), "a name stands twice"
    for source in (text for known in found for text in known.sources.values() if text):
        how_known(source)  # asserts that the word is there
    return table


def known_protein(name: str) -> Known | None:
    """Return what is known of a cytokine, chemokine or growth factor; None where it is not in the table."""
    known = known_substances().get(name)
    return known if known is not None and known.kind != "metabolite" else None


def to_nanomolar(name: str, dose: Concentration) -> float:
    """Return the dose of a named agent in nM.

    Raises
    ------
    ValueError
        If a mass or an activity is given for an agent whose constants are not known.
    """
    known = known_substances().get(name)
    if known is None:
        return dose.to_nanomolar(None, None, name)
    return dose.to_nanomolar(known.molar_mass, known.specific_activity, name, known.solubility)


def protein_diffusivity(molar_mass: float) -> float:
    """Return how fast a globular protein spreads in tissue, µm²/h, by Stokes and Einstein: D = k T/(6 π η r h).

    r = `SHAPE` × `SPHERE` × M^(1/3) is its Stokes radius in nm, η that of water at 37 °C, h the `HINDRANCE` of
    extracellular space. In free medium it is h times faster; factors that stick to matrix are slower. h is that of one
    protein in one tissue; it fits another within 15 %, EGF in rat cortex (recalled).

    molar_mass : g/mol.
    """
    radius = SHAPE * SPHERE * molar_mass ** (1 / 3) * 1e-9  # m
    return float(THERMAL / (6 * pi * VISCOSITY * radius * HINDRANCE) * 1e12 * 3600.0)


def _rows(file: Path) -> list[dict[str, str]]:
    lines = [line for line in file.read_text("utf-8").splitlines() if not line.startswith("#")]
    return [{k: v or "" for k, v in row.items()} for row in csv.DictReader(lines, delimiter="\t")]


def _number(text: str) -> float | None:
    return float(text) if text else None


def _protein(row: Mapping[str, str]) -> Known:
    mass = float(row["mass_kda"]) * 1000.0
    half, nanograms, speed = (_number(row[k]) for k in ("half_life_h", "ec50_ng_per_ml", "diffusivity_um2_per_s"))
    copies = f" × {row['copies']}" if row["copies"] != "1" else ""
    chain = f"recalled as UniProt {row['uniprot']}, {row['residues']} residues{copies}, no sugars"
    derived = f"derived: from the mass by Stokes and Einstein, slowed {HINDRANCE:g} times by tissue"
    return Known(
        name=row["name"],
        kind=row["kind"],
        genes=tuple(row["genes"].split("+")),
        receptors=tuple(tuple(whole.split("+")) for whole in row["receptors"].split("|")),
        molar_mass=mass,
        specific_activity=_number(row["activity_u_per_mg"]),
        ec50=None if nanograms is None else float(f"{nanograms / mass * 1e3:.12g}"),
        hill=HILL,
        diffusivity=protein_diffusivity(mass) if speed is None else speed * 3600.0,
        half_life=HALF_LIFE if half is None else half,
        solubility=None,
        sources={
            "molar_mass": f"{row['mass_source']}; {chain}",
            "specific_activity": row["activity_source"],
            "ec50": row["ec50_source"],
            "diffusivity": derived if speed is None else row["diffusivity_source"],
            "half_life": row["half_life_source"] or "our choice: nothing found",
            "receptors": row["receptors_source"] or "looked up: CellPhoneDB v5",
        },
    )


def _metabolite(row: Mapping[str, str]) -> Known:
    return Known(
        name=row["name"],
        kind="metabolite",
        genes=(),
        receptors=(),
        molar_mass=float(row["mass_da"]),
        specific_activity=None,
        ec50=None,
        hill=HILL,
        diffusivity=float(row["diffusivity_um2_per_s"]) * 3600.0,
        half_life=None,
        solubility=_number(row["solubility_nm_per_mmhg"]),
        sources={
            "molar_mass": row["mass_source"],
            "diffusivity": row["diffusivity_source"],
            "solubility": row["solubility_source"],
        },
    )
