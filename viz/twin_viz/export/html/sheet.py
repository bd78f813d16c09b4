"""The page as text: the sources of its script and style, and, inlined, the record and pieces of what it shows.

The page of `twin serve` is the same one with another source of pieces: what stands in its head and at its foot, and the
script that says where pieces come from, are given by whoever puts it together.
"""

import hashlib
import html
import json
import re
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.resources import files
from typing import Any

from twin_viz.export.html.encode import as_text

BEFORE = ("english", "chinese", "words", "decode")  # what a source of pieces needs
EMBEDDED = "embedded"  # the source that reads the file itself
AFTER = (  # in the order in which they need one another
    "camera",
    "shaders",
    "painter",
    "overlay",
    "charts",
    "controls",
    "cell",
    "view",
    "legend",
    "slice",
    "time",
    "hands",
    "main",
)


def sheet(title: str, record: Mapping[str, Any], pieces: Sequence[bytes]) -> Iterator[str]:
    """Yield the page that holds everything itself, part by part.

    Its security policy lets in the one script and the one style by their hashes and nothing else, from nowhere: what
    a name in the run might smuggle in would not run, and nothing is ever fetched.
    """
    looks, runs = style(), script(_read(f"{EMBEDDED}.js"))
    policy = (
        f"default-src 'none'; script-src '{_hash(runs)}'; style-src '{_hash(looks)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    head = (
        f'<meta http-equiv="Content-Security-Policy" content="{html.escape(policy, quote=False)}">\n'
        f"<style>{looks}</style>"
    )
    yield from framed(title, head, _foot(record, pieces, runs))


def framed(title: str, head: str, foot: Iterable[str]) -> Iterator[str]:
    """Yield the page, part by part, with what its head holds besides, and what stands below its elements."""
    for i, part in enumerate(re.split(r"\{\{(\w+)\}\}", _read("page.html"))):
        if i % 2 == 0:
            yield part
        elif part == "foot":
            yield from foot
        else:
            yield {"title": html.escape(title), "head": head}[part]


def script(source: str) -> str:
    """Return the page's script; source : the part of it that says where record and pieces come from."""
    parts = [*(_read(f"{name}.js") for name in BEFORE), source, *(_read(f"{name}.js") for name in AFTER)]
    return "\n".join(parts)


def style() -> str:
    """Return the page's style sheet."""
    return _read("page.css")


def as_json(record: Mapping[str, Any]) -> str:
    """Return JSON that no name in it can break out of: it has no <, > or & of its own."""
    text = json.dumps(record, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _foot(record: Mapping[str, Any], pieces: Sequence[bytes], runs: str) -> Iterator[str]:
    yield f'<script type="application/json" id="record">{as_json(record)}</script>\n'
    for number, piece in enumerate(pieces):
        yield f'<script type="application/octet-stream" id="piece-{number}">{as_text(piece)}</script>\n'
    yield f'<script type="module">{runs}</script>'


def _read(name: str) -> str:
    return files("twin_viz.export.html").joinpath("page", name).read_text("utf-8")


def _hash(text: str) -> str:
    """Return what the policy knows an inline script or style by."""
    return f"sha256-{b64encode(hashlib.sha256(text.encode('utf-8')).digest()).decode('ascii')}"
