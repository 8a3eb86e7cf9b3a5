"""Finds the topics that the worker cannot write or read, and says why and what to do. It cures nothing.

A worker whose topic was deleted, or whose right to it was taken away, waits and goes on by itself when it is
back: a restart would not help, and what it has begun is not lost. So it must not look ready meanwhile. What
stands in the way is logged once, when it begins and when it ends, and counted by topic.

The requests for metadata go through the *producer's* client, as the watchdog's do.
"""

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import Any, Protocol

from aiokafka.errors import (
    KafkaError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
)
from faust.exceptions import NotReady

from streams.kafka.replication import TOO_FEW_COPIES, list_under_replicated
from streams.runtime.broker.pending_writes import PendingWrite
from streams.runtime.protocols import ObstructedApp

log = logging.getLogger(__name__)

BROKERS = "the brokers"  # in the place of a topic: none of them answers

_MISSING = (
    "does not exist, or this user may not see it: run `wa-streams topics create`, or grant DESCRIBE"
)
_NO_WRITE = "may not be written by this user: grant WRITE"
_NO_READ = "may not be read by this user: grant READ"


class ObstacleObserver(Protocol):
    """Where obstacles are counted."""

    def count_obstacle(self, topic: str) -> None:
        """A new one stands in the way of this topic."""
        ...


class ObstacleMonitor:
    """The obstacles of one app. `timeout_s`: how long a write may wait before it is one."""

    def __init__(
        self,
        app: ObstructedApp,
        *,
        timeout_s: float = 10.0,
        check_interval_s: float = 2.0,
        request_timeout_s: float = 5.0,
    ) -> None:
        self.timeout_s = timeout_s
        self.check_interval_s = check_interval_s
        self.observers: list[ObstacleObserver] = []
        self._app = app
        self._request_timeout_s = request_timeout_s
        self._obstacles: Mapping[str, str] = {}
        self.under_replicated: list[str] = []  # topics that lack copies, which stops nothing yet
        self._answered_s = time.monotonic()

    @property
    def topics(self) -> list[str]:
        """The topics that cannot be written or read now."""
        return sorted(self._obstacles)

    @property
    def reason(self) -> str | None:
        """What stands in the way, for people; None: nothing."""
        return "; ".join(f"{topic} {self._obstacles[topic]}" for topic in self.topics) or None

    async def run(self) -> None:
        """Check at intervals until the app has stopped."""
        # The condition ends it also if a library has lost its cancellation.
        while not self._app.should_stop:
            await self.check_later()

    async def check_later(self) -> None:
        """Check once, after the interval, unless the app stops meanwhile."""
        await asyncio.sleep(self.check_interval_s)
        if not self._app.should_stop:
            await self.check()

    async def check(self) -> None:
        """Look once for everything that stands in the way."""
        cluster = await self._fetch_cluster()
        if cluster is None:
            self._update(self._find_silence())
            return
        existing = set(cluster.topics(exclude_internal_topics=False))
        self._answered_s = time.monotonic()
        writes = self._app.publisher.pending_writes.older_than(self.timeout_s)
        obstacles = {topic: _describe(write) for write in writes for topic in write.topics}
        obstacles |= dict.fromkeys(self._app.unreadable_topics(), _NO_READ)
        required = self._app.required_topics()
        self._set_under_replicated(list_under_replicated(cluster, required))
        missing = (required | obstacles.keys()) - existing
        self._update(obstacles | dict.fromkeys(missing, _MISSING))

    async def _fetch_cluster(self) -> Any:
        """The metadata of all topics that exist and that this user may see; None: no broker answers."""
        try:
            client: Any = self._app.typed_producer.client.client
            async with asyncio.timeout(self._request_timeout_s):
                return await client.fetch_all_metadata()
        except (KafkaError, OSError, TimeoutError, NotReady):
            return None

    def _set_under_replicated(self, topics: list[str]) -> None:
        was_whole, self.under_replicated = not self.under_replicated, topics
        if topics and was_whole:
            log.warning(TOO_FEW_COPIES.format(len(topics)))
        elif not topics and not was_whole:
            log.info("all topics have all their copies again")

    def _find_silence(self) -> dict[str, str]:
        silent_s = time.monotonic() - self._answered_s
        return {BROKERS: "do not answer"} if silent_s > self.timeout_s else dict(self._obstacles)

    def _update(self, obstacles: Mapping[str, str]) -> None:
        previous, self._obstacles = self._obstacles, obstacles
        for topic in sorted(obstacles.keys() - previous.keys()):
            log.error("%s %s; the worker waits", topic, obstacles[topic])
            for observer in self.observers:
                observer.count_obstacle(topic)
        for topic in sorted(previous.keys() - obstacles.keys()):
            log.info("nothing stands in the way of %s any more", topic)


def _describe(write: PendingWrite) -> str:
    match write.last_error:
        case TopicAuthorizationFailedError():
            return _NO_WRITE
        case UnknownTopicOrPartitionError():
            return _MISSING
        case None:
            return "takes no record, and no broker says why: look at the brokers' logs"
        case error:
            return f"takes no record ({type(error).__name__}): look at the brokers' logs"
