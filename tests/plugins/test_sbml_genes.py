"""The process `sbml` and the world model: genes, knock-outs and doses in, doses out; and what a batch rests on."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from twin_sbml import Sbml
from twin_sbml.program import Program, program_of
from twin_sbml.stepping import step_cells
from twin_signalling import Exposure

from tests.plugins.sbml_texts import BINDING, DECAY, sbml
from twin.conformance import check_process
from twin.conformance.trial import UniformModel, make_scenario, make_view
from twin.errors import RunError
from twin.kernels.blocks import Crew
from twin.process import Add, Rate, Set, View
from twin.scenario.intracellular import Intracellular, with_models
from twin.scenario.schema import Scenario

pytest.importorskip("roadrunner")

HELD = sbml({"X": 1.0}, {"k": 4.0}, [("X", "", "0 * k * X")])  # nothing moves
MAKES = sbml({"X": 0.0}, {"k": 4.0}, [("", "X", "k")])
TYPES = UniformModel().contexts


def scenario_of(text: str, processes: tuple[str, ...] = ("sbml",), **model: Any) -> Scenario:
    whole = {"file": "m.xml", "cell_types": list(TYPES), **model}
    written = make_scenario(intracellular={"m": whole}, processes={name: {} for name in processes})
    scenario, faults = with_models(written, lambda name: text)
    assert scenario is not None, faults
    return scenario


def viewed(scenario: Scenario, **more: Any) -> View:
    """A view whose cells have the columns of the process as they are at the start."""
    n = len(more.get("types", (0, 0, 1, 1, 2, 2)))
    own = {c.name: np.full(n, c.initial) for c in Sbml.columns_for(Sbml.Config(), scenario)}
    return make_view(scenario, **{**more, "extra": {**own, **more.get("extra", {})}})


def stepped(view: View, dt: float = 0.5) -> dict[str, NDArray[np.float64]]:
    """What a step gives, by port."""
    process = Sbml.made_for(Sbml.Config(), view.scenario)
    return {u.port.name: u.value for u in process.step(view, dt) if isinstance(u, Set | Rate | Add)}


def test_it_keeps_the_contract_with_and_without_models() -> None:
    assert check_process(Sbml) == []
    scenario = scenario_of(
        BINDING,
        inputs={"L": "field:IFNB1", "on": {"signal": "gene:IFNAR1", "factor": True}, "cell": "volume"},
        concentration_unit="nM",
        spread={"off": 0.3, "R": 0.2},
        knock_out={"ISG15": ["C", "on"]},
        outputs={"release": {"IFNB1": {"of": "C", "per_unit": "10 molecules/h"}}, "columns": ["L"]},
    )
    assert check_process(Sbml, scenario=scenario) == []


def test_a_gene_gives_a_parameter_its_expected_rate() -> None:
    model = UniformModel(rates={("T cell", "CD3D"): 3.0, ("Monocyte", "CD3D"): 0.5})
    scenario = scenario_of(MAKES, inputs={"k": {"signal": "gene:CD3D", "times": 2.0}})
    x = stepped(viewed(scenario, model=model))["sbml_m_X"]
    np.testing.assert_allclose(x[:4], [3.0, 3.0, 0.5, 0.5], rtol=1e-6)  # 2 × rate × 0.5 h


def test_a_gene_as_a_factor_counts_over_the_mean_of_the_type() -> None:
    """The uniform model expects the type's mean of every cell: the factor is 1, and a clamp's share below it."""
    scenario = scenario_of(MAKES, inputs={"k": {"signal": "gene:CD3D", "factor": True}})
    x = stepped(viewed(scenario, clamp={(1, 4): 0.25}))["sbml_m_X"]
    np.testing.assert_allclose(x, [2.0, 0.5, 2.0, 2.0, 2.0, 2.0], rtol=1e-6)


def test_a_clamp_is_heard() -> None:
    scenario = scenario_of(MAKES, inputs={"k": {"signal": "clamp:CD3D", "factor": True, "times": 0.5}})
    x = stepped(viewed(scenario, clamp={(1, 4): 0.0}))["sbml_m_X"]
    np.testing.assert_allclose(x, [1.0, 0.0, 1.0, 1.0, 1.0, 1.0], rtol=1e-6)


def test_a_column_and_a_dose_are_heard() -> None:
    scenario = scenario_of(MAKES, inputs={"k": {"signal": "column:radius", "times": 0.5}})
    np.testing.assert_allclose(stepped(viewed(scenario))["sbml_m_X"], 0.5 * 4.0 * 0.5, rtol=1e-6)
    scenario = scenario_of(MAKES, inputs={"k": "dose:TNF"}, concentration_unit="pM")
    dose = np.zeros((6, 2))
    dose[2, 1] = 0.003  # nM
    np.testing.assert_allclose(stepped(viewed(scenario, dose=dose))["sbml_m_X"], [0, 0, 1.5, 0, 0, 0], rtol=1e-6)


def test_a_knock_out_takes_species_once_and_parameters_for_good() -> None:
    scenario = scenario_of(MAKES, initial={"X": 8.0}, knock_out={"CD3D": ["X", "k"]})
    first = stepped(viewed(scenario, clamp={(0, 4): 0.25}))
    np.testing.assert_allclose(first["sbml_m_X"][:2], [8 * 0.25 + 0.5, 10.0], rtol=1e-6)
    again = stepped(viewed(scenario, clamp={(0, 4): 0.25}, extra=first))
    np.testing.assert_allclose(again["sbml_m_X"][:2], [8 * 0.25 + 1.0, 12.0], rtol=1e-6)
    deeper = stepped(viewed(scenario, clamp={(0, 4): 0.0}, extra=again))
    assert deeper["sbml_m_X"][0] == 0.0


def test_a_model_gives_a_dose_that_is_felt() -> None:
    scenario = scenario_of(
        HELD,
        ("sbml", "exposure"),
        outputs={"doses": {"IFNB1": {"of": "k", "per_unit": "10 nM"}}},
        cell_types=["T cell"],
    )
    view = viewed(scenario)
    given = stepped(view)["model_dose_IFNB1"]
    np.testing.assert_array_equal(given, [40.0, 40.0, 0, 0, 0, 0])
    felt = make_view(scenario, extra={}, rates={"model_dose_IFNB1": given})
    exposed = Exposure.made_for(Exposure.Config(), scenario).step(felt, 0.5)
    dose, since = (u.value for u in exposed if isinstance(u, Set))
    np.testing.assert_array_equal(dose[:, 0], given)
    np.testing.assert_array_equal(dose[:, 1], 0.0)
    np.testing.assert_array_equal(np.isnan(since[:, 0]), given == 0)


def batch(text: str, **model: Any) -> Program:
    document = Intracellular(file="m.xml", cell_types=("a",), **model).model_copy(update={"text": text})
    program = program_of("m", document)
    assert program is not None
    return program


STIFF = sbml(
    {"A": 1.0, "B": 0.0, "C": 0.0},
    {"f": 1.0},
    [("A", "B", "0.04 * f * A"), ("B + B", "C + B", "3e7 * B * B"), ("B + C", "A + C", "1e4 * B * C")],
)


def test_a_cell_depends_on_its_own_row_alone_bit_for_bit() -> None:
    """Robertson's stiff kinetics: whoever was stepped before, on however many threads, and whoever is alike."""
    program = batch(STIFF, inputs={"f": "column:x"})
    random = np.random.default_rng(0)
    states = np.array([1.0, 0.0, 0.0]) + random.random((300, 3)) * [0.5, 1e-5, 0.3]
    factors, ids = 0.5 + random.random((300, 1)), np.arange(300, dtype=np.uint64)
    alone = step_cells(program, factors, states, ids, 0.0, 0.5, Crew(1)).states
    order = random.permutation(300)
    twice = np.concatenate([order, order[:40]])
    with Crew(2) as two:
        mixed = step_cells(program, factors[twice], states[twice], ids[twice], 7.5, 0.5, two).states
    np.testing.assert_array_equal(mixed, alone[twice])
    np.testing.assert_allclose(alone.sum(axis=1), states.sum(axis=1), rtol=1e-12)


def test_what_the_solver_cannot_do_is_told_with_the_cell() -> None:
    bursts = batch(sbml({"X": 1.0}, {"k": 1.0}, [("", "X", "k * X * X")]))  # 1/(1 − t): nothing after an hour
    states = np.array([[0.1], [1.0]])
    with pytest.raises(RunError, match=r"intracellular.m: cell 8 at 3 h: m.xml cannot be integrated"):
        step_cells(bursts, np.zeros((2, 0)), states, np.array([7, 8], np.uint64), 3.0, 2.0, Crew(1))


def test_no_cells_are_no_work() -> None:
    done = step_cells(batch(DECAY), np.zeros((0, 0)), np.zeros((0, 1)), np.zeros(0, np.uint64), 0.0, 1.0, Crew(1))
    assert done.states.shape == (0, 1)


def test_a_model_that_takes_more_than_there_is_stops_the_run() -> None:
    takes = sbml({"L": 0.0}, {"k": 100.0}, [("L", "", "k")])
    scenario = scenario_of(takes, exchange={"L": {"substance": "IFNB1"}}, concentration_unit="nM")
    with pytest.raises(RunError, match=r"IFNB1 around a cell comes to -49 nM at 0 h: L of m.xml is taken where there"):
        stepped(viewed(scenario, concentration=1.0))
