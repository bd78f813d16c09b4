"""Processes are put in order by phase and by who feeds whom."""

from collections.abc import Iterable
from typing import ClassVar

from twin.engine.order import in_order, port_faults
from twin.process import CONCENTRATION, SINK, SOURCE, Phase, Port, Process, ProcessConfig, Update, View

HUE, TONE = Port("hue", ("cell",), "1"), Port("tone", ("cell",), "1")


class Reader(Process):
    reads: ClassVar[tuple[Port, ...]] = (HUE,)
    phase: ClassVar[Phase] = Phase.PHENOTYPE

    def step(self, view: View, dt: float) -> Iterable[Update]:
        return ()


class Writer(Reader):
    reads: ClassVar[tuple[Port, ...]] = (TONE,)
    writes: ClassVar[tuple[Port, ...]] = (HUE,)


class Toner(Reader):
    reads: ClassVar[tuple[Port, ...]] = ()
    writes: ClassVar[tuple[Port, ...]] = (TONE,)


class Echo(Reader):
    """Tones by the hue; it and a `Writer` feed each other."""

    writes: ClassVar[tuple[Port, ...]] = (TONE,)


class LateEcho(Echo):
    delayed: ClassVar[tuple[Port, ...]] = (HUE,)


class Early(Toner):
    phase: ClassVar[Phase] = Phase.TIMELINE


class Drift(Reader):
    reads: ClassVar[tuple[Port, ...]] = (CONCENTRATION, SOURCE, SINK)
    writes: ClassVar[tuple[Port, ...]] = (CONCENTRATION,)
    phase: ClassVar[Phase] = Phase.FIELDS


CONFIG = ProcessConfig()


def test_who_writes_a_port_runs_before_who_reads_it_whatever_their_names() -> None:
    processes = {"a": Reader(CONFIG), "b": Writer(CONFIG), "c": Toner(CONFIG)}
    assert in_order(processes) == (["c", "b", "a"], [])


def test_phases_come_first() -> None:
    assert in_order({"a": Reader(CONFIG), "z": Early(CONFIG)})[0] == ["z", "a"]


def test_two_that_both_update_a_port_take_turns_by_name() -> None:
    assert in_order({"spread": Drift(CONFIG), "flow": Drift(CONFIG)}) == (["flow", "spread"], [])


def test_two_that_feed_each_other_are_a_circle_unless_one_takes_it_delayed() -> None:
    assert in_order({"a": Writer(CONFIG), "b": Echo(CONFIG)})[1]
    assert in_order({"a": Writer(CONFIG), "b": LateEcho(CONFIG)}) == (["b", "a"], [])


def test_the_order_in_the_file_does_not_matter() -> None:
    processes = {"a": Reader(CONFIG), "b": Writer(CONFIG), "c": Toner(CONFIG), "d": Drift(CONFIG)}
    assert in_order(dict(reversed(processes.items()))) == in_order(processes)


def test_the_rates_of_the_core_may_be_read_though_nobody_contributes() -> None:
    assert port_faults({"drift": Drift(CONFIG)}) == []
    assert port_faults({"a": Reader(CONFIG)}) == [("a", "reads 'hue', which no process of this scenario writes")]
