"""What determines a trajectory, and what a run records of itself; two runs are the same where these are."""

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any

from twin import registry
from twin.engine.plan import Plan
from twin.engine.replicates import calibrated_file, table_of
from twin.engine.world import World
from twin.errors import InputError
from twin.results import Run
from twin.scenario.builders import Built
from twin.scenario.learning import axes_of_ensembles
from twin.scenario.load import LoadedScenario
from twin.scenario.overlay import Tree, key_text
from twin.scenario.watched import conditions

SILENT = ("name", "description", "replicates", "branches", "sweep", "observe", "execution")  # change no trajectory
GROWS = ("replicates", "branches", "sweep")  # what an extended run may have more of
ID_DIGITS = 16  # of 64: enough that no two of a billion trajectories meet
MOST_TOLD = 6  # differences that one message names


def essence(
    loaded: LoadedScenario,
    past: LoadedScenario | None = None,
    fork: int = 0,
    among: str = "",
    settled: Sequence[str] = (),
) -> str:
    """Return a hash of all but the luck of a trajectory: its scenario, the files, the model and plugins behind it.

    Parameters
    ----------
    past : the trunk's scenario, of which the trajectory is a part until the tick `fork`.
    among : the others that it learns with, as `twin.scenario.learning.learns_among` tells them. settled : keys that it
    sets at its fork, though its past learned them.
    """
    installed = {entry.name: str(entry) for entry in registry.entries(registry.PLUGINS)}
    whole = {
        "scenario": {key: value for key, value in loaded.document.items() if key not in SILENT},
        "chunk": loaded.scenario.execution.chunk,
        "inputs": inputs_of(loaded),
        "model": registry.load_model(loaded.scenario.world_model, loaded.folder).fingerprint,
        "plugins": {name: installed.get(name) for name in loaded.scenario.processes},
        **_own_models(loaded),
        "past": None if past is None else [fork, essence(past, among=among)],
    }
    if among:
        whole["among"] = [among, *settled]
    if list(conditions(loaded.scenario)):  # they may ask for quantities by name
        whole["quantities"] = dict(loaded.scenario.observe.quantities)
    text = json.dumps(whole, ensure_ascii=False, separators=(",", ":"))
    return sha256(text.encode()).hexdigest()


def _own_models(loaded: LoadedScenario) -> dict[str, dict[str, str]]:
    """Return what moves the cells of compartments that have a model of their own, if any has."""
    own = {name: c.world_model for name, c in loaded.scenario.compartments.items() if c.world_model is not None}
    found = {name: registry.load_model(choice, loaded.folder).fingerprint for name, choice in own.items()}
    return {"models": found} if found else {}


def name_of(essence: str, replicate: int) -> str:
    """Return the id of a replicate of what an `essence` stands for."""
    return sha256(f"{essence} {replicate}".encode()).hexdigest()[:ID_DIGITS]


def files_of(loaded: LoadedScenario) -> dict[str, Path]:
    """Return the files that compartments and signals are made of, by the names that the scenario has for them."""
    files = [file for compartment in loaded.scenario.compartments.values() for file in compartment.cells.files]
    files += [pairs.file for pairs in loaded.scenario.signalling.pairs]
    files += [model.file for model in loaded.scenario.intracellular.values()]
    files += [event.file for event in loaded.scenario.timeline if event.do == "assimilate"]
    return {**{file: loaded.resolve(file) for file in files}, **calibrated_file(loaded)}


def inputs_of(loaded: LoadedScenario) -> dict[str, str]:
    """Return the sha256 of each file that a scenario is made of."""
    return {name: hash_of(path) for name, path in files_of(loaded).items()}


def hash_of(path: Path) -> str:
    """Return the sha256 of a file; of a folder, that of its files' names and hashes in order."""
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.is_file())
        listing = "\n".join(f"{file.relative_to(path).as_posix()} {hash_of(file)}" for file in files)
        return sha256(listing.encode()).hexdigest()
    state = path.stat()
    return _hash_of(path, state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=4096)
def _hash_of(path: Path, size: int, modified: int) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def record_of(plan: Plan, world: World) -> dict[str, object]:
    """Return what a run records of itself."""
    scenario, model = plan.scenario, world.model
    observe = scenario.observe
    return {
        "name": scenario.name,
        "scenario": plan.loaded.document,
        "scenario_sha256": plan.loaded.sha256,
        "boxes_um": {name: c.box for name, c in scenario.compartments.items() if isinstance(c.cells, Built)},
        "versions": dict(plan.versions),
        "inputs": inputs_of(plan.loaded),
        "plugins": dict(plan.plugins),
        "model": {
            "name": model.name,
            "from": plan.model_from,
            "fingerprint": model.fingerprint,
            "notes": list(model.notes),
        },
        "models": {name: {"name": m.name, "fingerprint": m.fingerprint} for name, m in world.models.items()},
        "seed": scenario.seed,
        "assumptions": [*world.notes, *plan.assumptions],
        "variation": table_of(world),
        "tick": scenario.tick,
        "n_ticks": scenario.n_ticks,
        "chunk": scenario.execution.chunk,
        "last_measured_time_h": model.last_time(),
        "exposure_start_h": _exposure_start(plan),
        "substances": {
            name: {
                "diffusivity_um2_per_h": float(world.substances.diffusivity[i]),
                "decay_per_h": float(world.substances.decay[i]),
            }
            for i, name in enumerate(world.substances.names)
        },
        "distance_from": observe.distance.source if observe.distance else None,
        "response_program": observe.response.program if observe.response else None,
    }


def _exposure_start(plan: Plan) -> float:
    """Return when the first substance comes in, h."""
    starts = [s.start for s in plan.scenario.signalling.secretion]
    starts += [0.0 for signal in plan.scenario.signalling.contact if signal.perturbation is not None]
    starts += [event.at for event in plan.scenario.timeline if event.do in ("add", "dose")]
    return min(starts, default=0.0)


def check_same(run: Run, loaded: LoadedScenario, record: Mapping[str, Any], *, extend: bool) -> None:
    """Refuse to go on with a run that was begun with another scenario, file, model or plugin.

    Parameters
    ----------
    extend : whether more branches, points of a sweep and replicates are wanted.

    Raises
    ------
    InputError
        Saying exactly what differs.
    """
    if extend:
        _check_ensembles(run, loaded)
    then, now = _comparable(run.scenario, extend), _comparable(loaded.document, extend)
    if then != now:
        changes = list(differences(then, now))
        grows = not extend and {change[0][0] for change in changes} <= set(GROWS)
        raise InputError(
            f"{run.path} was begun with another scenario (different: {_told(changes)}); "
            + (
                "if it only grew, go on with --extend"
                if grows
                else "run it into another folder, or resume with the scenario as it was"
            )
        )
    then, now = run.attrs.get("inputs", {}), record["inputs"]
    changed = [f"{name} has changed" for name in then if then[name] != now.get(name)]
    if not changed and run.attrs["model"]["fingerprint"] != record["model"]["fingerprint"]:
        changed.append(f"the world model {record['model']['name']} has changed")
    for name, model in run.attrs.get("models", {}).items() if not changed else ():
        if model["fingerprint"] != record["models"].get(name, model)["fingerprint"]:
            changed.append(f"the world model {model['name']} of {name} has changed")
    then, now = run.attrs["plugins"], record["plugins"]
    changed += [f"{name} was of {then[name]} and is of {now.get(name)}" for name in then if then[name] != now.get(name)]
    if changed:
        raise InputError(
            f"{'; '.join(changed)} since the run in {run.path} was begun: put it back, or run into another folder"
        )


def _check_ensembles(run: Run, loaded: LoadedScenario) -> None:
    """Refuse to widen what trajectories learn from together: all of them would have gone on otherwise."""
    along = axes_of_ensembles(loaded.scenario)
    then, now = (document.get("sweep") or {} for document in (run.scenario, loaded.document))
    grown = [f"sweep.{name}" for name in along if name in then and then[name] != now[name]]
    if along and run.replicates != loaded.scenario.replicates:
        grown.append("replicates")
    if grown:
        raise InputError(
            f"{run.path}: its trajectories learn together along {' and '.join(grown)}, so none of them can be kept "
            "where that grows: run into another folder"
        )


def differences(a: Any, b: Any, path: tuple[str | int, ...] = ()) -> "list[tuple[tuple[str | int, ...], Any, Any]]":
    """Return every place at which two documents differ, with what stands there (None: nothing)."""
    if a == b:
        return []
    if isinstance(a, dict) and isinstance(b, dict):
        return [d for key in dict.fromkeys([*a, *b]) for d in differences(a.get(key), b.get(key), (*path, key))]
    if isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        return [d for i, (x, y) in enumerate(zip(a, b, strict=True)) for d in differences(x, y, (*path, i))]
    return [(path, a, b)]


def _comparable(document: Tree, extend: bool) -> Tree:
    """Return the part of a document that has to stay; the order of keys counts nowhere but in the id."""
    kept = {key: value for key, value in document.items() if not (extend and key in GROWS)}
    execution = dict(kept.get("execution") or {})
    execution.pop("memory_limit_gib", None)
    return {**kept, "execution": execution}


def _told(changes: Sequence[tuple[tuple[str | int, ...], Any, Any]]) -> str:
    words = [f"{key_text(path)} was {_shown(a)} and is {_shown(b)}" for path, a, b in changes[:MOST_TOLD]]
    return "; ".join(words) + (f"; and {len(changes) - MOST_TOLD} more" if len(changes) > MOST_TOLD else "")


def _shown(value: object) -> str:
    text = "not there" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}…"
