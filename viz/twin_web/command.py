"""`twin serve`: the page, on this machine, for whoever has its token."""

from pathlib import Path
from typing import Annotated

import typer


def serve(
    what: Annotated[
        str | None,
        typer.Argument(metavar="[SCENARIO | RUN | MODEL]", help="What the page begins with. Without it: the shipped model."),
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any that is free.")] = 8765,
    folder: Annotated[Path, typer.Option("--runs", help="Folder of the runs that the page begins and lists.")] = Path("runs"),
) -> None:
    """Open a page in which a virtual cell or tissue is asked a question and answers while you watch."""
    from aiohttp import web

    from twin_web.app import application
    from twin_web.site import Opened, Site

    folder.mkdir(parents=True, exist_ok=True)
    site = Site(folder.resolve(), Opened("nothing", what or ""))
    typer.echo(f"http://127.0.0.1:{port}/?token={site.token}")
    web.run_app(application(site), host="127.0.0.1", port=port, print=None)
