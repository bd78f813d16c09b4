"""`twin explain`: the plan of a scenario."""

import typer

from twin.cli.options import File, Sets


def explain(file: File, sets: Sets = None) -> None:
    """Print what running FILE would do: compartments, processes in order, assumptions, cost."""
    from twin.engine.plan import check_file
    from twin.engine.simulation import prepare

    loaded, plan = check_file(file, sets or ())
    typer.echo(plan.describe())
    ready = prepare(loaded)
    lines = ready.futures.describe()
    if lines:
        typer.echo("\nTrajectories\n" + "\n".join(f"  {line}" for line in lines))
    for note in ready.notes:
        typer.echo(f"note: {note}")
