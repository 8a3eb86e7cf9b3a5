"""Publishes what this worker's metrics are, for whoever decides on alerts. Decides nothing.

The values are those of a scrape, by the same names. One record every `INTERVAL_S`, on `wa.internal.samples`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterator
from typing import Final

from prometheus_client import CollectorRegistry

from streams.domain.alerts.rules import ACCOUNT_METRIC_PREFIX, SPARSE_METRICS, sampled_metrics
from streams.domain.alerts.sample import Sample, Series, encode
from streams.kafka.topics import names
from streams.runtime.app import App
from streams.runtime.broker.publisher import OutgoingRecord
from streams.settings import Settings

INTERVAL_S: Final = 15.0


class Sampler:
    """The samples of one worker."""

    def __init__(
        self,
        registry: CollectorRegistry,
        worker: str,
        metrics: Collection[str],
        publish: Callable[[Sample], Awaitable[None]],
        *,
        is_evaluator: Callable[[], bool] = lambda: False,
    ) -> None:
        self._registry = registry
        self._worker = worker
        self._metrics = metrics
        self._publish = publish
        self._is_evaluator = is_evaluator

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._publish(self.read())
            await asyncio.sleep(INTERVAL_S)

    def read(self) -> Sample:
        """The metrics now."""
        return Sample(
            worker=self._worker,
            series=tuple(self._iter_series()),
            is_evaluator=self._is_evaluator(),
        )

    def _iter_series(self) -> Iterator[Series]:
        for metric in self._registry.collect():
            for sample in metric.samples:
                is_needed = sample.name in self._metrics
                if is_needed and (sample.value or sample.name not in SPARSE_METRICS):
                    yield Series(sample.name, dict(sample.labels), float(sample.value))


def add_sampler(
    app: App,
    settings: Settings,
    registry: CollectorRegistry,
    worker: str,
    *,
    with_accounts: bool,
    is_evaluator: Callable[[], bool] = lambda: False,
) -> Sampler:
    """Sample this worker's metrics while the app runs. `with_accounts`: also what it knows of all accounts."""
    topic = names(settings).samples
    app.target_topics.add(topic)
    metrics = {
        metric
        for metric in sampled_metrics()
        if with_accounts or not metric.startswith(ACCOUNT_METRIC_PREFIX)
    }

    async def publish(sample: Sample) -> None:
        record = OutgoingRecord(topic, encode(sample), worker.encode(), partition=0)
        await app.publisher.publish_shortened([record], _leave_out)

    sampler = Sampler(registry, worker, metrics, publish, is_evaluator=is_evaluator)
    app.task(sampler.run)
    return sampler


def _leave_out(_: OutgoingRecord) -> None:
    """A sample has no smaller form. That its topic refuses it is logged."""
