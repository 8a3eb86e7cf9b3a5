"""Faust's App made safe: it installs our consumer, producer, agents and watchdog.

Nothing that was not finished is committed. An agent that raises, or is cancelled in the middle of an event, ends the
process, because Faust would acknowledge the event. So agents must not raise because of what an event contains.
While the app stops, partitions are released only after the last event is done.
"""

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import faust
from aiokafka import AIOKafkaProducer
from faust.types import TP, EventT
from faust.types.transports import ConsumerT, TransportT
from yarl import URL

from streams.runtime.broker.publisher import Publisher
from streams.runtime.consumer.consumer import Consumer
from streams.runtime.fence import Fence
from streams.runtime.obstacles.monitor import ObstacleMonitor
from streams.runtime.parts.faust_parts import (
    Agent,
    QueueKeepingFlowControl,
    TableManager,
    Transport,
)
from streams.runtime.producer import Producer
from streams.runtime.protocols import ProduceObserver, RecoveredTable
from streams.runtime.recovery.service import Recovery
from streams.runtime.store.local_store import Table
from streams.runtime.store.stale import ReadRetentionS, StaleStores
from streams.runtime.watchdog import Watchdog, WatchdogTimeouts

Callback = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether events are processed now; if not, `reason` says why in a few words."""

    is_ready: bool
    reason: str


class App(faust.App):
    """A Faust app that loses no event. Created only by `create_app` (factory.py)."""

    def __init__(
        self,
        app_id: str,
        *,
        fence: Fence,
        member_id: str,
        partitions: int,
        event_timeout_s: float,
        watchdog_timeouts: WatchdogTimeouts,
        read_retention_s: ReadRetentionS,
        consumer_options: Mapping[str, Any],
        release_dir: Callable[[], None] = lambda: None,
        is_leaving_at_stop: bool = False,
        **options: Any,
    ) -> None:
        self.fence = fence
        self.is_leaving_at_stop = is_leaving_at_stop
        self.partitions = partitions
        self.event_timeout_s = event_timeout_s
        self.source_topics: set[str] = set()  # topics that are read
        self.free_topics: set[str] = set()  # those with any number of partitions (assignor.py)
        self.target_topics: set[str] = set()  # topics that are written, besides those
        self.durable_tables: list[RecoveredTable] = []
        self.consumer_options = consumer_options  # how to reach the brokers, for aiokafka
        self.stale_stores = StaleStores(read_retention_s)
        self.publisher = Publisher(self._started_producer)
        self.on_produce_response: ProduceObserver = lambda metadata, sent_s, received_s: None
        self._member_id = member_id
        self._release_dir = release_dir
        self._before_join: list[Callback] = []
        self._after_last_event: list[Callback] = []
        self._before_revocation: list[Callback] = []
        self._last_event_done = asyncio.Event()
        super().__init__(app_id, Agent=Agent, Table=Table, TableManager=TableManager, **options)
        self.flow_control = QueueKeepingFlowControl()
        self.watchdog = Watchdog(self, watchdog_timeouts)
        self.obstacles = ObstacleMonitor(self)

    # -- for its users

    def raw_topic(self, name: str, *, is_free: bool = False) -> Any:
        """A topic to read bytes from: no record can fail before it reaches the agent.

        `is_free`: it may have any number of partitions, and get more. A record without a value arrives as None.
        """
        self.source_topics.add(name)
        if is_free:
            self.free_topics.add(name)
        return self.topic(
            name,
            partitions=self.partitions,
            key_type=bytes,
            value_type=bytes,
            key_serializer="raw",
            value_serializer="raw",
            allow_empty=True,
        )

    def before_join(self, callback: Callback) -> Callback:
        """Call `callback` once, in the app's event loop, before it joins the group and any event arrives."""
        self._before_join.append(callback)
        return callback

    def after_last_event(self, callback: Callback) -> Callback:
        """Call `callback` while the app stops: no event arrives any more, and the producer still works."""
        self._after_last_event.append(callback)
        return callback

    def before_revocation(self, callback: Callback) -> Callback:
        """Call `callback` when partitions are revoked or the app stops, before events in progress are waited for.

        No event arrives any more; the tables and the producer still work. This is for agents that acknowledge
        by hand: they finish what they can, and give the other events back (`nack`).
        """
        self._before_revocation.append(callback)
        return callback

    def track(self, event: EventT[Any]) -> None:
        """An agent has taken this event from its queue by itself: a rebalance waits for it, as for all in progress."""
        event.message.tracked = True
        self.typed_consumer._unacked_messages.add(event.message)

    def acknowledge(self, events: Sequence[EventT[Any]]) -> None:
        """These events of one partition are done."""
        self.typed_consumer.acknowledge([event.message for event in events])

    def nack(self, event: EventT[Any]) -> None:
        """Give an event back that will not be acknowledged: it is not waited for, and is read again."""
        self.typed_consumer._unacked_messages.discard(event.message)

    def abandon(self, event: EventT[Any] | None) -> None:
        """An event cannot be finished by this process: it is neither waited for nor committed, and is read again."""
        if event is not None:
            self.typed_consumer.abandon(event.message)

    def readiness(self) -> Readiness:
        """For the probes."""
        if self.should_stop:
            return Readiness(False, "stopping")
        if self._consumer is None or not self._consumer.started:
            return Readiness(False, "starting")
        if self.rebalancing or not self.typed_consumer.is_delivering:
            return Readiness(False, self._describe_join())
        age_s = self.fence.heartbeat_age_s()
        if age_s is None or age_s > self.conf.broker_session_timeout:
            return Readiness(False, "no heartbeat is answered")
        if reason := self.obstacles.reason:
            return Readiness(False, reason)
        if not self.assigned_partitions():
            return Readiness(True, "standing by: other workers have the partitions")
        return Readiness(True, "ready")

    def _describe_join(self) -> str:
        if self.fence.heartbeat_age_s() is None:
            return "joining the group"
        progress = self._recovery.progress
        if progress is not None and not progress.is_done:
            return progress.describe(time.monotonic())
        return "taking over partitions"

    def obstacle(self) -> str | None:
        """What keeps the worker from its work although it runs; None: nothing."""
        return self.obstacles.reason

    def required_topics(self) -> set[str]:
        """The topics that are read or written."""
        changelogs = {table.changelog for table in self.durable_tables}
        return self.source_topics | self.target_topics | changelogs

    def unreadable_topics(self) -> set[str]:
        """The topics that the brokers have just refused to let us read."""
        consumer = self._consumer
        return consumer.unreadable_topics() if isinstance(consumer, Consumer) else set()

    def assigned_partitions(self) -> list[TP]:
        """The source partitions that this process works on."""
        return sorted(self.typed_consumer.progress())

    def recovery_progress(self) -> int:
        """A number that grows while tables are recovered."""
        return sum(offset or 0 for offset in self._recovery.active_offsets.values())

    def has_recovered_assignment(self) -> bool:
        """Whether the recovery that has just ended was for the current assignment."""
        return self._recovery._generation_id == self.consumer_generation_id

    # -- Faust's parts, by our own types

    @property
    def _recovery(self) -> Recovery:
        manager: Any = self.tables
        return manager.recovery

    @property
    def typed_consumer(self) -> Consumer:
        """The consumer, by its own type."""
        consumer = self.consumer
        assert isinstance(consumer, Consumer)
        return consumer

    @property
    def typed_producer(self) -> Producer:
        """The producer, by its own type."""
        producer = self.producer
        assert isinstance(producer, Producer)
        return producer

    async def _started_producer(self) -> AIOKafkaProducer:
        await self.maybe_start_producer()
        return self.typed_producer.client

    def _new_transport(self) -> TransportT:
        return Transport(self.conf.broker_consumer, self)

    def _new_producer_transport(self) -> TransportT:
        return Transport(self.conf.broker_producer, self)

    # -- start, rebalance, stop

    async def on_start(self) -> None:
        """Called before anything of Kafka is started."""
        self._set_member_id()
        await super().on_start()
        self.watchdog.start()
        self.add_future(self.watchdog.run())
        self.add_future(self.obstacles.run())
        await self.run_before_join()

    async def run_before_join(self) -> None:
        """Run the `before_join` callbacks, once. What they raise is raised here."""
        callbacks, self._before_join = self._before_join, []
        for callback in callbacks:
            await callback()

    def _set_member_id(self) -> None:
        """A member that returns under its id gets its old partitions, whatever topics it reads now.

        So a worker that reads other topics than before, as after an update, must be another member. Otherwise
        its assignor would refuse the assignment at every start.
        """
        topics = sorted({*self.source_topics, *(table.changelog for table in self.durable_tables)})
        digest = hashlib.sha256("\n".join(topics).encode()).hexdigest()[:6]
        self.conf.consumer_group_instance_id = f"{self._member_id}-{digest}"
        self.conf.canonical_url = URL(f"http://{self._member_id}-{digest}")

    async def on_stop(self) -> None:
        """Finish the delivered events, commit, and then run the `after_last_event` callbacks."""
        await super().on_stop()
        for callback in self._after_last_event:
            await callback()

    async def on_shutdown(self) -> None:
        """Everything has ended: another process may use the folder."""
        await super().on_shutdown()
        self.watchdog.stop()
        self._release_dir()

    async def _consumer_wait_empty(self, consumer: ConsumerT, logger: Any) -> None:
        for table in self.durable_tables:
            await table.wait_for_recovery_callbacks()
        for callback in self._before_revocation:
            await callback()
        await super()._consumer_wait_empty(consumer, logger)

    async def _stop_consumer(self) -> None:
        try:
            await super()._stop_consumer()
        finally:
            self._last_event_done.set()

    async def _on_partitions_revoked(self, revoked: set[TP]) -> None:
        if self.should_stop:
            # Faust would leave the group at once, while events are still in progress.
            await self._last_event_done.wait()
        await super()._on_partitions_revoked(revoked)
        for table in self.durable_tables:
            await table.close()
