"""How long the command takes and how much memory: `twin --help`, and the whole demonstration."""

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from time import perf_counter

REPEATS = 5
MIB_PER_RSS = 1 / 1024 if sys.platform != "darwin" else 1 / 1024**2  # ru_maxrss: KiB on Linux, bytes on macOS


def bench_help() -> dict[str, float]:
    """Return the wall time of `twin --help`, the best of five."""
    return {"twin --help: s": min(_measured("--help")[0] for _ in range(REPEATS))}


def bench_demo() -> dict[str, float]:
    """Return wall time and peak memory (of the largest process) of `twin demo`."""
    with TemporaryDirectory() as folder:
        seconds, peak = _measured("demo", "--out", str(Path(folder) / "run"))
    return {"twin demo: s": seconds, "twin demo: peak memory, MiB": peak}


def _measured(*words: str) -> tuple[float, float]:
    """Return wall time in s and peak memory in MiB of one call of the command, which has to succeed."""
    with TemporaryFile("w+") as told:  # a pipe that nobody empties would stop the child
        start = perf_counter()
        process = subprocess.Popen([sys.executable, "-m", "twin", *words], stdout=told, stderr=told)
        _, status, used = os.wait4(process.pid, 0)  # the usage of this child and of what it waited for
        seconds = perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            told.seek(0)
            sys.stderr.write(told.read())
            raise subprocess.CalledProcessError(process.returncode, process.args)
    return seconds, used.ru_maxrss * MIB_PER_RSS
