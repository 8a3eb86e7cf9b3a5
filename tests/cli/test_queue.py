"""`queue`: what waits and why, read from the rows of all dispatchers; and what `send --wait` says at its end."""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from streams.cli import output
from streams.client.producing import RequestProducer
from streams.contract import account as accounts
from streams.contract import status
from streams.contract.account import AccountRecord
from streams.domain.consent import state as consents
from streams.domain.consent.state import after_request
from streams.domain.conversation import Conversation
from streams.domain.phone import state as stored
from streams.domain.phone.state import InFlight, Message, Phone, PriorityQueue, State
from streams.embedded_kafka.broker import EmbeddedBroker
from streams.kafka import admin
from streams.kafka.connection import producer_options
from streams.kafka.reader import choose_partition
from streams.kafka.topics import ROWS, changelog_topic, dispatch_app_id, names
from streams.settings import Settings
from tests.cli.conftest import Command
from tests.support.broker import make_settings

pytestmark = pytest.mark.broker

FLOODED, IDLE, ONE = "+60123456780", "+60123456781", "+60123456782"
STRANGER = "+60123456783"
LONG_ID = "shop-7/" + "x" * 110


def make_message(id: str, **fields: object) -> Message:
    """A message that was accepted a minute ago."""
    values = {"offset": 1, "accepted_at_s": time.time() - 60, **fields}
    return Message(id=id, **values)  # pyright: ignore[reportArgumentType]


def rows() -> Sequence[tuple[str, bytes, bytes]]:
    """The rows of three recipients: phone, key and value."""
    flooded = [
        make_message("first", seq=0, arrival=0, state=State.DISPATCHED),
        *(make_message(f"m{number}", seq=number, arrival=number) for number in range(1, 50)),
        make_message("later", state=State.SCHEDULED, send_at_s=4e9),
    ]
    flight = InFlight(id="first", account="main", dispatch_number=1, deadline_s=4e9)
    queue = PriorityQueue(head=0, tail=50, count=50)
    limited = make_message(LONG_ID, seq=0, last_reason="rate_limited", priority="urgent")
    one = {"urgent": PriorityQueue(head=0, tail=1, count=1)}
    conversation = Conversation(received_count=2, last_received_at_s=time.time() - 120)
    phones = [
        (
            Phone(phone=FLOODED, queues={"normal": queue}, scheduled_count=1, in_flight=flight),
            flooded,
        ),
        (
            Phone(phone=IDLE, account="main", conversation=conversation),
            [make_message("sent", state=State.SENT)],
        ),
        (Phone(phone=ONE, queues=one, timer_at_s=time.time() + 30), [limited]),
    ]
    result: list[tuple[str, bytes, bytes]] = []
    for row, messages in phones:
        key = row.phone.encode()
        result.append((row.phone, b"p" + key, stored.encode_phone(row)))
        for message in messages:
            message_key = b"m" + key + b"\0" + message.id.encode()
            result.append((row.phone, message_key, stored.encode_message(message)))
    consent = after_request("opted_out", "crm-1", time.time())
    result.append((IDLE, b"o" + IDLE.encode(), consents.encode(consent)))
    return result


@pytest.fixture(scope="module")
def world(broker: EmbeddedBroker, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A cluster whose dispatchers have stored these rows."""
    settings = make_settings(broker, tmp_path_factory.mktemp("queue"))
    asyncio.run(put(settings))
    return settings


async def put(settings: Settings) -> None:
    """Write the rows to the partitions of their recipients."""
    await admin.create_topics(settings)
    topic = changelog_topic(dispatch_app_id(settings), ROWS)
    async with AIOKafkaProducer(**producer_options(settings)) as producer:
        for phone, key, value in rows():
            partition = choose_partition(phone.encode(), settings.partitions)
            await producer.send_and_wait(topic, value, key=key, partition=partition)


def test_each_recipient_is_one_object(world: Settings, command: Command) -> None:
    """With what waits, why, and who has what; a recipient without open messages is left out."""
    ran = command("queue", "--json", settings=world)
    queues = {row["to"]: row for row in ran.objects}
    assert (ran.code, set(queues)) == (0, {FLOODED, ONE})
    assert queues[FLOODED]["waiting"] == 50
    assert queues[FLOODED]["reasons"] == {"in_turn": 49, "scheduled": 1}
    assert queues[FLOODED]["in_flight"] == {"id": "first", "account": "main"}
    assert (queues[ONE]["waiting"], queues[ONE]["reason"]) == (1, "rate_limited")
    assert queues[ONE]["until"] is not None
    assert "51 waiting, 1 in flight, 2 recipients" in ran.err


def test_the_messages_of_one_recipient(world: Settings, command: Command) -> None:
    """In the order in which they go, whatever the number is written like."""
    ran = command("queue", "+60 12-345 6780", "--json", settings=world)
    ids = [row["id"] for row in ran.objects]
    assert ids == ["first", *(f"m{number}" for number in range(1, 50)), "later"]
    assert [row["reason"] for row in ran.objects][:2] == ["in_flight", "in_turn"]
    assert command("queue", IDLE, "--json", settings=world).objects == []
    assert command("queue", "nobody", settings=world).code == 2


def test_what_is_stored_of_one_recipient(world: Settings, command: Command) -> None:
    """Its conversation and its consent are shown, also if nothing waits."""
    notes = command("queue", IDLE, settings=world).err
    assert "conversation on main: 2 received (last 2 min ago), 0 sent\n" in notes
    assert ", by an operator\n" in notes
    assert "opted out since " in notes
    assert "conversation" not in command("queue", ONE, settings=world).err


def test_the_tables_fit_and_break_no_id(world: Settings, command: Command) -> None:
    """80 columns, except a line that holds nothing but an id that is longer."""
    for words in (["queue"], ["queue", FLOODED], ["queue", ONE]):
        lines = command(*words, settings=world).out.splitlines()
        assert [line for line in lines if len(line) > 80 and LONG_ID not in line] == []
    assert any(line.strip() == f"id {LONG_ID}" for line in lines)


def test_a_message_without_an_account_shows_what_limits_each(
    broker: EmbeddedBroker, tmp_path: Path, command: Command
) -> None:
    """The account is `ready`, and its time lock holds back strangers only."""
    settings = make_settings(broker, tmp_path)
    queues = {"normal": PriorityQueue(head=0, tail=1, count=1)}
    row = Phone(phone=STRANGER, queues=queues)
    message = make_message("x", seq=0, arrival=0, last_reason="no_account")
    record = AccountRecord(
        account="main",
        state="ready",
        since="2026-08-08T00:00:00Z",
        reason="reachout_timelocked",
        until="2090-01-01T00:00:00Z",
        new_chats_allowed=False,
    )

    async def put_rows() -> None:
        await admin.create_topics(settings)
        topic = changelog_topic(dispatch_app_id(settings), ROWS)
        key = STRANGER.encode()
        partition = choose_partition(key, settings.partitions)
        async with AIOKafkaProducer(**producer_options(settings)) as producer:
            for row_key, value in (
                (b"p" + key, stored.encode_phone(row)),
                (b"m" + key + b"\0x", stored.encode_message(message)),
            ):
                await producer.send_and_wait(topic, value, key=row_key, partition=partition)
            await producer.send_and_wait(
                names(settings).accounts, accounts.encode(record), key=b"main"
            )

    asyncio.run(put_rows())
    ran = command("queue", settings=settings)
    expected = "main is ready: reachout_timelocked until 2090-01-01T00:00:00Z (no new chats)"
    # On a machine that is very slow, the record is a past state by now.
    assert expected in ran.err or "main is down: silent for" in ran.err


def test_a_wait_that_ends_says_what_was_last(world: Settings, command: Command) -> None:
    """`send --wait` prints the last status and its reason, and where to look."""

    async def answer() -> None:
        event = status.make(
            id="order-9",
            status="queued",
            event_id_suffix="1",
            at_s=time.time(),
            to=ONE,
            reason="rate_limited",
            due_at_s=time.time() + 20,
            queue_position=3,
        )
        async with AIOKafkaProducer(**producer_options(world)) as producer:
            await producer.send_and_wait(names(world).status, status.encode(event), key=b"x")

    words = ["send", ONE, "hello", "--id", "order-9", "--wait", "--timeout"]
    silent = command(*words, "1", settings=world)
    assert (silent.code, "no answer within 1 s" in silent.error_line) == (1, True)
    with pytest.MonkeyPatch.context() as patch:
        # The answer is there when the request is: the dispatcher is quick.
        produce = RequestProducer.produce

        async def produce_and_answer(*arguments: Any) -> None:
            await produce(*arguments)
            await answer()

        patch.setattr(RequestProducer, "produce", produce_and_answer)
        ran = command(*words, "3", settings=world)
    assert ran.code == 1
    assert "its last status is queued (rate_limited), due at" in ran.error_line
    assert "3 ahead of it" in ran.error_line


def test_details_wrap_between_the_ids(capsys: pytest.CaptureFixture[str]) -> None:
    """Never within one."""
    item = {"to": "x", "id": "a" * 60, "request_id": "b" * 60, "account": None}
    output.print_records([item], ["to"], ["id", "request_id", "account"], as_json=False)
    lines = capsys.readouterr().out.splitlines()
    assert lines == ["to", "x", f"  id {'a' * 60}", f"  request id {'b' * 60}"]
