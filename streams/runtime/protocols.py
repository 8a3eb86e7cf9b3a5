"""What the runtime's modules need of each other, as small Protocols. Has no behaviour.

The app makes its consumer, producer, tables and watchdog, and each of them refers back to the app. They refer
to a Protocol of this file instead of the class, so only `app.py` imports them, and none of them imports `app.py`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

from aiokafka import AIOKafkaProducer
from aiokafka.structs import RecordMetadata
from faust.types import TP, EventT

from streams.runtime.broker.publisher import Publisher
from streams.runtime.fence import Fence

# What the broker returned for a batch, and when its request was sent and answered, on the monotonic clock.
ProduceObserver: TypeAlias = Callable[[RecordMetadata, float, float], None]


class FencedApp(Protocol):
    """The app as its consumer, its consumer's thread and its producer use it."""

    consumer_generation_id: int
    is_leaving_at_stop: bool

    @property
    def fence(self) -> Fence:
        """The app's own fence."""
        ...

    @property
    def conf(self) -> Any:
        """Faust's settings."""
        ...

    @property
    def should_stop(self) -> bool:
        """Whether it is stopping, or has stopped or crashed."""
        ...

    @property
    def topics(self) -> Any:
        """Faust's conductor, which knows the agents' queues."""
        ...

    @property
    def on_produce_response(self) -> ProduceObserver:
        """Receives the metadata of each batch that the broker has confirmed, and when it was sent and received."""
        ...


class AbandoningApp(Protocol):
    """The app as its agents use it."""

    def abandon(self, event: EventT[Any] | None) -> None:
        """This event cannot be finished here: it is neither waited for nor committed."""
        ...


class GroupingApp(AbandoningApp, Protocol):
    """The app as an agent uses it that takes events from its queue by itself."""

    def track(self, event: EventT[Any]) -> None:
        """This event is in progress from now on."""
        ...

    def acknowledge(self, events: Sequence[EventT[Any]]) -> None:
        """These events of one partition are done."""
        ...


class RecoveredTable(Protocol):
    """A durable table as the app uses it in a rebalance."""

    @property
    def changelog(self) -> str:
        """The name of its changelog topic."""
        ...

    async def wait_for_recovery_callbacks(self) -> None:
        """Return when no callback of a recovery is running."""
        ...

    async def close(self) -> None:
        """Return when no write is in progress; no further write begins."""
        ...


class TableApp(Protocol):
    """The app as a durable table uses it."""

    consumer_generation_id: int
    partitions: int
    source_topics: set[str]
    durable_tables: list[RecoveredTable]

    @property
    def should_stop(self) -> bool:
        """Whether the app is stopping, or has stopped or crashed."""
        ...

    @property
    def publisher(self) -> Publisher:
        """Gives the table the app's producer."""
        ...

    @property
    def conf(self) -> Any:
        """Faust's settings."""
        ...

    @property
    def assignor(self) -> Any:
        """Knows which changelog partitions are assigned."""
        ...

    def Table(self, name: str, **options: Any) -> Any:
        """Faust's table of this name."""
        ...

    def has_recovered_assignment(self) -> bool:
        """Whether the recovery that has just ended was for the current assignment."""
        ...


class WatchedPartition(Protocol):
    """How far one partition has come."""

    @property
    def oldest_unacked(self) -> int | None:
        """The oldest record that was delivered and is not acknowledged."""
        ...

    @property
    def next_offset(self) -> int:
        """The offset of the next record to deliver."""
        ...


class WatchedConsumer(Protocol):
    """The consumer as the watchdog sees it."""

    @property
    def started(self) -> bool:
        """Whether it has connected."""
        ...

    @property
    def is_delivering(self) -> bool:
        """Whether source records are delivered."""
        ...

    @property
    def is_coordinator_dead(self) -> bool:
        """Whether the group's coordinator has ended with an error."""
        ...

    def progress(self) -> Mapping[TP, tuple[int | None, WatchedPartition]]:
        """For each source partition its committed offset, and how far it has come."""
        ...

    async def highwaters(self, *partitions: TP) -> Mapping[TP, int]:
        """The end offset of each partition."""
        ...

    async def resync(self, partition: TP) -> None:
        """Read again from the next offset to deliver."""
        ...


class WatchedProducer(Protocol):
    """The producer as the watchdog uses it: a connection to the broker."""

    @property
    def client(self) -> AIOKafkaProducer:
        """aiokafka's producer. Raises NotReady before the start and after the stop."""
        ...


class ObstructedApp(Protocol):
    """The app as the monitor of obstacles sees it."""

    @property
    def should_stop(self) -> bool:
        """Whether it is stopping."""
        ...

    @property
    def publisher(self) -> Publisher:
        """Knows the writes that wait."""
        ...

    @property
    def typed_producer(self) -> WatchedProducer:
        """Its producer."""
        ...

    def required_topics(self) -> set[str]:
        """The topics that it reads and writes."""
        ...

    def unreadable_topics(self) -> set[str]:
        """The topics that the brokers have just refused to let it read."""
        ...


class Watched(Protocol):
    """The app as the watchdog sees it."""

    @property
    def should_stop(self) -> bool:
        """Whether it is stopping."""
        ...

    @property
    def rebalancing(self) -> bool:
        """Whether a rebalance or a recovery is under way."""
        ...

    @property
    def typed_consumer(self) -> WatchedConsumer:
        """Its consumer."""
        ...

    @property
    def typed_producer(self) -> WatchedProducer:
        """Its producer."""
        ...

    def recovery_progress(self) -> int:
        """A number that grows while tables are recovered."""
        ...

    def obstacle(self) -> str | None:
        """What keeps it from its work, if a restart would not help: a topic that is missing, or not allowed."""
        ...
