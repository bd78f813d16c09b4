"""The `latent` backbone: one vector per cell between sums of gene codes and per-gene heads.

Order-free: what is visible of a cell enters as a sum of codes over its expressed and its masked genes, runs
through residual blocks beside z, context and depth, and comes out as one log mean per gene. The
hurdle head gives P(count > 0) of every gene; the value head the 280 non-zero levels, only where a
non-zero value is drawn or observed. Both are anchored in a negative binomial of that mean, so that
depth acts as depth does, and both have corrections of their own.

    log μ_g   = log depth + log_softmax_g(log rate(context) + code_g · u(z, context, depth, visible))
    log λ0_g  = log(θ_g log(1 + μ_g / θ_g)) + b_g + Σ_p h_p H_p,g          P(0) = exp(−λ0)
    log ν_g   = log μ_g + c_g + Σ_p h_p V_p,g
    logit_k,g = log Γ(k + θ_g) − log k! + k log(ν_g / (ν_g + θ_g)) + S_g · Φ_k

H and V start at the measured effect of each context × perturbation (`twin.model.effects`) and carry
a low-rank residual that sees z: base and effect stay apart.

Source
------
Objective: LLaDA / MDLM masked diffusion (arXiv 2502.09992, 2406.07524); latent for few rounds: Di4C, arXiv 2410.08709.
"""

from dataclasses import dataclass

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn

from twin.kernels.tokens import LEVEL_EDGES, N_LEVELS


class NetworkConfig(BaseModel):
    """Sizes of the backbone."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    n_genes: int
    n_contexts: int
    n_perturbations: int
    latent: int = 16
    code: int = 128  # width of a gene's code
    width: int = 256  # of the residual blocks
    blocks: int = 2
    context_code: int = 8
    effect_rank: int = 8
    shape_rank: int = 4


@dataclass(frozen=True)
class Inputs:
    """What the decoder is told of a batch of cells.

    z : (cell, latent). context : (cell,) index. log_depth : (cell,).
    strength : (cell, perturbation) h, 1 = trained dose.
    visible : (cell, code) sum over visible expressed genes, or None when all is masked.
    masked : (cell, code) sum over masked genes, or None when all is masked.
    """

    z: Tensor
    context: Tensor
    log_depth: Tensor
    strength: Tensor
    visible: Tensor | None = None
    masked: Tensor | None = None


def level_values() -> Tensor:
    """Return the count that stands for each non-zero level (the bin's middle), (280,) float32."""
    middle = (LEVEL_EDGES[1:-1] + LEVEL_EDGES[2:] - 1) / 2.0
    return torch.tensor(middle, dtype=torch.float32)


def level_log_widths() -> Tensor:
    """Return the log of how many counts each non-zero level holds, (280,) float32."""
    return torch.tensor(np.log(np.diff(LEVEL_EDGES[1:])), dtype=torch.float32)


class Block(nn.Module):
    """Pre-norm residual SwiGLU block whose gain is set by the condition."""

    def __init__(self, width: int, condition: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.modulation = nn.Linear(condition, 2 * width)
        self.up = nn.Linear(width, 2 * width)
        self.down = nn.Linear(width, width)
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)
        nn.init.zeros_(self.down.weight)
        nn.init.zeros_(self.down.bias)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Return x plus its transform; x (cell, width), condition (cell, condition)."""
        scale, shift = self.modulation(condition).chunk(2, dim=-1)
        gate, value = self.up(self.norm(x) * (1 + scale) + shift).chunk(2, dim=-1)
        return torch.as_tensor(x + self.down(nn.functional.silu(gate) * value))


class LatentNetwork(nn.Module):
    """Encoder q(z | x, context, condition) and decoder p(x | z, context, condition, depth, visible)."""

    # Measured, not trained: they come from the data before training and after it.
    log_rate: Tensor  # (context, gene) log share of the transcriptome among controls
    context_code: Tensor  # (context, context_code) principal coordinates of the control profiles
    hurdle_effect: Tensor  # (perturbation, context, gene)
    value_effect: Tensor  # (perturbation, context, gene)
    prior_mean: Tensor  # (context, latent)
    prior_root: Tensor  # (context, latent, latent) lower Cholesky factor of the covariance
    log_gain: Tensor  # (context,) log of depth over what an uncalibrated decoder would draw
    depth_law: Tensor  # (context, 2) mean and standard deviation of the log library size

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        c = self.config = config
        g, n, p = c.n_genes, c.n_contexts, c.n_perturbations
        self.register_buffer("log_rate", torch.zeros(n, g))
        self.register_buffer("context_code", torch.zeros(n, c.context_code))
        self.register_buffer("hurdle_effect", torch.zeros(p, n, g))
        self.register_buffer("value_effect", torch.zeros(p, n, g))
        self.register_buffer("prior_mean", torch.zeros(n, c.latent))
        self.register_buffer("prior_root", torch.eye(c.latent).repeat(n, 1, 1))
        self.register_buffer("log_gain", torch.zeros(n))
        self.register_buffer("depth_law", torch.tensor([[7.3, 0.4]]).repeat(n, 1))
        condition = c.context_code + 1
        self.code_in = nn.Parameter(torch.randn(g, c.code) * 0.1)
        self.code_masked = nn.Parameter(torch.randn(g, c.code) * 0.02)
        self.code_out = nn.Parameter(torch.randn(g, c.code) * 0.02)
        self.hurdle_bias = nn.Parameter(torch.zeros(g))
        self.value_bias = nn.Parameter(torch.zeros(g))
        self.log_theta = nn.Parameter(torch.zeros(g))
        self.shape = nn.Parameter(torch.zeros(g, c.shape_rank))
        self.levels = nn.Parameter(torch.randn(N_LEVELS - 1, c.shape_rank) * 0.02)
        self.encoder_in = nn.Linear(c.code + condition + p, c.width)
        self.encoder_block = Block(c.width, condition + p)
        self.encoder_out = nn.Linear(c.width, 2 * c.latent)
        self.from_z = nn.Linear(c.latent, c.width)
        self.from_visible = nn.Linear(c.code, c.width, bias=False)
        self.from_masked = nn.Linear(c.code, c.width, bias=False)
        self.blocks = nn.ModuleList(Block(c.width, condition) for _ in range(c.blocks))
        self.norm = nn.LayerNorm(c.width)
        self.to_code = nn.Linear(c.width, c.code)
        self.effect_in = nn.Linear(c.latent + c.context_code, c.effect_rank)
        self.effect_mix = nn.Parameter(torch.zeros(max(p, 1), c.effect_rank, c.effect_rank))
        self.effect_hurdle = nn.Parameter(torch.randn(g, c.effect_rank) * 0.02)
        self.effect_value = nn.Parameter(torch.randn(g, c.effect_rank) * 0.02)
        nn.init.zeros_(self.from_visible.weight)
        nn.init.zeros_(self.from_masked.weight)
        self.register_buffer("level_value", level_values(), persistent=False)
        self.register_buffer("level_width", level_log_widths(), persistent=False)
        self.level_value: Tensor
        self.level_width: Tensor

    def visible_sum(self, indptr: Tensor, gene: Tensor, count: Tensor, log_depth: Tensor) -> Tensor:
        """Sum gene codes × scaled log counts over each cell's visible expressed genes, (cell, code).

        indptr (cell + 1,), gene and count (entry,) as CSR; log_depth (cell,).
        """
        lengths = indptr[1:] - indptr[:-1]
        scale = torch.repeat_interleave(torch.exp(7.5 - log_depth), lengths)  # 7.5: about 1,800 counts
        weight = torch.log1p(count * scale)
        summed = nn.functional.embedding_bag(gene, self.code_in, indptr[:-1], mode="sum", per_sample_weights=weight)
        return summed * 0.05  # some 400 terms: keeps the sum of order one

    def masked_sum(self, mask: Tensor) -> Tensor:
        """Sum the mask codes of the masked genes, (cell, code); mask (cell, gene) of 0 and 1."""
        return torch.as_tensor(mask @ self.code_masked * (1.0 / self.config.n_genes**0.5))

    def _condition(self, context: Tensor, log_depth: Tensor) -> Tensor:
        return torch.cat([self.context_code[context], (log_depth - 7.5)[:, None]], dim=1)

    def encode(self, visible: Tensor, context: Tensor, log_depth: Tensor, strength: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log variance of q(z | x, context, condition), (cell, latent) each."""
        condition = torch.cat([self._condition(context, log_depth), strength], dim=1)
        hidden = nn.functional.silu(self.encoder_in(torch.cat([visible, condition], dim=1)))
        mean, log_var = self.encoder_out(self.encoder_block(hidden, condition)).chunk(2, dim=-1)
        return mean, log_var.clamp(-8.0, 2.0)

    def hidden(self, x: Inputs) -> Tensor:
        """Return u (cell, code), what the heads read."""
        condition = self._condition(x.context, x.log_depth)
        h = self.from_z(x.z)
        if x.visible is not None and x.masked is not None:
            h = h + self.from_visible(x.visible) + self.from_masked(x.masked)
        else:
            whole = self.code_masked.sum(dim=0) * (1.0 / self.config.n_genes**0.5)
            h = h + self.from_masked(whole)
        for block in self.blocks:
            h = block(h, condition)
        return torch.as_tensor(self.to_code(self.norm(h)))

    def log_mean(self, x: Inputs, u: Tensor) -> Tensor:
        """Return log μ without effects, (cell, gene): counts expected of a control cell of this depth."""
        logits = torch.addmm(self.log_rate[x.context], u, self.code_out.T)
        whole = x.log_depth + self.log_gain[x.context] - torch.logsumexp(logits, dim=1)
        return logits + whole[:, None]

    def effect_hidden(self, z: Tensor, context: Tensor, strength: Tensor) -> Tensor:
        """Return the residual effect's coordinates, (cell, effect_rank): Σ_p h_p A_p tanh(W [z, context])."""
        if strength.shape[1] == 0:
            return torch.zeros(len(z), self.config.effect_rank, dtype=z.dtype, device=z.device)
        w = torch.tanh(self.effect_in(torch.cat([z, self.context_code[context]], dim=1)))
        return torch.einsum("np,nr,prs->ns", strength, w, self.effect_mix)

    def effects(self, x: Inputs) -> tuple[Tensor, Tensor]:
        """Return the shifts of log λ0 and log ν, (cell, gene) each."""
        w = self.effect_hidden(x.z, x.context, x.strength)
        hurdle = w @ self.effect_hurdle.T
        value = w @ self.effect_value.T
        for p in range(x.strength.shape[1]):
            h = x.strength[:, p, None]
            hurdle = hurdle + h * self.hurdle_effect[p, x.context]
            value = value + h * self.value_effect[p, x.context]
        return hurdle, value

    def theta(self) -> Tensor:
        """Return each gene's dispersion θ, (gene,)."""
        return torch.exp(self.log_theta.clamp(-3.0, 5.0))

    def log_hazard(self, log_mean: Tensor) -> Tensor:
        """Return log λ0 without effects, (cell, gene)."""
        theta = self.theta()
        return torch.log(theta * torch.log1p(torch.exp(log_mean) / theta) + 1e-12) + self.hurdle_bias

    def level_table(self, genes: Tensor | None = None) -> Tensor:
        """Return what of the value logits does not depend on the cell, (gene, 280)."""
        theta, shape = self.theta(), torch.as_tensor(self.shape)
        if genes is not None:
            theta, shape = theta[genes], shape[genes]
        k = self.level_value
        table = torch.lgamma(k + theta[:, None]) - torch.lgamma(theta)[:, None] - torch.lgamma(k + 1)
        return torch.as_tensor(table + self.level_width + shape @ self.levels.T)

    def log_odds(self, log_value: Tensor, genes: Tensor) -> Tensor:
        """Return log(ν / (ν + θ)) for entries: log ν (entry,), gene (entry,)."""
        theta = self.theta()[genes]
        return -torch.log1p(theta * torch.exp(-log_value.clamp(-12.0, 12.0)))
