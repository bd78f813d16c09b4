"""`twin plugins`: what has come in through the door."""

from collections import Counter

from rich.console import Console
from rich.table import Table

from twin import registry

GROUPS = {"plugin": registry.PLUGINS, "world model": registry.MODELS, "command": registry.COMMANDS}


def plugins() -> None:
    """List the plugins, world models and commands that are installed, and who brings them."""
    table = Table("kind", "name", "from", "stands for", box=None, pad_edge=False)
    for kind, group in GROUPS.items():
        found = registry.entries(group)
        claims = Counter(entry.name for entry in found)
        for entry in found:
            note = " (claimed twice: unusable)" if claims[entry.name] > 1 else ""
            table.add_row(kind, entry.name, f"{entry.package} {entry.version}{note}", entry.value)
    Console(soft_wrap=True).print(table)
