"""What the tissue view asks the server."""

from aiohttp import web

ROUTES = web.RouteTableDef()


def add_to(app: web.Application) -> None:
    """Add what this part answers."""
    app.add_routes(ROUTES)
