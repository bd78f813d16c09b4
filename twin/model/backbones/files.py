"""Checkpoints of token world models: a folder of safetensors, JSON and tables. No pickle anywhere.

model.safetensors   weights in 16 bit ("net."), measured tables in 32 ("tables.")
config.json         the backbone's kind and sizes, how cells are drawn, where it comes from
genes.tsv           the gene axis: symbol, half-life of its messages in h
conditions.json     contexts, their composition, and every perturbation × context × dose × time seen
card.md             for people
"""

import math
import shutil
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from twin.errors import InputError
from twin.model.backbones.lingshu import LingshuConfig
from twin.model.backbones.patches import PatchesConfig
from twin.model.backbones.sampler import Schedule
from twin.model.backbones.sizes import build
from twin.model.backbones.tables import Tables
from twin.model.backbones.world import Drawing, Names, TokenWorldModel
from twin.model.condition import Perturbation

FORMAT = 1
FILES = ("model.safetensors", "config.json", "genes.tsv", "conditions.json")


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")


class _Drawing(_Document):
    rounds: int = Field(ge=1)
    schedule: Schedule
    rows: int = Field(ge=0)
    precision: str


class _Config(_Document):
    format: int
    backbone: str
    network: Annotated[PatchesConfig | LingshuConfig, Field(discriminator="kind")]
    drawing: _Drawing
    name: str
    sources: tuple[str, ...]
    n_cells: int


class _Perturbation(_Document):
    name: str
    kind: str
    reference: float
    reference_text: str
    ec50: float
    hill: float
    times: tuple[float, ...]
    cells: dict[str, int]


class _Conditions(_Document):
    contexts: tuple[str, ...]
    composition: tuple[float, ...]
    perturbations: tuple[_Perturbation, ...]


def save_backbone(model: TokenWorldModel, folder: Path, card: str = "") -> None:
    """Write a checkpoint folder, whole or not at all; weights in 16 bit, `card` as card.md.

    Raises
    ------
    InputError
        If the folder cannot be written, or a weight is too large for 16 bit.
    """
    tensors = {f"net.{k}": _half(k, v) for k, v in model.backbone.state_dict().items()}
    tensors |= {f"tables.{k}": torch.from_numpy(np.ascontiguousarray(v)) for k, v in model.tables.arrays().items()}
    words = model.words
    config = _Config(
        format=FORMAT,
        backbone=model.backbone.config.kind,
        network=model.backbone.config,
        drawing=_Drawing(**vars(model.drawing)),
        name=words.name,
        sources=words.sources,
        n_cells=words.n_cells,
    )
    conditions = _Conditions(
        contexts=words.contexts,
        composition=tuple(float(x) for x in words.composition),
        perturbations=tuple(_Perturbation(**vars(p)) for p in words.perturbations),
    )
    part = folder.with_name(f".{folder.name}.partial")
    try:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        save_file(tensors, part / "model.safetensors")
        (part / "model.safetensors").chmod(0o644)  # safetensors leaves it to the owner alone
        (part / "config.json").write_text(config.model_dump_json(indent=1) + "\n")
        (part / "conditions.json").write_text(conditions.model_dump_json(indent=1) + "\n")
        rows = (f"{g}\t{float(h)!r}\n" for g, h in zip(words.genes, words.half_life, strict=True))
        (part / "genes.tsv").write_text("gene\thalf_life_h\n" + "".join(rows))
        if card:
            (part / "card.md").write_text(card)
        part.replace(folder)
    except OSError as error:
        raise InputError(f"{folder} cannot be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)  # nothing is left of it where all went well


def _half(name: str, value: Tensor) -> Tensor:
    half = value.detach().cpu().half()
    if not bool(torch.isfinite(half).all()):
        raise InputError(f"tensor {name} holds a number that is not finite in 16 bit: the training has not converged")
    return half.contiguous()


def load_backbone(folder: Path, device: str = "auto") -> TokenWorldModel:
    """Read a checkpoint folder.

    Raises
    ------
    InputError
        If a file or a tensor is missing, damaged or of another shape.
    """
    for name in FILES:
        if not (folder / name).is_file():
            raise InputError(f"{folder} is no checkpoint: {name} is not there")
    try:
        config = _Config.model_validate_json((folder / "config.json").read_text())
        conditions = _Conditions.model_validate_json((folder / "conditions.json").read_text())
        tensors = load_file(folder / "model.safetensors")
    except (ValidationError, SafetensorError, OSError, UnicodeDecodeError) as error:
        raise InputError(f"checkpoint {folder} is damaged: {str(error).splitlines()[0]}") from error
    if config.format != FORMAT or config.backbone != config.network.kind:
        raise InputError(
            f"checkpoint {folder} has format {config.format} and backbone {config.backbone!r}; "
            f"this version reads format {FORMAT} and 'patches' or 'lingshu'"
        )
    genes, half_life = _read_genes(folder / "genes.tsv")
    shapes = _table_shapes(config, len(conditions.contexts), len(conditions.perturbations))
    if len(genes) != config.network.n_genes or len(conditions.contexts) != len(conditions.composition):
        raise InputError(
            f"checkpoint {folder} is damaged: {len(genes)} genes and {len(conditions.composition)} shares of "
            f"{len(conditions.contexts)} contexts are told, the network has {config.network.n_genes} genes"
        )
    with torch.device("meta"):
        expected = {f"net.{k}": tuple(v.shape) for k, v in build(config.network).state_dict().items()}
    for name, shape in (expected | shapes).items():
        if name not in tensors:
            raise InputError(f"checkpoint {folder} is damaged: tensor {name} is missing")
        if tuple(tensors[name].shape) != shape:
            raise InputError(
                f"checkpoint {folder} is damaged: tensor {name} has shape {tuple(tensors[name].shape)}, not {shape}"
            )
        if not bool(torch.isfinite(tensors[name]).all()):
            raise InputError(f"checkpoint {folder} is damaged: tensor {name} holds a number that is not finite")
    backbone = build(config.network)
    backbone.load_state_dict({k[4:]: v.float() for k, v in tensors.items() if k in expected})
    tables = Tables(**{name[7:]: tensors[name].float().numpy() for name in shapes})
    names = Names(
        config.name,
        genes,
        conditions.contexts,
        np.asarray(conditions.composition),
        tuple(Perturbation(**dict(p)) for p in conditions.perturbations),
        half_life,
        config.sources,
        config.n_cells,
    )
    return TokenWorldModel(backbone, names, tables, Drawing(**dict(config.drawing)), device)


def _table_shapes(config: _Config, contexts: int, perturbations: int) -> dict[str, tuple[int, ...]]:
    n = config.network
    shapes = {
        "log_rate": (contexts, n.n_genes),
        "context": (contexts, n.context_width),
        "centre": (n.n_genes,),
        "axes": (n.n_genes, n.context_width),
        "perturbation": (perturbations, n.perturbation_width),
        "depth_law": (contexts, 2),
        "prior_mean": (contexts, n.latent),
        "prior_root": (contexts, n.latent, n.latent),
    }
    return {f"tables.{name}": shape for name, shape in shapes.items()}


def _read_genes(file: Path) -> tuple[tuple[str, ...], np.ndarray[tuple[int], np.dtype[np.float64]]]:
    genes, half_life = [], []
    for number, line in enumerate(file.read_text().splitlines()[1:], start=2):
        gene, _, text = line.partition("\t")
        try:
            hours = float(text)
        except ValueError:
            hours = math.nan
        if not gene or not hours > 0:
            raise InputError(f"{file}, line {number}: needs a gene and a half-life in h above 0, tab between")
        genes.append(gene)
        half_life.append(hours)
    return tuple(genes), np.asarray(half_life)
