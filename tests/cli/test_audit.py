"""`audit` on the real broker: what is read, what is left out, and how the verdict is printed."""

import asyncio
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import RecordsToDelete

from streams.contract import status
from streams.contract.status import StatusEvent
from streams.embedded_kafka.broker import EmbeddedBroker
from streams.kafka import admin
from streams.kafka.broker_clock import fetch_broker_time_s
from streams.kafka.connection import admin_client, producer_options
from streams.kafka.topics import names
from streams.settings import Settings
from tests.cli.conftest import Command
from tests.support.broker import make_settings

pytestmark = pytest.mark.broker

PHONE = "+60123456789"


def request(id: str) -> bytes:
    """A request for a text."""
    return orjson.dumps({"id": id, "to": PHONE, "text": "hello"})


async def put(settings: Settings) -> None:
    """A good message, one that goes back, one that waits, one without an answer, and one that was aborted."""
    await admin.create_topics(settings)
    topics, now_s = names(settings), await fetch_broker_time_s(settings)

    def event(id: str, name: Any, **more: Any) -> StatusEvent:
        return status.make(id=id, status=name, event_id_suffix="1", at_s=now_s, to=PHONE, **more)

    options = producer_options(settings)
    async with AIOKafkaProducer(**options, transactional_id=topics.prefix) as producer:
        await producer.begin_transaction()
        await producer.send_and_wait(topics.outbound, request("aborted"), partition=2)
        await producer.abort_transaction()
    async with AIOKafkaProducer(**options) as producer:
        await producer.send_and_wait(topics.outbound, request("deleted"), partition=1)
        await producer.send_and_wait(topics.outbound, None, key=b"tombstone", partition=1)
        for id_ in ("good", "back", "waits", "lost"):
            await producer.send_and_wait(topics.outbound, request(id_), partition=0)
        for id_, statuses in (
            ("good", ("accepted", "sent", "sent", "read")),
            ("back", ("accepted", "sent", "read", "delivered")),
            ("waits", ("accepted",)),
            ("deleted", ("accepted", "sent")),
        ):
            for name in statuses:
                value = status.encode(event(id_, name))
                await producer.send_and_wait(topics.status, value, key=PHONE.encode())


@pytest.fixture(scope="module")
def topics(broker: EmbeddedBroker, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The topics of a service with faults."""
    settings = make_settings(broker, tmp_path_factory.mktemp("audit"))
    asyncio.run(put(settings))
    return settings


def find(objects: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    """The objects of this type."""
    return [item for item in objects if item["type"] == kind]


def test_violations_are_named(topics: Settings, command: Command) -> None:
    """Each with its records; what waits is no violation, and an aborted request was never made."""
    ran = command("audit", "--json", "--answer-timeout", "0", settings=topics)
    violations = {item["kind"]: item for item in find(ran.objects, "violation")}
    assert (ran.code, violations.keys()) == (1, {"status_went_back", "unanswered", "out_of_order"})
    assert violations["unanswered"]["id"] == "lost"
    assert violations["unanswered"]["records"] == [f"{names(topics).outbound}:0:3"]
    assert [record.split(":")[0] for record in violations["status_went_back"]["records"]] == [
        names(topics).status
    ] * 2
    assert [item["id"] for item in find(ran.objects, "waiting")] == ["waits"]
    (summary,) = find(ran.objects, "summary")
    assert (summary["requests"], summary["violations"]) == (5, 3)


def test_the_verdict_for_people(topics: Settings, command: Command) -> None:
    """Within the timeout a request without an answer waits; the last line has the figures."""
    ran = command("audit", settings=topics)
    assert ran.code == 1
    assert ran.out.splitlines()[-1] == "audit: 5 requests, 2 waiting, 2 violations"
    assert ran.error_line == "wa-streams: 2 violations of the guarantees"


def test_what_is_left_out_is_not_judged(
    broker: EmbeddedBroker, tmp_path: Path, command: Command
) -> None:
    """A deleted request, and everything before `--since`: nothing is made of what is left."""
    settings = make_settings(broker, tmp_path, clock_skew_ms=0)
    asyncio.run(put(settings))
    assert command("audit", "--since", "0s", settings=settings).code == 0

    async def delete() -> None:
        async with admin_client(settings) as client:
            partition = TopicPartition(names(settings).outbound, 1)
            await client.delete_records({partition: RecordsToDelete(before_offset=1)})

    asyncio.run(delete())
    (summary,) = find(command("audit", "--json", settings=settings).objects, "summary")
    assert summary["not_judged"] == {"answer: its request was deleted": 1}
