"""Documents of built tissues, small ones, and what they become."""

from typing import Any

import numpy as np

from twin.anatomy.build import BuiltCells, anatomy_of, box_for, build
from twin.anatomy.parts import Anatomy
from twin.kernels.random import Streams
from twin.scenario.builders import BUILDERS, Built

ONE_OF_EACH: dict[str, dict[str, Any]] = {
    "spheroid": {"diameter": "140 um", "cells": {"tumour": 0.8, "fibroblast": 0.2}},
    "cyst": {"lumen": "60 um", "cells": "luminal", "outer": {"cells": "myoepithelial"}},
    "crypt_villus": {"crypts": 2, "lumen": "60 um", "crypt_depth": "80 um"},
    "cortical_layers": {"width": ["80 um", "60 um"]},
    "monolayer": {"width": ["200 um", "120 um"], "cells": {"a": 0.7, "b": 0.3}},
    "vessel_slab": {"size": ["160 um", "60 um", "140 um"], "cells": "tumour", "pericytes": {"cells": "pericyte"}},
    "lymphoid_patch": {"follicles": 1, "follicle_diameter": "90 um", "centre_diameter": "50 um"},
}


def document(source: str, **changes: Any) -> Built:
    """Return the checked document of a builder; changes go before the small defaults above, `...` takes one away."""
    given = {"source": source, **ONE_OF_EACH[source], **changes}
    return BUILDERS[source].model_validate({k: v for k, v in given.items() if v is not ...})


def built(cells: Built, seed: int = 1, spacing: float = 10.0) -> tuple[Anatomy, BuiltCells, np.ndarray]:
    """Return the anatomy of a document, its cells in the box that it asks for, and the edges of that."""
    box = box_for(cells, spacing)
    anatomy = anatomy_of(cells, box)
    return anatomy, build(anatomy, box, anatomy.types, "tissue", Streams(seed, 0, 0)), np.array(box)


def niches_of(anatomy: Anatomy, cells: BuiltCells) -> np.ndarray:
    """Return the niche of each cell, (cell,) names."""
    per_body = 1 + len(anatomy.niches)
    return np.array(anatomy.niches)[(cells.group - 1) % per_body - 1]


def types_of(anatomy: Anatomy, cells: BuiltCells) -> np.ndarray:
    """Return the type of each cell, (cell,) names."""
    return np.array(anatomy.types)[cells.code]
