"""Records that the broker has acknowledged: what returned from here, no crash takes back.

They go past Faust's Topic, FutureMessage and ProducerBuffer straight to the app's producer, so they may
come from any task of the process, not only from inside a stream; and nothing is ever queued and forgotten.

DurabilityError
├── RecordTooLarge    the broker takes no record of that size; smaller it must be
├── PartitionRevoked     the partition is with another process, or with none (durable.py)
└── AppStopped      the app has stopped
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    KafkaError,
    MessageSizeTooLargeError,
    ProducerClosed,
    RecordListTooLargeError,
)
from aiokafka.structs import RecordMetadata
from faust.exceptions import NotReady

if TYPE_CHECKING:
    from streams.runtime.app import App

log = logging.getLogger(__name__)

Headers = Sequence[tuple[str, bytes | None]]

_RETRY_DELAY_S = 0.2
_LOG_INTERVAL_S = 10.0
_TOO_LARGE_ERRORS = (MessageSizeTooLargeError, RecordListTooLargeError)


class DurabilityError(RuntimeError):
    """It was not written, and trying again as it is would not help."""


class RecordTooLarge(DurabilityError):
    """The broker takes no record of that size."""


class PartitionRevoked(DurabilityError):
    """The partition is not assigned to this process."""


class AppStopped(DurabilityError):
    """The app has stopped, or was not started."""


@dataclass(frozen=True, slots=True)
class OutgoingRecord:
    """What is to be published. Without a partition, the key's (murmur2), or any if there is no key."""

    topic: str
    value: bytes | None
    key: bytes | None = None
    partition: int | None = None
    headers: Headers = ()


async def publish(
    app: "App",
    topic: str,
    value: bytes | None,
    *,
    key: bytes | None = None,
    partition: int | None = None,
    headers: Headers = (),
) -> RecordMetadata:
    """Produce a record; returns where it is once the broker has it. Retries until it can.

    Raises:
        RecordTooLarge: the broker takes no record of that size.
        AppStopped: the app has stopped.
    """
    [metadata] = await publish_all(app, [OutgoingRecord(topic, value, key, partition, headers)])
    return metadata


async def publish_all(app: "App", records: Sequence[OutgoingRecord]) -> list[RecordMetadata]:
    """Produce records; those of one partition stand there in this order. Raises as `publish` does.

    When one fails for a while it and all behind it are produced again, so the last copies are in order.
    """
    published: list[RecordMetadata] = []

    async def publish_remaining() -> None:
        producer = await started_producer(app)
        acknowledged = [await _enqueue(producer, record) for record in records[len(published) :]]
        for outcome in await asyncio.gather(*acknowledged, return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome
            published.append(outcome)

    await retry_until_acknowledged(publish_remaining, "a record")
    return published


async def _enqueue(producer: AIOKafkaProducer, record: OutgoingRecord) -> Awaitable[RecordMetadata]:
    return await producer.send(
        record.topic,
        record.value,
        key=record.key,
        partition=record.partition,
        headers=list(record.headers),
    )


async def started_producer(app: "App") -> AIOKafkaProducer:
    """The app's producer, started if need be. Raises NotReady once the app has stopped."""
    await app.maybe_start_producer()
    return app.typed_producer.client


async def retry_until_acknowledged(
    operation: Callable[[], Awaitable[None]], description: str
) -> None:
    """Try until the broker has it; `what` is for the log. Raises RecordTooLarge and AppStopped."""
    last_logged_s = -_LOG_INTERVAL_S
    while True:
        try:
            return await operation()
        except _TOO_LARGE_ERRORS as error:
            raise RecordTooLarge(
                f"{description} is larger than the broker takes: {error}"
            ) from error
        except (ProducerClosed, NotReady) as error:
            raise AppStopped(f"{description} cannot be written: the app has stopped") from error
        except (KafkaError, OSError, TimeoutError) as error:
            if time.monotonic() - last_logged_s >= _LOG_INTERVAL_S:
                last_logged_s = time.monotonic()
                log.warning("%s is not written yet, trying again: %r", description, error)
        await asyncio.sleep(_RETRY_DELAY_S)
