"""The pages and the forms over real HTTP, with a real broker: what they show, to whom, and what they do."""

from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
from yarl import URL

from streams.console.web.server import require_token
from streams.kafka.reader import open_reader
from streams.kafka.topics import names
from streams.observability.http_server import CannotListen
from streams.operations.account_requests import read_requests
from streams.settings import Settings
from streams.system.folder_lock import FolderInUse
from tests.console.world import PHONE, Topics, Visitor, make_letter, visit
from tests.support.waiting import wait_until

pytestmark = pytest.mark.broker

OUR_PAGES = ("/", "/accounts", "/queue", "/batches", "/dead-letters", "/report", "/send", "/search")


async def wait_until_ready(visitor: Visitor) -> None:
    """Wait until the console has read the topics."""

    async def is_ready() -> bool:
        status, _ = await visitor.get("/readyz")
        _, page = await visitor.get("/accounts")
        return status == 200 and "+905550000001" in page

    await wait_until(is_ready)


async def read_requests_of(topics: Topics) -> list[dict[str, Any]]:
    """What is on `wa.outbound`."""
    async with open_reader(topics.settings, names(topics.settings).outbound) as reader:
        return [orjson.loads(record.value or b"{}") async for record in reader.read_to_end()]


async def test_each_page_shows_what_the_topics_say(topics: Topics) -> None:
    """Whoever is on this machine needs no token, and sees everything."""
    letter = f"/dead-letter?id=wa.outbound:0:{sum(b'b-1/0')}"
    shown = {
        "/": ["Waiting", "1 rate_limited", "1 of 1 can send", "accepted: 3"],
        "/accounts": ["+905550000001", "ready", "3"],
        "/account?name=main": ["ready", "Pause", "3 in 24 hours"],
        "/queue": [PHONE, "rate_limited"],
        f"/queue?to={PHONE.replace('+', '%2B')}": ["waits-1", "Cancel"],
        "/search?q=sent-1": ["1 message for", "delivered"],
        "/search?q=3EB0C7": ["sent-1"],
        "/search?q=60+12-345+6789": ["sent-1", "waits-1"],
        "/search?q=nothing": ["Nothing was found"],
        "/message?to=%2B60123456789&id=sent-1": ["Timeline", "accepted", "sent", "3EB0C7"],
        "/message?to=%2B60123456789&id=other": ["No status of it is known"],
        "/conversation?to=%2B60123456789": ["a received text", "sent-1"],
        "/batches": ["b-1", "1 of 1"],
        "/batch?id=b-1": ["b-1/0", "Cancel the batch"],
        "/dead-letters": ["b-1/0", "server_error", "Replay the selected"],
        "/dead-letters?reason=queue_full": ["There are none."],
        letter: ["the secret text", "a header", "the server refused it"],
        "/send": ["Send a test message", "main (ready)"],
        "/report": ["Accepted in the last", "template"],
        "/consents": ["There are none."],
        "/templates": ["There are none.", "Add or replace"],
    }
    async with visit(topics.settings) as visitor:
        await wait_until_ready(visitor)
        for path, texts in shown.items():
            status, page = await visitor.get(path)
            assert (status, [text for text in texts if text not in unescape(page)]) == (200, []), (
                path
            )
        assert (await visitor.get("/account?name=nobody"))[0] == 404
        assert (await visitor.get("/message?to=1"))[0] == 400
        assert (await visitor.get("/queue?page=0"))[0] == 400
        assert (await visitor.get("/nothing"))[0] == 404


async def test_every_answer_forbids_scripts_of_a_page(topics: Topics) -> None:
    """The policy allows nothing inline, no frame, and no address elsewhere; nothing is kept in a cache."""
    async with visit(topics.settings) as visitor:
        for path in (*OUR_PAGES, "/static/console.css", "/login", "/nothing", "/api/accounts"):
            async with visitor.http.get(visitor.url + path) as response:
                policy = response.headers["Content-Security-Policy"]
                assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
                assert "unsafe" not in policy
                assert response.headers["X-Content-Type-Options"] == "nosniff"
                assert "style=" not in await response.text()


async def test_with_a_token_nobody_sees_anything_without_it(topics: Topics) -> None:
    """A page leads to the login; a stream, a form and the API are refused; the probes are as everywhere."""
    settings = replace(topics.settings, console_operate_token="act", web_token="probe")
    async with visit(settings) as visitor:
        for path in OUR_PAGES:
            async with visitor.http.get(visitor.url + path, allow_redirects=False) as response:
                assert (response.status, response.headers["Location"][:12]) == (303, "/login?next=")
            part = {"HX-Request": "true"}  # of a page whose session has ended
            async with visitor.http.get(visitor.url + path, headers=part) as response:
                target = response.headers["HX-Redirect"]
                assert (response.status, target[:12]) == (401, "/login?next=")
        for path in ("/live", "/kafka", "/api/accounts", "/readyz", "/metrics", "/health/whatsapp"):
            async with visitor.http.get(visitor.url + path, headers=part) as response:
                assert (response.status, "HX-Redirect" in response.headers) == (401, False), path
        assert (await visitor.get("/healthz", Authorization="Bearer probe"))[0] == 200
        assert (await visitor.get("/api/accounts", Authorization="Bearer act"))[0] == 200
        assert (await visitor.get("/api/accounts", Authorization="Bearer probe"))[0] == 401
        async with visitor.http.post(f"{visitor.url}/login", data={"token": "wrong"}) as response:
            assert response.status == 403
        form = {"token": "act", "next": "//evil.example/"}
        async with visitor.http.post(f"{visitor.url}/login", data=form) as response:
            assert (response.status, response.url.path) == (200, "/")  # and not elsewhere
        (cookie,) = visitor.http.cookie_jar
        assert (cookie["httponly"], cookie["samesite"], cookie["secure"]) == (True, "Strict", "")
        proxied = {"X-Forwarded-Proto": "https"}
        async with visitor.http.post(
            f"{visitor.url}/login", data=form, headers=proxied, allow_redirects=False
        ) as response:
            (cookie,) = response.cookies.values()
            assert cookie["secure"] is True
        async with visitor.http.post(f"{visitor.url}/login", data=form) as response:
            assert response.status == 200  # with a cookie for this address again
        assert "Log out" in (await visitor.get("/"))[1]
        await visitor.post("/logout")
        assert "Token:" in (await visitor.get("/"))[1]


async def test_the_token_to_view_shows_no_text_and_does_nothing(topics: Topics) -> None:
    """Neither a received text, nor the payload of a dead letter, nor a code that links an account."""
    settings = replace(topics.settings, console_view_token="look", console_operate_token="act")
    await topics.put_account(state="linking", qr="the-qr-code", phone="+905550000001")
    async with visit(settings) as visitor:
        async with visitor.http.post(f"{visitor.url}/login", data={"token": "look"}) as response:
            assert response.status == 200
        await wait_until(lambda: _has(visitor, "/conversation?to=%2B60123456789", "sent-1"))
        await wait_until(lambda: _has(visitor, "/account?name=main", "linking"))
        letter = f"/dead-letter?id=wa.outbound:0:{sum(b'b-1/0')}"
        for path in (*OUR_PAGES, "/conversation?to=%2B60123456789", letter, "/account?name=main"):
            _, page = await visitor.get(path)
            for hidden in ("a received text", "the secret text", "a header", "<path", "Pause"):
                assert hidden not in page, path
        csrf = (await visitor.get("/"))[1].partition('name="csrf" value="')[2].partition('"')[0]
        assert csrf
        for path in ("/accounts/request", "/queue/cancel", "/send", "/dead-letters/replay"):
            form = {"csrf": csrf, "name": "main", "verb": "pause", "to": PHONE, "text": "x"}
            async with visitor.http.post(visitor.url + path, data=form) as response:
                assert response.status == 403, path
        view = {"Authorization": "Bearer look"}
        _, accounts = await visitor.get("/api/accounts", **view)
        assert orjson.loads(accounts)["accounts"][0]["qr"] is None
    assert await read_requests_of(topics) == []
    assert await read_requests(topics.settings) == {}


async def _has(visitor: Visitor, path: str, text: str) -> bool:
    return text in (await visitor.get(path))[1]


async def test_a_form_of_another_page_is_refused(topics: Topics) -> None:
    """It has no token of the session, or comes from another site, or under another host name."""
    async with visit(topics.settings) as visitor:
        csrf = await visitor.read_csrf()
        form = {"csrf": csrf, "to": PHONE, "text": "x", "id": "m"}
        url = f"{visitor.url}/send"
        host = URL(visitor.url).authority
        refused: list[tuple[dict[str, str], dict[str, str]]] = [
            (form | {"csrf": ""}, {}),
            (form | {"csrf": csrf[:-1] + ("0" if csrf[-1] != "0" else "1")}, {}),
            ({name: value for name, value in form.items() if name != "csrf"}, {}),
            (form, {"Origin": "http://evil.example"}),
            (form, {"Origin": "null"}),
            (form, {"Sec-Fetch-Site": "cross-site"}),
            (form, {"Host": "evil.example"}),
        ]
        for fields, headers in refused:
            async with visitor.http.post(url, data=fields, headers=headers) as response:
                assert response.status == 403, (fields, headers)
        async with aiohttp.ClientSession() as stranger, stranger.post(url, data=form) as response:
            assert response.status == 401
        large = form | {"text": "x" * 70_000}
        async with visitor.http.post(url, data=large) as response:
            assert response.status == 413
        assert await read_requests_of(topics) == []
        async with visitor.http.post(
            url, data=form, headers={"Origin": f"http://{host}"}
        ) as response:
            assert response.status == 200
        assert [request["id"] for request in await read_requests_of(topics)] == ["m"]


async def test_the_forms_of_accounts_request_what_they_say(topics: Topics) -> None:
    """Each writes the request that the command line writes."""
    async with visit(topics.settings) as visitor:
        for verb, state in (
            ("pause", "paused"), ("resume", "active"), ("logout", "logged_out"), ("remove", "removed"),
        ):  # fmt: skip
            _, page = await visitor.post("/accounts/request", name="main", verb=verb)
            assert "main is" in page
            assert (await read_requests(topics.settings))["main"].requested == state
        _, page = await visitor.post("/accounts/add", name="sales-2")
        assert "sales-2 is an account now" in page
        _, page = await visitor.post("/accounts/link", name="sales-2", phone="+60 12-345 6789")
        assert "The code appears here" in page
        _, page = await visitor.post("/accounts/add", name="<script>")
        assert "cannot be an account" in page
        _, page = await visitor.post("/accounts/request", name="nobody", verb="pause")
        assert "there is no account nobody" in page
        assert (await visitor.post("/accounts/request", name="main", verb="explode"))[0] == 400


async def test_the_form_of_a_message_sends_it_once(topics: Topics) -> None:
    """A second click repeats the id, so the dispatcher sends one message; a wrong number sends nothing."""
    async with visit(topics.settings) as visitor:
        for _ in range(2):
            _, page = await visitor.post("/send", id="console-1", to="+60 12-345 6789", text="hi")
            assert "Kafka has the request" in page
        _, page = await visitor.post("/send", id="console-2", to="", text="hi")
        assert "is missing" in page
        requests = await read_requests_of(topics)
        assert [(r["id"], r["content"]["body"]) for r in requests] == [("console-1", "hi")] * 2


async def test_the_forms_of_the_queue_cancel(topics: Topics) -> None:
    """One message, a recipient, or a batch."""
    async with visit(topics.settings) as visitor:
        await visitor.post("/queue/cancel", to=PHONE, id="waits-1")
        await visitor.post("/queue/cancel", to=PHONE)
        await visitor.post("/queue/cancel", batch_id="b-1")
        _, page = await visitor.post("/queue/cancel")
        assert "notice error" in page
        requests = await read_requests_of(topics)
        named = [{k: v for k, v in r.items() if k in ("to", "id", "batch_id")} for r in requests]
        assert [r["type"] for r in requests] == ["cancel"] * 3
        assert sorted(named, key=str) == sorted(
            [{"to": PHONE, "id": "waits-1"}, {"to": PHONE}, {"batch_id": "b-1"}], key=str
        )


async def test_a_replay_is_shown_before_it_happens(topics: Topics) -> None:
    """The plan publishes nothing, and refuses what may have been sent; the replay publishes the original."""
    unknown = make_letter("maybe", topics.now_s, {"to": PHONE, "text": "t"}, outcome="unknown")
    await topics.put_letter(unknown)
    async with visit(topics.settings) as visitor:
        await wait_until(lambda: _has(visitor, "/dead-letters", "maybe"))
        _, page = await visitor.post("/dead-letters/plan", scope="matching")
        assert "To be replayed: <strong>1</strong>" in page
        assert "may have been sent: <strong>1</strong>" in page
        _, page = await visitor.post("/dead-letters/plan", scope="matching", force="yes")
        assert "To be replayed: <strong>2</strong>" in page
        _, page = await visitor.post("/dead-letters/plan", scope="selected", ids=unknown.info.id)
        assert "To be replayed: <strong>0</strong>" in page
        assert (await visitor.post("/dead-letters/plan", scope="selected"))[0] == 400
        assert await read_requests_of(topics) == []
        await visitor.post("/dead-letters/replay", scope="matching", batch_id="b-1")
        await wait_until(lambda: _has(visitor, "/dead-letters", "1 of 1 are published."))
        assert [request["text"] for request in await read_requests_of(topics)] == [
            "the secret text"
        ]


async def test_an_open_page_learns_of_a_change(topics: Topics) -> None:
    """The stream names what has changed; the number of streams is bounded."""
    async with visit(topics.settings) as visitor:
        await wait_until_ready(visitor)
        async with visitor.http.get(f"{visitor.url}/live") as response:
            assert response.content_type == "text/event-stream"
            await topics.put_event("new", "accepted", 1.0)
            async for line in response.content:
                if line == b"event: status\n":
                    break
        streams = [await visitor.http.get(f"{visitor.url}/live") for _ in range(64)]
        refused = [stream.status for stream in streams].count(503)
        async with visitor.http.get(f"{visitor.url}/live") as response:
            assert response.status == 503
        assert refused <= 1  # the first one may not have ended yet
        for stream in streams:
            stream.close()


async def test_one_console_of_a_name_runs_on_a_data_folder(topics: Topics) -> None:
    """A second one would write the same file."""
    async with visit(topics.settings):
        with pytest.raises(FolderInUse, match="another console named console"):
            async with visit(topics.settings):
                pass


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "example.com"])
def test_off_loopback_it_does_not_start_without_a_token(host: str, tmp_path: Path) -> None:
    """The token of the probes is not enough: it opens no page."""
    settings = Settings(data_dir=tmp_path, web_host=host, web_token="probe")
    with pytest.raises(CannotListen, match="WA_CONSOLE_OPERATE_TOKEN"):
        require_token(settings)
    require_token(replace(settings, console_view_token="look"))
