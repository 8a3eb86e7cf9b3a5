"""Reports on the real broker: what is read, how it is printed, and that nothing is left behind."""

import asyncio
import csv
import io
import multiprocessing
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio
from aiokafka import AIOKafkaProducer

from streams.contract import status
from streams.contract.timestamps import format_rfc3339
from streams.dispatch.records.consents import ConsentRecord
from streams.kafka import admin
from streams.kafka.broker_clock import fetch_broker_time_s
from streams.kafka.connection import producer_options
from streams.kafka.topics import names
from streams.operations.errors import CommandFailed, UsageError
from streams.operations.reports import reading, rendering
from streams.operations.reports.reading import Limits
from streams.operations.reports.report import ReportQuery, make_report
from streams.settings import Settings
from tests.operations.reports.test_figures import make_error
from tests.support.waiting import wait_until

pytestmark = pytest.mark.broker

PHONES = [f"+6012345678{n}" for n in range(6)]
BATCH = "=cmd|' /C calc'!A0<b>"  # a caller names it


@pytest_asyncio.fixture
async def filled(settings: Settings) -> Settings:
    """Six messages in several partitions, of which one failed and one waits; each event is there twice."""
    await admin.create_topics(settings)
    now_s, topics = await fetch_broker_time_s(settings), names(settings)
    async with AIOKafkaProducer(**producer_options(settings)) as producer:
        for index, phone in enumerate(PHONES):
            events: list[tuple[status.Status, float]] = [
                ("accepted", 60.0),
                ("sent", 58.0),
                ("delivered", 50.0),
            ]
            if index == 0:
                events = [("accepted", 60.0), ("failed", 1.0)]
            if index == 1:
                events = [("accepted", 60.0)]
            for kind, ago_s in events * 2:
                event = status.make(
                    id="one", status=kind, event_id_suffix="1", at_s=now_s - ago_s, to=phone,
                    batch_id=BATCH if kind == "accepted" else None,
                    account=None if kind == "accepted" else "main",
                    error=make_error("media_rejected") if kind == "failed" else None,
                )  # fmt: skip
                value = status.encode(event)
                await producer.send_and_wait(topics.status, value, key=phone.encode())
        record = ConsentRecord(
            phone=PHONES[0], consent="opted_out", at=format_rfc3339(now_s - 5), source="message"
        )
        await producer.send_and_wait(topics.consent, msgspec.json.encode(record), key=b"x")
    return settings


async def make_query(settings: Settings, ago_s: float = 3600.0) -> ReportQuery:
    now_s = await fetch_broker_time_s(settings)
    return ReportQuery(since_s=now_s - ago_s, until_s=now_s + 60, by="batch")


async def test_two_processes_find_what_one_finds(
    filled: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every partition is read once, by one of them, and the repeats count once."""
    query, fractions = await make_query(filled), list[float]()
    alone = await make_report(filled, query)
    monkeypatch.setattr(reading, "_count_processes", lambda *_: 2)
    together = await make_report(filled, query, fractions.append)
    assert together == alone
    total = together.total
    assert (total.accepted, total.sent, total.delivered, total.failed, total.open) == (
        6,
        4,
        4,
        1,
        1,
    )
    assert [(f.status, f.code, f.messages) for f in together.failures] == [
        ("failed", "media_rejected", 1)
    ]
    assert total.accepted_to_sent.p50_s == pytest.approx(2.0, abs=0.002)
    assert (together.consents.opted_out, together.consents.opted_out_by_message) == (1, 1)


async def test_a_page_and_a_table_run_nothing(filled: Settings) -> None:
    """What a caller has named is escaped on the page, and no formula in a spreadsheet."""
    report = await make_report(filled, await make_query(filled))
    page = rendering.render_page(report)
    assert "A0&lt;b&gt;" in page
    assert "A0<b>" not in page
    assert "http" not in page.replace("http-equiv", "")  # nothing is loaded from elsewhere
    (row,) = csv.DictReader(io.StringIO(rendering.render_csv(report)))
    assert (row["batch"], row["messages"], row["sent"]) == (f"'{BATCH}", "6", "4")


async def test_an_empty_time_has_an_empty_report(filled: Settings) -> None:
    """A sentence says so; a window that ends before it begins is a mistake of its user."""
    now_s = await fetch_broker_time_s(filled)
    empty = await make_report(filled, ReportQuery(since_s=now_s + 5, until_s=now_s + 9, by="hour"))
    assert empty.is_empty
    assert "No message was accepted or rejected in this time." in rendering.render_page(empty)
    assert rendering.render_csv(empty) == ""
    with pytest.raises(UsageError, match="ends before it begins"):
        await make_report(filled, ReportQuery(since_s=now_s, until_s=now_s - 1))


async def test_nothing_is_left_of_a_report_that_is_given_up(filled: Settings) -> None:
    """As after Ctrl-C: the processes that read are ended before the command ends."""
    report = asyncio.create_task(make_report(filled, await make_query(filled)))
    await wait_until(lambda: bool(multiprocessing.active_children()))
    report.cancel()
    with pytest.raises(asyncio.CancelledError):
        await report
    assert multiprocessing.active_children() == []


async def test_an_error_of_a_process_is_that_of_the_report(
    filled: Settings, tmp_path: Path
) -> None:
    """Its own words reach the person who waits."""
    settings = replace(
        filled, kafka_security_protocol="SSL", kafka_security_ca_file=tmp_path / "no"
    )
    task = reading._Task(settings, names(filled).status, {0: (0, 1)})
    with pytest.raises(Exception, match="WA_KAFKA_SECURITY_CA_FILE"):
        await reading._run_process(task, 0, lambda index, count: None)


async def test_a_topic_that_falls_silent_is_given_up(filled: Settings) -> None:
    """As after the broker or the topic has gone: the end that was there before never comes."""
    span = {0: (0, 1_000_000)}
    task = reading._Task(filled, names(filled).status, span, silence_timeout_s=1.0)
    with pytest.raises(CommandFailed, match="nothing could be read for 1 s"):
        async with asyncio.timeout(120):
            await reading._run_process(task, 0, lambda index, count: None)
    assert multiprocessing.active_children() == []


async def test_a_report_that_would_take_too_much_is_refused(filled: Settings) -> None:
    """Before anything is read; and never more processes read than are allowed."""
    with pytest.raises(UsageError, match="use `wa-streams report`"):
        await make_report(filled, await make_query(filled), limits=Limits(max_records=5))
    assert reading._count_processes(10_000_000, 8, 1) == 1
