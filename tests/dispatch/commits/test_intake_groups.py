"""Records of `wa.outbound` that arrive together: they are published together, and each gets its own answer."""

import asyncio
from typing import Any

import orjson

from streams.dispatch.intake import Disposition
from streams.domain.phone import events
from streams.domain.phone.events import SourceRecord
from tests.dispatch.batches.intake_stage import (
    NOW_S,
    RecordingPublisher,
    make_batch,
    make_intake,
    make_record,
    of_topic,
    text,
)


def process(
    publisher: RecordingPublisher, *records: SourceRecord
) -> tuple[list[Disposition], list[tuple[str, str]]]:
    """What became of the records, and topic and id of everything that was published."""
    intake = make_intake()
    group = [(record, NOW_S + n) for n, record in enumerate(records)]
    dispositions = asyncio.run(intake.process_group(group, publisher))
    return dispositions, [(r.topic, read_id(r)) for r in publisher.records if r.topic != "dlq"]


def read_id(record: Any) -> str:
    if record.topic == "status":
        return orjson.loads(record.value)["id"]
    if record.topic == "phone":
        return getattr(events.decode(record.value), "request").id  # noqa: B009
    return ""


def request(number: int, **fields: Any) -> SourceRecord:
    return make_record(text(number, id=f"r{number}", **fields), offset=number, key=None)


def test_a_group_is_one_publish_in_order() -> None:
    """A request that is rejected has its answer at its place."""
    publisher = RecordingPublisher()
    wrong = make_record({"id": "wrong", "to": "call me", "text": "x"}, offset=9, key=None)
    dispositions, published = process(publisher, request(1), wrong, request(2))
    assert dispositions == [Disposition.FORWARDED, Disposition.REJECTED, Disposition.FORWARDED]
    assert published == [("phone", "r1"), ("status", "wrong"), ("phone", "r2")]
    assert len(publisher.sizes) == 1


def test_an_event_that_is_too_large_is_answered_alone() -> None:
    """The others of the group are published as if it were not there."""
    publisher = RecordingPublisher(limit=2000)
    large = make_record({**text(2, id="r2"), "text": "x" * 3000}, offset=2, key=None)
    dispositions, published = process(publisher, request(1), large, request(3))
    assert dispositions == [Disposition.FORWARDED, Disposition.REJECTED, Disposition.FORWARDED]
    assert published == [("phone", "r1"), ("phone", "r3"), ("status", "r2")]
    [status] = of_topic(publisher.records, "status")
    event = orjson.loads(status.value or b"")
    assert event["error"]["code"] == "record_too_large"


def test_a_batch_in_a_group_keeps_its_place() -> None:
    """Its members are on the broker before the batch is opened, and before what stands behind it."""
    publisher = RecordingPublisher()
    batch = make_batch(text(5, id="m1"), text(6, id="m2"))
    dispositions, published = process(publisher, request(1), batch, request(2))
    assert dispositions == [Disposition.FORWARDED, Disposition.FANNED_OUT, Disposition.FORWARDED]
    ids = [("phone", "r1"), ("phone", "m1"), ("phone", "m2"), ("batch", ""), ("phone", "r2")]
    assert published == ids
    assert len(publisher.sizes) == 2
