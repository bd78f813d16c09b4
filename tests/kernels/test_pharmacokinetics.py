"""`advance` against the closed solutions of pharmacokinetics, and against what no model may break."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given
from hypothesis import strategies as st

from twin.kernels.pharmacokinetics import (
    CENTRAL,
    ELIMINATED,
    LN2,
    NOT_ABSORBED,
    ORAL,
    PERIPHERAL,
    SITES,
    SUBCUTANEOUS,
    Input,
    advance,
    compartment_rates,
    exponential,
    half_life,
    with_effect_site,
)

CL, V, VP, Q, KA = 3.7, 21.0, 44.0, 9.5, 1.3  # L/h, L, L, L/h, 1/h
TIMES = (0.01, 0.4, 1.0, 3.0, 8.0, 24.0, 72.0)  # h
NONE = np.zeros(len(SITES))


def at(site: int, amount: float) -> np.ndarray:
    return np.asarray(amount * np.eye(len(SITES))[site])


def one(ka: float = KA) -> np.ndarray:
    return compartment_rates(CL, V, absorption=(ka, 0.5 * ka))


def two(ka: float = KA) -> np.ndarray:
    return compartment_rates(CL, V, VP, Q, (ka, 0.5 * ka))


def macro() -> tuple[float, float, float]:
    """α, β and k21 of the two compartments, by the textbook (Gibaldi and Perrier, 2.22 and 2.23)."""
    k10, k12, k21 = CL / V, Q / V, Q / VP
    total, product = k10 + k12 + k21, k10 * k21
    root = np.sqrt(total**2 - 4 * product)
    return (total + root) / 2, (total - root) / 2, k21


def bateman(dose: float, ka: float, ke: float, t: float) -> float:
    return float(dose * ka / (ka - ke) * (np.exp(-ke * t) - np.exp(-ka * t)))


def two_bolus(dose: float, t: float) -> float:
    a, b, k21 = macro()
    return float(dose * ((a - k21) / (a - b) * np.exp(-a * t) + (k21 - b) / (a - b) * np.exp(-b * t)))


def two_infusion(rate: float, length: float, t: float) -> float:
    a, b, k21 = macro()
    on = min(t, length)

    def part(k: float, weight: float) -> float:
        return float(weight * rate / k * (1 - np.exp(-k * on)) * np.exp(-k * (t - on)))

    return part(a, (a - k21) / (a - b)) + part(b, (k21 - b) / (a - b))


def two_oral(dose: float, ka: float, t: float) -> float:
    a, b, k21 = macro()
    parts = [
        (k21 - a) / ((ka - a) * (b - a)) * np.exp(-a * t),
        (k21 - b) / ((ka - b) * (a - b)) * np.exp(-b * t),
        (k21 - ka) / ((a - ka) * (b - ka)) * np.exp(-ka * t),
    ]
    return float(dose * ka * sum(parts))


CLOSED: dict[str, tuple[np.ndarray, np.ndarray, list[Input], Callable[[float], float]]] = {
    "one, bolus": (one(), at(CENTRAL, 7.0), [], lambda t: 7.0 * np.exp(-CL / V * t)),
    "one, infusion": (
        one(),
        NONE,
        [Input(0.0, 0.7, at(CENTRAL, 7.0))],
        lambda t: 10.0 / (CL / V) * (1 - np.exp(-CL / V * min(t, 0.7))) * np.exp(-CL / V * max(t - 0.7, 0.0)),
    ),
    "one, oral": (one(), at(ORAL, 7.0), [], lambda t: bateman(7.0, KA, CL / V, t)),
    "one, oral at ka = ke": (one(CL / V), at(ORAL, 7.0), [], lambda t: 7.0 * CL / V * t * np.exp(-CL / V * t)),
    "one, subcutaneous": (one(), at(SUBCUTANEOUS, 7.0), [], lambda t: bateman(7.0, KA / 2, CL / V, t)),
    "two, bolus": (two(), at(CENTRAL, 7.0), [], lambda t: two_bolus(7.0, t)),
    "two, infusion": (two(), NONE, [Input(0.0, 0.7, at(CENTRAL, 7.0))], lambda t: two_infusion(10.0, 0.7, t)),
    "two, oral": (two(), at(ORAL, 7.0), [], lambda t: two_oral(7.0, KA, t)),
}


def within(inputs: list[Input], begin: float, end: float) -> list[Input]:
    """The part of each input that falls into a step, in the step's time."""
    found = []
    for piece in inputs:
        low, high = max(piece.begin, begin), min(piece.end, end)
        if high > low:
            share = (high - low) / (piece.end - piece.begin)
            found.append(Input(low - begin, high - begin, piece.amount * share))
    return found


@pytest.mark.parametrize("name", CLOSED)
@pytest.mark.parametrize("steps", [1, 7])
def test_any_step_gives_the_closed_solution_to_eight_digits(name: str, steps: int) -> None:
    rates, start, inputs, solution = CLOSED[name]
    for t in TIMES:
        edges = np.linspace(0.0, t, steps + 1)
        now = start
        for low, high in pairwise(edges):
            now = advance(rates, now, high - low, within(inputs, low, high))
        wanted = solution(t)
        assert wanted > 0
        assert now[CENTRAL] == pytest.approx(wanted, rel=1e-8), t


def test_the_limit_of_equal_rates_joins_the_solutions_on_either_side() -> None:
    ke = CL / V
    exact = advance(one(ke), at(ORAL, 1.0), 3.0)[CENTRAL]
    for off in (-1e-5, 1e-5):
        assert advance(one(ke * (1 + off)), at(ORAL, 1.0), 3.0)[CENTRAL] == pytest.approx(exact, rel=2e-5)
    both = advance(compartment_rates(CL, V, absorption=(ke, ke)), at(ORAL, 1.0) + at(SUBCUTANEOUS, 1.0), 3.0)
    assert both[CENTRAL] == pytest.approx(2 * exact, rel=1e-12)


positive = st.floats(0.01, 50.0)


@st.composite
def protocols(draw: st.DrawFn) -> tuple[np.ndarray, list[Input], float]:
    """A model, inputs at random places, and a step that holds them all."""
    flow = draw(st.sampled_from([0.0, 0.3, 8.0]))
    rates = compartment_rates(draw(positive), draw(positive), draw(positive), flow, (draw(positive), draw(positive)))
    dt = draw(st.floats(0.05, 24.0))
    inputs = []
    for _ in range(draw(st.integers(0, 4))):
        begin = draw(st.floats(0.0, 1.0)) * dt
        long = draw(st.one_of(st.just(0.0), st.floats(1e-6, 1.0)))
        end = begin + long * (dt - begin)
        site = draw(st.sampled_from([ORAL, SUBCUTANEOUS, CENTRAL, NOT_ABSORBED]))
        inputs.append(Input(begin, end, at(site, draw(st.floats(1e-6, 1e6)))))
    return rates, inputs, dt


@given(protocols())
def test_no_drug_is_lost(protocol: tuple[np.ndarray, list[Input], float]) -> None:
    rates, inputs, dt = protocol
    after = advance(rates, NONE, dt, inputs)
    given_in = sum(piece.amount.sum() for piece in inputs)
    assert after.sum() == pytest.approx(given_in, rel=1e-10, abs=0.0)
    assert (after >= 0).all()


@given(protocols(), protocols())
def test_a_protocol_of_two_doses_is_the_sum_of_its_doses(
    first: tuple[np.ndarray, list[Input], float], second: tuple[np.ndarray, list[Input], float]
) -> None:
    rates, inputs, dt = first
    more = [Input(p.begin / second[2] * dt, p.end / second[2] * dt, p.amount) for p in second[1]]
    together = advance(rates, NONE, dt, [*inputs, *more])
    apart = advance(rates, NONE, dt, inputs) + advance(rates, NONE, dt, more)
    np.testing.assert_allclose(together, apart, rtol=1e-10, atol=1e-12 * max(1.0, float(apart.max())))


@given(protocols(), st.floats(0.05, 0.95))
def test_two_parts_of_a_step_are_one(protocol: tuple[np.ndarray, list[Input], float], share: float) -> None:
    rates, inputs, dt = protocol
    cut = share * dt
    pulses = [p for p in inputs if p.begin == p.end]
    early = [*within(inputs, 0.0, cut), *(p for p in pulses if p.begin < cut)]
    late = [*within(inputs, cut, dt), *(Input(p.begin - cut, p.end - cut, p.amount) for p in pulses if p.begin >= cut)]
    half = advance(rates, advance(rates, NONE, cut, early), dt - cut, late)
    whole = advance(rates, NONE, dt, inputs)
    np.testing.assert_allclose(half, whole, rtol=1e-9, atol=1e-12 * max(1.0, float(whole.max())))


def test_doses_and_ends_inside_of_a_step_are_exact() -> None:
    """A dose at 0.2 h, an infusion from 0.35 h to 1.05 h, seen at 2.5 h in one step: the closed solutions, moved."""
    seen = advance(two(), NONE, 2.5, [Input(0.2, 0.2, at(ORAL, 5.0)), Input(0.35, 1.05, at(CENTRAL, 7.0))])
    wanted = two_oral(5.0, KA, 2.3) + two_infusion(10.0, 0.7, 2.15)
    assert seen[CENTRAL] == pytest.approx(wanted, rel=1e-10)


def test_a_dose_at_either_end_of_a_step_counts_once() -> None:
    first = advance(one(), NONE, 1.0, [Input(0.0, 0.0, at(CENTRAL, 1.0))])
    assert first[CENTRAL] == pytest.approx(np.exp(-CL / V), rel=1e-12)
    last = advance(one(), NONE, 1.0, [Input(1.0, 1.0, at(CENTRAL, 1.0))])
    assert last[CENTRAL] == 1.0


def test_repeated_doses_come_to_the_steady_state() -> None:
    """Peaks of D/(1 − e^(−k τ)), troughs e^(−k τ) of it, and a mean of dose rate over clearance."""
    tau, ke = 12.0, CL / V
    now, eliminated = NONE, 0.0
    for _ in range(40):
        eliminated = now[ELIMINATED]
        now = advance(one(), now, tau, [Input(0.0, 0.0, at(CENTRAL, 100.0))])
    trough = now[CENTRAL]
    assert trough == pytest.approx(100.0 * np.exp(-ke * tau) / (1 - np.exp(-ke * tau)), rel=1e-10)
    assert now[ELIMINATED] - eliminated == pytest.approx(100.0, rel=1e-10)  # CL × AUC of an interval is a dose
    steady = NONE
    for _ in range(400):
        steady = advance(two(), steady, tau, [Input(0.0, tau, at(CENTRAL, 100.0))])
    assert steady[CENTRAL] / V == pytest.approx(100.0 / tau / CL, rel=1e-8)
    assert steady[PERIPHERAL] / VP == pytest.approx(steady[CENTRAL] / V, rel=1e-8)


def test_a_tissue_follows_plasma_as_the_integral_says() -> None:
    """dx/dt = r (g a − x) after a bolus: x = g D r/(r − k) (e^(−k t) − e^(−r t)), whatever the step."""
    gain, rate, ke = 0.3, 6.9, CL / V
    rates = with_effect_site(one(), gain, rate)
    now = np.append(at(CENTRAL, 10.0), 0.0)
    for dt in (0.02, 0.5, 1.48):
        now = advance(rates, now, dt)
    wanted = gain * 10.0 * rate / (rate - ke) * (np.exp(-ke * 2.0) - np.exp(-rate * 2.0))
    assert now[-1] == pytest.approx(wanted, rel=1e-10)
    assert now[: len(SITES)].sum() == pytest.approx(10.0, rel=1e-12)  # the tissue takes nothing from plasma


def test_an_exponential_is_right_to_the_digits_of_its_smallest_element() -> None:
    rates = compartment_rates(200.0, 1.0, absorption=(90.0, 0.01))  # 200 and 90 per hour, over 10 h
    found = exponential(rates, 10.0)
    assert found[CENTRAL, CENTRAL] == 0.0 or found[CENTRAL, CENTRAL] == pytest.approx(np.exp(-2000.0), rel=1e-9)
    assert exponential(rates, 0.5)[CENTRAL, CENTRAL] == pytest.approx(np.exp(-100.0), rel=1e-11)
    assert exponential(rates, 0.5)[ORAL, ORAL] == pytest.approx(np.exp(-45.0), rel=1e-11)
    np.testing.assert_allclose(exponential(two(), 0.7), scipy.linalg.expm(two() * 0.7), rtol=1e-12, atol=1e-15)
    np.testing.assert_array_equal(exponential(two(), 0.0), np.eye(len(SITES)))


def test_half_lives_are_those_of_the_slowest_decay() -> None:
    assert half_life(CL, V) == pytest.approx(LN2 * V / CL)
    a, b, _ = macro()
    assert a > b
    assert half_life(CL, V, VP, Q) == pytest.approx(LN2 / b, rel=1e-12)
    late = [advance(two(), at(CENTRAL, 1.0), t)[CENTRAL] for t in (100.0, 100.0 + half_life(CL, V, VP, Q))]
    assert late[1] == pytest.approx(late[0] / 2, rel=1e-9)
