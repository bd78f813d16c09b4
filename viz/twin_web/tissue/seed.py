"""The picture before: a run store that holds one instant, the cells as they are seeded."""

import shutil
from pathlib import Path

from twin.engine.identity import record_of
from twin.engine.observe import layout_of
from twin.engine.plan import check_file
from twin.engine.seeding import seed_body
from twin.engine.simulation import ready
from twin.results import TrajectoryWriter, create_run
from twin.results.layout import PARTIAL


def seed_run(file: Path, out: Path) -> None:
    """Seed the cells of a scenario and leave a run of this one instant in `out`, whole or not at all.

    file : a scenario of one trajectory; it may name files anywhere, as the server wrote it.

    Raises
    ------
    InputError
        If the scenario cannot be run, or cells do not fit into their box.
    """
    loaded, plan = check_file(file, allow_outside=True)
    prepared = ready(loaded)
    world, ensemble = prepared.world, prepared.futures.ensemble
    draft = out.with_name(f".{out.name}{PARTIAL}")
    shutil.rmtree(draft, ignore_errors=True)
    create_run(draft, record_of(plan, world), layout_of(world), ensemble, list(world.scenario.compartments))
    writer = TrajectoryWriter(
        draft,
        ensemble.trajectories[0],
        {name: model.genes for name, model in world.models.items()},
        {name: world.perturbations_of(name) for name in world.models},
        world.substances.names,
        world.scenario.tick,
    )
    body = seed_body(world, 0)
    writer.frame(body)
    writer.commit(body)
    writer.close()
    draft.rename(out)
