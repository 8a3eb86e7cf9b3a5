"""`dlq replay` of a dead letter that was cut, of a member of a batch: its position holds the whole batch."""

import asyncio
from typing import Any

import orjson
import pytest
from aiokafka import AIOKafkaProducer

from streams.contract import dead_letter
from streams.contract.dead_letter import DeadLetter
from streams.contract.request.kinds import Batch
from streams.contract.request.parse import parse_record
from streams.dispatch.batches import fan_out
from streams.dispatch.records.dead_letters import DeadLetterRecords
from streams.domain.errors import Error
from streams.domain.phone.events import SourceRecord
from streams.kafka import admin
from streams.kafka.connection import producer_options
from streams.kafka.topics import names
from streams.operations.replays.publishing import extract_member
from streams.settings import Settings
from tests.cli.conftest import Command
from tests.cli.test_dead_letters import outbound

MESSAGES = [{"to": f"+6012345678{n}", "text": f"{n}" * 70_000} for n in range(4)]
BATCH = orjson.dumps({"type": "batch", "batch_id": "b", "first": 5, "messages": MESSAGES})
TRACE = ("traceparent", b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01")


def split(offset: int = 17, topic: str = "wa.outbound") -> list[SourceRecord]:
    """The records of the members, as intake makes them."""
    source = SourceRecord(topic=topic, partition=0, offset=offset, value=BATCH, headers=(TRACE,))
    batch = parse_record(BATCH, source.headers, max_bytes=1 << 20)
    assert isinstance(batch, Batch)
    return list(fan_out.split(batch, source))


def cut_letter(member: SourceRecord, request_id: str) -> DeadLetter:
    """The dead letter of this member, of which the topic took only a part."""
    records = DeadLetterRecords("wa.dlq", max_bytes=60_000)
    record = records.map_unattempted(request_id, member, Error("internal_error"), 0, 1.0)
    letter = dead_letter.parse(record.key, record.value, record.headers)
    assert letter.info.is_truncated
    return letter


@pytest.mark.parametrize("index", range(4))
def test_a_member_is_cut_out_of_its_batch(index: int) -> None:
    """It has the key, the value and the headers of the record that intake made of it."""
    member = split()[index]
    letter = cut_letter(member, f"b/{5 + index}")
    assert letter.info.member_index == 5 + index
    at_position = DeadLetter(info=letter.info, key=b"k", value=BATCH, headers=(TRACE,))
    found = extract_member(at_position, 5 + index)
    assert found is not None
    assert (found.key, found.value, found.headers) == (member.key, member.value, member.headers)


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"{",
        orjson.dumps(MESSAGES[0]),
        BATCH.replace(b'"first":5', b'"first":6'),
        b'{"type": "cancel", "batch_id": "b"}',
    ],
    ids=["nothing", "no JSON", "a message", "a batch without this member", "a cancel"],
)
def test_what_is_not_its_batch(value: bytes | None) -> None:
    """Another record of this position is never taken for it."""
    letter = cut_letter(split()[0], "b/5")
    assert extract_member(DeadLetter(info=letter.info, value=value), 5) is None


def test_a_replay_of_a_member_is_a_record_of_its_own() -> None:
    """Its dead letter, cut again, has the member itself at its position, although it names its batch."""
    member = split()[0]
    replayed = SourceRecord(
        topic="wa.outbound", partition=0, offset=99, value=member.value, headers=member.headers
    )
    assert cut_letter(replayed, "b/5").info.member_index is None


async def put_batch(settings: Settings, *, is_other: bool) -> None:
    await admin.create_topics(settings)
    topic = names(settings)
    value = BATCH.replace(b"1" * 70_000, b"x" * 70_000) if is_other else BATCH
    async with AIOKafkaProducer(**producer_options(settings)) as producer:
        batch = await producer.send_and_wait(
            topic.outbound, value, key=b"k", headers=[TRACE], partition=0
        )
        letter = cut_letter(split(batch.offset, topic.outbound)[1], "b/6")
        await producer.send_and_wait(
            topic.dlq, letter.value, key=letter.key, headers=letter.build_record_headers()
        )


@pytest.mark.broker
@pytest.mark.parametrize("is_other", [False, True], ids=["its batch", "another batch"])
def test_only_the_member_is_replayed(
    settings: Settings, command: Command, *, is_other: bool
) -> None:
    """The batch is not published again. If another batch is at its position, nothing is."""
    asyncio.run(put_batch(settings, is_other=is_other))
    ran = command("dlq", "replay", "--all", "--json", settings=settings)
    (row,) = ran.objects
    replayed: list[Any] = [r for r in outbound(settings) if "wa-replay-of" in dict(r.headers)]
    if is_other:
        assert (ran.code, row["result"], replayed) == (1, "refused", [])
        return
    assert (ran.code, row["result"]) == (0, "replayed")
    (record,) = replayed
    assert orjson.loads(record.value) == {**MESSAGES[1], "id": "b/6", "batch_id": "b"}
    assert dict(record.headers)["wa-batch-member"] == b"6/b"
    assert dict(record.headers)["wa-request-id"] == b"b/6"
