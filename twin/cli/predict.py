"""`twin predict`: perturbed counts for a user's own cells."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    import anndata as ad


def predict(
    model: Annotated[str, typer.Argument(help="A model of `twin plugins`, or the folder of a checkpoint.")],
    data: Annotated[Path, typer.Argument(help="Control cells: an AnnData file of raw counts.")],
    perturb: Annotated[str, typer.Option(help="The perturbation, by name; several joined by +.")],
    out: Annotated[Path, typer.Option(help="The predicted cells, .h5ad.")],
    dose: Annotated[str | None, typer.Option(help="Like '100 U/mL' or '1 nM'; without it the trained dose.")] = None,
    time: Annotated[str | None, typer.Option(help="Since exposure, like '6 h'; without it the last measured.")] = None,
    output: Annotated[
        Literal["cells", "population"],
        typer.Option(help="cells: these very cells, moved. population: as many drawn anew."),
    ] = "cells",
    steps: Annotated[int, typer.Option(min=1, help="Rounds in which a population is drawn.")] = 1,
    guidance: Annotated[float, typer.Option(min=0.0, help="w: effects are scaled by 1 + w.")] = 0.0,
    clamp: Annotated[
        list[str] | None,
        typer.Option(metavar="GENE=FACTOR", help="A known effect: STAT1=0 is a knock-out; may be repeated."),
    ] = None,
    features: Annotated[
        Path | None, typer.Option(help="Gene sets (.gmt) or a table: says something of genes never perturbed.")
    ] = None,
    cell_type: Annotated[str | None, typer.Option(help="obs column of the cell type.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the draws.")] = 0,
) -> None:
    """Write what the cells of DATA would hold under a perturbation: integer counts, their obs kept."""
    import anndata as ad

    from twin.data.counts import read_counts
    from twin.errors import InputError
    from twin.model.features import read_features
    from twin.model.prediction import predict as predicted
    from twin.registry import named_model

    if not out.absolute().parent.is_dir():
        raise InputError(f"--out: there is no folder {out.absolute().parent}")
    factors = {}
    for text in clamp or []:
        gene, _, factor = text.partition("=")
        try:
            factors[gene.strip()] = float(factor)
        except ValueError as error:
            raise InputError(f"--clamp {text}: needs a gene and a factor, like STAT1=0") from error
    read_counts(data)  # tells what is wrong with the file in one sentence
    cells = ad.read_zarr(data) if data.is_dir() else ad.read_h5ad(data)
    result = predicted(
        named_model(model),
        cells,
        perturb,
        dose,
        time=time,
        cell_type=cell_type,
        output=output,
        steps=steps,
        guidance=guidance,
        clamp=factors,
        features=None if features is None else read_features(features),
        seed=seed,
    )
    write(result, out)
    support = result.obs["twin_support"].astype(float)
    typer.echo(f"{result.n_obs:,} cells; support {support.min():.2f} to {support.max():.2f}")
    typer.echo(str(out))


def write(cells: "ad.AnnData", out: Path) -> None:
    """Write cells as .h5ad, whole or not at all.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    from twin.errors import InputError

    if not out.absolute().parent.is_dir():
        raise InputError(f"--out: there is no folder {out.absolute().parent}")
    part = out.with_name(f".{out.name}.partial")
    try:
        cells.write_h5ad(part)
        part.replace(out)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise InputError(f"{out} cannot be written: {error.strerror or error}") from error
