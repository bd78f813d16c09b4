"""Cases of the verification suite: rules."""

from collections.abc import Iterator

import numpy as np

from twin.kernels.response import join_signals, respond
from twin.scenario.rules_file import lines_of
from twin.verification.case import Case, Row

# A line of PhysiCell's sample project `rules_sample`; its base value there is 0.
SAMPLE = "M0 macrophage,necrotic debris,increases,transform to M1 macrophage,0.05,0.005,4,0"
ROUNDING = 1e-12  # relative to 1; double precision


def _hill(signals: list[list[float]], half: list[float], power: list[float]) -> np.ndarray:
    return join_signals(np.array(signals), np.array(half), np.array(power))


def _sample_line() -> Iterator[Row]:
    """Yield the response of the sample's rule, its numbers taken from the file's line."""
    (line,) = lines_of(SAMPLE, {"necrotic debris": {}})
    (rule,) = line.rules
    saturation, half = (float(str(rule[key]).split()[0]) for key in ("saturation", "half_max"))
    for debris, expected in ((0.0, 0.0), (0.0025, 0.05 / 17), (0.005, 0.025), (0.01, 0.05 * 16 / 17), (0.05, None)):
        up = _hill([[debris]], [half], [rule["power"]])
        none = np.zeros(1)
        ours = float(respond(0.0, up, saturation, none, 0.0)[0])
        exact = 0.05 * 1e4 / (1e4 + 1) if expected is None else expected
        yield Row(f"transformation at {debris:g} debris, 1/min", exact, ours, ROUNDING)


def _joined() -> Iterator[Row]:
    """Yield behaviours that several signals raise and lower, worked out by hand as fractions.

    Base 1, raised to 9 by a (half 2, power 2) and b (half 1, power 1), lowered to 1/5 by c (half 4, power 3).
    """
    half, power = [2.0, 1.0], [2.0, 1.0]
    cases = (
        # a, b, c, U, D
        (0.0, 0.0, 0.0, 0.0, 0.0),
        (2.0, 0.0, 0.0, 1 / 2, 0.0),
        (2.0, 1.0, 0.0, 2 / 3, 0.0),
        (2.0, 1.0, 4.0, 2 / 3, 1 / 2),
        (4.0, 3.0, 8.0, 7 / 8, 8 / 9),
        (0.0, 0.0, 4.0, 0.0, 1 / 2),
    )
    for a, b, c, up, down in cases:
        raised = 1 + 8 * up
        expected = raised + (1 / 5 - raised) * down
        u, d = _hill([[a], [b]], half, power), _hill([[c]], [4.0], [3.0])
        yield Row(
            f"behaviour at a, b, c = {a:g}, {b:g}, {c:g}", expected, float(respond(1.0, u, 9.0, d, 0.2)[0]), 1e-12
        )


def _limits() -> Iterator[Row]:
    """Yield what the response does at its ends and along a rising signal, and that strangers leave it alone."""
    signal = np.geomspace(1e-9, 1e9, 2001)
    rising = join_signals(signal[None], np.array([1.0]), np.array([4.0]))
    yield Row("largest fall along a rising signal", 0.0, float(np.maximum(-np.diff(rising), 0.0).max()), ROUNDING)
    yield Row("response without a signal", 0.0, float(_hill([[0.0]], [1.0], [4.0])[0]), 0.0)
    yield Row("response to an endless signal", 1.0, float(_hill([[1e308]], [1e-3], [100.0])[0]), 0.0)
    steep = _hill([[0.99, 1.01]], [1.0], [1000.0])
    yield Row("a steep power is a step: just below", 0.0, float(steep[0]), 1e-4)
    yield Row("a steep power is a step: just above", 1.0, float(steep[1]), 1e-4)
    alone = _hill([[0.7], [0.0]], [0.5, 3.0], [2.0, 6.0])
    yield Row("a second signal of 0 changes nothing", 0.49 / 0.74, float(alone[0]), ROUNDING)


PAPER = "Johnson et al., Cell 188:4711 (2025), multivariate Hill; PhysiCell 1.14.2"
CASES: tuple[Case, ...] = (
    Case("R1", "Grammar: the sample line of PhysiCell's rules", f"{PAPER}, rules_sample", _sample_line),
    Case("R2", "Grammar: two signals raise, one lowers", f"{PAPER}; fractions by hand", _joined),
    Case("R3", "Grammar: monotone, its limits, strangers to each other", f"{PAPER}; by derivation", _limits),
)
