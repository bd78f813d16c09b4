"""A tiny scenario of the shipped world model: two cell types, a source at one end, a few hours."""

import json
from pathlib import Path

TINY = {
    "name": "tiny",
    "duration": "3 h",
    "tick": "30 min",
    "seed": 3,
    "compartments": {
        "patch": {
            "box": ["60 um", "40 um", "40 um"],
            "cells": {
                "source": "model",
                "count": 60,
                "composition": {"CD14 Mono": 0.5, "CD4 Naive T": 0.45, "pDC": 0.05},
                "radius": {"default": "4 um", "CD14 Mono": "6 um"},
                "place": {"pDC": {"x": ["0 um", "20 um"]}},
            },
        }
    },
    "substances": {"IFNB1": {"diffusivity": "30 um^2/s", "half_life": "5 h", "molar_mass": "20 kDa"}},
    "signalling": {
        "secretion": [{"substance": "IFNB1", "by": ["pDC"], "rate": "20000 molecules/h"}],
        "reception": [
            {
                "substance": "IFNB1",
                "perturbation": "IFNB1",
                "receptor": ["IFNAR1", "IFNAR2"],
                "uptake": "2e4 um^3/h",
            }
        ],
    },
    "processes": {name: {} for name in ("dosing", "secretion", "diffusion", "exposure", "transition", "mechanics")},
    "observe": {
        "every": "1 h",
        "genes": ["ISG15"],
        "programs": {"interferon": ["ISG15", "IFI6", "IFIT3", "MX1"]},
        "response": {"program": "interferon", "perturbation": "IFNB1"},
        "distance": {"source": "pDC", "edges": ["0 um", "30 um", "100 um"]},
    },
    "execution": {"chunk": 16, "commit_every": "1 h"},
}


def write_tiny(folder: Path) -> Path:
    """Write the scenario and return its file."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "tiny.yaml"
    file.write_text(json.dumps(TINY, indent=1))
    return file
