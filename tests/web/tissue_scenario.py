"""A small culture for the tests of the tissue view: two kinds of cells, and interferon that nobody has added yet."""

from pathlib import Path

CULTURE = """\
name: small-culture
description: Monocytes and T cells in a dish; nothing is done to them yet.
duration: {hours} h
tick: 30 min
seed: 3
compartments:
  dish:
    organ: culture
    box: [80 um, 80 um, 40 um]
    spacing: 10 um
    cells:
      source: model
      count: {cells}
      composition: {{CD14 Mono: 0.5, CD4 Naive T: 0.5}}
      radius: {{default: 4 um, CD14 Mono: 6 um}}
substances:
  IFNB1: {{diffusivity: 100 um^2/s, half_life: 24 h, molar_mass: 20 kDa, specific_activity: 2.5e8 U/mg}}
signalling:
  reception: [{{substance: IFNB1, perturbation: IFNB1, receptor: [IFNAR1, IFNAR2]}}]
processes: {{dosing: {{}}, diffusion: {{}}, exposure: {{}}, transition: {{}}, mechanics: {{}}}}
observe:
  every: 1 h
  genes: [ISG15, IFI6]
  programs: {{interferon: [ISG15, IFI6, ISG20, IFIT1, MX1]}}
"""


def culture(folder: Path, *, cells: int = 80, hours: int = 2) -> Path:
    """Write the scenario, and return its file."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "small_culture.yaml"
    file.write_text(CULTURE.format(cells=cells, hours=hours), "utf-8")
    return file
