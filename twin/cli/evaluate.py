"""`twin evaluate`: a world model beside its baselines, on cells it never saw."""

from pathlib import Path
from typing import Annotated

import typer


def evaluate(
    model: Annotated[str, typer.Argument(help="A model of `twin plugins`, or the folder of a checkpoint.")],
    data: Annotated[
        list[Path] | None,
        typer.Argument(help="AnnData files; without any: the files the model was trained on, in $TWIN_DATA."),
    ] = None,
    holdout: Annotated[
        float | None, typer.Option(help="Share of held-out cells; without it what the checkpoint records.")
    ] = None,
    group_by: Annotated[str | None, typer.Option(help="obs column of the groups that are scored.")] = None,
    cell_type: Annotated[str | None, typer.Option(help="obs column of the cell type.")] = None,
    condition: Annotated[str | None, typer.Option(help="obs column of the perturbation.")] = None,
    control: Annotated[str | None, typer.Option(help="The word of control cells in that column.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write the table as Markdown, too.")] = None,
) -> None:
    """Print the Pearson correlation of pseudobulk deltas for MODEL and for simple baselines, group by group."""
    from twin.analysis.evaluate import evaluate as score
    from twin.analysis.evaluate import markdown
    from twin.cli.models import model_files
    from twin.data.counts import read_counts
    from twin.errors import InputError
    from twin.model.fit import Columns
    from twin.registry import named_model

    chosen = named_model(model)
    card = getattr(chosen, "card", None)
    share = holdout if holdout is not None else (card.holdout if card is not None else 0.0)
    if not 0 < share < 1:
        raise InputError(
            "nothing is held out: give --holdout between 0 and 1, and know that the model may have seen it"
        )
    paths = data or model_files(chosen)
    files = [read_counts(path) for path in paths]
    tables = score(chosen, files, holdout=share, group_by=group_by, columns=Columns(cell_type, condition, control))
    text = "\n\n".join(markdown(table) for table in tables)
    typer.echo(text)
    if out is not None:
        try:
            out.write_text(text + "\n")
        except OSError as error:
            raise InputError(f"{out} cannot be written: {error.strerror or error}") from error
