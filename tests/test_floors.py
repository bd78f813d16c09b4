"""Imports go down, never up and never round: the floors of the house, held."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FLOORS = {
    "twin.errors": 1,
    "twin.units": 2,
    "twin.kernels": 2,
    "twin.anatomy": 3,
    "twin.data": 2,
    "twin.scenario": 3,
    "twin.state": 3,
    "twin.model": 3,
    "twin.process": 4,
    "twin.gates": 4,
    "twin.results": 4,
    "twin.analysis": 4,
    "twin.assimilation": 4,
    "twin.conformance": 4,
    "twin.interop": 4,
    "twin.registry": 5,
    "twin.engine": 6,
    "twin.verification": 7,  # beside the command: its cases run whole simulations
    "twin.cli": 7,
    "twin.__main__": 7,
    "twin": 7,  # the package itself: names that are imported when they are used
}
PLUGIN_FLOOR = 4  # plugins and twin_viz stand on floors 1-4
PAGE, PAGE_FLOOR = "twin_web", 7  # beside the command; it shows what twin_viz draws
LAZY = ("twin_viz.command", "twin_viz.plots.command", "twin_web.command")  # of `twin --help`


def module_of(file: Path) -> str:
    """Return the dotted name of a file of the source tree."""
    parts = file.relative_to(ROOT).with_suffix("").parts
    parts = parts if parts[0] == "twin" else parts[1:]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def floor_of(module: str) -> int | None:
    """Return the floor of a module of `twin`, or None where it has none."""
    if module == "twin":
        return FLOORS["twin"]
    return next((n for name, n in FLOORS.items() if name != "twin" and f"{module}.".startswith(f"{name}.")), None)


def imports_of(text: str, module: str) -> Iterator[tuple[str, int, bool]]:
    """Yield (module, line, inside a function) of each import; names of `from twin import x` are modules."""
    inside = set()
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            inside |= {id(below) for below in ast.walk(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for name in node.names:
                yield name.name, node.lineno, id(node) in inside
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}, line {node.lineno}: a relative import"
            assert node.module is not None
            for name in node.names:
                inner = f"{node.module}.{name.name}"
                is_module = node.module == "twin" and floor_of(inner) is not None
                yield inner if is_module else node.module, node.lineno, id(node) in inside


def violations(text: str, module: str, door: frozenset[str]) -> list[str]:
    """Return what a file imports that it may not.

    Parameters
    ----------
    door : packages that come in through the door: plugins and twin_viz.
    """
    found = []
    package = module.partition(".")[0]
    own = floor_of(module) if package == "twin" else PAGE_FLOOR if package == PAGE else PLUGIN_FLOOR
    if own is None:
        return [f"{module} has no floor: give it one in {Path(__file__).name}"]
    lazy = module.startswith("twin.cli") or module in LAZY
    let_in = {package, "twin_viz"} if package == PAGE else {package}
    for imported, line, inside in imports_of(text, module):
        target = imported.partition(".")[0]
        where = f"{module}, line {line}: imports {imported}"
        if target == "twin":
            floor = floor_of(imported)
            if floor is None:
                found.append(f"{where}, which has no floor")
            elif floor > own:
                found.append(f"{where} (floor {floor}) from floor {own}")
        elif target in door and target not in let_in:
            found.append(f"{where}: what comes in through the door is not imported by name")
        if inside and not lazy and target in {"twin", *door}:
            found.append(f"{where} inside a function")
    return found


def door_packages() -> frozenset[str]:
    folders = [*(ROOT / "plugins").glob("twin_*"), *(ROOT / "viz").glob("twin_*")]
    return frozenset(folder.name for folder in folders if folder.is_dir())


def source_files() -> list[Path]:
    return sorted(file for top in ("twin", "plugins", "viz") for file in (ROOT / top).rglob("*.py"))


@pytest.mark.parametrize("file", source_files(), ids=module_of)
def test_imports_go_down(file: Path) -> None:
    assert violations(file.read_text(encoding="utf-8"), module_of(file), door_packages()) == []


def test_there_is_a_house_to_look_at() -> None:
    assert len(source_files()) > 30
    assert {"twin_diffusion", "twin_viz"} <= door_packages()


@pytest.mark.parametrize(
    ("module", "text", "told"),
    [
        ("twin.kernels.x", "from twin.engine.plan import Plan", "(floor 6) from floor 2"),
        ("twin.process", "from twin import registry", "(floor 5) from floor 4"),
        ("twin.engine.x", "import twin.cli.run", "(floor 7) from floor 6"),
        ("twin.engine.x", "import twin_diffusion", "not imported by name"),
        ("twin_mechanics.process", "from twin_diffusion import Diffusion", "not imported by name"),
        ("twin_mechanics.process", "from twin.engine.plan import Plan", "(floor 6) from floor 4"),
        ("twin_viz.drawing", "from twin.registry import plugin", "(floor 5) from floor 4"),
        ("twin_viz.drawing", "from twin_web.site import Site", "not imported by name"),
        ("twin.cli.x", "from twin_web.command import serve", "not imported by name"),
        ("twin_web.x", "from twin_diffusion import Diffusion", "not imported by name"),
        ("twin_web.x", "def f():\n    from twin.results import open_run", "inside a function"),
        ("twin.state.x", "def f():\n    from twin.errors import TwinError", "inside a function"),
        ("twin.attic", "import os", "has no floor"),
        ("twin.state.x", "from twin.attic import y", "has no floor"),
    ],
)
def test_a_wrong_import_is_seen(module: str, text: str, told: str) -> None:
    found = violations(text, module, frozenset({"twin_diffusion", "twin_mechanics", "twin_viz", "twin_web"}))
    assert len(found) == 1
    assert told in found[0]


def test_what_is_allowed_is_let_through() -> None:
    door = frozenset({"twin_diffusion", "twin_viz", "twin_web"})
    assert violations("import torch\nfrom twin.units import Hours", "twin.model.x", door) == []
    assert violations("from twin_diffusion.process import D", "twin_diffusion.more", door) == []
    assert violations("def f():\n    from twin.engine.plan import Plan", "twin.cli.x", door) == []
    assert violations("def f():\n    from twin_web.site import Site", "twin_web.command", door) == []
    assert violations("from twin_viz.palette import CATEGORIES", "twin_web.x", door) == []
    assert violations("from twin.engine.plan import Plan", "twin_web.x", door) == []
