"""Times of a scenario on its clock."""

import pytest

from twin.scenario.timeline import WashOut, event_ticks, whole_ticks


def test_a_time_is_a_whole_number_of_ticks_or_refused() -> None:
    assert [whole_ticks(h, 0.5, "at") for h in (0.0, 0.5, 24.0)] == [0, 1, 48]
    assert whole_ticks(0.3, 0.1, "at") == 3
    with pytest.raises(ValueError, match=r"at: 0.7 h is no multiple of the tick 0.5 h; 0.5 or 1 h is"):
        whole_ticks(0.7, 0.5, "at")


@pytest.mark.parametrize("hours", [1e-10, 1e-3, 0.2, 0.4999])
def test_what_is_above_0_and_below_a_tick_is_never_0_ticks(hours: float) -> None:
    with pytest.raises(ValueError, match=r"the least is 0\.5 h"):
        whole_ticks(hours, 0.5, "every")


def test_short_ticks_are_told_apart() -> None:
    tick = 1e-9  # h
    assert whole_ticks(3e-9, tick, "at") == 3
    with pytest.raises(ValueError, match="no multiple"):
        whole_ticks(1.5e-9, tick, "at")


def test_an_event_that_comes_every_tick_of_an_endless_run_costs_nothing() -> None:
    ticks = event_ticks(WashOut.model_validate({"do": "wash_out", "at": "1 h", "every": "1 h"}), 0.5, 10**12)
    assert isinstance(ticks, range)
    assert 10**11 in ticks
    assert 3 not in ticks


def test_an_event_after_the_end_never_comes() -> None:
    once = WashOut.model_validate({"do": "wash_out", "at": "5 h"})
    assert list(event_ticks(once, 0.5, 20)) == [10]
    assert not event_ticks(once, 0.5, 10)
