"""The `patches` backbone: a bidirectional transformer over patches of genes, factorised at both ends.

A patch is S consecutive genes. Its token is a linear map of the genes' concatenated features, a feature being the 16
numbers of the gene's code times those of its level; no nonlinearity comes before. Context, perturbation, depth and z
are tokens of their own. Out of each patch's token come 64 numbers a gene, read through the gene's own code:

    log μ_g   = log depth + log_softmax_g(r_g + ⟨u_g, c_g ∘ m⟩)
    log λ_g   = log(θ_g log(1 + μ_g / θ_g)) + b_g + ⟨u_g, c_g ∘ h⟩              P(0) = exp(−λ)
    log ν_g   = log μ_g + v_g + ⟨u_g, c_g ∘ n⟩
    logit_k,g = log Γ(k + θ_g) − log k! + k log(ν_g / (ν_g + θ_g)) + ⟨u_g ∘ c_g, Φ_k⟩

so that depth acts as depth does, also under guidance: the shares stay shares. An encoder of its own, smaller, sees the
whole cell and its condition; z then says who the cell is.

Source
------
Patches and packing after Lingshu-Cell, arXiv 2603.25240; latent for few rounds: Di4C, arXiv 2410.08709.
"""

from collections.abc import Iterator
from typing import Literal, cast

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from twin.kernels.tokens import N_LEVELS
from twin.model.backbones.backbone import Backbone, BackboneConfig, Heads, Inputs
from twin.model.backbones.slots import in_passes, slot_maps
from twin.model.backbones.transformer import EPSILON, Block, initialise, run_blocks
from twin.model.network import level_log_widths, level_values

USUAL_LOG_DEPTH = 7.5  # about 1,800 counts; the origin of the depth token, our choice
LOG_HAZARD_RANGE = (-20.0, 6.0)  # beyond it nothing is told apart in 32 bit; our choice


class PatchesConfig(BackboneConfig):
    """Sizes of the backbone; the defaults are our choice."""

    kind: Literal["patches"] = "patches"
    latent: int = Field(32, ge=0)
    patch: int = Field(64, ge=1)  # genes a token
    width: int = Field(512, ge=1)
    blocks: int = Field(8, ge=1)
    heads: int = Field(8, ge=1)
    code_in: int = Field(16, ge=1)
    code_out: int = Field(64, ge=1)
    encoder_blocks: int = Field(1, ge=0)

    @model_validator(mode="after")
    def _heads_divide(self) -> "PatchesConfig":
        if self.width % self.heads:
            raise ValueError(f"a width of {self.width} cannot be shared by {self.heads} heads")
        return self


class Patches(Backbone):
    """Factorised patches of genes under a transformer."""

    sees_depth = True

    def __init__(self, config: PatchesConfig) -> None:
        super().__init__()
        self.config: PatchesConfig = config
        c = config
        g, d = c.n_genes, c.width
        self.n_patches = -(-g // c.patch)
        self.gene_in = nn.Parameter(torch.randn(g, c.code_in))
        self.level_in = nn.Parameter(torch.randn(N_LEVELS + 1, c.code_in))
        self.pack = nn.Linear(c.patch * c.code_in, d)
        self.context_in = nn.Linear(c.context_width, d)
        self.perturbation_in = nn.Linear(c.perturbation_width, d)
        self.depth_in = nn.Linear(1, d)
        self.blocks = nn.ModuleList(Block(d, c.heads, 4 * d) for _ in range(c.blocks))
        self.norm = nn.RMSNorm(d, eps=EPSILON)
        self.unpack = nn.Parameter(torch.randn(c.patch * c.code_out, d) * 0.1 * d**-0.5)  # starts near the rates
        self.gene_out = nn.Parameter(torch.randn(g, c.code_out))
        self.mix = nn.Parameter(torch.randn(3, c.code_out) * c.code_out**-0.5)  # m, h, n
        self.rate = nn.Parameter(torch.zeros(g))
        self.hurdle_bias = nn.Parameter(torch.zeros(g))
        self.value_bias = nn.Parameter(torch.zeros(g))
        self.log_theta = nn.Parameter(torch.zeros(g))
        self.levels = nn.Parameter(torch.zeros(N_LEVELS - 1, c.code_out))
        if c.latent:
            self.z_in = nn.Linear(c.latent, d)
            self.encoder_pack = nn.Linear(c.patch * c.code_in, d)
            self.encoder_condition = nn.Linear(c.context_width + c.perturbation_width + 1, d)
            self.encoder_blocks = nn.ModuleList(Block(d, c.heads, 4 * d) for _ in range(c.encoder_blocks))
            self.encoder_norm = nn.RMSNorm(d, eps=EPSILON)
            self.encoder_out = nn.Linear(d, 2 * c.latent)
        self.register_buffer("level_value", level_values(), persistent=False)
        self.register_buffer("level_width", level_log_widths(), persistent=False)
        self.level_value: Tensor
        self.level_width: Tensor
        self._draw()

    def _draw(self) -> None:
        c = self.config
        initialise(self.blocks_of(), c.blocks)
        with torch.no_grad():  # near levels start with near codes; MASK has one of its own
            values = torch.log1p(torch.cat([torch.zeros(1), level_values()]))[:, None].to(self.level_in.device)
            angle = 2.0 * values * torch.randn(c.code_in) + 6.283 * torch.rand(c.code_in)
            self.level_in[:N_LEVELS] = torch.cos(angle.to(self.level_in.device)) * 2**0.5
        if c.latent:
            nn.init.normal_(self.encoder_out.weight, std=0.1 * c.width**-0.5)
            nn.init.zeros_(self.encoder_out.bias)

    def blocks_of(self) -> Iterator[Block]:
        """Yield the blocks of the body and of the encoder."""
        yield from cast(Iterator[Block], iter(self.blocks))
        if self.config.latent:
            yield from cast(Iterator[Block], iter(self.encoder_blocks))

    @torch.no_grad()
    def start(self, rate: Tensor, levels: Tensor) -> None:
        """Start at the measured shares, with a negative binomial of θ = 2; levels are not looked at."""
        self.rate.copy_(torch.log(rate + 0.1 / len(rate)))
        self.log_theta.fill_(0.7)

    def _patched(self, level: Tensor) -> Tensor:
        """Return the genes' features, patch by patch, (cell, patch, genes × code)."""
        c = self.config
        feature = nn.functional.embedding(level, self.level_in) * self.gene_in  # (cell, gene, code)
        whole = nn.functional.pad(feature, (0, 0, 0, self.n_patches * c.patch - c.n_genes))
        return whole.reshape(len(level), self.n_patches, c.patch * c.code_in)

    def encode(self, inputs: Inputs) -> tuple[Tensor, Tensor]:
        """Return mean and log variance of q(z | x, context, perturbation, depth), (cell, latent) each."""
        n = len(inputs.level)
        if not self.config.latent:
            return inputs.context.new_zeros(n, 0), inputs.context.new_zeros(n, 0)
        told = [inputs.context, inputs.perturbation, (inputs.log_depth - USUAL_LOG_DEPTH)[:, None]]
        first = self.encoder_condition(torch.cat(told, dim=1))[:, None]
        x = torch.cat([first, self.encoder_pack(self._patched(inputs.level))], dim=1).float()
        x = run_blocks(self.encoder_blocks, x, checkpointed=self.checkpoint_blocks)
        out = self.encoder_out(self.encoder_norm(x).mean(dim=1)).float()
        mean, log_var = out.chunk(2, dim=-1)
        return mean, log_var.clamp(-8.0, 2.0)

    def hidden(self, inputs: Inputs) -> Tensor:
        """Return the patches' vectors, (cell, patch, width) float32."""
        tokens = [
            self.context_in(inputs.context),
            self.perturbation_in(inputs.perturbation),
            self.depth_in((inputs.log_depth - USUAL_LOG_DEPTH)[:, None]),
        ]
        if self.config.latent:
            tokens.append(self.z_in(inputs.z))
        x = torch.cat([torch.stack(tokens, dim=1), self.pack(self._patched(inputs.level))], dim=1).float()
        x = run_blocks(self.blocks, x, checkpointed=self.checkpoint_blocks)
        return cast(Tensor, self.norm(x[:, len(tokens) :]).float())

    def read(self, hidden: Tensor, inputs: Inputs) -> "PatchHeads":
        """Return the heads of hidden vectors."""
        return PatchHeads(self, hidden, inputs.log_depth, inputs.measured)

    def theta(self) -> Tensor:
        """Return each gene's dispersion θ, (gene,)."""
        return torch.exp(self.log_theta.clamp(-3.0, 5.0))

    def read_outs(self) -> Tensor:
        """Return the vectors that read ⟨u, c ∘ m⟩ and ⟨u, c ∘ h⟩ out of a patch's vector, (patch, 2 genes, width).

        u never has to be made for every gene: its map and the gene's code are folded into one vector.
        """

        def make() -> Tensor:
            c = self.config
            code = nn.functional.pad(self.gene_out, (0, 0, 0, self.n_patches * c.patch - c.n_genes))
            code = code.view(self.n_patches, c.patch, c.code_out)
            unpack = self.unpack.view(c.patch, c.code_out, c.width)
            both = [torch.einsum("psc,scd->psd", code * self.mix[i], unpack) for i in range(2)]
            return torch.cat(both, dim=1)  # (patch, 2 genes, width)

        return self.kept("read_outs", make)


class PatchHeads(Heads):
    """Hurdle and value law of all genes from the patches' vectors (cell, patch, width); float32."""

    def __init__(self, net: Patches, hidden: Tensor, log_depth: Tensor, measured: Tensor | None) -> None:
        self.net, self.hidden = net, hidden
        with torch.autocast(hidden.device.type, enabled=False):
            out = torch.bmm(hidden.transpose(0, 1), net.read_outs().transpose(1, 2))  # (patch, cell, 2 genes)
            mean, hurdle = (
                part.transpose(0, 1).reshape(len(hidden), -1)[:, : net.config.n_genes] for part in out.chunk(2, dim=2)
            )
            logits = net.rate + mean
            seen = logits if measured is None else logits.masked_fill(measured == 0, -torch.inf)
            self.log_mean = logits + (log_depth - torch.logsumexp(seen, dim=1))[:, None]  # (cell, gene)
            theta = net.theta()
            base = torch.log(theta * torch.log1p(torch.exp(self.log_mean.clamp(max=15.0)) / theta) + 1e-12)
            self._hazard = torch.exp((base + net.hurdle_bias + hurdle).clamp(*LOG_HAZARD_RANGE))

    def hazard(self) -> Tensor:
        """Return λ0, (cell, gene)."""
        return self._hazard

    def hazard_at(self, rows: Tensor, genes: Tensor) -> Tensor:
        """Return λ0 of entries, (entry,)."""
        return self._hazard[rows, genes]

    def value_logits(self, rows: Tensor, genes: Tensor) -> Tensor:
        """Return the logits of the non-zero levels of entries, (entry, 280)."""
        net, c = self.net, self.net.config
        with torch.autocast(self.hidden.device.type, enabled=False):
            unpack = net.unpack.view(c.patch, c.code_out, c.width)
            u = slot_maps(self.hidden, rows, genes // c.patch, genes % c.patch, unpack, None, lambda x: x)
            read = in_passes(u * net.gene_out[genes], torch.cat([net.levels, net.mix[2:]]))  # (entry, 280 + 1)
            theta, k = net.theta()[genes], net.level_value
            log_value = self.log_mean[rows, genes] + net.value_bias[genes] + read[:, -1]
            odds = -torch.log1p(theta * torch.exp(-log_value.clamp(-12.0, 12.0)))
            table = torch.lgamma(k + theta[:, None]) - torch.lgamma(k + 1) + net.level_width  # (entry, 280)
            return table + odds[:, None] * k + read[:, :-1]
