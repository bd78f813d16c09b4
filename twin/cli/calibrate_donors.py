"""`twin calibrate --donors`: how much measured donors differ, and simulated ones beside them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from twin.analysis.donors.leave_out import Fold
    from twin.data.donors import Spreads

WIDTH = 16  # of the column of cell types


def report(
    name: str,
    data: Sequence[Path],
    out: Path | None,
    perturbation: str,
    program: str | None,
    *,
    leave_out: bool,
    simulated: int,
) -> None:
    """Calibrate spreads on donors, print them beside what was measured, and write them to `out`.

    Raises
    ------
    InputError
        If a file does not tell donors apart, the model cannot, or nothing can be written.
    """
    from twin.analysis.donors.calibrate import calibrate_donors, reference_text
    from twin.analysis.donors.leave_out import folds
    from twin.analysis.donors.measured import INTERFERON, read_donors
    from twin.data.counts import read_counts
    from twin.errors import InputError
    from twin.registry import named_model

    if out is not None and (out.suffix != ".json" or not out.resolve().parent.is_dir()):
        raise InputError(f"--out {out}: spreads of donors are written as .json, into a folder that is there")
    genes = INTERFERON if program is None else tuple(g.strip() for g in program.split(",") if g.strip())
    chosen = named_model(name)
    cells = read_donors([read_counts(file) for file in data], perturbation, genes)
    spreads, narrow, types = calibrate_donors(chosen, cells, reference_text(chosen.perturbations, perturbation))
    spreads = spreads.model_copy(update={"source": " and ".join(file.stem for file in data)})
    for line in _measured(spreads):
        typer.echo(line)
    typer.echo("\nspreads, as variation.donors.effects of a scenario:")
    typer.echo(json.dumps(spreads.effects, indent=1, ensure_ascii=False))
    if out is not None:
        out.write_text(spreads.model_dump_json(indent=1) + "\n", encoding="utf-8")
        typer.echo(str(out))
    if leave_out:
        done = []
        for fold in folds(narrow, cells, types, n=simulated):
            done.append(fold)
            for line in _fold(fold):
                typer.echo(line)
        for line in _summary(done):
            typer.echo(line)


def _measured(spreads: "Spreads") -> list[str]:
    lines = [
        f"{len(spreads.donors)} donors, {spreads.n_cells:,} cells; mean log1p(CP10k) of {', '.join(spreads.program)}",
        "variance between donors without the noise of their cells (REML), 95 % interval (Q-profile):",
        f"{'cell type':<{WIDTH}}{'what':<10}{'donors':>7}{'mean':>8}{'variance':>10}  interval",
    ]
    for row in spreads.measured:
        high = "∞" if row.high is None else f"{row.high:.4f}"
        lines.append(
            f"{row.cell_type:<{WIDTH}}{row.what:<10}{row.donors:>7}{row.mean:>8.3f}{row.variance:>10.4f}"
            f"  {row.low:.4f} to {high}"
        )
    return lines


def _fold(fold: "Fold") -> list[str]:
    what = f"left out: {fold.left_out}" if fold.differ else "no donor effects"
    head = (
        f"{'cell type':<{WIDTH}}{'simulated':>10}  {'measured':<28}{'holds':<7}{'left out':>9}{'z':>7}{'z without':>11}"
    )
    lines = ["", what, head]
    for row in fold.rows:
        interval = f"{row.measured.variance:.4f} ({row.measured.low:.4f} to {row.measured.high:.4f})"
        of_one = f"{row.left_out:>9.3f}{row.score:>7.2f}{row.without:>11.2f}" if row.score == row.score else ""
        lines.append(
            f"{row.cell_type:<{WIDTH}}{row.simulated.variance:>10.4f}  {interval:<28}"
            f"{'yes' if row.holds else 'NO':<7}{of_one}"
        )
    return lines


def _summary(done: "Sequence[Fold]") -> list[str]:
    """Say how many simulated variances lie in their interval, and how many left-out donors where they were expected."""
    from twin.analysis.donors.leave_out import ALL_TYPES, NOBODY, covered

    without = [row for fold in done if not fold.differ for row in fold.rows]
    rows = [row for fold in done if fold.left_out != NOBODY for row in fold.rows]
    by_type = [row for row in rows if row.cell_type != ALL_TYPES]
    held, n = covered(by_type)
    bare, _ = covered(by_type, differ=False)
    overall = [row for row in rows if row.cell_type == ALL_TYPES]
    return [
        "",
        f"simulated variance within the measured interval: {sum(r.holds for r in by_type)} of {len(by_type)} types × "
        f"donors left out, over all types {sum(r.holds for r in overall)} of {len(overall)}; without donor effects "
        f"{sum(r.holds for r in without)} of {len(without)} (not: "
        f"{', '.join(r.cell_type for r in without if not r.holds) or 'none'})",
        f"responses of left-out donors within their 95 % predictive interval: {held} of {n}; without donor effects "
        f"{bare} of {n}",
    ]
