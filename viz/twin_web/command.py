"""`twin serve`: the page, on this machine, for whoever has its token."""

import os
from pathlib import Path
from typing import Annotated

import typer


def serve(
    what: Annotated[
        str | None,
        typer.Argument(
            metavar="SCENARIO | RUN | MODEL",
            help="What the page begins with: a scenario file, the folder of a run or of a checkpoint, or the name of a "
            "model (see `twin plugins`). Without it: the shipped model.",
        ),
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of 127.0.0.1; 0: any that is free.")] = 8765,
    folder: Annotated[Path, typer.Option("--runs", help="Folder of the runs that the page begins and lists.")] = Path(
        "runs"
    ),
    upload_limit: Annotated[
        float, typer.Option(min=1, max=100_000, metavar="MB", help="Largest file that may be uploaded.")
    ] = 512,
    workers: Annotated[
        int, typer.Option(min=1, help="Worker processes of each run of a tissue; they change no result.")
    ] = min(2, os.cpu_count() or 1),
) -> None:
    """Open a page in which a virtual cell or tissue is asked a question and answers while you watch.

    It answers to this machine alone, and to whoever has the token of the address that it prints. Ctrl-C stops it.

    From another machine: ssh -L 8765:127.0.0.1:8765 HOST
    """
    from twin.errors import MissingExtraError

    try:
        import aiohttp_sse  # noqa: F401  # and aiohttp with it
    except ImportError as error:
        raise MissingExtraError("the page", "web") from error
    from twin_web.port import listen

    listening = listen(port)
    from twin_web.opening import opened, usable  # what reads runs and scenarios: two seconds
    from twin_web.server import run
    from twin_web.site import Site

    begins = opened(what)
    site = Site(usable(folder), begins, upload_limit=upload_limit, workers=workers)
    if begins.kind == "model":
        site.model = begins.path

    def tell(address: str) -> None:
        first = "the shipped model" if begins.kind == "nothing" else f"the {begins.kind} {begins.name}"
        typer.echo(f"{address}\n\nThe page begins with {first}; its runs lie in {site.folder}.")
        typer.echo("Whoever has the address may use it. Ctrl-C stops the server.")

    run(site, listening, tell)
