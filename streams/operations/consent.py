"""Who has opted out of marketing messages, or in again: read the list, and decide for a recipient.

Nothing is decided here: the dispatcher does, where the recipient's row is.
"""

import asyncio
from collections.abc import AsyncIterator

import msgspec

from streams.client import WhatsApp
from streams.dispatch.records.consents import ConsentRecord, decode
from streams.domain.consent.state import ConsentStatus
from streams.kafka.reader import Record, open_reader, read_last_values
from streams.kafka.topics import names
from streams.operations.errors import no_answer
from streams.operations.queue import parse_recipient
from streams.settings import Settings


async def read_consents(settings: Settings) -> list[ConsentRecord]:
    """The last decision for each recipient that has one, the newest first.

    Raises:
        KafkaUnreachable, TopicNotFound: see streams/kafka/reader.py.
    """
    last = await read_last_values(settings, names(settings).consent)
    records = [record for value in last.values() if (record := _decode(value)) is not None]
    return sorted(records, key=lambda record: (record.at, record.phone), reverse=True)


def _decode(value: bytes | None) -> ConsentRecord | None:
    """None: it is a tombstone, or a record that wa-streams did not write."""
    try:
        return None if value is None else decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


async def set_consent(
    settings: Settings, phone: str, consent: ConsentStatus, *, timeout_s: float
) -> ConsentRecord:
    """Decide for this recipient, and wait until the dispatcher has.

    Raises:
        UsageError: this is not a phone number.
        CommandFailed: there was no answer in time. The request is not withdrawn.
    """
    parse_recipient(settings, phone)
    request_id = None
    try:
        async with (
            asyncio.timeout(timeout_s),
            open_reader(settings, names(settings).consent) as reader,
            WhatsApp(settings=settings) as whatsapp,
        ):
            await reader.seek_to_end()
            request_id = await whatsapp.set_consent(phone, consent)
            return await _find_answer(reader.follow(), request_id)
    except TimeoutError:
        hint = f"; `wa-streams status {request_id}` shows whether it was rejected"
        raise no_answer(timeout_s, hint if request_id else "") from None


async def _find_answer(records: AsyncIterator[Record], request_id: str) -> ConsentRecord:
    async for record in records:
        consent = _decode(record.value)
        if consent is not None and consent.request_id == request_id:
            return consent
    raise AssertionError("unreachable: a topic has no end")
