"""Where and how exactly a network computes: device, precision, compiler."""

import contextlib
import os
import shutil
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict

from twin.errors import InputError


class Runtime(BaseModel):
    """How training computes; none of it changes what is learned but for rounding.

    device : "auto" is CUDA where there is one. precision : of matrix products; "auto" is bfloat16 on CUDA and float32
    on the CPU. compile : fuse the blocks with torch.compile. checkpoint_blocks : compute each block's activations again
    in the backward pass instead of keeping them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    compile: bool = False
    checkpoint_blocks: bool = False


def device_of(name: str) -> torch.device:
    """Return the device of that name; "auto" is CUDA where there is one. On CUDA, float32 products may use TF32.

    Raises
    ------
    InputError
        If CUDA is asked for and not there.
    """
    has_cuda = torch.cuda.is_available()
    if name == "cuda" and not has_cuda:
        raise InputError("device 'cuda' is not to be had here: torch sees no CUDA device; use 'cpu' or 'auto'")
    if name == "cpu" or not has_cuda:
        return torch.device("cpu")
    torch.set_float32_matmul_precision("high")
    return torch.device("cuda", torch.cuda.current_device())


def autocast(device: torch.device, precision: str = "auto") -> contextlib.AbstractContextManager[object]:
    """Return the context in which matrix products of `precision` are computed on `device`."""
    if precision == "bfloat16" or (precision == "auto" and device.type == "cuda"):
        return torch.autocast(device.type, torch.bfloat16)
    return contextlib.nullcontext()


def missing_compiler(device: torch.device) -> str:
    """Return, as a sentence, why torch.compile cannot work here, or "" where nothing speaks against it."""
    if device.type == "cuda":
        return "" if find_spec("triton") else "not compiled: Triton is not installed"
    named = os.environ.get("CXX")
    if not any(shutil.which(word) for word in ([named] if named else ["g++", "clang++"])):
        return f"not compiled: no C++ compiler was found ({named or 'g++ or clang++'})"
    probe = Path(tempfile.gettempdir())
    return "" if os.access(probe, os.W_OK) else f"not compiled: {probe} cannot be written"
