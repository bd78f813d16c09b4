"""Interactions: attack, phagocytosis, fusion, attachment, transformation, and damage with its repair."""

from collections.abc import Iterable
from math import ceil
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from twin.model.contract import WorldModel
from twin.process import (
    ALIVE,
    APOPTOSIS,
    BEHAVIOUR,
    CONTACTS,
    POSITION,
    RADIUS,
    Add,
    Phase,
    Port,
    Process,
    ProcessConfig,
    Rate,
    Set,
    Structure,
    Update,
    View,
)
from twin.scenario.schema import Scenario
from twin.state.cells import Column
from twin.units import PerHour, PositiveHours
from twin_interactions.fight import Fight
from twin_interactions.pairs import attacks, meals, mergers, rows_of, split_ids, touching, toward_types
from twin_interactions.springs import SLOTS, attached, pulled, slots

Float = NDArray[np.float64]

DAMAGE = Port("damage", ("cell",), "1")
ATTACKED = Port("attack_time", ("cell",), "h")
DELIVERED = Port("damage_delivered", ("cell",), "1")
ATTACKING = Port("attacking", ("cell",), "1")
TARGET = Port("attack_target", ("cell", "attack_target"), "1")
HELD = Port("attached", ("cell", "attached"), "1")
DYING = Port("death_phase", ("cell",), "1")  # of the process `death`
NATIVE = Port("native_volume", ("cell",), "um^3")  # of the process `volume`
SURE = 1e12  # 1/h; a hazard that kills within the tick whatever the tick
REACH = 1.5  # 1, of the sum of radii; our choice: an attacker that is torn off farther lets go
ATTACH = "cell attachment rate"


class Interactions(Process):
    """Cells that touch attack, eat, fuse with and hold on to each other, each at its behaviours' rates.

    A tick is taken in substeps of at most `substep`, so that killing happens on minutes whatever the tick. An
    attacker has one target; an attack begins at the rate "attack <type>" times the target's "immunogenicity to
    <type>", lasts "attack duration" on average, does "attack damage rate" while it lasts, and draws the two together.
    Damage is repaired at its own rate and kills at `lethality` times the damage, by apoptosis. Who is eaten or fused is
    gone; its volume is the other one's. "transform to <type>" changes a cell's type.

    Source
    ------
    `standard_cell_cell_interactions` and `Cell::attack_cell`, `ingest_cell`, `fuse_cell` of PhysiCell 1.14; Johnson et
    al., Cell 188:4711 (2025). There, chances are rates × dt; here every pair has an exponential waiting time.
    """

    class Config(ProcessConfig):
        """How finely time is cut, and how deadly damage is."""

        substep: PositiveHours = Field(1 / 60, description="Longest step of attacks and meals.")
        lethality: PerHour = Field(
            0.0, description="Hazard of apoptosis per unit of damage; without it, a rule on damage may kill."
        )

    config: Config
    reads: ClassVar[tuple[Port, ...]] = (
        ALIVE,
        RADIUS,
        POSITION,
        CONTACTS,
        BEHAVIOUR,
        DAMAGE,
        ATTACKED,
        DELIVERED,
        TARGET,
        Port("cell_type", ("cell",), "1"),
        Port("id", ("cell",), "1"),
    )
    writes: ClassVar[tuple[Port, ...]] = (POSITION, RADIUS, APOPTOSIS, DAMAGE, ATTACKED, DELIVERED, ATTACKING, TARGET)
    sets: ClassVar[tuple[Port, ...]] = (DAMAGE, ATTACKED, DELIVERED, ATTACKING, TARGET)
    delayed: ClassVar[tuple[Port, ...]] = (ALIVE, RADIUS, POSITION, CONTACTS, DYING)
    columns: ClassVar[tuple[Column, ...]] = (
        Column("damage", "1"),
        Column("attack_time", "h"),
        Column("damage_delivered", "1", inherit="zero"),
        Column("attacking", "1", inherit="zero"),
        Column("attack_target", "1", width=2, inherit="zero"),  # an id in two halves; 0, 0 is nobody
    )
    acts_on: ClassVar[tuple[str, ...]] = (
        "attack {type}",
        "immunogenicity to {type}",
        "attack damage rate",
        "attack duration",
        "damage rate",
        "damage repair rate",
        "phagocytose apoptotic cell",
        "phagocytose necrotic cell",
        "phagocytose other dead cell",
        "phagocytose {type}",
        "fuse to {type}",
        "transform to {type}",
        "cell attachment rate",
        "cell detachment rate",
        "maximum number of cell attachments",
        "cell-cell adhesion elastic constant",
    )
    phase: ClassVar[Phase] = Phase.PHENOTYPE

    @classmethod
    def reads_for(cls, config: ProcessConfig, scenario: Scenario) -> tuple[Port, ...]:
        """Return how the dead died, where a process says it, and attachments, where there are any."""
        dying = (DYING,) if "death" in scenario.processes else ()
        return (*dying, *((HELD,) if _attach(scenario) else ()))

    @classmethod
    def writes_for(cls, config: ProcessConfig, scenario: Scenario) -> tuple[Port, ...]:
        """Return the own volume of a fused cell, and attachments."""
        native = (NATIVE,) if "volume" in scenario.processes else ()
        return (*native, *cls.sets_for(config, scenario))

    @classmethod
    def sets_for(cls, config: ProcessConfig, scenario: Scenario) -> tuple[Port, ...]:
        """Return attachments."""
        return (HELD,) if _attach(scenario) else ()

    @classmethod
    def columns_for(cls, config: ProcessConfig, scenario: Scenario) -> tuple[Column, ...]:
        """Return attachments: ids in two halves each."""
        return (Column("attached", "1", width=2 * SLOTS, inherit="zero"),) if _attach(scenario) else ()

    @classmethod
    def check(cls, config: ProcessConfig, scenario: Scenario, model: WorldModel) -> list[str]:
        """Return what damage cannot do for want of a process."""
        assert isinstance(config, cls.Config)
        if config.lethality > 0 and "death" not in scenario.processes:
            return ["lethality: damage kills by apoptosis, and no process lets cells die; add 'death:'"]
        return []

    def assumptions(self, scenario: Scenario, model: WorldModel) -> list[str]:
        """Say how finely a tick is cut, what damage does, and what becomes of a type that changes."""
        c = self.config
        deadly = f"at {c.lethality:g} /h per unit of damage" if c.lethality else "only by rules"
        return [
            f"attacks and meals are taken in steps of {60 * c.substep:g} min on the contacts of the last tick; damage "
            f"kills {deadly}",
            "a cell that turns into another type keeps its body, its latent and its transcripts",
        ]

    def step(self, view: View, dt: float) -> Iterable[Update]:
        """Return who attacks, is damaged, killed, eaten, fused, held and turned into another type in `dt` hours."""
        pairs = touching(view)
        dying = view[DYING.name] if DYING in self.reads else np.zeros(view.n_cells)
        fight = self._fight(view)
        may = (attacks(view, pairs), meals(view, pairs, dying), mergers(view, pairs))
        n = ceil(dt / self.config.substep - 1e-9) if view.n_cells else 0
        held = np.stack([np.arange(view.n_cells), fight.target], axis=1)[fight.target >= 0]
        for number in range(n):
            fight.substep(number, dt / n, *may, view.streams)
        yield Set(DAMAGE, fight.damage)
        yield Set(ATTACKED, fight.attacked)
        yield Set(DELIVERED, fight.delivered)
        target = np.where((fight.target >= 0)[:, None], split_ids(view.ids[np.maximum(fight.target, 0)]), 0.0)
        yield Set(TARGET, target)
        yield Set(ATTACKING, (fight.target >= 0).astype(np.float64))
        yield Rate(APOPTOSIS, np.where(fight.killed, SURE, 0.0))
        if HELD in self.sets:
            edges = attached(view, dt)
            yield Set(HELD, slots(edges, view.ids))
            held = np.concatenate([held, edges])
        yield from self._bodies(view, fight, held, dt)
        yield from self._gone(fight)
        yield self._turned(view, fight, dt)

    def _fight(self, view: View) -> Fight:
        """Return the cells as the tick begins; who was torn off its target has let go."""
        target = rows_of(view[TARGET.name], view.ids)
        other = np.maximum(target, 0)
        apart = np.linalg.norm(view["position"] - view["position"][other], axis=1)
        far = apart > REACH * (view["radius"] + view["radius"][other])
        lost = far | ~view["alive"] | ~view["alive"][other]
        return Fight(
            ids=view.ids,
            alive=view["alive"].copy(),
            target=np.where(lost, -1, target),
            damage=view["damage"].copy(),
            attacked=view["attack_time"].copy(),
            delivered=view["damage_delivered"].copy(),
            strength=np.maximum(view.behaviour("attack damage rate"), 0.0),
            duration=view.behaviour("attack duration"),
            wear=np.maximum(view.behaviour("damage rate"), 0.0),
            repair=view.behaviour("damage repair rate"),
            lethality=self.config.lethality,
        )

    def _bodies(self, view: View, fight: Fight, held: NDArray[np.intp], dt: float) -> Iterable[Update]:
        """Return how bodies move together, and grow by what they take in."""
        volume = 4.0 / 3.0 * np.pi * view["radius"] ** 3
        position = view["position"].copy()
        stay = ~fight.gone[held].any(axis=1)
        moved = pulled(position, held[stay], view.behaviour("cell-cell adhesion elastic constant"), dt)
        position += moved
        bigger = volume.copy()
        native = np.zeros(view.n_cells)
        for kind, i, j in fight.taken:
            if kind == "fuse":
                position[i] += bigger[j] / (bigger[i] + bigger[j]) * (position[j] - position[i])
                if NATIVE in self.writes:
                    native[i] += view[NATIVE.name][j] + native[j]
            bigger[i] += bigger[j]
        yield Add(POSITION, position - view["position"])
        yield Add(RADIUS, (3.0 / (4.0 * np.pi) * bigger) ** (1 / 3) - view["radius"])
        if NATIVE in self.writes:
            yield Add(NATIVE, native)

    @staticmethod
    def _gone(fight: Fight) -> Iterable[Update]:
        """Return who is no longer there."""
        for how, cause in (("eat", "phagocytosed"), ("fuse", "fused")):
            rows = [j for kind, _, j in fight.taken if kind == how]
            if rows:
                yield Structure(die=np.array(rows, dtype=np.intp), cause=cause)

    @staticmethod
    def _turned(view: View, fight: Fight, dt: float) -> Structure:
        """Return who turns into which type: the first of the types' waiting times."""
        rate = np.maximum(toward_types(view, "transform to {type}"), 0.0)
        rate[np.arange(view.n_cells), view["cell_type"]] = 0.0
        u = view.streams.stream("transformation").uniform(view.ids, rate.shape[1])
        wait = np.where(rate > 0, -np.log1p(-u) / np.where(rate > 0, rate, 1.0), np.inf)
        rows = np.flatnonzero((wait.min(axis=1, initial=np.inf) < dt) & fight.alive & ~fight.gone)
        return Structure(retype=rows, to_type=wait[rows].argmin(axis=1).astype(np.int16))


def _attach(scenario: Scenario) -> bool:
    """Return whether cells ever hold on to each other: only then is there a column of whom."""
    return any(ATTACH in values for values in scenario.cell_types.values()) or any(
        rule.behaviour == ATTACH for rule in scenario.rules
    )
