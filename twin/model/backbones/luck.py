"""Keyed uniforms on the device: bit for bit those of `twin.kernels.random`, made where they are used."""

import numpy as np
import torch
from torch import Tensor

from twin.kernels.random import Stream

_WORD = 1 << 64


def _signed(word: int) -> int:
    """Return 64 bits as torch's int64 holds them."""
    word %= _WORD
    return word - _WORD if word >= _WORD >> 1 else word


_GOLDEN = _signed(0x9E3779B97F4A7C15)
_M1, _M2 = _signed(0xBF58476D1CE4E5B9), _signed(0x94D049BB133111EB)


def _right(x: Tensor, by: int) -> Tensor:
    """Return x shifted right, zeros coming in (int64 >> would bring the sign in)."""
    return (x >> by) & ((1 << (64 - by)) - 1)


def _mix(x: Tensor) -> Tensor:
    x = (x ^ _right(x, 30)) * _M1
    x = (x ^ _right(x, 27)) * _M2
    return x ^ _right(x, 31)


def id_words(ids: np.ndarray[tuple[int], np.dtype[np.uint64]], device: torch.device) -> Tensor:
    """Return cell ids as int64 of the same bits, (cell,)."""
    return torch.from_numpy(np.ascontiguousarray(ids, dtype=np.uint64).view(np.int64)).to(device)


def uniforms(stream: Stream, ids: Tensor, index: Tensor) -> Tensor:
    """Return one uniform in [0, 1) for each (id, index) pair, float64; `ids` (int64 bits) and `index` broadcast.

    Equal to `stream.uniform_at` bit for bit: the products of int64 wrap round as those of uint64 do.
    """
    cell = _mix(ids ^ _signed(stream.key))
    bits = _mix(cell + (index.long() + 1) * _GOLDEN)
    return _right(bits, 11).double() * 2.0**-53
