"""The process `pharmacokinetics`: doses of a timeline through the body to the field, exactly; and what is refused."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from twin_dosing import Pharmacokinetics
from twin_dosing.pending import PLACES

from twin.conformance.trial import UniformModel, make_scenario, make_view
from twin.kernels.pharmacokinetics import LN2, SITES
from twin.process import CONCENTRATION, SINK, SOURCE, Add, At, Keep, Rate
from twin.scenario.schema import Scenario

DRUG: dict[str, Any] = {
    "molar_mass": "400 Da",
    "fraction_unbound": 0.25,
    "clearance": "10 L/h",
    "volume": "40 L",
    "oral": {"bioavailability": 0.5, "absorption": "1.2 /h"},
}
KE, KA, V, FU = 10.0 / 40.0, 1.2, 40.0, 0.25
DOSE = {"do": "dose", "drug": "drug", "amount": "40 mg", "route": "bolus", "at": "1 h"}  # 100 µmol
NMOL = 100_000.0
PROCESSES: dict[str, Any] = {"pharmacokinetics": {}}


def scene(*timeline: dict[str, Any], drug: dict[str, Any] | None = None, **sections: Any) -> Scenario:
    substances = {"drug": {"diffusivity": "250 um^2/s"}}
    given = DRUG | (drug or {})
    return make_scenario(
        **{"drugs": {"drug": given}, "substances": substances, "processes": PROCESSES, "timeline": list(timeline)}
        | sections
    )


class Body:
    """One compartment, taken on tick by tick by this process alone."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.process = Pharmacokinetics.made_for(Pharmacokinetics.Config(), scenario)
        self.stores = {store.name: store.fresh() for store in self.process.stores}
        self.field = np.zeros_like(make_view(scenario)["concentration"])
        self.tick = 0

    def go(self, until: float, released: frozenset[int] = frozenset()) -> "Body":
        """Go on to a time (h)."""
        while self.tick * self.scenario.tick < until - 1e-9:
            view = make_view(self.scenario, tick=self.tick, concentration=self.field)
            view = replace(view, stores={k: v.copy() for k, v in self.stores.items()}, released=released)
            assert isinstance(self.process, Pharmacokinetics)
            for update in self.process.step_body({view.compartment: view}, self.scenario.tick):
                if isinstance(update, Keep):
                    self.stores[update.store] = update.value
                else:
                    assert isinstance(update, At)
                    assert isinstance(update.update, Add)
                    assert update.update.port == CONCENTRATION
                    self.field = self.field + update.update.value
            self.tick += 1
        return self

    @property
    def plasma(self) -> float:
        return float(self.stores["plasma"][0])

    def amount(self, site: str) -> float:
        return float(self.stores["drug_amount"][0, [*SITES, "not yet in the body"].index(site)])


def bolus(t: float) -> float:
    """Total drug in plasma, nM, t hours after a dose into the vein."""
    return float(NMOL / V * np.exp(-KE * t)) if t >= 0 else 0.0


def tablet(t: float) -> float:
    if t <= 0:
        return 0.0
    return float(0.5 * NMOL / V * KA / (KA - KE) * (np.exp(-KE * t) - np.exp(-KA * t)))


def drip(t: float, length: float) -> float:
    if t <= 0:
        return 0.0
    return float(NMOL / length / V / KE * (1 - np.exp(-KE * min(t, length))) * np.exp(-KE * max(t - length, 0.0)))


@pytest.mark.parametrize("tick", ["0.5 h", "0.1 h", "1 h"])
def test_levels_in_plasma_are_the_analytic_ones_at_any_tick(tick: str) -> None:
    courses: tuple[tuple[dict[str, Any], Callable[[float], float]], ...] = (
        (DOSE, lambda t: bolus(t - 1)),
        (DOSE | {"route": "oral"}, lambda t: tablet(t - 1)),
        (DOSE | {"route": "infusion", "duration": "70 min"}, lambda t: drip(t - 1, 7 / 6)),  # ends inside of a tick
    )
    for event, course in courses:
        body = Body(scene(event, tick=tick))
        assert body.go(1.0).plasma == 0.0  # it is given when the tick begins that starts here
        for hour in (2.0, 3.0, 9.0):
            assert body.go(hour).plasma == pytest.approx(course(hour), rel=1e-10), event


def test_a_lag_of_part_of_a_tick_is_exact() -> None:
    lag = {"oral": {"bioavailability": 0.5, "absorption": "1.2 /h", "lag": "50 min"}}
    body = Body(scene(DOSE | {"route": "oral"}, drug=lag))
    assert body.go(1.5).plasma == 0.0
    assert body.amount("not yet in the body") == pytest.approx(NMOL)
    assert body.go(2.0).plasma == pytest.approx(tablet(1 - 5 / 6), rel=1e-9)
    assert body.go(7.0).plasma == pytest.approx(tablet(6 - 5 / 6), rel=1e-10)
    assert body.amount("not yet in the body") == 0.0


def test_repeated_doses_are_the_sum_of_single_ones_whatever_their_routes() -> None:
    first = DOSE | {"route": "oral", "every": "4 h", "until": "9 h"}
    second = DOSE | {"route": "infusion", "duration": "3.3 h", "at": "2 h", "every": "1 h", "until": "5 h"}  # overlap
    together = Body(scene(first, second)).go(10.0)
    assert together.plasma == pytest.approx(
        sum(tablet(10.0 - t) for t in (1, 5, 9)) + sum(drip(10.0 - t, 3.3) for t in (2, 3, 4, 5)), rel=1e-10
    )
    apart = [Body(scene(event)).go(10.0).plasma for event in (first, second)]
    assert together.plasma == pytest.approx(sum(apart), rel=1e-12)


def test_what_was_given_is_somewhere_at_every_tick() -> None:
    lag = {"bioavailability": 0.4, "absorption": "0.7 /h", "lag": "47 min"}
    second = {"volume": "90 L", "flow": "13 L/h"}
    doses = [
        DOSE | {"route": "oral", "every": "2 h"},
        DOSE | {"route": "infusion", "duration": "3.2 h", "every": "2.5 h"},
        DOSE | {"route": "subcutaneous", "at": "4 h"},
        DOSE,
    ]
    body = Body(scene(*doses, drug={"oral": lag, "subcutaneous": lag, "peripheral": second}))
    for hour in np.arange(0.5, 24.01, 0.5):
        body.go(float(hour))
        given = float(body.stores["drug_given"][0])
        assert body.stores["drug_amount"].sum() == pytest.approx(given, rel=1e-10)
        assert (body.stores["drug_amount"] >= 0).all()
    assert given == pytest.approx(NMOL * (12 + 10 + 1 + 1))
    everywhere = [site for site in SITES if body.amount(site) > 0.01 * given]
    assert set(SITES) - set(everywhere) <= {"subcutaneous depot"}


def test_the_field_relaxes_to_free_drug_along_the_course_of_plasma() -> None:
    """dc/dt = r (fu C − c) after a bolus: fu C₀ r/(r − k) (e^(−k t) − e^(−r t)), to the tick and whatever it is."""
    r = LN2 / 0.5
    for tick in ("0.5 h", "0.1 h"):
        body = Body(scene(DOSE, tick=tick, drug={"equilibration": "30 min", "partition": 2.0}))
        for hour in (1.5, 3.0, 8.0):
            t = hour - 1.0
            wanted = 2 * FU * NMOL / V * r / (r - KE) * (np.exp(-KE * t) - np.exp(-r * t))
            np.testing.assert_allclose(body.go(hour).field, wanted, rtol=1e-10)
    assert float(body.stores["plasma_free"][0]) == pytest.approx(FU * body.plasma)


def test_a_tissue_of_partition_zero_has_nothing_to_do_with_plasma() -> None:
    body = Body(scene(DOSE, drug={"partition": {"node": 0.0}}))
    body.field += 3.0
    np.testing.assert_array_equal(body.go(6.0).field, 3.0)
    assert body.plasma > 0


SLAB = {
    "slab": {
        "box": ["200 um", "40 um", "200 um"],
        "cells": {"source": "vessel_slab", "cells": {"T cell": 1.0}, "endothelium": {"Monocyte": 1.0}},
    }
}


def test_vessels_here_and_there_are_sources_and_sinks_of_diffusion() -> None:
    """A held source s and sink k come to s/k = partition × free drug; the mean in a tick is an integral of plasma."""
    scenario = scene(DOSE, compartments=SLAB, processes={**PROCESSES, "diffusion": {}}, drug={"partition": 2.0})
    process = Pharmacokinetics.made_for(Pharmacokinetics.Config(), scenario)
    assert isinstance(process, Pharmacokinetics)
    assert {SOURCE, SINK} <= set(process.writes)
    view = make_view(scenario, tick=2)
    view = replace(view, stores={store.name: store.fresh() for store in process.stores})
    given = [u.update for u in process.step_body({"slab": view}, 0.5) if isinstance(u, At)]
    added = next(u.value for u in given if isinstance(u, Add))
    rates = {u.port: u.value[0] for u in given if isinstance(u, Rate)}
    assert not added.any()
    there = rates[SINK] > 0
    assert 0 < there.mean() < 0.5
    assert set(rates[SINK][there]) == {LN2 / 0.1}
    mean = FU * NMOL / V * (1 - np.exp(-KE * 0.5)) / (KE * 0.5)
    np.testing.assert_allclose(rates[SOURCE][there] / rates[SINK][there], 2.0 * mean, rtol=1e-10)
    assert not rates[SOURCE][~there].any()


def test_vessels_need_diffusion() -> None:
    (fault,) = faults(DOSE, compartments=SLAB)
    assert fault == "what leaves the vessels of slab does not spread: add diffusion to the processes"


def test_at_steady_state_tissue_is_at_the_free_level() -> None:
    body = Body(scene(DOSE | {"route": "infusion", "duration": "1 h", "at": "0 h", "every": "1 h"}, duration="96 h"))
    body.go(96.0)
    assert body.plasma == pytest.approx(NMOL / 10.0, rel=1e-8)  # dose rate over clearance
    np.testing.assert_allclose(body.field, FU * NMOL / 10.0, rtol=1e-8)


def test_doses_by_weight_surface_and_activity_become_the_same_amount() -> None:
    subject = {"body_weight": "80 kg", "body_surface": "2 m^2"}
    for amount in ("40 mg", "0.5 mg/kg", "20 mg/m^2", "4 MU", "100 umol", "1.25 umol/kg"):
        scenario = scene(DOSE | {"amount": amount}, drug={"specific_activity": "1e5 U/mg"}, subject=subject)
        assert Body(scenario).go(2.0).plasma == pytest.approx(bolus(1.0), rel=1e-10), amount
    heavy = {"clearance": "0.125 L/h/kg", "volume": "0.5 L/kg"}
    assert Body(scene(DOSE, drug=heavy, subject=subject)).go(3.0).plasma == pytest.approx(bolus(2.0), rel=1e-10)


def test_a_dose_that_waits_for_something_is_given_when_it_is_let() -> None:
    waiting = {key: value for key, value in DOSE.items() if key != "at"}
    body = Body(scene(waiting | {"when": {"condition": "field(drug) < 1 nM", "again": "while", "refractory": "1 h"}}))
    assert body.go(2.0).plasma == 0.0
    body.go(2.5, released=frozenset({0})).go(6.0)
    assert body.plasma == pytest.approx(bolus(4.0), rel=1e-10)


def test_drug_that_goes_into_a_pool_has_it_for_its_plasma() -> None:
    pool = {"blood": {"volume": "5 L"}}
    body = Body(scene(DOSE | {"route": "oral"}, drug={"into": "blood"}, compartments=pool))
    assert body.field.shape == (1, 1, 1, 1)
    body.go(4.0)
    ke = 10.0 / 5.0
    wanted = 0.5 * NMOL / 5.0 * KA / (KA - ke) * (np.exp(-ke * 3) - np.exp(-KA * 3))
    assert float(body.field.item()) == pytest.approx(wanted, rel=1e-10)
    assert body.plasma == pytest.approx(wanted, rel=1e-10)
    body.field = body.field * 0.5  # what flows away between two ticks is gone from plasma
    before = body.plasma
    assert body.go(4.5).plasma < 0.6 * before
    absorbed = body.stores["drug_amount"][0].sum()
    assert absorbed == pytest.approx(NMOL - 0.5 * before * 5.0, rel=1e-10)


def test_a_pool_keeps_every_molecule() -> None:
    pool = {"blood": {"volume": "5 L"}}
    body = Body(scene(DOSE | {"every": "2 h"}, drug={"into": "blood"}, compartments=pool)).go(24.0)
    held = float(body.field.item()) * 5.0
    gone = sum(body.amount(site) for site in SITES if site != "central")
    assert held + gone == pytest.approx(float(body.stores["drug_given"][0]), rel=1e-10)


def test_where_organs_clear_a_drug_plasma_does_not() -> None:
    pool = {"blood": {"volume": "5 L"}, "kidney": {"volume": "1 L"}}
    organs = {"clearance": {"drug": {"kidney": "6 L/h"}}}
    body = Body(scene(DOSE, drug={"into": "blood"}, compartments=pool, organs=organs)).go(5.0)
    assert float(body.field.item()) == pytest.approx(NMOL / 5.0, rel=1e-12)
    assert body.amount("eliminated") == 0.0
    (fault,) = faults(DOSE, compartments=pool, organs=organs)
    assert fault.startswith("drugs.drug.into: organs clear drug, which comes to them from blood")


def test_without_drugs_it_does_nothing() -> None:
    scenario = scene(drugs={})
    view = make_view(scenario)
    process = Pharmacokinetics.made_for(Pharmacokinetics.Config(), scenario)
    assert isinstance(process, Pharmacokinetics)
    assert process.stores == ()
    assert list(process.step_body({view.compartment: view}, 0.5)) == []
    assert faults(drugs={}) == []
    (fault,) = faults(DOSE, drugs={})
    assert fault.startswith("timeline[0].drug: no drug is called 'drug'")


def test_too_many_doses_under_way_are_told() -> None:
    often = DOSE | {"route": "infusion", "duration": "100 h", "every": "0.5 h"}
    body = Body(scene(often, duration="48 h"))
    with pytest.raises(ValueError, match=f"65 doses of drug are under way at a time; at most {PLACES} can be"):
        body.go(48.0)


def faults(*timeline: dict[str, Any], **sections: Any) -> list[str]:
    return Pharmacokinetics.check(Pharmacokinetics.Config(), scene(*timeline, **sections), UniformModel())


DOSES: Sequence[tuple[dict[str, Any], str]] = (
    (DOSE | {"drug": "drog"}, "timeline[0].drug: no drug is called 'drog'; did you mean drug?"),
    (DOSE | {"route": "subcutaneous"}, "timeline[0].route: how drug is absorbed is not known: add subcutaneous:"),
    (DOSE | {"amount": "1 mg/kg"}, "timeline[0].amount: '1 mg/kg' needs the weight of the body: add subject"),
    (DOSE | {"amount": "1 mg/m^2"}, "timeline[0].amount: '1 mg/m^2' needs the surface of the body: add body_surface"),
    (DOSE | {"amount": "1 MU"}, "timeline[0].amount: '1 MU' needs the specific activity of drug"),
    (DOSE | {"at": "1.2 h"}, "timeline[0].at: 1.2 h is no multiple of the tick 0.5 h; 1 or 1.5 h is"),
    (DOSE | {"at": "24 h"}, "timeline[0].at: 24 h never comes: the run ends at 24 h"),
)


@pytest.mark.parametrize(("event", "message"), DOSES)
def test_a_dose_that_cannot_be_given_is_told_at_its_place(event: dict[str, Any], message: str) -> None:
    (fault,) = faults(event)
    assert fault.startswith(message)


def test_a_good_scenario_has_no_faults() -> None:
    assert faults(DOSE, DOSE | {"route": "oral"}) == []


DRUGS: Sequence[tuple[dict[str, Any], dict[str, Any], str]] = (
    ({"substance": "drog"}, {}, "drugs.drug.substance: no substance is called 'drog'; did you mean drug?"),
    ({"clearance": "0.1 L/h/kg"}, {}, "drugs.drug.clearance: '0.1 L/h/kg' needs the weight of the body: add subject"),
    ({"into": "blud"}, {}, "drugs.drug.into: no compartment is called 'blud'"),
    ({"into": "node"}, {}, "drugs.drug.into: node is a tissue; plasma is a well-mixed compartment"),
    ({"partition": {"nodes": 2.0}}, {}, "drugs.drug.partition: no compartment is called 'nodes'; did you mean node?"),
    (
        {"oral": {"bioavailability": 1, "absorption": "0 /h"}},
        {},
        "drugs.drug.oral.absorption: at 0 /h no drug ever comes into plasma",
    ),
    (
        {"from_table": "dexamethasone"},
        {"subject": {"species": "mouse", "body_weight": "25 g"}},
        "drugs.drug.from_table: the table knows dexamethasone in human, not in mouse",
    ),
)


@pytest.mark.parametrize(("drug", "sections", "message"), DRUGS)
def test_a_drug_that_cannot_be_is_told_at_its_place(
    drug: dict[str, Any], sections: dict[str, Any], message: str
) -> None:
    (fault,) = faults(drug=drug, **sections)
    assert fault.startswith(message)


def test_a_drug_of_apparent_numbers_is_not_given_into_the_vein() -> None:
    (fault,) = faults(DOSE, drug={"apparent": True})
    assert fault.startswith("timeline[0].route: clearance and volume of drug are apparent")
    assert faults(DOSE | {"route": "oral"}, drug={"apparent": True}) == []


def test_two_drugs_are_not_one_substance() -> None:
    found = faults(drugs={"one": DRUG | {"substance": "drug"}, "drug": DRUG})
    assert len(found) == 2
    assert "one is drug too" in found[1]


def test_the_record_says_every_number_with_its_source() -> None:
    drugs = {"drug": {"from_table": "dexamethasone", "fraction_unbound": 0.2, "partition": 0.5}}
    scenario = scene(drugs=drugs, subject={"body_weight": "35 kg"})
    told = Pharmacokinetics(Pharmacokinetics.Config()).assumptions(scenario, UniformModel())
    assert "clearance 7.75 L/h" in told[0]  # half of an adult's 15.5
    assert "recalled: Goodman and Gilman" in told[0]
    assert "fraction unbound 0.2 (of the scenario)" in told[0]
    assert "free concentration in plasma × 0.5 with a half-time of 6 min" in told[1]
    assert "recalled: from general knowledge" in told[2]
    own = Pharmacokinetics(Pharmacokinetics.Config()).assumptions(scene(), UniformModel())
    assert "recalled" not in " ".join(own)
