"""aiokafka's group coordinator, which also updates the app's fence. Changes nothing else.

It runs in the consumer's thread. The coordinator of a consumer that belongs to no app updates a fence that is
never checked.
"""

import math
import time
from contextvars import ContextVar
from typing import Any

from aiokafka.consumer.group_coordinator import GroupCoordinator

from streams.runtime.fence import Fence

# Set by the consumer's thread around the consumer's start, in which aiokafka creates its coordinator.
current_fence: ContextVar[Fence | None] = ContextVar("current_fence", default=None)


class Coordinator(GroupCoordinator):
    """Replaces aiokafka's GroupCoordinator (patches.py)."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self._fence = current_fence.get() or Fence(math.inf)
        super().__init__(*args, **options)

    async def _do_heartbeat(self) -> bool:
        sent_s = time.monotonic()
        answered = await super()._do_heartbeat()
        if answered:
            self._fence.on_heartbeat(sent_s)
        return answered

    def reset_generation(self) -> None:
        """Called after a heartbeat, a commit or a join that failed: unknown member, or an old generation."""
        if not self._closing.done():
            self._fence.on_generation_lost()
        super().reset_generation()

    async def _on_join_prepare(self, previous_assignment: Any) -> None:
        # Returns once the app has finished the events that were delivered to it.
        await super()._on_join_prepare(previous_assignment)
        self._fence.on_revoked()

    async def _on_join_complete(self, *args: Any, **options: Any) -> None:
        self._fence.on_joined()
        await super()._on_join_complete(*args, **options)

    async def close(self) -> None:
        """Leave the group; the app has finished every event before."""
        try:
            await super().close()
        finally:
            self._fence.on_revoked()
