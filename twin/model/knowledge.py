"""What a world model knows beside its network, and where it comes from."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from twin.data.arms import Agent, Arm
from twin.data.contexts import Context
from twin.model.condition import Perturbation
from twin.model.effects import EffectFamily
from twin.model.likeness import NO_FEATURES, Features
from twin.model.treatments import Treatment

Float = NDArray[np.float64]


@dataclass(frozen=True)
class ModelCard:
    """Where a checkpoint comes from.

    support : slope and intercept of the logistic curve from evidence to support; None: those of `twin.model.trials`.
    kappa : fitted scale of the messages' turnover; None: the convention of `WorldModel.kappa`.
    """

    name: str
    sources: tuple[str, ...] = ()
    n_cells: int = 0
    holdout: float = 0.0
    training: dict[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    support: tuple[float, float] | None = None
    kappa: float | None = None


@dataclass(frozen=True)
class Knowledge:
    """What a model knows beside its network: names, and what treatments do.

    contexts : with the words their data gave them. composition : (context,) shares among control cells of the first
    experiment, which is what a tissue is made of by default. families, treatments : measured effects.
    half_life : (gene,) of the messages, h.
    places : (gene,) the number that keys each gene's luck; None: where it stands. A part of a model keeps the whole's.
    """

    genes: tuple[str, ...]
    contexts: tuple[Context, ...]
    composition: Float
    perturbations: tuple[Perturbation, ...]
    families: tuple[EffectFamily, ...]
    treatments: tuple[Treatment, ...]
    half_life: Float
    features: Features = NO_FEATURES
    places: NDArray[np.uint64] | None = None

    def dispersion(self, treatments: NDArray[np.intp]) -> NDArray[np.float32]:
        """Return φ of each gene's counts in the experiments of some treatments, (treatment, gene); NaN: not measured.

        It is that within groups, treated and not, so that of a gene that was induced the treated ones tell most.
        """
        out = np.full((len(treatments), len(self.genes)), np.nan, np.float32)
        for row, t in zip(out, treatments, strict=True):
            family = self.families[self.treatments[t].family]
            row[family.genes] = family.phi
        return out

    def for_perturbations(self, names: Sequence[str]) -> "Knowledge":
        """Return what is known of some perturbations: the treatments that consist of them."""
        kept = [i for i, p in enumerate(self.perturbations) if p.name in names]
        number = {old: new for new, old in enumerate(kept)}
        treatments = [t for t in self.treatments if number.keys() >= set(t.agents)]
        return replace(
            self,
            perturbations=tuple(self.perturbations[i] for i in kept),
            treatments=tuple(replace(t, agents=tuple(number[a] for a in t.agents)) for t in treatments),
        )

    def with_gene(self, name: str) -> "Knowledge | None":
        """Return what is known with a gene that was never perturbed, told by its features alone.

        The experiment that answers is the one with the most related gene, of those in which features were found to
        tell treatments when they were fitted. None: nothing can be said of the gene.
        """
        related = [
            max(
                (self.features.cosines([name], [a.name])[0, 0] for arm in f.arms for a in arm.agents),
                default=0,
            )
            * (f.likeness.feature > 0)
            for f in self.families
        ]
        if not related or max(related) <= 0:
            return None
        family = int(np.argmax(related))
        perturbation = Perturbation(name, "gene", float("nan"), "unknown", float("nan"), 1.0, (), {})
        arm = Arm((Agent(name, "gene"),))
        treatment = Treatment(arm, family, (len(self.perturbations),))
        return replace(
            self,
            perturbations=(*self.perturbations, perturbation),
            treatments=(*self.treatments, treatment),
        )
