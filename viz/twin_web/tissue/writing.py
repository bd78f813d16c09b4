"""Scenario files that the page writes: a checked document as YAML, and the files that it names beside it."""

import os
import shutil
from collections.abc import Sequence
from copy import deepcopy
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from twin.errors import InputError
from twin.results.layout import unfinished
from twin.scenario.overlay import Tree
from twin.scenario.yaml_text import parse
from twin_web.site import Site
from twin_web.tissue.catalogue import named_files

WIDTH = 110  # columns of what is written


def yaml_of(tree: Tree, about: Sequence[str] = ()) -> str:
    """Return a document as the text of a scenario file that reads as this very document.

    about : lines that stand before it.
    """
    writer: Any = YAML(typ="safe", pure=True)
    writer.default_flow_style = False
    writer.allow_unicode = True
    writer.width = WIDTH
    writer.sort_base_mapping_type_on_output = False
    out = StringIO()
    writer.dump(_in_order(tree), out)
    text = "".join(f"# {' '.join(line.split())}\n" for line in about) + out.getvalue()
    assert parse(text, "what is written", "").tree == tree, "YAML reads otherwise than it was written"
    return text


def save_scenario(file: Path, tree: Tree, about: Sequence[str]) -> None:
    """Write a scenario file whole or not at all."""
    draft = unfinished(file)
    draft.write_text(yaml_of(tree, about), "utf-8")
    draft.replace(file)


def files_of_run(site: Site, run: str) -> Path:
    """Return the folder of the files that the scenario of a run names."""
    return site.inside / "files" / run


def with_own_files(site: Site, run: str, tree: Tree) -> Tree:
    """Return a document whose files lie where a scenario in the folder of runs may name them.

    tree : names them by their whole paths. Each becomes the run's own: where the disk can, under a second name.
    """
    tree = deepcopy(tree)
    folder = files_of_run(site, run)
    laid: dict[str, str] = {}
    for path, text in list(named_files(tree)):
        if text not in laid:
            source = Path(text)
            target = folder / str(len(laid)) / source.name
            _lay(source, target)
            laid[text] = target.relative_to(site.folder).as_posix()
        _put(tree, path, laid[text])
    return tree


def with_whole_paths(tree: Tree, folder: Path) -> Tree:
    """Return a document that names its files by whole paths, whatever folder it will lie in."""
    tree = deepcopy(tree)
    for path, text in list(named_files(tree)):
        _put(tree, path, str((folder / text).resolve()))
    return tree


def _lay(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        if source.is_dir():
            shutil.copytree(source, target, copy_function=_link, symlinks=True)
        else:
            _link(source, target)
    except OSError as error:
        raise InputError(f"{source} cannot be laid beside the run ({error.strerror or error}): make room") from error


def _link(source: str | Path, target: str | Path) -> str:
    try:
        os.link(source, target)
    except FileExistsError:
        raise
    except OSError:  # another disk, or one without links
        shutil.copyfile(source, target)
    return str(target)


def _put(tree: Any, path: Sequence[str | int], value: str) -> None:
    for key in path[:-1]:
        tree = tree[key]
    tree[path[-1]] = value


def _in_order(value: Any) -> Any:
    """Return plain tables and lists; no two places share one, which would be written as an alias."""
    if isinstance(value, dict):
        return {str(key): _in_order(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_in_order(inner) for inner in value]
    return value
