"""What is taken away of a tissue, so that its inside is seen."""

import re
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from twin.errors import InputError
from twin.units import quantity
from twin_viz.camera import Camera, Float


@dataclass(frozen=True)
class Cut:
    """Cells stay where their place along `axis` (0 = x) lies on one side of `at` (µm).

    below : which side; None, until it is settled, for the one that is farther from the viewer.
    is_share : whether `at` is a share of the box, until it is settled.
    """

    axis: int
    below: bool | None
    at: float
    is_share: bool = False

    def settled(self, box: Float, camera: Camera) -> "Cut":
        """Return it in µm and with a side: by the box (2, axis) and from where it is looked at."""
        low, high = box[:, self.axis]
        at = float(low + self.at * (high - low)) if self.is_share else self.at
        below = bool(camera.toward[self.axis] > 0) if self.below is None else self.below
        return replace(self, at=at, below=below, is_share=False)

    def keeps(self, points: Float) -> NDArray[np.bool_]:
        """Say of each of `points` (…, axis) whether it stays."""
        place = points[..., self.axis]
        return np.asarray(place <= self.at if self.below else place >= self.at)

    @property
    def words(self) -> str:
        """What stays, as a user writes it."""
        return f"{'xyz'[self.axis]} {'<' if self.below else '>'} {self.at:.3g} µm"


def middle_of(camera: Camera) -> Cut:
    """Return the cut through the middle that shows most of the inside to the viewer: across x or y."""
    return Cut(int(np.argmax(np.abs(camera.toward[:2]))), None, 0.5, is_share=True)


def parse_cut(text: str) -> Cut:
    """Read "y>20 um": what stays is where that is true; "y=20 um" keeps the side away from the viewer; or "y=50%".

    Raises
    ------
    InputError
        If it is spelt otherwise.
    """
    found = re.fullmatch(r"\s*([xyz])\s*(<=?|>=?|=)\s*(.+?)\s*", text)
    try:
        if found is None:
            raise ValueError
        place = found[3]
        share = place.endswith("%")
        if share:
            at = float(place.removesuffix("%")) / 100.0
        else:
            at = 0.0 if re.fullmatch(r"0+(\.0*)?", place) else quantity(place, "um", "a place", "20 um")
    except ValueError as error:
        raise InputError(
            f"cut: {text!r} is not a cut: write an axis, <, > or =, and a place, like 'y>20 um' (this part stays), "
            "'y=20 um' (the side away from the viewer stays) or 'y=50%'"
        ) from error
    below = None if found[2] == "=" else found[2].startswith("<")
    return Cut("xyz".index(found[1]), below, at, share)
