"""What was done to a cell is read from its condition, dose and kind."""

import math

import numpy as np
import pytest

from tests.data.made import cells
from twin.data.arms import Agent, Arm, treatments
from twin.data.columns import Columns
from twin.data.counts import CountData, read_counts
from twin.errors import InputError


def read(data: CountData, control: str | None = None) -> tuple[tuple[tuple[Agent, ...], ...], list[int]]:
    found, treatment = treatments(data.obs, Columns(), data.genes, data.source, control)
    return found, treatment.tolist()


def test_each_dose_is_a_treatment_of_its_own_and_dose_zero_is_control() -> None:
    data = cells(5, condition=["control", "drug", "drug", "drug", "drug"], dose=[0, 0, 0.1, 1, 0.1], dose_unit="uM")
    found, treatment = read(data)
    assert [agents[0].label for agents in found] == ["drug 0.1 uM", "drug 1 uM"]
    assert [agents[0].dose for agents in found] == pytest.approx([100.0, 1000.0])
    assert treatment == [-1, -1, 0, 1, 0]


def test_activities_become_nanomolar_where_the_constants_are_known_and_stay_text_where_not() -> None:
    data = cells(3, condition=["control", "IFNB1", "LPS"], dose=[0, 100, 100], dose_unit=["", "U/mL", "ng/mL"])
    (ifnb,), (lps,) = read(data)[0]
    assert ifnb.dose == pytest.approx(0.02)  # 100 U/mL at 2.5e8 U/mg and 20 kDa
    assert math.isnan(lps.dose)
    assert lps.dose_text == "100 ng/mL"


@pytest.mark.parametrize("unit", ["guide", "germline knock-out", "unknown"])
def test_one_guide_or_one_knock_out_is_no_dose(unit: str) -> None:
    ((agent,),) = read(cells(2, condition=["control", "TREM2"], dose=[0, 1], dose_unit=unit))[0]
    assert math.isnan(agent.dose)
    assert agent.dose_text == ""


def test_listed_conditions_carry_their_own_doses() -> None:
    data = cells(3, drugname_drugconc=["[('DMSO_TF', 0.0, 'uM')]", "[('Drug', 0.5, 'uM')]", "[('Drug', 5.0, 'uM')]"])
    del data.obs["condition"]
    found, treatment = read(data)
    assert [(a.name, a.kind, a.dose) for (a,) in found] == [("Drug", "drug", 500.0), ("Drug", "drug", 5000.0)]
    assert treatment == [-1, 0, 1]


def test_doses_of_a_combination_may_be_spelt_one_by_one() -> None:
    (agents,) = read(cells(2, condition=["control", "X+Y"], dose=["0", "1+20"], dose_unit="nM"))[0]
    assert [(a.name, a.dose) for a in agents] == [("X", 1.0), ("Y", 20.0)]


def test_a_control_word_in_a_combination_is_no_agent() -> None:
    found, treatment = read(cells(3, condition=["ctrl+ctrl", "ctrl+MAPK1", "MAPK1"]))
    assert [agents[0].name for agents in found] == ["MAPK1"]
    assert treatment == [-1, 0, 0]


def test_the_order_of_a_combination_does_not_matter() -> None:
    found, treatment = read(cells(3, condition=["control", "B+A", "A+B"], perturbation_type="gene"))
    assert len(found) == 1
    assert treatment == [-1, 0, 0]


def test_the_kind_is_the_files_own_even_in_company() -> None:
    conditions = ["control", "LAT", "LAT+anti-CD3/CD28", "anti-CD3/CD28"]
    data = cells(4, condition=conditions, perturbation_type=["none", "gene", "gene", "cytokine"])
    kinds = {agent.name: agent.kind for agents in read(data)[0] for agent in agents}
    assert kinds == {"LAT": "gene", "anti-CD3/CD28": "cytokine"}


def test_a_kind_that_is_not_told_is_guessed_from_name_gene_axis_and_dose() -> None:
    data = cells(
        5,
        genes=("MAPK1", "X", "Y"),
        condition=["control", "MAPK1", "IFNB1", "aspirin", "IL99"],
        dose=[0, np.nan, np.nan, 5, 5],
        dose_unit=["", "", "", "uM", "ng/mL"],
    )
    kinds = {agents[0].name: agents[0].kind for agents in read(data)[0]}
    assert kinds == {"MAPK1": "gene", "IFNB1": "cytokine", "aspirin": "drug", "IL99": "cytokine"}


def test_a_cell_without_a_condition_is_refused() -> None:
    with pytest.raises(InputError, match="2 cells have no condition"):
        read(cells(3, condition=["control", "unknown", "unknown"]))


def test_arms_are_named_labelled_and_compared_without_nan() -> None:
    pair = Arm((Agent("MAP2K3", "gene"), Agent("IFNB1", "cytokine", 0.02, "100 U/mL")), 6.0)
    assert pair.name == "MAP2K3+IFNB1"
    assert pair.label == "MAP2K3 + IFNB1 100 U/mL, 6 h"
    assert Arm((Agent("LPS", "cytokine"),), 2.0, 1.0).label == "LPS, 2 h (from 1 h)"
    assert Arm((Agent("A", "gene", float("nan")),)).key == Arm((Agent("A", "gene", float("nan")),)).key


def test_the_plate_has_each_drug_at_each_dose(data_folder) -> None:  # type: ignore[no-untyped-def]
    data = read_counts(data_folder / "macseq_ovarian_drug_dose_bulk.h5ad")
    found, treatment = read(data)
    seen = data.obs[data.obs["condition"] != "control"][["condition", "dose"]].drop_duplicates()
    assert len(found) == len(seen)
    assert {(a.name, a.dose) for (a,) in found} == {(str(c), round(1e3 * float(d), 9)) for c, d in seen.to_numpy()}
    assert sum(t < 0 for t in treatment) == 22
