"""Publishes the samples of a dispatcher or a sender on `wa.internal.samples`. Decides nothing."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry

from streams.domain.alerts.sample import Sample, encode
from streams.kafka.topics import names
from streams.observability.sampler import Sampler, list_sampled_metrics
from streams.runtime.app import App
from streams.runtime.broker.publisher import OutgoingRecord
from streams.settings import Settings


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
    metrics = list_sampled_metrics(with_accounts=with_accounts)

    async def publish(sample: Sample) -> None:
        record = OutgoingRecord(topic, encode(sample), worker.encode(), partition=0)
        await app.publisher.publish_shortened([record], _leave_out)

    sampler = Sampler(registry, worker, metrics, publish, is_evaluator=is_evaluator)
    app.task(sampler.run)
    return sampler


def _leave_out(_: OutgoingRecord) -> None:
    """A sample has no smaller form. That its topic refuses it is logged."""
