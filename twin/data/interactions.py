"""Who can speak to whom: tables of ligands and receptors, CellPhoneDB's or FANTOM5's, read into one shape."""

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from twin.errors import InputError

DIRECTED = "Ligand-Receptor"  # CellPhoneDB's word; a pair of any other word binds both ways
LARGEST_FILE = 50_000_000  # bytes; our choice: the tables in use have well below one million


@dataclass(frozen=True)
class Interaction:
    """A ligand and the receptor that binds it, each a complex of one or more genes.

    direction : CellPhoneDB's word, like "Ligand-Receptor" or "Adhesion-Adhesion".
    classification : like "Signaling by Interferon"; "" where the table does not tell.
    evidence : as the table tells it: a source, or "literature supported".
    """

    ligand: tuple[str, ...]
    receptor: tuple[str, ...]
    direction: str = DIRECTED
    classification: str = ""
    evidence: str = ""

    @property
    def is_directed(self) -> bool:
        """Whether one side speaks and the other hears; cells that adhere do both."""
        return self.direction == DIRECTED

    @property
    def name(self) -> str:
        """Return it as one word: the ligand, an arrow, the receptor."""
        return f"{'+'.join(self.ligand)}→{'+'.join(self.receptor)}"


def read_interactions(path: str | Path) -> tuple[Interaction, ...]:
    """Read a table of ligands and receptors; the columns say whose it is.

    CellPhoneDB v5: `genes_a`, `genes_b`, and if there, `classification`, `directionality`, `source`. FANTOM5 and its
    like: `ligand`, `receptor`, and if there, `evidence`. Subunits of a complex are joined by `+`; tabs or commas part
    the columns; a pair that stands twice is kept once.

    Raises
    ------
    InputError
        If the file cannot be read, has none of these columns, or a line lacks a gene.
    """
    path = Path(path)
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise InputError(
                f"{path} has {path.stat().st_size} bytes; a table of interactions has at most {LARGEST_FILE}"
            )
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError:
        raise InputError(f"{path} is not there: give a table of ligands and receptors") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read as a table of text: {error}") from None
    header = lines[0] if lines else ""
    reader = csv.DictReader(lines, delimiter="\t" if "\t" in header else ",")
    columns = tuple(reader.fieldnames or ())
    for speaks, hears in (("genes_a", "genes_b"), ("ligand", "receptor")):
        if speaks in columns and hears in columns:
            found = (_interaction(row, speaks, hears, f"{path}, line {reader.line_num}") for row in reader)
            return tuple(dict.fromkeys(found))
    raise InputError(
        f"{path} has the columns {', '.join(columns) or 'of no table'}; a table of ligands and receptors has genes_a "
        "and genes_b (CellPhoneDB) or ligand and receptor (FANTOM5)"
    )


def receptors_of(interactions: Iterable[Interaction], ligand: str) -> tuple[tuple[str, ...], ...]:
    """Return the receptor complexes that a ligand binds, in the order of the table.

    Where the table does not tell who speaks (adhesion), either side counts as the ligand of the other.

    ligand : a gene, or the genes of a complex joined by `+`, in any order.
    """
    wanted = sorted(ligand.split("+"))
    found: dict[tuple[str, ...], None] = {}
    for one in interactions:
        if sorted(one.ligand) == wanted:
            found[one.receptor] = None
        elif not one.is_directed and sorted(one.receptor) == wanted:
            found[one.ligand] = None
    return tuple(found)


def _interaction(row: Mapping[str, str], speaks: str, hears: str, where: str) -> Interaction:
    return Interaction(
        ligand=_complex(row.get(speaks), speaks, where),
        receptor=_complex(row.get(hears), hears, where),
        direction=row.get("directionality") or DIRECTED,
        classification=(row.get("classification") or "").strip(),
        evidence=row.get("evidence") or row.get("source") or "",
    )


def _complex(text: str | None, column: str, where: str) -> tuple[str, ...]:
    genes = tuple(gene.strip() for gene in (text or "").split("+"))
    if not all(genes):
        raise InputError(f"{where}: {text!r} under {column} names no gene; write a symbol, or several joined by +")
    return genes
