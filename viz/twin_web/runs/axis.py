"""The genes and cell types of the server's model: what uploaded cells are held against, loaded once."""

import asyncio
from dataclasses import dataclass

from aiohttp import web

from twin.registry import named_model
from twin_web.site import Site


@dataclass(frozen=True)
class Axis:
    """What a model knows. genes : symbols. contexts : cell types by name."""

    model: str
    genes: tuple[str, ...]
    contexts: tuple[str, ...]


class Known:
    """The axis of a server's model; whoever asks first waits until the model is loaded."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._turn = asyncio.Lock()
        self._axis: Axis | None = None

    async def axis(self) -> Axis:
        """Return what the model knows.

        Raises
        ------
        InputError
            If it cannot be loaded.
        """
        async with self._turn:
            if self._axis is None:
                model = await asyncio.to_thread(named_model, self._site.model)
                self._axis = Axis(model.name, model.genes, model.contexts)
            return self._axis


KNOWN: web.AppKey[Known] = web.AppKey("known", Known)
