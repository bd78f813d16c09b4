"""Cells and rules of a project: its CSV files, checked line by line and copied."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from twin.errors import InputError
from twin.interop.physicell.definitions import CellType, our_name
from twin.interop.physicell.settings import Node
from twin.interop.physicell.space import Domain
from twin.interop.report import Report
from twin.scenario.behaviours import DEFAULT
from twin.scenario.rules import rule_faults
from twin.scenario.rules_file import COLUMNS, lines_of
from twin.scenario.schema import Scenario
from twin.scenario.signals import entry

NO_COUNT = 1e7  # our choice: more cells than this are a mistyped number
Row = tuple[str, str, str, str]


def cells_of(root: Node, folder: Path, types: Sequence[CellType], domain: Domain, report: Report) -> list[Row]:
    """Return the cells at the start: those of the project's table, and those that its template scatters."""
    rows: list[Row] = []
    node = root.find("initial_conditions/cell_positions")
    if node is not None and node.is_enabled():
        file = _file_of(node, folder)
        rows += _table(file, types, domain, report)
        report.carried(f"cells of {file.name}", f"{len(rows)} cells, shifted into the box")
    elif node is not None:
        node.pass_over()
    for other in ("substrates", "ecm"):
        extra = root.find(f"initial_conditions/{other}")
        if extra is not None and extra.is_enabled():
            report.left_out(f"initial {other}", "fields begin uniform")
        if extra is not None:
            extra.pass_over()
    scattered = _scattered(root, types, domain)
    if scattered:
        report.approximated(
            "number_of_cells",
            f"{len(scattered)} cells at random places, as the template's setup_tissue does, now written into the table",
        )
    if not rows and not scattered:
        report.carried("cells", "none at the start: fields alone")
    return rows + scattered


def _file_of(node: Node, folder: Path) -> Path:
    """Return the file that a node names by <folder> and <filename>, from the project's folder.

    Raises
    ------
    InputError
        If it is not there, or outside the project.
    """
    name = node.text("filename") or node.attribute("filename")
    file = (folder / node.text("folder", ".") / name).resolve()
    if not file.is_relative_to(folder.resolve()):
        raise InputError(f"{name!r} lies outside the project {folder}: move it there")
    if not file.is_file():
        raise InputError(f"the settings name {name!r} in {node.text('folder', '.')!r}; {file} is not there")
    return file


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise InputError(f"{file} is not text in UTF-8 (byte {error.start})") from error


def _table(file: Path, types: Sequence[CellType], domain: Domain, report: Report) -> list[Row]:
    """Read cells leniently, as PhysiCell does: with a header or without, types by name or by ID, more columns."""
    by_number = {t.number: t.name for t in types}
    known = {t.name for t in types}
    order: list[int] | None = None
    rows: list[Row] = []
    outside: list[int] = []
    for number, line in enumerate(_lines(file), 1):
        cells = [cell.strip() for cell in line.split(",")]
        if not line.strip() or cells[0].startswith("//"):
            continue
        if order is None:
            heads = [cell.lower() for cell in cells]
            header = "x" in heads
            if header and not {"x", "y", "z", "type"} <= set(heads):
                raise InputError(f"{file}, line {number}: a header needs x, y, z and type")
            order = [heads.index(c) for c in ("x", "y", "z", "type")] if header else [0, 1, 2, 3]
            if len(cells) > 4:
                more = ", ".join(cells[4:]) if header else f"{len(cells) - 4} more columns"
                report.left_out(f"{file.name}: {more}", "a cell has the values of its type")
            if header:
                continue
        if len(cells) <= max(order):
            raise InputError(f"{file}, line {number}: a cell has x, y, z and its type")
        x, y, z, kind = (cells[i] for i in order)
        name = by_number.get(round(float(kind)), "") if _is_number(kind) else our_name(kind)
        if name not in known or not all(map(_is_number, (x, y, z))):
            wrong = f"no cell definition is {kind!r}" if name not in known else f"{x}, {y}, {z} is no place"
            raise InputError(f"{file}, line {number}: {wrong}")
        height = f"{domain.low[2] + domain.edges[2] / 2:g}" if domain.flat else z
        if domain.holds((float(x), float(y), float(height))):
            rows.append((x, y, height, name))
        else:
            outside.append(number)
    if outside:
        report.left_out(f"{len(outside)} cells of {file.name}", f"outside the domain, the first on line {outside[0]}")
    return rows


def _scattered(root: Node, types: Sequence[CellType], domain: Domain) -> list[Row]:
    """Return the cells that the template's setup_tissue scatters: so many of each type, anywhere in the domain."""
    each = int(min(root.number("user_parameters/number_of_cells"), NO_COUNT))
    seed = root.text("user_parameters/random_seed")
    luck = np.random.default_rng(int(seed) if seed.isdecimal() else 0)
    rows: list[Row] = []
    for made in types:
        places = np.asarray(domain.low) + luck.random((each, 3)) * np.asarray(domain.edges)
        if domain.flat:
            places[:, 2] = domain.low[2] + domain.edges[2] / 2
        rows += [(f"{x:.6g}", f"{y:.6g}", f"{z:.6g}", made.name) for x, y, z in places]
    return rows


def rules_of(root: Node, folder: Path, types: Sequence[CellType], report: Report) -> tuple[str, list[str]]:
    """Return the text of all enabled rulesets in eight columns, as it stands or with types renamed, and their names."""
    texts, names = [], []
    for node in root.all("cell_rules/rulesets/ruleset"):
        if not node.is_enabled(default=True):
            report.left_out(f"rules of {node.text('filename')}", "the project itself has them disabled")
            node.pass_over()
            continue
        file = _file_of(node, folder)
        lines = _lines(file)
        renamed = any(t.name == our_name(DEFAULT) for t in types)
        texts += [_eight(line, file.name, report, renamed=renamed) for line in lines]
        names.append(file.name)
    root.pass_over("cell_rules/settings")
    return "".join(f"{line}\n" for line in texts), names


def _eight(line: str, file: str, report: Report, *, renamed: bool) -> str:
    """Return a line of rules in today's eight columns."""
    if not line.strip() or line.lstrip().startswith("//"):
        return line
    cells = [cell.strip() for cell in line.split("\t" if "," not in line else ",")]
    if len(cells) == 10:  # cell type, behaviour, min, base, max, signal, direction, half-max, power, dead
        saturation = cells[4] if cells[6].startswith(("inc", "pro")) else cells[2]
        cells = [cells[0], cells[5], cells[6], cells[1], saturation, *cells[7:]]
        report.carried(f"{file}: older columns", "base values are those of the cell definitions, as PhysiCell demands")
        line = ",".join(cells)
    elif len(cells) == 9:
        cells = [*cells[:4], *cells[5:]]
        report.carried(f"{file}: older columns", "base values are those of the cell definitions, as PhysiCell demands")
        line = ",".join(cells)
    if renamed and len(cells) == len(COLUMNS) and any(_names_default(cell) for cell in cells[:4]):
        line = ",".join([*(_with_our_name(cell) for cell in cells[:4]), *cells[4:]])
    return line


def _names_default(text: str) -> bool:
    return text == DEFAULT or text.endswith(f" {DEFAULT}")


def _with_our_name(text: str) -> str:
    return text.removesuffix(DEFAULT) + our_name(DEFAULT) if _names_default(text) else text


def usable_rules(text: str, document: Mapping[str, Any], types: Sequence[str], file: str, report: Report) -> str:
    """Return the rules with every line that means nothing here made a comment, and told in the report."""
    lines = text.splitlines()
    substances = document.get("substances", {})
    for turn in range(len(lines) + 1):
        assert turn <= len(lines)
        read = list(lines_of("\n".join(lines), substances))
        owner = [line.number for line in read for _ in line.rules]
        rules = [rule for line in read for rule in line.rules]
        wrong = {line.number: line.fault for line in read if line.fault}
        scenario = _checked({**document, "rules": rules})
        for (_, place, _), fault in rule_faults(scenario, types):
            wrong.setdefault(owner[place], fault)
        for place, rule in enumerate(rules):
            if rule["cell_type"] not in types:
                wrong.setdefault(owner[place], f"no cell definition is called {rule['cell_type']!r}")
            if rule["behaviour"].startswith("asymmetric division to "):
                wrong.setdefault(owner[place], "daughters are of their mother's type")
            if entry(rule["signal"]).port and not entry(rule["signal"]).plugin:
                wrong.setdefault(owner[place], f"no process brings {rule['signal']!r}")
        if not wrong:
            break
        for number, fault in sorted(wrong.items()):
            report.left_out(f"{file}, line {number}: {lines[number - 1].strip()}", fault)
            lines[number - 1] = f"// {lines[number - 1]}"
    return "".join(f"{line}\n" for line in lines)


def _checked(document: Mapping[str, Any]) -> Scenario:
    """Return the document as a scenario.

    Raises
    ------
    InputError
        If the settings hold what no scenario can.
    """
    try:
        return Scenario.model_validate(document)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise InputError(f"the settings make no scenario: {wrong}") from error


def _is_number(text: str) -> bool:
    try:
        return float(text) - float(text) == 0
    except ValueError:
        return False
