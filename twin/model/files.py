"""Checkpoints: a folder of safetensors, JSON and tables. No pickle anywhere.

model.safetensors   tensors, 16 bit
config.json         sizes of the network and where it comes from
genes.tsv           the gene axis: symbol, half-life of its messages in h
conditions.json     contexts, their composition, and every perturbation × context × dose × time seen
card.md             for people: data, licence, metrics beside baselines
"""

import json
import shutil
from collections.abc import Iterable
from functools import lru_cache
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from twin.data.contexts import Context
from twin.errors import InputError
from twin.model.backbones.files import load_backbone
from twin.model.backbones.sizes import KINDS
from twin.model.condition import Perturbation
from twin.model.contract import WorldModel
from twin.model.family_files import (
    FamilyDocument,
    family_document,
    family_of,
    family_tensors,
    features_of,
    features_tensors,
)
from twin.model.masked import Knowledge, MaskedDiffusion, ModelCard
from twin.model.network import ASSAY_TABLES, LatentNetwork, NetworkConfig
from twin.model.table_files import PACKED, assays_measure, packed_tables, unpacked_tables
from twin.model.treatments import Treatment

FORMAT = 3


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")


class _Card(_Document):
    name: str
    sources: tuple[str, ...] = ()
    n_cells: int = 0
    holdout: float = 0.0
    training: dict[str, float] = {}
    notes: tuple[str, ...] = ()
    support: tuple[float, float] | None = None
    kappa: float | None = None


class _Config(_Document):
    format: int
    backbone: str
    network: NetworkConfig
    card: _Card


class _Perturbation(_Document):
    name: str
    kind: str
    reference_nanomolar: float
    reference_text: str
    ec50_nanomolar: float
    hill: float
    times_h: tuple[float, ...]
    cells: dict[str, int]


class _Context(_Document):
    name: str
    cell_type: str
    tissue: str
    species: str
    technology: str
    files: tuple[int, ...]


class _Treatment(_Document):
    family: int
    arm: int  # index into the family's arms
    agents: tuple[int, ...]


class _Conditions(_Document):
    contexts: tuple[_Context, ...]
    composition: tuple[float, ...]
    perturbations: tuple[_Perturbation, ...]
    families: tuple[FamilyDocument, ...]
    treatments: tuple[_Treatment, ...]
    features: tuple[str, ...] = ()


def save_checkpoint(model: MaskedDiffusion, folder: Path, card: str = "") -> None:
    """Write a checkpoint folder, whole or not at all; tensors in 16 bit, `card` as card.md.

    Raises
    ------
    InputError
        If the folder cannot be written.
    """
    known = model.knowledge
    state = dict(model.net.state_dict())
    tensors = packed_tables(state)
    tensors |= {f"net.{k}": v.detach().half().contiguous() for k, v in state.items()}
    for i, family in enumerate(known.families):
        tensors |= {f"family.{i}.{k}": v for k, v in family_tensors(family).items()}
    tensors |= features_tensors(known.features)
    config = _Config(
        format=FORMAT,
        backbone="latent",
        network=model.net.config,
        card=_Card(**{**vars(model.card), "training": dict(model.card.training)}),
    )
    arms = [[arm.key for arm in family.arms] for family in known.families]
    conditions = _Conditions(
        contexts=tuple(_Context(**vars(c)) for c in known.contexts),
        composition=tuple(known.composition.tolist()),
        perturbations=tuple(
            _Perturbation(
                name=p.name,
                kind=p.kind,
                reference_nanomolar=p.reference,
                reference_text=p.reference_text,
                ec50_nanomolar=p.ec50,
                hill=p.hill,
                times_h=p.times,
                cells=p.cells,
            )
            for p in known.perturbations
        ),
        families=tuple(family_document(family) for family in known.families),
        treatments=tuple(
            _Treatment(family=t.family, arm=arms[t.family].index(t.arm.key), agents=t.agents) for t in known.treatments
        ),
        features=tuple(known.features.names),
    )
    rows = [f"{g}\t{h:g}" for g, h in zip(known.genes, known.half_life, strict=True)]
    part = folder.with_name(f".{folder.name}.partial")
    try:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        save_file(tensors, part / "model.safetensors")
        (part / "model.safetensors").chmod(0o644)  # safetensors leaves it to the owner alone
        (part / "config.json").write_text(config.model_dump_json(indent=1) + "\n")
        (part / "genes.tsv").write_text("\n".join(["gene\thalf_life_h", *rows]) + "\n")
        (part / "conditions.json").write_text(conditions.model_dump_json(indent=1) + "\n")
        (part / "card.md").write_text(card)
        shutil.rmtree(folder, ignore_errors=True)
        part.rename(folder)
    except OSError as error:
        shutil.rmtree(part, ignore_errors=True)
        raise InputError(f"{folder} cannot be written: {error.strerror or error}") from error


def load_any(folder: Path) -> WorldModel:
    """Read a checkpoint folder of any backbone.

    Raises
    ------
    InputError
        If it is not there, is of another format, or is damaged.
    """
    try:
        backbone = json.loads((folder / "config.json").read_text()).get("backbone")
    except (OSError, ValueError, AttributeError):
        backbone = None  # what is wrong is said below
    if backbone in KINDS:
        return load_backbone(folder)
    return load_checkpoint(folder)


def load_checkpoint(folder: Path) -> MaskedDiffusion:
    """Read a checkpoint folder of the latent backbone.

    Raises
    ------
    InputError
        If it is not there, is of another format, or is damaged.
    """
    config, conditions = _documents(folder)
    try:
        tensors = load_file(folder / "model.safetensors")
    except (OSError, SafetensorError) as error:
        raise InputError(f"checkpoint {folder} is damaged: model.safetensors cannot be read ({error})") from error
    genes, half_life = _read_genes(folder / "genes.tsv")
    if len(genes) != config.network.n_genes or len(conditions.contexts) != config.network.n_contexts:
        raise InputError(
            f"checkpoint {folder} is damaged: {len(genes)} genes and {len(conditions.contexts)} contexts are named, "
            f"the network has {config.network.n_genes} and {config.network.n_contexts}"
        )
    net = LatentNetwork(config.network)
    shapes = {f"net.{k}": tuple(v.shape) for k, v in net.state_dict().items() if k not in PACKED}
    shapes |= {"rates.which": (len(conditions.contexts),)}
    for i, family in enumerate(conditions.families):
        shapes |= {f"family.{i}.{k}": shape for k, shape in family.shapes().items()}
    if conditions.features:
        shapes |= {"features.indptr": (len(conditions.features) + 1,), "features.width": (1,)}
    for name in (
        "rates.value",
        *ASSAY_TABLES,
        *(f"features.{part}" for part in ("indices", "data") if conditions.features),
    ):
        shapes[name] = (len(tensors[name].ravel()),) if name in tensors else ()  # their lengths are checked below
    masks = len(tensors["rates.measured"]) if "rates.measured" in tensors else 0
    shapes["rates.measured"] = (masks, -(-len(genes) // 8))
    for name, shape in shapes.items():
        if name not in tensors:
            raise InputError(f"checkpoint {folder} is damaged: tensor {name} is missing")
        if tuple(tensors[name].shape) != shape:
            raise InputError(
                f"checkpoint {folder} is damaged: tensor {name} has shape {tuple(tensors[name].shape)}, not {shape}"
            )
    state = {k[4:]: v.float() for k, v in tensors.items() if k.startswith("net.")}
    _check_indices(folder, conditions, tensors, len(genes), config.network.n_assays)
    net.load_state_dict({**state, **unpacked_tables(tensors, len(genes), config.network.n_assays)})
    families = tuple(
        family_of(document, {k.split(".", 2)[2]: v for k, v in tensors.items() if k.startswith(f"family.{i}.")})
        for i, document in enumerate(conditions.families)
    )
    perturbations = tuple(
        Perturbation(
            p.name,
            p.kind,
            p.reference_nanomolar,
            p.reference_text,
            p.ec50_nanomolar,
            p.hill,
            p.times_h,
            dict(p.cells),
        )
        for p in conditions.perturbations
    )
    knowledge = Knowledge(
        genes,
        tuple(Context(**c.model_dump()) for c in conditions.contexts),
        np.asarray(conditions.composition),
        perturbations,
        families,
        tuple(Treatment(families[t.family].arms[t.arm], t.family, t.agents) for t in conditions.treatments),
        half_life,
        features_of(conditions.features, tensors),
    )
    return MaskedDiffusion(net, knowledge, ModelCard(**config.card.model_dump()))


def _check_indices(
    folder: Path, conditions: _Conditions, tensors: dict[str, Tensor], n_genes: int, n_assays: int
) -> None:
    """Refuse a checkpoint of which one part points to what another does not hold."""

    def inside(what: str, values: Iterable[int], n: int) -> None:
        found = [v for v in values if not 0 <= v < n]
        if found:
            raise InputError(f"checkpoint {folder} is damaged: {what} {found[0]} does not exist: there are {n}")

    known = np.unpackbits(tensors["rates.measured"].numpy(), axis=1)[:, :n_genes].sum(axis=1)
    inside("rates.which: list of genes", tensors["rates.which"].tolist(), len(known))
    whole = int(known[tensors["rates.which"].numpy()].sum())
    if whole != len(tensors["rates.value"]):
        raise InputError(
            f"checkpoint {folder} is damaged: tensor rates.value has shape {tuple(tensors['rates.value'].shape)}, not "
            f"{(whole,)}"
        )
    assay = tensors["net.assay"]
    inside("net.assay: assay", assay.tolist(), n_assays)
    whole = int(assays_measure(tensors, assay, n_genes, n_assays).sum())
    for name in ASSAY_TABLES:
        if len(tensors[name]) != whole:
            raise InputError(
                f"checkpoint {folder} is damaged: tensor {name} has shape {tuple(tensors[name].shape)}, not {(whole,)}"
            )
    n_contexts = len(conditions.contexts)
    if len(conditions.composition) != n_contexts:
        raise InputError(
            f"checkpoint {folder} is damaged: {n_contexts} contexts have {len(conditions.composition)} shares"
        )
    for i, family in enumerate(conditions.families):
        inside(f"family {i}: context", family.contexts, n_contexts)
        inside(f"family {i}: row of context", family.row_context, len(family.contexts))
        inside(f"family {i}: row of arm", family.row_arm, len(family.arms))
        inside(f"family {i}: gene", tensors[f"family.{i}.genes"].tolist(), n_genes)
        inside(f"family {i}: similar gene", tensors[f"family.{i}.similar"].tolist(), family.n_genes)
    for i, treatment in enumerate(conditions.treatments):
        inside(f"treatment {i}: family", [treatment.family], len(conditions.families))
        inside(f"treatment {i}: arm", [treatment.arm], len(conditions.families[treatment.family].arms))
        inside(f"treatment {i}: perturbation", treatment.agents, len(conditions.perturbations))
    if conditions.features:
        sizes = [len(tensors[f"features.{part}"]) for part in ("indices", "data")]
        if sizes != [int(tensors["features.indptr"][-1])] * 2:
            raise InputError(f"checkpoint {folder} is damaged: features.indices and features.data have {sizes} entries")
        inside("feature", tensors["features.indices"].tolist(), int(tensors["features.width"][0]))


def _documents(folder: Path) -> tuple[_Config, _Conditions]:
    if not folder.is_dir():
        raise InputError(f"checkpoint {folder} is not there")
    try:
        raw: dict[str, Any] = json.loads((folder / "config.json").read_text())
        if raw.get("format") != FORMAT or raw.get("backbone") != "latent":
            raise InputError(
                f"checkpoint {folder} has format {raw.get('format')} and backbone {raw.get('backbone')!r}; this twin "
                f"reads format {FORMAT}, latent: train it anew"
            )
        return (
            _Config.model_validate_json((folder / "config.json").read_text()),
            _Conditions.model_validate_json((folder / "conditions.json").read_text()),
        )
    except OSError as error:
        raise InputError(f"{folder} is no checkpoint: {Path(str(error.filename)).name} is not there") from error
    except (ValidationError, ValueError) as error:
        first = str(error).splitlines()[0]
        raise InputError(f"checkpoint {folder} is damaged: config.json or conditions.json: {first}") from error


def _read_genes(file: Path) -> tuple[tuple[str, ...], NDArray[np.float64]]:
    try:
        lines = file.read_text().splitlines()[1:]
    except OSError as error:
        raise InputError(f"{file.parent} is no checkpoint: genes.tsv is not there") from error
    return read_half_lives(lines, file)


def read_half_lives(lines: list[str], file: Path) -> tuple[tuple[str, ...], NDArray[np.float64]]:
    """Return genes and the half-lives of their messages in h, from lines of "gene, tab, hours" below a heading.

    Raises
    ------
    InputError
        If a line does not say a gene and a positive number.
    """
    genes, half_life = [], []
    for number, line in enumerate(lines, start=2):
        parts = line.split("\t")
        try:
            hours = float(parts[1])
        except (IndexError, ValueError):
            hours = 0.0
        if not hours > 0:
            raise InputError(f"{file}, line {number}: needs a gene and a half-life in h above 0, tab between")
        genes.append(parts[0])
        half_life.append(hours)
    return tuple(genes), np.asarray(half_life)


def checkpoint_hash(folder: Path) -> str:
    """Return SHA-256 over the files that decide a checkpoint's answers."""
    digest = sha256()
    for name in ("model.safetensors", "config.json", "genes.tsv", "conditions.json"):
        file = folder / name
        if not file.is_file():
            raise InputError(f"{folder} is no checkpoint: {name} is not there")
        digest.update(file.read_bytes())
    return digest.hexdigest()


def embedded_folder() -> Path:
    """Return the folder of the checkpoint that ships with the package."""
    return Path(str(files("twin.model") / "embedded"))


@lru_cache(maxsize=1)
def embedded() -> MaskedDiffusion:
    """Return the world model that ships with the package."""
    return load_checkpoint(embedded_folder())
