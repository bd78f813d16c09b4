"""The group of subcommands: names and one-line helps at once, the code behind one when it is called."""

import ast
from importlib.util import find_spec
from pathlib import Path
from pkgutil import resolve_name
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from twin import registry
from twin.cli.table import COMMANDS


class LazyGroup(TyperGroup):
    """Shows every subcommand without importing it; imports the one that is called."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        for name, (_, about) in COMMANDS.items():
            self.add_command(TyperCommand(name, help=about))
        for entry in registry.entries(registry.COMMANDS):
            if entry.name not in COMMANDS:
                told = first_line(entry.value) or f"From {entry.package} {entry.version}."
                self.add_command(TyperCommand(entry.name, help=told))

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Return (name, command, the rest of the arguments), the command imported."""
        name, placeholder, rest = super().resolve_command(ctx, args)
        if name is None or placeholder is None:
            return name, placeholder, rest
        return name, load(name), rest


def first_line(value: str) -> str:
    """Return the first line of the docstring of "package.module:function", read from its file without importing it."""
    module, _, function = value.partition(":")
    top, *inner = module.split(".")
    spec = find_spec(top)  # the top of a package is found, not run
    places = [] if spec is None else list(spec.submodule_search_locations or ())
    for place in places:
        path = Path(place).joinpath(*inner)
        for file in (path.with_suffix(".py"), path / "__init__.py"):
            if inner and file.is_file():
                tree = ast.parse(file.read_text(encoding="utf-8"))
                for node in tree.body:
                    if isinstance(node, ast.FunctionDef) and node.name == function:
                        return (ast.get_docstring(node) or "").partition("\n")[0]
    return ""


def load(name: str) -> Any:
    """Import the function of a subcommand and return it as a command.

    Raises
    ------
    InputError
        If it comes through the door and cannot be loaded.
    """
    function = resolve_name(COMMANDS[name][0]) if name in COMMANDS else registry.command(name)
    single = typer.Typer(add_completion=False)
    single.command(name)(function)
    return typer.main.get_command(single)


def app() -> Any:
    """Return the `twin` command."""
    root = typer.Typer(cls=LazyGroup, add_completion=False, no_args_is_help=True)
    root.callback()(_root)
    return typer.main.get_command(root)


def _show_version(wanted: bool) -> None:
    if wanted:
        import twin

        typer.echo(f"twin {twin.__version__}")
        raise typer.Exit


def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Grow a virtual tissue whose every cell carries its whole transcriptome, and see how it responds."""
