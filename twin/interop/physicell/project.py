"""A PhysiCell project becomes a scenario: settings XML, rules and cells."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from twin.errors import InputError
from twin.interop.imported import Imported
from twin.interop.physicell.definitions import CellType, cell_type_of, definitions_of
from twin.interop.physicell.lifecycle import cycle_of, deaths_of
from twin.interop.physicell.settings import Node, read_settings
from twin.interop.physicell.space import (
    TRACKED,
    Domain,
    read_domain,
    read_substances,
    read_times,
    settled_of,
)
from twin.interop.physicell.tables import cells_of, rules_of, usable_rules
from twin.interop.report import Report
from twin.scenario.rules_file import lines_of
from twin.scenario.signals import entry as signal_entry
from twin.units import quantity

SETTINGS = "PhysiCell_settings.xml"
INTERACTIONS = ("phagocytose ", "attack ", "fuse to ", "transform to ", "damage ", "cell attachment")
IN_DEATH = ("apoptosis_time", "necrosis_time", "rupture")  # settings of `death`; what else there is of it is `volume`'s


def import_project(project: Path, stem: str) -> Imported:
    """Return the scenario of a project, with the files that go beside it.

    Parameters
    ----------
    project : its folder, or a settings file.
    stem : what the files beside the scenario begin with.

    Raises
    ------
    InputError
        If the project or a file that its settings name cannot be read or is not PhysiCell's.
    """
    settings, folder = _settings_of(project)
    root = read_settings(settings)
    report = Report(folder.name, "PhysiCell")
    domain = read_domain(root, report)
    times = read_times(root, report)
    substances = read_substances(root, domain, report)
    definitions = definitions_of(root)
    if not definitions:
        raise InputError(f"{settings} defines no cell type: a project has at least one <cell_definition>")
    types = [cell_type_of(d, n, substances, report, flat=domain.flat) for n, d in enumerate(definitions)]
    cycles = {t.name: cycle_of(d, t, report) for d, t in zip(definitions, types, strict=True)}
    deaths = {t.name: deaths_of(d, t, report) for d, t in zip(definitions, types, strict=True)}
    cells = cells_of(root, folder, types, domain, report)
    rules, named = rules_of(root, folder, types, report)
    _options(root, folder, report)
    table = f"{stem}_cells.csv"
    document: dict[str, Any] = {
        "name": folder.name[:80],
        "description": f"Imported from the PhysiCell project {folder.name}.",
        **{key: times[key] for key in ("duration", "tick", "seed")},
        "world_model": {"name": "none"},
        "compartments": {"tissue": _compartment(domain, types, table)},
        "substances": substances,
        "cell_types": {t.name: t.words for t in types},
        "rules": [],
        "processes": _processes(domain, types, cycles, deaths, report),
        **{key: times[key] for key in ("observe", "execution")},
    }
    settled = settled_of(substances, domain, quantity(times["tick"], "hour", "a time", "6 min"), report)
    if settled:
        document["processes"]["diffusion"] = {"quasi_steady": settled}
    if root.flag(f"microenvironment_setup/options/{TRACKED}"):
        if any(word.endswith(" uptake") for t in types for word in t.words):
            document["processes"]["internalisation"] = {}
            report.carried(TRACKED, "cells keep what they take up")
        else:
            report.carried(TRACKED, "no cell takes anything up, so that there is nothing to keep")
    files = {table: "".join(f"{','.join(row)}\n" for row in [("x", "y", "z", "type"), *cells])}
    if named:
        text = usable_rules(rules, document, [t.name for t in types], ", ".join(named), report)
        files[f"{stem}_rules.csv"] = text
        used = [rule for line in lines_of(text, substances) for rule in line.rules]
        if any(rule["behaviour"].startswith(INTERACTIONS) for rule in used):
            document["processes"].setdefault("interactions", {})
        for plugin in (signal_entry(rule["signal"]).plugin for rule in used):
            if plugin:
                document["processes"].setdefault(plugin, {})
        document["rules"] = {"file": f"{stem}_rules.csv"}
        document["processes"] = {"rules": {}, **document["processes"]}
        report.carried(f"rules of {', '.join(named)}", "the same eight columns; substances without mmHg count in nM")
        report.approximated("rules", "contacts are touches, within 1 % of the two radii, not within reach of adhesion")
    else:
        del document["rules"]
    for node in root.unread():
        report.left_out(node.path, "nothing here has a counterpart")
    return Imported(document, files, report)


def _settings_of(project: Path) -> tuple[Path, Path]:
    """Return the settings file of a project, and its folder."""
    if project.is_file():
        inside = project.parent.name == "config"
        return project, (project.parent.parent if inside else project.parent).resolve()
    if not project.is_dir():
        raise InputError(f"{project} is not there: name the folder of a PhysiCell project, or its settings file")
    for place in (project / "config" / SETTINGS, project / SETTINGS):
        if place.is_file():
            return place, project.resolve()
    others = sorted((project / "config").glob("*.xml"))
    hint = f"; name one: {', '.join(str(o) for o in others)}" if others else ""
    raise InputError(f"{project} has no config/{SETTINGS}{hint}")


def _compartment(domain: Domain, types: Sequence[CellType], table: str) -> dict[str, Any]:
    return {
        "box": [f"{edge:g} um" for edge in domain.edges],
        "spacing": f"{domain.spacing:g} um",
        "cells": {
            "source": "table",
            "file": table,
            "origin": [f"{low:g} um" for low in domain.low],
            "radius": {t.name: f"{t.radius:g} um" for t in types},
            "ec50_spread": 0.0,
        },
    }


def _processes(
    domain: Domain,
    types: Sequence[CellType],
    cycles: Mapping[str, dict[str, Any]],
    deaths: Mapping[str, dict[str, Any]],
    report: Report,
) -> dict[str, dict[str, Any]]:
    """Return the processes that a project needs, with their settings."""
    first = next(iter(deaths.values()))
    if any(found != first for found in deaths.values()):
        report.approximated("death", f"bodies last and change as those of {next(iter(deaths))!r}, whatever their type")
    processes: dict[str, dict[str, Any]] = {
        "exchange": {},
        "diffusion": {},
        "cycle": {"model": "none", "types": dict(cycles), **({"axis": "flat"} if domain.flat else {})},
        "volume": {
            "types": {t.name: t.body for t in types},
            **{key: value for key, value in first.items() if key not in IN_DEATH},
        },
        "death": {key: value for key, value in first.items() if key in IN_DEATH},
        "mechanics": {"plane": True} if domain.flat else {},
    }
    words = {word for t in types for word in t.words}
    if any(word.startswith(INTERACTIONS) for word in words):
        processes["interactions"] = {}
    report.approximated(
        "cell cycle, death and motion", "chances are drawn exactly, per cell and tick; other random numbers, same laws"
    )
    return processes


def _options(root: Node, folder: Path, report: Report) -> None:
    if root.flag("options/virtual_wall_at_domain_edge", default=True):
        report.carried("virtual_wall_at_domain_edge", "walls of the box repel cells")
    else:
        report.approximated("virtual_wall_at_domain_edge", "false: here cells never leave the box, walls repel them")
    if root.flag("options/disable_automated_spring_adhesions"):
        report.carried("disable_automated_spring_adhesions", "attachments follow their rates alone")
    root.pass_over("options")
    custom = sorted((folder / "custom_modules").glob("*.cpp"))
    if custom:
        report.left_out("custom_modules", f"{', '.join(f.name for f in custom)}: C++ is not read; write it as a plugin")
    own = root.find("user_parameters")
    if own is not None:
        usual = ("random_seed", "number_of_cells")
        names = [e.tag for e in own.element if e.tag not in usual and e.get("type") != "divider"]
        if names:
            report.left_out("user_parameters", f"{', '.join(names)}: numbers for the project's own C++")
        own.pass_over()
