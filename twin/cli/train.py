"""`twin train`: from AnnData files to a checkpoint."""

from pathlib import Path
from shutil import rmtree
from typing import Annotated

import typer


def train(
    data: Annotated[list[Path], typer.Argument(help="AnnData files (.h5ad, .zarr) of raw counts.")],
    out: Annotated[Path, typer.Option(help="Folder of the checkpoint.")],
    steps: Annotated[int, typer.Option(min=1, help="Training steps.")] = 2_000,
    batch: Annotated[int, typer.Option(min=1, help="Cells a step.")] = 64,
    learning_rate: Annotated[float, typer.Option(min=0.0, help="Peak learning rate.")] = 2e-3,
    seed: Annotated[int, typer.Option(min=0, help="Of weights, batches and masks.")] = 0,
    holdout: Annotated[
        float, typer.Option(min=0.0, max=0.9, help="Share of the cells kept for `twin evaluate`, by their names.")
    ] = 0.2,
    name: Annotated[str, typer.Option(help="Of the model.")] = "trained",
    cell_type: Annotated[str | None, typer.Option(help="obs column of the cell type.")] = None,
    condition: Annotated[str | None, typer.Option(help="obs column of the perturbation.")] = None,
    control: Annotated[str | None, typer.Option(help="The word of control cells in that column.")] = None,
    threads: Annotated[int, typer.Option(min=0, help="CPU threads; 0: all.")] = 0,
) -> None:
    """Train a world model on DATA and leave a checkpoint in OUT.

    Columns are found by convention (cell_type, condition, dose, dose_unit, time, time_unit). An interrupted training
    goes on where it was when the command is given again.
    """
    import torch

    from twin.analysis.card import card_of
    from twin.cli.run import check_out
    from twin.data.counts import read_counts
    from twin.errors import InputError
    from twin.model.files import save_checkpoint
    from twin.model.fit import Columns, assemble, fit
    from twin.model.training import TrainingConfig

    check_out(out, resume=False)
    if threads:
        torch.set_num_threads(threads)
    columns = Columns(cell_type, condition, control)
    files = [read_counts(path) for path in data]
    experiment = assemble(files, columns)
    config = TrainingConfig(steps=steps, batch=batch, learning_rate=learning_rate, seed=seed)
    typer.echo(
        f"{len(experiment.context):,} cells, {len(experiment.genes):,} genes, {len(experiment.contexts)} contexts, "
        f"{len(experiment.perturbations)} perturbation(s); {100 * holdout:g} % of the cells are held out"
    )
    from twin.cli.training_line import TrainingLine

    state = out.with_name(f"{out.name}.training") / "state.safetensors"
    try:
        with TrainingLine(steps) as line:
            model = fit(experiment, config, holdout=holdout, name=name, state_file=state, on_step=line.update)
        save_checkpoint(model, out, card_of(model, files, columns))
    except OSError as error:
        raise InputError(f"{out} cannot be written: {error.strerror or error}") from error
    rmtree(state.parent, ignore_errors=True)
    typer.echo(str(out))
