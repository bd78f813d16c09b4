"""One simulation of the cell view: cells and their untreated twins, hour by hour, told as they come."""

import logging
import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import psutil
import scipy.sparse as sp

from twin.errors import InputError, TwinError
from twin.model.contract import WorldModel
from twin.model.rollout import Culture, Moment, exposed, rollout, twinned
from twin_web.cell.asked import Question, Size, is_dosed
from twin_web.cell.frame import PSEUDO, Index, change_of, frame_of, per_10k
from twin_web.cell.kept import Kept
from twin_web.cell.lab import Lab
from twin_web.cell.sentences import Language, Words, counted, joined, said, told
from twin_web.cell.starts import Start
from twin_web.cell.support import support_of
from twin_web.journal import Journal

logger = logging.getLogger(__name__)

FOLDER = "simulations"  # of a server's own, by its process
ASKED = 4  # cells that tell which genes are expected to move; our choice
WATCHED = 24  # genes whose bands are told at every hour; our choice
MOST_OWN = 2  # simulations of one browser at once; our choice
KEPT_RESULTS = 4  # of one browser; our choice: some 30 MB each
MOST_SUMMARY = 10
NAMED = 3  # genes of each direction in the sentence of a summary; our choice


@dataclass
class Simulation:
    """What was asked, in which language it is told, and what came of it so far."""

    owner: str
    start: Start
    question: Question
    size: Size
    language: Language
    kept: Kept
    stop: Event
    over: Event = field(default_factory=Event)

    @property
    def what(self) -> Words:
        """Say what is done to which cells."""
        return what_of(self.start, self.question)


def what_of(start: Start, asked: Question) -> Words:
    """Say what is done to which cells."""
    done: list[Words] = [c.name if c.text == "unknown" else f"{c.name} {c.text}" for c in asked.choices]
    done += [said("knocked-out", gene=gene) for gene in asked.knockouts]
    return joined("parts", [start.type, joined("plus", done or [said("untreated")])])


class Simulations:
    """The simulations of a server by the ids of their jobs; of each browser the last few are kept."""

    def __init__(self, inside: Path) -> None:
        self.folder = inside / f"{FOLDER}-{os.getpid()}"
        for old in inside.glob(f"{FOLDER}-*"):  # of a server that died
            if not psutil.pid_exists(int(old.name.rpartition("-")[2])):
                shutil.rmtree(old, ignore_errors=True)
        self._held: dict[str, Simulation] = {}

    def check_room(self, owner: str) -> None:
        """Raise an InputError if a browser has as many running as it may."""
        if sum(s.owner == owner and not s.over.is_set() for s in self._held.values()) >= MOST_OWN:
            raise InputError(f"{MOST_OWN} simulations are running already: stop one, or wait for it")

    def add(self, job: str, simulation: Simulation) -> None:
        """Keep a simulation, and let go of the oldest of its browser that are over."""
        self._held[job] = simulation
        own = [name for name, s in self._held.items() if s.owner == simulation.owner]
        for name in own[:-KEPT_RESULTS]:
            if self._held[name].over.is_set():
                self._held.pop(name).kept.delete()

    def find(self, job: str, owner: str) -> Simulation:
        """Return a simulation of an owner.

        Raises
        ------
        InputError
            If it is another's, or no longer kept.
        """
        found = self._held.get(job)
        if found is None or found.owner != owner:
            raise InputError(f"the result of {job[:32]!r} is no longer kept: start the simulation again")
        return found

    def clear(self) -> None:
        """Take all that is kept off the disk."""
        self._held.clear()
        shutil.rmtree(self.folder, ignore_errors=True)


def simulate(lab: Lab, asked: Simulation, journal: Journal) -> None:
    """Run a simulation to its end, or until it is stopped; in a thread of its own."""
    try:
        _simulate(lab, asked, journal)
    except TwinError as error:
        journal.tell("failed", error=str(error))
    except (
        ArithmeticError,
        AssertionError,
        LookupError,
        MemoryError,
        OSError,
        RuntimeError,
        TypeError,
        ValueError,
    ) as error:
        logger.exception("a simulation failed")
        journal.tell("failed", error=f"the simulation broke: {type(error).__name__}: {error}")
    finally:
        asked.over.set()


def culture_of(lab: Lab, start: Start, cells: int, seed: int) -> Culture:
    """Return the untreated cells of a start, whatever is done to them later; to be asked for in one's turn."""
    model = lab.focused(start.key, start.whole, start.context, ())
    key = (start.origin, cells, seed)
    return lab.cultures.get(key, lambda: start.culture(model, cells, seed))


def warm(lab: Lab, start: Start, asked: Question) -> None:
    """Ask the model a question for one cell and hour: what it computes once is there when it is asked in earnest."""
    with lab.turn:
        model = lab.focused(start.key, start.whole, start.context, tuple(asked.doses))
        one = start.culture(lab.focused(start.key, start.whole, start.context, ()), 1, 0)
        treated = exposed(model, one, asked.doses, asked.clamp)
    with lab.turn:
        next(rollout(model, twinned(treated), hours=1))
    with lab.turn:
        _most_moved(lab, start, model, asked)


def _simulate(lab: Lab, asked: Simulation, journal: Journal) -> None:
    begun = time.monotonic()
    start, question, size = asked.start, asked.question, asked.size
    with lab.turn:
        model = lab.focused(start.key, start.whole, start.context, tuple(question.doses))
        culture = culture_of(lab, start, size.cells, size.seed)
        treated = exposed(model, culture, question.doses, question.clamp)
        support = support_of(model, start.whole, start.context, question, asked.language)
        moved = _most_moved(lab, start, model, question)
    genes = model.genes
    wished = [genes.index(gene) for gene in (*size.watch, *question.clamped)]
    watched = np.array(list(dict.fromkeys([*wished, *moved.tolist()]))[:WATCHED], dtype=np.intp)
    both = twinned(treated)
    before = np.asarray(per_10k(culture.counts).mean(axis=0)).ravel()
    journal.tell(
        "begun",
        hours=question.hours,
        step=1,
        cells=size.cells,
        follow=size.follow,
        genes=len(genes),
        panel=start.panel.id,
        context=start.context,
        kappa=model.kappa(),
        support=support,
        watched=[genes[g] for g in watched],
        equivalent=told(_equivalent(asked), asked.language),
        what=told(asked.what, asked.language),
    )

    def tell(k: int, moment: Moment) -> None:
        asked.kept.add(moment.hour, moment.counts)
        frame = frame_of(moment.counts, size.follow, genes, watched, before, lab.chart(start.panel))
        journal.tell("frame", k=k, hour=moment.hour, **frame)

    moment = Moment(0.0, both.counts, both.z)
    tell(0, moment)
    steps = rollout(model, both, hours=question.hours, kappa=model.kappa(), seed=size.seed)
    for k in range(1, question.hours + 1):
        if asked.stop.is_set():
            journal.tell("stopped", hour=k - 1)
            return
        with lab.turn:
            moment = next(steps)
        tell(k, moment)
    summary = _summary(moment.counts, genes, asked)
    journal.tell("done", seconds=round(time.monotonic() - begun, 2), frames=question.hours + 1, summary=summary)


def _most_moved(lab: Lab, start: Start, model: WorldModel, asked: Question) -> Index:
    """Return the genes that are expected to move most under what is asked, the most expressed first where none does.

    A few cells of their own tell it, so that it can be known before the simulation begins.
    """

    def found() -> Index:
        some = start.culture(lab.focused(start.key, start.whole, start.context, ()), ASKED, 0)
        both = twinned(exposed(model, some, asked.doses, asked.clamp))
        level = model.expected(both.z, both.condition, range(len(model.genes)))
        after, before = level[:ASKED].mean(axis=0), level[ASKED:].mean(axis=0)
        moved = np.abs(np.log2((after + PSEUDO) / (before + PSEUDO)))
        return np.lexsort((-before, -moved))[:WATCHED]

    key = (start.origin, tuple(asked.doses.items()), asked.clamped)
    return lab.moved.get(key, found)


def _summary(both: sp.csr_array, genes: Sequence[str], asked: Simulation) -> dict[str, Any]:
    """Return what a simulation came to, in numbers and in a sentence."""
    n = both.shape[0] // 2
    level = per_10k(both)
    change = change_of(level[:n], level[n:])
    order = change.movers(len(genes))
    rows = [[genes[g], float(f"{change.fold[g]:.4g}"), float(f"{change.error[g]:.3g}")] for g in order]
    up, down = ([row for row in rows if row[1] * sign > 0][:MOST_SUMMARY] for sign in (1, -1))
    most = [
        said(key, genes=joined("words", [row[0] for row in some[:NAMED]]))
        for key, some in (("up-most", up), ("down-most", down))
        if some
    ]
    moved = counted("moved", len(rows)) if rows else said("none-moved")
    sentence = joined("clauses", [said("came-to", what=asked.what, hours=asked.question.hours, moved=moved), *most])
    return {
        "up": up,
        "down": down,
        "moved": len(rows),
        "sentence": told(sentence, asked.language),
    }


def _equivalent(asked: Simulation) -> Words:
    """Say which `twin run` gives the very same cells, or why none does."""
    start, question = asked.start, asked.question
    if start.cells is not None:
        return said("same-law")
    named = [p for p in start.whole.perturbations if p.name in question.doses]
    if any(not is_dosed(p) for p in named):
        return said("no-scenario")
    return said("very-cells", n=asked.size.cells, context=start.context, seed=asked.size.seed)
