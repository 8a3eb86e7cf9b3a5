"""The rows of received messages in the sender's table: the position, and the ids of changes that are published.

A change (an edit, a revoke, a reaction) has no number, so its id is remembered for as long as it can be found again.
"""

import struct
from typing import Final

from streams.domain.inbound.position import CODEC, Position
from streams.sender.claim_store import ClaimStore

CHANGE_WINDOW_S: Final = 3 * 86_400.0  # longer than WhatsApp lets a message be revoked
_POSITION_KEY: Final = b"inbound_position"
_CHANGE_PREFIX: Final = b"inbound_change:"
_TIME: Final = struct.Struct("<d")


class PositionStore:
    """On the claim store, whose table and changelog they share."""

    def __init__(self, claim_store: ClaimStore) -> None:
        self._claim_store = claim_store

    def load(self) -> Position | None:
        """The position; None for an account that never had one."""
        data = self._claim_store.read(_POSITION_KEY)
        return None if data is None else CODEC.decode(data)

    async def save(self, position: Position) -> None:
        """Durable when this returns."""
        data = CODEC.encode(position)
        if data != self._claim_store.read(_POSITION_KEY):
            await self._claim_store.write(_POSITION_KEY, data)

    def is_published(self, change_id: str) -> bool:
        """Whether this change is on `wa.inbound`."""
        return self._claim_store.read(_CHANGE_PREFIX + change_id.encode()) is not None

    async def add_published(self, change_ids: list[str], now_s: float) -> None:
        """Remember changes that are on `wa.inbound`."""
        for change_id in change_ids:
            self._claim_store.write_buffered(_CHANGE_PREFIX + change_id.encode(), _TIME.pack(now_s))
        await self._claim_store.flush()

    async def forget_changes(self, now_s: float) -> None:
        """Forget those that cannot be found again."""
        for key, value in self._claim_store.scan_others(_CHANGE_PREFIX):
            if now_s - _TIME.unpack(value)[0] > 2 * CHANGE_WINDOW_S:
                await self._claim_store.write(key, None)
