"""Of a recipient's stored row only what says whether it waits for anything. Reads the rest of no row.

A start must find the recipients that wait among a million that do not: dispatch/phone_store.py.
"""

import msgspec

from streams.domain.phone.state import InFlight, Parked, PriorityQueue, Wait
from streams.domain.stored import Codec, Stored


class WaitView(Stored, frozen=True):
    """Some fields of `Phone`, under the same names."""

    waits: tuple[Wait, ...] = ()
    timer_at_s: float = 0.0
    queues: dict[str, PriorityQueue] = msgspec.field(default_factory=dict[str, PriorityQueue])
    parked: tuple[Parked, ...] = ()
    scheduled_count: int = 0
    in_flight: InFlight | None = None

    @property
    def is_idle(self) -> bool:
        """Whether no message waits, is scheduled or is in flight, and nothing is to wake the recipient."""
        return not (
            self.waits
            or self.timer_at_s
            or self.parked
            or self.scheduled_count
            or self.in_flight
            or any(queue.count for queue in self.queues.values())
        )


_views: Codec[WaitView] = Codec(WaitView)


def is_idle(data: bytes) -> bool:
    """Whether the recipient of this stored row waits for nothing. Raises as `decode_phone` does."""
    return _views.decode(data).is_idle
