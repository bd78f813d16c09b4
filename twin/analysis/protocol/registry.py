"""Every row that a table must hold beside a model, by name."""

from dataclasses import dataclass

from twin.analysis.protocol import baselines as b
from twin.analysis.protocol import ceilings, combinations, interpolation
from twin.analysis.protocol.ceilings import Ceiling
from twin.analysis.protocol.task import Baseline


@dataclass(frozen=True)
class Entry:
    """A baseline of the tables.

    is_random : it draws random numbers, so that it is run once a seed.
    """

    name: str
    predict: Baseline
    is_random: bool = False

    @property
    def about(self) -> str:
        """What it does, in one sentence."""
        text = self.predict.__doc__ or ""
        return text.strip().splitlines()[0]


def _carried(name: str, of: b.Carried) -> tuple[Entry, ...]:
    return (Entry(name, of), Entry(f"{name}, calibrated counts", b.AsCounts(of), is_random=True))


BASELINES: tuple[Entry, ...] = (
    Entry("no change", b.no_change, is_random=True),
    Entry("cell mean", combinations.cell_mean),
    Entry("context mean", combinations.context_mean),
    *_carried("mean shift", b.mean_shift),
    Entry("mean shift, counts", b.AsPoisson(b.mean_shift), is_random=True),
    Entry("mean shift (by cells)", b.weighted_shift),
    Entry("nearest context", b.nearest_shift),
    Entry("kNN over contexts", b.neighbour_shift),
    *_carried("similarity-weighted shift", b.similarity_shift),
    Entry("similarity-weighted shift, counts", b.AsPoisson(b.similarity_shift), is_random=True),
    Entry("level blend", b.level_blend),
    *_carried("similarity-weighted level", b.similarity_level),
    Entry("ridge", b.ridge),
    Entry("ridge, calibrated counts", b.AsCounts(b.ridge), is_random=True),
    Entry("own context's shift, pooled", b.pooled_shift),
    Entry("own context's treated mean", b.treated_mean),
    Entry("own context's treated cells", b.treated_cells, is_random=True),
    Entry("mean effect of all other perturbations", combinations.other_mean),
    Entry("mean effect of the peers", combinations.peer_mean),
    Entry("additive (known parts)", combinations.additive),
    Entry("additive, calibrated counts", b.AsCounts(combinations.additive), is_random=True),
    Entry("mean of the known parts", combinations.part_mean),
    Entry("strongest known part", combinations.strongest_part),
    Entry("additive with mean interaction", combinations.additive_interaction),
    Entry("kNN on gene sets", combinations.neighbour_effect),
    Entry("low-rank linear on gene sets", combinations.low_rank),
    Entry("linear interpolation", interpolation.linear),
    Entry("logarithmic interpolation", interpolation.logarithmic),
    Entry("nearest time or dose", interpolation.nearest),
)

CEILINGS: dict[str, Ceiling] = {
    "two disjoint halves (noise)": ceilings.split_half,
    "limit of a noise-free shift": ceilings.noise_free,
    "interpolated duplicate": ceilings.interpolated_duplicate,
}
