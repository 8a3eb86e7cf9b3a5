"""`dlq` on the real broker: what is listed, republished, refused and deleted."""

import asyncio
import random
import threading
from collections.abc import Sequence
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer, ConsumerRecord
from msgspec.structs import replace

from streams.contract import replay, status
from streams.contract.dead_letter import DeadLetter, DeadLetterInfo
from streams.embedded_kafka.broker import EmbeddedBroker
from streams.kafka import admin
from streams.kafka.connection import producer_options
from streams.kafka.reader import open_reader
from streams.kafka.topics import names
from streams.settings import Settings
from tests.cli.conftest import Command
from tests.support.broker import make_settings

pytestmark = pytest.mark.broker

VALUE = b'{"id": "order-1", "to": "+60123456789", "text": "\xff not even UTF-8"}'
READABLE = b'{"id": "order-1", "phoneNumber": "60123456789", "batch_id": "b-17", "message": "hi"}'
LARGE = VALUE + b" " * 1_000_000
Header = tuple[str, bytes | None]


def letter(
    number: int, *, original: Sequence[Header] = (), value: bytes = VALUE, **more: Any
) -> DeadLetter:
    defaults: dict[str, Any] = {
        "id": f"wa.outbound:0:{number}",
        "reason": "recipient_not_on_whatsapp",
        "error_class": "permanent",
        "message": "The number is not on WhatsApp",
        "attempts": 1,
        "first_failed_at": "2025-11-24T09:00:00.000Z",
        "last_failed_at": "2025-11-24T09:00:00.000Z",
        "topic": "wa.outbound",
        "partition": 0,
        "offset": number,
        "timestamp": 1,
        "outcome": "not_sent",
        "request_id": f"order-{number}",
        "replay_count": 0,
    }
    about = DeadLetterInfo(**(defaults | more))
    return DeadLetter(info=about, key=b"my \xff key", value=value, headers=tuple(original))


LETTERS = [
    letter(1, original=[("traceparent", b"00-mine"), ("wa-replay-of", b"of long ago")]),
    letter(2, reason="page_crashed", error_class="transient", account="sales-1", value=READABLE),
    letter(3, reason="outcome_unknown", error_class="unknown", outcome="unknown", value=READABLE),
    letter(4, last_failed_at="2025-11-25T09:00:00.000Z"),
    letter(5, replay_count=1, original=[(replay.REPLAY_OF, b"wa.outbound:0:4")]),
]


async def put(settings: Settings) -> None:
    await admin.create_topics(settings)
    async with AIOKafkaProducer(**producer_options(settings)) as producer:
        topic = names(settings).dlq
        await producer.send_and_wait(topic, b"somebody else's record", partition=0)
        for letter in LETTERS:
            await producer.send_and_wait(
                topic, letter.value, key=letter.key, headers=letter.build_record_headers()
            )


async def records(settings: Settings, topic: str) -> list[ConsumerRecord[Any, Any]]:
    async with open_reader(settings, topic) as reader:
        return [record async for record in reader.read_to_end()]


def outbound(settings: Settings) -> list[ConsumerRecord[Any, Any]]:
    return asyncio.run(records(settings, names(settings).outbound))


@pytest.fixture
def letters(settings: Settings) -> Settings:
    """A world with five dead letters, and one record that is not a dead letter."""
    asyncio.run(put(settings))
    return settings


@pytest.fixture(scope="module")
def shelf(broker: EmbeddedBroker, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The same, shared by tests that only read."""
    settings = make_settings(broker, tmp_path_factory.mktemp("shelf"))
    asyncio.run(put(settings))
    return settings


def numbers(objects: list[Any]) -> list[str]:
    return sorted(row["id"].rpartition(":")[2] for row in objects)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], "1235"),
        (["--replayed"], "12345"),
        (["--id", "order-1", "--id", "wa.outbound:0:2"], "12"),
        (["--reason", "page_crashed"], "2"),
        (["--class", "unknown"], "3"),
        (["--account", "sales-1"], "2"),
        (["--to", "+60 12-345 6789", "--reason", "page_crashed"], "2"),
        (["--to", "+60123456780"], ""),
        (["--batch", "b-17"], "23"),
        (["--since", "2025-11-25T00:00:00Z", "--replayed"], "4"),
        (["--until", "2025-11-25T00:00:00Z", "--class", "permanent"], "15"),
        (["--reason", "page_crashed", "--class", "unknown"], ""),
    ],
    ids=" ".join,
)
def test_list_selects(shelf: Settings, command: Command, words: list[str], expected: str) -> None:
    """It selects by id, reason, class, account and time, all of them together."""
    ran = command("dlq", "list", "--json", *words, settings=shelf)
    assert (ran.code, numbers(ran.objects)) == (0, sorted(expected))


def test_the_list_fits_and_breaks_no_id(shelf: Settings, command: Command) -> None:
    """80 columns, with the recipient; each id stands whole on one line."""
    ran = command("dlq", "list", "--replayed", settings=shelf)
    lines = ran.out.splitlines()
    assert max(map(len, lines)) <= 80
    assert sum("+60123456789" in line for line in lines) == 2
    for number in range(1, 6):
        (line,) = [line for line in lines if f"wa.outbound:0:{number}" in line]
        assert f"request id order-{number}" in line


def test_a_mistyped_code_is_refused(shelf: Settings, command: Command) -> None:
    """It would select nothing, which looks like good news; the nearest code is suggested."""
    ran = command("dlq", "list", "--reason", "recipient_not_on_whatsap", settings=shelf)
    assert (ran.code, "did you mean recipient_not_on_whatsapp?" in ran.error_line) == (2, True)
    assert command("dlq", "replay", "--class", "permanant", settings=shelf).code == 2


def test_replay_waits_for_what_became_of_each_message(letters: Settings, command: Command) -> None:
    """The exit code is 1 unless each was sent; one without an answer in time is reported too."""

    async def answer() -> None:
        async with open_reader(letters, names(letters).outbound) as reader:
            async for record in reader.follow():
                event = status.make(
                    id=dict(record.headers)["wa-request-id"].decode(),
                    status="sent",
                    event_id_suffix="1",
                    at_s=1.0,
                    to="+60123456789",
                )
                async with AIOKafkaProducer(**producer_options(letters)) as producer:
                    await producer.send_and_wait(names(letters).status, status.encode(event))
                return

    thread = threading.Thread(target=lambda: asyncio.run(answer()))
    thread.start()
    ran = command("dlq", "replay", "--id", "order-2", "--wait", "--json", settings=letters)
    thread.join(30)
    (row,) = ran.objects
    assert (ran.code, row["result"], row["status"]) == (0, "replayed", "sent")
    words = ["dlq", "replay", "--id", "order-1", "--wait", "--timeout", "0.5"]
    late = command(*words, "--json", settings=letters)
    assert (late.code, late.objects[0]["result"]) == (1, "replayed")
    assert "1 were not sent" in late.err


def test_show_has_the_original_byte_for_byte(shelf: Settings, command: Command) -> None:
    """Bytes that are not text are shown in base64."""
    (shown_letter,) = command("dlq", "show", "order-1", "--json", settings=shelf).objects
    assert shown_letter["value"] == {
        "base64": "eyJpZCI6ICJvcmRlci0xIiwgInRvIjogIis2MDEyMzQ1Njc4OSIsICJ0ZXh0IjogIv8gbm90IGV2ZW4gVVRGLTgifQ=="
    }
    assert shown_letter["headers"] == [["traceparent", "00-mine"], ["wa-replay-of", "of long ago"]]
    assert "order-1" in command("dlq", "show", "order-1", settings=shelf).out
    assert command("dlq", "show", "order-9", settings=shelf).code == 1


def test_replay_republishes_the_original_record(letters: Settings, command: Command) -> None:
    """Key, value and headers are unchanged, and headers name the dead letter."""
    ran = command("dlq", "replay", "--id", "order-1", "--json", settings=letters)
    assert (ran.code, [row["result"] for row in ran.objects]) == (0, ["replayed"])
    (record,) = outbound(letters)
    assert (record.key, record.value) == (b"my \xff key", VALUE)
    assert list(record.headers) == [
        ("traceparent", b"00-mine"),
        ("wa-replay-of", b"wa.outbound:0:1"),
        ("wa-replay-count", b"1"),
        ("wa-request-id", b"order-1"),
    ]


def test_a_second_replay_counts_on(letters: Settings, command: Command) -> None:
    """The letter of the failed replay replaces the first one, and its replay has the next number."""
    assert command("dlq", "replay", "--id", "order-5", settings=letters).code == 0
    assert command("dlq", "replay", "--id", "order-4", settings=letters).code == 1
    (record,) = outbound(letters)
    assert dict(record.headers)["wa-replay-count"] == b"2"
    assert dict(record.headers)["wa-replay-of"] == b"wa.outbound:0:5"


def test_a_dry_run_publishes_nothing(letters: Settings, command: Command) -> None:
    """It prints what would be replayed."""
    ran = command("dlq", "replay", "--class", "permanent", "--dry-run", "--json", settings=letters)
    assert (ran.code, numbers(ran.objects)) == (0, ["1", "5"])
    assert outbound(letters) == []


def test_what_may_have_been_sent_needs_force(letters: Settings, command: Command) -> None:
    """Without it, such a letter is refused, and the others are replayed."""
    ran = command("dlq", "replay", "--all", "--json", settings=letters)
    assert ran.code == 1
    assert "--force" in ran.error_line
    results = {row["request_id"]: row["result"] for row in ran.objects}
    assert results == {
        "order-1": "replayed",
        "order-2": "replayed",
        "order-5": "replayed",
        "order-3": "refused",
    }
    assert len(outbound(letters)) == 3
    forced = command("dlq", "replay", "--class", "unknown", "--force", settings=letters)
    assert (forced.code, len(outbound(letters))) == (0, 4)
    marks = [dict(record.headers).get("wa-replay-force") for record in outbound(letters)]
    assert sorted(marks, key=bool) == [None, None, None, b"true"]


async def put_large(settings: Settings) -> None:
    """Two originals, and dead letters: one whole, two cut, of which one has lost its original, one too large."""
    await admin.create_topics(settings)
    topic = names(settings)
    async with AIOKafkaProducer(**producer_options(settings)) as producer:
        original = await producer.send_and_wait(
            topic.outbound, LARGE, key=b"k" * 300_000, headers=[("h", b"x" * 300_000)]
        )
        position = {
            "topic": topic.outbound,
            "partition": original.partition,
            "offset": original.offset,
        }
        cut = replace(
            letter(1, **position), key=b"k" * 300_000, value=LARGE, headers=(("h", b"x" * 300_000),)
        ).shorten(100_000)
        gone = replace(letter(2, **position | {"offset": 99}), value=LARGE).shorten(100_000)
        too_large = replace(letter(3), key=b"k", value=random.Random(1).randbytes(4_500_000))
        for dead_letter in (cut, gone, too_large, letter(4)):
            await producer.send_and_wait(
                topic.dlq,
                dead_letter.value,
                key=dead_letter.key,
                headers=dead_letter.build_record_headers(),
            )


def test_a_large_dead_letter_does_not_stop_the_others(settings: Settings, command: Command) -> None:
    """One that was cut is replayed from its original; what cannot be replayed is refused by name."""
    asyncio.run(put_large(settings))
    ran = command("dlq", "replay", "--all", "--json", settings=settings)
    assert {row["request_id"]: row["result"] for row in ran.objects} == {
        "order-1": "replayed",
        "order-2": "refused",
        "order-3": "refused",
        "order-4": "replayed",
    }
    reasons = {row["request_id"]: row["message"] for row in ran.objects}
    assert "its original is no longer at" in reasons["order-2"]
    assert "larger than wa.outbound takes" in reasons["order-3"]
    assert (ran.code, "2 cannot be replayed" in ran.error_line) == (1, True)
    replayed = {
        dict(record.headers)["wa-request-id"]: record
        for record in outbound(settings)
        if "wa-request-id" in dict(record.headers)
    }
    assert set(replayed) == {b"order-1", b"order-4"}
    whole = replayed[b"order-1"]
    assert (whole.key, whole.value) == (b"k" * 300_000, LARGE)
    assert dict(whole.headers)["h"] == b"x" * 300_000
    assert dict(whole.headers)["wa-replay-of"] == b"wa.outbound:0:1"


def test_purge_cuts_the_log(letters: Settings, command: Command) -> None:
    """A dry run only counts the records; newer records stay."""
    nothing = command("dlq", "purge", "--before", "1h", "--yes", "--json", settings=letters)
    assert nothing.objects == [{"records": 0, "deleted": True}]
    dry = command("dlq", "purge", "--all", "--dry-run", "--json", settings=letters)
    assert dry.objects == [{"records": 6, "deleted": False}]
    assert len(command("dlq", "list", "--json", settings=letters).objects) == 4
    refused = command("dlq", "purge", "--all", settings=letters)
    assert (refused.code, "--yes" in refused.error_line) == (2, True)
    purged = command("dlq", "purge", "--all", "--yes", settings=letters)
    assert purged.out == "6 records were deleted\n"
    assert command("dlq", "list", "--json", settings=letters).objects == []
