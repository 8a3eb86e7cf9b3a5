"""The Faust app made safe: wires our consumer, producer, agents and watchdog into Faust's App.

Nothing that was not finished is committed: an agent that raises, or is cancelled in the middle of an
event, ends the process, because Faust would acknowledge the event. So agents must not raise for what
an event holds. While the app stops, partitions are given back only when the last event is done.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import faust
from faust.agents import Agent as FaustAgent
from faust.tables.manager import TableManager as FaustTableManager
from faust.tables.recovery import Recovery
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, EventT
from faust.types.transports import ConsumerT, TransportT
from mode.utils.queues import FlowControlEvent
from yarl import URL

from streams.runtime.consumer.consumer import Consumer
from streams.runtime.exit_codes import ExitCode, terminate
from streams.runtime.fence import Fence
from streams.runtime.producer import Producer
from streams.runtime.watchdog import Watchdog, WatchdogTimeouts

if TYPE_CHECKING:
    from streams.runtime.table import DurableTable

Callback = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether events are being worked on now, and if not, why, in a few words."""

    is_ready: bool
    reason: str


class Transport(driver.Transport):
    """Makes our consumer and producer."""

    Consumer = Consumer
    Producer = Producer


class QueueKeepingFlowControl(FlowControlEvent):
    """Faust's, whose `resume` would also empty the queue of every agent: what was handed out since."""

    def resume(self) -> None:
        """Let records into the queues again. What an earlier generation left there is skipped."""
        self._suspend.clear()
        self._resume.set()


class Agent(FaustAgent):
    """Faust's, which acknowledges an event whose handling raised or was cancelled. This one leaves."""

    async def _execute_actor(self, coro: Awaitable[Any], aref: Any) -> None:
        await super()._execute_actor(self._terminate_on_failure(coro, aref), aref)

    async def _terminate_on_failure(self, coro: Awaitable[Any], aref: Any) -> None:
        try:
            await coro
        except asyncio.CancelledError:
            if aref.stream.get_active_stream().current_event is not None:
                terminate(
                    ExitCode.EVENT_INTERRUPTED, f"agent {self.name} was cancelled in an event"
                )
            raise
        except Exception as error:
            self.log.exception("agent %s raised", self.name)
            terminate(
                ExitCode.EVENT_INTERRUPTED, f"agent {self.name} raised {type(error).__name__}"
            )


class TableManager(FaustTableManager):
    """Faust's, which would sleep for a second at each start."""

    async def on_start(self) -> None:
        """Register the tables, which were all made before the start."""
        await self._update_channels()
        await self.recovery.start()


class App(faust.App):
    """A Faust app that loses nothing. Made by `create_app` (app.py) only."""

    def __init__(
        self,
        app_id: str,
        *,
        fence: Fence,
        member_id: str,
        partitions: int,
        event_timeout_s: float,
        watchdog_timeouts: WatchdogTimeouts,
        release_dir: Callable[[], None] = lambda: None,
        **options: Any,
    ) -> None:
        self.fence = fence
        self.partitions = partitions
        self.event_timeout_s = event_timeout_s
        self.watchdog_timeouts = watchdog_timeouts
        self.source_topics: set[str] = set()  # topics that are read
        self.durable_tables: list[DurableTable] = []
        self._member_id = member_id
        self._release_dir = release_dir
        self._before_join: list[Callback] = []
        self._after_last_event: list[Callback] = []
        self._before_revocation: list[Callback] = []
        self._last_event_done = asyncio.Event()
        super().__init__(app_id, Agent=Agent, TableManager=TableManager, **options)
        self.flow_control = QueueKeepingFlowControl()
        self.watchdog = Watchdog(self)

    # -- for those who build on it

    def raw_topic(self, name: str, *, partitions: int | None = None) -> Any:
        """A topic to read bytes from: nothing in a record can fail before the agent has it.

        `partitions`: None, as many as the app has. A record without a value gives None.
        """
        self.source_topics.add(name)
        return self.topic(
            name,
            partitions=self.partitions if partitions is None else partitions,
            key_type=bytes,
            value_type=bytes,
            key_serializer="raw",
            value_serializer="raw",
            allow_empty=True,
        )

    def before_join(self, callback: Callback) -> Callback:
        """Called in the app's loop, once, before the group is joined and any event comes."""
        self._before_join.append(callback)
        return callback

    def after_last_event(self, callback: Callback) -> Callback:
        """Called while the app stops, once no event comes any more and the producer still works."""
        self._after_last_event.append(callback)
        return callback

    def before_revocation(self, callback: Callback) -> Callback:
        """Called when partitions are revoked, or the app stops, before what is begun is waited for.

        No event comes any more; the tables and the producer still work. For agents that acknowledge
        by hand: they finish what they can, and give the rest back (`nack`).
        """
        self._before_revocation.append(callback)
        return callback

    def nack(self, event: EventT[Any]) -> None:
        """An event that was taken and will not be acknowledged: it is not waited for, and is read again."""
        self.typed_consumer._unacked_messages.discard(event.message)

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
        return Readiness(
            True,
            "ready" if self.assigned_partitions() else "standing by: others have the partitions",
        )

    def _describe_join(self) -> str:
        if self.fence.heartbeat_age_s() is None:
            return "joining the group"
        remaining = self._recovery.active_remaining_total() if self.in_recovery else 0
        return (
            f"recovering the tables, {remaining} records left"
            if remaining > 0
            else "taking over partitions"
        )

    def assigned_partitions(self) -> list[TP]:
        """The source partitions that this process works on."""
        return sorted(self.typed_consumer.progress())

    def recovery_progress(self) -> int:
        """How far recoveries have come, as a number that grows while they do."""
        return sum(offset or 0 for offset in self._recovery.active_offsets.values())

    def has_recovered_assignment(self) -> bool:
        """Whether the recovery that is at its end was for the partitions that are assigned now."""
        return self._recovery._generation_id == self.consumer_generation_id

    # -- inside

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

    def _new_transport(self) -> TransportT:
        return Transport(self.conf.broker_consumer, self)

    def _new_producer_transport(self) -> TransportT:
        return Transport(self.conf.broker_producer, self)

    async def on_start(self) -> None:
        """Before anything of Kafka is started."""
        self._set_member_id()
        await super().on_start()
        self.watchdog.start()
        self.add_future(self.watchdog.run())
        await self.run_before_join()

    async def run_before_join(self) -> None:
        """Call those who wait for `before_join`, once; what they raise is for who runs the app."""
        callbacks, self._before_join = self._before_join, []
        for callback in callbacks:
            await callback()

    def _set_member_id(self) -> None:
        """A member that comes back under its id is given its old partitions, whatever it reads now.

        So who reads other topics than before, as after an update, must be another member; else its
        assignor would refuse what it is given, at each start anew.
        """
        topics = sorted({*self.source_topics, *(table.changelog for table in self.durable_tables)})
        digest = hashlib.sha256("\n".join(topics).encode()).hexdigest()[:6]
        self.conf.consumer_group_instance_id = f"{self._member_id}-{digest}"
        self.conf.canonical_url = URL(f"http://{self._member_id}-{digest}")

    async def on_stop(self) -> None:
        """Work off what was handed out, commit, then let the others say goodbye."""
        await super().on_stop()
        for callback in self._after_last_event:
            await callback()

    async def on_shutdown(self) -> None:
        """Everything has ended: another process may have the folder."""
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
            # Faust would leave the group at once, with events still being worked on.
            await self._last_event_done.wait()
        await super()._on_partitions_revoked(revoked)
        for table in self.durable_tables:
            await table.close()
