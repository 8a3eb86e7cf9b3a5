"""`report` on the real broker, as a person and as a program reads it."""

import asyncio
import csv
import io
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from streams.contract import status
from streams.embedded_kafka.broker import EmbeddedBroker
from streams.kafka import admin
from streams.kafka.broker_clock import fetch_broker_time_s
from streams.kafka.connection import producer_options
from streams.kafka.topics import names
from streams.settings import Settings
from tests.cli.conftest import Command
from tests.support.broker import make_settings

pytestmark = pytest.mark.broker

PHONE = "+60123456789"


async def put(settings: Settings) -> None:
    """A message that was read after two seconds, and one that waits."""
    await admin.create_topics(settings)
    now_s = await fetch_broker_time_s(settings)
    life: list[tuple[str, Any, float]] = [
        ("read", "accepted", 60.0), ("read", "sent", 58.0), ("read", "read", 50.0), ("waits", "accepted", 60.0),
    ]  # fmt: skip
    async with AIOKafkaProducer(**producer_options(settings)) as producer:
        for id, kind, ago_s in life:
            event = status.make(
                id=id, status=kind, event_id_suffix="1", at_s=now_s - ago_s, to=PHONE
            )
            await producer.send_and_wait(
                names(settings).status, status.encode(event), key=PHONE.encode()
            )


def test_a_report_as_tables_json_csv_and_a_page(
    broker: EmbeddedBroker, tmp_path: Path, command: Command
) -> None:
    """All have the same figures; a time without messages is an empty report, and no error."""
    settings = make_settings(broker, tmp_path)
    asyncio.run(put(settings))
    tables = command("report", "--since", "1h", "--by", "country", settings=settings)
    assert (tables.code, tables.err) == (0, "")
    for words in (["accepted", "2", "100.0%"], ["read", "1", "50.0%"], ["country", "MY"]):
        assert words in [line.split() for line in tables.out.splitlines()]
    assert "accepted to sent 2.00 s 2.00 s" in " ".join(tables.out.split())
    as_json = command("report", "--since", "1h", "--json", settings=settings)
    (document,) = as_json.objects
    assert (document["total"]["messages"], document["total"]["open"]) == (2, 1)
    page = tmp_path / "report.html"
    as_csv = command("report", "--csv", "--html", str(page), settings=settings)
    (row,) = csv.DictReader(io.StringIO(as_csv.out))
    assert (row["messages"], row["read"]) == ("2", "1")
    assert float(row["accepted_to_sent_p50_s"]) == pytest.approx(2.0, abs=0.002)
    assert "accepted: 2 (100.0 %)" in page.read_text()
    empty = command("report", "--since", "30s", settings=settings)
    assert (empty.code, empty.out.startswith("No message was accepted")) == (0, True)


def test_what_is_mistyped_is_named(
    broker: EmbeddedBroker, tmp_path: Path, command: Command
) -> None:
    """A time zone that does not exist, and an end before the beginning."""
    settings = make_settings(broker, tmp_path)
    asyncio.run(admin.create_topics(settings))
    wrong = command("report", "--zone", "Mars/Olympus", settings=settings)
    assert (wrong.code, "is not a time zone" in wrong.error_line) == (2, True)
    backwards = command("report", "--since", "1h", "--until", "2h", settings=settings)
    assert (backwards.code, "ends before it begins" in backwards.error_line) == (2, True)
