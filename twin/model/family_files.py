"""Effect families in a checkpoint: arms and indices as JSON, fitted processes as tensors."""

from collections.abc import Mapping, Sequence
from dataclasses import fields

import numpy as np
import scipy.sparse as sp
import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor

from twin.data.arms import Agent, Arm
from twin.model.effects import EffectFamily
from twin.model.kriging import LEVEL, RATE, Fit
from twin.model.likeness import NO_FEATURES, Features, Likeness
from twin.model.trials import KINDS, NO_TRIALS, Trials


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")


class _Agent(_Document):
    name: str
    kind: str
    dose: float
    dose_text: str


class _Arm(_Document):
    agents: tuple[_Agent, ...]
    time: float
    since: float


class FamilyDocument(_Document):
    """What of a family is words and small numbers."""

    contexts: tuple[int, ...]
    arms: tuple[_Arm, ...]
    row_context: tuple[int, ...]
    row_arm: tuple[int, ...]
    own: float
    feature: float
    mean: float
    together: float
    sample: float = 0.0  # this and what follows: as in a checkpoint of before
    dose: float = 0.5
    background: tuple[str, ...] = ()
    beside: float = 1.0
    n_genes: int
    n_similar: int
    has_rate: bool
    n_trial_genes: int = 0  # 0: nothing was left out (a checkpoint of before)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shape that each tensor has to have."""
        rows, units = len(self.row_arm), len(self.contexts)
        shapes: dict[str, tuple[int, ...]] = {
            "genes": (self.n_genes,),
            "profiles": (units, self.n_similar),
            "similar": (self.n_similar,),
            "phi": (self.n_genes,),
            "near": (units, units),
            "precision": (rows, rows),
        }
        for scale in ("level", "rate") if self.has_rate else ("level",):
            shapes |= {f"{scale}.centre": (self.n_genes,), f"{scale}.weight": (rows, self.n_genes)}
        if self.n_trial_genes:
            shapes |= {f"trials.{key}": (KINDS, rows) for key in ("along", "size", "rest", "open")}
            shapes |= {"trials.noise": (rows,), "trials.weight": (rows, self.n_trial_genes)}
        return shapes


def family_document(family: EffectFamily) -> FamilyDocument:
    """Return a family's words."""
    return FamilyDocument(
        contexts=family.contexts,
        arms=tuple(
            _Arm(agents=tuple(_Agent(**vars(a)) for a in arm.agents), time=arm.time, since=arm.since)
            for arm in family.arms
        ),
        row_context=tuple(family.row_context.tolist()),
        row_arm=tuple(family.row_arm.tolist()),
        **vars(family.likeness),
        n_genes=len(family.genes),
        n_similar=len(family.similar),
        has_rate=family.rate is not None,
        n_trial_genes=family.trials.weight.shape[1] if len(family.trials.noise) else 0,
    )


def family_tensors(family: EffectFamily) -> dict[str, Tensor]:
    """Return a family's arrays: large ones in 16 bit, weights scaled gene by gene so that they fit."""
    tensors = {
        "genes": torch.from_numpy(family.genes.astype(np.int32)),
        "profiles": torch.from_numpy(family.profiles).half(),
        "similar": torch.from_numpy(family.similar.astype(np.int32)),
        "phi": torch.from_numpy(family.phi).half(),
        "near": torch.from_numpy(family.near).float(),
        "precision": torch.from_numpy(family.precision).float(),
    }
    for scale, process in (("level", family.level), ("rate", family.rate)):
        if process is not None:
            tensors[f"{scale}.centre"] = torch.from_numpy(process.centre).half()
            tensors[f"{scale}.weight"] = torch.from_numpy(process.weight).half()
    if len(family.trials.noise):
        tensors |= {
            f"trials.{key}": torch.from_numpy(value).float().contiguous() for key, value in vars(family.trials).items()
        }
    return tensors


def family_of(document: FamilyDocument, tensors: Mapping[str, Tensor]) -> EffectFamily:
    """Return the family that words and tensors describe."""

    def array(key: str) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        return np.asarray(tensors[key].numpy(), dtype=np.float64)

    def process(scale: str) -> Fit:
        settings = LEVEL if scale == "level" else RATE
        nothing = np.zeros((0, document.n_genes))
        return Fit(settings, array(f"{scale}.centre"), array(f"{scale}.weight"), nothing, np.zeros(document.n_genes))

    return EffectFamily(
        tensors["genes"].numpy().astype(np.intp),
        document.contexts,
        array("profiles"),
        tensors["similar"].numpy().astype(np.intp),
        tuple(Arm(tuple(Agent(**a.model_dump()) for a in arm.agents), arm.time, arm.since) for arm in document.arms),
        np.array(document.row_context, dtype=np.intp),
        np.array(document.row_arm, dtype=np.intp),
        Likeness(**{f.name: getattr(document, f.name) for f in fields(Likeness)}),
        array("phi"),
        process("level"),
        process("rate") if document.has_rate else None,
        array("near"),
        array("precision"),
        Trials(*(array(f"trials.{f.name}") for f in fields(Trials))) if document.n_trial_genes else NO_TRIALS,
    )


def features_tensors(features: Features) -> dict[str, Tensor]:
    """Return feature vectors as the three arrays of a CSR matrix."""
    if not features.names:
        return {}
    vectors = features.vectors
    return {
        "features.indptr": torch.from_numpy(vectors.indptr.astype(np.int32)),
        "features.indices": torch.from_numpy(vectors.indices.astype(np.int32)),
        "features.data": torch.from_numpy(vectors.data.astype(np.float32)),
        "features.width": torch.tensor([vectors.shape[1]], dtype=torch.int32),
    }


def features_of(names: Sequence[str], tensors: Mapping[str, Tensor]) -> Features:
    """Return the feature vectors of these names."""
    if not names or "features.data" not in tensors:
        return NO_FEATURES
    parts = [tensors[f"features.{key}"].numpy() for key in ("data", "indices", "indptr")]
    width = int(tensors["features.width"][0])
    vectors = sp.csr_array((parts[0].astype(np.float64), parts[1], parts[2]), shape=(len(names), width))
    return Features({name: i for i, name in enumerate(names)}, vectors)
