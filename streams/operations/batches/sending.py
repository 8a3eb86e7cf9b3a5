"""Sends a planned batch, and follows its progress on `wa.batches`. The dispatcher decides everything else.

A batch may be sent any number of times: its messages have ids, so nothing is sent twice.
"""

import asyncio
import math
from collections.abc import AsyncIterator

import msgspec
import orjson

from streams.client import WhatsApp
from streams.contract import batch as records
from streams.contract.batch import BatchProgress
from streams.contract.request.content import TemplateContent
from streams.contract.request.form import RequestForm
from streams.dispatch.templates.library import TemplateLibrary, TemplateRefused
from streams.domain.numbers import InvalidPhone
from streams.domain.recipients import to_recipient
from streams.kafka.reader import open_reader
from streams.kafka.topics import names
from streams.operations.batches.plan import Plan
from streams.operations.batches.rows import Request
from streams.settings import Settings

# An account that has sent its number for a minute is silent for the rest of it.
SILENCE_S = 90.0


class TemplatePreview:
    """Shows what the dispatcher would make of a request that names a template, with the templates of this moment."""

    def __init__(self, library: TemplateLibrary) -> None:
        self._library = library

    def find_problem(self, request: Request) -> str | None:
        """Why the request would be rejected, or None."""
        try:
            self.render(request)
        except TemplateRefused as error:
            return error.error.detail or error.error.code
        return None

    def render(self, request: Request) -> Request:
        """The request as it would be sent. Raises TemplateRefused."""
        content = msgspec.convert(request, RequestForm).content
        if not isinstance(content, TemplateContent):
            return request
        rendered = self._library.render(content, request.get("category") or "transactional", 0.0)
        content_fields = msgspec.to_builtins(rendered.content)
        return {**request, "content": content_fields, "category": rendered.category}


class _Topic:
    """A topic that has been read up to its end."""

    async def catch_up(self, timeout_s: float) -> bool:
        """It is current: there is nothing to wait for."""
        return timeout_s > 0


def check_number(request: Request, region: str | None) -> str | None:
    """What is wrong with the recipient's number where nationally written numbers belong to this region; or None."""
    try:
        to_recipient(str(request.get("to") or request.get("phoneNumber") or ""), region)
    except InvalidPhone as error:
        return f"to: {error}"
    return None


async def open_preview(settings: Settings) -> TemplatePreview:
    """Read the templates.

    Raises:
        KafkaUnreachable, TopicNotFound: see streams/kafka/reader.py.
    """
    library = TemplateLibrary(lambda: math.inf)
    async with open_reader(settings, names(settings).templates) as reader:
        async for record in reader.read_to_end():
            library.apply_record(record.key or b"", record.value)
    library.follow(_Topic())
    await library.catch_up(0.0)
    return TemplatePreview(library)


async def read_progress(settings: Settings, batch_id: str) -> BatchProgress | None:
    """The last progress of a batch; None: the service knows no such batch (any more).

    Raises:
        KafkaUnreachable, TopicNotFound: see streams/kafka/reader.py.
    """
    value: bytes | None = None
    async with open_reader(settings, names(settings).batches) as reader:
        async for record in reader.read_to_end():
            if record.key == batch_id.encode():
                value = record.value
    return None if value is None else _decode(value)


def _decode(value: bytes) -> BatchProgress | None:
    try:
        return records.decode(value)
    except msgspec.DecodeError:  # written by something else than the service
        return None


async def send(settings: Settings, plan: Plan) -> None:
    """Produce the batch. Returns once Kafka has all of it."""
    async with WhatsApp(settings=settings) as whatsapp:
        await whatsapp.send_batch(plan.requests, batch_id=plan.batch_id)


async def follow(settings: Settings, batch_id: str) -> AsyncIterator[BatchProgress | None]:
    """The progress of a batch whenever it changes, up to its end; None: nothing has come for `SILENCE_S`.

    It begins with what there is. A batch that waits, for example for its time, is silent for as long as it waits.
    """
    async with open_reader(settings, names(settings).batches) as reader:
        iterator = aiter(reader.follow())
        pending = asyncio.ensure_future(anext(iterator))
        try:
            while True:
                done, _ = await asyncio.wait({pending}, timeout=SILENCE_S)
                if not done:
                    yield None
                    continue
                record = pending.result()
                pending = asyncio.ensure_future(anext(iterator))
                if record.key != batch_id.encode() or record.value is None:
                    continue
                progress = _decode(record.value)
                if progress is None:
                    continue
                yield progress
                if progress.finished_at is not None:
                    return
        finally:
            pending.cancel()
            await asyncio.gather(pending, return_exceptions=True)


def to_json(progress: BatchProgress) -> dict[str, object]:
    """The progress as its record has it."""
    return orjson.loads(records.encode(progress))
