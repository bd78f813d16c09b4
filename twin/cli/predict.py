"""`twin predict`: perturbed counts for a user's own cells."""

from pathlib import Path
from typing import Annotated

import typer


def predict(
    model: Annotated[str, typer.Argument(help="A model of `twin plugins`, or the folder of a checkpoint.")],
    data: Annotated[Path, typer.Argument(help="Control cells: an AnnData file of raw counts.")],
    perturb: Annotated[str, typer.Option(help="The perturbation, by name.")],
    out: Annotated[Path, typer.Option(help="The predicted cells, .h5ad.")],
    dose: Annotated[str | None, typer.Option(help="Like '100 U/mL' or '1 nM'; without it the trained dose.")] = None,
    cell_type: Annotated[str | None, typer.Option(help="obs column of the cell type.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the draws.")] = 0,
) -> None:
    """Write what the cells of DATA would hold under a perturbation: integer counts, their obs kept."""
    import anndata as ad

    from twin.data.counts import read_counts
    from twin.errors import InputError
    from twin.model.prediction import predict as predicted
    from twin.registry import named_model

    if not out.absolute().parent.is_dir():
        raise InputError(f"--out: there is no folder {out.absolute().parent}")
    read_counts(data)  # tells what is wrong with the file in one sentence
    cells = ad.read_zarr(data) if data.is_dir() else ad.read_h5ad(data)
    result = predicted(named_model(model), cells, perturb, dose, cell_type=cell_type, seed=seed)
    part = out.with_name(f".{out.name}.partial")
    try:
        result.write_h5ad(part)
        part.replace(out)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise InputError(f"{out} cannot be written: {error.strerror or error}") from error
    support = float(result.obs["twin_support"].min())
    typer.echo(f"{result.n_obs:,} cells; support at least {support:.2f}")
    typer.echo(str(out))
