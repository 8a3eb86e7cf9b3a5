"""Every record on `wa.outbound` gets exactly one answer, and none stops a worker."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import orjson
import pytest

from tests.support.caller import Caller
from tests.support.system import SystemUnderTest
from tests.support.waiting import wait_until

pytestmark = pytest.mark.broker

TO = "+905551112233"
TEXT = {"type": "text", "body": "x"}


def _json(**fields: Any) -> bytes:
    return orjson.dumps({"to": TO, "content": TEXT} | fields)


BAD: dict[str, tuple[bytes, str, str]] = {
    "not JSON": (b"hello", "malformed_json", ""),
    "empty": (b"", "malformed_json", ""),
    "null": (b"null", "schema_violation", ""),
    "an array": (b"[]", "schema_violation", ""),
    "a number": (b"17", "schema_violation", ""),
    "invalid UTF-8": (b'{"to": "\xff\xfe"}', "malformed_json", ""),
    "a lone surrogate": (b'{"to": "+905551112233", "text": "\\ud800"}', "malformed_json", ""),
    "deep": (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "", ""),
    "too large": (_json(text="x" * 1_100_000), "record_too_large", "WA_MAX_REQUEST_BYTES"),
    "no to": (orjson.dumps({"content": TEXT}), "schema_violation", "to"),
    "to is a number": (_json(to=905551112233), "schema_violation", "to"),
    "no content": (orjson.dumps({"to": TO}), "schema_violation", "content"),
    "unknown content": (_json(content={"type": "hologram"}), "schema_violation", "content"),
    "empty text": (_json(content={"type": "text", "body": ""}), "schema_violation", "body"),
    "long text": (
        _json(content={"type": "text", "body": "x" * 65_537}),
        "schema_violation",
        "body",
    ),
    "a PDF as an image": (
        _json(content={"type": "image", "data": "JVBERi0xLjQK"}),
        "schema_violation",
        "content.data",
    ),
    "a phone that cannot exist": (_json(to="+1234"), "invalid_phone", "to"),
    "no phone at all": (_json(to="call me"), "invalid_phone", "to"),
    "a bad time": (_json(send_at="tomorrow"), "schema_violation", "send_at"),
    "never": (
        _json(send_at="2026-01-02T00:00:00Z", expires_at="2026-01-01T00:00:00Z"),
        "schema_violation",
        "expires_at",
    ),
    "much metadata": (_json(metadata={"a": "x" * 5000}), "schema_violation", "metadata"),
    "a long id": (_json(id="x" * 129), "schema_violation", "id"),
    "a bad priority": (_json(priority="now"), "schema_violation", "priority"),
}


@pytest.fixture
async def caller(dispatching: SystemUnderTest) -> AsyncIterator[Caller]:
    async with Caller(dispatching.settings).open() as caller:
        yield caller


async def test_each_bad_record_is_rejected_once(
    caller: Caller, dispatching: SystemUnderTest
) -> None:
    """Each has the right code, a detail that names the field, and a dead letter with the original bytes."""
    headers = [("x-caller", b"\x00\xff")]
    placed: dict[str, str] = {}
    for name, (value, _, _) in BAD.items():
        (done,) = await caller.produce((value, name.encode()), headers=headers)
        placed[name] = f"{done.topic}:{done.partition}:{done.offset}"

    def get_rejected() -> list[dict[str, Any]]:
        return [event for event in caller.status_events() if event["status"] == "rejected"]

    await wait_until(lambda: min(len(caller.dead_letters()), len(get_rejected())) >= len(BAD))
    letters = {letter.key.decode(): letter for letter in caller.dead_letters()}
    rejected = get_rejected()
    assert len(rejected) == len(caller.dead_letters()) == len(BAD)
    for name, (value, code, field) in BAD.items():
        letter = letters[name]
        letter_headers = dict(letter.headers)
        assert letter.value == value, name
        assert letter_headers["x-caller"] == b"\x00\xff"
        assert letter_headers["wa-dlq-reason"].decode() == (
            code or letter_headers["wa-dlq-reason"].decode()
        ), name
        assert letter_headers["wa-dlq-id"].decode() == placed[name]
        assert field in letter_headers["wa-dlq-message"].decode(), name
        (event,) = [e for e in rejected if e["event_id"].endswith(placed[name])]
        assert event["error"]["code"] == letter_headers["wa-dlq-reason"].decode()
    assert dispatching.workers[0].is_alive


async def test_a_tombstone_is_ignored(caller: Caller) -> None:
    """It gets no status and no dead letter, and the record after it is answered."""
    (done,) = await caller.produce((None, b"k"))
    submitted = {"id": uuid4().hex, "to": TO, "text": "after"}
    await caller.produce((orjson.dumps(submitted), b"k"))
    await caller.wait_for_status(submitted["id"], "accepted")
    position = f"{done.topic}:{done.partition}:{done.offset}"
    assert not [e for e in caller.status_events() if position in e["event_id"]]


async def test_compressed_records_are_read(caller: Caller) -> None:
    """Every codec that a producer may use is read."""
    from aiokafka import AIOKafkaProducer

    from streams.kafka.connection import client_options

    ids = []
    for codec in ("gzip", "lz4", "snappy", "zstd"):
        submitted = {"id": uuid4().hex, "to": TO, "text": codec * 100}
        ids.append(submitted["id"])
        options = client_options(caller.settings)
        producer = AIOKafkaProducer(**options, compression_type=codec)
        await producer.start()
        await producer.send_and_wait(caller.names.outbound, orjson.dumps(submitted))
        await producer.stop()
    await caller.wait_for_statuses(ids, {"accepted"})


async def test_an_aborted_transaction_is_not_sent(caller: Caller) -> None:
    """Records of an aborted transaction are not requests."""
    from aiokafka import AIOKafkaProducer

    from streams.kafka.connection import client_options

    options = client_options(caller.settings)
    producer = AIOKafkaProducer(**options, transactional_id=uuid4().hex)
    await producer.start()
    aborted = {"id": uuid4().hex, "to": TO, "text": "aborted"}
    kept = {"id": uuid4().hex, "to": TO, "text": "kept"}
    await producer.begin_transaction()
    await producer.send_and_wait(caller.names.outbound, orjson.dumps(aborted), key=b"k")
    await producer.abort_transaction()
    async with producer.transaction():
        await producer.send_and_wait(caller.names.outbound, orjson.dumps(kept), key=b"k")
    await producer.stop()
    await caller.wait_for_status(kept["id"], "accepted")
    assert caller.status_events(aborted["id"]) == []


async def test_a_header_name_that_is_not_text_stops_no_worker(caller: Caller) -> None:
    """A producer that is not written in Java can write such a name; the request gets its answer."""
    from aiokafka import AIOKafkaProducer

    from streams.kafka.connection import client_options
    from tests.kafka.reading.test_record_batches import Bytes, python_batch

    submitted = [{"id": uuid4().hex, "to": TO, "text": "x"}, {"id": uuid4().hex, "to": "nobody"}]
    producer = AIOKafkaProducer(**client_options(caller.settings))
    await producer.start()
    try:
        for request in submitted:
            batch = python_batch(producer.create_batch())
            name = Bytes.of(b"strange-\xff")
            batch.append(
                key=b"k", value=orjson.dumps(request), timestamp=None, headers=[(name, b"1")]
            )
            await (await producer.send_batch(batch, caller.names.outbound, partition=0))
    finally:
        await producer.stop()
    await caller.wait_for_status(submitted[0]["id"], "accepted")
    await caller.wait_for_status(submitted[1]["id"], "rejected")
    letter = await wait_until(lambda: _letter(caller, orjson.dumps(submitted[1])))
    assert dict(letter.headers)["strange-\\xff"] == b"1"


def _letter(caller: Caller, value: bytes) -> Any:
    return next((letter for letter in caller.dead_letters() if letter.value == value), None)
