"""Counter-based random numbers: every draw is a hash of what it is for.

A stream is named by (seed, replicate, purpose, tick, round); inside it each number belongs to a
(cell id, index) pair. No number depends on the order or the batch in which it is drawn, so the
layout of chunks, workers and processes cannot change a result. No branch is in the key: futures
share their luck.

Source
------
Steele, Lea, Flood, Fast splittable pseudorandom number generators, OOPSLA 2014 (SplitMix64).
"""

from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

UInt64 = NDArray[np.uint64]
Float = NDArray[np.float64]

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_M1, _M2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_S30, _S27, _S31 = np.uint64(30), np.uint64(27), np.uint64(31)
_TO_UNIT = 2.0**-53


def mix(x: UInt64) -> UInt64:
    """Return the SplitMix64 finaliser of `x`, element by element (a bijection of 64 bits)."""
    with np.errstate(over="ignore"):
        x = (x ^ (x >> _S30)) * _M1
        x = (x ^ (x >> _S27)) * _M2
        return x ^ (x >> _S31)


def hash_words(*words: int | str) -> int:
    """Return 64 bits that name a tuple of words, the same on every machine."""
    text = "\x1f".join(f"str:{w}" if isinstance(w, str) else f"int:{int(w)}" for w in words)
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little")


def daughter_ids(parent: UInt64, birth_tick: int, sibling: int) -> UInt64:
    """Return ids of daughters: a hash of (parent id, birth tick, sibling), never a counter.

    Parameters
    ----------
    parent : (cell,) ids of the mothers.
    birth_tick : tick of the division.
    sibling : 0 or 1 (more for divisions into many).
    """
    key = np.uint64(hash_words("daughter", birth_tick, sibling))
    return mix(mix(parent.astype(np.uint64) ^ key) + GOLDEN)


@dataclass(frozen=True)
class Stream:
    """One named stream; `key` holds its 64 bits."""

    key: int

    def bits(self, ids: UInt64, index: UInt64) -> UInt64:
        """Return 64 random bits for each (id, index) pair; the two arrays broadcast."""
        with np.errstate(over="ignore"):
            cell = mix(ids.astype(np.uint64) ^ np.uint64(self.key))
            return mix(cell + (index.astype(np.uint64) + np.uint64(1)) * GOLDEN)

    def uniform(self, ids: UInt64, n: int) -> Float:
        """Return uniforms in [0, 1) for the indices 0 … n−1.

        Returns
        -------
        (cell, n)
        """
        bits = self.bits(np.asarray(ids, np.uint64)[:, None], np.arange(n, dtype=np.uint64)[None, :])
        return np.asarray((bits >> np.uint64(11)) * _TO_UNIT, dtype=np.float64)

    def uniform_at(self, ids: UInt64, index: UInt64) -> Float:
        """Return one uniform in [0, 1) for each (id, index) pair; shapes broadcast."""
        return np.asarray((self.bits(ids, index) >> np.uint64(11)) * _TO_UNIT, dtype=np.float64)

    def normal(self, ids: UInt64, n: int) -> Float:
        """Return standard normals, (cell, n), by the inverse distribution function."""
        return np.asarray(ndtri(self.uniform(ids, n) + 0.5 * _TO_UNIT), dtype=np.float64)


@dataclass(frozen=True)
class Streams:
    """All streams of one trajectory at one tick; the engine hands them to processes and models."""

    seed: int
    replicate: int
    tick: int

    def stream(self, purpose: str, round: int = 0) -> Stream:
        """Return the stream of `purpose` (a word that names who draws what for)."""
        return Stream(hash_words(self.seed, self.replicate, purpose, self.tick, round))
