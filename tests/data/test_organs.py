"""The built-in table of organs: complete, sane, and each number with where it comes from; and its circulation."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.data.organs import (
    ARTERIES,
    BLOOD,
    CARDIAC_OUTPUT,
    HAEMATOCRIT,
    LIVER,
    LUNG,
    LYMPH_SHARE,
    NODE,
    SPELT,
    circulation,
    known_organs,
    organ_called,
    volumes_of,
)
from twin.data.substances import how_known

BODIES = tuple(CARDIAC_OUTPUT)
MASS = {"human": 73_000.0, "mouse": 20.0}  # g
ASKED = {"blood", "liver", "gut", "kidney", "lung", "heart", "brain", "muscle", "skin", "spleen", NODE}


@pytest.mark.parametrize("species", BODIES)
def test_the_organs_that_are_asked_for_are_there_with_their_sources(species: str) -> None:
    table = known_organs(species)
    assert set(table) >= ASKED
    for organ in table.values():
        assert organ.volume > 0
        assert how_known(organ.volume_source)
        assert organ.volume_source.split(": ", 1)[1]
        if organ.name not in (BLOOD, ARTERIES):
            assert organ.flow > 0
            assert how_known(organ.flow_source)
    assert "bone marrow" in known_organs("human")
    assert how_known(CARDIAC_OUTPUT[species][1])
    assert set(SPELT.values()) <= set(known_organs("human"))


@pytest.mark.parametrize("species", BODIES)
def test_the_parts_fit_into_the_body(species: str) -> None:
    table = known_organs(species)
    volumes = volumes_of(species, table)
    assert volumes[BLOOD] + volumes[ARTERIES] == pytest.approx(table[BLOOD].volume)
    assert 0.6 * MASS[species] < sum(volumes.values()) < MASS[species]
    output = CARDIAC_OUTPUT[species][0]
    assert 0.65 * output < sum(o.flow for o in table.values() if o.drains_to) < output
    # what a millilitre of tissue gets, as physiology textbooks rank it
    perfusion = {o.name: o.flow / o.volume for o in table.values()}
    assert perfusion["kidney"] > perfusion["brain"] > perfusion["muscle"]


def test_man_has_the_portal_flow_of_the_textbooks() -> None:
    """1.5 L/min go through the liver, three quarters of it from the portal vein (Rowland and Tozer; Lautt 2009)."""
    vessels = circulation("human", known_organs("human"))
    portal = sum(v.flow for v in vessels if v.target == LIVER and v.source in ("gut", "spleen", "stomach", "pancreas"))
    artery = next(v.flow for v in vessels if v.target == LIVER and v.source == ARTERIES)
    assert (portal + artery) / 60_000 == pytest.approx(1.5, rel=0.15)
    assert portal / (portal + artery) == pytest.approx(0.75, abs=0.02)


def test_man_drains_some_litres_of_lymph_a_day() -> None:
    """Afferent lymph is about 8 L a day (Renkin 1986, recalled)."""
    vessels = circulation("human", known_organs("human"))
    assert 4.0 < sum(v.flow for v in vessels if v.kind == "lymph" and v.target == NODE) * 24 / 1000 < 10.0


@given(species=st.sampled_from(BODIES), data=st.data())
def test_every_part_of_the_body_is_balanced(species: str, data: st.DataObject) -> None:
    there = {BLOOD, *data.draw(st.sets(st.sampled_from(sorted(known_organs(species)))))}
    vessels = circulation(species, there)
    assert {name for v in vessels for name in (v.source, v.target)} <= there
    for name in there:
        into = sum(v.flow for v in vessels if v.target == name)
        assert into == pytest.approx(sum(v.flow for v in vessels if v.source == name), rel=1e-12)
        assert (into > 0) == (len(there) > 1)
    seen = [(v.source, v.target, v.kind) for v in vessels]
    assert len(set(seen)) == len(seen)
    assert all(v.flow > 0 and v.source != v.target for v in vessels)


def test_blood_goes_round_through_lung_and_arteries() -> None:
    vessels = circulation("human", {BLOOD, LUNG, ARTERIES, "brain"})
    flows = {(v.source, v.target): v.flow / 1000 for v in vessels}
    assert flows == {
        (BLOOD, LUNG): pytest.approx(390),
        (LUNG, ARTERIES): pytest.approx(390),
        (ARTERIES, "brain"): pytest.approx(46.8),
        ("brain", BLOOD): pytest.approx(46.8),
        (ARTERIES, BLOOD): pytest.approx(343.2),
    }


def test_a_liver_without_a_gut_still_gets_its_portal_blood() -> None:
    full, alone = (
        {(v.source, v.target): v.flow for v in circulation("human", there)}
        for there in ({BLOOD, LIVER, "gut"}, {BLOOD, LIVER})
    )
    assert alone[(BLOOD, LIVER)] == pytest.approx(full[(BLOOD, LIVER)] + full[("gut", LIVER)])
    assert alone[(LIVER, BLOOD)] == pytest.approx(0.255 * 390_000)


def test_lymph_leaves_an_organ_for_the_node_and_the_node_for_the_blood() -> None:
    vessels = circulation("mouse", {BLOOD, "skin", NODE})
    lymph = {(v.source, v.target): v.flow for v in vessels if v.kind == "lymph"}
    share = LYMPH_SHARE * (1 - HAEMATOCRIT) * known_organs("mouse")["skin"].flow
    assert lymph == {("skin", NODE): pytest.approx(share), (NODE, BLOOD): pytest.approx(share)}


def test_organs_are_found_by_any_of_their_names() -> None:
    assert organ_called("Lymph_Nodes", species="mouse") == known_organs("mouse")[NODE]
    assert organ_called("patch", "kidneys", species="human") == known_organs("human")["kidney"]
    assert organ_called("tumour", "tissue", species="human") is None
    for one, other in combinations(known_organs("human"), 2):
        assert organ_called(one, species="human") != organ_called(other, species="human")
