"""A run store whose tissue has two futures: what they share, and what each of them became."""

from pathlib import Path

from tests.results.bodies import GENES, LAYOUT, PERTURBATIONS, SUBSTANCES, TICK, write_ticks
from twin.results import Ensemble, Run, Trajectory, TrajectoryWriter, create_run, open_run

TRUNK = Trajectory("aa", "trunk", (), 0, None, 0, ((0, 0),))
TREATED = Trajectory("bb", "treated", (), 0, "aa", 1, ((1, 0),))  # forks after the first tick


def branched_run(path: Path) -> Run:
    scenario = {"name": "small", "substances": {name: {} for name in SUBSTANCES}, "observe": {"genes": [GENES[0]]}}
    attributes = {"seed": 1, "tick": TICK, "n_ticks": 8, "scenario": scenario}
    create_run(path, attributes, LAYOUT, Ensemble(("trunk", "treated"), (), 1, (TRUNK, TREATED)), ("tissue", "pool"))
    for trajectory, first, seed in ((TRUNK, 0, 0), (TREATED, 2, 5)):
        write_ticks(TrajectoryWriter(path, trajectory, GENES, PERTURBATIONS, SUBSTANCES, TICK), first, 4, seed)
    return open_run(path)
