"""Tissues that are built from a shape: spheroid, cyst, crypts and villi, cortex, monolayer, vessels, lymph node.

Each says where its cells are and which niche they belong to; who they are comes as mixtures of types. What is not
written is the default of the tissue, in µm, with its source in the description or by our choice.
"""

from typing import Literal, Self

from pydantic import Field, model_validator

from twin.scenario.document import Document
from twin.scenario.sources import CellSource, Mixture, Transcriptomes
from twin.units import CellDensity, Micrometres, Position, SheetDensity

Pair = tuple[Micrometres, Micrometres]
Block = tuple[Micrometres, Micrometres, Micrometres]


class Built(CellSource):
    """What all builders share."""

    transcriptomes: Transcriptomes | None = Field(
        None, description="Measured cells that the cells take their counts of; without it the world model draws them."
    )

    @property
    def files(self) -> tuple[str, ...]:
        """Files that its cells are made of."""
        return () if self.transcriptomes is None else (self.transcriptomes.file,)

    @model_validator(mode="after")
    def _shape_says_where(self) -> Self:
        if self.place:
            raise ValueError("the shape says where cells are: leave place out")
        return self


class Bodies(Built):
    """What builders of separate bodies share: there may be several, with free medium around."""

    organoids: int = Field(1, ge=1, le=10_000, description="How many, all alike but for their luck.")
    arrangement: Literal["grid", "scattered"] = Field("grid", description="How several lie in their box.")
    gap: Micrometres = Field(50.0, description="Least free medium between two of them.")
    margin: Micrometres = Field(50.0, description="Free medium around them, where no box is given.")


class Shell(Document):
    """A zone of a spheroid, from its surface inwards."""

    thickness: Micrometres | None = Field(None, description="The last zone has none: it is what is left inside.")
    cells: Mixture | None = Field(None, description="Without it: those of the spheroid; {} leaves the zone empty.")


def default_shells() -> dict[str, Shell]:
    """Return the zones of a tumour spheroid; our choice: necrosis begins 100 to 220 µm deep.

    Source
    ------
    Sutherland, Cell and environment interactions in tumor microregions, Science 240 (1988).
    """
    return {"rim": Shell(thickness="50 um"), "quiescent shell": Shell(thickness="100 um"), "core": Shell()}


class Spheroid(Bodies):
    """A ball of cells in zones, from the rim to the core."""

    source: Literal["spheroid"]
    diameter: Micrometres | None = Field(None, description="Or give count.")
    count: int | None = Field(None, ge=1, le=10_000_000, description="Cells of each; with diameter, or in its place.")
    packing: float = Field(0.6, gt=0, le=0.74, description="Share of the volume that cells fill; our choice.")
    cells: Mixture = Field(default_factory=dict, description="Of the zones that name none.")
    zones: dict[str, Shell] = Field(
        default_factory=default_shells,
        min_length=1,
        description="From the surface inwards; without it rim 50 um, quiescent shell 100 um, core.",
    )

    @model_validator(mode="after")
    def _has_size_and_cells(self) -> Self:
        if self.diameter is None and self.count is None:
            raise ValueError("give the diameter, like 400 um, or the count of its cells")
        shells = list(self.zones.items())
        for name, shell in shells[:-1]:
            if shell.thickness is None:
                raise ValueError(f"zone {name!r} needs a thickness: only the last is what is left inside")
        if not any(shell.cells if shell.cells is not None else self.cells for _, shell in shells):
            raise ValueError("give cells, like {tumour: 1}, or cells for some of the zones")
        return self


class Layer(Document):
    """A further layer of cells around an epithelium, on its outside."""

    cells: Mixture = Field(min_length=1)
    coverage: float = Field(1.0, gt=0, le=1, description="Share of a closed layer.")


class Cap(Document):
    """A part of an epithelium around one pole, of other cells."""

    cells: Mixture = Field(min_length=1)
    share: float = Field(0.2, gt=0, lt=1, description="Of the surface.")


class Cyst(Bodies):
    """A hollow ball: an epithelium around a lumen, single-layered or pseudostratified."""

    source: Literal["cyst"]
    lumen: Micrometres | None = Field(None, description="Its diameter. Or give count.")
    count: int | None = Field(None, ge=4, le=1_000_000, description="Cells of each epithelium.")
    cells: Mixture = Field(min_length=1, description="Of the epithelium.")
    rows: int = Field(1, ge=1, le=6, description="Rows of nuclei; more than one: pseudostratified.")
    cap: Cap | None = None
    outer: Layer | None = Field(None, description="A layer around it, like myoepithelial cells.")

    @model_validator(mode="after")
    def _has_a_size(self) -> Self:
        if self.lumen is None and self.count is None:
            raise ValueError("give the lumen, like 80 um, or the count of its cells")
        return self


class CryptVillus(Bodies):
    """Intestinal epithelium in niches along the axis from the crypt's base to the villus.

    Shares and zones by Barker 2014 (Nat. Rev. Mol. Cell Biol. 15:19): Lgr5+ stem cells between Paneth cells in the
    lowest four to five rows, transit-amplifying cells above; on the villus about nine in ten are enterocytes (Cheng and
    Leblond 1974, Am. J. Anat. 141:461).
    """

    source: Literal["crypt_villus"]
    form: Literal["organoid", "tissue"] = Field(
        "organoid", description="A closed body with budding crypts; or villi with crypts around, open to a lumen."
    )
    crypts: int = Field(5, ge=1, le=12, description="Of each organoid, or around each villus.")
    crypt_depth: Micrometres = Field(100.0, description="From its base to its mouth; mouse about 100 um, our choice.")
    crypt_lumen: Micrometres = Field(20.0, description="Its diameter; our choice.")
    lumen: Micrometres = Field(120.0, description="Diameter of an organoid's central lumen; our choice.")
    villi: int = Field(1, ge=1, le=20, description="Of a tissue, in a row along x.")
    villus_height: Micrometres = Field(300.0, description="Of a tissue; mouse jejunum 300 to 500 um, our choice.")
    villus_width: Micrometres = Field(110.0, description="Of a tissue, with its epithelium; our choice.")
    base_height: Micrometres = Field(40.0, description="Of the niche of stem and Paneth cells: four to five rows.")
    amplifying_height: Micrometres = Field(75.0, description="To where transit-amplifying cells reach; our choice.")
    base: Mixture = Field(default={"stem": 0.5, "Paneth": 0.5}, min_length=1, description="They alternate.")
    amplifying: Mixture = Field(default={"transit-amplifying": 1.0}, min_length=1)
    neck: Mixture = Field(
        default={"absorptive progenitor": 0.8, "secretory progenitor": 0.2},
        min_length=1,
        description="Progenitors up to the crypt's mouth.",
    )
    villus: Mixture = Field(
        default={"enterocyte": 0.89, "goblet": 0.09, "enteroendocrine": 0.01, "tuft": 0.01}, min_length=1
    )
    stroma: Mixture = Field(default_factory=dict, description="Cells in a tissue below its epithelium; loose.")
    stroma_packing: float = Field(0.08, gt=0, le=0.74, description="Share of the stroma that they fill; our choice.")

    @model_validator(mode="after")
    def _zones_rise(self) -> Self:
        if not self.base_height < self.amplifying_height <= self.crypt_depth:
            raise ValueError(
                f"base_height {self.base_height:g} um, amplifying_height {self.amplifying_height:g} um and crypt_depth "
                f"{self.crypt_depth:g} um must rise: they are heights above the crypt's base"
            )
        if self.form == "organoid" and self.stroma:
            raise ValueError("an organoid has no stroma: leave it out, or take form: tissue")
        if self.form == "tissue" and self.organoids > 1:
            raise ValueError("a tissue is one: for more of it raise villi")
        if self.form == "organoid" and self.crypt_lumen >= self.lumen:
            raise ValueError(f"crypt_lumen {self.crypt_lumen:g} um is not below the lumen {self.lumen:g} um")
        return self


class CorticalLayer(Document):
    """A layer of the cortex."""

    thickness: Micrometres
    density: CellDensity = Field(description="All cells of it, neurons and others.")
    cells: Mixture = Field(min_length=1)


GLIA = {"astrocyte": 0.12, "oligodendrocyte": 0.1, "microglia": 0.05, "endothelial": 0.13}  # shares; our choice
LAYERS = {  # thickness in µm, 1/mm³, shares; thickness of mouse barrel cortex: Lefort et al. 2009 (Neuron 61:301);
    # densities and shares are our choice, within what Keller et al. 2018 (Front. Neuroanat. 12:83) review
    "L1": (128.0, 5e4, {"interneuron": 0.3, "astrocyte": 0.4, "microglia": 0.1, "endothelial": 0.2}),
    "L2/3": (290.0, 1.4e5, {"excitatory L2/3": 0.5, "interneuron": 0.1, **GLIA}),
    "L4": (170.0, 1.8e5, {"excitatory L4": 0.52, "interneuron": 0.08, **GLIA}),
    "L5": (302.0, 1.1e5, {"excitatory L5": 0.5, "interneuron": 0.1, **GLIA}),
    "L6": (264.0, 1.4e5, {"excitatory L6": 0.54, "interneuron": 0.06, **GLIA}),
    "white matter": (60.0, 1.2e5, {"oligodendrocyte": 0.7, "astrocyte": 0.15, "microglia": 0.07, "endothelial": 0.08}),
}


def default_layers() -> dict[str, CorticalLayer]:
    """Return the layers of mouse somatosensory cortex."""
    return {
        name: CorticalLayer(thickness=f"{thick} um", density=f"{density} /mm^3", cells=cells)
        for name, (thick, density, cells) in LAYERS.items()
    }


class CorticalLayers(Built):
    """A piece of the cortex, from the pia at the top to the white matter."""

    source: Literal["cortical_layers"]
    width: Pair | None = Field(None, description="Its edges along x and y; without it the box's, or 200 um.")
    layers: dict[str, CorticalLayer] = Field(
        default_factory=default_layers,
        min_length=1,
        description="From the pia down; without it those of mouse somatosensory cortex, 1,214 um in all.",
    )
    curvature: Micrometres | None = Field(
        None, description="Radius of the pia, which then bends along x as on a gyrus; without it the layers are flat."
    )


class Gap(Document):
    """A strip without cells, like a scratch: between two places along x."""

    x: tuple[Position, Position]

    @model_validator(mode="after")
    def _rises(self) -> Self:
        if self.x[0] >= self.x[1]:
            raise ValueError(f"x goes from {self.x[0]:g} to {self.x[1]:g} um: the first is the lower")
        return self


class Monolayer(Built):
    """A sheet of cells in the middle of the box's z."""

    source: Literal["monolayer"]
    width: Pair | None = Field(None, description="Its edges along x and y; without it the box's.")
    density: SheetDensity | None = Field(None, description="Or give count; without both it is confluent.")
    count: int | None = Field(None, ge=1, le=10_000_000)
    cells: Mixture = Field(min_length=1)
    arrangement: Literal["even", "random"] = Field(
        "even", description="Nearly hexagonal; or at random, but two cells never overlap by more than a fifth."
    )
    gap: Gap | None = Field(None, description="A strip that is free of cells.")

    @model_validator(mode="after")
    def _count_or_density(self) -> Self:
        if self.count is not None and self.density is not None:
            raise ValueError("give count or density, not both")
        return self


class Vessels(Document):
    """Parallel vessels through a tissue."""

    diameter: Micrometres = Field(12.0, description="Of the lumen; our choice: a wide capillary.")
    spacing: Micrometres = Field(100.0, description="From the middle of one to that of the next; our choice.")
    arrangement: Literal["hexagonal", "square"] = Field("hexagonal", description="Hexagonal: Krogh's.")
    along: Literal["x", "y", "z"] = Field("y", description="The axis along which they run.")


class VesselSlab(Built):
    """A tissue with vessels: endothelium around lumina that hold no cells, pericytes, and the parenchyma between."""

    source: Literal["vessel_slab"]
    size: Block | None = Field(None, description="Its edges along x, y, z; without it the box's.")
    vessels: Vessels = Vessels()
    cells: Mixture = Field(min_length=1, description="Of the parenchyma.")
    packing: float = Field(0.5, gt=0, le=0.74, description="Share of the parenchyma that cells fill; our choice.")
    endothelium: Mixture = Field(
        default={"endothelial": 1.0}, min_length=1, description="One layer around each lumen: the vessel's wall."
    )
    pericytes: Layer | None = Field(None, description="On the outside of the endothelium.")


class LymphoidPatch(Built):
    """A piece of a lymph node: sinus below the capsule at the top, follicles, and the T cell zone.

    The types are those of blood, which the shipped model draws; shares are our choice, after Willard-Mack 2006
    (Toxicol. Pathol. 34:409).
    """

    source: Literal["lymphoid_patch"]
    size: Block | None = Field(None, description="Its edges along x, y, z; without it the box's.")
    follicles: int = Field(1, ge=0, le=100, description="In a row below the sinus.")
    follicle_diameter: Micrometres = Field(160.0, description="With the mantle; our choice: of a small one.")
    centre_diameter: Micrometres | None = Field(90.0, description="Of the germinal centre; null: a primary follicle.")
    sinus_thickness: Micrometres | None = Field(20.0, description="Of the subcapsular sinus; null: none.")
    packing: float = Field(0.5, gt=0, le=0.74, description="Share of the volume that cells fill; our choice.")
    sinus_packing: float = Field(0.15, gt=0, le=0.74, description="The same of the sinus; our choice.")
    germinal_centre: Mixture = Field(default={"B Activated": 0.85, "CD4 Memory T": 0.1, "DC": 0.05}, min_length=1)
    mantle: Mixture = Field(default={"B": 0.95, "CD4 Memory T": 0.03, "DC": 0.02}, min_length=1)
    t_zone: Mixture = Field(
        default={"CD4 Naive T": 0.45, "CD4 Memory T": 0.2, "CD8 T": 0.25, "DC": 0.06, "pDC": 0.02, "NK": 0.02},
        min_length=1,
    )
    sinus: Mixture = Field(default={"CD14 Mono": 0.7, "CD16 Mono": 0.1, "NK": 0.1, "B": 0.1}, min_length=1)
    stroma: Mixture = Field(default_factory=dict, description="Sprinkled evenly over all zones but the sinus.")
    stroma_share: float = Field(0.03, gt=0, lt=1, description="Of the cells there that are stroma.")

    @model_validator(mode="after")
    def _centre_lies_in_the_follicle(self) -> Self:
        if self.centre_diameter is not None and self.centre_diameter >= self.follicle_diameter:
            raise ValueError(
                f"centre_diameter {self.centre_diameter:g} um is not below follicle_diameter "
                f"{self.follicle_diameter:g} um"
            )
        return self


Builder = Spheroid | Cyst | CryptVillus | CorticalLayers | Monolayer | VesselSlab | LymphoidPatch
BUILDERS: dict[str, type[Built]] = {
    "spheroid": Spheroid,
    "cyst": Cyst,
    "crypt_villus": CryptVillus,
    "cortical_layers": CorticalLayers,
    "monolayer": Monolayer,
    "vessel_slab": VesselSlab,
    "lymphoid_patch": LymphoidPatch,
}
