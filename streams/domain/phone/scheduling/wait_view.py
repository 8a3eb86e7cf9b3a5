"""Of a recipient's stored row only what says whether it waits for anything. Reads the rest of no row.

A start must find the recipients that wait among a million that do not: dispatch/phone_store.py.
"""

import msgspec

from streams.domain.phone.state import InFlight, Parked, Phone, PriorityQueue, Wait
from streams.domain.stored import Codec, Stored


class WaitView(Stored, frozen=True):
    """Some fields of `Phone`, under the same names."""

    waits: tuple[Wait, ...] = ()
    timer_at_s: float = 0.0
    queues: dict[str, PriorityQueue] = msgspec.field(default_factory=dict[str, PriorityQueue])
    parked: tuple[Parked, ...] = ()
    scheduled_count: int = 0
    in_flight: InFlight | None = None


def is_idle(row: WaitView | Phone) -> bool:
    """Whether no message waits, is scheduled or is in flight, and nothing is to wake the recipient."""
    return not (
        row.waits
        or row.timer_at_s
        or row.parked
        or row.scheduled_count
        or row.in_flight
        or any(queue.count for queue in row.queues.values())
    )


_views: Codec[WaitView] = Codec(WaitView)


def decode_wait_view(data: bytes) -> WaitView:
    """That part of a recipient's stored row. Raises as `decode_phone` does."""
    return _views.decode(data)
