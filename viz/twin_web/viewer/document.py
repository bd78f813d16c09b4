"""The viewer as a document of its own: the page of `twin export --html`, with pieces that it fetches."""

from importlib.resources import files

from twin_viz.export.html.sheet import framed, script, style

SCRIPTS = ("fetched", "paints", "growth", "search", "talk")  # beside those that the exported page has, in this order
HEAD = (
    '<link rel="icon" href="/page/mark.svg" type="image/svg+xml">\n'
    '<link rel="stylesheet" href="/tissue/viewer/viewer.css">'
)
FOOT = '<script type="module" src="/tissue/viewer/viewer.js"></script>'


def document() -> str:
    """Return the page; what it shows is in its address."""
    return "".join(framed("twin", HEAD, [FOOT]))


def viewer_script() -> str:
    """Return its one script."""
    own = files("twin_web.viewer").joinpath("page")
    return script("\n".join(own.joinpath(f"{name}.js").read_text("utf-8") for name in SCRIPTS))


def viewer_style() -> str:
    """Return its one style sheet."""
    return style() + files("twin_web.viewer").joinpath("page", "live.css").read_text("utf-8")
