"""Numbers as the page holds them: 16-bit codes, in byte planes, deflated, in base64.

A column of codes is stored as its high bytes and then its low bytes: neighbours differ in the low ones alone, which
deflates to some 60 % of what it takes otherwise.
"""

import base64
import hashlib
import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from twin_viz.camera import Float

STEPS = 65534  # of a range
NONE = 65535  # the code of a missing number
LEVEL = 6  # of zlib; our choice: 9 takes three times as long for 1 %

Codes = NDArray[np.uint16]


def to_codes(values: Float, low: float, high: float) -> Codes:
    """Return numbers in low..high as codes, to half of (high - low) / 65534; NaN and infinity as `NONE`."""
    share = (np.asarray(values, dtype=np.float64) - low) / ((high - low) or 1.0)
    known = np.isfinite(share)
    codes = np.full(share.shape, NONE, np.uint16)
    codes[known] = np.rint(np.clip(share[known], 0.0, 1.0) * STEPS)
    return codes


def to_values(codes: Codes, low: float, high: float) -> Float:
    """Return the numbers that codes stand for, as the page reads them."""
    values = low + codes / STEPS * (high - low)
    return np.where(codes == NONE, np.nan, values)


def halves(numbers: "NDArray[np.uint32]") -> tuple[Codes, Codes]:
    """Return 32-bit numbers as two columns of codes: low and high half."""
    return (numbers & 0xFFFF).astype(np.uint16), (numbers >> 16).astype(np.uint16)


def packed(columns: Sequence[Codes], level: int = LEVEL) -> bytes:
    """Return columns of codes as deflated byte planes."""
    planes = [np.asarray(c, dtype=">u2").view(np.uint8).reshape(-1, 2).T.tobytes() for c in columns]
    return zlib.compress(b"".join(planes), level)


def unpacked(data: bytes, n: int) -> list[Codes]:
    """Return the columns of `n` codes each that `packed` made of."""
    planes = np.frombuffer(zlib.decompress(data), np.uint8).reshape(-1, 2, max(n, 1)).astype(np.uint16)
    return list((planes[:, 0] << 8) | planes[:, 1])


class Blobs:
    """Deflated pieces, each once: the past that a branch shares with its trunk costs nothing."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self._known: dict[bytes, int] = {}

    def add(self, piece: bytes) -> int:
        """Return the number of a piece that was there already or is now."""
        number = self._known.setdefault(hashlib.sha256(piece).digest(), len(self.pieces))
        if number == len(self.pieces):
            self.pieces.append(piece)
        return number

    @property
    def size(self) -> int:
        """How many bytes they take in base64."""
        return sum(4 * (-(-len(piece) // 3)) for piece in self.pieces)


def as_text(piece: bytes) -> str:
    """Return base64."""
    return base64.b64encode(piece).decode("ascii")
