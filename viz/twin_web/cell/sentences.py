"""What the cell view says in both languages of its page; names of genes, cell types and files stay as they are."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias

from twin.errors import UnknownNameError
from twin_web.bodies import text

Language: TypeAlias = Literal["en", "zh"]
LANGUAGES: dict[str, Language] = {"en": "en", "zh": "zh"}


class Both(NamedTuple):
    """One template, its {slots} the same in both languages."""

    en: str
    zh: str


SENTENCES = {
    # what stands between parts
    "joint-words": Both(", ", "、"),
    "joint-parts": Both(", ", "，"),
    "joint-clauses": Both("; ", "；"),
    "joint-sentences": Both(" ", ""),
    "joint-and": Both(" and ", "、"),
    "joint-plus": Both(" + ", " + "),
    # support of one choice
    "unreached": Both(
        "{name} does not reach the cells: their receptor is not there, by the rule of receptors.",
        "{name} 对这些细胞不起作用：按受体规则，细胞缺少其受体。",
    ),
    "no-dose": Both("{name}: a dose of nothing does nothing.", "{name}：剂量为 0，没有作用。"),
    "measured": Both("{name} was measured in {context}: {how}.", "{name} 已在 {context} 中测量：{how}。"),
    "measured-too-1": Both(
        "{name} was measured in {context}: {how}; and in {n} other cell type.",
        "{name} 已在 {context} 中测量：{how}；另在 {n} 种细胞类型中测量过。",
    ),
    "measured-too": Both(
        "{name} was measured in {context}: {how}; and in {n} other cell types.",
        "{name} 已在 {context} 中测量：{how}；另在 {n} 种细胞类型中测量过。",
    ),
    "by-likeness": Both(
        "{name} was not measured in {context}: read from {others}, by likeness.",
        "{name} 未在 {context} 中测量：按细胞相似性由 {others} 推断。",
    ),
    "nowhere": Both("{name} was measured in no cell type of this model.", "{name} 未在此模型的任何细胞类型中测量过。"),
    "on-nothing": Both(
        "{name} was measured on other genes or in combinations alone: here it changes nothing.",
        "{name} 仅在其他基因集上或以组合形式测量过：在此不引起任何变化。",
    ),
    "and-more": Both("{some} and {n} more", "{some} 及另外 {n} 种细胞类型"),
    "cells-1": Both("{n:,} cell", "{n:,} 个细胞"),
    "cells": Both("{n:,} cells", "{n:,} 个细胞"),
    "samples-1": Both("{n:,} sample", "{n:,} 个样本"),
    "samples": Both("{n:,} samples", "{n:,} 个样本"),
    "up-to": Both("up to {dose}", "剂量最高 {dose}"),
    "at-hours": Both("{hours} h", "{hours} h"),
    "knock-out": Both("knock-out", "基因敲除"),
    "knock-down": Both("knock-down", "基因敲低"),
    "activation": Both("activation", "基因激活"),
    "above": Both(
        "{dose} is above the highest measured dose: the effect stays what it is there, extrapolated.",
        "{dose} 高于测量过的最高剂量：效应保持在该最高剂量的水平，属于外推。",
    ),
    "below": Both(
        "{dose} is below the lowest measured dose: read from a dose curve with an EC50 of {ec50:.3g} nM that was not "
        "fitted to these cells.",
        "{dose} 低于测量过的最低剂量：由 EC50 为 {ec50:.3g} nM 的剂量-效应曲线推算，该曲线并非用这些细胞拟合。",
    ),
    "clamped": Both("Its own messages are clamped to 0.", "其自身转录本固定为 0。"),
    "loss-unknown": Both(
        "{gene}: {why}. Its own messages vanish (a clamp to 0), and nothing is known of what follows.",
        "{gene}：{why}。其自身转录本消失（固定为 0），后续影响未知。",
    ),
    "never-perturbed": Both("nobody perturbed it in the model's data", "模型的数据中没有对它的扰动"),
    "only-activated": Both(
        "the model's data have it activated, which does not tell what its loss does",
        "模型的数据中只有对它的激活，不能说明其缺失的影响",
    ),
    # support of the whole, and warnings
    "nothing-done": Both(
        "Nothing is done to the cells: they live on as untreated ones, and stay with their twins.",
        "未对细胞施加任何处理：它们作为未处理细胞继续存活，与其孪生细胞保持一致。",
    ),
    "signal-unknown": Both(
        "whether {gene} carries the signal of {name} is not known to the model: what {name} does stays whole without "
        "it",
        "模型不知道 {gene} 是否传递 {name} 的信号：缺少 {gene} 时，{name} 的效应仍完整保留",
    ),
    "receptor-lost": Both(
        "{gene} is part of the receptor of {name}: without it the cells do not notice {name}",
        "{gene} 是 {name} 受体的组成部分：缺少它，细胞感受不到 {name}",
    ),
    "never-together": Both(
        "{names} were never measured together: their effects on the log of expression are added up",
        "{names} 从未一起测量过：它们对表达量对数的效应按相加计算",
    ),
    "time-unknown": Both(
        "{name}: the time of its measurement is not told; how fast cells answer comes from the turnover of messages",
        "{name}：数据未注明测量时间；细胞响应的快慢由转录本的周转速率决定",
    ),
    "beyond": Both(
        "{hours} h is beyond the last measurement of {name}, at {last:g} h: the cells stay on their way to what they "
        "were then, extrapolated",
        "{hours} h 晚于 {name} 的最后一次测量（{last:g} h）：细胞继续趋向当时测得的状态，属于外推",
    ),
    # where the cells come from
    "drawn": Both("drawn by the model", "由模型抽取"),
    "cell-of": Both("cell {cell} of {file}", "{file} 中的细胞 {cell}"),
    "type-of": Both("{type} of {file}", "{file} 中的 {type}"),
    "cell-at": Both("cell {cell} of {run} at {time:g} h", "模拟 {run} 在 {time:g} h 的细胞 {cell}"),
    "read-as": Both("read as {context}", "按 {context} 解读"),
    "new-type": Both(
        "{type} is new to the model: it is what these {n:,} cells show",
        "{type} 是模型未知的细胞类型：由这 {n:,} 个细胞来定义",
    ),
    "off-axis": Both(
        "{left:,} of its {own:,} genes are not on the axis of {panel}: left out",
        "其 {own:,} 个基因中有 {left:,} 个不在 {panel} 的基因列表中：已略去",
    ),
    "few-genes": Both(
        "it measured {shared:,} of the {all:,} genes of {panel}: the others start at 0",
        "{panel} 的 {all:,} 个基因中只测量了 {shared:,} 个：其余基因从 0 开始",
    ),
    # what is simulated, and what came of it
    "knocked-out": Both("{gene} knocked out", "敲除 {gene}"),
    "untreated": Both("untreated", "未处理"),
    "came-to": Both("{what}: after {hours} h {moved}", "{what}：{hours} h 后{moved}"),
    "moved-1": Both("{n:,} gene moved against the untreated twins", "有 {n:,} 个基因相对未处理的孪生细胞发生变化"),
    "moved": Both("{n:,} genes moved against the untreated twins", "有 {n:,} 个基因相对未处理的孪生细胞发生变化"),
    "none-moved": Both("no gene stands apart from the untreated twins", "没有基因与未处理的孪生细胞存在可辨别的差异"),
    "up-most": Both("up most: {genes}", "上升最多：{genes}"),
    "down-most": Both("down most: {genes}", "下降最多：{genes}"),
    "same-law": Both(
        "the law of twin run in a well-stirred medium at constant doses; the starting cells are measured ones",
        "与 twin run 在充分混匀、剂量恒定的培养基中的规律相同；起始细胞为实测细胞",
    ),
    "no-scenario": Both(
        "no scenario of twin run gives an effect that was measured without a dose; all else is its law",
        "twin run 的场景无法施加未注明剂量的效应；其余与 twin run 的规律相同",
    ),
    "very-cells": Both(
        "the very cells of twin run: {n} cells of {context}, source model, seed {seed}, tick 1 h, the same doses from "
        "0 h on in a medium without decay, the same genes knocked out at 0 h",
        "与 twin run 得到的细胞完全相同：{context} 的 {n} 个细胞，来源 model，随机种子 {seed}，步长 1 h，自 0 h 起"
        "在无降解的培养基中施加相同剂量，并在 0 h 敲除相同基因",
    ),
    # the atlas
    "atlas": Both(
        "UMAP of {n:,} cells that the model generated: {each} untreated ones of each of {types} cell types",
        "模型生成的 {n:,} 个细胞的 UMAP：{types} 种细胞类型，每种 {each} 个未处理细胞",
    ),
    "atlas-arm": Both(
        "and as many under {arm} after {first} to {last} h", "另有同样多的细胞经 {arm} 处理 {first} 至 {last} h"
    ),
}


@dataclass(frozen=True)
class Said:
    """A sentence, or a part of one, before it is told in a language; slots may hold others."""

    key: str
    slots: Mapping[str, "Words | float"]


@dataclass(frozen=True)
class Joined:
    """Parts in a row; joint : key of what stands between them."""

    joint: str
    parts: tuple["Words", ...]


Words: TypeAlias = Said | Joined | str


def said(key: str, /, **slots: "Words | float") -> Said:
    """Return the sentence of a key, its slots filled."""
    return Said(key, slots)


def counted(key: str, n: int, /, **slots: Words | float) -> Said:
    """Return the sentence of a key that tells a number `n` of things, one or several."""
    return Said(f"{key}-1" if n == 1 else key, {"n": n, **slots})


def joined(joint: str, parts: Iterable[Words]) -> Joined:
    """Return parts in a row."""
    return Joined(f"joint-{joint}", tuple(parts))


def told(words: Words, language: Language) -> str:
    """Return words in a language."""
    if isinstance(words, str):
        return words
    if isinstance(words, Joined):
        return _template(words.joint, language).join(told(part, language) for part in words.parts)
    slots = {name: told(v, language) if isinstance(v, Said | Joined) else v for name, v in words.slots.items()}
    return _template(words.key, language).format_map(slots)


def language_of(given: Mapping[str, Any]) -> Language:
    """Return the language that a request wants to be answered in: `language`, English where it says none.

    Raises
    ------
    InputError
        If it is another.
    """
    found = text(given, "language", "en", longest=20)
    if found not in LANGUAGES:
        raise UnknownNameError("language of the page", found, LANGUAGES, "language: ")
    return LANGUAGES[found]


def _template(key: str, language: Language) -> str:
    found: str = getattr(SENTENCES[key], language)
    return found
