"""A message that an account received: a record of `wa.inbound`. No I/O.

The key is the writer's phone; the chat id, if WhatsApp hides the phone; the group, for a message in one. So the
messages of a chat are in one partition, in order.
"""

from typing import Annotated, Final, Literal, TypeAlias

import msgspec
import orjson
from msgspec import Meta

from streams.contract import cloudevents
from streams.contract.status import Timestamp

EVENT_TYPE: Final = "wa.message.received"

InboundType: TypeAlias = Literal[
    "text",
    "image",
    "video",
    "audio",
    "document",
    "sticker",
    "location",
    "contact",
    "poll",
    "reaction",
    "edit",
    "revoke",
    "call",
    "other",
]


class InboundMedia(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A file that was received. It is in the media store, never in the record."""

    url: (
        Annotated[str, Meta(description="Where the file is; absent if it has an error.")] | None
    ) = None
    mime: Annotated[str, Meta(description="What the writer's phone says it is.")] | None = None
    size: Annotated[int, Meta(ge=0, description="Bytes.")] | None = None
    sha256: Annotated[str, Meta(description="Of the file's bytes, in hex.")] | None = None
    filename: (
        Annotated[str, Meta(description="The writer's name for it. Never use it as a path.")] | None
    ) = None
    error: Annotated[str, Meta(description="Why there is no file.")] | None = None


class InboundLocation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A place."""

    latitude: Annotated[float, Meta(description="Degrees north.")]
    longitude: Annotated[float, Meta(description="Degrees east.")]
    name: Annotated[str, Meta(description="The name of the place.")] | None = None
    address: Annotated[str, Meta(description="The address of the place.")] | None = None


class InboundContact(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A contact card."""

    name: Annotated[str, Meta(description="The name on the card.")]
    phones: Annotated[tuple[str, ...], Meta(description="As they are written in the card.")] = ()


class InboundPoll(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A poll."""

    question: Annotated[str, Meta(description="The question.")]
    options: Annotated[tuple[str, ...], Meta(description="What can be chosen.")] = ()
    multiple: Annotated[bool, Meta(description="More than one option may be chosen.")] = False


class InboundMessage(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename={"from_": "from"}
):
    """A received message. Delivery is at least once; `event_id` identifies the message."""

    event_id: Annotated[str, Meta(description="`<account>/<whatsapp_id>`")]
    account: Annotated[str, Meta(description="The account that received it.")]
    from_: Annotated[
        str | None,
        Meta(description="The writer's E.164 number; null if WhatsApp reveals only a hidden id."),
    ]
    chat_id: Annotated[str, Meta(description="WhatsApp's id of the chat, or of the group.")]
    whatsapp_id: Annotated[
        str, Meta(description="WhatsApp's id. An edit, a revoke and a reaction have their own.")
    ]
    type: Annotated[
        InboundType, Meta(title="InboundType", description="What kind of message it is.")
    ]
    at: Annotated[Timestamp, Meta(description="When it was written, as WhatsApp says.")]
    group: Annotated[str, Meta(description="The group, if it was written in one.")] | None = None
    name: (
        Annotated[str, Meta(description="What the writer calls himself: it proves nothing.")] | None
    ) = None
    body: (
        Annotated[str, Meta(description="The text; of an edit, the new text or caption.")] | None
    ) = None
    caption: Annotated[str, Meta(description="The text below a file.")] | None = None
    reply_to: Annotated[str, Meta(description="The id of the message it replies to.")] | None = None
    message_id: (
        Annotated[
            str, Meta(description="Of an edit, a revoke or a reaction: the message it is about.")
        ]
        | None
    ) = None
    emoji: (
        Annotated[str, Meta(description="Of a reaction. Empty: the reaction was withdrawn.")] | None
    ) = None
    media: InboundMedia | None = None
    location: InboundLocation | None = None
    contacts: Annotated[tuple[InboundContact, ...], Meta(description="Contact cards.")] = ()
    poll: InboundPoll | None = None
    is_video: Annotated[bool, Meta(description="Of a call.")] | None = None
    original_type: (
        Annotated[str, Meta(description="WhatsApp's own type, if `type` is `other`.")] | None
    ) = None
    is_truncated: Annotated[bool, Meta(description="Something was too long, and was cut.")] = False

    @property
    def key(self) -> str:
        """The record's key: messages with the same key are in order."""
        return self.group or self.from_ or self.chat_id


def build_event_id(account: str, whatsapp_id: str) -> str:
    """The id of the message on this topic."""
    return f"{account}/{whatsapp_id}"


_decoder = msgspec.json.Decoder(InboundMessage)
_WIRE_NAMES: Final = InboundMessage.__struct_encode_fields__


def encode(message: InboundMessage) -> bytes:
    """The record's value. Fields that a subclass of the message adds are not part of it."""
    fields = msgspec.to_builtins(message)
    return orjson.dumps({name: fields[name] for name in _WIRE_NAMES if name in fields})


def decode(value: bytes) -> InboundMessage:
    """Decode the value of a record of `wa.inbound`.

    Raises:
        msgspec.DecodeError: the bytes are not a received message.
    """
    return _decoder.decode(value)


def build_headers(message: InboundMessage) -> tuple[tuple[str, bytes], ...]:
    """The record's headers: CloudEvents in binary mode."""
    return cloudevents.build_binary_headers(EVENT_TYPE, message.event_id, message.at)
