"""Two branches of a run against each other, and what replicates of one donor are worth."""

import numpy as np
import pytest

from tests.viz.plots.stores import DOSES, END, response
from twin.analysis.contrasts import Contrast, by_donor, contrasts_of, independent, readouts_in, sides_of
from twin.errors import InputError
from twin.results import Run, open_run

AT = {"dose": DOSES[3]}
BOTH = ("treated", "trunk")


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A trunk and a branch at four doses, three replicates, whose response is planted."""
    from tests.viz.plots.stores import doses_store

    return open_run(doses_store(tmp_path_factory.mktemp("contrasts") / "run"))


def test_a_readout_is_taken_replicate_by_replicate_and_type_by_type(planted: Run) -> None:
    found = contrasts_of(planted, ["response_by_type"], BOTH, point=AT)
    assert [one.name for one in found] == ["response_by_type:B cell", "response_by_type:monocyte"]
    for one in found:
        assert one.time == END
        assert len(one.first) == planted.replicates
        np.testing.assert_allclose(one.first - one.second, response(DOSES[3]), atol=0.06)
    (gene,) = contrasts_of(planted, ["GENE0:monocyte"], BOTH, "2 h", AT)
    assert gene.units == "counts per 10,000"
    (field,) = contrasts_of(planted, ["field_mean"], BOTH, 1.0, AT)
    assert field.first[0] == pytest.approx(response(DOSES[3]))
    assert readouts_in(planted, (), ("monocyte",)) == ["response_by_type:monocyte"]


def test_which_branches_are_compared() -> None:
    assert sides_of(("trunk", "treated"), None) == BOTH
    assert sides_of(("trunk", "treated"), "treated") == BOTH
    assert sides_of(("trunk", "a", "b"), "b:a") == ("b", "a")
    with pytest.raises(InputError, match="the scenario has no branches"):
        sides_of(("trunk",), None)
    with pytest.raises(InputError, match="say which with --contrast, like a:trunk"):
        sides_of(("trunk", "a", "b"), None)
    with pytest.raises(InputError, match="no branch is called 'treted'; did you mean treated"):
        sides_of(("trunk", "treated"), "treted:trunk")
    with pytest.raises(InputError, match="both sides are treated"):
        sides_of(("trunk", "treated"), "treated:treated")


def test_what_is_not_there_is_told(planted: Run) -> None:
    with pytest.raises(InputError, match="no readout is called 'respons_by_type'; did you mean response_by_type"):
        contrasts_of(planted, ["respons_by_type"], BOTH, point=AT)
    with pytest.raises(InputError, match="no part of response_by_type:monocytes is called 'monocytes'"):
        contrasts_of(planted, ["response_by_type:monocytes"], BOTH, point=AT)
    with pytest.raises(InputError, match="gene_mean is told by gene: say of which, like 'gene_mean:GENE0'"):
        contrasts_of(planted, ["gene_mean"], BOTH, point=AT)
    with pytest.raises(InputError, match="the nearest times are 1 h and 2 h"):
        contrasts_of(planted, ["field_mean"], BOTH, "5 h", AT)
    with pytest.raises(InputError, match="--time: '5 nM' is not a time"):
        contrasts_of(planted, ["field_mean"], BOTH, "5 nM", AT)


def test_replicates_of_one_donor_are_one() -> None:
    one = Contrast("n", "1", 0.0, np.array([1.0, 2.0, 5.0]), np.array([0.0, 1.0, 1.0]))
    joined = by_donor(one, ["ann", "bob", "ann"])
    assert joined.first.tolist() == [3.0, 2.0]
    assert joined.second.tolist() == [0.5, 1.0]


def test_a_run_says_whether_its_replicates_are_donors(planted: Run) -> None:
    one = Contrast("n", "1", 0.0, np.arange(3.0), np.zeros(3))
    rows = [{"replicate": i, "donor": name} for i, name in enumerate(("ann", "bob", "ann"))]

    def told(variation: dict[str, object], table: list[dict[str, object]]) -> tuple[int, str]:
        attrs = {**planted.attrs, "variation": table, "scenario": {**planted.scenario, "variation": variation}}
        run = Run(planted.path, attrs)
        found, whose = independent(run, [one])
        return len(found[0].first), whose

    assert told({}, []) == (3, "replicates that differ by the luck of their cells alone")
    assert told({"donors": {}}, [{**row, "donor": f"D{i}"} for i, row in enumerate(rows)]) == (3, "donors")
    assert told({"donors": {"n": 2}}, rows) == (2, "donors, each the mean of its replicates (3 in all)")
    assert told({"replicate_is": "technical", "donors": {}}, rows)[1].startswith("technical replicates")
