"""Cases of the verification suite: doses through one and two compartments, by whole ticks of the engine."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from twin.verification.case import Case, Row
from twin.verification.tissue import Tissue

CLEARANCE, VOLUME, SECOND, FLOW = 5.0, 20.0, 35.0, 8.0  # L/h, L, L, L/h; ours, as of a small molecule
SHARE, KA, UNBOUND = 0.6, 1.1, 0.25  # bioavailability, 1/h, fraction unbound
LAG, LENGTH = 20.0 / 60.0, 65.0 / 60.0  # h; neither is a multiple of the tick
EQUAL = CLEARANCE / VOLUME  # 1/h; absorption as fast as elimination, the limit of Bateman's function
DOSE = 1e5  # nmol: 40 mg of 400 g/mol
RATE = np.log(2.0) / 0.5  # 1/h; tissue behind plasma
EXACT = 1e-8  # relative
SOURCE = "Gibaldi and Perrier 1982, closed solutions"


def one_compartment() -> Iterator[Row]:
    """Yield levels 6 h after a dose into the vein, a drip that ends inside of a tick, and a tablet with a lag."""
    k = CLEARANCE / VOLUME
    drip = DOSE / LENGTH / CLEARANCE * (1 - np.exp(-k * LENGTH)) * np.exp(-k * (6 - LENGTH))
    t = 6 - LAG
    tablet = SHARE * DOSE / VOLUME * KA / (KA - k) * (np.exp(-k * t) - np.exp(-KA * t))
    yield _row("bolus, nM", DOSE / VOLUME * np.exp(-6 * k), _plasma(6, "bolus"))
    yield _row("infusion of 65 min, nM", drip, _plasma(6, "infusion"))
    yield _row("tablet with a lag of 20 min, nM", tablet, _plasma(6, "oral"))
    limit = SHARE * DOSE / VOLUME * k * t * np.exp(-k * t)
    yield _row("the same where k_a = k_e, nM", limit, _plasma(6, "oral", absorption=EQUAL))


def two_compartments() -> Iterator[Row]:
    """Yield the same of a body with a second compartment."""
    k10, k12, k21 = CLEARANCE / VOLUME, FLOW / VOLUME, FLOW / SECOND
    total = k10 + k12 + k21
    root = np.sqrt(total**2 - 4 * k10 * k21)
    a, b = (total + root) / 2, (total - root) / 2
    parts = ((a, (a - k21) / (a - b)), (b, (k21 - b) / (a - b)))
    t = 6 - LAG
    bolus = sum(w * np.exp(-6 * k) for k, w in parts)
    drip = sum(w / k / LENGTH * (1 - np.exp(-k * LENGTH)) * np.exp(-k * (6 - LENGTH)) for k, w in parts)
    tablet = SHARE * sum(w * KA / (KA - k) * (np.exp(-k * t) - np.exp(-KA * t)) for k, w in parts)
    second = {"volume": f"{SECOND} L", "flow": f"{FLOW} L/h"}
    for what, level, route in (
        ("bolus, nM", bolus, "bolus"),
        ("infusion of 65 min, nM", drip, "infusion"),
        ("tablet with a lag of 20 min, nM", tablet, "oral"),
    ):
        yield _row(what, DOSE / VOLUME * level, _plasma(6, route, peripheral=second))


def schedules() -> Iterator[Row]:
    """Yield the sum of two protocols, the steady state of repeated doses, the balance, and the tissue behind plasma."""
    tablets = {"route": "oral", "every": "4 h"}
    drips = {"route": "infusion", "duration": "65 min", "every": "1 h"}
    both = _body(12, tablets, drips)
    apart = [float(_body(12, one).body.stores["plasma"][0]) for one in (tablets, drips)]
    yield Row("two protocols over their sum", 1.0, float(both.body.stores["plasma"][0]) / sum(apart), 1e-12)
    amounts = float(both.body.stores["drug_amount"].sum()), float(both.body.stores["drug_given"].sum())
    yield Row("drug that is somewhere over drug given", 1.0, amounts[0] / amounts[1], 1e-10)
    k, hours = CLEARANCE / VOLUME, 120
    repeated = _body(hours, {"route": "bolus", "every": "8 h"})
    trough = DOSE / VOLUME * np.exp(-8 * k) / (1 - np.exp(-8 * k)) * (1 - np.exp(-hours * k))
    yield _row("trough of a dose every 8 h, nM", trough, float(repeated.body.stores["plasma"][0]))
    behind = UNBOUND * DOSE / VOLUME * RATE / (RATE - k) * (np.exp(-6 * k) - np.exp(-6 * RATE))
    yield _row("free drug in tissue, 6 h after a bolus, nM", behind, _tissue(6))


def _row(what: str, expected: float, ours: float) -> Row:
    return Row(what, float(expected), ours, EXACT * float(expected))


def _body(hours: int, *doses: dict[str, Any], **drug: Any) -> Tissue:
    """Return a body some hours after the first doses."""
    oral = {"bioavailability": SHARE, "absorption": f"{drug.pop('absorption', KA)} /h", "lag": "20 min"}
    given = {"do": "dose", "drug": "drug", "amount": "40 mg", "at": "0 h"}
    numbers = {"molar_mass": "400 Da", "fraction_unbound": UNBOUND, "equilibration": "30 min", "oral": oral}
    numbers |= {"clearance": f"{CLEARANCE} L/h", "volume": f"{VOLUME} L"}
    tissue = Tissue(
        1,
        {"pharmacokinetics": {}},
        tick="30 min",
        drugs={"drug": numbers | drug},
        substances={"drug": {"diffusivity": "250 um^2/s"}},
        timeline=[given | dose for dose in doses],
    )
    return tissue.run(2 * hours)


def _plasma(hours: int, route: str, **drug: Any) -> float:
    dose = {"route": route} | ({"duration": "65 min"} if route == "infusion" else {})
    return float(_body(hours, dose, **drug).body.stores["plasma"][0])


def _tissue(hours: int) -> float:
    return float(_body(hours, {"route": "bolus"}).home.concentration.mean())


CASES: tuple[Case, ...] = (
    Case("P1", "doses through one compartment, ticks of 30 min", SOURCE, one_compartment),
    Case("P2", "doses through two compartments", SOURCE, two_compartments),
    Case("P3", "schedules: linearity, balance, steady state, tissue", f"{SOURCE}; by derivation", schedules),
)
