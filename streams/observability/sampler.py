"""Reads what a process's metrics are, for whoever decides on alerts. Decides nothing, knows neither Faust nor Kafka.

The values are those of a scrape, by the same names.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterator
from typing import Final

from prometheus_client import CollectorRegistry

from streams.domain.alerts.rules import ACCOUNT_METRIC_PREFIX, SPARSE_METRICS, sampled_metrics
from streams.domain.alerts.sample import Sample, Series

INTERVAL_S: Final = 15.0


def list_sampled_metrics(*, with_accounts: bool) -> set[str]:
    """The names of the metrics that rules need. `with_accounts`: also what the worker knows of all accounts."""
    return {
        metric
        for metric in sampled_metrics()
        if with_accounts or not metric.startswith(ACCOUNT_METRIC_PREFIX)
    }


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
