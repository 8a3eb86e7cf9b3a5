"""The records that result from a received message: on `wa.inbound`, and on the phone log. Pure, but for publishing."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

import msgspec
from msgspec.structs import replace

from streams.contract import inbound
from streams.contract.inbound import InboundMedia, InboundMessage, InboundType
from streams.contract.timestamps import format_rfc3339
from streams.domain.numbers import to_canonical
from streams.domain.phone.events import InboundSeen
from streams.runtime.broker.publisher import OutgoingRecord, Publisher
from streams.whatsapp.incoming import IncomingMessage

MAX_WORDS: Final = 64  # characters of a text that may be an opt-out word
# What nobody has written.
_NOT_WRITTEN: Final = frozenset({"call", "reaction", "revoke"})


def make_message(
    account: str, message: IncomingMessage, media: InboundMedia | None = None
) -> InboundMessage:
    """The message as a record of `wa.inbound`."""
    fields: Mapping[str, Any] = {
        "event_id": inbound.build_event_id(account, message.whatsapp_id),
        "account": account,
        "from": _find_writer(message),
        "chat_id": message.chat_id,
        "whatsapp_id": message.whatsapp_id,
        "type": cast("InboundType", message.type),
        "at": format_rfc3339(message.at_s),
        "group": message.group,
        "name": message.name,
        "is_truncated": message.is_truncated,
        **message.content,
    }
    converted = msgspec.convert(fields, InboundMessage)
    return converted if media is None else replace(converted, media=media)


def make_event(account: str, message: IncomingMessage) -> InboundSeen | None:
    """The event of the writer's row; None for a group, a hidden number, and what nobody has written."""
    phone = _find_writer(message)
    if phone is None or message.group is not None or message.type in _NOT_WRITTEN:
        return None
    body = message.content.get("body")
    return InboundSeen(
        phone=phone,
        account=account,
        whatsapp_id=message.whatsapp_id,
        text=body if isinstance(body, str) and 0 < len(body) <= MAX_WORDS else None,
        at_s=message.at_s,
    )


def _find_writer(message: IncomingMessage) -> str | None:
    """The number, as the statuses of messages to it have it."""
    return None if message.phone is None else to_canonical(message.phone) or message.phone


async def publish(publisher: Publisher, topic: str, messages: Sequence[InboundMessage]) -> None:
    """Publish messages; those with the same key keep this order. Durable when this returns."""
    records = [
        OutgoingRecord(
            topic,
            inbound.encode(message),
            message.key.encode(),
            headers=inbound.build_headers(message),
        )
        for message in messages
    ]
    await publisher.publish_shortened(records, _shorten)


def _shorten(record: OutgoingRecord) -> OutgoingRecord | None:
    """The record without its texts, if its topic was made too small for them."""
    message = inbound.decode(record.value or b"")
    short = replace(
        message, body=None, caption=None, name=None, contacts=(), poll=None, is_truncated=True
    )
    if short == message:
        return None
    return OutgoingRecord(record.topic, inbound.encode(short), record.key, headers=record.headers)
