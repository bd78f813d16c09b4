"""The colours of all pictures and plots: told apart by colour-blind readers and in grey print."""

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import Colormap, LinearSegmentedColormap, Normalize, to_rgb
from numpy.typing import NDArray

from twin_viz.cloud import Cloud
from twin_viz.coloring import OTHER, Coloring
from twin_viz.substance import Field

Float = NDArray[np.float64]

BACKGROUND = "#ffffff"
INK = "#222222"  # text, outlines
NOTHING = "#b8b8b8"  # dead cells, missing numbers
OTHERS = "#6f6f6f"  # categories without a colour of their own
SOURCE = "#e8590c"  # cells that release the substance: an orange that no field colour comes near

# Lightness falls steadily from "none" (grey, as biologists expect it) to "much".
EXPRESSION: Colormap = LinearSegmentedColormap.from_list(
    "twin_expression", ["#dedede", "#fdd49e", "#fc9a52", "#e8505b", "#b5207a", "#6a0f7d"]
)
CONCENTRATION: Colormap = LinearSegmentedColormap.from_list(
    "twin_concentration", colormaps["YlGnBu"](np.linspace(0.02, 1.0, 64))
)
LINKS: Colormap = LinearSegmentedColormap.from_list("twin_links", ["#8fc79a", "#2f8f4e", "#0b4a24"])
SEQUENCE: Colormap = LinearSegmentedColormap.from_list(
    "twin_sequence", colormaps["viridis"](np.linspace(0.0, 0.88, 64))
)

# Okabe and Ito, Color Universal Design (2008), then Paul Tol's "muted" (SRON/EPS/TN/09-002).
CATEGORIES = (
    "#0072b2",
    "#e69f00",
    "#009e73",
    "#d55e00",
    "#56b4e9",
    "#cc79a7",
    "#f0e442",
    "#332288",
    "#117733",
    "#882255",
    "#ddcc77",
    "#999933",
    "#aa4499",
    "#44aa99",
)


def category_color(coloring: Coloring, code: int) -> str:
    """Return the colour of one category; "other" is grey."""
    return OTHERS if coloring.categories[code] == OTHER else CATEGORIES[code % len(CATEGORIES)]


def cell_colors(coloring: Coloring, value: Float) -> Float:
    """Return the colour of each cell, (cell, channel) in 0..1; NaN is grey."""
    colors = np.tile(to_rgb(NOTHING), (len(value), 1))
    known = np.isfinite(value)
    if coloring.categories:
        table = np.array([to_rgb(category_color(coloring, i)) for i in range(len(coloring.categories))])
        colors[known] = table[value[known].astype(np.intp)]
    else:
        colors[known] = EXPRESSION(Normalize(coloring.low, coloring.high)(value[known]))[:, :3]
    return colors


def link_colors(strength: Float, high: float) -> Float:
    """Return the colours of lines, (link, channel) in 0..1: the darker, the nearer to the strongest of the picture.

    Scores are products of counts: their square root is even on the eye.
    """
    return np.asarray(LINKS(np.sqrt(strength / max(high, 1e-300))))[..., :3]


def field_colors(field: Field | Cloud, concentration: Float) -> Float:
    """Return the colours of concentrations on the field's logarithmic scale, (…, channel) in 0..1."""
    clipped = np.clip(concentration, field.low, field.high)
    share = np.log(clipped / field.low) / np.log(field.high / field.low)
    return np.asarray(CONCENTRATION(share))[..., :3]
