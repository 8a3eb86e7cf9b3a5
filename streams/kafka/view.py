"""A compacted topic in memory, kept current. It is read without a group: each process sees all of it.

Not for anything that must be decided once: two processes may see a change at different times, and while no broker
answers, the last state remains. After an error, which is logged, the topic is read again from its beginning; until
that is done, the old state remains.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterator, Mapping

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from streams.kafka.connection import KafkaUnreachable, client_options
from streams.settings import Settings

log = logging.getLogger(__name__)

# The key and its new value; None: the key was deleted.
OnChange = Callable[[bytes, bytes | None], None]

_RETRY_DELAY_S = 1.0
_POLL_MS = 1000  # a fetch returns at once when there is something


class CompactedView:
    """The last value of each key. Call `start` before anything else; all in one event loop."""

    def __init__(
        self,
        settings: Settings,
        topic: str,
        *,
        partitions: int = 1,
        on_change: OnChange | None = None,
    ) -> None:
        """`on_change` is called for each change after `start`, in the event loop; it must not block."""
        self._settings = settings
        self._topic = topic
        self._partitions = [TopicPartition(topic, number) for number in range(partitions)]
        self._on_change = on_change
        self._values: dict[bytes, bytes] = {}
        self._loaded = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Return once everything is loaded that was in the topic at the call. Retries until it succeeds."""
        assert self._task is None, "started twice"
        self._task = asyncio.create_task(self._run(), name=f"view of {self._topic}")
        await self._loaded.wait()

    async def stop(self) -> None:
        """Follow the topic no longer; the last state remains."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    def get(self, key: bytes) -> bytes | None:
        """The last value of a key."""
        return self._values.get(key)

    def items(self) -> list[tuple[bytes, bytes]]:
        """All keys with their values, as they are now."""
        return list(self._values.items())

    def __len__(self) -> int:
        return len(self._values)

    async def _run(self) -> None:
        while True:
            try:
                await self._follow()
            except (KafkaError, KafkaUnreachable, OSError) as error:
                log.warning("cannot read %s (%r); trying again", self._topic, error)
            except Exception:
                log.exception("the view of %s failed; reading it again", self._topic)
            await asyncio.sleep(_RETRY_DELAY_S)

    async def _follow(self) -> None:
        # No reset policy: an offset out of range means another log, which must be read from its start.
        consumer = AIOKafkaConsumer(
            **client_options(self._settings),
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level="read_committed",
        )
        try:
            await consumer.start()
            self._replace(await self._load(consumer))
            self._loaded.set()
            while True:
                for key, value in await _poll(consumer):
                    self._apply_change(key, value)
        finally:
            await consumer.stop()

    async def _load(self, consumer: AIOKafkaConsumer) -> dict[bytes, bytes]:
        consumer.assign(self._partitions)
        await consumer.seek_to_beginning(*self._partitions)
        ends = await consumer.end_offsets(self._partitions)
        loaded: dict[bytes, bytes] = {}
        while not await _has_reached(consumer, ends):
            for key, value in await _poll(consumer):
                _set_or_delete(loaded, key, value)
        return loaded

    def _replace(self, loaded: dict[bytes, bytes]) -> None:
        """Take over what was loaded; after the first time, report what is different."""
        previous, self._values = self._values, loaded
        if not self._loaded.is_set():
            return
        for key in previous.keys() | loaded.keys():
            if previous.get(key) != loaded.get(key):
                self._notify(key, loaded.get(key))

    def _apply_change(self, key: bytes, value: bytes | None) -> None:
        _set_or_delete(self._values, key, value)
        self._notify(key, value)

    def _notify(self, key: bytes, value: bytes | None) -> None:
        if self._on_change is None:
            return
        try:
            self._on_change(key, value)
        except Exception:
            # The topic is not the cause, and reading it again would only bring the same change.
            log.exception("the callback for changes in %s failed", self._topic)


async def _poll(consumer: AIOKafkaConsumer) -> Iterator[tuple[bytes, bytes | None]]:
    """What has arrived; nothing after a timeout."""
    batches = await consumer.getmany(timeout_ms=_POLL_MS)
    return (
        (record.key, record.value)
        for records in batches.values()
        for record in records
        if record.key is not None  # the broker refuses such a record on a compacted topic
    )


async def _has_reached(consumer: AIOKafkaConsumer, ends: Mapping[TopicPartition, int]) -> bool:
    for part, end in ends.items():
        if await consumer.position(part) < end:
            return False
    return True


def _set_or_delete(values: dict[bytes, bytes], key: bytes, value: bytes | None) -> None:
    if value is None:
        values.pop(key, None)
    else:
        values[key] = value
