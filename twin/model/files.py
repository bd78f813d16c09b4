"""Checkpoints: a folder of safetensors, JSON and tables. No pickle anywhere.

model.safetensors   tensors, 16 bit
config.json         sizes of the network and where it comes from
genes.tsv           the gene axis: symbol, half-life of its messages in h
conditions.json     contexts, their composition, and every perturbation × context × dose × time seen
card.md             for people: data, licence, metrics beside baselines
"""

import json
import shutil
from functools import lru_cache
from hashlib import sha256
from importlib.resources import files
from pathlib import Path

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from twin.errors import InputError
from twin.model.contract import Perturbation
from twin.model.masked import MaskedDiffusion, ModelCard
from twin.model.network import LatentNetwork, NetworkConfig

FORMAT = 1


class _Card(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    sources: tuple[str, ...] = ()
    n_cells: int = 0
    holdout: float = 0.0
    training: dict[str, float] = {}


class _Config(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int
    backbone: str
    network: NetworkConfig
    card: _Card


class _Perturbation(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    kind: str
    reference_nanomolar: float | None
    reference_text: str
    ec50_nanomolar: float | None
    hill: float
    times_h: tuple[float, ...]
    cells: dict[str, int]


class _Conditions(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    contexts: tuple[str, ...]
    composition: tuple[float, ...]
    perturbations: tuple[_Perturbation, ...]


def save_checkpoint(model: MaskedDiffusion, folder: Path, card: str = "") -> None:
    """Write a checkpoint folder, whole or not at all; tensors in 16 bit, `card` as card.md.

    Raises
    ------
    InputError
        If the folder cannot be written.
    """
    part = folder.with_name(f".{folder.name}.partial")
    try:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        tensors = {k: v.detach().half().contiguous() for k, v in model.net.state_dict().items()}
        save_file(tensors, part / "model.safetensors")
        (part / "model.safetensors").chmod(0o644)  # safetensors leaves it to the owner alone
        config = _Config(
            format=FORMAT,
            backbone="latent",
            network=model.net.config,
            card=_Card(**{**vars(model.card), "training": dict(model.card.training)}),
        )
        (part / "config.json").write_text(config.model_dump_json(indent=1) + "\n")
        rows = (f"{g}\t{h:g}\n" for g, h in zip(model.genes, model.half_life, strict=True))
        (part / "genes.tsv").write_text("gene\thalf_life_h\n" + "".join(rows))
        (part / "conditions.json").write_text(_conditions(model).model_dump_json(indent=1) + "\n")
        if card:
            (part / "card.md").write_text(card)
        part.replace(folder)
    except OSError as error:
        raise InputError(f"{folder} cannot be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)  # nothing is left of it where all went well


def _conditions(model: MaskedDiffusion) -> _Conditions:
    return _Conditions(
        contexts=model.contexts,
        composition=tuple(float(f"{x:.6g}") for x in model.composition),
        perturbations=tuple(
            _Perturbation(
                name=p.name,
                kind=p.kind,
                reference_nanomolar=p.reference if np.isfinite(p.reference) else None,
                reference_text=p.reference_text,
                ec50_nanomolar=p.ec50 if np.isfinite(p.ec50) else None,
                hill=p.hill,
                times_h=p.times,
                cells={k: v for k, v in p.cells.items() if v},
            )
            for p in model.perturbations
        ),
    )


def load_checkpoint(folder: Path) -> MaskedDiffusion:
    """Read a checkpoint folder.

    Raises
    ------
    InputError
        If a file or a tensor is missing, damaged or of another shape.
    """
    for name in ("model.safetensors", "config.json", "genes.tsv", "conditions.json"):
        if not (folder / name).is_file():
            raise InputError(f"{folder} is no checkpoint: {name} is not there")
    try:
        config = _Config.model_validate_json((folder / "config.json").read_text())
        conditions = _Conditions.model_validate_json((folder / "conditions.json").read_text())
        tensors = load_file(folder / "model.safetensors")
    except (ValidationError, json.JSONDecodeError, SafetensorError, OSError, UnicodeDecodeError) as error:
        raise InputError(f"checkpoint {folder} is damaged: {str(error).splitlines()[0]}") from error
    if config.format != FORMAT or config.backbone != "latent":
        raise InputError(
            f"checkpoint {folder} has format {config.format} and backbone {config.backbone!r}; "
            f"this version reads format {FORMAT} and 'latent'"
        )
    genes, half_life = _read_genes(folder / "genes.tsv")
    if len(genes) != config.network.n_genes or len(conditions.contexts) != config.network.n_contexts:
        raise InputError(
            f"checkpoint {folder} is damaged: {len(genes)} genes and {len(conditions.contexts)} contexts are named, "
            f"the network has {config.network.n_genes} and {config.network.n_contexts}"
        )
    net = LatentNetwork(config.network)
    for name, own in net.state_dict().items():
        if name not in tensors:
            raise InputError(f"checkpoint {folder} is damaged: tensor {name} is missing")
        if tensors[name].shape != own.shape:
            raise InputError(
                f"checkpoint {folder} is damaged: tensor {name} has shape {tuple(tensors[name].shape)}, "
                f"not {tuple(own.shape)}"
            )
    net.load_state_dict({k: v.to(torch.float32) for k, v in tensors.items()})
    perturbations = tuple(
        Perturbation(
            p.name,
            p.kind,
            float("nan") if p.reference_nanomolar is None else p.reference_nanomolar,
            p.reference_text,
            float("nan") if p.ec50_nanomolar is None else p.ec50_nanomolar,
            p.hill,
            p.times_h,
            dict(p.cells),
        )
        for p in conditions.perturbations
    )
    card = ModelCard(**config.card.model_dump())
    composition = np.asarray(conditions.composition)
    return MaskedDiffusion(net, genes, conditions.contexts, composition, perturbations, card, half_life)


def _read_genes(file: Path) -> tuple[tuple[str, ...], np.ndarray[tuple[int], np.dtype[np.float64]]]:
    genes, half_life = [], []
    for number, line in enumerate(file.read_text().splitlines()[1:], start=2):
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
