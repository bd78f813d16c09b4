"""Who may come in: whoever has the token, from this machine, to this address; and what pages may load."""

import hashlib
import hmac
import re
import secrets
from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping
from importlib.resources import files
from typing import NoReturn

from aiohttp import web

from twin_web.site import OWNER, SITE

WHO = "twin_who"  # cookie: which browser it is, whatever the port, so that it finds its uploads again
PASS = "twin_pass"  # cookie: the right to come in; with the port, for a browser keeps one jar for all ports of a host
YEAR = 365 * 24 * 3600  # s
HOST = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(?::(\d{1,5}))?", re.IGNORECASE)
SAFE = ("GET", "HEAD")
LONGEST = 255  # bytes of a name between two slashes: that of a file, which an address may name, is no longer
POLICY = (
    "default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; style-src 'self'; script-src 'self'; "
    "frame-ancestors 'self'; base-uri 'none'; form-action 'self'; object-src 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
FILES = ("/page/", "/tissue/")  # code and styles: a browser keeps them, and asks each time whether they are the same

REFUSAL = files("twin_web").joinpath("page", "refused.html").read_text("utf-8")
_STYLE = REFUSAL.partition("<style>")[2].partition("</style>")[0].encode()  # stands in the page, known by its hash
_HASH = b64encode(hashlib.sha256(_STYLE).digest()).decode()
REFUSAL_POLICY = f"default-src 'none'; img-src data:; style-src 'sha256-{_HASH}'; frame-ancestors 'self'"
NO_PASS = "this needs the address, token and all, that `twin serve` printed last"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let in who has the token, and tell the handler which browser asks."""
    port = _checked_address(request)
    token = request.app[SITE].token
    given = request.query.get("token")
    name = f"{PASS}_{port}"
    who = request.cookies.get(WHO, "")
    who = who if re.fullmatch(r"[0-9a-f]{32}", who) else secrets.token_hex(16)
    if given is not None and request.method == "GET":
        if not _is_same(given, token):
            _refuse(request)
        # The token leaves the address bar, and the history with it. "Lax" and not "Strict": who follows a link from a
        # terminal in another web page has to arrive; what other pages ask for is refused by `_checked_address`.
        answer = web.HTTPSeeOther("/" + str(request.rel_url.without_query_params("token")).lstrip("/"))
        answer.set_cookie(name, token, httponly=True, samesite="Lax")
        answer.set_cookie(WHO, who, max_age=YEAR, httponly=True, samesite="Lax")
        raise answer
    if not _is_same(request.cookies.get(name, ""), token):
        _refuse(request)
    request[OWNER] = who
    return await handler(request)


def _is_same(given: str, token: str) -> bool:
    """Compare in a time that does not tell how much is right; what is no text at all is only wrong."""
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), token.encode())


def _checked_address(request: web.Request) -> str:
    """Return the port that the browser sees; refuse what another page asks for, or for another name (DNS rebinding)."""
    if any(len(part.encode("utf-8", "surrogateescape")) > LONGEST for part in request.path.split("/")):
        raise web.HTTPNotFound(text="there is nothing of so long a name")
    host = request.headers.get("Host", "")
    found = HOST.fullmatch(host)
    if found is None:
        raise web.HTTPForbidden(text="this server answers to 127.0.0.1 and localhost alone")
    origin = request.headers.get("Origin")
    is_foreign = origin is not None and origin != f"http://{host}"
    # A page of another port of this machine is "same-site": it has the cookies, but no business here.
    site, mode = (request.headers.get(f"Sec-Fetch-{name}", "") for name in ("Site", "Mode"))
    is_foreign |= site in ("cross-site", "same-site") and mode != "navigate"
    if is_foreign or (request.method not in SAFE and site in ("cross-site", "same-site")):
        raise web.HTTPForbidden(text="another page may not ask this server for anything")
    return found[2] or "80"


def _refuse(request: web.Request) -> NoReturn:
    """Say what is needed to come in: a person reads a page, a program a sentence."""
    if request.path.startswith("/api/"):
        raise web.HTTPUnauthorized(text=NO_PASS)
    raise web.HTTPUnauthorized(
        text=REFUSAL, content_type="text/html", headers={"Content-Security-Policy": REFUSAL_POLICY}
    )


def headers_of(path: str) -> Mapping[str, str]:
    """Return the headers that keep an answer to itself, if nothing else is said with it."""
    return {**HEADERS, "Cache-Control": "no-cache" if path == "/" or path.startswith(FILES) else "no-store"}
