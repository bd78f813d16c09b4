"""Who comes in, what the page is told first, and what happens to those who mean ill."""

import asyncio
import io
import json
import re
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from twin_web import stream
from twin_web.bodies import body, number, text, whole
from twin_web.journal import Journal
from twin_web.site import SITE, Opened, Site

from tests.web.asking import Client, asking


def asked(body: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(body, 30))


@pytest.fixture
def site(tmp_path: Path) -> Site:
    folder = tmp_path / "runs"
    folder.mkdir()
    return Site(folder, model="none")


def pass_of(client: Client) -> str:
    """Return the name of the cookie that lets a client in."""
    return f"twin_pass_{client.port}"


def who_is(client: Client) -> str:
    """Return which browser a client is."""
    (who,) = [cookie.value for cookie in client.session.cookie_jar if cookie.key == "twin_who"]
    return who


async def raw(client: Client, path: str, cookie: str = "") -> bytes:
    """Ask for a path as it is written, which clients would tidy up, and return the whole answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
    head = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{client.port}\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n"
    writer.write(head.encode())
    answer = await reader.read()
    writer.close()
    return answer


def test_without_the_token_nothing_is_answered_but_what_is_needed(site: Site) -> None:
    async def body() -> None:
        async with asking(site, known=False) as client:
            for path in ("/", "/page/main.js", "/tissue/viewer", "/nowhere"):
                answer = await client.get(path)
                told = await answer.text()
                assert answer.status == 401
                assert answer.content_type == "text/html"
                assert "twin serve" in told
                assert "令牌" in told
                assert site.token not in told
            for path in ("/api/site", "/api/jobs/0/events", "/api/nowhere"):
                answer = await client.get(path)
                assert answer.status == 401
                assert "token" in (await answer.json())["error"]

    asked(body())


@pytest.mark.parametrize("given", ["", "x", "ünïcode", "%ff%fe", "A" * 5000])
def test_a_wrong_token_does_not_come_in(site: Site, given: str) -> None:
    async def body() -> None:
        async with asking(site, known=False) as client:
            answer = await client.get(f"/?token={given}")
            assert answer.status == 401
            assert "Set-Cookie" not in answer.headers
            answer = await client.get("/api/site", headers={"Cookie": f"{pass_of(client)}={given}"})
            assert answer.status == 401

    asked(body())


def test_the_token_leaves_the_address_and_the_rest_of_it_stays(site: Site) -> None:
    async def body() -> None:
        async with asking(site, known=False) as client:
            answer = await client.get(f"/tissue/viewer?run=a&token={site.token}&hour=6", allow_redirects=False)
            assert answer.status == 303
            assert answer.headers["Location"] == "/tissue/viewer?run=a&hour=6"
            told = await raw(client, f"//example.org/?token={site.token}")
            assert b"Location: /example.org/\r\n" in told  # no way to another host
            answer = await client.get("/api/site")
            assert answer.status == 200

    asked(body())


def test_two_servers_on_one_host_do_not_throw_each_other_out(site: Site, tmp_path: Path) -> None:
    async def body() -> None:
        async with asking(site) as first, asking(Site(tmp_path, model="none")) as second:
            first.session.cookie_jar.update_cookies(second.session.cookie_jar.filter_cookies(second.make_url("/")))
            names = {cookie.key for cookie in first.session.cookie_jar}
            assert names == {pass_of(first), pass_of(second), "twin_who"}
            assert (await first.get("/api/site")).status == 200

    asked(body())


def test_a_browser_is_known_again_and_another_is_not_taken_for_it(site: Site) -> None:
    async def body() -> None:
        async with asking(site) as client:
            who = who_is(client)
            await client.get(f"/?token={site.token}")
            assert who in [cookie.value for cookie in client.session.cookie_jar]
        for forged in ("../../etc", "a" * 31, "A" * 32, "x" * 3000):
            async with asking(site, known=False) as client:
                told = await raw(client, f"/?token={site.token}", f"twin_who={forged}")
                assert re.search(rb"twin_who=[0-9a-f]{32};", told)

    asked(body())


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "example.org"},
        {"Host": "127.0.0.1.example.org:80"},
        {"Host": "[::1"},
        {"Host": "127.0.0.1:99999999"},
        {"Host": "127.0.0.1@example.org"},
        {"Origin": "http://example.org"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "http://["},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
        {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors"},  # another port of this machine
    ],
)
def test_another_page_or_name_gets_nothing(site: Site, headers: dict[str, str]) -> None:
    async def body() -> None:
        async with asking(site) as client:
            for method, path in (("GET", "/api/site"), ("DELETE", "/api/jobs/0")):
                answer = await client.request(method, path, headers=headers)
                assert answer.status == 403
                assert (await answer.json())["error"].startswith(("this server answers", "another page"))

    asked(body())


def test_a_link_in_another_page_opens_ours_but_its_form_does_nothing(site: Site) -> None:
    async def body() -> None:
        async with asking(site) as client:
            headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
            assert (await client.get("/", headers=headers)).status == 200
            assert (await client.post("/api/ping", headers=headers)).status == 403

    asked(body())


def test_every_answer_keeps_the_page_to_itself(site: Site) -> None:
    async def body() -> None:
        async with asking(site) as client:
            for path, kept in (
                ("/", "no-cache"),
                ("/page/main.js", "no-cache"),
                ("/api/site", "no-store"),
                ("/api/no", "no-store"),
            ):
                headers = (await client.get(path)).headers
                assert headers["Cache-Control"] == kept
                assert headers["X-Content-Type-Options"] == "nosniff"
                assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
                assert "script-src 'self'" in headers["Content-Security-Policy"]
                assert "unsafe" not in headers["Content-Security-Policy"]

    asked(body())


def test_files_that_have_not_changed_are_not_sent_again(site: Site) -> None:
    async def body() -> None:
        async with asking(site) as client:
            for path, kind in (
                ("/page/main.js", "javascript"),
                ("/page/style/base.css", "css"),
                ("/page/mark.svg", "svg+xml"),
                ("/", "html"),
            ):
                first = await client.get(path)
                assert (first.status, first.content_type.partition("/")[2]) == (200, kind)
                again = await client.get(path, headers={"If-None-Match": first.headers["ETag"]})
                assert (again.status, await again.read()) == (304, b"")

    asked(body())


@pytest.mark.parametrize(
    "path",
    [
        "/page/../guard.py",
        "/page/%2e%2e/guard.py",
        "/page/..%2fguard.py",
        "/page/%2e%2e%2f%2e%2e%2f%2e%2e%2fpyproject.toml",
        "/page//etc/passwd",
        "/page/%00",
        "/page/lib",
        "/page/" + "x" * 4000,
    ],
)
def test_nothing_but_the_page_is_served_from_its_folder(site: Site, path: str) -> None:
    async def body() -> None:
        async with asking(site) as client:
            answer = await raw(client, path, f"{pass_of(client)}={site.token}")
            assert int(answer.split(b" ")[1]) in (400, 403, 404)
            assert b"import" not in answer
            assert b"root:" not in answer

    asked(body())


def test_what_is_not_there_or_not_done_that_way_is_said_as_json(site: Site) -> None:
    async def body() -> None:
        async with asking(site) as client:
            for method, path, status in (("GET", "/api/nowhere", 404), ("POST", "/api/site", 405)):
                answer = await client.request(method, path)
                assert answer.status == status
                assert (await answer.json())["error"]

    asked(body())


def test_a_mistake_of_ours_is_logged_and_told_without_its_trace(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    async def broken(request: web.Request) -> web.Response:
        raise ZeroDivisionError("a secret of ours")

    async def body() -> None:
        async with asking(site, web.get("/api/broken", broken)) as client:
            for accepts in ("application/json", "text/html"):
                answer = await client.get("/api/broken", headers={"Accept": accepts})
                assert answer.status == 500
                assert "secret" not in await answer.text()
                assert answer.headers["Cache-Control"] == "no-store"

    asked(body())
    assert "ZeroDivisionError" in caplog.text


def test_large_json_goes_packed_and_small_json_as_it_is(site: Site) -> None:
    async def large(request: web.Request) -> web.Response:
        return web.json_response({"genes": ["ISG15"] * int(request.query["n"])})

    async def body() -> None:
        async with asking(site, web.get("/api/large", large)) as client:
            for n, packed in ((10, None), (100_000, "gzip")):
                answer = await client.get("/api/large", params={"n": n}, headers={"Accept-Encoding": "gzip"})
                assert answer.headers.get("Content-Encoding") == packed
                assert len((await answer.json())["genes"]) == n
                assert (await client.get("/api/large", params={"n": n}, headers={"Accept-Encoding": ""})).status == 200

    asked(body())


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        (b"{", "the request is no JSON"),
        (b"\xff\xfe{}", "the request is no JSON"),
        (b"[]", "no JSON object"),
        (b'"gene"', "no JSON object"),
        (b'{"n": NaN}', "NaN is no number of JSON"),
        (b'{"n": Infinity}', "Infinity is no number of JSON"),
        (b'{"n": 1e999}', "n: Infinity is no number"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"n": ' + b"9" * 5000 + b"}", "no JSON"),
        (b"{}", "n: nothing is no number"),
        (b"", "n: nothing is no number"),
        (b'{"n": "3"}', 'n: "3" is no number'),
        (b'{"n": true}', "n: true is no number"),
        (b'{"n": [1, 2]}', "n: [1, 2] is no number"),
        (b'{"n": 500}', "n: 500 h lies outside 0 to 72 h"),
        (b'{"n": 3}', "name: nothing is no text"),
        (b'{"n": 3, "name": 5}', "name: 5 is no text"),
        (b'{"n": 3, "name": "' + b"x" * 2000 + b'"}', "name: 2000 characters are too many, at most 1000"),
        (b'{"n": 3, "name": "a", "cells": 2.5}', "cells: 2.5 is no whole number"),
    ],
)
def test_whatever_is_sent_is_answered_with_one_sentence(site: Site, sent: bytes, told: str) -> None:
    async def reads(request: web.Request) -> web.Response:
        given = await body(request)
        number(given, "n", 0, 72, units="h")
        text(given, "name")
        whole(given, "cells", 1, 500, 100)
        return web.json_response({})

    async def go() -> None:
        async with asking(site, web.post("/api/reads", reads)) as client:
            answer = await client.post("/api/reads", data=sent)
            assert answer.status == 400
            error = (await answer.json())["error"]
            assert told in error
            assert len(error) < 200
            good = await client.post("/api/reads", json={"n": 3, "name": "a"})
            assert (good.status, await good.json()) == (200, {})

    asked(go())


def test_more_than_a_question_may_weigh_is_not_read(site: Site) -> None:
    async def reads(request: web.Request) -> web.Response:
        return web.json_response(await body(request))

    async def go() -> None:
        async with asking(site, web.post("/api/reads", reads)) as client:
            answer = await client.post("/api/reads", data=io.BytesIO(b'"' + b"x" * (5 * 2**20)))
            assert answer.status == 413
            assert (await answer.json())["error"]
            answer = await client.get("/api/site", headers={"X-Long": "x" * 100_000})
            assert answer.status == 400

    asked(go())


def test_the_page_is_told_what_it_begins_with(tmp_path: Path) -> None:
    async def body() -> None:
        for kind, path, name in (
            ("nothing", "", ""),
            ("model", "default", "default"),
            ("run", "/data/my run", "my run"),
            ("scenario", "/data/patch.v2.yaml", "patch.v2"),
        ):
            async with asking(Site(tmp_path, Opened(kind, path), model="none", upload_limit=3)) as client:  # type: ignore[arg-type]
                told = await (await client.get("/api/site")).json()
                assert told["opened"] == {"kind": kind, "name": name, "path": path}
                assert told["upload_limit_mb"] == 3
                assert "default" in told["models"]
                assert told["runs"] == str(tmp_path)
                machine = await (await client.get("/api/machine")).json()
                assert machine["cores"] >= 1

    asked(body())


# Jobs: whose they are, and how their events are read.


def test_a_job_is_its_owners_alone(site: Site) -> None:
    async def body() -> None:
        stopped: list[str] = []
        async with asking(site) as client, asking(site) as other:
            who = who_is(client)
            name, journal = site.jobs.begin(who, lambda: stopped.append("yes"))
            journal.tell("done")
            for path in (f"/api/jobs/{name}/events", f"/api/jobs/{'0' * 16}/events"):
                answer = await other.get(path)
                assert answer.status == 400
                assert "there is no job" in (await answer.json())["error"]
            assert (await other.delete(f"/api/jobs/{name}")).status == 400
            assert stopped == []
            assert (await client.delete(f"/api/jobs/{name}")).status == 200
            assert stopped == ["yes"]
            assert '"kind":"done"' in await (await client.get(f"/api/jobs/{name}/events")).text()

    asked(body())


def numbers(told: str) -> list[int]:
    return [int(row[4:]) for row in told.split("\r\n") if row.startswith("id: ")]


def test_events_go_on_after_the_last_that_was_seen(site: Site) -> None:
    async def body() -> None:
        async with asking(site) as client:
            who = who_is(client)
            name, journal = site.jobs.begin(who, lambda: None)
            for n in range(5):
                journal.tell("step", n=n)
            journal.tell("done")
            path = f"/api/jobs/{name}/events"
            assert numbers(await (await client.get(path)).text()) == [0, 1, 2, 3, 4, 5]
            assert numbers(await (await client.get(path, params={"after": 2})).text()) == [3, 4, 5]
            assert numbers(await (await client.get(path, headers={"Last-Event-ID": "4"})).text()) == [5]
            for odd in ("-1", "x", "9" * 40, "٣"):
                told = await (await client.get(path, params={"after": odd})).text()
                assert numbers(told) == [0, 1, 2, 3, 4, 5]

    asked(body())


def test_a_reader_that_goes_away_is_let_go_though_nothing_happens(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "PING", 0.1)
    ended = asyncio.Event()

    async def silence() -> AsyncIterator[tuple[int, str]]:
        try:
            yield 0, "{}"
            await asyncio.sleep(3600)
        finally:
            ended.set()

    async def body() -> None:
        async with asking(site) as client:
            who = who_is(client)
            name, journal = site.jobs.begin(who, lambda: None)
            monkeypatch.setattr(journal, "since", lambda first: silence())
            answer = await client.get(f"/api/jobs/{name}/events")
            assert await answer.content.readline() == b"id: 0\r\n"
            answer.close()
            await asyncio.wait_for(ended.wait(), 5)

    asked(body())


def test_a_journal_forgets_its_oldest_events_and_keeps_their_numbers() -> None:
    async def body() -> None:
        journal = Journal(most=1000)
        for n in range(100):
            journal.tell("step", n=n, text="x" * 80)
        journal.tell("done")
        journal.tell("step", n=100)  # after its last, nothing is told
        told = [(number, json.loads(text)) async for number, text in journal.since(0)]
        assert len(told) < 12
        assert [number for number, _ in told] == list(range(101 - len(told), 101))
        assert all(event["n"] == number for number, event in told[:-1])
        assert told[-1][1]["kind"] == "done"

    asked(body())


def test_a_server_that_ends_stops_its_jobs_and_lets_go_who_listens(site: Site) -> None:
    async def body() -> None:
        stopped: list[str] = []
        async with asking(site) as client:
            who = who_is(client)
            name, journal = site.jobs.begin(who, lambda: stopped.append(name))
            journal.tell("step")
            answer = await client.get(f"/api/jobs/{name}/events")
            assert await answer.content.readline() == b"id: 0\r\n"
            assert client.app is not None
            client.app[SITE].jobs.end()
            assert stopped == [name]
            await asyncio.wait_for(answer.content.read(), 5)

    asked(body())
