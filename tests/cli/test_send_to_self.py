"""`doctor --send-to-self`: one text to the account's own number, followed to its receipt. On the real broker."""

import asyncio
import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import orjson
import pytest
from aiokafka import AIOKafkaProducer

from streams.contract import account as accounts
from streams.contract import status as wire
from streams.contract.account import AccountRecord
from streams.embedded_kafka.broker import EmbeddedBroker
from streams.kafka import admin
from streams.kafka.connection import producer_options
from streams.kafka.reader import open_reader
from streams.kafka.topics import names
from streams.settings import Settings
from tests.cli.conftest import Command
from tests.support.broker import make_settings

pytestmark = pytest.mark.broker

PHONE = "+905550000001"


@pytest.fixture(scope="module")
def world(broker: EmbeddedBroker, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The topics of this file."""
    settings = make_settings(broker, tmp_path_factory.mktemp("self"))
    asyncio.run(admin.create_topics(settings))
    return settings


def publish_account(settings: Settings, state: Any, phone: str | None) -> None:
    """The account's last record."""
    record = AccountRecord(account="main", state=state, since="2026-08-08T00:00:00Z", phone=phone)

    async def publish() -> None:
        async with AIOKafkaProducer(**producer_options(settings)) as producer:
            await producer.send_and_wait(
                names(settings).accounts, accounts.encode(record), key=b"main"
            )

    asyncio.run(publish())


@contextmanager
def run_service(settings: Settings, *statuses: Any) -> Iterator[list[dict[str, Any]]]:
    """A service in another thread that gives each request these statuses; yields the requests."""
    requests: list[dict[str, Any]] = []
    is_up, done = threading.Event(), threading.Event()

    async def serve() -> None:
        async with (
            open_reader(settings, names(settings).outbound) as reader,
            AIOKafkaProducer(**producer_options(settings)) as producer,
        ):
            await reader.seek_to_end()
            is_up.set()
            async for record in reader.follow():
                requests.append(orjson.loads(record.value or b"{}"))
                for status in statuses:
                    event = wire.make(
                        id=requests[-1]["id"],
                        status=status,
                        event_id_suffix="1",
                        at_s=1.0,
                        to=PHONE,
                    )
                    await producer.send_and_wait(
                        names(settings).status, wire.encode(event), key=PHONE.encode()
                    )

    async def serve_until_done() -> None:
        task = asyncio.create_task(serve())
        await asyncio.to_thread(done.wait)
        task.cancel()
        await asyncio.wait({task})

    thread = threading.Thread(target=asyncio.run, args=(serve_until_done(),))
    thread.start()
    try:
        assert is_up.wait(30)
        yield requests
    finally:
        done.set()
        thread.join(30)


def test_the_text_is_followed_to_its_receipt(command: Command, world: Settings) -> None:
    """Each status is printed with its time; the request names the account and its own number."""
    publish_account(world, "ready", PHONE)
    with run_service(world, "accepted", "sent", "delivered") as requests:
        ran = command("doctor", "--send-to-self", "--yes", "--json", settings=world)
    assert (ran.code, ran.err) == (0, "")
    assert [event["status"] for event in ran.objects] == ["accepted", "sent", "delivered"]
    (request,) = requests
    assert (request["to"], request["account"]) == (PHONE, "main")


def test_a_text_without_a_receipt_was_still_sent(command: Command, world: Settings) -> None:
    """A message to oneself may get no receipt: the command ends after its timeout, and says so."""
    publish_account(world, "ready", PHONE)
    with run_service(world, "accepted", "sent"):
        ran = command("doctor", "--send-to-self", "--yes", "--timeout", "3", settings=world)
    assert (ran.code, "no receipt" in ran.err) == (0, True)


def test_a_text_that_is_not_sent_is_a_failure(command: Command, world: Settings) -> None:
    """The exit code is 1, and the last status is named."""
    publish_account(world, "ready", PHONE)
    with run_service(world, "accepted"):
        ran = command("doctor", "--send-to-self", "--yes", "--timeout", "2", settings=world)
    assert (ran.code, "accepted" in ran.error_line) == (1, True)


@pytest.mark.parametrize(("state", "phone"), [("linking", None), ("restricted", PHONE)])
def test_nothing_is_sent_from_an_account_that_is_not_ready(
    command: Command, world: Settings, state: str, phone: str | None
) -> None:
    """The state is named, and no request is produced."""
    publish_account(world, state, phone)
    with run_service(world) as requests:
        ran = command("doctor", "--send-to-self", "--yes", settings=world)
    assert (ran.code, requests) == (1, [])


def test_without_a_yes_nothing_is_sent(
    command: Command, world: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command asks first, and without an answer it sends nothing."""
    monkeypatch.setattr("sys.stdin", io.StringIO())
    publish_account(world, "ready", PHONE)
    with run_service(world) as requests:
        ran = command("doctor", "--send-to-self", settings=world)
    assert (ran.code, requests) == (1, [])
