"""`twin check`: can this scenario be run?"""

import typer

from twin.cli.options import File, Sets


def check(file: File, sets: Sets = None) -> None:
    """Check the scenario in FILE: all faults at once, each with its line; then its cells and files."""
    from twin.engine.estimate import GIB
    from twin.engine.plan import check_file
    from twin.engine.simulation import ready

    loaded, plan = check_file(file, sets or ())
    futures = ready(loaded).futures
    scenario = loaded.scenario
    typer.echo(
        f"{file} can be run: {sum(plan.n_cells.values()):,} cells, {scenario.duration:g} h in {plan.n_ticks} ticks, "
        f"about {futures.memory_bytes / GIB:.1f} GiB and {futures.expected_seconds / 60:.1f} min"
    )
    for line in futures.describe():
        typer.echo(f"  {line}")
