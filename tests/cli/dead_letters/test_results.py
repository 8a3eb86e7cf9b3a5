"""`dlq list` and `dlq show` say what became of each dead letter, as the statuses and the dead letters tell."""

import asyncio
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from streams.contract import status
from streams.contract.timestamps import parse_rfc3339
from streams.kafka.connection import producer_options
from streams.kafka.topics import names
from streams.operations.selection import read_addressee
from streams.settings import Settings
from tests.cli.conftest import Command
from tests.cli.test_dead_letters import LETTERS, put

pytestmark = pytest.mark.broker

LATER_S = 2_000_000_000.0  # than each failure


async def fill(settings: Settings) -> None:
    """Five dead letters. One was replayed and sent; of another one, the replay has failed too."""
    await put(settings)
    topic = names(settings).status
    kinds: tuple[Any, ...] = ("accepted", "sent")
    async with AIOKafkaProducer(**producer_options(settings)) as producer:
        for letter in LETTERS[:3]:  # of the last one, the status of the failure has been removed
            event = status.make(
                id=letter.info.request_id,
                status="failed",
                event_id_suffix="1",
                at_s=parse_rfc3339(letter.info.last_failed_at),
                to=read_addressee(letter, settings.default_region).to,
            )
            await producer.send_and_wait(topic, status.encode(event))
        for kind in kinds:
            event = status.make(
                id="order-2", status=kind, event_id_suffix="2", at_s=LATER_S, to="+60123456789"
            )
            await producer.send_and_wait(topic, status.encode(event))


def test_what_became_of_each_is_listed(settings: Settings, command: Command) -> None:
    """In JSON in a field, and for people in a line below each."""
    asyncio.run(fill(settings))
    ran = command("dlq", "list", "--replayed", "--json", settings=settings)
    assert {row["request_id"]: row["afterwards"] for row in ran.objects} == {
        "order-1": "not replayed",
        "order-2": "replayed, sent",
        "order-3": "not replayed",
        "order-4": "replayed, dead again",
        "order-5": None,
    }
    assert "what became of 1 dead letters is not known" in ran.err
    for_people = command("dlq", "list", "--id", "order-2", settings=settings)
    assert "afterwards replayed, sent" in for_people.out
    (shown,) = command("dlq", "show", "order-2", "--json", settings=settings).objects
    assert shown["afterwards"] == "replayed, sent"


def test_too_many_statuses_are_not_read_for_ever(
    settings: Settings, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The list is printed all the same, and a note says what is missing and what to do."""
    asyncio.run(fill(settings))
    monkeypatch.setattr("streams.operations.replays.results.READ_TIMEOUT_S", 0.0)
    ran = command("dlq", "list", "--replayed", "--json", settings=settings)
    known = {row["request_id"]: row["afterwards"] for row in ran.objects if row["afterwards"]}
    assert (ran.code, known) == (0, {"order-4": "replayed, dead again"})
    assert "what became of 4 dead letters could not be read" in ran.err
    assert "--since" in ran.err
