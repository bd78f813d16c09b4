"""Where trajectories are computed: worker processes of this machine, or a Dask scheduler that is there already."""

import logging
import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from distributed import Client, LocalCluster, Worker, WorkerPlugin

from twin.engine.plan import versions
from twin.errors import InputError

HERE = "127.0.0.1"  # Dask listens to this machine alone
LOGGERS = tuple(
    f"distributed{part}" for part in ("", ".nanny", ".worker", ".scheduler", ".client", ".core", ".batched", ".utils")
)
PATIENCE = 20.0  # s to find a scheduler and its first worker; our choice

Cluster = Client | str | Path | None


@contextmanager
def client_of(cluster: Cluster, workers: int, wanted: Mapping[str, str]) -> Iterator[Client]:
    """Give a Dask client.

    Parameters
    ----------
    cluster : a client (it stays open), the address of a scheduler (tcp://…), its file; or None: workers of our own.
    workers : how many of our own.
    wanted : versions of Python and the packages that compute, which the workers must have.

    Raises
    ------
    InputError
        If the scheduler is not reached, has no workers, or they have other versions.
    """
    if cluster is None:
        with local_client(workers) as client:
            yield client
        return
    if isinstance(cluster, Client):
        _check_workers(cluster, wanted)
        yield cluster
        return
    _hush()
    client = _connected(str(cluster))
    try:
        _check_workers(client, wanted)
        yield client
    finally:
        client.close(timeout=2)  # type: ignore[no-untyped-call]  # Dask's own


@contextmanager
def local_client(workers: int) -> Iterator[Client]:
    """Give a Dask client: one worker lives in this process, more are processes of their own.

    All of it listens to this machine only, on ports that are free. Where there are GPUs each process gets one.
    """
    _hush()
    with (
        LocalCluster(  # type: ignore[no-untyped-call]  # Dask's own
            n_workers=max(1, workers),
            threads_per_worker=1,
            processes=workers > 1,
            host=HERE if workers > 1 else None,  # one worker needs no socket
            dashboard_address=f"{HERE}:0",
            worker_dashboard_address=f"{HERE}:0",
            memory_limit=0,
        ) as cluster,
        Client(cluster) as client,  # type: ignore[no-untyped-call]  # Dask's own
    ):
        if workers > 1:
            client.register_plugin(Quiet(devices()))
        yield client


def devices() -> tuple[str, ...]:
    """Return the GPUs of this machine by the names that CUDA_VISIBLE_DEVICES takes, without waking CUDA up here."""
    told = os.environ.get("CUDA_VISIBLE_DEVICES")
    if told is not None:
        return tuple(word for word in told.split(",") if word.strip())
    listed = Path("/proc/driver/nvidia/gpus")
    return tuple(str(i) for i, _ in enumerate(listed.iterdir())) if listed.is_dir() else ()


class Quiet(WorkerPlugin):
    """Leaves it to our process to tell of failures and of Ctrl-C, which a terminal sends to the workers too.

    Where there are GPUs a worker sees one of them only, by its number; one that takes a lost one's place the same.
    """

    def __init__(self, devices: tuple[str, ...] = ()) -> None:
        self.devices = devices

    def setup(self, worker: Worker) -> None:
        """Prepare a worker process, also one that takes the place of a lost one."""
        _hush()
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        if self.devices and isinstance(worker.name, int):
            os.environ["CUDA_VISIBLE_DEVICES"] = self.devices[worker.name % len(self.devices)]


def dashboard_of(client: Client) -> str | None:
    """Return the address of the dashboard, or None where nothing serves one (bokeh is not installed)."""
    info = client.scheduler_info()
    return str(client.dashboard_link) if "dashboard" in (info.get("services") or {}) and _has_bokeh() else None


def _has_bokeh() -> bool:
    return find_spec("bokeh") is not None


def check_versions(wanted: Mapping[str, str]) -> dict[str, str]:
    """Return what of `wanted` is of another version where this is called: found by name."""
    here = versions()
    return {name: here.get(name, "not there") for name, version in wanted.items() if here.get(name) != version}


def _connected(where: str) -> Client:
    """Return a client of the scheduler at an address or in a file."""
    is_file = "://" not in where
    if is_file and not Path(where).is_file():
        raise InputError(f"--scheduler {where}: no such file; give tcp://host:port, or the scheduler's file")
    try:
        if is_file:
            return Client(scheduler_file=where, timeout=PATIENCE)  # type: ignore[no-untyped-call]  # Dask's own
        return Client(where, timeout=PATIENCE)  # type: ignore[no-untyped-call]  # Dask's own
    except (OSError, TimeoutError, ValueError, KeyError) as error:
        raise InputError(
            f"--scheduler {where}: no scheduler answers there within {PATIENCE:g} s; start one with dask scheduler"
        ) from error


def _check_workers(client: Client, wanted: Mapping[str, str]) -> None:
    """Refuse a cluster whose workers would compute something else."""
    try:
        client.wait_for_workers(1, timeout=PATIENCE)
    except TimeoutError:
        raise InputError(
            "the scheduler has no workers: start some with dask worker --nthreads 1 and its address"
        ) from None
    try:
        found = client.run(check_versions, dict(wanted))
    except ImportError as error:
        raise InputError(f"a worker cannot import twin ({error}): install the same twin everywhere") from error
    for worker, other in found.items():
        if other:
            told = ", ".join(f"{name} {version} (here {wanted[name]})" for name, version in other.items())
            raise InputError(f"the worker {worker} has {told}: install the same versions everywhere")


def _hush() -> None:
    """Keep Dask from writing of what we tell ourselves: a task that failed, a cluster that closes."""
    for name in LOGGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL)
