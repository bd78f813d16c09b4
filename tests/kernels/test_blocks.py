"""A crew of threads gives what one would give, in the order in which it was asked."""

import threading
from time import sleep

import pytest

from twin.kernels.blocks import AHEAD, Crew


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_answers_come_in_the_order_of_the_items(threads: int) -> None:
    def work(i: int) -> int:
        sleep(0.002 if i % 3 == 0 else 0.0)
        return i * i

    with Crew(threads) as crew:
        assert list(crew.in_order(work, range(50))) == [i * i for i in range(50)]


def test_few_answers_wait_so_that_memory_is_bounded() -> None:
    begun: list[int] = []
    with Crew(2) as crew:
        answers = crew.in_order(begun.append, range(100))
        next(answers)
        assert len(begun) <= 2 * AHEAD + 1
        answers.close()
    assert len(begun) <= 2 * AHEAD + 1


def test_an_error_comes_when_its_turn_comes_and_nothing_hangs() -> None:
    def work(i: int) -> int:
        if i == 3:
            raise ValueError("three")
        return i

    with Crew(2) as crew:
        answers = crew.in_order(work, range(100))
        assert [next(answers) for _ in range(3)] == [0, 1, 2]
        with pytest.raises(ValueError, match="three"):
            next(answers)


def test_each_thread_is_prepared_first() -> None:
    here: set[int] = set()
    with Crew(2, begin=lambda: here.add(threading.get_ident())) as crew:
        assert set(crew.in_order(lambda _: threading.get_ident(), range(8))) <= here
