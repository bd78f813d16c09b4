"""`twin calibrate`: fit how fast messages turn over, or how much donors differ."""

from pathlib import Path
from typing import Annotated

import typer

TURNOVER, DONORS = "Of the turnover", "Of donors"


def calibrate(
    model: Annotated[str, typer.Argument(help="A model of `twin plugins`, or the folder of a checkpoint.")],
    data: Annotated[
        list[Path],
        typer.Argument(help="AnnData files: one treatment at two or more times, or controls and treated of donors."),
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of the calibrated checkpoint, of --donors a .json file; without it only a report."),
    ] = None,
    orthologs: Annotated[
        Path | None, typer.Option(help="Table of orthologs, for files of another species.", rich_help_panel=TURNOVER)
    ] = None,
    half_lives: Annotated[
        Path | None, typer.Option(help="Table: gene, half-life of its messages in h.", rich_help_panel=TURNOVER)
    ] = None,
    donors: Annotated[
        bool, typer.Option("--donors", help="Fit how much donors differ, instead of κ.", rich_help_panel=DONORS)
    ] = False,
    perturb: Annotated[str, typer.Option(help="Treatment of the treated cells.", rich_help_panel=DONORS)] = "IFNB1",
    program: Annotated[
        str | None,
        typer.Option(
            metavar="GENE,GENE", help="Genes that answer. Without it: ten interferon genes.", rich_help_panel=DONORS
        ),
    ] = None,
    leave_out: Annotated[
        bool,
        typer.Option(
            "--leave-out",
            help="Calibrate without each donor in turn, and hold simulated donors to all and to that one.",
            rich_help_panel=DONORS,
        ),
    ] = False,
    simulated: Annotated[
        int, typer.Option(min=7, help="Donors that are simulated in each turn.", rich_help_panel=DONORS)
    ] = 42,
) -> None:
    """Fit κ, the scale of the messages' turnover, on DATA: 1 − 2^(−κ Δt / t½) of a gene's messages are replaced in Δt.

    Refused where only one time was measured: then κ is a convention, not a fit.

    With --donors DATA are control and treated cells of four or more donors (obs column donor). Their baseline and
    response, freed of the noise of their cells (REML), give the spreads that a scenario has under
    variation.donors.calibrated; --leave-out shows how donors simulated with them vary beside the measured ones.
    """
    if donors:
        from twin.cli.calibrate_donors import report

        report(model, data, out, perturb, program, leave_out=leave_out, simulated=simulated)
        return
    from dataclasses import replace

    import numpy as np

    from twin.cli.run import check_out
    from twin.cli.train import read_experiment
    from twin.errors import InputError
    from twin.model.files import save_checkpoint
    from twin.model.half_lives import half_lives_of
    from twin.model.kinetics import fit_kappa
    from twin.model.masked import MaskedDiffusion
    from twin.registry import named_model

    if out is not None:
        check_out(out, resume=False)
    chosen = named_model(model)
    if not isinstance(chosen, MaskedDiffusion):
        raise InputError(f"{model} has no turnover of messages to fit")
    experiment = read_experiment(data, orthologs=orthologs)
    place = {gene: i for i, gene in enumerate(chosen.genes)}
    own = half_lives_of(half_lives, chosen.genes)
    hours = chosen.half_life if own is None else own
    ours = np.array([hours[place[g]] if g in place else float(np.median(hours)) for g in experiment.genes])
    found = fit_kappa(experiment, ours)
    for words in found.courses:
        typer.echo(words)
    typer.echo(f"κ = {found.kappa:.3g} (90 % of random halves of the cells: {found.low:.3g} to {found.high:.3g})")
    typer.echo(f"the convention would be {chosen.kappa():.3g}")
    if found.at_bound:
        raise InputError(
            "κ cannot be told from these times: the fit met a bound of its search, since the change between them is "
            "slower or faster than any turnover of messages; the convention stays"
        )
    if out is not None:
        knowledge = replace(chosen.knowledge, half_life=hours)
        fitted = MaskedDiffusion(chosen.net, knowledge, replace(chosen.card, kappa=found.kappa))
        save_checkpoint(
            fitted,
            out,
            f"# {chosen.name}, calibrated\n\nκ = {found.kappa:.4g}, fitted on: {'; '.join(found.courses)}.\n",
        )
        typer.echo(str(out))
