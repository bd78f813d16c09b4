"""`twin sample`: a population of cells from nothing."""

from pathlib import Path
from typing import Annotated

import typer


def sample(
    model: Annotated[str, typer.Argument(help="A model of `twin plugins`, or the folder of a checkpoint.")],
    out: Annotated[Path, typer.Option(help="The cells, .h5ad.")],
    n: Annotated[int, typer.Option("--n", min=1, help="How many cells.")] = 1_000,
    context: Annotated[
        list[str] | None,
        typer.Option(help="Cell type or other context; may be repeated. Without it: the model's own composition."),
    ] = None,
    perturb: Annotated[str | None, typer.Option(help="A perturbation, or several joined by +.")] = None,
    dose: Annotated[str | None, typer.Option(help="Like '100 U/mL' or '1 nM'; without it the trained dose.")] = None,
    depth: Annotated[
        float | None, typer.Option(min=1.0, help="Library size; without it as each context was measured.")
    ] = None,
    steps: Annotated[int, typer.Option(min=1, help="Rounds in which the genes are drawn.")] = 1,
    guidance: Annotated[float, typer.Option(min=0.0, help="w: effects are scaled by 1 + w.")] = 0.0,
    seed: Annotated[int, typer.Option(min=0, help="Of the draws.")] = 0,
) -> None:
    """Write cells drawn from MODEL: integer counts on the genes that the contexts measured."""
    from twin.cli.predict import write
    from twin.model.population import draw
    from twin.registry import named_model

    cells = draw(
        named_model(model),
        n,
        contexts=context,
        perturbation=perturb,
        dose=dose,
        depth=depth,
        steps=steps,
        guidance=guidance,
        seed=seed,
    )
    write(cells, out)
    typer.echo(f"{cells.n_obs:,} cells, {cells.n_vars:,} genes")
    typer.echo(str(out))
