"""The sections `subject` and `drugs`, and quantities of bodies and doses: what is read, filled in and refused."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter, ValidationError

from twin.data.drugs import known_drugs
from twin.scenario.drugs import Drug
from twin.scenario.schema import Substance
from twin.scenario.timeline import Event
from twin.units import BodyFlow, BodyVolume, dose

LITRE = 1e15  # µm³
OWN: dict[str, Any] = {"molar_mass": "400 Da", "fraction_unbound": 0.5, "clearance": "10 L/h", "volume": "0.6 L/kg"}


class Quantities(BaseModel):
    """A volume and a flow of a body."""

    volume: BodyVolume
    flow: BodyFlow


def test_volumes_and_clearances_are_of_the_body_or_of_a_kilogram() -> None:
    whole = Quantities.model_validate({"volume": "42 L", "flow": "175 mL/min"})
    share = Quantities.model_validate({"volume": "0.6 L/kg", "flow": "2.5 mL/min/kg"})
    assert whole.volume.of(None) == share.volume.of(70.0) == 42 * LITRE
    assert whole.flow.of(None) == share.flow.of(70.0) == pytest.approx(10.5 * LITRE)
    with pytest.raises(ValueError, match=r"'0.6 L/kg' needs the weight of the body: add subject"):
        share.volume.of(None)


@pytest.mark.parametrize("text", ["42", "42 kg", "42 L/h", "-1 L", "0 L", "0 L/kg"])
def test_what_is_no_volume_of_a_body_is_refused(text: str) -> None:
    with pytest.raises(ValidationError, match="a volume of a body"):
        Quantities.model_validate({"volume": text, "flow": "1 L/h"})


@pytest.mark.parametrize(
    ("text", "nanomoles"),
    [
        ("40 mg", 100_000.0),
        ("0.5 mg/kg", 87_500.0),
        ("20 mg/m^2", 90_000.0),
        ("100 umol", 100_000.0),
        ("1 umol/kg", 70_000.0),
        ("2 MIU", 50.0),
        ("1e5 U/kg", 175.0),
        ("40000 ug", 100_000.0),
    ],
)
def test_doses_become_nanomoles(text: str, nanomoles: float) -> None:
    assert dose(text).to_nanomoles(400.0, 1e8, 70.0, 1.8) == pytest.approx(nanomoles, rel=1e-12)


@given(value=st.floats(1e-6, 1e6), weight=st.floats(0.01, 200.0))
def test_a_dose_per_kilogram_is_that_of_the_weight(value: float, weight: float) -> None:
    of_weight = dose(f"{value!r} mg/kg").to_nanomoles(400.0, None, weight, None)
    assert of_weight == pytest.approx(dose(f"{value * weight!r} mg").to_nanomoles(400.0, None, None, None), rel=1e-9)


@pytest.mark.parametrize("text", ["40", 40, "5 %", "3 L", "4 mg/L", "0 mg", "-2 mg", "40 mgs", "1 mg/kg/h", "inf mg"])
def test_what_is_no_dose_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="dose"):
        dose(text)


def test_what_a_conversion_needs_is_named() -> None:
    with pytest.raises(ValueError, match=r"needs the weight of the body"):
        dose("1 mg/kg").to_nanomoles(400.0, None, None, 1.8)
    with pytest.raises(ValueError, match=r"needs the surface of the body"):
        dose("1 mg/m^2").to_nanomoles(400.0, None, 70.0, None)
    with pytest.raises(ValueError, match=r"needs the specific activity of aspirin"):
        dose("1 kU").to_nanomoles(400.0, None, 70.0, 1.8, "aspirin")


@pytest.mark.parametrize("name", known_drugs())
def test_every_drug_of_the_table_is_a_drug_of_a_scenario(name: str) -> None:
    known, drug = known_drugs()[name], Drug.model_validate({"from_table": name})
    assert drug.clearance.of(70.0) / LITRE == pytest.approx(known.clearance)
    assert drug.volume.of(70.0) / LITRE == pytest.approx(known.volume)
    assert (drug.peripheral is None) == (known.peripheral is None)
    assert drug.fraction_unbound == known.fraction_unbound
    assert drug.apparent == known.is_apparent
    for route in ("oral", "subcutaneous"):
        mine, its = getattr(drug, route), getattr(known, route)
        assert (mine is None) == (its is None)
        if mine is not None:
            assert (mine.bioavailability, mine.absorption) == (its.bioavailability, its.rate)
    assert set(drug.taken) >= {"molar_mass", "fraction_unbound", "clearance", "volume"}


def test_what_is_written_goes_before_the_table_and_is_not_said_to_be_from_it() -> None:
    written = {"from_table": "dexamethasone", "clearance": "3 L/h", "oral": {"bioavailability": 0.5}}
    drug = Drug.model_validate(written)
    assert drug.oral is not None
    assert (drug.oral.bioavailability, drug.oral.absorption) == (0.5, 1.34)
    assert "clearance" not in drug.taken
    assert "oral bioavailability" not in drug.taken
    assert "oral absorption" in drug.taken
    assert Drug.model_validate(OWN).taken == {}


@pytest.mark.parametrize(
    ("given_drug", "told"),
    [
        ({}, "lacks molar_mass, fraction_unbound, clearance, volume: write them, or from_table"),
        ({"from_table": "imatinb"}, "no drug of the built-in table is called 'imatinb'; did you mean imatinib?"),
        ({k: v for k, v in OWN.items() if k != "volume"}, "lacks volume"),
        (OWN | {"fraction_unbound": 1.2}, "less than or equal to 1"),
        (OWN | {"fraction_unbound": 0}, "greater than 0"),
        (OWN | {"oral": {"bioavailability": 0.5}}, "absorption"),
        (OWN | {"partition": -1.0}, "partition: -1 is below 0"),
        (OWN | {"clearence": "3 L/h"}, "clearence"),
    ],
)
def test_a_drug_that_cannot_be_is_refused(given_drug: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told.replace("(", r"\(")):
        Drug.model_validate(given_drug)


def test_a_drug_gives_its_substance_mass_and_diffusivity() -> None:
    substance = Substance.model_validate({"from_table": "imatinib"})
    assert substance.molar_mass == 493.6
    assert 100 < substance.diffusivity / 3600 < 300
    assert substance.known is not None
    assert substance.taken["molar_mass"] == "recalled: molecular formula"


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"route": "infusion"}, "an infusion has a duration"),
        ({"route": "oral", "duration": "1 h"}, "no other route has one"),
        ({"route": "infusion", "duration": "0.5 s"}, "what is shorter is a bolus"),
        ({"route": "oral", "compartment": "dish"}, "to the whole body"),
        ({"route": "nasal"}, "route"),
    ],
)
def test_a_dose_has_what_its_route_needs(more: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        TypeAdapter(Event).validate_python({"do": "dose", "drug": "x", "amount": "1 mg", "at": "0 h", **more})
