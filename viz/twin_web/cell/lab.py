"""The model of the cell view: loaded while the page is already there, and lent to one question after another."""

import time
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Thread
from typing import TYPE_CHECKING, Literal

import numpy as np
from aiohttp import web
from numpy.typing import NDArray

from twin.data.counts import CountData
from twin.errors import InputError, TwinError, UnknownNameError
from twin.model.contract import WorldModel
from twin.model.rollout import Culture
from twin.registry import named_model
from twin_web.cell.chart import Chart
from twin_web.cell.charts import Charts
from twin_web.cell.panels import Panel, panels_of
from twin_web.cell.shelf import Shelf
from twin_web.cell.turns import Turns
from twin_web.site import Site

if TYPE_CHECKING:
    from twin_web.cell.starts import Start  # which needs the lab

MOST_RUNNING = 6  # simulations of all browsers together; our choice
KEPT_MODELS, KEPT_CULTURES, KEPT_UPLOADS = 6, 8, 1  # in memory; our choice: some 15 MB, 2 MB and 100 MB each

Index = NDArray[np.intp]

SITE_MODEL = "site"  # what the model of the site is kept by


@dataclass(frozen=True)
class Ready:
    """A loaded model, its panels, and which of them each context is of."""

    model: WorldModel
    panels: tuple[Panel, ...]
    panel_of: dict[str, Panel]

    def panel(self, context: str) -> Panel:
        """Return the panel of a context.

        Raises
        ------
        UnknownNameError
            If the model has no such context.
        """
        if context not in self.panel_of:
            raise UnknownNameError("cell type of this model", context, self.panel_of)
        return self.panel_of[context]


class NotYet(web.HTTPServiceUnavailable):
    """The model is still being loaded."""


class Lab:
    """What the cell view works with.

    turn : held by whoever asks the model; torch works for one at a time. pool : threads of simulations. cultures : the
    last few that were asked for, as they begin. models, uploads, starts, moved : likewise.
    """

    def __init__(self, site: Site) -> None:
        self.site = site
        self.turn = Turns()
        self.charts = Charts(site.model, site.inside / "charts")
        self._spare = ThreadPoolExecutor(1, thread_name_prefix="spare")
        self._wanted: dict[str, int] = {}
        self.pool = ThreadPoolExecutor(MOST_RUNNING, thread_name_prefix="simulation")
        self.state: Literal["loading", "ready", "failed"] = "loading"
        self.why = ""
        self._begun = time.monotonic()
        self._ready: Ready | None = None
        self._loading: Thread | None = None
        self.is_closing = False
        self.cultures: Shelf[Culture] = Shelf(KEPT_CULTURES)
        self.uploads: Shelf[CountData] = Shelf(KEPT_UPLOADS)
        self.starts: Shelf[Start] = Shelf(KEPT_CULTURES)
        self.moved: Shelf[Index] = Shelf(KEPT_MODELS)
        self.models: Shelf[WorldModel] = Shelf(KEPT_MODELS)

    def open(self, then: Callable[[], None]) -> None:
        """Begin to load the model; `then` is called when it is there."""
        self._loading = Thread(target=self._load, args=(then,), name="model")
        self._loading.start()

    def close(self) -> None:
        """End what is going on; simulations have been told to stop. A model that is being loaded is waited for."""
        self.is_closing = True
        self.charts.end()
        if self._loading is not None:
            self._loading.join()  # torch takes it ill to be left in mid-work by an interpreter that ends
        for pool in (self.pool, self._spare):
            pool.shutdown(wait=True, cancel_futures=True)

    @property
    def seconds(self) -> float:
        """Return for how many s the model has been loaded."""
        return time.monotonic() - self._begun

    def ready(self) -> Ready:
        """Return the model.

        Raises
        ------
        NotYet
            While it is being loaded.
        InputError
            If it cannot be.
        """
        if self.state == "failed":
            raise InputError(f"the model {self.site.model!r} cannot be used: {self.why}")
        if self._ready is None:
            raise NotYet(text="the model is being loaded: it takes a few seconds")
        return self._ready

    def later(self, owner: str, task: Callable[[], None]) -> None:
        """Do something when there is time; what the same browser wanted before, and has not been begun, is dropped."""
        self._wanted[owner] = mine = self._wanted.get(owner, 0) + 1

        def still_wanted() -> None:
            if self._wanted[owner] == mine:
                task()

        if not self.is_closing:
            self._spare.submit(still_wanted)

    def chart(self, panel: Panel) -> Chart | None:
        """Return the chart of a panel, as far as it is drawn."""
        return self.charts.find(self.ready().model.fingerprint, panel.id)

    def focused(self, key: Hashable, whole: WorldModel, context: str, perturbations: Sequence[str]) -> WorldModel:
        """Return a model for one context and some perturbations, as a run of the same would; the last few are kept.

        key : of `whole`. To be asked for in one's turn.
        """
        names = tuple(p.name for p in whole.perturbations if p.name in perturbations)
        return self.models.get((key, context, names), lambda: whole.focused([context], perturbations=names))

    def _load(self, then: Callable[[], None]) -> None:
        try:
            with self.turn:
                model = named_model(self.site.model)
            if model.needs_data:
                raise InputError("it is made of the cells of a scenario's files, and here is none")
            panels = panels_of(model)
            if not panels:
                raise InputError("it knows no cell types")
            _ = model.fingerprint  # hashed once, by which charts are found
        except TwinError as error:
            self.why, self.state = str(error), "failed"
            return
        except BaseException:  # a fault of a model of somebody's own: told, and no page waits for it for ever
            self.why, self.state = "it broke while it was loaded: the server's log has it", "failed"
            raise
        self._ready = Ready(model, panels, {c: panel for panel in panels for c in panel.contexts})
        self.state = "ready"
        if not self.is_closing:
            then()


LAB: web.AppKey[Lab] = web.AppKey("lab", Lab)
