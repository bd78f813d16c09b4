"""Conditions watched: what lets an event happen, what ends a trajectory, and what is remembered of them.

What is remembered stands in the body (`Body.watched`) and so in every checkpoint: per condition `since` (the tick at
which it became true, None while it is not), `armed` (whether it may act) and `last` (the tick at which it acted last).
"""

from typing import Any

from twin.engine.measure import Moment
from twin.engine.world import World
from twin.scenario.timeline import event_ticks, whole_ticks
from twin.scenario.watch import Condition, When
from twin.scenario.watched import conditions
from twin.state.body import Body
from twin.units import round12


def texts_at(world: World, tick: int, *, observed: bool) -> list[str]:
    """Return the expressions that are due at a tick: conditions that are looked at, and all quantities if observed."""
    texts = [c.condition for name, _, c in conditions(world.scenario) if _is_looked_at(world, name, c, tick)]
    return [*texts, *(world.scenario.observe.quantities.values() if observed else ())]


def look(world: World, body: Body, moment: Moment) -> None:
    """Look at the conditions that are due, and put down which events they let happen at the start of the next tick.

    A condition acts once it has been true for its `hold`; then it may act again as its `again` says: with "crossing"
    after it has been seen not to be true, with "while" at once; but never within `refractory`.
    """
    for name, _, condition in conditions(world.scenario):
        if not _is_looked_at(world, name, condition, body.tick):
            continue
        memory = body.watched.setdefault(name, {"since": None, "armed": True, "last": None})
        if not moment.holds(condition.condition):
            memory["since"] = None
            again = condition.again if isinstance(condition, When) else "never"
            if again == "crossing":
                memory["armed"] = True
            continue
        if memory["since"] is None:
            memory["since"] = body.tick
        if _acts(world, condition, memory, body.tick):
            memory["last"] = body.tick
            memory["armed"] = isinstance(condition, When) and condition.again == "while"
            _act(world, body, name, condition, moment.sides(condition.condition))


def released_at(body: Body) -> frozenset[int]:
    """Return the places in the timeline of the events that conditions let happen at the start of the present tick."""
    return frozenset(
        int(name[len("timeline[") : -1])
        for name, memory in body.watched.items()
        if name.startswith("timeline[") and memory["last"] == body.tick
    )


def _is_looked_at(world: World, name: str, condition: Condition, tick: int) -> bool:
    scenario = world.scenario
    if name.startswith("timeline["):
        return tick in event_ticks(scenario.timeline[int(name[len("timeline[") : -1])], scenario.tick, scenario.n_ticks)
    step = 1 if condition.look_every is None else whole_ticks(condition.look_every, scenario.tick, "look_every")
    return tick % step == 0 and tick < scenario.n_ticks


def _acts(world: World, condition: Condition, memory: dict[str, Any], tick: int) -> bool:
    hours = world.scenario.tick
    if not memory["armed"] or tick - memory["since"] < whole_ticks(condition.hold, hours, "hold"):
        return False
    pause = whole_ticks(condition.refractory, hours, "refractory") if isinstance(condition, When) else 0
    return memory["last"] is None or tick - memory["last"] >= pause


def _act(world: World, body: Body, name: str, condition: Condition, sides: tuple[float, ...]) -> None:
    time = round12(body.tick * world.scenario.tick)
    held = f" for {condition.hold:g} h" if condition.hold else ""
    seen = f" ({sides[0]:.6g} against {sides[1]:.6g})" if sides else ""
    entry = {"tick": body.tick, "time": time, "condition": name, "why": f"{condition.condition}{held}{seen}"}
    if name.startswith("timeline["):
        body.log.append({**entry, "what": world.scenario.timeline[int(name[len("timeline[") : -1])].do})
    elif not body.stopped:
        body.watched["stop"] = {"tick": body.tick, "why": entry["why"]}
        body.log.append({**entry, "what": "stop"})
