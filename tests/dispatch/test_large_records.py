"""Every size of record that Kafka lets a user put on `wa.outbound` is answered, and stops nothing."""

import base64
import random
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import orjson
import pytest
from aiokafka import AIOKafkaProducer

from streams.contract import dead_letter, record_size
from streams.kafka.connection import client_options
from tests.support.caller import Caller
from tests.support.system import SystemUnderTest
from tests.support.waiting import wait_until

pytestmark = pytest.mark.broker

MIB = 1 << 20
LIMIT = MIB  # WA_MAX_REQUEST_BYTES
TO = "+905551112233"


def request_of(size: int, request_id: str) -> bytes:
    """A request of exactly this size that does not compress well."""
    empty = orjson.dumps({"id": request_id, "to": TO, "text": "x", "pad": ""})
    noise = random.Random(size).randbytes(size)
    return empty[:-2] + base64.b64encode(noise)[: size - len(empty)] + b'"}'


def make_records(name: str) -> dict[str, tuple[bytes, bytes, list[tuple[str, bytes]], str]]:
    """Value, key, headers and the expected code; an empty one: it is accepted."""
    key = b"k"
    cases: dict[str, tuple[int, bytes, list[tuple[str, bytes]], str]] = {
        "the largest": (LIMIT - 1, key, [], ""),
        "one byte more": (LIMIT, key, [], "record_too_large"),
        "a key of 3 MB": (200, b"k" * 3_000_000, [], "record_too_large"),
        "a header of 3 MB": (200, key, [("h", b"x" * 3_000_000)], "record_too_large"),
        "many headers": (200, key, [("", b"")] * 100_000, "record_too_large"),
        "all of them": (
            MIB,
            b"k" * MIB,
            [("h", b"x" * 900_000), ("h2", b"y" * 900_000)],
            "record_too_large",
        ),
        "as much as the topic takes": (4 * MIB - 200, key, [], "record_too_large"),
    }
    if name != "none":
        cases["a photo of 4 MB"] = (5_340_000, key, [], "record_too_large")
    records = {
        case: (request_of(size, f"{name}-{case}"), *rest) for case, (size, *rest) in cases.items()
    }
    if name == "zstd":
        zeros = b'{"id": "zstd-zeros", "to": "%s", "text": "%s"}' % (TO.encode(), b"0" * (60 * MIB))
        records["zeros"] = (zeros, b"0" * 20 * MIB, [("h", b"0" * 20 * MIB)], "record_too_large")
    return records


@pytest.fixture
async def caller(dispatching: SystemUnderTest) -> AsyncIterator[Caller]:
    async with Caller(dispatching.settings).open() as caller:
        yield caller


@pytest.mark.parametrize("codec", ["none", "gzip", "zstd"])
async def test_a_record_of_any_size_is_answered(
    caller: Caller, dispatching: SystemUnderTest, codec: str
) -> None:
    """Each gets one status and, if it is rejected, one dead letter, which says what was cut of it."""
    records = make_records(codec)
    if codec == "gzip":  # it compresses slowly
        records = {name: records[name] for name in ("one byte more", "a photo of 4 MB")}
    places: dict[str, str] = {}
    producer = AIOKafkaProducer(
        **client_options(caller.settings),
        compression_type=None if codec == "none" else codec,
        max_request_size=256 * MIB,
    )
    async with producer:
        for name, (value, key, headers, _) in records.items():
            done = await producer.send_and_wait(
                caller.names.outbound, value, key=key, headers=headers, partition=0
            )
            places[name] = f"{done.topic}:{done.partition}:{done.offset}"
        after = uuid4().hex
        await caller.request({"id": after, "to": TO, "text": "after"})
    await caller.wait_for_status(after, "accepted")
    for name, (value, key, headers, code) in records.items():
        if not code:
            await caller.wait_for_status(f"{codec}-{name}", "accepted")
            continue
        place = places[name]
        event = await wait_until(lambda place=place: _find_status(caller, place))
        assert (event["status"], event["error"]["code"]) == ("rejected", code), name
        is_parsed = len(value) <= 16 * MIB
        assert event["id"] == (f"{codec}-{name}" if is_parsed else place)
        letter = await wait_until(lambda place=place: _find_letter(caller, place))
        if record_size.measure(key, value, headers) < 5 * MIB - 100_000:
            assert (letter.key, letter.value, len(letter.headers)) == (key, value, len(headers))
            assert not letter.info.is_truncated
        else:
            assert letter.info.is_truncated
            assert "the dead letter holds only" in event["error"]["detail"]
            assert value.startswith(letter.value)
            assert letter.info.full_value_size in (None, len(value))
    assert dispatching.workers[0].is_alive


def _find_status(caller: Caller, place: str) -> Any:
    return next((e for e in caller.status_events() if e["event_id"].endswith(place)), None)


def _find_letter(caller: Caller, place: str) -> dead_letter.DeadLetter | None:
    letters = (dead_letter.parse(r.key, r.value, r.headers) for r in caller.dead_letters())
    return next((letter for letter in letters if letter.info.id == place), None)
