"""aiokafka's admin client, which asks another broker when one does not answer. Decides nothing about topics.

aiokafka's own sends each request once, to a random broker or to the controller, and fails if that one is frozen. All
requests that we make may be repeated: they read, or they create what may exist already.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError, NotControllerError

# Kafka needs up to nine seconds to elect another controller and other leaders.
RETRY_TIMEOUT_S: Final = 15.0
_RETRY_DELAY_S: Final = 0.2


class AdminClient(AIOKafkaAdminClient):
    """An admin client that outlives a broker."""

    async def _send_request(self, request: Any, node_id: int | None = None) -> Any:
        send = super()._send_request
        return await self._retry(lambda: send(request, node_id))

    async def _send_to_controller(self, request: Any) -> Any:
        return await self._retry(lambda: self._send_to_current_controller(request))

    async def _send_to_current_controller(self, request: Any) -> Any:
        controller = self._client.cluster.controller
        if controller is None:
            raise NotControllerError("no controller is elected")
        return await self._client.send(controller.nodeId, request)

    async def _retry(self, send: Callable[[], Awaitable[Any]]) -> Any:
        deadline_s = time.monotonic() + RETRY_TIMEOUT_S
        while True:
            try:
                return await send()
            except (KafkaError, OSError, TimeoutError) as error:
                is_retriable = not isinstance(error, KafkaError) or error.retriable
                if not is_retriable or time.monotonic() > deadline_s:
                    raise
            await asyncio.sleep(_RETRY_DELAY_S)
            await self._client.force_metadata_update()
