"""The gate through which quantities come in."""

import math
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from twin import units
from twin.units import Concentration, concentration, quantity, round12


def read(kind: Any, text: object) -> float:
    value: float = TypeAdapter(kind).validate_python(text)
    return value


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (units.Hours, "6 h", 6.0),
        (units.Hours, "90 min", 1.5),
        (units.Hours, "2d", 48.0),
        (units.Hours, "1 week", 168.0),
        (units.Hours, "0 h", 0.0),
        (units.Micrometres, "0.5 mm", 500.0),
        (units.Micrometres, "10 µm", 10.0),
        (units.Position, "-5 um", -5.0),
        (units.Diffusivity, "30 um^2/s", 108_000.0),
        (units.Diffusivity, "30 µm**2 / s", 108_000.0),
        (units.PerHour, "0.1 /h", 0.1),
        (units.PerHour, "0.1/h", 0.1),
        (units.PerHour, "1 min^-1", 60.0),
        (units.Clearance, "1e4 um^3/h", 10_000.0),
        (units.SecretionRate, "602214.076 molecules/h", 1.0),
        (units.SecretionRate, "1 fmol/h", 1000.0),
        (units.MolarMass, "20 kDa", 20_000.0),
        (units.SpecificActivity, "2.5e8 U/mg", 2.5e8),
        (units.SpecificActivity, "250 MIU/mg", 2.5e8),
    ],
)
def test_a_quantity_comes_in_in_the_inner_unit(kind: Any, text: str, value: float) -> None:
    assert read(kind, text) == value


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (units.Hours, 6),
        (units.Hours, 6.0),
        (units.Hours, "6"),
        (units.Hours, "6 mm"),
        (units.Hours, "h"),
        (units.Hours, ""),
        (units.Hours, None),
        (units.Hours, True),
        (units.Hours, "6 h; 7 h"),
        (units.Hours, "12:30"),
        (units.Hours, "nan h"),
        (units.Hours, "3 /"),
        (units.Hours, "3 h/"),
        (units.Hours, "3 h**99999"),
        (units.Hours, "3 (h)"),
        (units.Hours, "-1 h"),
        (units.PositiveHours, "0 h"),
        (units.Micrometres, "0 um"),
        (units.PerHour, "3 h"),
        (units.SpecificActivity, "2 g/U"),
    ],
)
def test_what_is_no_such_quantity_is_refused_and_told_what_would_do(kind: Any, text: object) -> None:
    with pytest.raises(ValidationError) as caught:
        read(kind, text)
    message = caught.value.errors()[0]["msg"]
    assert "write a number and a unit, like '" in message or "is below what is possible" in message


@given(st.text(max_size=30) | st.from_regex(r"\d{1,3} ?[a-zA-Zµ/*^ ().-]{0,12}\d?", fullmatch=True))
@example("1 /h/h")
@example("3 //")
@example("0A^٠")
@example("1 h^٢")
@example("1e999 h")
def test_any_text_is_a_number_or_a_refusal(text: str) -> None:
    for unit in ("hour", "1 / hour", "micrometer ** 2 / hour"):
        try:
            number = quantity(text, unit, "a thing", "1 h")
        except ValueError:
            continue  # any other exception is a failure
        assert math.isfinite(number)


@given(st.floats(1e-6, 1e6), st.sampled_from([("h", "min", 60.0), ("um", "mm", 1e-3), ("nM", "uM", 1e-3)]))
def test_two_spellings_of_one_quantity_are_one_number(value: float, pair: tuple[str, str, float]) -> None:
    fine, coarse, factor = pair
    unit = {"h": "hour", "um": "micrometer", "nM": "nanomolar"}[fine]
    first = quantity(f"{value!r} {fine}", unit, "it", "1 h")
    second = quantity(f"{value * factor!r} {coarse}", unit, "it", "1 h")
    assert first == pytest.approx(second, rel=1e-11)
    assert first == round12(value)


def test_a_spelling_that_floating_point_would_bend_is_straightened() -> None:
    assert concentration("0.01 ug/mL").value == concentration("10 ng/mL").value == 10.0


@pytest.mark.parametrize(
    ("text", "kind", "nanomolar"),
    [("1 nM", "molar", 1.0), ("10 ng/mL", "mass", 0.5), ("100 U/mL", "activity", 0.02), ("2 pmol/L", "molar", 0.002)],
)
def test_a_concentration_of_any_kind_is_turned_into_nanomolar(text: str, kind: str, nanomolar: float) -> None:
    found = concentration(text)
    assert found.kind == kind
    assert found.to_nanomolar(20_000.0, 2.5e8) == pytest.approx(nanomolar, rel=1e-12)


def test_molar_needs_nothing_mass_the_molar_mass_activity_the_specific_activity_too() -> None:
    assert concentration("1 nM").to_nanomolar(None, None) == 1.0
    with pytest.raises(ValueError, match="needs the molar mass of IFNB: add molar_mass"):
        concentration("1 ng/mL").to_nanomolar(None, 1.0, "IFNB")
    with pytest.raises(ValueError, match="needs the specific activity of IFNB: add specific_activity"):
        concentration("1 U/mL").to_nanomolar(20_000.0, None, "IFNB")


@pytest.mark.parametrize("text", [1.0, "1", "1 h", "-1 nM", "1 nM nM", None])
def test_no_concentration_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="concentration"):
        concentration(text)


def test_a_parsed_concentration_is_taken_as_it_is() -> None:
    given_one = Concentration(1.0, "molar", "1 nM")
    assert concentration(given_one) is given_one


def test_constants_agree_with_avogadro() -> None:
    avogadro = 6.02214076e23  # 1/mol, exact by definition
    assert math.isclose(units.MOLECULES_PER_AMOL, avogadro * 1e-18, rel_tol=1e-12)
    assert math.isclose(units.MOLECULES_PER_NM_UM3, avogadro * 1e-9 * 1e-15, rel_tol=1e-12)
