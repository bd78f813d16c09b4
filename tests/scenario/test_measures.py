"""What the words of an observable mean: units are carried along and held to each other, wrong names are told."""

import pytest

from twin.scenario.expression import ExpressionError
from twin.scenario.measures import Known, unit_of, unit_text

KNOWN = Known(
    genes=frozenset({"ISG15", "MX1", "HLA-DRA"}),
    programs=("hypoxia",),
    columns={"damage": "1", "held": "amol", "cycle_phase": "1"},
    substances=("IFNB1",),
    perturbations=frozenset({"IFNB1"}),
    cell_types=frozenset({"tumour", "CD14 Mono"}),
    compartments=("node",),
    quantities={"n": "count()", "ring": "ring2", "ring2": "ring + 1", "broken": "mean(gene:ISG16)"},
)


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("mean(gene:ISG15)", "counts per 10,000"),
        ("mean(gene:ISG15) / mean(gene:MX1)", "1"),
        ("mean(gene:ISG15 + 1)", "counts per 10,000"),
        ("log1p(mean(gene:ISG15))", "1"),
        ("mean(program:hypoxia, by=cell_type)", "1"),
        ("mean(radius)^2 * 3", "um^2"),
        ("sum(volume) / count()", "um^3/count"),
        ("field(IFNB1, x=[0 um, 50 um])", "nM"),
        ("field_max(IFNB1, at=[1 um, 2 um, 3 um])", "nM"),
        ("mean(concentration:IFNB1) - 0.5 nM", "nM"),
        ("percentile(dose:IFNB1, 90, cell_type='CD14 Mono')", "nM"),
        ("mean(radius) / time", "um/h"),
        ("share(gene:ISG15 > 10 and not radius > 5 um)", "1"),
        ("mean_degree(cell_type=tumour) + mixing(tumour, 'CD14 Mono') * enrichment(tumour, tumour)", "1"),
        ("n / largest_clone(cell_type=tumour)", "1"),
        ("abs(mean(held) - 2 amol)", "amol"),
    ],
)
def test_units_are_carried_along(text: str, unit: str) -> None:
    kind = KNOWN.kind_of(text)
    assert unit_text(kind.unit) == unit
    assert not kind.of_cells


def test_a_unit_is_read_as_it_is_written() -> None:
    for text in ("um^3", "nM/h", "1/h", "1", "counts per 10,000", "um/h"):
        assert unit_text(unit_of(text)) == text


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("mean(gene:ISG16)", "no gene of the world model is called 'ISG16'; did you mean ISG15"),
        ("mean(ISG15)", "'ISG15' is a gene: write gene:ISG15"),
        ("mean(hypoxia)", "'hypoxia' is a program: write program:hypoxia"),
        ("gene:ISG15 > 3", "say which statistic, like mean(gene:ISG15)"),
        ("radius", "say which statistic, like mean(radius)"),
        ("mean(radus)", "no number of a cell is called 'radus'; did you mean radius"),
        ("m", "no quantity under observe.quantities is called 'm'"),
        ("ring", "the quantities go in a circle: ring → ring2 → ring"),
        ("broken + 1", "quantity 'broken' is wrong itself (no gene of the world model is called 'ISG16'"),
        ("avg(radius)", "no function is called 'avg'"),
        ("mean(mean(radius))", "cannot stand inside of another statistic"),
        ("mean(radius > 5 um)", "of a number of each cell, not of a comparison"),
        ("share(radius)", "of a comparison, like gene:ISG15 > 10"),
        ("count(cell_type=tumor)", "no cell type is called 'tumor'; did you mean tumour"),
        ("count(compartment=nod)", "no compartment is called 'nod'; did you mean node"),
        ("field(IFNB)", "no substance is called 'IFNB'; did you mean IFNB1"),
        ("mean(dose:IFNG)", "no perturbation of this run is called 'IFNG'"),
        ("count(type=tumour)", "count(): no option is called 'type'; did you mean cell_type"),
        ("field(IFNB1, x=[50 um, 0 um])", "x goes from 50 to 0 um: the first is the lower"),
        ("field(IFNB1, x=[0, 50])", "x is 2 places, like x=[0 um, 50 um]"),
        ("field(IFNB1, at=[0 um, 1 um, 2 um], x=[0 um, 1 um])", "give at, or x, y and z, not both"),
        ("mean(radius) > 5", "needs a unit: the other side is in um"),
        ("mean(radius) > 5 nM", "um and nM do not go together in '>'"),
        ("mean(radius) + mean(damage)", "do not go together in '+'"),
        ("log(mean(radius))", "log() is of a pure number, not of one in um"),
        ("mean(radius)^0.5", "a power of something in um is a whole number"),
        ("percentile(radius, 120)", "of 0 to 100"),
        ("mixing(tumour)", "is of two cell types"),
        ("count(by=donor)", "no grouping is called 'donor'"),
        ("count(dead=maybe)", "dead is true or false"),
        ("5 furlong", "'5.0 furlong' is no quantity"),
        ("mean(radius, by=cell_type) + count(by=cycle_phase) * 1 um", "by cell_type and one by cycle_phase"),
        ("n and 3", "'and' joins comparisons"),
        ("not n", "'not' stands before a number"),
    ],
)
def test_what_does_not_go_together_is_told(text: str, told: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        KNOWN.kind_of(text)
    assert told in str(caught.value)
