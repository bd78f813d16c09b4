"""`twin explain`: the plan of a scenario."""

import typer

from twin.cli.options import File, Sets


def explain(file: File, sets: Sets = None) -> None:
    """Print what running FILE would do: compartments, processes in order, assumptions, cost."""
    from twin.engine.plan import check_file
    from twin.engine.simulation import ready

    loaded, plan = check_file(file, sets or ())
    typer.echo(plan.describe())
    plans = ready(loaded)
    lines = plans.futures.describe()
    if lines:
        typer.echo("\nTrajectories\n" + "\n".join(f"  {line}" for line in lines))
    for note in plans.world.notes:
        typer.echo(f"note: {note}")
