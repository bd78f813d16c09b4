"""The `latent` backbone: one vector per cell between sums of gene codes and per-gene heads.

Order-free: what is visible of a cell enters as a sum of codes over its expressed and its masked genes, runs
through residual blocks beside z, context and depth, and comes out as one log mean per gene. The
hurdle head gives P(count > 0) of every gene; the value head the 280 non-zero levels, only where a
non-zero value is drawn or observed. Both are anchored in a negative binomial of that mean, so that
depth acts as depth does, and both have corrections of their own. Dispersion and corrections are a gene's in an assay a
(the experiment that a context comes from): molecules, reads and spots in a picture scatter in ways of their own.

    log μ_g   = log depth + log_softmax_g(log rate(context) + code_g · u(z, context, depth, visible)) + shift_g
    log λ0_g  = log(θ_ag log(1 + μ_g / θ_ag)) + b_ag                        P(0) = exp(−λ0)
    logit_k,g = log Γ(k + θ_ag) − log k! + k log(ν_g / (ν_g + θ_ag)),       log ν_g = log μ_g + c_ag

The shift is what was done to the cell (`twin.model.effects`): base and effect stay apart. A context is a vector too:
the sum of gene codes weighted by the square root of its control cells' rates, so that a context never trained on
means what its control cells say. All of it can run on some of the genes, those that a file measured.

Source
------
Objective: LLaDA / MDLM masked diffusion (arXiv 2502.09992, 2406.07524); latent for few rounds: Di4C, arXiv 2410.08709.
"""

from dataclasses import dataclass

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn

from twin.kernels.tokens import LEVEL_EDGES

NOT_MEASURED = -60.0  # log rate of a gene that a context did not measure; half of it is below every measured rate
LEAST_RATE = -25.0  # log rate below which a gene counts as not measured; measured ones are above
DEPTH_QUANTILES = 33
LOG_DEPTH = 7.5  # of a library of about 1,800 counts, to which visible counts are scaled; our choice
VISIBLE_SCALE = 0.05  # of the sum over some 400 visible genes: keeps it of order one; our choice
ASSAY_TABLES = ("assay_theta", "assay_hurdle", "assay_value")


class NetworkConfig(BaseModel):
    """Sizes of the backbone."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    n_genes: int
    n_contexts: int
    latent: int = 16
    code: int = 64  # width of a gene's code
    width: int = 256  # of the residual blocks
    blocks: int = 2
    context_width: int = 16
    n_assays: int = 1


@dataclass(frozen=True)
class GeneTables:
    """What the network holds of each gene, (gene, …), of all genes or of some; log_rate is (context, gene).

    hurdle_bias, value_bias, log_theta : (assay, gene), of all assays or of some.
    """

    code_in: Tensor
    code_out: Tensor
    context_in: Tensor
    hurdle_bias: Tensor
    value_bias: Tensor
    log_theta: Tensor
    log_rate: Tensor

    @property
    def theta(self) -> Tensor:
        """Each gene's dispersion θ, (assay, gene)."""
        return torch.exp(self.log_theta.clamp(-3.0, 5.0))


@dataclass(frozen=True)
class Inputs:
    """What the decoder is told of a batch of cells.

    z : (cell, latent). context : (cell,) index. context_vector : (cell, context_width). log_depth : (cell,).
    visible : (cell, code) sum over visible expressed genes, or None when all is masked.
    masked : (cell, code) mean code of the masked genes.
    """

    z: Tensor
    context: Tensor
    context_vector: Tensor
    log_depth: Tensor
    visible: Tensor | None
    masked: Tensor


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
    log_rate: (
        Tensor  # (context, gene) log share of the transcriptome among controls; NOT_MEASURED where it is not known
    )
    log_rest: Tensor  # (context,) log share of the transcriptome that is not on the axis
    prior_mean: Tensor  # (context, latent)
    prior_root: Tensor  # (context, latent, latent) lower Cholesky factor of the covariance
    log_gain: Tensor  # (context,) log of depth over what an uncalibrated decoder would draw
    depth_law: Tensor  # (context, DEPTH_QUANTILES) quantiles of the log library size
    assay: Tensor  # (context,) index of the assay that its cells were measured by
    assay_theta: Tensor  # (assay, gene) what an assay adds to the genes' log θ, and below to b and c
    assay_hurdle: Tensor
    assay_value: Tensor

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        c = self.config = config
        g, n = c.n_genes, c.n_contexts
        self.register_buffer("log_rate", torch.full((n, g), -float(np.log(max(g, 1)))))
        self.register_buffer("log_rest", torch.full((n,), NOT_MEASURED))
        self.register_buffer("prior_mean", torch.zeros(n, c.latent))
        self.register_buffer("prior_root", torch.eye(c.latent).repeat(n, 1, 1))
        self.register_buffer("log_gain", torch.zeros(n))
        self.register_buffer("depth_law", torch.full((n, DEPTH_QUANTILES), 7.3))
        self.register_buffer("assay", torch.zeros(n, dtype=torch.int64))
        for table in ASSAY_TABLES:
            self.register_buffer(table, torch.zeros(c.n_assays, g))
        condition = c.context_width + 1
        self.code_in = nn.Parameter(torch.randn(g, c.code) * 0.1)
        self.code_out = nn.Parameter(torch.randn(g, c.code) * 0.02)
        self.context_in = nn.Parameter(torch.randn(g, c.context_width))
        self.hurdle_bias = nn.Parameter(torch.zeros(g))
        self.value_bias = nn.Parameter(torch.zeros(g))
        self.log_theta = nn.Parameter(torch.zeros(g))
        self.encoder_in = nn.Linear(2 * c.code + condition, c.width)
        self.encoder_block = Block(c.width, condition)
        self.encoder_out = nn.Linear(c.width, 2 * c.latent)
        self.from_z = nn.Linear(c.latent, c.width)
        self.from_visible = nn.Linear(c.code, c.width, bias=False)
        self.from_masked = nn.Linear(c.code, c.width, bias=False)
        self.blocks = nn.ModuleList(Block(c.width, condition) for _ in range(c.blocks))
        self.norm = nn.LayerNorm(c.width)
        self.to_code = nn.Linear(c.width, c.code)
        nn.init.zeros_(self.from_visible.weight)
        nn.init.zeros_(self.from_masked.weight)
        self.register_buffer("level_value", level_values(), persistent=False)
        self.register_buffer("level_width", level_log_widths(), persistent=False)
        self.level_value: Tensor
        self.level_width: Tensor

    def tables(self, genes: Tensor | None = None, assays: Tensor | None = None) -> GeneTables:
        """Return what is held of each gene; genes : (gene,) index, None: all. assays : (assay,) index, None: all."""

        def of(x: Tensor) -> Tensor:
            return x if genes is None else x[genes]

        def by_assay(shared: Tensor, own: Tensor) -> Tensor:
            rows = own if assays is None else own[assays]
            return of(shared) + (rows if genes is None else rows[:, genes])

        log_rate = self.log_rate if genes is None else self.log_rate[:, genes]
        return GeneTables(
            of(self.code_in),
            of(self.code_out),
            of(self.context_in),
            by_assay(self.hurdle_bias, self.assay_hurdle),
            by_assay(self.value_bias, self.assay_value),
            by_assay(self.log_theta, self.assay_theta),
            log_rate,
        )

    def context_vectors(self, g: GeneTables, context: Tensor) -> Tensor:
        """Return Σ_g √rate_g code_g of each cell's context, (cell, context_width)."""
        some, back = torch.unique(context, return_inverse=True)
        return torch.as_tensor((torch.exp(0.5 * g.log_rate[some]) @ g.context_in)[back])

    def visible_sum(self, g: GeneTables, indptr: Tensor, gene: Tensor, count: Tensor, log_depth: Tensor) -> Tensor:
        """Sum gene codes × scaled log counts over each cell's visible expressed genes, (cell, code).

        indptr (cell + 1,), gene and count (entry,) as CSR; log_depth (cell,).
        """
        lengths = indptr[1:] - indptr[:-1]
        scale = torch.repeat_interleave(torch.exp(LOG_DEPTH - log_depth), lengths)
        weight = torch.log1p(count * scale)
        summed = nn.functional.embedding_bag(gene, g.code_in, indptr[:-1], mode="sum", per_sample_weights=weight)
        return summed * VISIBLE_SCALE

    def masked_sum(self, g: GeneTables, mask: Tensor) -> Tensor:
        """Sum the codes of the masked genes over √(how many genes), (cell, code); mask (cell, gene) of 0 and 1."""
        return torch.as_tensor(mask @ g.code_in * (1.0 / len(g.code_in) ** 0.5))

    def effect_code(self, g: GeneTables, shift: Tensor) -> Tensor:
        """Return what was done to each cell as a vector, (cell, code): Σ_g shift_g code_g; shift (cell, gene)."""
        return torch.as_tensor(shift @ g.code_in * VISIBLE_SCALE)

    def _condition(self, context_vector: Tensor, log_depth: Tensor) -> Tensor:
        return torch.cat([context_vector, (log_depth - LOG_DEPTH)[:, None]], dim=1)

    def encode(
        self, visible: Tensor, context_vector: Tensor, log_depth: Tensor, effect_code: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return mean and log variance of q(z | x, context, condition), (cell, latent) each."""
        condition = self._condition(context_vector, log_depth)
        hidden = nn.functional.silu(self.encoder_in(torch.cat([visible, condition, effect_code], dim=1)))
        mean, log_var = self.encoder_out(self.encoder_block(hidden, condition)).chunk(2, dim=-1)
        return mean, log_var.clamp(-8.0, 2.0)

    def hidden(self, x: Inputs) -> Tensor:
        """Return u (cell, code), what the heads read."""
        condition = self._condition(x.context_vector, x.log_depth)
        h = self.from_z(x.z) + self.from_masked(x.masked)
        if x.visible is not None:
            h = h + self.from_visible(x.visible)
        for block in self.blocks:
            h = block(h, condition)
        return torch.as_tensor(self.to_code(self.norm(h)))

    def log_mean(self, g: GeneTables, x: Inputs, u: Tensor) -> Tensor:
        """Return log μ without effects, (cell, gene): counts expected of a control cell of this depth."""
        logits = torch.addmm(g.log_rate[x.context], u, g.code_out.T)
        whole = torch.logaddexp(torch.logsumexp(logits, dim=1), self.log_rest[x.context])
        return logits + (x.log_depth + self.log_gain[x.context] - whole)[:, None]

    def level_table(self, theta: Tensor) -> Tensor:
        """Return what of the value logits depends on θ alone, (…, 280); theta (…)."""
        table = torch.lgamma(self.level_value + theta[..., None]) - torch.lgamma(theta)[..., None]
        return torch.as_tensor(table + self.level_base())

    def level_base(self) -> Tensor:
        """Return what of the value logits depends on nothing else, (280,)."""
        return torch.as_tensor(self.level_width - torch.lgamma(self.level_value + 1))


def log_hazard(log_mean: Tensor, theta: Tensor, bias: Tensor) -> Tensor:
    """Return log λ0, (cell, gene); theta and bias are (gene,), (1, gene) or (cell, gene)."""
    return torch.log(theta * torch.log1p(torch.exp(log_mean) / theta) + 1e-12) + bias


def log_odds(log_value: Tensor, theta: Tensor) -> Tensor:
    """Return log(ν / (ν + θ)); log ν and θ of one shape."""
    return -torch.log1p(theta * torch.exp(-log_value.clamp(-12.0, 12.0)))
