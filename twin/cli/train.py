"""`twin train`: from AnnData files to a checkpoint."""

from pathlib import Path
from shutil import rmtree
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from twin.data.experiment import Experiment

DATA, NETWORK, TRAINING = "Data", "Network", "Training"


def train(
    data: Annotated[list[Path], typer.Argument(help="AnnData files (.h5ad, .zarr) of raw counts.")],
    out: Annotated[Path, typer.Option(help="Folder of the checkpoint.")],
    start: Annotated[
        str | None, typer.Option("--from", help="Fine-tune: a model of `twin plugins`, or the folder of a checkpoint.")
    ] = None,
    name: Annotated[str, typer.Option(help="Of the model.")] = "trained",
    holdout: Annotated[
        float, typer.Option(min=0.0, max=0.9, help="Share of the cells kept for `twin evaluate`, by their names.")
    ] = 0.2,
    cell_type: Annotated[str | None, typer.Option(help="obs column of the cell type.", rich_help_panel=DATA)] = None,
    condition: Annotated[str | None, typer.Option(help="obs column of the perturbation.", rich_help_panel=DATA)] = None,
    control: Annotated[
        str | None, typer.Option(help="The word of control cells in that column.", rich_help_panel=DATA)
    ] = None,
    orthologs: Annotated[
        Path | None,
        typer.Option(help="Table of orthologs (column human, one a species): one gene axis.", rich_help_panel=DATA),
    ] = None,
    features: Annotated[
        Path | None,
        typer.Option(help="Gene sets (.gmt) or a table of numbers or SMILES by name.", rich_help_panel=DATA),
    ] = None,
    half_lives: Annotated[
        Path | None, typer.Option(help="Table: gene, half-life of its messages in h.", rich_help_panel=DATA)
    ] = None,
    max_depth: Annotated[
        float | None,
        typer.Option(min=1.0, help="Thin read counts and bulk profiles above it.", rich_help_panel=DATA),
    ] = None,
    least_counts: Annotated[
        int, typer.Option(min=0, help="Leave genes of fewer counts out.", rich_help_panel=DATA)
    ] = 0,
    stream: Annotated[
        bool, typer.Option("--stream", help="Leave the counts on disk: for more than fits.", rich_help_panel=DATA)
    ] = False,
    backbone: Annotated[
        Literal["latent", "patches", "lingshu"],
        typer.Option(help="latent: fast, on a CPU; patches, lingshu: transformers.", rich_help_panel=NETWORK),
    ] = "latent",
    size: Annotated[
        str, typer.Option(help="Of patches and lingshu: 1m, 8m, 25m, 85m, …", rich_help_panel=NETWORK)
    ] = "1m",
    draws: Annotated[
        bool,
        typer.Option(
            "--draws",
            help="For populations from nothing (twin sample): gene codes start at the cells' own axes, z follows its "
            "prior, types have shapes of counts of their own. Some 400 steps with --validation 0.1 are enough.",
            rich_help_panel=TRAINING,
        ),
    ] = False,
    steps: Annotated[int, typer.Option(min=1, help="Training steps.", rich_help_panel=TRAINING)] = 2_000,
    batch: Annotated[int, typer.Option(min=1, help="Cells a step.", rich_help_panel=TRAINING)] = 64,
    learning_rate: Annotated[float, typer.Option(min=0.0, help="Peak.", rich_help_panel=TRAINING)] = 2e-3,
    seed: Annotated[int, typer.Option(min=0, help="Of weights, batches, masks.", rich_help_panel=TRAINING)] = 0,
    validation: Annotated[
        float, typer.Option(min=0.0, max=0.5, help="Share of cells watched while training.", rich_help_panel=TRAINING)
    ] = 0.0,
    patience: Annotated[
        int, typer.Option(min=0, help="Checks without gain after which to stop; 0: none.", rich_help_panel=TRAINING)
    ] = 0,
    device: Annotated[
        Literal["auto", "cpu", "cuda"], typer.Option(help="auto: CUDA if there.", rich_help_panel=TRAINING)
    ] = "auto",
    precision: Annotated[
        Literal["auto", "float32", "bfloat16"], typer.Option(help="Of matrix products.", rich_help_panel=TRAINING)
    ] = "auto",
    compiled: Annotated[
        bool, typer.Option("--compile", help="Fuse the blocks with torch.compile.", rich_help_panel=TRAINING)
    ] = False,
    threads: Annotated[int, typer.Option(min=0, help="CPU threads; 0: all.", rich_help_panel=TRAINING)] = 0,
) -> None:
    """Train a world model on DATA and leave a checkpoint in OUT.

    Columns are found by convention (cell_type, condition, donor, dose, time, species, tissue, …). An interrupted
    training goes on where it was when the command is given again.
    """
    import torch

    from twin.analysis.card import card_of
    from twin.cli.run import check_out
    from twin.cli.training_line import TrainingLine
    from twin.errors import InputError
    from twin.model.backbones.files import save_backbone
    from twin.model.features import read_features
    from twin.model.files import save_checkpoint
    from twin.model.fit import fit, fit_backbone
    from twin.model.half_lives import half_lives_of
    from twin.model.learner import DRAWN
    from twin.model.likeness import NO_FEATURES
    from twin.model.masked import MaskedDiffusion
    from twin.model.training import Runtime, TrainingConfig
    from twin.registry import named_model

    if draws and (start is not None or backbone != "latent"):
        raise InputError("--draws is for a latent backbone that is trained from the start: leave --from and --backbone")
    check_out(out, resume=False)
    if threads:
        torch.set_num_threads(threads)
    experiment = read_experiment(
        data,
        cell_type=cell_type,
        condition=condition,
        control=control,
        orthologs=orthologs,
        max_depth=max_depth,
        least_counts=least_counts,
        stream=stream,
    )
    config = TrainingConfig(
        steps=steps, batch=batch, learning_rate=learning_rate, seed=seed, validation=validation, patience=patience
    )
    config = config.model_copy(update=DRAWN if draws else {})
    runtime = Runtime(device=device, precision=precision, compile=compiled)
    for note in experiment.notes:
        typer.echo(note)
    typer.echo(
        f"{experiment.n_cells:,} cells, {len(experiment.genes):,} genes, {len(experiment.contexts)} contexts, "
        f"{len(experiment.arms)} treatment(s); {100 * holdout:g} % of the cells are held out"
    )
    first = named_model(start) if start is not None else None
    if first is not None and not isinstance(first, MaskedDiffusion):
        raise InputError(f"--from {start}: only a trained model of the latent backbone can be trained on")
    if backbone != "latent" and (first is not None or features is not None or half_lives is not None):
        raise InputError(f"--from, --features and --half-lives are for the latent backbone, not for {backbone}")
    state = out.with_name(f"{out.name}.training") / "state.safetensors"
    try:
        with TrainingLine(steps) as line:
            if backbone == "latent":
                model = fit(
                    experiment,
                    config,
                    holdout=holdout,
                    name=name,
                    features=NO_FEATURES if features is None else read_features(features),
                    half_life=half_lives_of(half_lives, experiment.genes),
                    start=first,
                    own_shapes=draws,
                    runtime=runtime,
                    state_file=state,
                    on_step=line.update,
                    on_note=typer.echo,
                )
                save_checkpoint(model, out, card_of(model, experiment, on_part=typer.echo))
            else:
                token = fit_backbone(
                    experiment,
                    backbone,
                    size,
                    config,
                    holdout=holdout,
                    name=name,
                    runtime=runtime,
                    state_file=state,
                    on_step=line.update,
                    on_note=typer.echo,
                )
                save_backbone(token, out, f"# {name}\n\n{backbone} {size}, {steps} steps.\n")
    except OSError as error:
        raise InputError(f"{out} cannot be written: {error.strerror or error}") from error
    rmtree(state.parent, ignore_errors=True)
    typer.echo(str(out))


def read_experiment(
    data: list[Path],
    *,
    cell_type: str | None = None,
    condition: str | None = None,
    control: str | None = None,
    orthologs: Path | None = None,
    max_depth: float | None = None,
    least_counts: int = 0,
    stream: bool = False,
) -> "Experiment":
    """Return the files as one experiment, as the options of `twin train` say."""
    from twin.data.columns import Columns
    from twin.data.counts import read_counts
    from twin.data.experiment import assemble, trimmed
    from twin.data.orthologs import read_orthologs
    from twin.data.stream import CountStream

    files = [CountStream(path) if stream else read_counts(path) for path in data]
    experiment = assemble(
        files,
        Columns(cell_type=cell_type, condition=condition, control=control),
        None if orthologs is None else read_orthologs(orthologs),
        max_depth=max_depth,
    )
    return trimmed(experiment, least_counts) if least_counts else experiment
