"""A real `twin serve` in a process of its own, and a page of it in a real browser."""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

from playwright.sync_api import BrowserContext, Page

ADDRESS = re.compile(r"http://127\.0\.0\.1:(\d+)/\?token=([\w-]+)")
START = 60.0  # s, until the address is printed; torch on a loaded machine


@dataclass
class Address:
    """Where a server is, and what opens it."""

    port: int
    token: str

    @property
    def base(self) -> str:
        """Return its address without the token."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """Return its address, token and all."""
        return f"{self.base}/?token={self.token}"


@dataclass
class Server(Address):
    """A server that runs.

    folder : of its runs. output : what it has printed so far, line by line.
    """

    process: subprocess.Popen[str]
    folder: Path
    output: list[str]

    def stop(self, how: signal.Signals = signal.SIGINT) -> int:
        """Stop it as a user does, and return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            return self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise


@contextmanager
def served(folder: Path, *arguments: str | Path, port: int = 0, cwd: Path | None = None) -> Iterator[Server]:
    """Start `twin serve ARGUMENTS --runs FOLDER`, give it once it listens, and stop it."""
    call = [sys.executable, "-m", "twin", "serve", *map(str, arguments), "--port", str(port), "--runs", str(folder)]
    path = os.pathsep.join(part for part in sys.path if part)
    process = subprocess.Popen(
        call,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": path, "COLUMNS": "100"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # Ctrl-C at the tests is not Ctrl-C at the server
    )
    output: list[str] = []
    listens = threading.Event()
    reader = threading.Thread(target=_read, args=(process, output, listens), daemon=True)
    reader.start()
    try:
        listens.wait(START)
        found = ADDRESS.search("".join(output))
        assert found is not None, f"no address was printed: {''.join(output)}"
        server = Server(int(found[1]), found[2], process, folder, output)
        yield server
        server.stop()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        reader.join(timeout=5)


def _read(process: subprocess.Popen[str], output: list[str], listens: threading.Event) -> None:
    assert process.stdout is not None
    with process.stdout:
        for row in process.stdout:
            output.append(row)
            if ADDRESS.search(row):
                listens.set()
    listens.set()  # it has ended: nobody need wait


@dataclass
class Visit:
    """A page that is open: what it asked for, and what it complained of.

    expected : patterns of complaints that the test brings about itself, a cut connection for instance.
    """

    page: Page
    context: BrowserContext
    server: Address
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)

    def go(self, at: str, state: str | None = "ready") -> None:
        """Go to a place like "#/cell", and wait until its view says that it is "ready"."""
        self.page.goto(f"{self.server.base}/{at}")
        if state is not None:
            self.wait(state)

    def wait(self, *states: str) -> None:
        """Wait until the view says one of these states."""
        self.page.wait_for_selector(", ".join(f"body[data-state={state}]" for state in states))

    def until(self, condition: str, seconds: float = 30.0) -> None:
        """Wait until a condition in JavaScript holds; `wait_for_function` evaluates text, which the page forbids."""
        end = perf_counter() + seconds
        while not self.page.evaluate(condition):
            assert perf_counter() < end, f"not within {seconds:g} s: {condition}"
            self.page.wait_for_timeout(30)

    def strangers(self) -> list[str]:
        """Return what was asked of anybody but the server."""
        own = (f"{self.server.base}/", f"blob:{self.server.base}/", "data:", "about:")
        return [url for url in self.requests if not url.startswith(own)]

    def unexpected(self) -> list[str]:
        """Return the complaints that the test did not bring about."""
        return [told for told in self.complaints if not any(re.search(pattern, told) for pattern in self.expected)]
