"""The last few things that were made, by what they were made for."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, TypeVar

T = TypeVar("T")


class Shelf(Generic[T]):
    """Keeps the `most` things that were asked for last; from any thread."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._held: OrderedDict[Hashable, T] = OrderedDict()
        self._guard = Lock()

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return what stands under a key, or make it."""
        with self._guard:
            if key in self._held:
                self._held.move_to_end(key)
                return self._held[key]
        made = make()
        with self._guard:
            self._held[key] = made
            while len(self._held) > self._most:
                self._held.popitem(last=False)
        return made
