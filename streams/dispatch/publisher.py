"""What the dispatcher gives to Kafka: records the broker has acknowledged, in the order they are named.

Order matters inside one partition of one topic: a status never goes back. Decides nothing.
"""

from collections.abc import Sequence
from typing import Protocol

from streams.runtime.publisher import OutgoingRecord as OutgoingRecord

__all__ = ["OutgoingRecord", "Publisher"]


class Publisher(Protocol):
    """Where records go."""

    async def publish(self, records: Sequence[OutgoingRecord]) -> None:
        """Returns once the broker has all of them; it never raises for troubles that pass."""
        ...
