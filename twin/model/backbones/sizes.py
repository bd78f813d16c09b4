"""Named sizes, from 1 M to 4.9 B parameters: configurations, not checkpoints.

A size of `patches` counts all of its parameters at 18,080 genes and conditions of 64 numbers. A size of `lingshu`
counts its blocks alone, as the published "85M" does: 13 blocks of 4 · 640² + 3 · 640 · 2,560.
"""

from torch import nn

from twin.errors import UnknownNameError
from twin.model.backbones.lingshu import Lingshu, LingshuConfig
from twin.model.backbones.patches import Patches, PatchesConfig

REFERENCE_GENES, REFERENCE_WIDTH = 18_080, 64  # the reference axis (Lingshu-Cell); our choice

PATCHES: dict[str, dict[str, int]] = {
    "1m": {"width": 96, "blocks": 3, "heads": 3, "code_in": 4, "code_out": 8, "latent": 16},
    "8m": {"width": 256, "blocks": 5, "heads": 4, "code_out": 32},
    "25m": {"width": 512, "blocks": 4, "heads": 8},
    "85m": {"width": 640, "blocks": 11, "heads": 10},
    "300m": {"width": 1_024, "blocks": 16, "heads": 16},
    "1.3b": {"width": 1_792, "blocks": 24, "heads": 28},
    "4.9b": {"width": 3_072, "blocks": 31, "heads": 48},
}
LINGSHU: dict[str, dict[str, int]] = {
    "1m": {"width": 128, "blocks": 4, "heads": 2, "inner": 512},
    "8m": {"width": 320, "blocks": 5, "heads": 5, "inner": 1_280},
    "25m": {"width": 512, "blocks": 6, "heads": 8, "inner": 2_048},
    "85m": {"width": 640, "blocks": 13, "heads": 10, "inner": 2_560},
    "300m": {"width": 1_024, "blocks": 18, "heads": 16, "inner": 4_096},
    "1.3b": {"width": 1_792, "blocks": 25, "heads": 28, "inner": 7_168},
    "4.9b": {"width": 3_072, "blocks": 32, "heads": 48, "inner": 12_288},
}

KINDS = ("patches", "lingshu")


def configuration(
    kind: str,
    size: str,
    *,
    n_genes: int = REFERENCE_GENES,
    context_width: int = REFERENCE_WIDTH,
    perturbation_width: int = REFERENCE_WIDTH,
    **other: int | bool,
) -> PatchesConfig | LingshuConfig:
    """Return the configuration of a named size; `other` fields go before the size's own.

    Raises
    ------
    InputError
        If there is no such backbone or no such size.
    """
    if kind not in KINDS:
        raise UnknownNameError("token backbone", kind, KINDS)
    sizes, make = (PATCHES, PatchesConfig) if kind == "patches" else (LINGSHU, LingshuConfig)
    if size not in sizes:
        raise UnknownNameError(f"size of {kind}", size, sizes)
    whole: dict[str, int | bool] = {**sizes[size], **other}
    return make(
        n_genes=n_genes,
        context_width=context_width,
        perturbation_width=perturbation_width,
        **whole,
    )


def build(config: PatchesConfig | LingshuConfig) -> Patches | Lingshu:
    """Return a new backbone of this configuration, its weights drawn from torch's generator."""
    return Patches(config) if isinstance(config, PatchesConfig) else Lingshu(config)


def n_parameters(module: nn.Module) -> int:
    """Return how many parameters a module has."""
    return sum(p.numel() for p in module.parameters())
