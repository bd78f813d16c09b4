"""Volumes and blood flows of organs: one built-in table for man and mouse, each number with where it comes from.

It fills in what a scenario leaves out (`organs: {from_table: human}`). Every source begins with how its value is known,
a word of `twin.data.substances.HOW_KNOWN`.

The blood of the reference body goes round like this: from `blood` (the veins, and the whole of the blood where there is
no `arterial blood`) through the lung, which takes all of it, to the organs; from gut, stomach, spleen and pancreas on
to the liver, from all others back. A small share of what an organ gets leaves it as lymph, for the lymph nodes and
through them for the blood. An organ that is not there is a passage without a volume: what would come to it goes on to
where it drains.
"""

import csv
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from twin.data.substances import how_known

TABLE = Path(__file__).parent / "organs.tsv"

DENSITY = 1.05  # g/mL; of soft tissue and blood, recalled from ICRP 89
CARDIAC_OUTPUT: Mapping[str, tuple[float, str]] = {  # mL/h
    "human": (390_000.0, "looked up: ICRP 89, adult male, 6.5 L/min, quoted by Voriconazole-PBPK"),
    "mouse": (877.5, "looked up: Brown 1997, 0.275 BW^0.75 L/min, of 20 g, quoted by Microplastics-PBTK-Mice"),
}
HAEMATOCRIT = 0.45  # 1; recalled
LYMPH_SHARE = 0.002  # 1; of the plasma flow of an organ, Shah and Betts 2012 (looked up in code that quotes it)

BLOOD, ARTERIES, LUNG, LIVER, NODE = "blood", "arterial blood", "lung", "liver", "lymph node"
NO_LYMPH = (NODE, "brain", "spleen", "bone marrow", "bone")  # our choice: little or none is known to leave them
SPELT: Mapping[str, str] = {  # other words for an organ
    "venous blood": BLOOD,
    "plasma": BLOOD,
    "lungs": LUNG,
    "kidneys": "kidney",
    "intestine": "gut",
    "small intestine": "gut",
    "lymph nodes": NODE,
    "marrow": "bone marrow",
    "fat": "adipose",
    "adipose tissue": "adipose",
    "skeletal muscle": "muscle",
}


@dataclass(frozen=True)
class Organ:
    """An organ of a reference body.

    volume : mL, of blood all of it. volume_source : a word of `HOW_KNOWN`, a colon, and where it comes from.
    flow : blood that comes to it from the arteries, mL/h; 0 of blood and its parts. flow_source : as of the volume.
    drains_to : the organ that its venous blood goes to; "" of blood, its parts and the lung.
    """

    name: str
    volume: float
    volume_source: str
    flow: float
    flow_source: str
    drains_to: str


@dataclass(frozen=True)
class Vessel:
    """A flow from one organ to another, mL/h, by "blood" or "lymph"."""

    source: str
    target: str
    flow: float
    kind: str


@cache
def known_organs(species: str) -> Mapping[str, Organ]:
    """Return the organs of a reference body, by name.

    Raises
    ------
    KeyError
        If there is none of this species: `CARDIAC_OUTPUT` names those that there are.
    """
    output, _ = CARDIAC_OUTPUT[species]
    lines = [line for line in TABLE.read_text("utf-8").splitlines() if not line.startswith("#")]
    found = {}
    for row in csv.DictReader(lines, delimiter="\t"):
        if row["species"] != species:
            continue
        share = float(row["flow_percent"]) / 100.0 if row["flow_percent"] else 0.0
        for source in (row["mass_source"], row["flow_source"]):
            assert not source or how_known(source)
        found[row["organ"]] = Organ(
            row["organ"],
            float(f"{float(row['mass_g']) / DENSITY:.12g}"),
            row["mass_source"],
            share * output,
            row["flow_source"],
            row["drains_to"] or "",
        )
    return found


def organ_called(*words: str, species: str) -> Organ | None:
    """Return the organ that the first of these words names which names one, in any spelling of `SPELT`; or None."""
    table = known_organs(species)
    for word in words:
        plain = " ".join(word.replace("_", " ").lower().split())
        name = SPELT.get(plain, plain)
        if name in table:
            return table[name]
    return None


def volumes_of(species: str, there: Collection[str]) -> dict[str, float]:
    """Return the volumes of those organs that are there, mL; the arteries' blood is a part of the whole blood."""
    table = known_organs(species)
    found = {name: table[name].volume for name in there}
    if BLOOD in found and ARTERIES in found:
        found[BLOOD] -= found[ARTERIES]
    return found


def circulation(species: str, there: Collection[str]) -> list[Vessel]:
    """Return the flows between those organs of a reference body that are there; all that comes to one leaves it.

    there : names of `known_organs`, `BLOOD` among them.
    """
    output, _ = CARDIAC_OUTPUT[species]
    vessels: list[Vessel] = []
    supply = BLOOD
    for passed in (LUNG, ARTERIES):
        if passed in there:
            vessels.append(Vessel(supply, passed, output, "blood"))
            supply = passed
    fed = [organ for organ in known_organs(species).values() if organ.drains_to]
    arterial = {organ.name: organ.flow for organ in fed if organ.name in there}
    for organ in fed:
        if organ.name not in there and organ.drains_to in arterial:
            arterial[organ.drains_to] += organ.flow
    comes = dict(arterial)  # mL/h, to which veins and lymph add
    # an organ comes after those that drain into it: what the portal vein takes first, the lymph nodes last
    for organ in sorted(fed, key=lambda o: (o.drains_to == BLOOD, o.name == NODE)):
        if organ.name not in arterial:
            continue
        vessels.append(Vessel(supply, organ.name, arterial[organ.name], "blood"))
        vein, duct, lymph = organ.drains_to if organ.drains_to in arterial else BLOOD, NODE, 0.0
        if organ.name == NODE:
            duct, lymph = BLOOD, comes[NODE] - arterial[NODE]
        elif NODE in arterial and organ.name not in NO_LYMPH:
            lymph = LYMPH_SHARE * (1.0 - HAEMATOCRIT) * comes[organ.name]
        leaves = ((vein, comes[organ.name] - lymph, "blood"), (duct, lymph, "lymph"))
        for target, flow, kind in leaves:
            if flow > 0:
                vessels.append(Vessel(organ.name, target, flow, kind))
                if target in comes:
                    comes[target] += flow
    if supply != BLOOD:
        vessels.append(Vessel(supply, BLOOD, output - sum(arterial.values()), "blood"))
    return vessels
