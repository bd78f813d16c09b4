"""`twin power`: how many replicates an experiment needs, from a pilot of simulated ones."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from twin.cli.options import Quiet, Sets, Workers

if TYPE_CHECKING:  # simulating costs imports that asking for help does not
    from twin.analysis.contrasts import Contrast
    from twin.analysis.power import Design, Pilot
    from twin.results import Run

LEAST_PILOT = 6  # replicates that are simulated where the scenario asks for fewer than three; our choice
SHOWN = (2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 30, 50, 100)  # numbers of replicates whose power is printed
Correction = Literal["none", "bonferroni", "sidak"]

PILOT, TEST = "The pilot", "The test"


def power(
    scenario: Annotated[
        Path | None, typer.Argument(metavar="[SCENARIO]", help="A scenario with branches. Without it: --run.")
    ] = None,
    run: Annotated[
        Path | None,
        typer.Option(help="A finished run as the pilot, in the place of a scenario.", rich_help_panel=PILOT),
    ] = None,
    pilot: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Replicates that are simulated. Without it: the scenario's, or 6 where those are fewer than 3.",
            rich_help_panel=PILOT,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of the pilot's run. Without it: runs/NAME-pilot.", rich_help_panel=PILOT),
    ] = None,
    sets: Sets = None,
    workers: Workers = 1,
    contrast: Annotated[
        str | None,
        typer.Option(metavar="A:B", help="Branches that are compared. Without it: the only one, and trunk."),
    ] = None,
    readout: Annotated[
        list[str] | None,
        typer.Option(
            help="What is measured: a readout, or an observed gene, program, column or quantity; its parts follow "
            "after colons, like 'program_score:interferon:CD14 Mono'. May be repeated. Without it: the response."
        ),
    ] = None,
    cell_type: Annotated[
        list[str] | None, typer.Option(help="In these cells; may be repeated. Without it: in each type.")
    ] = None,
    time: Annotated[str | None, typer.Option(help="When, like 6h. Without it: at the end.")] = None,
    point: Annotated[
        list[str] | None, typer.Option(metavar="AXIS=VALUE", help="Where in a sweep; may be repeated.")
    ] = None,
    effect: Annotated[
        float | None,
        typer.Option(
            help="A difference that you want to see, in the readout's unit. Without it: the pilot's own.",
            rich_help_panel=TEST,
        ),
    ] = None,
    design: Annotated[
        Literal["paired", "unpaired"],
        typer.Option(
            help="paired: both branches in each donor; unpaired: other donors in each, n in either group.",
            rich_help_panel=TEST,
        ),
    ] = "paired",
    alpha: Annotated[
        float, typer.Option(min=1e-9, max=0.5, help="Level of the two-sided test.", rich_help_panel=TEST)
    ] = 0.05,
    power: Annotated[
        list[float] | None,
        typer.Option(
            min=0.05, max=0.999, help="Wanted; may be repeated. Without it: 0.8 and 0.9.", rich_help_panel=TEST
        ),
    ] = None,
    correct: Annotated[
        Correction,
        typer.Option(help="Of the level, where several readouts or types are tested.", rich_help_panel=TEST),
    ] = "none",
    plot: Annotated[Path | None, typer.Option(help="Draw power over replicates: .png, .pdf or .svg.")] = None,
    quiet: Quiet = False,
) -> None:
    """Say how many replicates (donors) SCENARIO needs to see the difference between two of its branches.

    A pilot of simulated replicates, which differ as the scenario's section 'variation' says, gives the effect and how
    much replicates vary; the power of a t test follows from both, exactly. Its interval is what the pilot leaves
    open: one of six says little, one of twenty much. A second call with a larger --pilot runs only what is missing.

    \b
    twin power scenario.yaml --readout 'interferon:CD14 Mono'
    twin power scenario.yaml --contrast full:half --pilot 20 --plot power.png
    twin power --run runs/a --contrast treated:trunk --effect 0.3 --design unpaired

    Two branches of a replicate share their donors and their luck, as two wells of one blood sample share the donor:
    that is the paired design. A large pilot tells exactly what the declared spreads mean, not whether they are true:
    those of seven measured donors are known to a factor of two or three. And what is not declared (batches, hands, a
    receptor that some donors lack) no pilot can know: take the number as the least.
    """
    from twin.analysis.contrasts import check_begun, contrasts_of, independent, readouts_in, sides_of
    from twin.analysis.power import assumed, corrected, pilot_of
    from twin.errors import InputError
    from twin.results import open_run, point_of

    if (scenario is None) == (run is None):
        raise InputError("give a SCENARIO, whose pilot is simulated, or --run, a pilot that was")
    for value, option in ((pilot, "--pilot"), (out, "--out"), (sets, "--set")):
        if run is not None and value:
            raise InputError(f"{option} goes with a SCENARIO: the pilot of --run {run} was simulated already")
    if plot is not None and len(readout or ()) > 1:
        raise InputError(f"--plot {plot}: a figure shows one readout, {len(readout or ())} are named")
    if scenario is not None:
        found, place = _simulated(scenario, pilot, out, sets or (), contrast, workers, quiet=quiet)
    else:
        assert run is not None
        found, place = open_run(run), run
    check_begun(found)
    sides = sides_of(found.branches, contrast)
    names = readouts_in(found, readout or (), cell_type or ())
    where = point_of(point) if point else None
    numbers = contrasts_of(found, names, sides, time, where)
    numbers, whose = independent(found, numbers)
    level = corrected(alpha, len(numbers), correct)
    wanted = power or [0.8, 0.9]
    if not quiet:
        for sentence in _head(sides, numbers, design, whose, level, alpha, correct):
            typer.echo(sentence)
    for one in numbers:
        told = pilot_of(one.first, one.second, design)
        told = told if effect is None else assumed(told, effect)
        for line in _told(one, told, wanted, level, given=effect is not None):
            typer.echo(line)
    if plot is not None:
        from twin import registry

        registry.command("plot")(
            place,
            "power",
            out=plot,
            branch=sides[0],
            versus=sides[1],
            readout=readout[0] if readout else None,
            cell_type=cell_type,
            time=time,
            point=point,
            design=design,
            effect=effect,
            alpha=level,
        )
    typer.echo(str(place))


def _simulated(
    file: Path,
    pilot: int | None,
    out: Path | None,
    sets: Sequence[str],
    contrast: str | None,
    workers: int,
    *,
    quiet: bool,
) -> "tuple[Run, Path]":
    """Return the pilot's run, simulated as far as it is not there yet, and its folder."""
    from twin.analysis.contrasts import sides_of
    from twin.cli.progress import ProgressLine
    from twin.cli.run import Terminated, check_out, terminable
    from twin.engine.plan import check_file
    from twin.engine.simulation import ready, simulate
    from twin.errors import InputError, RunError
    from twin.results import open_run
    from twin.scenario.futures import TRUNK

    loaded, _ = check_file(file, sets)
    sides_of((TRUNK, *loaded.scenario.branches), contrast)  # before anything is simulated
    own = loaded.scenario.replicates
    n = pilot or (own if own >= 3 else LEAST_PILOT)
    place = Path("runs", f"{loaded.scenario.name}-pilot") if out is None else out
    begun = (place / "zarr.json").is_file()
    if begun:
        n = max(n, open_run(place).replicates)  # what was simulated before counts, too
    else:
        check_out(place, resume=False)
    if n < 2:
        raise InputError("--pilot 1: one replicate tells nothing of how much they differ; take 6 or more")
    loaded, plan = check_file(file, [*sets, f"replicates={n}"])
    plans = ready(loaded)
    again = ["twin", "power", str(file), "--out", str(place), "--pilot", str(n)]
    again += [w for s in sets for w in ("--set", s)]
    shared = {t.id: t.fork for t in plans.futures.ensemble.trajectories}
    labels = {t.id: plans.futures.ensemble.label(t) for t in plans.futures.ensemble.trajectories}
    if not quiet:
        typer.echo(f"pilot: {n} replicates in {place}", err=True)
    try:
        with terminable():
            if quiet:
                simulate(loaded, place, prepared=plans, workers=workers, extend=begun)
            else:
                with ProgressLine(plan.n_ticks, plan.scenario.duration, shared, labels) as line:
                    simulate(loaded, place, prepared=plans, workers=workers, extend=begun, on_progress=line.update)
    except KeyboardInterrupt as stop:
        typer.echo(f"twin: stopped; what is committed stays; go on with: {shlex.join(again)}", err=True)
        raise typer.Exit(143 if isinstance(stop, Terminated) else 130) from None
    except RunError as error:
        raise RunError(f"{error}; what is committed stays; go on with: {shlex.join(again)}") from error
    return open_run(place), place


def _head(
    sides: tuple[str, str],
    numbers: "Sequence[Contrast]",
    design: "Design",
    whose: str,
    level: float,
    alpha: float,
    how: Correction,
) -> list[str]:
    n = len(numbers[0].first)
    counted = "each group" if design == "unpaired" else "pairs"
    many = f"; {len(numbers)} tests, each at {level:.3g} ({how})" if how != "none" else ""
    several = len(numbers) > 1 and how == "none"
    told = [
        f"{sides[0]} − {sides[1]} at {numbers[0].time:g} h; {n} {whose}",
        f"{design} t test, two-sided, alpha {alpha:g}{many}; n counts {counted}",
    ]
    return told + ([f"{len(numbers)} tests at alpha {alpha:g} each: see --correct"] if several else [])


def _told(one: "Contrast", pilot: "Pilot", wanted: Sequence[float], level: float, *, given: bool) -> list[str]:
    """Return what is said of one readout: effect and spread, power over n, and the n that is needed."""
    from twin.analysis.power import needed, power

    unit = "" if one.units in ("", "1") else f" {one.units}"
    interval = "as asked for" if given else f"95 %: {pilot.low:.3g} to {pilot.high:.3g}"
    lines = [
        "",
        one.name,
        f"  effect {pilot.effect:.4g}{unit} ({interval}); standard deviation "
        f"{'of the differences' if pilot.design == 'paired' else 'within groups'} {pilot.spread:.3g} "
        f"({pilot.spread_low:.3g} to {pilot.spread_high:.3g}); d = {pilot.size:.3g}",
    ]
    for target in wanted:
        best, worst = (needed(size, pilot.design, target, level) for size in (pilot.size_high, pilot.size_low))
        lines.append(
            f"  power {target:.0%}: n = {_count(needed(pilot.size, pilot.design, target, level))} "
            f"(95 %: {_count(best)} to {_count(worst)})"
        )
    last = needed(pilot.size, pilot.design, 0.99, level)
    shown = [n for n in SHOWN if n <= max(last, 4)] if pilot.size_high > 0 else []
    lines.append("  n      " + "".join(f"{n:>6}" for n in shown))
    lines.append("  power  " + "".join(f"{power(pilot.size, n, pilot.design, level):>6.2f}" for n in shown))
    return lines


def _count(n: float) -> str:
    return f"{int(n):,}" if n != float("inf") else "no number"
