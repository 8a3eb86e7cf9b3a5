"""A message that an account received: a record of `wa.inbound`, keyed by the writer's phone. No I/O."""

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
    """A received message. Delivery is at least once; `event_id` identifies the message."""

    event_id: Annotated[str, Meta(description="`<account>/<whatsapp_id>`")]
    account: Annotated[str, Meta(description="The account that received it.")]
    from_: Annotated[
        str,
        Meta(description="The writer's E.164 number, or WhatsApp's id if the number is hidden."),
    ]
    whatsapp_id: str
    type: Annotated[str, Meta(description="WhatsApp's own type: chat, image, …")]
    body: Annotated[str, Meta(description="The text, or a caption.")] = ""
    at: Timestamp


def make(
    *, account: str, from_: str, whatsapp_id: str, type: str, body: str, at: str
) -> InboundMessage:
    """Make the message; `at` is RFC 3339."""
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
    """Decode the value of a record of `wa.inbound`.

    Raises:
        msgspec.DecodeError: the bytes are not a received message.
    """
    return _decoder.decode(value)


def build_headers(message: InboundMessage) -> tuple[tuple[str, bytes], ...]:
    """The record's headers: CloudEvents in binary mode."""
    return cloudevents.build_binary_headers(EVENT_TYPE, message.event_id, message.at)
