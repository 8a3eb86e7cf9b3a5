"""Publishes records, and returns only when the broker has acknowledged them: no crash can undo them then.

Records bypass Faust's Topic, FutureMessage and ProducerBuffer and go straight to the app's producer. So they may
come from any task of the process, not only from inside a stream, and no record is queued and forgotten.

DurabilityError
├── RecordTooLarge      the broker does not accept a record of that size; make it smaller
├── PartitionRevoked    the partition is assigned to another process, or to none (table.py)
└── AppStopped          the app has stopped
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence

from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    KafkaError,
    MessageSizeTooLargeError,
    ProducerClosed,
    RecordListTooLargeError,
)
from aiokafka.structs import RecordMetadata
from faust.exceptions import NotReady

from streams.runtime.broker.pending_writes import PendingWrites
from streams.runtime.broker.produce import Headers, OutgoingRecord, produce

__all__ = [
    "AppStopped",
    "DurabilityError",
    "OutgoingRecord",
    "PartitionRevoked",
    "Publisher",
    "RecordTooLarge",
]

log = logging.getLogger(__name__)

_RETRY_DELAY_S = 0.2
_LOG_INTERVAL_S = 10.0
_TOO_LARGE_ERRORS = (MessageSizeTooLargeError, RecordListTooLargeError)


class DurabilityError(RuntimeError):
    """Nothing was written, and the same call would fail again."""


class RecordTooLarge(DurabilityError):
    """The broker does not accept a record of that size.

    `index`: of the record among those to publish; all before it are on the broker, and none behind it counts.
    """

    def __init__(self, message: str, index: int = 0) -> None:
        super().__init__(message)
        self.index = index


class PartitionRevoked(DurabilityError):
    """The partition is not assigned to this process."""


class AppStopped(DurabilityError):
    """The app has stopped, or was not started."""


class Publisher:
    """Publishes on the producer of one app; for any task of the app's event loop."""

    def __init__(self, started_producer: Callable[[], Awaitable[AIOKafkaProducer]]) -> None:
        """`started_producer` gives the app's producer, and starts it if necessary.

        It raises NotReady once the app has stopped.
        """
        self.started_producer = started_producer
        self.pending_writes = PendingWrites()

    async def publish(
        self,
        topic: str,
        value: bytes | None,
        *,
        key: bytes | None = None,
        partition: int | None = None,
        headers: Headers = (),
    ) -> RecordMetadata:
        """Publish one record, and return its position once the broker has it. Retries until it succeeds.

        Raises:
            RecordTooLarge: the broker does not accept a record of that size.
            AppStopped: the app has stopped.
        """
        [metadata] = await self.publish_all([OutgoingRecord(topic, value, key, partition, headers)])
        return metadata

    async def publish_all(self, records: Sequence[OutgoingRecord]) -> list[RecordMetadata]:
        """Publish records; those of one partition keep this order. Raises as `publish` does.

        If one fails temporarily, it and all records behind it are produced again, so that the last copies
        are in order.
        """
        published: list[RecordMetadata] = []

        async def publish_remaining() -> None:
            producer = await self.started_producer()
            for outcome in await produce(producer, records[len(published) :]):
                if isinstance(outcome, BaseException):
                    raise outcome
                published.append(outcome)

        topics = dict.fromkeys(record.topic for record in records)
        try:
            await self.write(publish_remaining, *topics)
        except RecordTooLarge as error:
            raise RecordTooLarge(str(error), len(published)) from error
        return published

    async def publish_shortened(
        self,
        records: Sequence[OutgoingRecord],
        shorten: Callable[[OutgoingRecord], OutgoingRecord | None],
    ) -> list[OutgoingRecord]:
        """Publish records as `publish_all` does, and each that is too large in the form that `shorten` gives it.

        Returns the records that were left out, because they have no smaller form (`shorten` gives None).
        Raises only AppStopped.
        """
        pending, left_out = list(records), list[OutgoingRecord]()
        while pending:
            try:
                await self.publish_all(pending)
            except RecordTooLarge as error:
                refused = pending[error.index]
                log.error("%s: a record was refused as too large: %s", refused.topic, error)  # noqa: TRY400
                shortened = shorten(refused)
                if shortened is None:
                    left_out.append(refused)
                rest = pending[error.index + 1 :]
                pending = rest if shortened is None else [shortened, *rest]
            else:
                break
        return left_out

    async def write(self, operation: Callable[[], Awaitable[None]], *topics: str) -> None:
        """Repeat a write to these topics until the broker has acknowledged it. Raises as `publish` does.

        While it waits, it is among `pending_writes`.
        """
        with self.pending_writes.track(topics) as write:

            async def attempt() -> None:
                try:
                    await operation()
                except Exception as error:
                    write.last_error = error
                    raise

            await _retry_until_acknowledged(attempt, f"a record for {', '.join(topics)}")


async def _retry_until_acknowledged(
    operation: Callable[[], Awaitable[None]], description: str
) -> None:
    """Repeat `operation` until the broker has acknowledged it. `description` is for the log.

    Raises:
        RecordTooLarge: the broker does not accept a record of that size.
        AppStopped: the app has stopped.
    """
    last_logged_s = -_LOG_INTERVAL_S
    while True:
        try:
            return await operation()
        except _TOO_LARGE_ERRORS as error:
            raise RecordTooLarge(
                f"{description} is larger than the broker accepts: {error}"
            ) from error
        except (ProducerClosed, NotReady) as error:
            raise AppStopped(f"{description} cannot be written: the app has stopped") from error
        except (KafkaError, OSError, TimeoutError) as error:
            if time.monotonic() - last_logged_s >= _LOG_INTERVAL_S:
                last_logged_s = time.monotonic()
                log.warning("%s is not written yet, trying again: %r", description, error)
        await asyncio.sleep(_RETRY_DELAY_S)
