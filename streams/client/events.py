"""Status events and received messages as the client gives them to its caller. No I/O."""

from collections.abc import Callable
from typing import Final, TypeAlias, TypeVar

import msgspec
from msgspec.structs import asdict

from streams.contract import inbound, status
from streams.contract.inbound import InboundMessage
from streams.contract.status import StatusEvent

T = TypeVar("T")
# From a record's value and the position after it. None: the record is not such an event.
ReadRecord: TypeAlias = Callable[[bytes | None, str | None], T | None]

SENT_STATUSES: Final = frozenset({"sent", "delivered", "read", "played"})


class PositionedEvent(StatusEvent, frozen=True, kw_only=True, omit_defaults=True):
    """A status event, and where reading can be resumed after it. The position is not part of the record."""

    position: str | None = None  # for `statuses(after=…)`; None: a consumer group keeps it


def with_position(event: StatusEvent, position: str | None) -> PositionedEvent:
    """The event with this position."""
    return PositionedEvent(**asdict(event), position=position)


def decode_event(value: bytes | None) -> StatusEvent | None:
    """The event, or None if the record is not a status event."""
    try:
        return None if value is None else status.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def read_status(value: bytes | None, position: str | None) -> PositionedEvent | None:
    """The status event in a record."""
    event = decode_event(value)
    return None if event is None else with_position(event, position)


class PositionedMessage(InboundMessage, frozen=True, kw_only=True, omit_defaults=True):
    """A received message, and where reading can be resumed after it. The position is not part of the record."""

    position: str | None = None  # for `inbound(after=…)`; None: a consumer group keeps it


def read_message(value: bytes | None, position: str | None) -> PositionedMessage | None:
    """The received message in a record."""
    try:
        message = None if value is None else inbound.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return None if message is None else PositionedMessage(**asdict(message), position=position)
