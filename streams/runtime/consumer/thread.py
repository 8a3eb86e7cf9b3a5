"""The thread in which aiokafka's consumer lives, and what is told to it there that Faust does not tell.

`read_committed`, so that records of aborted transactions are not seen; a short wait of fetches; the fence
of the app, for the group's coordinator; and a number of its own for every assignment.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import aiokafka
from faust.transport.consumer import ensure_TPset
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from streams.runtime.consumer.coordinator import current_fence
from streams.runtime.consumer.fetch import last_empty_range
from streams.runtime.consumer.offsets import OffsetRange

if TYPE_CHECKING:
    from streams.runtime.app import App

# Records come at once however long a fetch may wait for them; but the broker answers a connection's
# requests in their order, so questions after offsets wait for it: four times 1.5 s at each start.
_FETCH_MAX_WAIT_MS = 200


class ConsumerThread(driver.AIOKafkaConsumerThread):
    """Where aiokafka's consumer lives."""

    app: "App"  # pyright: ignore[reportIncompatibleVariableOverride] made by our App only

    def _create_worker_consumer(self, transport: Any) -> aiokafka.AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        consumer._isolation_level = "read_committed"  # Faust sets it for exactly_once only
        consumer._fetch_max_wait_ms = _FETCH_MAX_WAIT_MS
        return consumer

    async def on_start(self) -> None:
        """Connect. The coordinator that is made meanwhile belongs to this app's fence."""
        token = current_fence.set(self.app.fence)
        try:
            await super().on_start()
        finally:
            current_fence.reset(token)

    def last_empty_range(self, partition: TP) -> OffsetRange | None:
        """The last stretch of the partition that was read and held nothing."""
        return last_empty_range(self._ensure_consumer(), partition)

    @property
    def is_coordinator_dead(self) -> bool:
        """Whether the group's coordinator has died of an error; nothing else says so."""
        coordinator: Any = self._ensure_consumer()._coordinator
        return coordinator is not None and coordinator._coordination_task.done()


class RebalanceListener(driver.ConsumerRebalanceListener):
    """Numbers the assignments."""

    async def on_partitions_assigned(self, assigned: Iterable[Any]) -> None:
        """Called in the consumer's thread."""
        generation = self._thread.consumer.start_generation()  # type: ignore[attr-defined]
        await self._thread.on_partitions_assigned(ensure_TPset(assigned), generation)
