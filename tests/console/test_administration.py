"""The pages beside the daily work, over real HTTP: reports, consent, forgetting, templates, purges, texts,
and the runbook.
"""

import re
from dataclasses import replace
from functools import partial
from html import unescape
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest

from streams.console.web.administration import reports
from streams.console.web.runbook import read_pages, render_page
from streams.contract.timestamps import format_rfc3339, parse_rfc3339
from streams.dispatch.records.consents import ConsentRecord
from streams.domain import forgetting
from streams.domain.forgetting import ForgetAnswer, ForgetReport
from streams.kafka.broker_clock import require_append_time
from streams.kafka.reader import TopicNotFound
from streams.kafka.topics import names
from streams.operations.reports.report import Report
from streams.operations.templates import read_templates
from streams.settings import Settings
from tests.console.test_pages import read_requests_of, wait_until_ready
from tests.console.world import PHONE, Topics, Visitor, make_letter, visit
from tests.support.waiting import wait_until

pytestmark = pytest.mark.broker

TEMPLATE = {
    "name": "shipped",
    "language": "en",
    "content": {"type": "text", "body": "Hi {{ name }}"},
}
TEXT = "the text that was sent"


async def has(visitor: Visitor, path: str, text: str) -> bool:
    """Whether a page has this text."""
    return text in unescape((await visitor.get(path))[1])


async def test_a_report_is_made_in_the_background(topics: Topics) -> None:
    """Its page shows how far it is, and then the figures; a choice that is not offered is refused.

    In each state it has the element that the page replaces, when it loads itself again, by the one of the answer.
    """
    async with visit(topics.settings) as visitor:
        await wait_until_ready(visitor)
        path = "/report?since=24h&by=batch"

        async def is_made() -> bool:
            _, page = await visitor.get(path)
            assert 'id="live"' in page
            return "accepted: 3" in page

        await wait_until(is_made)
        _, page = await visitor.get(path)
        assert "server_error" in page
        assert "b-1" in page
        assert (await visitor.get("/report?since=1y"))[0] == 400
        assert (await visitor.get("/report?since=1h&by=phone"))[0] == 400


async def test_a_page_of_another_site_begins_no_report(topics: Topics) -> None:
    """Its request gets the form with the choice in it, from which a person begins it."""
    path = "/report?since=24h"
    async with visit(topics.settings) as visitor:
        await wait_until_ready(visitor)
        for site in ("cross-site", "same-site"):
            status, page = await visitor.get(path, **{"Sec-Fetch-Site": site})
            assert (status, "<option selected>24h" in page) == (200, True)
            assert "being read" not in page
            assert "accepted: 3" not in page
        own = {"Sec-Fetch-Site": "same-origin"}

        async def is_there() -> bool:
            return "accepted: 3" in (await visitor.get(path, **own))[1]

        await wait_until(is_there)


async def test_a_report_of_too_many_events_is_refused(
    topics: Topics, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The console's memory is limited; the command has no limit, and is named."""
    monkeypatch.setattr(reports, "_MAX_EVENTS", 2)
    async with visit(topics.settings) as visitor:
        await wait_until_ready(visitor)
        await wait_until(lambda: has(visitor, "/report?since=24h", "use `wa-streams report`"))
        assert 'id="live"' in (await visitor.get("/report?since=24h"))[1]


@pytest.mark.parametrize(
    ("error", "shown"),
    [(TopicNotFound("gone"), "gone"), (LookupError("a bug"), "the console's log")],
)
async def test_an_error_of_a_report_is_shown_and_then_forgotten(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, error: Exception, shown: str
) -> None:
    """Also one that nobody expects: else its page would begin the report again and again, and say nothing."""

    async def fail(_: reports.Query) -> Report:
        raise error

    runner, query = (
        reports.ReportRunner(settings, lambda: 0.0, lambda: None),
        reports.Query("1h", ""),
    )
    monkeypatch.setattr(runner, "_make", fail)
    result = await runner.get(query)
    assert result is not None
    assert shown in (result.error or "")
    monkeypatch.setattr(reports, "_KEEP_S", 0.0)
    assert await runner.get(query) is result  # each page that waits shows it
    monkeypatch.setattr(reports, "_KEEP_ERROR_S", 0.0)
    assert runner.find(query) is None


async def test_consents_are_listed_and_decided(topics: Topics) -> None:
    """Without a dispatcher nobody decides: the form says so, and the request is on its way."""
    at = format_rfc3339(topics.now_s)
    record = ConsentRecord(phone=PHONE, consent="opted_out", at=at, source="message")
    await topics.put("consent", PHONE.encode(), msgspec.json.encode(record))
    async with visit(topics.settings) as visitor:
        assert await has(visitor, "/consents", "1 of 1 have opted out")
        assert await has(visitor, "/consents?to=60+12-345+6789", PHONE)
        assert await has(visitor, "/consents?to=%2B15550100", "There are none.")
        assert (await visitor.post("/consents/set", to=PHONE, consent="maybe"))[0] == 400
        _, page = await visitor.post("/consents/set", to="not a number", consent="opted_in")
        assert "notice error" in page
        assert await read_requests_of(topics) == []


async def test_a_recipient_is_forgotten_only_after_a_confirmation(topics: Topics) -> None:
    """The page first says what is here; the form needs the box that says that it is meant."""
    async with visit(topics.settings) as visitor:
        await wait_until_ready(visitor)
        assert await has(
            visitor, "/forget?to=60+12-345+6789", "knows 2 messages to the recipient, 1 from it"
        )
        assert (await visitor.post("/forget", to=PHONE))[0] == 400
        assert await read_requests_of(topics) == []


async def test_templates_are_put_shown_and_deleted(topics: Topics) -> None:
    """What is not a valid template is refused, with the reason, and stores nothing."""
    async with visit(topics.settings) as visitor:
        for wrong in (
            "{",
            '{"name": "a"}',
            orjson.dumps(
                TEMPLATE | {"content": {"type": "text", "body": "{% for a in b %}"}}
            ).decode(),
        ):
            _, page = await visitor.post("/templates/put", template=wrong)
            assert "notice error" in page
        assert await read_templates(topics.settings) == []
        _, page = await visitor.post("/templates/put", template=orjson.dumps(TEMPLATE).decode())
        assert "shipped/en: stored." in page
        assert await has(visitor, "/templates", "shipped")
        assert await has(visitor, "/template?name=shipped&language=en", "Hi {{ name }}")
        assert (await visitor.get("/template?name=none&language=en"))[0] == 404
        _, page = await visitor.post("/templates/delete", name="shipped", language="en")
        assert "shipped/en: deleted." in page
        assert await read_templates(topics.settings) == []


async def has_passed(topics: Topics, at_s: float) -> bool:
    """Whether the next record gets a later time."""
    clock = names(topics.settings).clock
    metadata = await topics.producer.send_and_wait(clock, b"", partition=0)
    return require_append_time(metadata) > at_s


async def test_dead_letters_are_purged_after_their_number_was_shown(topics: Topics) -> None:
    """The plan deletes nothing, and what fails after it stays."""
    async with visit(topics.settings) as visitor:
        _, page = await visitor.post("/dead-letters/purge-plan", before="2026-01-01T00:00")
        assert "<strong>0</strong> records" in page
        _, page = await visitor.post("/dead-letters/purge-plan")
        assert "<strong>1</strong> record that was" in page
        before = page.partition('name="before" value="')[2].partition('"')[0]
        # The console only estimates the broker's time: it may be ahead.
        await wait_until(partial(has_passed, topics, parse_rfc3339(before)))
        await topics.put_letter(make_letter("later", topics.now_s, {"to": PHONE}))
        assert (await visitor.post("/dead-letters/purge"))[0] == 400
        _, page = await visitor.post("/dead-letters/purge", before=before)
        assert "1 are deleted." in page
        _, page = await visitor.post("/dead-letters/purge-plan")
        assert "<strong>1</strong> record that was" in page


async def put_request(topics: Topics, **fields: Any) -> None:
    await topics.put("outbound", b"k", orjson.dumps(fields))


async def test_texts_that_were_sent_are_for_who_may_operate(topics: Topics, tmp_path: Path) -> None:
    """Of a single request and of a member of a batch; the token to look sees none, nor finds metadata."""
    await put_request(topics, id="sent-1", to="60 12-345 6789", text=TEXT)
    members = [{"to": PHONE, "text": "a member"}, {"to": "x"}]
    await put_request(topics, type="batch", batch_id="b-9", messages=members)
    await topics.put_event("b-9/0", "accepted", 1.0, batch_id="b-9", metadata=b'{"order": 8841}')
    paths = {
        "/message?to=%2B60123456789&id=sent-1": TEXT,
        "/message?to=%2B60123456789&id=b-9%2F0": "a member",
        "/conversation?to=%2B60123456789": TEXT,
        "/search?q=8841": "b-9/0",
        "/search?q=order%3D8841": "b-9/0",
    }
    settings = replace(topics.settings, console_view_token="look", console_operate_token="act")
    for token, can_operate in (("act", True), ("look", False)):
        async with visit(settings) as visitor:
            await visitor.http.post(f"{visitor.url}/login", data={"token": token})
            await wait_until_ready(visitor)
            for path, text in paths.items():
                if can_operate:
                    await wait_until(lambda: has(visitor, path, text))  # noqa: B023 — at once
                assert await has(visitor, path, text) is can_operate, path
    assert not await has_search(topics, "order=1")


async def has_search(topics: Topics, text: str) -> bool:
    async with visit(topics.settings) as visitor:
        await wait_until_ready(visitor)
        return not await has(visitor, f"/search?q={text.replace('=', '%3D')}", "Nothing was found")


async def test_a_file_that_is_built_again_shows_nobody_who_was_forgotten(topics: Topics) -> None:
    """The answer of an account outlives the report, and says until when its messages are meant."""
    await put_request(topics, id="sent-1", to=PHONE, text=TEXT)
    report_key = forgetting.report_key("f-1", PHONE)
    report = ForgetReport(request_id="f-1", state="done", accounts=("main",))
    await topics.put("forget", report_key, forgetting.encode(report))
    await topics.put("forget", report_key, None)
    answer = ForgetAnswer(account="main", request_id="f-1", requested_at_s=topics.now_s - 5)
    key = forgetting.account_key("main", "f-1", PHONE)
    await topics.put("forget", key, forgetting.encode(answer))
    await topics.put_event("later", "accepted", -60.0)
    async with visit(topics.settings) as visitor:
        await wait_until_ready(visitor)
        await wait_until(lambda: has(visitor, "/search?q=sent-1", "Nothing was found"))
        assert not await has(visitor, "/conversation?to=%2B60123456789", TEXT)
        assert await has(visitor, "/search?q=later", "1 message for")


async def test_an_alert_leads_to_its_page(topics: Topics) -> None:
    """The page is shown here, or an address that is set is linked; nothing else of the disk is shown."""
    await topics.put_alert("raised")
    async with visit(topics.settings) as visitor:
        await wait_until(lambda: has(visitor, "/", 'href="/runbook?alert=account_silent"'))
        assert await has(visitor, "/runbook?alert=account_silent", "What to do")
        for name in ("nobody", "../runbook", "..%2Frunbook%2Faccount_silent"):
            assert (await visitor.get(f"/runbook?alert={name}"))[0] == 404
    settings = replace(topics.settings, runbook_url="https://wiki.example/{alert}/")
    async with visit(settings) as visitor:
        await wait_until(lambda: has(visitor, "/", 'href="https://wiki.example/account_silent/"'))


def test_each_page_of_the_runbook_is_rendered() -> None:
    """Nothing of Markdown is left in what a person reads."""
    folder = Path(__file__).parents[2] / "docs" / "runbook"
    pages = read_pages()
    assert pages.keys() == {path.stem for path in folder.glob("*.md")}
    for name in pages:
        page = render_page(name)
        assert page.count("<h2>") == 3, name
        assert not any(mark in page for mark in ("](", "`", "##", "<p>*")), name
        links = re.findall(r'href="(.*?)"', page)
        assert all(link.removeprefix("/runbook?alert=") in pages for link in links), links
    assert "/runbook?alert=account_restricted" in render_page("no_account_can_send")
