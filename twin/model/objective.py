"""The training objective of the `latent` backbone; that of the others is in `twin.model.backbones.objective`."""

import torch
from torch import Tensor

from twin.model.batches import Batch, imbalance
from twin.model.network import Inputs, LatentNetwork, log_hazard, log_odds

VALUES_PER_STEP = 6_000  # non-zero entries whose value is scored in a step, drawn at random; our choice


def masked_loss(
    net: LatentNetwork, batch: Batch, t: Tensor, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return hurdle, value and KL terms, nats per measured gene, averaged over the batch, and the imbalance of z.

    t : (cell,) masking probabilities.
    """
    n, _ = batch.measured.shape
    where = generator.device
    mask = (torch.rand(batch.measured.shape, generator=generator, device=where) < t[:, None]).float() * batch.measured
    weight = 1.0 / (t * batch.measured.sum(dim=1))  # (cell,)

    assays, assay = torch.unique(net.assay[batch.context], return_inverse=True)
    g = net.tables(batch.columns, assays)
    theta = g.theta
    context = net.context_vectors(g, batch.context)
    whole = net.visible_sum(g, batch.indptr, batch.gene, batch.count, batch.log_depth)
    mean, log_var = net.encode(whole, context, batch.log_depth, net.effect_code(g, batch.shift))
    noise = torch.randn(mean.shape, generator=generator, device=where)
    z = mean + torch.exp(0.5 * log_var) * noise
    kl = 0.5 * (mean**2 + log_var.exp() - 1.0 - log_var).sum(dim=1) / batch.measured.sum(dim=1)

    entry_masked = mask[batch.row, batch.gene]
    visible = net.visible_sum(g, batch.indptr, batch.gene, batch.count * (1.0 - entry_masked), batch.log_depth)
    inputs = Inputs(z, batch.context, context, batch.log_depth, visible, net.masked_sum(g, mask))
    log_mean = net.log_mean(g, inputs, net.hidden(inputs)) + batch.shift

    own = slice(None) if len(assays) == 1 else assay  # one row serves all cells of one assay
    hazard = torch.exp(log_hazard(log_mean, theta[own], g.hurdle_bias[own]).clamp(-20.0, 6.0))
    hurdle = (hurdle_terms(hazard, mask, batch.row, batch.gene, entry_masked) * weight).mean()

    hit, share = some_hits(entry_masked, generator)
    row, gene = batch.row[hit], batch.gene[hit]
    at = assay[row], gene
    odds = log_odds(log_mean[row, gene] + g.value_bias[at], theta[at])
    logits = net.level_table(theta[at]) + odds[:, None] * net.level_value
    nll = torch.nn.functional.cross_entropy(logits, batch.level[hit] - 1, reduction="none")
    value = (nll * weight[row]).sum() / (share * n)
    return hurdle, value, kl.mean(), imbalance(mean, batch.strength)


def hurdle_terms(hazard: Tensor, mask: Tensor, row: Tensor, gene: Tensor, entry_masked: Tensor) -> Tensor:
    """Return −Σ log P of zero and non-zero over each cell's masked genes, (cell,), where P(0) = exp(−hazard).

    hazard, mask : (cell, gene). row, gene, entry_masked : (entry,) the non-zero entries, and which are masked.
    """
    at_entries = hazard[row, gene]
    # −log P(0) = λ0 everywhere; where the count is not zero the term is −log(1 − exp(−λ0)) instead
    return (
        (hazard * mask)
        .sum(dim=1)
        .index_add(
            0,
            row,
            (-torch.log(-torch.expm1(-at_entries) + 1e-12) - at_entries) * entry_masked,
        )
    )


def some_hits(entry_masked: Tensor, generator: torch.Generator) -> tuple[Tensor, float]:
    """Return which masked non-zero entries are scored, at most `VALUES_PER_STEP`, and what share of all they are."""
    hit = torch.nonzero(entry_masked > 0).ravel()
    if len(hit) <= VALUES_PER_STEP:
        return hit, 1.0
    some = torch.randperm(len(hit), generator=generator, device=generator.device)[:VALUES_PER_STEP]
    return hit[some], VALUES_PER_STEP / len(hit)
