"""T cells follow a chemokine into a spheroid and kill it: the shipped scenario does what it says."""

from pathlib import Path

import numpy as np
import pytest

from twin.engine.loop import advance
from twin.engine.plan import check_file
from twin.engine.seeding import seed_body
from twin.engine.simulation import prepare
from twin.engine.world import World
from twin.state.body import Body, Compartment

FILE = Path(__file__).parents[2] / "scenarios" / "tcell_killing.yaml"
CENTRE = np.array([210.0, 100.0, 100.0])  # µm, of the spheroid


def start(*sets: str) -> tuple[World, Body]:
    world = prepare(check_file(FILE, sets)[0])
    return world, seed_body(world, 0)


def after(ticks: int, *sets: str) -> Compartment:
    world, body = start(*sets)
    for _ in range(ticks):
        advance(world, body, 0)
    return body.compartments["tissue"]


def distance(home: Compartment, cell_type: str) -> float:
    """Return the mean distance of a type's cells from the centre of the spheroid, µm."""
    mine = home.cells.type_names() == cell_type
    return float(np.linalg.norm(home.cells.position[mine] - CENTRE, axis=1).mean())


def test_t_cells_smell_the_spheroid_and_set_out_for_it() -> None:
    world, body = start()
    home = body.compartments["tissue"]
    begin = distance(home, "T cell")
    for _ in range(5):
        advance(world, body, 0)
    home = body.compartments["tissue"]
    field = home.concentration[0]
    assert field.max() == field[:, :, 12:].max()  # the chemokine is where the tumour is
    assert distance(home, "T cell") < begin - 15.0  # in a quarter of an hour
    quick = home.rates["behaviour"]["rules"][home.cells.type_names() == "T cell"]
    assert (quick[:, world.behaviours.ruled.index("migration speed")] > 0).all()  # they hurry
    assert home.cells.extra["damage"].max() == 0.0  # nobody has come to harm yet
    assert np.isfinite(home.cells.position).all()


@pytest.mark.slow
def test_tumour_cells_die_faster_where_t_cells_attack_them() -> None:
    fought, spared = after(50), after(50, "cell_types.T cell.attack tumour=0 /min")  # 2.5 h

    def dead(home: Compartment) -> int:
        return int(((home.cells.type_names() == "tumour") & ~home.cells.alive).sum())

    assert dead(spared) <= 10  # 300 cells at 5.3e-5 /min die 2.4 times in this time
    assert dead(fought) >= 60
    assert distance(fought, "T cell") < 70.0  # they are in the spheroid
    living = (fought.cells.type_names() == "tumour") & fought.cells.alive
    tumour = fought.cells.type_names() == "tumour"
    harm = fought.cells.extra["damage"]
    assert harm[tumour & ~fought.cells.alive].mean() > 3 * harm[living].mean()  # it is the damaged who die
