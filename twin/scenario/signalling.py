"""Who releases what, and who notices: the section `signalling` of a scenario."""

from collections.abc import Collection
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from twin.scenario.document import Document
from twin.units import Clearance, ConcentrationText, Hours, SecretionRate

Complexes = tuple[tuple[str, ...], ...]  # each one the genes of its subunits


class Secretion(Document):
    """Cells of some types release a substance at a fixed or a gene-gated rate."""

    substance: str
    by: tuple[str, ...] = Field(min_length=1, description="Cell types.")
    rate: SecretionRate = Field(description="Of one cell, at full gate.")
    gene: str | None = Field(
        None,
        min_length=1,
        description="Gate: the model's expected rate of this gene; of several, joined by +, the scarcest's.",
    )
    half_rate: float = Field(1.0, gt=0, description="Expected counts per 10,000 at which the gate is half.")
    start: Hours = 0.0
    end: Hours | None = None

    @property
    def genes(self) -> tuple[str, ...]:
        """Return the genes of the gate; () without one."""
        return () if self.gene is None else tuple(self.gene.split("+"))

    @model_validator(mode="after")
    def _ends_after_it_starts(self) -> Self:
        if self.end is not None and self.end <= self.start:
            raise ValueError(f"ends at {self.end:g} h, but starts at {self.start:g} h")
        return self


class Received(Document):
    """What all signals need to be received: a receptor, by the model's expected rates or fixed by type."""

    receptor: tuple[str, ...] = Field((), description="Subunits, gene symbols; the scarcest one limits.")
    complexes: tuple[str, ...] = Field(
        (),
        description="Instead of receptor: several, any of which will do, their subunits joined by +, like "
        "IL4R+IL2RG; those of which the world model lacks a gene are left out.",
    )
    detection: float = Field(
        1e-3, ge=0, description="A subunit expected below this (counts per 10,000) in a type is not there."
    )
    competence: dict[str, Annotated[float, Field(ge=0, le=1)]] = Field(
        default_factory=dict, description="Fixed receptor competence by cell type, instead of the model's."
    )

    @model_validator(mode="after")
    def _one_word_for_receptors(self) -> Self:
        if self.receptor and self.complexes:
            raise ValueError("give receptor or complexes, not both")
        return self

    @property
    def written(self) -> Complexes | None:
        """Return the receptors as they are written, () for none; None where nothing is said of them."""
        if self.complexes:
            return tuple(tuple(whole.split("+")) for whole in self.complexes)
        if self.receptor:
            return (self.receptor,)
        return () if "receptor" in self.model_fields_set else None


class Antagonist(Document):
    """A substance that competes for the receptor."""

    substance: str
    ki: ConcentrationText = Field(description="Its equilibrium constant K_B: at it, twice the ligand is needed.")


class Reception(Received):
    """Cells take a substance up and feel it as a perturbation of the world model.

    A substance that is taken from the table has the table's receptors, unless others (or `receptor: []`) are written.
    """

    substance: str
    perturbation: str | None = Field(None, description="Of the world model; without it, only uptake.")
    uptake: Clearance = Field(0.0, description="Volume cleared by one cell at full competence.")
    ec50: ConcentrationText | None = Field(
        None,
        description="Local concentration of half effect: the model's whole dose axis, the trained dose "
        "included, is scaled by it (a relative potency). Without it: the model's own.",
    )
    antagonists: tuple[Antagonist, ...] = Field(
        (), description="Competitors: dose and uptake are those of c / (1 + sum of b/ki)."
    )


class ContactSignal(Received):
    """A ligand on the membrane of cells that touch: each living neighbour adds the expected rate of its gene.

    The sum, through the receiver's competence, is the cell's column `contact_<ligand>`, and with `perturbation` a dose.
    """

    ligand: str = Field(
        min_length=1, description="Gene symbol; of a complex several, joined by +: the scarcest limits."
    )
    by: tuple[str, ...] = Field((), description="Cell types that show it; without it: all.")
    weigh: Literal["number", "area"] = Field(
        "number", description="Whether a neighbour counts as one, or as the area of its contact in um^2."
    )
    half_rate: float | None = Field(
        None, gt=0, description="A neighbour adds r/(r + half_rate), at most 1. Without it: r, in counts per 10,000."
    )
    perturbation: str | None = Field(None, description="Of the world model, that the signal is felt as.")
    dose: ConcentrationText | None = Field(None, description="Of the perturbation, at a signal of 1.")

    @model_validator(mode="after")
    def _a_perturbation_has_a_dose(self) -> Self:
        if (self.perturbation is None) != (self.dose is None):
            raise ValueError("perturbation and dose go together: the dose is what a signal of 1 is felt as")
        return self

    @property
    def genes(self) -> tuple[str, ...]:
        """Return the genes of the ligand."""
        return tuple(self.ligand.split("+"))

    @property
    def column(self) -> str:
        """Return the name of the per-cell column."""
        return "contact_" + "_".join(self.genes)


class Pairs(Document):
    """A table of ligands and receptors that receptions and contact signals are made of.

    A ligand that is a substance is felt as the perturbation of its name, through the table's receptors. Any other is a
    contact signal.
    """

    file: str = Field(description="CellPhoneDB's or FANTOM5's table, beside the scenario.")
    ligands: tuple[str, ...] = Field(min_length=1, description="Which to use.")


class Signalling(Document):
    """Who releases what, and who notices."""

    secretion: tuple[Secretion, ...] = ()
    reception: tuple[Reception, ...] = ()
    contact: tuple[ContactSignal, ...] = ()
    pairs: tuple[Pairs, ...] = ()

    @model_validator(mode="after")
    def _a_column_is_one_signal(self) -> Self:
        columns = [signal.column for signal in self.contact]
        for column in columns:
            if columns.count(column) > 1:
                raise ValueError(f"two contact signals would be the column {column}: keep one of them")
        return self


def present(complexes: Complexes, genes: Collection[str]) -> Complexes:
    """Return those receptors of which every subunit is among the genes."""
    return tuple(whole for whole in complexes if all(gene in genes for gene in whole))


def absent_receptors(complexes: Complexes, genes: Collection[str], ligand: str) -> str | None:
    """Say that none of a ligand's receptors is wholly among the genes; None where one is, or where it needs none."""
    if not complexes or present(complexes, genes):
        return None
    return (
        f"the world model lacks genes of every receptor of {ligand!r} ({spelt(complexes)}); write its own receptor, or "
        "receptor: [] where any cell receives it"
    )


def spelt(complexes: Complexes) -> str:
    """Return receptors as text: subunits joined by +, alternatives by `or`."""
    return " or ".join("+".join(whole) for whole in complexes)
