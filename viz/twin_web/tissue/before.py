"""The picture before: which store holds it, and the scenario that it is seeded from."""

import json
import shutil
from dataclasses import replace
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

from twin_web.site import Site
from twin_web.tissue.asked import Asked
from twin_web.tissue.catalogue import Known, of_document
from twin_web.tissue.composing import compose
from twin_web.tissue.models import whole_model
from twin_web.tissue.writing import save_scenario

FOLDER = "before"  # inside what the page keeps
MOST = 40  # pictures that are kept; our choice, the oldest go: they are made again in seconds
UNSEEN = ("name", "description", "timeline", "branches", "sweep", "execution", "stop_when")  # that seed no cell


def place_of(site: Site, owner: str, base: Known, asked: Asked) -> tuple[Path, Path]:
    """Return the store of the picture before what is asked, which may not be there yet, and its scenario, written.

    Raises
    ------
    ScenarioError, InputError
        If it cannot be seeded.
    """
    alone = replace(asked, timeline=(), branches={}, replicates=1)
    composed = compose(site, owner, base, alone)
    tree = {key: value for key, value in composed.tree.items() if key not in UNSEEN}
    tree["name"] = composed.tree["name"]
    scenario, _ = of_document(tree, Path(base.id), allow_outside=True).validate()
    model = whole_model(scenario, Path()).fingerprint if scenario is not None else ""
    whose = owner if asked.upload is not None else ""
    text = json.dumps([tree, model, version("twin"), whose], sort_keys=True, ensure_ascii=False)
    folder = site.inside / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    store = folder / f"before-{sha256(text.encode()).hexdigest()[:16]}"
    file = store.with_suffix(".yaml")
    if not (store / "zarr.json").is_file():
        _thin(folder)
        save_scenario(file, tree, [f"the cells of {base.id} before anything happens"])
    return store, file


def _thin(folder: Path) -> None:
    """Remove the oldest pictures where there are too many."""
    stores = sorted(
        (store for store in folder.glob("before-*") if store.is_dir()), key=lambda store: store.stat().st_mtime
    )
    for store in stores[: max(0, len(stores) - MOST + 1)]:
        shutil.rmtree(store, ignore_errors=True)
        store.with_suffix(".yaml").unlink(missing_ok=True)
