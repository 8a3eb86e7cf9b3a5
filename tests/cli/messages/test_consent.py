"""`consent`: what is listed, and what `set` says if nobody answers."""

import asyncio

import pytest
from aiokafka import AIOKafkaProducer

from streams.kafka import admin
from streams.kafka.connection import producer_options
from streams.kafka.topics import names
from streams.settings import Settings
from tests.cli.conftest import Command
from tests.cli.test_dead_letters import outbound

pytestmark = pytest.mark.broker

OUT = b'{"phone":"+601","consent":"opted_out","at":"2026-11-27T10:00:00.000Z","source":"operator"}'
IN = (
    b'{"phone":"+602","consent":"opted_in","at":"2026-11-27T11:00:00.000Z","source":"message",'
    b'"account":"main"}'
)


def put(settings: Settings, *records: tuple[bytes, bytes | None]) -> None:
    async def produce() -> None:
        await admin.create_topics(settings)
        async with AIOKafkaProducer(**producer_options(settings)) as producer:
            for key, value in records:
                await producer.send_and_wait(names(settings).consent, value, key=key)

    asyncio.run(produce())


def test_the_last_decision_of_each_recipient_is_listed(
    settings: Settings, command: Command
) -> None:
    """The newest first; neither what was moved to another number, nor what is no record."""
    put(settings, (b"+601", IN), (b"+601", OUT), (b"+602", IN), (b"+603", OUT), (b"+603", None))
    put(settings, (b"+604", b"{"))
    listed = command("consent", "list", "--json", settings=settings)
    assert [(row["phone"], row["consent"]) for row in listed.objects] == [
        ("+602", "opted_in"),
        ("+601", "opted_out"),
    ]
    table = command("consent", "list", "--opted-out", settings=settings).out
    assert "+601" in table
    assert "+602" not in table


def test_set_waits_for_an_answer_and_says_what_to_do(settings: Settings, command: Command) -> None:
    """The request is written all the same; what is not a number is refused before."""
    put(settings)
    words = ("consent", "set", "+60 12-345 6789", "opted-out", "--timeout", "2")
    silent = command(*words, settings=settings)
    assert silent.code == 1
    assert "Is a dispatcher running" in silent.error_line
    assert len(outbound(settings)) == 1
    assert command("consent", "set", "12", "opted-out", settings=settings).code == 2
    assert len(outbound(settings)) == 1
    assert command("consent", "list", settings=settings).err.strip() == "no recipient has opted out"
