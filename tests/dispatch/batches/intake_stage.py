"""A dispatcher's intake in memory, with templates, for the tests of batches and cancels."""

import asyncio
from collections.abc import Sequence
from typing import Any

import orjson

from streams.dispatch.intake import Disposition, Intake
from streams.dispatch.publisher import OutgoingRecord
from streams.dispatch.request_reader import RequestReader
from streams.dispatch.templates.library import TemplateLibrary
from streams.domain.phone import events
from streams.domain.phone.events import RequestReceived, SourceRecord
from tests.support.stage_world import make_record_mapper

NOW_S = 1_790_000_000.0
MIB = 1 << 20
TEMPLATES = {"hello": "Hello {{ name }}", "long": "{{ name }}" * 60}


def make_intake() -> Intake:
    """One that has read no template yet."""
    record_mapper = make_record_mapper()
    library = TemplateLibrary(lambda: NOW_S)
    library.follow(Topic(library))
    return Intake("phone", record_mapper, RequestReader(None, MIB, library))


class Topic:
    """The topic of templates in memory; it is read once."""

    def __init__(self, library: TemplateLibrary) -> None:
        self._library = library

    async def catch_up(self, timeout_s: float) -> bool:
        for name, body in TEMPLATES.items():
            content = {"type": "text", "body": body}
            value = {"name": name, "language": "en", "content": content, "category": "marketing"}
            self._library.apply_record(f"{name}/en".encode(), orjson.dumps(value))
        return True


class RecordingPublisher:
    """Keeps what is published, and how many bytes came at once; `limit`: the largest value that a topic takes."""

    def __init__(self, limit: int = 4 * MIB) -> None:
        self.limit = limit
        self.records: list[OutgoingRecord] = []
        self.sizes: list[int] = []

    async def publish(self, records: Sequence[OutgoingRecord]) -> Sequence[OutgoingRecord]:
        refused = [record for record in records if len(record.value or b"") > self.limit]
        self.records += [record for record in records if record not in refused]
        self.sizes.append(sum(len(record.value or b"") for record in records))
        return refused


def process(
    intake: Intake, record: SourceRecord, publisher: RecordingPublisher | None = None
) -> tuple[Disposition, list[OutgoingRecord]]:
    """What became of the record, and everything that was published for it."""
    publisher = publisher or RecordingPublisher()
    disposition = asyncio.run(intake.process(record, NOW_S, publisher))
    return disposition, publisher.records


def make_record(body: Any, **more: Any) -> SourceRecord:
    fields = {"topic": "wa.outbound", "partition": 3, "offset": 17, "key": b"k" * 50_000, **more}
    return SourceRecord(value=orjson.dumps(body), timestamp_ms=1, **fields)


def make_batch(*messages: Any, **fields: Any) -> SourceRecord:
    return make_record({"type": "batch", "batch_id": "b", "messages": messages, **fields})


def text(number: int = 0, **fields: Any) -> dict[str, Any]:
    return {"to": f"+6012345{number:04}", "text": "hello", **fields}


def of_topic(records: list[OutgoingRecord], topic: str) -> list[OutgoingRecord]:
    return [record for record in records if record.topic == topic]


def requests(records: list[OutgoingRecord]) -> list[RequestReceived]:
    decoded = [events.decode(record.value or b"") for record in of_topic(records, "phone")]
    return [event for event in decoded if isinstance(event, RequestReceived)]
