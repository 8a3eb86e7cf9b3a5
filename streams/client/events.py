"""Status events as the client gives them to its caller. No I/O."""

from typing import Final

import msgspec
from msgspec.structs import asdict

from streams.contract import status
from streams.contract.status import StatusEvent

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
