"""Cells push, pull, crawl and touch: overdamped mechanics of a compartment."""

from collections.abc import Iterator
from itertools import combinations_with_replacement
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from twin.errors import unknown_name
from twin.kernels.mechanics import (
    ADHESION,
    ADHESION_RANGE,
    REPULSION,
    MechanicsParams,
    Space,
    Traits,
    move_cells,
)
from twin.kernels.mechanics_torch import on_device
from twin.kernels.motility import Motility, Scent
from twin.kernels.overdamped import Tissue
from twin.model.contract import WorldModel
from twin.process import (
    ALIVE,
    BEHAVIOUR,
    CONCENTRATION,
    CONTACTS,
    POSITION,
    RADIUS,
    Add,
    Phase,
    Port,
    Process,
    ProcessConfig,
    Set,
    Update,
    View,
)
from twin.scenario.behaviours import DEFAULT, behaviours_of
from twin.scenario.schema import Scenario
from twin.state.cells import Column
from twin_mechanics.config import MechanicsConfig
from twin_mechanics.membranes import rows_of

Float = NDArray[np.float64]

WALL_MARGIN = 1e-6  # µm; our choice: adding an increment to a position rounds, and must not leave the box
CELL_TYPE = Port("cell_type", ("cell",), "1")
PRESSURE = Port("pressure", ("cell",), "1")
DIRECTION = Port("motility_direction", ("cell", "axis"), "1")
ADHESION_WORD, REPULSION_WORD = "cell-cell adhesion", "cell-cell repulsion"
AFFINITY, RESPONSE = "adhesive affinity to {type}", "chemotactic response to {substance}"
SPEED = "migration speed"
BM = ("cell-BM adhesion", "cell-BM repulsion")


class Mechanics(Process):
    """Repulsion and adhesion between cells, their own motion, walls and membranes, and who touches whom.

    Dead bodies push until they are cleared, but no longer adhere and no longer crawl.
    """

    class Config(MechanicsConfig):
        """See `MechanicsConfig`."""

    config: Config
    reads: ClassVar[tuple[Port, ...]] = (POSITION, RADIUS, ALIVE, CELL_TYPE, BEHAVIOUR)
    writes: ClassVar[tuple[Port, ...]] = (POSITION, CONTACTS, PRESSURE)
    sets: ClassVar[tuple[Port, ...]] = (CONTACTS, PRESSURE)
    columns: ClassVar[tuple[Column, ...]] = (Column("pressure", "1"),)
    acts_on: ClassVar[tuple[str, ...]] = (
        REPULSION_WORD,
        ADHESION_WORD,
        AFFINITY,
        "relative maximum adhesion distance",
        *BM,
        "is_movable",
        SPEED,
        "migration persistence time",
        "migration bias",
        RESPONSE,
    )
    phase: ClassVar[Phase] = Phase.MECHANICS
    in_pools: ClassVar[bool] = False

    @classmethod
    def reads_for(cls, config: ProcessConfig, scenario: Scenario) -> tuple[Port, ...]:
        """Return the direction of cells that crawl, and the fields that they smell."""
        assert isinstance(config, MechanicsConfig)
        if not _crawl(config, scenario):
            return ()
        smells = bool(config.chemotaxis) or any(w.startswith(_before(RESPONSE)) for w in _words(scenario))
        return (DIRECTION, CONCENTRATION) if smells else (DIRECTION,)

    @classmethod
    def writes_for(cls, config: ProcessConfig, scenario: Scenario) -> tuple[Port, ...]:
        """Return the direction of cells that crawl."""
        assert isinstance(config, MechanicsConfig)
        return (DIRECTION,) if _crawl(config, scenario) else ()

    @classmethod
    def sets_for(cls, config: ProcessConfig, scenario: Scenario) -> tuple[Port, ...]:
        """Return the direction of cells that crawl."""
        return cls.writes_for(config, scenario)

    @classmethod
    def columns_for(cls, config: ProcessConfig, scenario: Scenario) -> tuple[Column, ...]:
        """Return the direction of cells that crawl; a founder's is drawn at once."""
        assert isinstance(config, MechanicsConfig)
        return (Column(DIRECTION.name, DIRECTION.units, width=3),) if _crawl(config, scenario) else ()

    @classmethod
    def check(cls, config: ProcessConfig, scenario: Scenario, model: WorldModel) -> list[str]:
        """Return which types would merge, and which substances of `chemotaxis` are not there."""
        assert isinstance(config, MechanicsConfig)
        faults = [
            f"chemotaxis.{name}: {unknown_name('substance', name, tuple(scenario.substances))}"
            for name in config.chemotaxis
            if name not in scenario.substances
        ]
        if config.device == "cuda" and not torch.cuda.is_available():
            faults.append("device: no CUDA device is here: leave it out, or set it to cpu")
        if not config.membranes:
            named = {
                *(w for values in scenario.cell_types.values() for w in values),
                *(r.behaviour for r in scenario.rules),
            }
            faults += [f"{word!r} acts on membranes, and there are none: add membranes" for word in BM if word in named]
        return [*faults, *_merging(config, scenario)]

    def assumptions(self, scenario: Scenario, model: WorldModel) -> list[str]:
        """Say that motion is overdamped, where the law of force is from, and how space and time are taken."""
        c = self.config
        usual = (c.repulsion, c.adhesion, c.adhesion_range) == (REPULSION, ADHESION, ADHESION_RANGE)
        source = "defaults of PhysiCell 1.14" if usual else "set by the scenario"
        told = [
            "Cells are spheres whose motion is overdamped: velocity follows force at once, without inertia.",
            f"Repulsion {c.repulsion / 60:g} um/min, adhesion {c.adhesion / 60:g} um/min within "
            f"{c.adhesion_range:g} times the sum of radii ({source}), where cell_types does not say otherwise.",
            "Walls repel a cell as its mirror image would; dead bodies push but do not adhere.",
        ]
        if c.periodic:
            told.append(f"Space is periodic along {', '.join(sorted(set(c.periodic)))} for cells: no wall there.")
        if c.plane:
            told.append("Cells move in the plane in the middle of the box's z.")
        if c.membranes:
            told.append(
                f"{len(c.membranes)} fixed membranes repel cells and hold those within their reach of adhesion."
            )
        if _crawl(c, scenario):
            told.append(
                "Crawling cells take a new direction at random times (a Poisson process); the direction is normalised, "
                "so that bias and gradients turn a cell and do not speed it up."
            )
        if c.fixed_step is not None:
            told.append(
                f"Mechanics steps at {60 * c.fixed_step:g} min by Adams and Bashforth's method, like PhysiCell."
            )
        return told

    def step(self, view: View, dt: float) -> list[Update]:
        """Return how far each cell moves in `dt` hours, who touches whom afterwards, and how pressed it is."""
        c, position = self.config, view["position"]
        space = self._space(view)
        start = np.array(position, np.float64)
        if c.plane:
            start[:, 2] = (space.low[2] + space.high[2]) / 2.0
        params = MechanicsParams(
            c.repulsion,
            c.adhesion,
            c.adhesion_range,
            max_step=np.inf if c.max_step is None else c.max_step,
            max_substeps=c.max_substeps,
            fixed_step=c.fixed_step,
        )
        motility = self._motility(view)
        moved = move_cells(
            start,
            view["radius"],
            space,
            params,
            dt,
            view.ids,
            self._traits(view),
            motility,
            threads=c.threads,
            make=Tissue if c.device == "cpu" else on_device(c.device),
        )
        low, high = np.asarray(view.grid.origin) + WALL_MARGIN, view.grid.origin + view.grid.size - WALL_MARGIN
        end = np.clip(moved.position, low, high)  # round a periodic axis, a rounded increment must not leave either
        updates: list[Update] = [Add(POSITION, end - position), Set(CONTACTS, moved.contacts)]
        updates.append(Set(PRESSURE, moved.pressure))
        if motility is not None:
            updates.append(Set(DIRECTION, moved.direction))
        return updates

    def _space(self, view: View) -> Space:
        c = self.config
        periodic = ("x" in c.periodic, "y" in c.periodic, "z" in c.periodic)
        margin = np.where(periodic, 0.0, WALL_MARGIN)
        low = np.asarray(view.grid.origin, np.float64) + margin
        high = np.asarray(view.grid.origin, np.float64) + view.grid.size - margin
        return Space(low, high, periodic, c.plane, rows_of(c.membranes))

    def _traits(self, view: View) -> Traits:
        """Return what differs from cell to cell: base values of the types, and what rules shift them by."""
        c = self.config

        def of(word: str, default: float) -> Float:
            return np.maximum(view.behaviour(word, default), 0.0)

        affinity, code = None, None
        others = view.behaviours.names(AFFINITY)
        if others:
            column = {name: k for k, name in enumerate(others)}
            ones = [np.ones(view.n_cells)]  # affinity to types of which nothing is said
            affinity = np.stack([of(AFFINITY.replace("{type}", name), 1.0) for name in others] + ones, axis=1)
            code = np.array([column.get(name, len(others)) for name in view.names["cell_type"]])[view["cell_type"]]
        return Traits(
            repulsion=of(REPULSION_WORD, c.repulsion),
            adhesion=np.where(view["alive"], of(ADHESION_WORD, c.adhesion), 0.0),
            adhesion_range=of("relative maximum adhesion distance", c.adhesion_range),
            affinity=affinity,  # (cell, type)
            cell_type=code,
            movable=view.behaviour("is_movable", 1.0) > 0.5,
            membrane_repulsion=of("cell-BM repulsion", c.membrane_repulsion) if c.membranes else None,
            membrane_adhesion=of("cell-BM adhesion", c.membrane_adhesion) if c.membranes else None,
        )

    def _motility(self, view: View) -> Motility | None:
        """Return how cells crawl, or None where none ever does."""
        c = self.config
        if c.speed == 0.0 and SPEED not in (*view.behaviours.given, *view.behaviours.ruled):
            return None
        smelt = tuple(dict.fromkeys((*c.chemotaxis, *view.behaviours.names(RESPONSE))))
        scent = None
        if smelt:
            rows = [view.substances.index(name) for name in smelt]
            response = [view.behaviour(RESPONSE.replace("{substance}", s), c.chemotaxis.get(s, 0.0)) for s in smelt]
            scent = Scent(
                np.asarray(view["concentration"][rows], np.float64),
                np.stack(response, axis=1),  # (cell, substance)
                np.asarray(view.grid.origin, np.float64),
                view.spacing,
            )
        return Motility(
            speed=np.where(view["alive"], np.maximum(view.behaviour(SPEED, c.speed), 0.0), 0.0),
            persistence=np.maximum(view.behaviour("migration persistence time", c.persistence), 1e-9),
            bias=np.clip(view.behaviour("migration bias", c.bias), 0.0, 1.0),
            direction=view[DIRECTION.name],
            streams=view.streams,
            scent=scent,
        )


def _words(scenario: Scenario) -> set[str]:
    """Return the behaviours that a scenario gives types or that its rules act on."""
    given = {word for values in scenario.cell_types.values() for word in values}
    return given | {rule.behaviour for rule in scenario.rules}


def _before(pattern: str) -> str:
    return pattern.partition("{")[0]


def _crawl(config: MechanicsConfig, scenario: Scenario) -> bool:
    return config.speed > 0.0 or SPEED in _words(scenario)


def _merging(config: MechanicsConfig, scenario: Scenario) -> Iterator[str]:
    """Yield the pairs of types that pull harder than they push, a sentence each."""
    try:
        behaviours = behaviours_of(scenario)
    except (KeyError, ValueError):
        return  # the document is told what is wrong there
    types = [name for name in scenario.cell_types if name != DEFAULT]
    names = [*types, DEFAULT]
    push = behaviours.base(REPULSION_WORD, names, config.repulsion)
    pull = behaviours.base(ADHESION_WORD, names, config.adhesion)
    for (i, a), (j, b) in combinations_with_replacement(enumerate(names), 2):
        a_to_b = behaviours.base(AFFINITY.replace("{type}", b), [a], 1.0)[0]
        b_to_a = behaviours.base(AFFINITY.replace("{type}", a), [b], 1.0)[0]
        pulls = float(np.sqrt(max(pull[i] * pull[j] * a_to_b * b_to_a, 0.0)))
        pushes = float(np.sqrt(max(push[i] * push[j], 0.0)))
        if pulls > 0.0 and pulls >= pushes and (scenario.cell_types or i != j):
            who = f"{a} cells" if a == b else f"{a} and {b} cells"
            yield (
                f"cell_types: {who} pull at {pulls:g} um/h and push at {pushes:g} um/h and would fall into one point: "
                "lower their adhesion or affinity, or raise their repulsion"
            )
