"""The events of the sandbox's world, as records of its journal. Values only.

The journal is the judge of what was lost, what was sent twice and what exceeded the limit: an event may
never be changed or removed. `Message` is a row of `GET /log`; its field names are those of the contract.
"""

from typing import Any, TypeAlias

import msgspec


class Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", omit_defaults=False):
    """`seq` counts all events from 1. `at` is the time of writing (UTC). The store fills in both."""

    seq: int = 0
    at: str = ""


class Linked(Event, frozen=True, kw_only=True, tag="linked"):
    """A phone linked the device with this noise key."""

    noise: str
    phone: str


class Unlinked(Event, frozen=True, kw_only=True, tag="unlinked"):
    """The device with this noise key is not linked any more."""

    noise: str


class NumberLookup(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a look-up answers for a number. `chat_id` is its chat, if it is not the number's own."""

    on_whatsapp: bool = True
    chat_id: str | None = None


class NumbersChanged(Event, frozen=True, kw_only=True, tag="numbers"):
    """From now on, look-ups answer this."""

    numbers: dict[str, NumberLookup]


class Message(Event, frozen=True, kw_only=True, tag="message", rename={"from_": "from"}):
    """A message arrived from an account. `shown` is false if the phone already has its id.

    `acked` is false if a fault suppresses the ack. `body` is the text or the caption. `details` has the
    other fields of its type, such as the size of a file.
    """

    from_: str
    to: str
    whatsapp_id: str
    type: str
    body: str
    shown: bool
    acked: bool
    chat_id: str
    reply_to: str | None = None
    details: dict[str, Any] = {}


class GroupChanged(Event, frozen=True, kw_only=True, tag="group"):
    """From now on, the group has these members (phones). With `admins_only`, the others may not write."""

    id: str
    subject: str
    members: tuple[str, ...]
    admins: tuple[str, ...] = ()
    admins_only: bool = False


class MessageRefused(Event, frozen=True, kw_only=True, tag="refused", rename={"from_": "from"}):
    """The server answered a message with an error. The recipient never sees the message."""

    from_: str
    to: str
    whatsapp_id: str
    code: int


class MessagesRead(Event, frozen=True, kw_only=True, tag="read"):
    """`by` has read all messages of the account `to` so far: those to itself, or those in a group."""

    by: str
    to: str
    group: str | None = None


class ReceiptConfirmed(Event, frozen=True, kw_only=True, tag="receipt_confirmed"):
    """The account's page has confirmed a receipt of this message. `ack` is an `AckLevel`.

    `participant`: the member of the group whose receipt it is.
    """

    to: str
    whatsapp_id: str
    ack: int
    participant: str | None = None


class Inbound(Event, frozen=True, kw_only=True, tag="inbound", rename={"from_": "from"}):
    """Somebody wrote to an account, or changed what he wrote (`edit`, `revoke`, `reaction` of `target`).

    `type` is WhatsApp's own. `details` are the fields that the page gets with a message of this type. `file` is in
    base64. With `is_hidden`, WhatsApp does not tell the writer's number.
    """

    from_: str
    to: str
    whatsapp_id: str
    body: str
    reply_to: str | None = None
    type: str = "chat"
    group: str | None = None
    name: str | None = None
    is_hidden: bool = False
    target: str | None = None
    details: dict[str, Any] = {}
    file: str | None = None


class InboundConfirmed(Event, frozen=True, kw_only=True, tag="inbound_confirmed"):
    """The account's page has confirmed an inbound message."""

    whatsapp_id: str


class ChatStateChanged(Event, frozen=True, kw_only=True, tag="chatstate", rename={"from_": "from"}):
    """What the recipient `to` sees of the account: it is `composing`, `recording`, or `paused` again."""

    from_: str
    to: str
    state: str


AnyEvent: TypeAlias = (
    Linked
    | Unlinked
    | NumbersChanged
    | GroupChanged
    | Message
    | MessageRefused
    | MessagesRead
    | ReceiptConfirmed
    | Inbound
    | InboundConfirmed
    | ChatStateChanged
)
