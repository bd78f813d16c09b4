"""Who may come in: whoever has the token, from this machine, to this address; and what pages may load."""

import hmac
import re
import secrets
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from aiohttp import web

from twin_web.site import OWNER, SITE

PASS, WHO = "twin_pass", "twin_who"  # cookies: the right to come in, and which browser it is
YEAR = 365 * 24 * 3600  # s
HOSTS = ("127.0.0.1", "localhost", "[::1]")
POLICY = (
    "default-src 'self'; img-src 'self' blob: data:; style-src 'self'; script-src 'self'; frame-ancestors 'self'; "
    "base-uri 'none'; form-action 'self'; object-src 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
SAFE = ("GET", "HEAD")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let in who has the token, and tell the handler which browser asks."""
    _check_address(request)
    site = request.app[SITE]
    given = request.query.get("token")
    who = request.cookies.get(WHO, "")
    who = who if re.fullmatch(r"[0-9a-f]{32}", who) else secrets.token_hex(16)
    if given is not None and request.method == "GET":
        if not hmac.compare_digest(given.encode(), site.token.encode()):
            raise web.HTTPUnauthorized(text=WRONG)
        answer = web.HTTPSeeOther(request.path)  # the token leaves the address bar, and the history with it
        for name, value in ((PASS, site.token), (WHO, who)):
            answer.set_cookie(name, value, max_age=YEAR if name == WHO else None, httponly=True, samesite="Strict")
        raise answer
    if not hmac.compare_digest(request.cookies.get(PASS, "").encode(), site.token.encode()):
        raise web.HTTPUnauthorized(text=MISSING)
    request[OWNER] = who
    return await handler(request)


WRONG = "This address has a wrong token: open the one that `twin serve` printed last."
MISSING = "This page is opened with the address, token and all, that `twin serve` printed."


def _check_address(request: web.Request) -> None:
    """Refuse what reaches the server by another name (DNS rebinding), and changes that another page asks for."""
    host = urlsplit(f"//{request.headers.get('Host', '')}").hostname or ""
    if host not in ("127.0.0.1", "localhost", "::1"):
        raise web.HTTPForbidden(text="This server answers to 127.0.0.1 alone.")
    origin = request.headers.get("Origin")
    if request.method not in SAFE and origin is not None and urlsplit(origin).netloc != request.headers.get("Host"):
        raise web.HTTPForbidden(text="Another page may not ask this server for anything.")


async def dressed(request: web.Request, response: web.StreamResponse) -> None:
    """Give every answer the headers that keep a page to itself."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
