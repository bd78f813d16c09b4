"""The page as text: the sources of its script and style, inlined, and the record and pieces of what it shows."""

import hashlib
import html
import json
import re
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from typing import Any

from twin_viz.export.html.encode import as_text

SCRIPTS = (  # in the order in which they need one another
    "decode",
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
    """Yield the page, part by part.

    Its security policy lets in the one script and the one style by their hashes and nothing else, from nowhere: what
    a name in the run might smuggle in would not run, and nothing is ever fetched.
    """
    source = files("twin_viz.export.html").joinpath("page")
    style = source.joinpath("page.css").read_text("utf-8")
    script = "\n".join(source.joinpath(f"{name}.js").read_text("utf-8") for name in SCRIPTS)
    policy = (
        f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    slots = {
        "title": html.escape(title),
        "policy": html.escape(policy, quote=False),
        "style": style,
        "script": script,
        "record": as_json(record),
    }
    for i, part in enumerate(re.split(r"\{\{(\w+)\}\}", source.joinpath("page.html").read_text("utf-8"))):
        if i % 2 == 0:
            yield part
        elif part == "pieces":
            for number, piece in enumerate(pieces):
                yield f'<script type="application/octet-stream" id="piece-{number}">{as_text(piece)}</script>\n'
        else:
            yield slots[part]


def as_json(record: Mapping[str, Any]) -> str:
    """Return JSON that no name in it can break out of: it has no <, > or & of its own."""
    text = json.dumps(record, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _hash(text: str) -> str:
    """Return what the policy knows an inline script or style by."""
    return f"sha256-{b64encode(hashlib.sha256(text.encode('utf-8')).digest()).decode('ascii')}"
