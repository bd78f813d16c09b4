"""A written-out pedigree is the tree that is drawn."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from twin_viz.plots import lineage
from twin_viz.plots.clones import BARS, _draw_events, _draw_trees, bars
from twin_viz.plots.pedigree import ALIVE, DIED, DIVIDED, DYING, lay_out, pedigree

from twin.errors import InputError
from twin.results import Run
from twin.results.graphs import BIRTH


def test_every_cell_has_its_life_and_its_fate(family: Run) -> None:
    tree = pedigree(family.lineage(), living=[20, 21, 1], dying=[11], start=[0, 1, 2], end=2.0)
    lives = {b.id: (b.begin, b.end, b.fate) for b in tree.branches.values()}
    assert lives == {
        0: (0.0, 1.0, DIVIDED),
        1: (0.0, 2.0, ALIVE),
        2: (0.0, 1.0, DIED),
        10: (1.0, 2.0, DIVIDED),
        11: (1.0, 2.0, DYING),
        20: (2.0, 2.0, ALIVE),
        21: (2.0, 2.0, ALIVE),
    }
    assert list(tree.founders) == [0, 1, 2]
    assert tree.sizes == {0: 2, 1: 1, 2: 0}


def test_leaves_stand_apart_and_mothers_between_their_daughters(family: Run) -> None:
    tree = pedigree(family.lineage(), [20, 21, 1], [11], [0, 1, 2], 2.0)
    assert lay_out(tree, 0, 5.0) == 8.0
    assert sorted(leaf.place for leaf in tree.leaves(0)) == [5.0, 6.0, 7.0]
    for branch in tree.members(0):
        if branch.children:
            assert branch.place == np.mean([tree.branches[c].place for c in branch.children])


def test_the_figure_shows_trees_events_and_sizes(family: Run) -> None:
    trees, events, sizes = lineage(family).axes
    lines = next(c for c in trees.collections if isinstance(c, LineCollection))
    assert len(lines.get_segments()) == 5 + 2 + 1  # five lives and two forks of the one clone, one life of the other
    n = [[bar.get_height() for bar in events.containers[k]] for k in (0, 1)]
    assert (sum(n[0]), sum(n[1])) == (2, -1)
    heights = [bar.get_height() for bar in sizes.containers[0]]
    assert heights[:3] == [1, 1, 0]
    assert lineage(family, color="pressure").axes[-1].get_xlabel().startswith("pressure")


def test_bars_are_whole_ticks_and_hold_what_their_ticks_did() -> None:
    for hour, tick in ((2.0, 1.0), (48.0, 0.5), (24.0, 0.1), (23.3, 0.1), (7.0, 0.25)):
        edges = bars(hour, tick)
        assert len(edges) - 1 <= BARS
        np.testing.assert_allclose(np.diff(edges), edges[1])
        assert edges[1] / tick == pytest.approx(round(edges[1] / tick))
        assert edges[-1] >= hour - 1e-9
        axes = Figure().subplots()
        ticks = np.arange(1, round(hour / tick) + 1)  # one division a tick
        _draw_events(axes, pd.DataFrame({"time": ticks * tick, "parent": ticks, "event": BIRTH}), hour, tick)
        n = [bar.get_height() for bar in axes.containers[0]]
        assert len(set(n[:-1])) <= 1
        assert sum(n) == len(ticks)


def test_where_no_clone_has_two_living_cells_the_largest_ever_are_drawn(family: Run) -> None:
    events = family.lineage()
    died = pd.DataFrame({"id": [20, 21], "parent": [20, 21], "time": 2.0, "event": "death: apoptosis"})
    tree = pedigree(pd.concat([events, died]), [1], [], [0, 1, 2], 2.0)
    assert not tree.is_by_living
    assert list(tree.founders) == [0, 1, 2]
    axes = Figure().subplots()
    assert _draw_trees(axes, tree, {1: "#000000"}, 8, is_kind=True) == 3
    lines = next(c for c in axes.collections if isinstance(c, LineCollection))
    assert len(lines.get_segments()) == 5 + 2 + 1 + 1


def test_an_earlier_time_ends_the_trees_there(family: Run) -> None:
    trees = lineage(family, time="1 h").axes[0]
    lines = next(c for c in trees.collections if isinstance(c, LineCollection))
    assert max(segment[:, 0].max() for segment in lines.get_segments()) == 1.0


def test_what_cannot_be_drawn_is_one_sentence(family: Run, plain: Run) -> None:
    with pytest.raises(InputError, match="no cell of plain was born by now: a lineage needs a process that divides"):
        lineage(plain)
    with pytest.raises(InputError, match="no cell was born by 0 h"):
        lineage(family, time="0 h")
    with pytest.raises(InputError, match="did you mean pressure"):
        lineage(family, color="presure")
    with pytest.raises(InputError, match="clones: 0 is no number of trees"):
        lineage(family, clones=0)
    with pytest.raises(InputError, match="no replicate 4"):
        lineage(family, replicate=4)
