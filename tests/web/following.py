"""What a job tells, read to its end."""

import json
from typing import Any

from tests.web.asking import Client


async def told(client: Client, job: str) -> list[dict[str, Any]]:
    """Return all events of a job, once it is over."""
    answer = await client.get(f"/api/jobs/{job}/events")
    rows = [row for row in (await answer.text()).splitlines() if row.startswith("data:")]
    return [json.loads(row.removeprefix("data:")) for row in rows]


async def ended(client: Client, job: str) -> dict[str, Any]:
    """Return the last event of a job."""
    return (await told(client, job))[-1]
