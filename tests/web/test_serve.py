"""`twin serve` as a user starts it: what it opens with, what it refuses, and how it ends."""

import json
import re
import signal
import socket
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from http.cookiejar import CookieJar
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import psutil
import pytest
from twin_web.opening import opened, usable
from twin_web.site import Opened

from tests.viz.branched_run import branched_run
from tests.web.serving import Server, served
from twin.errors import InputError

Twin = Callable[..., CompletedProcess[str]]
Write = Callable[..., Path]

LOADED = """
import sys
sys.argv = ["twin", *{arguments}]
from twin.cli import main
try:
    main()
finally:
    print("loaded:", *sys.modules, file=sys.stderr)
"""
WITHOUT = """
import sys
sys.argv = ["twin", "serve", "--port", "0"]
sys.modules["aiohttp"] = sys.modules["aiohttp_sse"] = None
from twin.cli import main
main()
"""


def site_of(server: Server) -> Any:
    """Return what the server says it begins with, asked with its token."""
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
    opener.open(server.url, timeout=10).close()
    with opener.open(f"{server.base}/api/site", timeout=10) as answer:
        return json.load(answer)


def test_it_answers_this_machine_alone_and_ends_quietly(tmp_path: Path) -> None:
    with served(tmp_path / "runs") as server:
        assert site_of(server)["opened"]["kind"] == "nothing"
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(server.base, timeout=10)
        # Another address of this machine: who listens at all of them is reached there, and the server is not.
        with socket.create_server(("0.0.0.0", 0)) as probe:
            socket.create_connection(("127.0.0.2", probe.getsockname()[1]), timeout=5).close()
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.2", server.port), timeout=5)
        assert server.stop(signal.SIGINT) == 0
    told = "".join(server.output)
    assert "Traceback" not in told
    assert f"The page begins with the shipped model; its runs lie in {tmp_path / 'runs'}." in told
    assert "Ctrl-C" in told
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", server.port), timeout=5)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGTERM there")
def test_its_port_can_be_taken_again_at_once_with_another_token(tmp_path: Path, write: Write, good: str) -> None:
    with served(tmp_path / "runs") as first:
        site_of(first)
        assert first.stop(signal.SIGTERM) == 0
    assert "Traceback" not in "".join(first.output)
    file = write(good, ("toy_model", "none"), name="patch.yaml")
    with served(tmp_path / "runs", file, port=first.port) as second:
        assert second.port == first.port
        assert second.token != first.token
        assert site_of(second)["opened"] == {"kind": "scenario", "name": "patch", "path": str(file)}
        assert "begins with the scenario patch;" in "".join(second.output)


@pytest.mark.slow
def test_two_hundred_loads_of_the_page_leave_its_memory_as_it_was(tmp_path: Path) -> None:
    with served(tmp_path / "runs") as server:
        process = psutil.Process(server.process.pid)
        opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
        opener.open(server.url, timeout=30).close()
        while b'"ready"' not in opener.open(f"{server.base}/api/cell/catalogue", timeout=30).read():
            time.sleep(0.5)  # the model's memory is no leak
        held = []
        for _ in range(6):
            for _ in range(50):
                for path in (
                    "/",
                    "/page/main.js",
                    "/page/style/base.css",
                    "/api/site",
                    "/api/cell/catalogue",
                    "/api/runs",
                ):
                    opener.open(f"{server.base}{path}", timeout=30).read()
            time.sleep(1)
            held.append(process.memory_info().rss / 2**20)
    warm, *_, last = held[1:]
    assert last - warm < 4, held  # MiB in 200 loads


def test_what_it_begins_with_is_told_apart(tmp_path: Path, write: Write, good: str) -> None:
    file = write(good, name="patch.yaml")
    assert opened(None) == Opened("nothing", "")
    assert opened(str(file)) == Opened("scenario", str(file))
    assert opened("shift") == Opened("model", "shift")
    assert opened(str(branched_run(tmp_path / "run").path)) == Opened("run", str(tmp_path / "run"))


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("nothere", "'nothere' is no scenario file"),
        ("defualt", "did you mean default?"),
        ("missing.yaml", "missing.yaml is not there"),
        ("bad.yaml", "bad.yaml cannot be run:"),
        ("notes.txt", "a file that is no .yaml"),
        ("empty", "neither zarr.json nor config.json"),
        ("run", "run is no run: its zarr.json holds no record of twin"),
        ("model", "config.json"),
    ],
)
def test_it_does_not_begin_with_what_it_cannot_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str, told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for file, text in (
        ("bad.yaml", "name: x\nduration: 48\n"),
        ("notes.txt", ""),
        ("empty/notes.txt", ""),
        ("run/zarr.json", "{"),
        ("model/config.json", "{"),
    ):
        Path(file).parent.mkdir(exist_ok=True)
        Path(file).write_text(text)
    with pytest.raises(InputError, match=re.escape(told)):
        opened(what)


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("")
    for folder in (tmp_path / "notes.txt", tmp_path / "notes.txt" / "runs"):
        with pytest.raises(InputError, match="nothing can be written there"):
            usable(folder)
    assert usable(tmp_path / "a" / "b") == tmp_path / "a" / "b"
    assert list((tmp_path / "a" / "b").iterdir()) == []


def test_a_port_that_is_in_use_is_said(twin: Twin, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        ended = twin("serve", "--port", port)
    assert ended.returncode == 2
    told = f"twin: port {port} cannot be used: another program listens there; choose another one, or --port 0 for any"
    assert ended.stderr == f"{told} that is free\n"
    assert not (tmp_path / "runs").exists()


def test_without_the_extra_it_says_what_to_install(twin: Twin) -> None:
    ended = twin(code=WITHOUT)
    assert ended.returncode == 3
    assert ended.stderr == "twin: the page needs an optional part: pip install 'twin[web]'\n"


@pytest.mark.parametrize("arguments", [["--help"], ["serve", "--help"]])
def test_help_pays_for_neither_the_server_nor_torch(twin: Twin, arguments: list[str]) -> None:
    ended = twin(code=LOADED.format(arguments=arguments))
    assert ended.returncode == 0
    assert "serve" in ended.stdout
    loaded = ended.stderr.partition("loaded:")[2].split()
    assert "typer" in loaded
    assert [name for name in ("aiohttp", "torch", "numpy") if name in loaded] == []
