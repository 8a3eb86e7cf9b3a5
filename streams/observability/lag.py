"""Keeps the metrics of a consumer group's lag current. Joins no group and commits nothing.

While the broker cannot be reached the metrics keep their last values; `wa_lag_read_timestamp_seconds`
says how old they are.
"""

import asyncio
import logging
import time
from collections.abc import Collection, Mapping
from typing import Final

from aiokafka import TopicPartition
from prometheus_client import CollectorRegistry, Gauge

from streams.kafka import lag
from streams.kafka.admin import InvalidTopics
from streams.kafka.connection import KafkaUnreachable
from streams.kafka.lag import LagReader, PartitionLag
from streams.settings import Settings

log = logging.getLogger(__name__)

INTERVAL_S: Final = 15.0


class LagMetrics:
    """How far a consumer group is behind, per partition."""

    def __init__(self, registry: CollectorRegistry) -> None:
        labels = ["topic", "partition"]
        self._lag = Gauge(
            "wa_lag_records", "Records that the group has not read yet", labels, registry=registry
        )
        self._lost_records = Gauge(
            "wa_lag_lost_records",
            "Records that retention deleted before the group read them",
            labels,
            registry=registry,
        )
        self._read_time = Gauge(
            "wa_lag_read_timestamp_seconds", "When the lag was last read", registry=registry
        )

    def set_lag(self, topic: str, partition: int, *, lag: int, lost_records: int) -> None:
        """Set the lag of one partition."""
        self._lag.labels(topic, partition).set(lag)
        self._lost_records.labels(topic, partition).set(lost_records)

    def set_read_time(self, time_s: float) -> None:
        """Set the time at which all partitions were read (epoch seconds)."""
        self._read_time.set(time_s)


class LagExporter:
    """Reads the lag of one group on some topics at regular intervals."""

    def __init__(
        self,
        settings: Settings,
        group: str,
        topics: Collection[str],
        metrics: LagMetrics,
        interval_s: float = INTERVAL_S,
    ) -> None:
        self._settings = settings
        self._group = group
        self._topics = topics
        self._metrics = metrics
        self._interval_s = interval_s
        self._lost_records: dict[TopicPartition, int] = {}

    async def run(self) -> None:
        """Run until cancelled. A missing broker or topic is logged, and tried again after the interval."""
        while True:
            try:
                async with lag.open_lag_reader(self._settings) as reader:
                    await self._poll(reader)
            except (KafkaUnreachable, InvalidTopics) as error:
                log.warning("cannot read the lag of %s: %s", self._group, error)
            await asyncio.sleep(self._interval_s)

    async def _poll(self, reader: LagReader) -> None:
        while True:
            self._export(await reader.read(self._group, self._topics))
            await asyncio.sleep(self._interval_s)

    def _export(self, lags: Mapping[TopicPartition, PartitionLag]) -> None:
        for partition, partition_lag in lags.items():
            self._metrics.set_lag(
                partition.topic,
                partition.partition,
                lag=partition_lag.lag,
                lost_records=partition_lag.lost_records,
            )
            if partition_lag.lost_records > self._lost_records.get(partition, 0):
                log.error(
                    "%s: retention has deleted %d unread records",
                    partition,
                    partition_lag.lost_records,
                )
            self._lost_records[partition] = partition_lag.lost_records
        self._metrics.set_read_time(time.time())
