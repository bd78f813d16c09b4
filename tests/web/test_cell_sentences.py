"""What the cell view says, in both languages of the page: nothing is missing, and nothing is left in the other one."""

import ast
import re
from collections.abc import Iterator
from importlib.resources import files
from string import Formatter
from typing import Any

import pytest
from twin_web.cell.sentences import LANGUAGES, SENTENCES, Both, counted, joined, language_of, said, told

from tests.web.cells import IFN, Asker, asker
from twin.errors import UnknownNameError

HAN = re.compile(r"[\u4e00-\u9fff]")
# names, units and words of the program, which stay as they are in Chinese
KEPT = re.compile(r"twin run|model|UMAP|EC50|(?<![A-Za-z])(h|nM|I)(?![A-Za-z])")
SAME = {"joint-plus", "at-hours"}  # the same in both languages
NAMES = re.compile(
    r"CD14 Mono|IFNB1|IFNAR1|IFNAR2|STAT1|KLF1|GAPDH|A549|THP-1|SET|dexamethasone|U/mL|ISG15|[A-Z0-9-]{2,}"
)


def slots(template: str) -> set[tuple[str, str]]:
    """Return the slots of a template, each with how it is written."""
    return {(name, form or "") for _, name, form, _ in Formatter().parse(template) if name is not None}


@pytest.mark.parametrize("key", SENTENCES)
def test_both_languages_say_the_same_with_the_same_slots(key: str) -> None:
    both = SENTENCES[key]
    assert Both._fields == tuple(LANGUAGES)
    assert slots(both.en) == slots(both.zh)
    assert not HAN.search(both.en)
    assert (both.en == both.zh) == (key in SAME)
    if not key.startswith("joint-") and key not in SAME:
        assert HAN.search(both.zh)
        left = KEPT.sub("", re.sub(r"\{.*?\}", "", both.zh))
        assert not re.search(r"[A-Za-z]", left)
        assert not re.search(r"[,;:.()] ?[\u4e00-\u9fff]|[\u4e00-\u9fff][,;:.()]", both.zh)  # Chinese marks only


def test_no_sentence_is_there_twice_and_each_is_said_somewhere() -> None:
    templates = [
        both for key, both in SENTENCES.items() if not key.startswith("joint-") and f"{key}-1" not in SENTENCES
    ]
    assert len({both.en for both in templates}) == len(templates)
    said_of: set[str] = set()
    for file in files("twin_web").joinpath("cell").iterdir():
        if file.name.endswith(".py") and file.name != "sentences.py":
            tree = ast.parse(file.read_text("utf-8"))
            said_of |= {n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)}
    unsaid = {key for key in SENTENCES if key.removeprefix("joint-").removesuffix("-1") not in said_of}
    assert not unsaid


def test_words_hold_words_numbers_and_names_as_they_are() -> None:
    how = joined("parts", [counted("cells", 1), "1 U/mL", said("at-hours", hours=joined("and", ["6", "24"]))])
    words = said("measured", name="{odd}", context="B", how=how)
    assert told(words, "en") == "{odd} was measured in B: 1 cell, 1 U/mL, 6 and 24 h."
    assert told(words, "zh") == "{odd} 已在 B 中测量：1 个细胞，1 U/mL，6、24 h。"
    assert told(counted("cells", 2877), "en") == "2,877 cells"


def test_a_language_that_the_page_does_not_speak_is_refused() -> None:
    assert language_of({}) == "en"
    assert language_of({"language": "zh"}) == "zh"
    with pytest.raises(UnknownNameError, match="language"):
        language_of({"language": "fr"})


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asker]:
    """A server whose model is loaded."""
    with asker(tmp_path_factory.mktemp("sentences") / "runs") as asking:
        asking.ready()
        yield asking


def check_chinese(sentence: str) -> None:
    """No word of English is left but names and units."""
    assert HAN.search(sentence), sentence
    left = KEPT.sub("", NAMES.sub("", sentence))
    assert not re.search(r"[a-z]{2,}", left), sentence


def sentences_of(support: dict[str, Any]) -> list[str]:
    return [support["sentence"], *support["warnings"], *(choice["sentence"] for choice in support["choices"])]


QUESTIONS: list[dict[str, Any]] = [
    {},
    {"perturbations": IFN, "hours": 24},
    {"perturbations": [{"name": "IFNB1", "dose": "1 nM"}]},
    {"perturbations": [{"name": "IFNB1", "dose": "1 U/mL"}], "knockouts": ["STAT1"]},
    {"perturbations": [{"name": "IFNB1", "dose": "0 nM"}]},
    {"perturbations": [{"name": "SET"}]},
    {"perturbations": [{"name": "dexamethasone"}]},
    {"perturbations": IFN, "knockouts": ["IFNAR1"]},
    {"knockouts": ["GAPDH", "KLF1"]},
]


@pytest.mark.parametrize("asked", QUESTIONS)
def test_support_is_told_in_the_language_of_the_page(page: Asker, asked: dict[str, Any]) -> None:
    chinese, english = (page.post("support", language=language, **asked) for language in ("zh", "en"))
    assert english == page.post("support", **asked)
    for sentence in sentences_of(chinese):
        check_chinese(sentence)
    assert not HAN.search("".join(sentences_of(english)))
    assert [c["level"] for c in chinese["choices"]] == [c["level"] for c in english["choices"]]
    assert len(chinese["warnings"]) == len(english["warnings"])


def test_the_cell_its_atlas_and_what_came_of_it_are_told_in_chinese(page: Asker) -> None:
    assert page.post("before", language="zh", cells=4)["source"] == "由模型抽取"
    assert page.post("before", cells=4)["source"] == "drawn by the model"
    notes = [page.get(f"/api/cell/atlas?context=CD14%20Mono{more}")["note"] for more in ("&language=zh", "")]
    untreated, treated = "13 种细胞类型，每种 100 个未处理细胞", "另有同样多的细胞经 IFNB1 100 U/mL 处理 1 至 8 h"
    assert notes[0] == f"模型生成的 2,600 个细胞的 UMAP：{untreated}，{treated}"
    assert notes[1].endswith("each of 13 cell types, and as many under IFNB1 100 U/mL after 1 to 8 h")
    events = page.simulate(language="zh", perturbations=IFN, hours=3, cells=10, seed=1)
    assert events[0]["what"] == "CD14 Mono，IFNB1 100 U/mL"
    assert events[0]["equivalent"].startswith("与 twin run 得到的细胞完全相同：CD14 Mono 的 10 个细胞")
    for sentence in (events[0]["equivalent"], events[0]["support"]["sentence"], events[-1]["summary"]["sentence"]):
        check_chinese(sentence)
    assert "上升最多：" in events[-1]["summary"]["sentence"]
    assert "language: no language of the page is called 'fr'" in page.refused("support", language="fr")
