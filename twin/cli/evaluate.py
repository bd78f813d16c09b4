"""`twin evaluate`: a world model beside its baselines, on what it never saw."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from twin.analysis.evaluate import Evaluation

CHECKPOINT, RECIPE = "Of a checkpoint (cells)", "Of the recipe (other splits)"


def evaluate(
    model: Annotated[
        str, typer.Argument(help="A model of `twin plugins`, or the folder of a checkpoint; for --split cells.")
    ] = "default",
    data: Annotated[
        list[Path] | None,
        typer.Argument(help="AnnData files; without any: those the model was trained on, in $TWIN_DATA."),
    ] = None,
    split: Annotated[
        list[str] | None,
        typer.Option(
            help="cells (the checkpoint on its held-out cells), types, donors, perturbations, combinations, times, "
            "doses, refitted-cells, generation, few-steps, all, or the key of a family of tasks; may be repeated."
        ),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="How many.")] = 3,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of report.md, report.json and report.png; a stopped evaluation goes on from it."),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Few training steps, no population scores.", rich_help_panel=RECIPE)
    ] = False,
    holdout: Annotated[
        float | None,
        typer.Option(
            help="Share of held-out cells; without it what the checkpoint records.", rich_help_panel=CHECKPOINT
        ),
    ] = None,
    cell_type: Annotated[
        str | None, typer.Option(help="obs column of the cell type.", rich_help_panel=CHECKPOINT)
    ] = None,
    condition: Annotated[
        str | None, typer.Option(help="obs column of the perturbation.", rich_help_panel=CHECKPOINT)
    ] = None,
    control: Annotated[
        str | None, typer.Option(help="The word of control cells in that column.", rich_help_panel=CHECKPOINT)
    ] = None,
    orthologs: Annotated[
        Path | None,
        typer.Option(help="Table of orthologs that the model was trained with.", rich_help_panel=CHECKPOINT),
    ] = None,
    max_depth: Annotated[
        float | None,
        typer.Option(min=1.0, help="Thin deeper cells, as in training.", rich_help_panel=CHECKPOINT),
    ] = None,
    threads: Annotated[int, typer.Option(min=0, help="CPU threads; 0: all.")] = 0,
) -> None:
    """Print tables of MODEL's scores beside those of every simple baseline that applies.

    With --split cells the checkpoint itself is scored on the cells that were kept from it. All other splits leave cell
    types, donors, perturbations, combinations or times out of the measured data in $TWIN_DATA, and retrain our model
    fold by fold.
    """
    import torch

    from twin.analysis.evaluate import (
        HELD_OUT,
        Evaluation,
        count_tasks,
        evaluate_recipe,
        split_words,
        support_text,
        write_report,
    )
    from twin.analysis.protocol.render import text
    from twin.cli.evaluation_line import EvaluationLine
    from twin.errors import InputError

    words = list(dict.fromkeys(split or [HELD_OUT]))
    others = [word for word in words if word != HELD_OUT]
    split_words(others)  # tells what is wrong with the words
    if others and data:
        raise InputError(
            f"--split {others[0]} leaves conditions out of the measured data in $TWIN_DATA; DATA is for --split cells"
        )
    if threads:
        torch.set_num_threads(threads)
    folder = Path(os.environ.get("TWIN_DATA", "../shared/data"))
    if out is not None:
        _check_folder(out)
    numbers = tuple(range(seeds))
    found = Evaluation((), None)
    if HELD_OUT in words:
        columns = (cell_type, condition, control, orthologs, max_depth)
        found = _checkpoint(model, data, holdout, columns, numbers, out)
    if others:
        with EvaluationLine(seeds) as line:
            counted = count_tasks(others, folder) if folder.is_dir() else {}
            line.expect(counted)
            retrained = evaluate_recipe(
                others, folder, seeds=numbers, out=out, quick=quick, on_task=line.update, on_note=line.note
            )
        found = Evaluation((*found.tables, *retrained.tables), retrained.support)
    typer.echo("\n\n".join(text(table) for table in found.tables))
    if found.support is not None:
        typer.echo(support_text(found.support))
    if out is not None:
        for file in write_report(found, out):
            typer.echo(str(file))


def _checkpoint(
    name: str,
    data: list[Path] | None,
    holdout: float | None,
    columns: tuple[str | None, str | None, str | None, Path | None, float | None],
    seeds: tuple[int, ...],
    out: Path | None,
) -> "Evaluation":
    from twin.analysis.evaluate import evaluate_checkpoint
    from twin.cli.evaluation_line import EvaluationLine
    from twin.cli.models import model_files
    from twin.cli.train import read_experiment
    from twin.errors import InputError
    from twin.registry import named_model

    model = named_model(name)
    card = getattr(model, "card", None)
    share = holdout if holdout is not None else (card.holdout if card is not None else 0.0)
    if not 0 < share < 1:
        raise InputError(
            f"{name} has no held-out cells: give --holdout between 0 and 1, and know that it may have seen them"
        )
    cell_type, condition, control, orthologs, max_depth = columns
    experiment = read_experiment(
        data or model_files(model),
        cell_type=cell_type,
        condition=condition,
        control=control,
        orthologs=orthologs,
        max_depth=max_depth,
    )
    with EvaluationLine(len(seeds)) as line:
        return evaluate_checkpoint(model, experiment, holdout=share, seeds=seeds, out=out, on_task=line.update)


def _check_folder(out: Path) -> None:
    from twin.errors import InputError

    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--out {out} cannot be made: {error.strerror or error}") from error
