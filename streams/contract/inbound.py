"""A message that somebody wrote to one of our accounts, on `wa.inbound`. Its key is the writer's phone."""

from typing import Annotated, Final

import msgspec
import orjson
from msgspec import Meta

from streams.contract import cloudevents
from streams.contract.status import Timestamp

EVENT_TYPE: Final = "wa.message.received"


class InboundMessage(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename={"from_": "from"}
):
    """A message received. Delivery is at least once; `event_id` names the message."""

    event_id: Annotated[str, Meta(description="`<account>/<whatsapp_id>`")]
    account: Annotated[str, Meta(description="The account that received it.")]
    from_: Annotated[str, Meta(description="E.164, or WhatsApp's id of a writer who hides it.")]
    whatsapp_id: str
    type: Annotated[str, Meta(description="WhatsApp's word: chat, image, …")]
    body: Annotated[str, Meta(description="The text, or a caption.")] = ""
    at: Timestamp


def make(
    *, account: str, from_: str, whatsapp_id: str, type: str, body: str, at: str
) -> InboundMessage:
    """The message; `at` in RFC 3339."""
    return InboundMessage(
        event_id=f"{account}/{whatsapp_id}",
        account=account,
        from_=from_,
        whatsapp_id=whatsapp_id,
        type=type,
        body=body,
        at=at,
    )


_decoder = msgspec.json.Decoder(InboundMessage)


def encode(message: InboundMessage) -> bytes:
    """The record's value."""
    return orjson.dumps(msgspec.to_builtins(message))


def decode(value: bytes) -> InboundMessage:
    """The message in a record of `wa.inbound`.

    Raises:
        msgspec.DecodeError: the bytes are no such record.
    """
    return _decoder.decode(value)


def build_headers(message: InboundMessage) -> tuple[tuple[str, bytes], ...]:
    """The record's headers: CloudEvents in binary mode."""
    return cloudevents.build_binary_headers(EVENT_TYPE, message.event_id, message.at)
