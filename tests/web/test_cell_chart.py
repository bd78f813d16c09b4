"""The map of genes and the atlas of cells: complete, compact, the same every time, and true to the model."""

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import label
from twin_web.cell.chart import ATTENDED, NEIGHBOURS, Chart, load_chart, panel_id, save_chart
from twin_web.cell.charts import SHIPPED, Charts
from twin_web.cell.draw import atlas_of, map_of, strongest
from twin_web.cell.layout import arranged, disc, territories
from twin_web.cell.markers import MARKERS
from twin_web.cell.panels import panels_of
from twin_web.cell.programs import called, grouped, how_many, marked, plain, typical

from twin.errors import InputError
from twin.model.contract import WorldModel
from twin.model.masked import MaskedDiffusion
from twin.model.rollout import draw_culture, exposed, rollout
from twin.registry import named_model


@pytest.fixture(scope="module")
def shipped() -> Chart:
    """The chart that opens with the page."""
    [file] = SHIPPED.glob("*.npz")
    return load_chart(file)


@pytest.fixture(scope="module")
def small() -> MaskedDiffusion:
    """A model of a few lines and 446 genes, which is drawn in seconds."""
    model = named_model("default")
    assert isinstance(model, MaskedDiffusion)
    return model.focused(["A172", "T98G", "U87MG"])


def drawn(model: WorldModel, context: str, n: int, seed: int, dose: float = 0.0, hours: int = 8) -> sp.csr_array:
    """Return cells of a context, untreated or after some hours of interferon beta (nM)."""
    if not dose:
        return draw_culture(model, context, n, seed=seed).counts
    alone = model.focused(model.contexts, perturbations=["IFNB1"])
    *_, last = rollout(alone, exposed(alone, draw_culture(alone, context, n, seed=seed), {"IFNB1": dose}), hours=hours)
    return last.counts


@given(st.integers(1, 3000))
def test_a_disc_has_as_many_places_as_asked_and_is_round(n: int) -> None:
    x, y = disc(n)
    assert len({*zip(x.tolist(), y.tolist(), strict=True)}) == n
    assert x.min() == y.min() == 0
    radius = np.hypot(x - (x.max() + x.min()) / 2, y - (y.max() + y.min()) / 2).max()
    assert radius <= np.sqrt(n / np.pi) + 1.5


@settings(max_examples=12)
@given(seed=st.integers(0, 1000), k=st.integers(2, 12))
def test_territories_have_their_sizes_and_hang_together(seed: int, k: int) -> None:
    random = np.random.default_rng(seed)
    x, y = disc(900)
    sizes = np.bincount(random.integers(0, k, 900 - 30 * k), minlength=k) + 30
    whose = territories(x, y, sizes, random.uniform(5, 28, (k, 2)))
    np.testing.assert_array_equal(np.bincount(whose, minlength=k), sizes)
    image = np.full((x.max() + 1, y.max() + 1), -1)
    image[x, y] = whose
    for j in range(k):
        pieces, n = label(image == j, np.ones((3, 3)))
        largest = max((pieces == i).sum() for i in range(1, n + 1))
        assert largest >= 0.95 * sizes[j]


def test_the_first_genes_stand_in_the_middle() -> None:
    x, y = disc(400)
    whose = territories(x, y, np.array([150, 250]), np.array([[5.0, 10.0], [15.0, 10.0]]))
    order = np.arange(400)
    place = arranged(x, y, whose, order)
    np.testing.assert_array_equal(np.sort(place), order)
    for mine in (order[:150], order[150:]):
        own = np.stack([x[place[mine]], y[place[mine]]], axis=1)
        far = np.linalg.norm(own - own.mean(axis=0), axis=1)
        assert (np.diff(far) >= -1e-9).all()


def test_genes_that_vary_together_are_a_program_that_has_its_name() -> None:
    random = np.random.default_rng(0)
    sets = [next(m for m in MARKERS if m.name == name) for name in ("Interferon response", "T cell receptor")]
    known = [[g for g in m.genes if "*" not in g][:20] for m in sets]
    genes = [*known[0], *known[1], *(f"X{i}" for i in range(160))]
    axes = np.eye(4)
    group = np.array([0] * 20 + [1] * 20 + [0] * 40 + [1] * 40 + [2] * 40 + [3] * 40)
    directions = axes[group] + random.normal(0, 0.1, (200, 4))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    whose = grouped(directions, genes, 4)
    assert all(len(set(whose[group == g])) == 1 for g in range(4))
    assert len(set(whose)) == 4
    mean = np.ones(200)
    programs = called(whose, genes, typical(directions, whose, mean))
    assert programs[whose[0]].name == "Interferon response"
    assert programs[whose[20]].name == "T cell receptor"
    assert programs[whose[0]].marked == 20
    unknown = programs[whose[-1]]
    assert not unknown.known
    assert unknown.name == " · ".join(unknown.top[:3])
    np.testing.assert_array_equal(whose, grouped(directions, genes, 4))


def test_symbols_of_other_species_are_recognised() -> None:
    ribosome = next(m for m in MARKERS if m.name == "Ribosome")
    assert len(marked(["Rpl10", "RpL10", "rpl-10", "RPL10A", "ACT1"], ribosome)) == 4
    assert plain("HLA-DRA") == "HLADRA"
    assert all(m.name and m.zh and len(m.genes) >= 5 for m in MARKERS)
    assert (how_many(33), how_many(14_053), how_many(18_529)) == (2, 24, 24)


def test_the_shipped_chart_is_of_the_shipped_model(shipped: Chart) -> None:
    model = named_model("default")
    panel = panels_of(model)[0]
    assert shipped.model == model.fingerprint
    assert (shipped.genes, shipped.contexts) == (panel.genes, panel.contexts)
    assert shipped.panel == panel.id == panel_id(panel.genes)
    assert Charts("default", Path("nowhere")).find(model.fingerprint, panel.id) is not None
    here = model.focused(panel.contexts)
    for context in ("CD14 Mono", "B"):
        counts = drawn(here, context, 60, seed=4)
        mean = np.asarray((counts / counts.sum(axis=1)[:, None] * 1e4).mean(axis=0)).ravel()
        assert np.corrcoef(np.log1p(mean), np.log1p(shipped.map.mean))[0, 1] > 0.7


def test_the_shipped_map_is_whole_and_its_programs_make_sense(shipped: Chart) -> None:
    m = shipped.map
    assert len({*zip(m.x.tolist(), m.y.tolist(), strict=True)}) == len(shipped.genes) == 14_053
    image = np.full((m.side, m.side), -1)
    image[m.y, m.x] = m.whose
    for j in range(len(m.programs)):
        assert label(image == j)[1] == 1
    programs = {shipped.genes[i]: m.programs[m.whose[i]].name for i in range(len(shipped.genes))}
    for gene in ("ISG15", "IFIT1", "IFIT3", "MX1", "IFI6", "OAS1"):
        assert programs[gene].startswith("Interferon response"), gene
    for gene, name in {
        "RPL3": "Ribosome",
        "RPS6": "Ribosome",
        "CD3D": "T cell",
        "NKG7": "Cytotox",
        "LYZ": "Mono",
    }.items():
        assert programs[gene].startswith(name), gene
    names = [p.name for p in m.programs]
    assert len(set(names)) == len(names)
    assert sum(p.known for p in m.programs) >= 10


def test_reference_cells_that_are_left_out_land_where_umap_put_them(shipped: Chart) -> None:
    atlas = shipped.atlas
    assert atlas is not None
    out = np.random.default_rng(0).choice(len(atlas.place), 200, replace=False)
    error = np.linalg.norm(atlas.among(atlas.point[out], without=out) - atlas.place[out], axis=1)
    assert np.median(error) < 0.03  # of a picture that is 2 wide
    assert np.quantile(error, 0.95) < 0.08
    apart = np.linalg.norm(atlas.place[:, None] - atlas.place[None, out], axis=2)
    assert np.median(apart) > 0.5


def test_new_cells_of_a_type_land_among_their_own(shipped: Chart) -> None:
    atlas = shipped.atlas
    assert atlas is not None
    model = named_model("default").focused(shipped.contexts)
    for kind in ("CD14 Mono", "B", "NK"):
        for arm, dose in enumerate((0.0, 0.02)):
            counts = drawn(model, kind, 40, 11, dose)
            place = atlas.placed(counts)
            mine = (atlas.kind == atlas.kinds.index(kind)) & (atlas.arm == arm)
            near = np.linalg.norm(place[:, None] - atlas.place[None], axis=2).argmin(axis=1)
            assert (atlas.kind[near] == atlas.kinds.index(kind)).mean() > 0.9
            assert np.linalg.norm(place.mean(axis=0) - atlas.place[mine].mean(axis=0)) < 0.2
    one = atlas.placed(counts[[5]])
    np.testing.assert_allclose(one[0], place[5], atol=1e-6)  # who is placed beside it does not matter
    assert len(atlas.place) > NEIGHBOURS


@pytest.mark.slow
def test_a_map_is_drawn_the_same_twice(small: MaskedDiffusion) -> None:
    arms = strongest(small)
    assert 0 < len(arms) <= 2
    first, second = map_of(small, arms), map_of(small, arms)
    for key in ("x", "y", "whose", "mean"):
        np.testing.assert_array_equal(getattr(first, key), getattr(second, key))
    assert first.programs == second.programs


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Tensorflow not installed")  # umap-learn tells it at its import
def test_an_atlas_is_drawn_and_kept(small: MaskedDiffusion, tmp_path: Path) -> None:
    arms = strongest(small)
    chart = Chart(small.fingerprint, small.genes, small.contexts, map_of(small, arms), atlas_of(small, arms))
    save_chart(chart, tmp_path / "chart.npz")
    again = load_chart(tmp_path / "chart.npz")
    assert again.atlas is not None
    assert chart.atlas is not None
    assert (again.model, again.genes, again.contexts) == (chart.model, chart.genes, chart.contexts)
    np.testing.assert_allclose(again.atlas.place, chart.atlas.place, atol=1e-6)
    counts = drawn(small, "T98G", 20, seed=3)
    np.testing.assert_allclose(again.atlas.placed(counts), chart.atlas.placed(counts), atol=0.05)  # float16
    assert np.abs(chart.atlas.place).max() == pytest.approx(1.0)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["chart.npz"]


def test_a_chart_of_another_version_is_told(shipped: Chart, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_chart(shipped, tmp_path / "c.npz")
    monkeypatch.setattr("twin_web.cell.chart.FORMAT", 99)
    with pytest.raises(InputError, match="another version of twin"):
        load_chart(tmp_path / "c.npz")


def test_a_cell_without_counts_has_a_place(shipped: Chart) -> None:
    assert shipped.atlas is not None
    nothing = sp.csr_array((1, len(shipped.genes)), dtype=np.int32)
    assert np.isfinite(shipped.atlas.placed(nothing)).all()


@pytest.mark.slow
def test_a_panel_is_drawn_in_a_process_of_its_own_and_what_went_wrong_is_told(tmp_path: Path) -> None:
    model = named_model("default")
    panel = next(p for p in panels_of(model) if "A549" in p.contexts)
    charts = Charts("default", tmp_path / "charts")
    seconds, why = charts.draw(model.fingerprint, panel.id, "A549")
    until = time.monotonic() + 300
    made = charts.find(model.fingerprint, panel.id)
    while made is None:  # the map comes first; half a minute of compiling later, the atlas
        assert why is None
        assert time.monotonic() < until
        time.sleep(0.5)
        seconds, why = charts.draw(model.fingerprint, panel.id, "A549")
        made = charts.find(model.fingerprint, panel.id)
    assert (made.genes, made.contexts) == (panel.genes, ("A549",))
    charts.end()
    orphan = subprocess.Popen(
        [sys.executable, "-m", "twin_web.cell.draw", "default", "A549", str(tmp_path / "orphan"), ATTENDED],
        stdin=subprocess.PIPE,
    )
    assert orphan.stdin is not None
    orphan.stdin.close()
    assert orphan.wait(timeout=120) == 1
    assert not (tmp_path / "orphan").exists()
    broken = Charts("nothing", tmp_path / "broken")
    while why is None:
        assert time.monotonic() < until
        time.sleep(0.2)
        seconds, why = broken.draw("0" * 64, panel.id, "A549")
    assert "no model is called 'nothing'" in why
    assert seconds == 0.0
    broken.end()
