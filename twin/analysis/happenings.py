"""What happened in a run: quantities of its own, events that waited for something, snapshots, early ends."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from twin.analysis.bands import band
from twin.analysis.ensemble import seen_times
from twin.assimilation.discrepancy import Discrepancy, table
from twin.kernels.ensemble import effective_size
from twin.results import Run

Float = NDArray[np.float64]

COLUMNS = 7  # times that a table shows
MOST_EVENTS = 12  # lines of one replicate; our choice


def happenings(run: Run) -> list[str]:
    """Return the lines of a summary that say what happened, replicate by replicate."""
    lines = _quantities(run)
    for replicate in range(run.replicates):
        log = run.log(replicate)
        told = [line for entry in log for line in _line(entry)]
        if len(told) > MOST_EVENTS:
            told = [*told[:MOST_EVENTS], f"    and {len(told) - MOST_EVENTS} more: run.log({replicate})"]
        if told:
            which = f" in replicate {replicate}" if run.replicates > 1 else ""
            lines += [f"\nwhat happened{which}", *told]
    return [*lines, *_snapshots(run), *_weights(run)]


def _line(entry: dict[str, Any]) -> list[str]:
    match entry["what"]:
        case "assimilate":
            return []  # has a table of its own
        case "learned":
            values = (f"{key} {old} -> {new}" for key, (old, new) in entry["parameters"].items())
            return [f"  {entry['time']:g} h: learned from {entry['file']}: {', '.join(values)}"]
        case "stop":
            return [f"  {entry['time']:g} h: stopped, for {entry['why']}"]
        case what:
            return [f"  {entry['time']:g} h: {what} ({entry['condition']}), for {entry['why']}"]


def _quantities(run: Run) -> list[str]:
    """Return a table of the quantities that are one number, a few times across."""
    names = [name for name in run.scenario.get("observe", {}).get("quantities", {}) if name in run.readouts]
    plain = [name for name in names if run.readouts[name].ndim == 2]
    if not plain:
        return []
    data = run.readouts[[*plain, "n_cells"]].load()
    data = data.isel(time=seen_times(data["n_cells"]))
    times = data["time"].values
    pick = np.unique(np.round(np.linspace(0, len(times) - 1, min(COLUMNS, len(times)))).astype(int))
    lines = ["\nquantities", f"    {'':<24}" + "".join(f"{times[i]:>9g}" for i in pick) + "  h"]
    for name in plain:
        mean, margin = (part.values[pick] for part in band(data[name]))
        lines.append(f"    {name:<24}{_shown(mean)}  {data[name].attrs.get('units', '')}")
        if np.isfinite(margin).any():
            lines.append(f"      {'± (95 %)':<22}{_shown(margin)}")
    return lines


def _shown(numbers: Float) -> str:
    return "".join(f"{x:9.3g}" if np.isfinite(x) else "        –" for x in numbers)


def _snapshots(run: Run) -> list[str]:
    """Return the discrepancies of every snapshot, of the first replicate; the others' are in the log."""
    lines = []
    for entry in run.log(0):
        if entry["what"] != "assimilate":
            continue
        before, after = (_discrepancies(entry.get(stage)) for stage in ("before", "after"))
        of = " (replicate 0; the others: run.log)" if run.replicates > 1 else ""
        lines.append(f"\n{entry['file']} against {entry['compartment']} at {entry['time']:g} h, {entry['method']}{of}")
        digest = run.attrs.get("inputs", {}).get(entry["file"])
        lines += [f"  sha256 {digest}"] if digest else []
        lines += table(before, after or None)
        lines.append(f"  composition: {entry['composition_distance']:.1%} of the cells are of another type")
        if after:
            one, two = entry["energy"]
            lines.append(
                f"  {entry['moved']} cells moved; energy distance {one:.3g} before, {two:.3g} after (mean over types)"
            )
        worse = [a.cell_type for a, b in zip(after, before, strict=True) if a.energy > b.energy] if after else []
        if worse:
            lines.append(f"  farther than before, for few measured cells stand for many: {', '.join(worse)}")
        if entry["left_out"]:
            lines.append(f"  not compared: {', '.join(entry['left_out'])}")
    return lines


def learned(run: Run) -> list[str]:
    """Return the lines of what ensembles learned while they ran."""
    lines = []
    for update in run.updates:
        lines.append(f"\n{update['file']} at {update['time']:g} h: {_who(update)}")
        if "why_not" in update:
            lines.append(f"  nothing was learned: {update['why_not']}")
            continue
        off = ", ".join(f"{kind} {value:.3g}" for kind, value in update["energy"].items())
        lines.append(f"  energy distance before, mean over them: {off or 'too few cells of any type'}")
        lines.append(f"  composition: {update['composition_distance']:.1%} of the cells are of another type")
        tested = update.get("tested")
        if tested:
            lines.append(
                f"  means of held-out measured cells missed by {tested['before']:.3g} standard deviations before, "
                f"{tested['after']:.3g} with what was learned, as emulated ({tested['halves']:.3g} by the other "
                "measured cells)"
            )
        lines.append(f"  {'parameter':<40}{'before':>24}{'after':>24}")
        for p in update["parameters"]:
            shown = [_moments(p["log"], *p[stage]) for stage in ("before", "after")]
            lines.append(f"  {p['key']:<40}{shown[0]:>24}{shown[1]:>24}  {p['unit']}")
        if update["held_back"]:
            n = len(update["held_back"])
            lines.append(f"  {n} went only part of the way: the scenario refuses what lay at its end")
    return lines


def _who(update: dict[str, Any]) -> str:
    out = f", {len(update['left_out'])} had ended before" if update["left_out"] else ""
    return f"{len(update['members'])} trajectories learned together{out}"


def _moments(log: bool, centre: float, spread: float) -> str:
    """Return a mean and a standard deviation; of a logarithm, where they lie on the plain scale."""
    if not log:
        return f"{centre:.4g} ± {spread:.2g}"
    value, low, high = (float(np.exp(x)) for x in (centre, centre - spread, centre + spread))
    return f"{value:.4g} ({low:.3g}–{high:.3g})"


def _weights(run: Run) -> list[str]:
    weights = run.weights
    if weights is None:
        return []
    shown = ", ".join(f"{w:.3g}" for w in weights[:10]) + (", …" if len(weights) > 10 else "")
    few = "; hardly more than one replicate speaks: run more" if effective_size(weights) < 2 <= len(weights) else ""
    return [f"\nweights of the replicates: {shown}; {effective_size(weights):.1f} of {len(weights)} effective{few}"]


def _discrepancies(records: list[dict[str, Any]] | None) -> list[Discrepancy]:
    """Return discrepancies as they were before they became JSON."""
    found = []
    for record in records or ():
        known: dict[str, Any] = {key: float("nan") if value is None else value for key, value in record.items()}
        found.append(Discrepancy(**known))
    return found
