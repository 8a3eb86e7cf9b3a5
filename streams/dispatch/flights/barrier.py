"""Writes a barrier into the changelog of an account's claims: no claim behind it counts for what was dispatched before.

    a marker on the send topic  ──▶  its offset lies behind all commands that were published before
    a row in the changelog      ──▶  it holds that offset, under a key of this dispatcher

The marker is written, because no question gives this offset for certain: a broker that was frozen may still show an old
end of a topic. A sender skips the marker. It notices the row before its next own record, or reads it when it recovers
its table, and refuses the commands below the offset (domain/sending/resolved.py). Nothing is read here.
"""

from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from aiokafka.structs import RecordMetadata

from streams.domain.sending.resolved import barrier_key, encode_barrier

PARTITION: Final = 0  # of a send topic, and of the changelog of its sender


class Publish(Protocol):
    """Publishes a record, and returns its position once the broker has it."""

    def __call__(
        self, topic: str, value: bytes | None, *, key: bytes, partition: int
    ) -> Awaitable[RecordMetadata]:
        """See `streams.runtime.broker.publisher.Publisher.publish`."""
        ...


class BarrierWriter:
    """Writes the barriers of one dispatcher."""

    def __init__(self, publish: Publish, dispatcher: str, send_topic: Callable[[str], str]) -> None:
        """`send_topic` names the send topic of an account."""
        self._publish = publish
        self._key = barrier_key(dispatcher)
        self._send_topic = send_topic

    def get_send_topic(self, account: str) -> str:
        """The topic that gets the marker."""
        return self._send_topic(account)

    async def write(self, account: str, changelog: str, *, has_send_topic: bool) -> RecordMetadata:
        """Write one; returns its position. Without its send topic, nothing can be dispatched to the account."""
        end = await self._mark_end(account) if has_send_topic else 0
        return await self._publish(
            changelog, encode_barrier(end), key=self._key, partition=PARTITION
        )

    async def _mark_end(self, account: str) -> int:
        marker = await self._publish(
            self._send_topic(account), None, key=self._key, partition=PARTITION
        )
        return marker.offset
