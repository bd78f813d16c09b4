"""A small culture without transcriptomes: cells divide and die by luck, and a poison kills more of them."""

from pathlib import Path

CULTURE = """\
name: culture
duration: 4 h
tick: 30 min
seed: 5
world_model: {name: none}
compartments:
  dish:
    box: [200 um, 200 um, 40 um]
    spacing: 20 um
    cells:
      source: model
      count: 40
      composition: {tumour: 1}
substances:
  poison: {diffusivity: 100 um^2/s, half_life: 6 h}
cell_types:
  tumour: {cycle entry: 0.2 /h, apoptosis: 0.05 /h}
rules:
  - {cell_type: tumour, signal: poison, response: increases, behaviour: apoptosis, saturation: 0.9 /h, half_max: 5 nM}
processes:
  dosing: {}
  exchange: {}
  diffusion: {}
  rules: {}
  cycle: {model: live, start: mixed}
  death: {}
  volume: {}
observe:
  every: 1 h
  cells_every: 2 h
execution:
  commit_every: 4 h
"""
BRANCHES = """\
branches:
  spelt: {at: 90 min, set: {substances.poison.half_life: 360 min}}
  early: {timeline: [{do: add, at: 1 h, substance: poison, dose: 20 nM}]}
  late: {timeline: [{do: add, at: 150 min, substance: poison, dose: 20 nM}]}
"""
SWEEP = """\
sweep:
  dose: {key: branches.early.timeline.0.dose, values: [2 nM, 20 nM]}
"""


def write_culture(folder: Path, *more: str, name: str = "culture.yaml") -> Path:
    """Write the scenario, with more sections at its end, and return its file."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / name
    file.write_text(CULTURE + "".join(more), encoding="utf-8")
    return file
