"""What is known of drugs in the body: one built-in table, each number with where it comes from.

It fills in what a scenario leaves out (`drugs: {dexamethasone: {from_table: dexamethasone}}`) and gives the drug's
substance its mass and its diffusivity in tissue. Sources begin with a word of `twin.data.substances.HOW_KNOWN`; none of
them was read again, so that "recalled" and "our choice" is all there is: check a number before you lean on it.
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from twin.data.substances import HILL, Known, how_known, known_substances, protein_diffusivity

TABLE = Path(__file__).parent / "drugs.tsv"

SPECIES = "human"  # whose values the table has
REFERENCE_WEIGHT = 70.0  # kg; of the adult that the table's clearances and volumes are of
# µm²/s of a molecule of 1 g/mol in water at 37 °C, and the power of its mass: recalled, Avdeef 2010, Adv Drug Deliv Rev
# 62:517, D = 9.9e-5 cm²/s · M^-0.453. Small ions in brain are slowed 2.6 times, Syková and Nicholson 2008, Physiol Rev
# 88:1277; drugs that stick to cells more.
SMALL_FREE, SMALL_POWER, SMALL_HINDRANCE = 9900.0, -0.453, 2.6


@dataclass(frozen=True)
class Absorption:
    """How a drug comes in from a depot.

    bioavailability : share of a dose that reaches plasma at all. rate : 1/h. peak : h, that `rate` was made to give.
    """

    bioavailability: float
    rate: float
    peak: float | None


@dataclass(frozen=True)
class Drug:
    """One drug in the plasma of an adult of `REFERENCE_WEIGHT`; total drug, linear elimination.

    kind : "small molecule", "protein" or "antibody".
    molar_mass : g/mol. specific_activity : U/mg, or None.
    fraction_unbound : in plasma, 0 to 1.
    clearance : L/h. volume : L, central. peripheral, flow : L and L/h of the second compartment, or None.
    is_apparent : clearance and volumes are over an oral bioavailability that nobody knows.
    oral, subcutaneous : None where the table has none.
    half_life : h, terminal; what the other numbers are held against.
    blood_plasma : ratio of concentrations, or None.
    sources : field → how its value is known, a word of `HOW_KNOWN`, a colon, and where it comes from.
    """

    name: str
    kind: str
    molar_mass: float
    specific_activity: float | None
    fraction_unbound: float
    clearance: float
    volume: float
    peripheral: float | None
    flow: float | None
    is_apparent: bool
    oral: Absorption | None
    subcutaneous: Absorption | None
    half_life: float
    blood_plasma: float | None
    sources: Mapping[str, str] = field(repr=False)

    @property
    def diffusivity(self) -> float:
        """How fast it spreads in tissue, µm²/h, by its mass."""
        if self.kind != "small molecule":
            return protein_diffusivity(self.molar_mass)
        return float(SMALL_FREE * self.molar_mass**SMALL_POWER / SMALL_HINDRANCE * 3600.0)

    @property
    def as_substance(self) -> Known:
        """What a scenario's substance takes from it."""
        return Known(
            name=self.name,
            kind="drug",
            genes=(),
            receptors=(),
            molar_mass=self.molar_mass,
            specific_activity=self.specific_activity,
            ec50=None,
            hill=HILL,
            diffusivity=self.diffusivity,
            half_life=None,
            solubility=None,
            sources={
                "molar_mass": self.sources["molar_mass"],
                "specific_activity": self.sources["specific_activity"],
                "diffusivity": "derived: from the mass, slowed by tissue; what sticks to cells is slower",
            },
        )


@cache
def known_drugs() -> Mapping[str, Drug]:
    """Return the table, by name."""
    lines = [line for line in TABLE.read_text("utf-8").splitlines() if not line.startswith("#")]
    found = [_drug({k: v or "" for k, v in row.items()}) for row in csv.DictReader(lines, delimiter="\t")]
    table = {drug.name: drug for drug in found}
    assert len(table) == len(found), "a name stands twice"
    for source in (text for drug in found for text in drug.sources.values() if text):
        how_known(source)  # asserts that the word is there
    return table


@cache
def known_factors() -> Mapping[str, Known]:
    """Return what a substance can take `from_table`: soluble factors, and drugs."""
    drugs = {name: drug.as_substance for name, drug in known_drugs().items()}
    assert not drugs.keys() & known_substances().keys(), "a drug is called as a soluble factor"
    return {**known_substances(), **drugs}


def _number(text: str) -> float | None:
    return float(text) if text else None


def _absorption(row: Mapping[str, str], route: str) -> Absorption | None:
    share, rate = _number(row[f"{route}_bioavailability"]), _number(row[f"{route}_absorption_per_h"])
    assert (share is None) == (rate is None), row["name"]
    return None if share is None or rate is None else Absorption(share, rate, _number(row[f"{route}_peak_h"]))


def _drug(row: Mapping[str, str]) -> Drug:
    return Drug(
        name=row["name"],
        kind=row["kind"],
        molar_mass=float(row["molar_mass"]),
        specific_activity=_number(row["specific_activity"]),
        fraction_unbound=float(row["fraction_unbound"]),
        clearance=float(row["clearance_l_per_h"]),
        volume=float(row["volume_l"]),
        peripheral=_number(row["peripheral_l"]),
        flow=_number(row["flow_l_per_h"]),
        is_apparent=row["apparent"] == "yes",
        oral=_absorption(row, "oral"),
        subcutaneous=_absorption(row, "subcutaneous"),
        half_life=float(row["half_life_h"]),
        blood_plasma=_number(row["blood_plasma"]),
        sources={
            "molar_mass": row["molar_mass_source"],
            "specific_activity": row["specific_activity_source"],
            "fraction_unbound": row["fraction_unbound_source"],
            "clearance": row["disposition_source"],
            "volume": row["disposition_source"],
            "peripheral": row["peripheral_source"],
            "flow": row["flow_source"],
            "oral_bioavailability": row["oral_bioavailability_source"],
            "oral_absorption": row["oral_absorption_source"],
            "subcutaneous_bioavailability": row["subcutaneous_bioavailability_source"],
            "subcutaneous_absorption": row["subcutaneous_absorption_source"],
            "half_life": row["half_life_source"],
            "blood_plasma": row["blood_plasma_source"],
        },
    )
