"""`twin plan`: what a cluster would need for a tissue of any size."""

from typing import Annotated

import typer

from twin.cli.options import File, Sets
from twin.errors import InputError

MOST_CELLS = 1e14  # our choice: three people's
NO_LIMIT = 1_000_000_000  # GiB; what is planned need not fit here


def plan(
    file: File,
    cells: Annotated[
        float | None, typer.Option(help="How many, like 1e9; space grows along. Without it: as in FILE.")
    ] = None,
    within: Annotated[str, typer.Option(help="Wall time that the run may take.")] = "24 h",
    cores: Annotated[int, typer.Option(min=1, max=4096, help="Of one machine.")] = 32,
    memory_gib: Annotated[float, typer.Option(min=1, max=100_000, help="Of one machine.")] = 128.0,
    sets: Sets = None,
) -> None:
    """Print what running FILE at another size would need: machines, storage, traffic, time; and how that is known."""
    from math import inf, isfinite, prod

    from twin.engine.plan import check_file
    from twin.engine.scale import Machine, describe, needs_of
    from twin.units import quantity

    machine = Machine(cores, memory_gib)
    try:
        time = quantity(within, "hour", "a time", "24 h")
    except ValueError as error:
        raise InputError(f"--within: {error}") from None
    if not 0 < time < inf:
        raise InputError(f"--within: {within} is no time above 0; give one like '24 h'")
    if cells is not None and not (isfinite(cells) and 1 <= cells <= MOST_CELLS):
        raise InputError(f"--cells: {cells:g} is no number of cells; give 1 to {MOST_CELLS:g}, like 1e9")
    loaded, planned = check_file(file, (*(sets or ()), f"execution.memory_limit_gib={NO_LIMIT}"))
    scenario, load = loaded.scenario, planned.load
    volume = sum(prod(compartment.box) for compartment in scenario.compartments.values() if not compartment.well_mixed)
    commits = max(1, round(scenario.duration / scenario.execution.commit_every))
    n = load.n_cells if cells is None else cells
    needs = needs_of(load, n, time, machine, volume, commits)
    typer.echo(describe(load, needs, n, time, machine))
