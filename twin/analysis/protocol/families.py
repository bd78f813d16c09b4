"""The families of tasks: which split of which files, and what each of them cannot show."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from twin.analysis.protocol import courses, drugs, genes, kang
from twin.analysis.protocol.task import Task
from twin.errors import UnknownNameError


@dataclass(frozen=True)
class Family:
    """Tasks of one kind on one data set.

    key : the word on the command line. split : one line. limits : what it cannot show, one line.
    """

    key: str
    name: str
    split: str
    limits: str
    files: tuple[str, ...]
    build: Callable[[Path], Iterator[Task]]

    def tasks(self, folder: Path) -> list[Task]:
        """Return the tasks, built from the files of a folder."""
        return list(self.build(folder))

    def missing(self, folder: Path) -> tuple[str, ...]:
        """Return the files that the folder lacks."""
        return tuple(name for name in self.files if not (folder / name).is_file())


FAMILIES: tuple[Family, ...] = (
    Family(
        "ifnb-types",
        kang.LEAVE_TYPE,
        "IFN-beta on PBMC: treated cells of one of seven types hidden, its controls visible",
        "one cytokine, one dose, one time, seven patients with one disease; rare types are near their noise",
        kang.FILES,
        kang.leave_type_out,
    ),
    Family(
        "ifnb-donors",
        kang.LEAVE_DONOR,
        "IFN-beta on PBMC: all treated cells of one donor hidden; 20 donor x type pairs with 20 cells an arm",
        "donors of one study; most pairs have so few cells that the truth itself is noisy (halves agree at 0.75)",
        kang.FILES,
        kang.leave_donor_out,
    ),
    Family(
        "ifnb-cells",
        kang.HELD_OUT_CELLS,
        "IFN-beta on PBMC: a fifth of the treated cells of every type hidden, by a hash of their names",
        "fit, not transfer: the same type, donor and condition are visible in the other cells",
        kang.FILES,
        kang.single_cells_out,
    ),
    Family(
        "crispr-doubles",
        genes.DOUBLES,
        "CRISPR activation in K562: each double hidden, the singles and other doubles visible",
        "500 variable genes, 100 control cells; both singles are known for two of eleven doubles, and both are weak",
        (genes.K562,),
        genes.doubles,
    ),
    Family(
        "thp1-knock-outs",
        genes.KNOCK_OUTS,
        "THP-1 knock-outs: one target hidden, the other 19 visible; the three targets that can be scored",
        "299 random genes; the three share one pathway, so that the others of it predict them",
        (genes.THP1,),
        genes.knock_outs,
    ),
    Family(
        "jurkat-tcr",
        genes.STIMULATED,
        "Jurkat: knock-out with anti-CD3/CD28 hidden, the knock-out alone, the stimulus alone and other pairs visible",
        "2,000 variable genes at about 58 counts a cell, one guide a well: well effects are possible",
        (genes.JURKAT,),
        genes.stimulated,
    ),
    Family(
        "panobinostat",
        drugs.PANOBINOSTAT,
        "Panobinostat on glioblastoma slices: treated cells of one of four patients hidden",
        "300 variable genes, no cell types: a shift of composition and a response cannot be told apart",
        (drugs.GLIOBLASTOMA,),
        drugs.panobinostat,
    ),
    Family(
        "lps-course",
        courses.LPS,
        "LPS on mouse dendritic cells: 2 h hidden, 1 h and 6 h visible",
        "one time of one course, no unstimulated cells: says nothing of the response from rest",
        (courses.BMDC,),
        courses.lps,
    ),
    Family(
        "cardiomyocyte-course",
        courses.HEART,
        "iPSC to cardiomyocyte: day 6 or day 30 hidden, of 0, 6, 30 and 60",
        "four times, unknown line and batch: time and batch may coincide",
        (courses.IPSC,),
        courses.cardiomyocyte,
    ),
    Family(
        "primate-course",
        courses.NEURAL,
        "iPSC to neural cells in three primates: a middle day of one species hidden",
        "300 genes; the other species show the hidden day",
        (courses.PRIMATES,),
        courses.primate_neural,
    ),
    Family(
        "worm-course",
        courses.WORM,
        "Worm embryo: one window of 100 minutes of one lineage hidden",
        "time is estimated by the authors from the transcriptome itself; the other lineages show the window",
        (courses.EMBRYO,),
        courses.worm,
    ),
    Family(
        "trem2-microglia",
        genes.TREM2,
        "TREM2 knock-out mouse microglia: a fifth of the cells hidden",
        "one sample a genotype: an effect cannot be told from a sample effect, and only fit is tested",
        (genes.MICROGLIA,),
        genes.trem2,
    ),
    Family(
        "cftr-types",
        genes.PIG_TYPES,
        "CFTR knock-out pig airway: one of three cell types hidden",
        "1,339 genes; genotype and animal coincide, two animals against three",
        (genes.PIG,),
        genes.pig_types,
    ),
    Family(
        "cftr-animals",
        genes.PIG_ANIMALS,
        "CFTR knock-out pig airway: one of two knock-out animals hidden",
        "1,339 genes; one animal to learn from: genotype and animal coincide",
        (genes.PIG,),
        genes.pig_animals,
    ),
    Family(
        "yeast",
        drugs.NUTRIENT,
        "Yeast under mycophenolic acid or guanine: a fifth of the cells hidden",
        "one sample a condition, doses unknown: fit, not transfer",
        (drugs.YEAST,),
        drugs.yeast,
    ),
    Family(
        "dexamethasone-doses",
        drugs.DOSES,
        "Dexamethasone on A549: one of five inner doses hidden",
        "198 random genes of which one clearly responds: most of what is scored is noise",
        (drugs.A549,),
        drugs.dexamethasone,
    ),
    Family(
        "drug-lines",
        drugs.LINES,
        "20 drugs on three ovarian lines (bulk): all wells of the drug in one line hidden",
        "mostly one well a condition: no noise can be told, cells not resolved",
        (drugs.OVARIAN,),
        drugs.ovarian_lines,
    ),
    Family(
        "doxorubicin",
        drugs.DOXORUBICIN,
        "Doxorubicin on iPSC cardiomyocytes (bulk): one of six patients hidden",
        "one culture an arm: no noise can be told, exposure time unknown",
        (drugs.CARDIOMYOCYTES,),
        drugs.doxorubicin,
    ),
)


def chosen(keys: Iterable[str] | None = None, among: Sequence[Family] = FAMILIES) -> list[Family]:
    """Return the families of these keys, in the order of the list; all without any.

    Raises
    ------
    UnknownNameError
        If a key is not known.
    """
    known = {family.key: family for family in among}
    wanted = list(known) if keys is None else list(keys)
    for key in wanted:
        if key not in known:
            raise UnknownNameError("family of tasks", key, known)
    return [family for family in among if family.key in wanted]
