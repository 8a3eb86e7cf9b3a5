"""Keeps the metrics of a group's lag current. Joins no group and commits nothing.

A broker that cannot be reached leaves the last figures standing; `wa_lag_read_timestamp_seconds` says
how old they are.
"""

import asyncio
import logging
import time
from collections.abc import Collection, Mapping
from typing import Final

from aiokafka import TopicPartition

from streams.kafka import lag
from streams.kafka.admin import TopicsWrong
from streams.kafka.connection import KafkaUnreachable
from streams.kafka.lag import LagReader, PartitionLag
from streams.observability.metrics import Lag
from streams.settings import Settings

log = logging.getLogger(__name__)

EVERY_S: Final = 15.0


class LagKeeper:
    """Reads the lag of one group on some topics, again and again."""

    def __init__(
        self,
        settings: Settings,
        group: str,
        topics: Collection[str],
        metrics: Lag,
        every_s: float = EVERY_S,
    ) -> None:
        self._settings = settings
        self._group = group
        self._topics = topics
        self._metrics = metrics
        self._every_s = every_s
        self._lost: dict[TopicPartition, int] = {}

    async def run(self) -> None:
        """Until cancelled; a broker or a topic that is gone is told, and asked for again."""
        while True:
            try:
                async with lag.reader(self._settings) as reader:
                    await self._keep(reader)
            except (KafkaUnreachable, TopicsWrong) as error:
                log.warning("the lag of %s is not known: %s", self._group, error)
            await asyncio.sleep(self._every_s)

    async def _keep(self, reader: LagReader) -> None:
        while True:
            self._take(await reader.read(self._group, self._topics))
            await asyncio.sleep(self._every_s)

    def _take(self, found: Mapping[TopicPartition, PartitionLag]) -> None:
        for part, at in found.items():
            self._metrics.take(part.topic, part.partition, behind=at.behind, lost=at.lost)
            if at.lost > self._lost.get(part, 0):
                log.error("%s: retention took away %d records unread", part, at.lost)
            self._lost[part] = at.lost
        self._metrics.taken(time.time())
