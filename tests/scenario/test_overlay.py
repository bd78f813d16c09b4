"""Merging documents and putting values into them."""

from hypothesis import given
from hypothesis import strategies as st

from twin.scenario.overlay import Mark, Marked, key_text, merge, put

leaves = st.none() | st.booleans() | st.integers(-3, 3) | st.text("ab", max_size=2)
keys = st.sampled_from(["a", "b", "c"])
values = st.recursive(leaves, lambda v: st.lists(v, max_size=2) | st.dictionaries(keys, v, max_size=3), max_leaves=6)
tables = st.dictionaries(keys, values, max_size=3)


def without_nulls(value: object) -> object:
    """Take away what a merge patch would: keys of tables (not in lists) that are null."""
    if isinstance(value, dict):
        return {key: without_nulls(below) for key, below in value.items() if below is not None}
    return value


@given(base=tables, over=tables)
def test_merging_follows_json_merge_patch(base: dict[str, object], over: dict[str, object]) -> None:
    merged = merge(Marked(base), Marked(over)).tree
    for key, value in over.items():
        if value is None:
            assert key not in merged
        elif not isinstance(value, dict):
            assert merged[key] == value
        elif not isinstance(base.get(key), dict):
            assert merged[key] == without_nulls(value)
    assert {key: merged[key] for key in base if key not in over} == {k: base[k] for k in base if k not in over}


@given(base=tables)
def test_merging_nothing_changes_nothing_and_merging_itself_neither(base: dict[str, object]) -> None:
    assert merge(Marked(base), Marked({})).tree == base
    whole = without_nulls(base)
    assert isinstance(whole, dict)
    assert merge(Marked(whole), Marked(whole)).tree == whole


@given(base=tables, value=leaves.filter(lambda v: v is not None))
def test_what_is_put_is_found(base: dict[str, object], value: object) -> None:
    marked = Marked({**base, "deep": {}})
    path = put(marked, "deep.er.x", value, {})
    assert marked.tree["deep"]["er"]["x"] == value
    assert str(marked.fault(path, "no")) == "--set deep.er.x: no"


def test_marks_of_what_was_replaced_are_forgotten() -> None:
    base = Marked({"a": [{"x": 1}]}, {("a",): Mark(1), ("a", 0): Mark(2), ("a", 0, "x"): Mark(3)})
    over = Marked({"a": [{"x": 2}]}, {("a",): Mark(7), ("a", 0): Mark(8)})
    assert merge(base, over).marks == over.marks


def test_a_path_reads_as_in_python() -> None:
    assert key_text(("timeline", 0, "dose")) == "timeline[0].dose"
