"""`twin assimilate`: parameters of a scenario learned from a measured snapshot, by an ensemble of finished runs."""

from enum import StrEnum
from hashlib import file_digest
from pathlib import Path
from typing import Annotated, Any

import typer

from twin.errors import InputError

FEW = 2.0  # effective trajectories below which a spread means nothing; our choice


class Method(StrEnum):
    """How parameters are updated."""

    weights = "weights"
    kalman = "kalman"
    emulator = "emulator"


def assimilate(
    runs: Annotated[list[Path], typer.Argument(help="Runs of one scenario with different values, or with a sweep.")],
    snapshot: Annotated[Path, typer.Option(exists=True, help="Measured cells: an .h5ad or .zarr of raw counts.")],
    at: Annotated[str, typer.Option(help="Simulated time of the snapshot, like '24 h'; cells must be kept then.")],
    parameter: Annotated[
        list[str], typer.Option(help="What to learn: a key of the scenario, like timeline.0.dose; may be repeated.")
    ],
    out: Annotated[Path, typer.Option(help="The updated scenario, a new file beside the old one.")],
    method: Annotated[
        Method,
        typer.Option(help="By likelihood weights, an ensemble Kalman step, or Bayes' rule on an emulator of the runs."),
    ] = Method.weights,
    cell_type: Annotated[str, typer.Option(help="The obs column of the cell types.")] = "cell_type",
    where: Annotated[
        list[str] | None, typer.Option(help="Keep cells by obs column, like condition=stimulated; may be repeated.")
    ] = None,
    cell_types: Annotated[
        list[str] | None, typer.Option("--type", help="A cell type to compare; without it all that both have.")
    ] = None,
    compartment: Annotated[str | None, typer.Option(help="Which was measured, where there are several.")] = None,
    hold_out: Annotated[
        float, typer.Option(min=0, max=0.9, help="Share of the measured cells that correct nothing, and test.")
    ] = 0.0,
    seed: Annotated[int, typer.Option(min=0, help="Of the luck of a Kalman step or an emulator.")] = 0,
) -> None:
    """Learn parameters of a scenario from a snapshot, by the runs RUNS, and write the updated scenario."""
    if out.exists():
        raise InputError(f"{out} exists already: choose another --out")
    from twin.assimilation.members import members_of
    from twin.assimilation.snapshot import read_snapshot
    from twin.assimilation.update import updated
    from twin.results import open_run
    from twin.units import quantity

    pairs = [word.partition("=") for word in where or ()]
    for word, (_, sign, _) in zip(where or (), pairs, strict=True):
        if not sign:
            raise InputError(f"--where {word}: write column=value, like condition=stimulated")
    try:
        time = quantity(at, "hour", "a time", "24 h")
    except ValueError as error:
        raise InputError(f"--at: {error}") from None
    opened = [open_run(path) for path in runs]
    _check_alike(opened, parameter)
    kept = {column: value for column, _, value in pairs}
    measured = read_snapshot(snapshot, opened[0].genes, cell_type, kept, hold_out)
    members, types = members_of(opened, measured, parameter, time, compartment, cell_types or ())
    found = updated(measured, members, parameter, method.value, seed)
    typer.echo(f"{snapshot} at {time:g} h against {len(members)} trajectories; cell types: {', '.join(types)}")
    typer.echo(f"  {'parameter':<40}{'before':>22}{'after':>22}")
    for learned in found.parameters:
        shown = [_shown(learned, stage) for stage in (learned.before, learned.after)]
        typer.echo(f"  {learned.path:<40}{shown[0]:>22}{shown[1]:>22}  {learned.setting.unit}")
    typer.echo(f"  {found.effective:.1f} of {len(members)} trajectories effective by their likelihood")
    typer.echo(
        f"  means of cell types off by {found.error[0]:.3g} standard deviations with even weights, "
        f"{found.error[1]:.3g} with likelihood weights"
    )
    if found.tested is not None:
        typer.echo(
            f"  means of held-out cells missed by {found.tested.before:.3g} before, {found.tested.after:.3g} with what "
            f"was learned, as emulated ({found.tested.halves:.3g} by the other measured cells)"
        )
    if found.effective < FEW:
        typer.echo(
            "  hardly more than one trajectory speaks, so the spread is too small: run values around what was found, "
            "and assimilate again"
        )
    _write(out, opened[0].scenario, found.parameters, _provenance(snapshot, time, method.value, runs, found))
    typer.echo(str(out))


def _check_alike(opened: list[Any], parameters: list[str]) -> None:
    """Refuse runs that differ in more than the parameters, or whose cells have other genes."""
    first = opened[0]
    for run in opened[1:]:
        if run.genes != first.genes:
            raise InputError(f"{run.path} has other genes than {first.path}: take runs of one scenario")
        changed = sorted(_differences(first.scenario, run.scenario))
        others = [c for c in changed if c not in parameters and c not in ("seed", "replicates", "name")]
        if others:
            raise InputError(
                f"{run.path} and {first.path} differ in {', '.join(others[:5])}, which is not among the parameters: "
                "take runs of one scenario, or name it with --parameter"
            )


def _differences(a: object, b: object, path: str = "") -> set[str]:
    """Return the dotted paths at which two documents differ."""
    if isinstance(a, dict) and isinstance(b, dict):
        parts = [_differences(a.get(k), b.get(k), f"{path}.{k}" if path else str(k)) for k in {*a, *b}]
        return set().union(*parts)
    if isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        parts = [_differences(x, y, f"{path}.{i}") for i, (x, y) in enumerate(zip(a, b, strict=True))]
        return set().union(*parts)
    return set() if a == b else {path}


def _keys_of(axis: dict[str, Any]) -> set[str]:
    """Return the keys that an axis of a sweep sets."""
    found: set[str] = set()
    for part in (axis, *(axis.get("over") or {}).values()):
        key = part.get("key")
        found |= {key} if isinstance(key, str) else set(key or ())
    return found


def _shown(learned: Any, moments: tuple[float, float]) -> str:
    centre, spread = moments
    value = learned.value(centre)
    if not learned.log:
        return f"{value:.4g} ± {spread:.2g}"
    return f"{value:.4g} ({learned.value(centre - spread):.3g}–{learned.value(centre + spread):.3g})"


def _provenance(snapshot: Path, time: float, method: str, runs: list[Path], found: Any) -> list[str]:
    """Return where the new values are from, a line each."""
    if snapshot.is_file():
        with snapshot.open("rb") as file:
            digest = f"sha256 {file_digest(file, 'sha256').hexdigest()}"
    else:
        digest = "a folder"
    lines = [f"Updated by: twin assimilate, method {method}", f"Snapshot: {snapshot.name} ({digest}) at {time:g} h"]
    lines.append(f"Ensemble: {', '.join(path.name for path in runs)}; {found.effective:.2f} effective trajectories")
    for learned in found.parameters:
        lines.append(f"{learned.path}: {_shown(learned, learned.before)} -> {_shown(learned, learned.after)}")
    return lines


def _write(out: Path, document: dict[str, Any], parameters: Any, provenance: list[str]) -> None:
    """Write the scenario with its new values, whole or not at all, its provenance as comments on top."""
    import json
    from io import StringIO

    from ruamel.yaml import YAML

    changed: dict[str, Any] = json.loads(json.dumps(document))
    for learned in parameters:
        keys = learned.path.split(".")
        place: Any = changed
        for key in keys[:-1]:
            place = place[int(key)] if isinstance(place, list) else place[key]
        if isinstance(place, list):
            place[int(keys[-1])] = learned.text
        else:
            place[keys[-1]] = learned.text
    learned_keys = {learned.path for learned in parameters}
    kept = {name: axis for name, axis in changed.get("sweep", {}).items() if not _keys_of(axis) & learned_keys}
    if "sweep" in changed:  # what has been learned is no more varied
        changed["sweep"] = kept
    text = StringIO()
    YAML().dump(changed, text)  # this one keeps the order of keys, which orders the substances
    partial = out.with_name(f".{out.name}.partial")
    try:
        partial.write_text("".join(f"# {line}\n" for line in provenance) + text.getvalue(), encoding="utf-8")
        partial.replace(out)
    except OSError as error:
        raise InputError(f"{out} cannot be written: {error.strerror or error}") from error
