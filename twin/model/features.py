"""Vectors of prior knowledge of genes and drugs, from a user's table, gene sets or structures."""

import csv
import gzip
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from twin.errors import InputError
from twin.model.likeness import Features

FINGERPRINT_BITS, FINGERPRINT_RADIUS = 2048, 2  # Morgan fingerprint (ECFP4)


def read_features(path: Path) -> Features:
    """Read vectors of prior knowledge.

    `.gmt` : gene sets, a line each (name, description, genes); a gene's vector holds log(genes / size of the set) for
    each set that it is in. Otherwise a table (.tsv, .csv, gzip or not) with names in the first column and a heading:
    a column `smiles` gives Morgan fingerprints (needs RDKit), else all other columns are numbers.

    Raises
    ------
    InputError
        If the file is not there or a line cannot be read.
    """
    if not path.is_file():
        raise InputError(f"{path} is not there")
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rt", encoding="utf-8") as file:
            lines = [line.rstrip("\n") for line in file]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read as text: {error}") from error
    if path.name.removesuffix(".gz").endswith(".gmt"):
        return _gene_sets(lines, path)
    return _table(lines, path)


def _gene_sets(lines: list[str], path: Path) -> Features:
    sets = []
    for number, line in enumerate(lines, start=1):
        parts = line.split("\t")
        if len(parts) < 3:
            raise InputError(f"{path}, line {number}: needs a name, a description and genes, tabs between")
        sets.append([gene for gene in parts[2:] if gene])
    names = {gene: i for i, gene in enumerate(sorted({gene for genes in sets for gene in genes}))}
    row = [names[gene] for genes in sets for gene in genes]
    column = [j for j, genes in enumerate(sets) for _ in genes]
    weight = [float(np.log(len(names) / len(genes))) for genes in sets for _ in genes]
    return Features(names, _unit(sp.csr_array((weight, (row, column)), shape=(len(names), len(sets)))))


def _table(lines: list[str], path: Path) -> Features:
    delimiter = "," if ".csv" in path.name else "\t"
    rows = list(csv.reader(lines, delimiter=delimiter))
    if len(rows) < 2 or len(rows[0]) < 2:
        raise InputError(f"{path}: needs a heading, names in the first column, and at least one column beside")
    heading = [word.strip().lower() for word in rows[0]]
    if "smiles" in heading:
        at = heading.index("smiles")
        return fingerprints({row[0]: row[at] for row in rows[1:] if row}, str(path))
    values = np.zeros((len(rows) - 1, len(heading) - 1))
    for number, row in enumerate(rows[1:], start=2):
        try:
            values[number - 2] = [float(word) for word in row[1:]]
        except ValueError as error:
            raise InputError(f"{path}, line {number}: needs a name and {len(heading) - 1} numbers ({error})") from error
    return Features({row[0]: i for i, row in enumerate(rows[1:])}, _unit(sp.csr_array(values)))


def fingerprints(smiles: Mapping[str, str], source: str = "the table") -> Features:
    """Return Morgan fingerprints of drugs by name.

    Raises
    ------
    InputError
        If RDKit is not installed, or a structure cannot be read.
    """
    try:
        from rdkit import Chem
        from rdkit.Chem import rdFingerprintGenerator
    except ImportError as error:
        raise InputError(f"{source}: structures need RDKit: pip install rdkit") from error
    make = rdFingerprintGenerator.GetMorganGenerator(radius=FINGERPRINT_RADIUS, fpSize=FINGERPRINT_BITS)
    bits = np.zeros((len(smiles), FINGERPRINT_BITS))
    for i, (name, text) in enumerate(smiles.items()):
        molecule = Chem.MolFromSmiles(text)
        if molecule is None:
            raise InputError(f"{source}: the SMILES of {name} cannot be read: {text!r}")
        bits[i] = make.GetFingerprintAsNumPy(molecule)
    return Features({name: i for i, name in enumerate(smiles)}, _unit(sp.csr_array(bits)))


def _unit(vectors: sp.csr_array) -> sp.csr_array:
    size = np.sqrt(np.asarray(vectors.multiply(vectors).sum(axis=1)).ravel())
    return sp.csr_array(sp.diags_array(1.0 / np.maximum(size, 1e-12)) @ vectors)
