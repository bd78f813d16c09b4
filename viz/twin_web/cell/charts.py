"""The charts of all panels: the shipped one at once, another from the disk, or drawn in a process of its own."""

import subprocess
import sys
import time
from collections import OrderedDict
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from threading import Lock

from twin_web.cell.chart import ATTENDED, Chart, chart_name, load_chart

SHIPPED = Path(str(files("twin_web").joinpath("cell", "shipped")))
KEPT = 4  # charts in memory; our choice
AT_ONCE = 1  # processes that draw; each has a model of its own: 1 GB


@dataclass
class _Drawing:
    process: "subprocess.Popen[bytes]"
    begun: float


class Charts:
    """Finds and draws charts of the panels of one model, by their ids.

    word : the model, as `named_model` takes it. folder : where charts are kept that are not shipped.
    """

    def __init__(self, word: str, folder: Path) -> None:
        self._word = word
        self._folder = folder
        self._kept: OrderedDict[Path, tuple[int, Chart]] = OrderedDict()
        self._drawings: dict[str, _Drawing] = {}
        self._failed: dict[str, str] = {}
        self._guard = Lock()

    def shipped(self) -> Chart | None:
        """Return the chart that is shipped with this model, before the model is loaded; None where there is none."""
        found = sorted(SHIPPED.glob("*.npz")) if self._word == "default" else []
        return self._read(found[0]) if found else None

    def find(self, fingerprint: str, panel: str) -> Chart | None:
        """Return a panel's chart as far as it is drawn; None where it is not."""
        file = self._file(fingerprint, panel)
        return None if file is None else self._read(file)

    def is_drawn(self, fingerprint: str, panel: str) -> bool:
        """Whether there is a chart of a panel."""
        return self._file(fingerprint, panel) is not None

    def _file(self, fingerprint: str, panel: str) -> Path | None:
        name = chart_name(fingerprint, panel)
        return next((folder / name for folder in (SHIPPED, self._folder) if (folder / name).is_file()), None)

    def draw(self, fingerprint: str, panel: str, context: str) -> tuple[float, str | None]:
        """Have a panel drawn that is not being drawn already; return for how many s it has been, and why it failed."""
        name = chart_name(fingerprint, panel)
        with self._guard:
            for key, drawing in list(self._drawings.items()):
                code = drawing.process.poll()
                if code is not None:
                    _closed(drawing.process)
                    del self._drawings[key]
                    if code != 0:
                        self._failed[key] = _last_line(self._log(key))
            if name in self._failed:
                return 0.0, self._failed[name]
            if name not in self._drawings:
                if len(self._drawings) >= AT_ONCE:
                    return 0.0, None
                self._drawings[name] = _Drawing(self._begin(name, context), time.monotonic())
            return time.monotonic() - self._drawings[name].begun, None

    def end(self) -> None:
        """End what is being drawn."""
        with self._guard:
            for drawing in self._drawings.values():
                drawing.process.terminate()
                _closed(drawing.process)
            self._drawings.clear()

    def _begin(self, name: str, context: str) -> "subprocess.Popen[bytes]":
        self._folder.mkdir(parents=True, exist_ok=True)
        with self._log(name).open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "twin_web.cell.draw", self._word, context, str(self._folder), ATTENDED],
                stdin=subprocess.PIPE,  # which ends with this server, however that ends
                stdout=subprocess.DEVNULL,
                stderr=log,
            )

    def _log(self, name: str) -> Path:
        return self._folder / f"{name}.log"

    def _read(self, file: Path) -> Chart:
        written = file.stat().st_mtime_ns
        with self._guard:
            held = self._kept.get(file)
            if held is None or held[0] != written:
                held = written, load_chart(file)
            self._kept[file] = held
            self._kept.move_to_end(file)
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return held[1]


def _closed(process: "subprocess.Popen[bytes]") -> None:
    """Wait for a process that ends, and close the line to it."""
    process.wait()
    assert process.stdin is not None
    process.stdin.close()


def _last_line(file: Path) -> str:
    lines = file.read_text("utf-8", "replace").strip().splitlines() if file.is_file() else []
    return lines[-1] if lines else "the process that draws it ended without a word"
