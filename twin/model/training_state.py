"""What a training leaves on the disk so that it can go on after anything, a kill -9 or a power cut included.

A state is written beside the old one, flushed to the disk, and takes its place in one step: at any instant there
is one whole state, the old or the new. No pickle.
"""

import json
import os
import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from twin.errors import InputError


class Store(ABC):
    """Where the state of one training is kept; `name` says which training it is."""

    def __init__(self, name: str) -> None:
        self.name = name

    @abstractmethod
    def exists(self) -> bool:
        """Whether there is a state."""

    @abstractmethod
    def save(self, step: int, tensors: Mapping[str, Tensor], told: Mapping[str, str]) -> None:
        """Keep the state after `step` steps; on return it is on the disk."""

    @abstractmethod
    def load(self) -> tuple[int, dict[str, Tensor], dict[str, str]]:
        """Return what was saved last.

        Raises
        ------
        InputError
            If it belongs to another training, or is damaged.
        """

    def _checked(self, place: Path, told: Mapping[str, str]) -> None:
        if told.get("name") != self.name:
            raise InputError(
                f"{place} belongs to a training with other settings or other cells; remove it to start anew"
            )


class StateFile(Store):
    """The state of a training in one process, one file."""

    def __init__(self, file: Path, name: str) -> None:
        super().__init__(name)
        self.file = file

    def exists(self) -> bool:
        """Whether the file is there."""
        return self.file.exists()

    def save(self, step: int, tensors: Mapping[str, Tensor], told: Mapping[str, str]) -> None:
        """Write the file."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        write_tensors(self.file, tensors, {**told, "step": str(step), "name": self.name})

    def load(self) -> tuple[int, dict[str, Tensor], dict[str, str]]:
        """Return what the file holds."""
        tensors, told = read_tensors(self.file)
        self._checked(self.file, told)
        return int(told["step"]), tensors, told


class ShardedState(Store):
    """The state of a training in many processes: a file a process, and one that names the last whole set.

    barrier : returns when every process has come to it.
    """

    def __init__(self, folder: Path, name: str, rank: int, size: int, barrier: Callable[[], object]) -> None:
        super().__init__(name)
        self.folder, self.rank, self.size, self.barrier = folder, rank, size, barrier
        self.latest = folder / "latest.json"

    def exists(self) -> bool:
        """Whether there is a whole set."""
        return self.latest.exists()

    def save(self, step: int, tensors: Mapping[str, Tensor], told: Mapping[str, str]) -> None:
        """Write this process's file; the set counts once all have written theirs."""
        here = self.folder / f"step-{step:08d}"
        here.mkdir(parents=True, exist_ok=True)
        write_tensors(here / f"rank-{self.rank}.safetensors", tensors, {**told, "step": str(step), "name": self.name})
        self.barrier()
        if self.rank == 0:
            part = self.latest.with_suffix(".part")
            part.write_text(json.dumps({"step": step, "size": self.size, "name": self.name}))
            replace_flushed(part, self.latest)
            for old in self.folder.glob("step-*"):
                if old != here:
                    shutil.rmtree(old)
        self.barrier()

    def load(self) -> tuple[int, dict[str, Tensor], dict[str, str]]:
        """Return what this process saved last."""
        latest = json.loads(self.latest.read_text())
        self._checked(self.latest, latest)
        if latest["size"] != self.size:
            raise InputError(
                f"{self.folder} was saved by {latest['size']} processes and cannot be taken up by {self.size}: "
                f"start as many"
            )
        tensors, told = read_tensors(self.folder / f"step-{latest['step']:08d}" / f"rank-{self.rank}.safetensors")
        return int(told["step"]), tensors, told


def write_tensors(file: Path, tensors: Mapping[str, Tensor], told: dict[str, str]) -> None:
    """Write a safetensors file in one step, flushed to the disk."""
    part = file.with_suffix(".part")
    save_file({k: v.detach().to("cpu", copy=True).contiguous() for k, v in tensors.items()}, part, metadata=told)
    replace_flushed(part, file)


def read_tensors(file: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return the tensors of a file and what it says of itself.

    Raises
    ------
    InputError
        If it is damaged or cannot be read.
    """
    try:
        with safe_open(file, framework="pt") as opened:
            told = opened.metadata() or {}
        return load_file(file), told
    except (SafetensorError, OSError) as error:
        raise InputError(f"{file} is damaged ({error}); remove it to start anew") from error


def replace_flushed(part: Path, file: Path) -> None:
    """Put `part` in the place of `file` once it is on the disk, and flush the folder too."""
    with part.open("rb") as opened:
        os.fsync(opened.fileno())
    part.replace(file)
    if os.name == "posix":
        folder = os.open(file.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def local(tensor: Tensor) -> Tensor:
    """Return this process's part of a sharded tensor, or the tensor itself."""
    part = getattr(tensor, "to_local", None)
    return tensor if part is None else torch.as_tensor(part())
