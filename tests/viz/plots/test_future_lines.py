"""Colours of futures are values where values are all that differs, and kinds where not."""

import numpy as np
from matplotlib.colors import to_hex
from twin_viz import palette
from twin_viz.futures import APART, STYLES, looks_of
from twin_viz.plots import futures

from twin.results import Ensemble, Run, SweepAxis, Trajectory
from twin.scenario.variants import Coordinate

DOSES = (1.0, 10.0, 100.0)


def ensemble(branches: tuple[str, ...], moved: tuple[str, ...], *more: SweepAxis) -> Ensemble:
    """Return branches of which some stand at each dose, and the others at all of them."""
    dose = SweepAxis("dose", len(DOSES), (Coordinate("dose", DOSES, "nM", "branches.a.timeline.0.dose"),))
    rest = tuple(0 for _ in more)
    found = []
    for b, branch in enumerate(branches):
        at = (b,) if len(branches) > 1 else ()
        places = [(*at, d, *rest, 0) for d in range(len(DOSES))]
        for group in [[p] for p in places] if branch in moved else [places]:
            point = group[0][len(at) : -1]
            found.append(Trajectory(f"{branch}{point}", branch, point, 0, None, 0, tuple(group)))
    return Ensemble(branches, (dose, *more), 1, tuple(found))


def looks(whole: Ensemble) -> dict[str, tuple[str, str]]:
    found = [(whole.label(t, replicate=False), t) for t in whole.trajectories]
    return {look.name: (look.color, look.style) for look in looks_of(whole, found)}


def shade(share: float) -> str:
    return to_hex(palette.SEQUENCE(share))


def test_values_of_one_sweep_are_shades_by_their_logarithm() -> None:
    found = looks(ensemble(("trunk",), ("trunk",)))
    assert found == {
        "dose 1 nM": (shade(0.0), "-"),
        "dose 10 nM": (shade(0.5), "-"),
        "dose 100 nM": (shade(1.0), "-"),
    }


def test_a_branch_beside_the_sweep_does_not_look_like_a_dose() -> None:
    found = looks(ensemble(("trunk", "a", "other"), ("a",)))
    assert found["a, dose 10 nM"] == (shade(0.5), STYLES[1])
    assert (found["trunk"], found["other"]) == ((APART[0], STYLES[0]), (APART[1], STYLES[2]))


def test_where_branches_differ_too_colours_are_points_and_styles_are_branches() -> None:
    found = looks(ensemble(("trunk", "a", "b"), ("a", "b")))
    assert {c for c, _ in found.values()} <= set(palette.CATEGORIES)
    assert found["a, dose 1 nM"][0] == found["b, dose 1 nM"][0] != found["a, dose 10 nM"][0]
    assert {found[f"b, dose {dose:g} nM"][1] for dose in DOSES} == {STYLES[2]}
    assert len(set(found.values())) == len(found)


def test_names_have_three_digits_unless_they_would_be_the_same() -> None:
    def named(*labels: float) -> list[str]:
        axis = SweepAxis("dose", 2, (Coordinate("dose", labels, "nM", "x"),))
        made = tuple(Trajectory(str(i), "trunk", (i,), 0, None, 0, ((i, 0),)) for i in range(2))
        whole = Ensemble(("trunk",), (axis,), 1, made)
        return [look.name for look in looks_of(whole, [(whole.label(t, replicate=False), t) for t in made])]

    assert named(17.3205, 2.0) == ["dose 17.3 nM", "dose 2 nM"]
    assert named(17.32, 17.33) == ["dose 17.32 nM", "dose 17.33 nM"]


def test_the_figure_draws_them_so(dosed: Run) -> None:
    axes = futures(dosed).axes[0]
    lines = {str(line.get_label()): line for line in axes.get_lines()}
    assert lines["treated, dose 3 U/mL"].get_color() == shade(0.0)
    assert lines["treated, dose 300 U/mL"].get_color() == shade(1.0)
    assert lines["trunk"].get_color() == APART[0]
    assert np.asarray(lines["trunk"].get_ydata()).size == 3
