"""The training objective of every token backbone: 1/t-weighted cross-entropy on masked genes, and a KL on z."""

import torch
from torch import Tensor, nn

from twin.kernels.tokens import MASK
from twin.model.backbones.backbone import Backbone, Inputs
from twin.model.batches import Batch, imbalance
from twin.model.objective import hurdle_terms, some_hits


def masked_loss(
    backbone: Backbone, batch: Batch, t: Tensor, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return hurdle, value and KL terms, nats per measured gene, averaged over the batch, and the imbalance of z.

    Hurdle and value together are the cross-entropy over 281 levels. A gene that was not measured is neither input nor
    loss.

    Parameters
    ----------
    t : (cell,) masking probabilities.
    generator : of masks and noise, on the batch's device.
    """
    n, g = batch.measured.shape
    where = generator.device
    mask = (torch.rand(n, g, generator=generator, device=where) < t[:, None]).float() * batch.measured
    n_measured = batch.measured.sum(dim=1)
    weight = 1.0 / (t * n_measured)  # (cell,)

    whole = inputs_of(backbone, batch)
    mean, log_var = backbone.encode(whole)
    noise = torch.randn(mean.shape, generator=generator, device=where)
    z = mean + torch.exp(0.5 * log_var) * noise
    kl = 0.5 * (mean**2 + log_var.exp() - 1.0 - log_var).sum(dim=1) / n_measured

    seen = whole.level.masked_fill(mask > 0, MASK)
    heads = backbone.heads(whole.but(level=seen, z=z))
    entry_masked = mask[batch.row, batch.gene]
    hurdle = (hurdle_terms(heads.hazard(), mask, batch.row, batch.gene, entry_masked) * weight).mean()
    hit, share = some_hits(entry_masked, generator)
    row, gene = batch.row[hit], batch.gene[hit]
    nll = nn.functional.cross_entropy(heads.value_logits(row, gene), batch.level[hit] - 1, reduction="none")
    value = (nll * weight[row]).sum() / (share * n)
    return hurdle, value, kl.mean(), imbalance(mean, batch.strength)


def inputs_of(backbone: Backbone, batch: Batch) -> Inputs:
    """Return a batch as a backbone's inputs, everything measured visible, without z."""
    n, g = batch.measured.shape
    level = torch.zeros(n, g, dtype=torch.int32, device=batch.level.device)
    level[batch.row, batch.gene] = batch.level.to(torch.int32)
    level.masked_fill_(batch.measured == 0, MASK)
    z = batch.log_depth.new_zeros(n, backbone.config.latent)
    return Inputs(level, batch.context_vector, batch.perturbation_vector, batch.log_depth, z, batch.measured)


class Objective(nn.Module):
    """`masked_loss` as a module: what is wrapped, sharded and trained as one."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, batch: Batch, t: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return `masked_loss` of the backbone."""
        return masked_loss(self.backbone, batch, t, generator)
