"""What a worker asks the brokers and cannot do without: the question is repeated until they answer, or the app stops.

A stop waits for the callbacks that ask here, so no question may outlast it. Writes differ: publisher.py repeats them
during a stop as well, because events in progress still end with them.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection
from typing import Protocol

from aiokafka.errors import KafkaError
from faust.exceptions import NotReady

from streams.kafka.connection import KafkaUnreachable
from streams.kafka.topic_ids import fetch_topic_ids
from streams.runtime.broker.publisher import AppStopped, Publisher

log = logging.getLogger(__name__)

_RETRY_DELAY_S = 0.2
_LOG_INTERVAL_S = 10.0


class AskingApp(Protocol):
    """The app that asks."""

    @property
    def should_stop(self) -> bool:
        """Whether it is stopping, or has stopped or crashed."""
        ...

    @property
    def publisher(self) -> Publisher:
        """Has the connection to the brokers."""
        ...


async def repeat_until_answered(
    app: AskingApp, request: Callable[[], Awaitable[None]], description: str
) -> None:
    """Repeat `request` until the brokers have answered. `description` is for the log.

    Raises:
        AppStopped: the app is stopping.
    """
    last_logged_s = -_LOG_INTERVAL_S
    while not app.should_stop:
        try:
            return await request()
        except NotReady as error:
            raise AppStopped(f"{description} has no answer: the app has stopped") from error
        except (KafkaUnreachable, KafkaError, OSError, TimeoutError) as error:
            if time.monotonic() - last_logged_s >= _LOG_INTERVAL_S:
                last_logged_s = time.monotonic()
                log.warning("%s has no answer yet, asking again: %r", description, error)
        await asyncio.sleep(_RETRY_DELAY_S)
    raise AppStopped(f"{description} has no answer: the app is stopping")


async def read_topic_ids(app: AskingApp, topics: Collection[str]) -> dict[str, bytes]:
    """The id of each topic. Raises as `repeat_until_answered` does."""
    ids: dict[str, bytes] = {}

    async def fetch() -> None:
        producer = await app.publisher.started_producer()
        ids.update(await fetch_topic_ids(producer.client, topics))

    await repeat_until_answered(app, fetch, "the request for topic ids")
    return ids
