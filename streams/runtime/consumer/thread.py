"""The thread in which aiokafka's consumer runs, with the settings that Faust does not set.

It sets `read_committed`, so that records of aborted transactions are not delivered; a short wait of fetches; the app's
fence for the group's coordinator; and a number of its own for every assignment.
"""

from collections.abc import Iterable
from typing import Any

import aiokafka
from faust.transport.consumer import ensure_TPset
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from streams.runtime.consumer.coordinator import current_fence
from streams.runtime.consumer.fetch import last_empty_range
from streams.runtime.consumer.offsets import OffsetRange
from streams.runtime.protocols import FencedApp

# However long a fetch may wait, records arrive at once. But the broker answers the requests of one
# connection in order, so requests for offsets wait behind a fetch: four times 1.5 s at each start.
_FETCH_MAX_WAIT_MS = 200


class ConsumerThread(driver.AIOKafkaConsumerThread):
    """Runs aiokafka's consumer."""

    app: FencedApp  # pyright: ignore[reportIncompatibleVariableOverride] made by our App only

    def _create_worker_consumer(self, transport: Any) -> aiokafka.AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        consumer._isolation_level = "read_committed"  # Faust sets it only for exactly_once
        consumer._fetch_max_wait_ms = _FETCH_MAX_WAIT_MS
        return consumer

    async def on_start(self) -> None:
        """Connect. The coordinator that is created in this call updates this app's fence."""
        token = current_fence.set(self.app.fence)
        try:
            await super().on_start()
        finally:
            current_fence.reset(token)

    def last_empty_range(self, partition: TP) -> OffsetRange | None:
        """The last range of the partition that was read and held nothing."""
        return last_empty_range(self._ensure_consumer(), partition)

    @property
    def is_coordinator_dead(self) -> bool:
        """Whether the group's coordinator has ended with an error; nothing else reports it."""
        coordinator: Any = self._ensure_consumer()._coordinator
        return coordinator is not None and coordinator._coordination_task.done()


class RebalanceListener(driver.ConsumerRebalanceListener):
    """Gives every assignment a number."""

    async def on_partitions_assigned(self, assigned: Iterable[Any]) -> None:
        """Called in the consumer's thread."""
        generation = self._thread.consumer.start_generation()  # type: ignore[attr-defined]
        await self._thread.on_partitions_assigned(ensure_TPset(assigned), generation)
