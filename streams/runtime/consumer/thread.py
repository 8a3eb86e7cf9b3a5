"""The thread in which aiokafka's consumer runs, with the settings that Faust does not set.

It sets `read_committed`, so that records of aborted transactions are not delivered; a short wait of fetches, and a
pause between them; the app's fence for the group's coordinator; and a number of its own for every assignment. A request
that fails does not end the process: Faust would crash the app in the middle of its events.
"""

import asyncio
import time
from collections.abc import Iterable, Mapping
from typing import Any

import aiokafka
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError, TopicAuthorizationFailedError
from faust.transport.consumer import ensure_TPset
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from streams.runtime.consumer.calls import CallableThread
from streams.runtime.consumer.coordinator import current_fence, is_leaving_at_stop
from streams.runtime.consumer.fetch import last_empty_range
from streams.runtime.consumer.offsets import OffsetRange
from streams.runtime.protocols import FencedApp

# However long a fetch may wait, records arrive at once. But the broker answers the requests of one
# connection in order, so requests for offsets wait behind a fetch: four times 1.5 s at each start.
_FETCH_MAX_WAIT_MS = 200
# A fetch costs about as much for a partition without a record as a record does: while there is work, records gather.
_FETCH_PAUSE_PER_PARTITION_S = 0.000_2
_MAX_FETCH_PAUSE_S = 0.005
_RETRY_DELAY_S = 0.2
COMMIT_TIMEOUT_S = 5.0  # far more than a broker needs; a commit is soon followed by another one
_REFUSAL_MEMORY_S = (
    5.0  # a refused fetch is repeated at once, so the refusals are much closer together
)


class ConsumerThread(CallableThread, driver.AIOKafkaConsumerThread):
    """Runs aiokafka's consumer."""

    app: FencedApp  # pyright: ignore[reportIncompatibleVariableOverride] made by our App only

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._refused_s: dict[str, float] = {}  # when a fetch of this topic was refused last

    def _create_worker_consumer(self, transport: Any) -> aiokafka.AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        consumer._isolation_level = "read_committed"  # Faust sets it only for exactly_once
        consumer._fetch_max_wait_ms = _FETCH_MAX_WAIT_MS
        return consumer

    async def on_start(self) -> None:
        """Connect. The coordinator that is created in this call updates this app's fence."""
        token = current_fence.set(self.app.fence)
        leaving_token = is_leaving_at_stop.set(self.app.is_leaving_at_stop)
        try:
            await super().on_start()
            _pace_fetches(self._ensure_consumer()._fetcher)
        finally:
            is_leaving_at_stop.reset(leaving_token)
            current_fence.reset(token)

    async def _fetch_records(self, consumer: Any, *args: Any, **options: Any) -> Any:
        """Faust's, but a fetch that fails is repeated. A topic that we may not read may be allowed again."""
        try:
            return await super()._fetch_records(consumer, *args, **options)
        except TopicAuthorizationFailedError as error:
            self._refused_s[str(error.args[0])] = time.monotonic()
        except KafkaError as error:
            if consumer._closed or consumer._fetcher.error_future.done():
                raise  # nothing will ever be fetched again
            self.log.warning("records cannot be fetched, trying again: %r", error)
        await asyncio.sleep(_RETRY_DELAY_S)
        return {}

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        """Commit, and return whether that succeeded. The next commit includes what this one did not.

        aiokafka repeats a commit for ever if a topic does not exist any more, and a stop would wait for it.
        """
        consumer, assignment = self._ensure_consumer(), self.assignment()
        topics = consumer._client.cluster.topics()
        try:
            async with asyncio.timeout(COMMIT_TIMEOUT_S):
                await consumer.commit(
                    {
                        TopicPartition(tp.topic, tp.partition): offset
                        for tp, offset in offsets.items()
                        if tp in assignment and tp.topic in topics
                    }
                )
        except Exception as error:  # noqa: BLE001 - whatever it is, the watchdog notices when nothing is committed
            self.log.warning("nothing was committed: %r", error)
            return False
        return all(tp.topic in topics for tp in offsets)

    def unreadable_topics(self) -> set[str]:
        """The topics of which the last fetches were refused. For any thread."""
        now_s = time.monotonic()
        refusals = self._refused_s.copy().items()
        return {topic for topic, at_s in refusals if now_s - at_s < _REFUSAL_MEMORY_S}

    async def read_offsets_at(self, times_ms: Mapping[TP, int]) -> Mapping[TP, Any]:
        """For each partition the first record appended at or after this time (epoch); None: there is none."""
        return await self.call_thread(self._ensure_consumer().offsets_for_times, dict(times_ms))

    def last_empty_range(self, partition: TP) -> OffsetRange | None:
        """The last range of the partition that was read and held nothing."""
        return last_empty_range(self._ensure_consumer(), partition)

    def pause_changelogs(self, assigned: Iterable[Any]) -> None:
        """Fetch nothing from the changelogs: a recovery reads them by itself. Called in this thread."""
        changelogs: Any = self.app.tables.changelog_topics  # type: ignore[attr-defined]
        self._ensure_consumer().pause(*(tp for tp in assigned if tp.topic in changelogs))

    @property
    def is_coordinator_dead(self) -> bool:
        """Whether the group's coordinator has ended with an error; nothing else reports it."""
        coordinator: Any = self._ensure_consumer()._coordinator
        return coordinator is not None and coordinator._coordination_task.done()


def _pace_fetches(fetcher: Any) -> None:
    """Let a while pass between the response to a fetch and the next one. A long poll without a record took longer."""
    fetch, answered_mono_s = fetcher._proc_fetch_request, dict[int, float]()

    async def fetch_paced(assignment: Any, node_id: int, request: Any) -> bool:
        partitions = sum(len(partitions) for _, partitions in request.topics)
        pause_s = min(partitions * _FETCH_PAUSE_PER_PARTITION_S, _MAX_FETCH_PAUSE_S)
        elapsed_s = time.monotonic() - answered_mono_s.get(node_id, 0.0)
        try:
            await asyncio.sleep(max(0.0, pause_s - elapsed_s))
        except asyncio.CancelledError:
            return False  # as aiokafka does while it waits for the response
        has_new_data: bool = await fetch(assignment, node_id, request)
        answered_mono_s[node_id] = time.monotonic()
        return has_new_data

    fetcher._proc_fetch_request = fetch_paced


class RebalanceListener(driver.ConsumerRebalanceListener):
    """Gives every assignment a number, and lets nothing be fetched from changelogs."""

    async def on_partitions_assigned(self, assigned: Iterable[Any]) -> None:
        """Called in the consumer's thread."""
        thread: Any = self._thread
        generation = thread.consumer.start_generation()
        thread.pause_changelogs(assigned)
        await thread.on_partitions_assigned(ensure_TPset(assigned), generation)
