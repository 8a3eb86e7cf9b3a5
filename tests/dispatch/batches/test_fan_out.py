"""Batches and cancels at intake: what one record leads to."""

from dataclasses import replace
from typing import Any

import orjson
import pytest

from streams.contract import dead_letter
from streams.dispatch.intake import Disposition, Intake
from streams.domain.batch import events as batch_events
from streams.domain.batch.events import BatchCancelRequested, BatchOpened, MembersChanged
from streams.domain.phone import events
from streams.domain.phone.events import BatchMember, CancelRequested, SourceRecord
from tests.dispatch.batches.intake_stage import (
    MIB,
    make_batch,
    make_intake,
    make_record,
    of_topic,
    process,
    requests,
    text,
)


@pytest.fixture
def intake() -> Intake:
    return make_intake()


def test_each_member_goes_on_to_its_phone(intake: Intake) -> None:
    """With its own id or `<batch_id>/<index>`, and with a record of its own; the batch is opened last."""
    disposition, records = process(intake, make_batch(text(1), text(2, id="own"), first=5))
    assert disposition is Disposition.FANNED_OUT
    first, second = requests(records)
    assert [first.request.id, second.request.id] == ["b/5", "own"]
    assert first.request.batch_id == "b"
    assert first.request.members == (BatchMember(batch_id="b", index=5),)
    assert first.source_record.coordinates == "wa.outbound:3:17/5"
    assert orjson.loads(first.source_record.value or b"") == {
        **text(1),
        "id": "b/5",
        "batch_id": "b",
    }
    assert batch_events.decode(records[-1].value or b"") == BatchOpened(
        batch_id="b", first=5, total=7, members=(("+60123450001", ""), ("+60123450002", "own"))
    )


def test_the_same_record_gives_the_same_events(intake: Intake) -> None:
    """Intake may crash between two members: the second time, each member is a repeat."""
    batch = make_batch(text(1), {"text": "no recipient"}, text(1, id="own"))
    assert process(intake, batch) == process(intake, batch)


@pytest.mark.parametrize(
    ("member", "code", "member_id"),
    [
        ({"text": "no recipient"}, "schema_violation", "b/1"),
        ({"to": "+1", "text": "x", "id": "own"}, "invalid_phone", "own"),
        ({**text(), "id": "x" * 129}, "schema_violation", "b/1"),
        ({"type": "batch", "batch_id": "c", "messages": [text()]}, "schema_violation", "b/1"),
        ({"type": "cancel", "to": "+60123456789"}, "schema_violation", "b/1"),
        ("text", "schema_violation", "b/1"),
        (None, "schema_violation", "b/1"),
    ],
    ids=["no `to`", "no number", "a long id", "a batch", "a cancel", "a text", "null"],
)
def test_an_invalid_member_is_rejected_alone(
    intake: Intake, member: Any, code: str, member_id: str
) -> None:
    """Its dead letter is a single request; the members beside it are forwarded, and the batch counts all three."""
    _, records = process(intake, make_batch(text(1), member, text(2)))
    assert [event.request.id for event in requests(records)] == ["b/0", "b/2"]
    (status,), (letter,) = of_topic(records, "status"), of_topic(records, "dlq")
    event = orjson.loads(status.value or b"")
    assert (event["id"], event["error"]["code"], event["batch_id"]) == (member_id, code, "b")
    parsed = dead_letter.parse(letter.key, letter.value, letter.headers)
    assert (parsed.info.id, parsed.info.request_id) == ("wa.outbound:3:17/1", member_id)
    changed, opened = (batch_events.decode(r.value or b"") for r in of_topic(records, "batch"))
    assert changed == MembersChanged(batch_id="b", changes=((1, "rejected"),))
    assert isinstance(opened, BatchOpened)
    assert [member is None for member in opened.members] == [False, True, False]


def test_a_replayed_member_is_the_same_member(intake: Intake) -> None:
    """Its dead letter, replayed when the number can be read, goes on under the same id and index."""
    _, records = process(intake, make_batch({"to": "012-345 6789", "text": "hi"}))
    (letter,) = of_topic(records, "dlq")
    parsed = dead_letter.parse(letter.key, letter.value, letter.headers)
    replayed = SourceRecord(
        topic="wa.outbound",
        partition=1,
        offset=99,
        key=parsed.key,
        value=parsed.value,
        headers=tuple(parsed.build_replay_headers()),
    )
    malaysian = replace(intake, reader=replace(intake.reader, default_region="MY"))
    _, outgoing = process(malaysian, replayed)
    (event,) = requests(outgoing)
    assert (event.request.id, event.request.replay_of) == ("b/0", "wa.outbound:3:17/0")
    assert event.request.members == (BatchMember(batch_id="b", index=0),)


@pytest.mark.parametrize(
    ("fields", "detail"),
    [
        ({"messages": [text()] * 1001}, "messages: "),
        ({"messages": []}, "messages: "),
        ({"messages": {}}, "messages: "),
        ({"batch_id": None}, "batch_id: "),
        ({"batch_id": "é" * 51}, "batch_id: "),
        ({"batch_id": "a\nb"}, "batch_id: "),
        ({"first": -1}, "first: "),
        ({"first": 1_000_000}, "first: "),
        ({"first": 4, "total": 4}, "total: "),
        ({"total": 1.5}, "total: "),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_record_that_is_not_a_batch(intake: Intake, fields: dict[str, Any], detail: str) -> None:
    """It is rejected as a whole, with one answer."""
    body = {"type": "batch", "batch_id": "b", "messages": [text()], **fields}
    disposition, (letter, status) = process(intake, make_record(body))
    error = orjson.loads(status.value or b"")["error"]
    assert disposition is Disposition.REJECTED
    assert error["code"] == "schema_violation"
    assert error["detail"].startswith(detail)
    assert letter.value == orjson.dumps(body)


@pytest.mark.parametrize(
    ("member", "batch_id"),
    [
        (text(0, metadata={"m": "x" * 930}), "b" * 100),
        (text(0, id="i" * 128, text="x" * 850), "b"),
        ({"to": "x", "text": "x" * 1000}, "b" * 100),
        ({"to": "", "id": "\u20ac" * 128, "text": "x" * 590}, "\u20ac" * 33),
    ],
    ids=["metadata", "long ids", "no numbers", "invalid, with long ids"],
)
def test_one_mebibyte_becomes_at_most_four(
    intake: Intake, member: dict[str, Any], batch_id: str
) -> None:
    """A batch is not copied into its members: neither its value nor its key and its headers."""
    trace = (("traceparent", b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01"),)
    body = {"type": "batch", "batch_id": batch_id, "messages": [member] * 1000}
    headers = (*trace, ("x", b"y" * 20_000))
    batch = make_record(body, headers=headers, key=b"")
    size = len(batch.value or b"")
    assert 0.9 * MIB < size < MIB
    disposition, records = process(intake, batch)
    assert disposition is Disposition.FANNED_OUT
    internal = of_topic(records, "phone") + of_topic(records, "batch")
    assert sum(len(record.value or b"") for record in internal) < 4 * MIB


def test_a_cancel_goes_to_the_phone_or_to_the_batch(intake: Intake) -> None:
    """It is answered under its own id, else under the position of its record."""
    _, (record,) = process(
        intake, make_record({"type": "cancel", "to": "+60123456789", "id": "a", "request_id": "c"})
    )
    event = events.decode(record.value or b"")
    assert isinstance(event, CancelRequested)
    assert (record.topic, event.phone, event.id, event.cancel_id) == (
        "phone",
        "+60123456789",
        "a",
        "c",
    )
    _, (record,) = process(intake, make_record({"type": "cancel", "batch_id": "b"}))
    batch_event = batch_events.decode(record.value or b"")
    assert isinstance(batch_event, BatchCancelRequested)
    assert (record.topic, batch_event.cancel_id) == ("batch", "wa.outbound:3:17")


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({}, "schema_violation"),
        ({"to": "+60123456789", "batch_id": "b"}, "schema_violation"),
        ({"id": "a"}, "schema_violation"),
        ({"to": "+60123456789", "id": "c"}, "schema_violation"),
        ({"to": "hello"}, "invalid_phone"),
    ],
    ids=["nothing", "two forms", "an id alone", "the id of its message", "no number"],
)
def test_a_wrong_cancel(intake: Intake, fields: dict[str, Any], code: str) -> None:
    """It is rejected under its own id, never under that of a message."""
    disposition, (_, status) = process(
        intake, make_record({"type": "cancel", "request_id": "c", **fields})
    )
    event = orjson.loads(status.value or b"")
    assert disposition is Disposition.REJECTED
    assert (event["id"], event["error"]["code"]) == ("c", code)
