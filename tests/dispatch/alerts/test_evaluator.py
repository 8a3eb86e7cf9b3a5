"""The evaluator on a real broker: an alert is on `wa.alerts` once, whoever evaluates, and readers learn of it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from streams.contract.alerts.record import AlertRecord
from streams.dispatch.alerts.evaluator import AlertEvaluator
from streams.dispatch.alerts.records import decode
from streams.dispatch.publisher import OutgoingRecord
from streams.domain.alerts import sample as samples
from streams.domain.alerts.rules import RULES
from streams.domain.alerts.sample import Sample, Series
from streams.embedded_kafka.broker import EmbeddedBroker
from streams.kafka.admin import create_topics
from streams.kafka.broker_clock import fetch_broker_time_s
from streams.kafka.connection import producer_options
from streams.kafka.reader import open_reader
from streams.kafka.topics import names
from streams.operations.alerts import follow_alerts, read_alerts
from streams.settings import Settings
from tests.support.broker import make_settings
from tests.support.waiting import wait_until

pytestmark = pytest.mark.broker

RULE = replace(next(rule for rule in RULES if rule.name == "records_lost"), for_s=0.0)
LABELS = {"topic": "wa.outbound", "partition": "0"}


class Cluster:
    """Topics on the broker, a worker that samples, and evaluators that come and go."""

    def __init__(self, settings: Settings, producer: AIOKafkaProducer, now_s: float) -> None:
        self.settings = settings
        self.names = names(settings)
        self._producer = producer
        self._now_s = now_s
        self.evaluator_number = 0

    async def publish(self, records: Sequence[OutgoingRecord]) -> Sequence[OutgoingRecord]:
        for record in records:
            await self._producer.send_and_wait(
                record.topic, record.value, key=record.key, partition=record.partition
            )
        return ()

    async def sample(self, lost_records: float) -> None:
        series = (Series("wa_lag_lost_records", LABELS, lost_records),)
        value = samples.encode(Sample(worker="dispatch-1", series=series, is_evaluator=True))
        await self.publish([OutgoingRecord(self.names.samples, value, b"dispatch-1", 0)])

    @contextlib.asynccontextmanager
    async def evaluator(self, number: int = 0) -> AsyncIterator[None]:
        """It evaluates every sample, and clears at once, while it is the one to do it."""
        evaluator = AlertEvaluator(
            self.settings,
            self,
            lambda: self._now_s,
            is_evaluator=lambda: self.evaluator_number == number,
            rules=(RULE,),
            interval_s=0.0,
            clear_after_s=0.0,
        )
        task = asyncio.create_task(evaluator.run())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def read(self) -> list[AlertRecord]:
        async with open_reader(self.settings, self.names.alerts) as reader:
            records = [record async for record in reader.read_to_end()]
        return [alert for record in records if (alert := decode(record.value)) is not None]

    async def sample_until(self, lost_records: float, states: list[str]) -> None:
        """Sample this value until the topic has these records."""

        async def has_states() -> bool:
            await self.sample(lost_records)
            return [record.state for record in await self.read()] == states

        await wait_until(has_states)


@pytest.fixture
async def cluster(broker: EmbeddedBroker, tmp_path: Path) -> AsyncIterator[Cluster]:
    settings = make_settings(broker, tmp_path)
    await create_topics(settings)
    now_s = await fetch_broker_time_s(settings)
    async with AIOKafkaProducer(**producer_options(settings)) as producer:
        yield Cluster(settings, producer, now_s)


async def test_an_alert_survives_a_restart_and_is_raised_once(cluster: Cluster) -> None:
    """A second evaluator takes over while the alert is raised, and then clears it."""
    async with cluster.evaluator():
        await cluster.sample_until(3, ["raised"])
    async with cluster.evaluator():
        for _ in range(3):
            await cluster.sample(3)
        await cluster.sample_until(0, ["raised", "cleared"])
    raised, cleared = await cluster.read()
    assert raised.labels == cleared.labels == LABELS
    assert raised.raised_at == cleared.raised_at == raised.at
    assert cleared.at > raised.at


async def test_one_of_two_evaluates(cluster: Cluster) -> None:
    """The other one does so as soon as the partition is its own; nothing is raised by both."""
    async with cluster.evaluator(0), cluster.evaluator(1):
        await cluster.sample_until(3, ["raised"])
        cluster.evaluator_number = 1
        await cluster.sample_until(0, ["raised", "cleared"])
        await cluster.sample_until(4, ["raised", "cleared", "raised"])
        cluster.evaluator_number = 0
        await cluster.sample_until(0, ["raised", "cleared", "raised", "cleared"])


async def test_records_of_others_disturb_nothing(cluster: Cluster) -> None:
    """Neither on the topic of samples nor on that of alerts."""
    for topic in (cluster.names.samples, cluster.names.alerts):
        for value in (None, b"\xff", b"{}"):
            await cluster.publish([OutgoingRecord(topic, value, b"key", 0)])
    async with cluster.evaluator():
        await cluster.sample_until(3, ["raised"])


async def test_a_reader_learns_what_is_raised_and_what_changes(cluster: Cluster) -> None:
    """`alerts` lists what is raised, and `alerts --follow` goes on with each change; a repeat is left out."""
    settings = cluster.settings
    assert (await read_alerts(settings)).is_current is False
    async with cluster.evaluator():
        await cluster.sample_until(3, ["raised"])
        report = await read_alerts(settings)
        assert [record.alert for record in report.raised] == ["records_lost"]
        assert report.is_current
        changes: Any = follow_alerts(settings)
        async with asyncio.timeout(60):
            assert (await anext(changes)).state == "raised"
            await cluster.sample_until(0, ["raised", "cleared"])
            assert (await anext(changes)).state == "cleared"
        await changes.aclose()
    assert (await read_alerts(settings)).raised == []
