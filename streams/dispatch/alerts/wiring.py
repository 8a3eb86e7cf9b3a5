"""Adds the alerts to a dispatcher: its samples, and the evaluation of those of all workers. Decides nothing."""

from collections.abc import Callable, Collection
from typing import Final

from prometheus_client import CollectorRegistry

from streams.dispatch.alerts.evaluator import AlertEvaluator
from streams.dispatch.publisher import Publisher
from streams.kafka.topics import names
from streams.observability.sampling import add_sampler
from streams.runtime.app import App
from streams.settings import Settings

# The owner of this partition of the phone log evaluates.
_EVALUATOR_PARTITION: Final = 0


def add_alerts(
    app: App,
    settings: Settings,
    registry: CollectorRegistry,
    worker: str,
    publisher: Publisher,
    now_s: Callable[[], float],
    owned_partitions: Callable[[], Collection[int]],
) -> AlertEvaluator:
    """Sample this worker's metrics, and evaluate the rules while it owns the partition."""

    def is_evaluator() -> bool:
        return _EVALUATOR_PARTITION in owned_partitions()

    app.target_topics.add(names(settings).alerts)
    add_sampler(app, settings, registry, worker, with_accounts=True, is_evaluator=is_evaluator)
    evaluator = AlertEvaluator(settings, publisher, now_s, is_evaluator=is_evaluator)
    app.task(evaluator.run)
    return evaluator
