"""What the dispatcher answers to its probes: whether it is ready, and its health as numbers. Reads only."""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

from prometheus_client import CollectorRegistry

from streams.dispatch import gauges
from streams.dispatch.gauges import Gauges
from streams.dispatch.timer_service import TimerService
from streams.observability import health
from streams.observability.account_monitor import AccountMonitor
from streams.observability.metrics import DispatcherMetrics
from streams.observability.probes import Server, serve_probes
from streams.runtime.app import App
from streams.settings import Settings


@dataclass(frozen=True, slots=True)
class HealthReport:
    """The parts of the dispatcher from which its answers follow."""

    app: App
    metrics: DispatcherMetrics
    gauges: Gauges
    timer_service: TimerService
    account_monitor: AccountMonitor

    def get_readiness(self) -> tuple[bool, str]:
        """Whether it works, and what a person should know of it."""
        readiness = self.app.readiness()
        if readiness.is_ready and (count := self.metrics.internal_error_count):
            return True, f"wa-streams failed on {count} records: wa_internal_errors, and the log"
        return readiness.is_ready, readiness.reason

    def get_health(self) -> dict[str, Any]:
        """See `streams/observability/health.py`."""
        return health.health_document(
            is_ready=self.app.readiness().is_ready,
            queue_length=self.gauges.queued + self.timer_service.count_in_flight(),
            cache_size=self.gauges[gauges.CACHED_LOOKUPS],
            conversation_states=self.gauges[gauges.CONVERSATIONS],
            rate_limit_tracking=self.gauges[gauges.RATE_LIMITED],
            dispatches_overdue=self.timer_service.flights.count_overdue(),
            under_replicated_topics=len(self.app.obstacles.under_replicated),
            accounts=self.account_monitor.get_statuses().values(),
        )

    def serve(
        self, settings: Settings, name: str, registry: CollectorRegistry
    ) -> AbstractAsyncContextManager[Server]:
        """The server of the probes, while the context is open. Raises CannotListen."""
        return serve_probes(
            settings,
            name,
            settings.web_port,
            readiness=self.get_readiness,
            health=self.get_health,
            registry=registry,
        )
