"""aiokafka's group coordinator, which also updates the app's fence, and leaves the group for a standby. Nothing else.

It runs in the consumer's thread. The coordinator of a consumer that belongs to no app updates a fence that is
never checked.
"""

import asyncio
import logging
import math
import time
from contextvars import ContextVar
from typing import Any, Final

from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.errors import KafkaError, for_code
from aiokafka.protocol.group import LeaveGroupRequest

from streams.runtime.fence import Fence

log = logging.getLogger(__name__)

_LEAVE_TIMEOUT_S: Final = 2.0  # after that, the session of this member ends by itself
# Both are set by the consumer's thread around the consumer's start, in which aiokafka creates its coordinator.
current_fence: ContextVar[Fence | None] = ContextVar("current_fence", default=None)
is_leaving_at_stop: ContextVar[bool] = ContextVar("is_leaving_at_stop", default=False)


class Coordinator(GroupCoordinator):
    """Replaces aiokafka's GroupCoordinator (patches.py)."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self._fence = current_fence.get() or Fence(math.inf)
        self._is_leaving_at_stop = is_leaving_at_stop.get()
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

    async def _maybe_leave_group(self) -> None:
        """aiokafka's, which never lets a static member leave: a standby would wait for the end of its session."""
        if self._is_leaving_at_stop and self._closing.done() and self.generation > 0:
            await self._leave_group()
        await super()._maybe_leave_group()

    async def _leave_group(self) -> None:
        try:
            async with asyncio.timeout(_LEAVE_TIMEOUT_S):
                response = await self._send_req(LeaveGroupRequest(self.group_id, self.member_id))
        except (KafkaError, TimeoutError) as error:
            log.warning("the group was not left: %r. Its session ends by itself", error)
            return
        if response.error_code:
            log.warning("the group was not left: %r", for_code(response.error_code))
