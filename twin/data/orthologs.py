"""Genes of several species on one axis, by a user's table of orthologs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from twin.errors import InputError

LEAST_SUPPORT = 3  # databases that agree on an ortholog, where the table counts them; HCOP's own usual cut
SAME_SYMBOLS_SHARE = 0.5  # of a file's genes that are symbols of the axis: it is named by the axis; our choice
SPECIES_WORDS = {
    "homo sapiens": "human",
    "mus musculus": "mouse",
    "rattus norvegicus": "rat",
    "danio rerio": "zebrafish",
    "drosophila melanogaster": "fly",
    "fruit fly": "fly",
    "sus scrofa": "pig",
    "caenorhabditis elegans": "worm",
    "saccharomyces cerevisiae": "yeast",
    "budding yeast": "yeast",
    "gallus gallus": "chicken",
    "pan troglodytes": "chimpanzee",
}


def species_word(text: str) -> str:
    """Return the short word of a species: "Mus musculus" is mouse; "" where none is told."""
    lower = " ".join(text.lower().replace("_", " ").split())
    if lower in ("", "unknown", "nan", "none"):
        return ""
    for stem, word in (("macaca", "macaque"), ("gorilla", "gorilla"), *SPECIES_WORDS.items()):
        if lower == word or lower.startswith(stem):
            return word
    return lower


@dataclass(frozen=True)
class Orthologs:
    """One-to-one maps of genes onto the symbols of one species.

    axis : the species whose symbols name the axis.
    known : its symbols.
    maps : species → its gene → (axis gene, support: the larger the better).
    """

    axis: str = "human"
    known: frozenset[str] = frozenset()
    maps: Mapping[str, Mapping[str, tuple[str, float]]] = field(default_factory=dict)

    def to_axis(self, genes: Sequence[str], species: str) -> tuple[str, ...]:
        """Return the names of a file's genes on the axis, in their order.

        A gene with an ortholog takes its symbol, any other becomes "species:symbol", so that two species' own genes
        never collide. Of two genes with one ortholog the better supported keeps it (the first, where equal). A file in
        all lower or upper case is read in the table's spelling. Genes of the axis species, of no told species, and
        of a species without a map that is named by the axis' symbols (`SAME_SYMBOLS_SHARE`) keep their names.
        """
        word = species_word(species)
        if word in ("", self.axis):
            return tuple(genes)
        table = self.maps.get(word)
        if table is None:
            shared = sum(gene in self.known for gene in genes)
            if shared >= SAME_SYMBOLS_SHARE * max(len(genes), 1) and shared:
                return tuple(gene if gene in self.known else f"{word}:{gene}" for gene in genes)
            table = {}
        genes = _as_known(genes, table)
        best: dict[str, tuple[float, int]] = {}
        for i, gene in enumerate(genes):
            found = table.get(gene)
            if found is not None and (found[0] not in best or found[1] > best[found[0]][0]):
                best[found[0]] = (found[1], i)
        winner = {i: target for target, (_, i) in best.items()}
        return tuple(winner.get(i, f"{word}:{gene}") for i, gene in enumerate(genes))


def _as_known(genes: Sequence[str], table: Mapping[str, object]) -> Sequence[str]:
    """Return genes in the table's spelling where the file as a whole is in another case (all lower, all upper)."""
    spelt: dict[str, str] = {}
    for gene in table:
        spelt.setdefault(gene.lower(), gene)
    exact = sum(gene in table for gene in genes)
    if 2 * exact >= sum(gene.lower() in spelt for gene in genes):
        return genes
    return [spelt.get(gene.lower(), gene) for gene in genes]


def read_orthologs(path: Path, axis: str = "human") -> Orthologs:
    """Read a table (.tsv, .csv, either .gz) with a column for the axis species and one for each other species.

    Columns are called by the species ("mouse", "Mus musculus" or "mouse_symbol"). Where `<species>_unique` and
    `<species>_support` are there, only unique orthologs on which `LEAST_SUPPORT` sources agree are used. A gene that
    stands for several genes of the axis is used for none: the map is one-to-one.

    Raises
    ------
    InputError
        If the file is not there or cannot be read, or a column is missing.
    """
    if not path.is_file():
        raise InputError(f"{path} is not there: a table of orthologs (.tsv or .csv) is needed")
    separator = "," if path.name.removesuffix(".gz").endswith(".csv") else "\t"
    try:
        table = pd.read_csv(path, sep=separator, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0][:120]
        raise InputError(f"{path} cannot be read as a table of orthologs ({reason})") from error
    columns: dict[str, str] = {}
    for name in table.columns:
        if not str(name).endswith(("_support", "_unique", "_entrez", "_ensembl")):
            columns.setdefault(species_word(str(name).removesuffix("_symbol")), str(name))
    if axis not in columns:
        raise InputError(
            f"{path}: no column holds the {axis} genes; call it {axis} or {axis}_symbol; "
            f"found {', '.join(map(str, table.columns[:12]))}"
        )
    others = {word: name for word, name in columns.items() if word not in ("", axis)}
    if not others:
        raise InputError(f"{path}: no column holds another species beside {axis}; call it mouse, zebrafish, fly, …")
    target = table[columns[axis]]
    maps = {word: _one_to_one(table, target, name) for word, name in others.items()}
    return Orthologs(axis, frozenset(t for t in target if t), maps)


def _one_to_one(table: pd.DataFrame, target: pd.Series, name: str) -> dict[str, tuple[str, float]]:
    stem = name.removesuffix("_symbol")
    gene = table[name]
    good = (gene != "") & (target != "")
    if f"{stem}_unique" in table:
        good &= table[f"{stem}_unique"].str.lower().isin(["true", "1", "yes"])
    support = pd.Series(0.0, index=table.index)
    if f"{stem}_support" in table:
        support = pd.to_numeric(table[f"{stem}_support"], errors="coerce").fillna(0.0)
        good &= support >= LEAST_SUPPORT
    pairs = pd.DataFrame({"gene": gene, "target": target, "support": support})[good].drop_duplicates(["gene", "target"])
    pairs = pairs[~pairs["gene"].duplicated(keep=False)]
    return {
        str(g): (str(t), float(s)) for g, t, s in zip(pairs["gene"], pairs["target"], pairs["support"], strict=True)
    }
