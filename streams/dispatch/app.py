"""The dispatcher put together: topics, table, agents, clock, sweep, probes. The one place that knows all of it.

Two agents on one Faust app: intake reads `wa.outbound`, the phone stage reads the phones' log. Both
have one actor per partition, take records in order, and acknowledge one when all that follows from
it is on the broker.
"""

import asyncio
import logging
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any

from faust.types import EventT

from streams.contract import cloudevents
from streams.contract.headers import get_text
from streams.dispatch import tally
from streams.dispatch.accounts import Accounts
from streams.dispatch.answers import Answers
from streams.dispatch.clock import Clock
from streams.dispatch.intake import Intake
from streams.dispatch.outlet import Outgoing
from streams.dispatch.phone_stage import PhoneStage
from streams.dispatch.rows import Rows
from streams.dispatch.sweep import SLICE, Sweep
from streams.dispatch.tally import Tally
from streams.domain.phone.events import SourceRecord
from streams.domain.policy import Policy
from streams.kafka import topics
from streams.kafka.view import CompactedView
from streams.observability import health, metrics
from streams.observability.lag import LagExporter
from streams.observability.probes import serve_probes
from streams.runtime.factory import App, create_app
from streams.runtime.publisher import publish_all
from streams.runtime.table import DurableTable
from streams.runtime.worker import run as run_worker
from streams.settings import Settings

log = logging.getLogger(__name__)


class _Outlet:
    """An `Outlet` on the app's producer, which counts what the world is told."""

    def __init__(self, app: App, names: topics.Names, counts: metrics.DispatcherMetrics) -> None:
        self._app = app
        self._names = names
        self._counts = counts

    async def put(self, records: Sequence[Outgoing]) -> None:
        """See `Outlet`."""
        await publish_all(self._app, records)
        for record in records:
            self._count(record)

    def _count(self, record: Outgoing) -> None:
        if record.topic == self._names.status:
            self._counts.count_status((get_text(record.headers, cloudevents.TYPE_HEADER) or "").rpartition(".")[2])
        elif record.topic == self._names.dlq:
            self._counts.count_dead_letter(get_text(record.headers, "wa-dlq-reason") or "")


class Dispatcher:
    """A dispatcher's parts, on a Faust app that is not started yet."""

    def __init__(self, settings: Settings, name: str) -> None:
        self.settings = settings
        self.name = name
        self.app = create_app(
            topics.dispatch_app_id(settings), settings, name=name, partitions=settings.partitions
        )
        self.names = topics.names(settings)
        self.rules = rules(settings)
        self.table = DurableTable(self.app, topics.ROWS)
        self.registry = metrics.new_registry(name)
        self.metrics = metrics.DispatcherMetrics(
            self.registry,
            is_ready=lambda: self.app.readiness().is_ready,
            partitions=lambda: len(self.table.owned_partitions()),
            phones_waiting=lambda: self.clock.waiting(),
            dispatches_in_flight=lambda: self.clock.outstanding(),
            overdue_s=lambda: self.clock.overdue_s(),
        )
        self.outlet = _Outlet(self.app, self.names, self.metrics)
        self.accounts = Accounts(changed=lambda: self.clock.stir())
        self.view = CompactedView(settings, self.names.accounts, on_change=self.accounts.take)
        window = max(1, settings.account_window // settings.partitions)
        self.clock = Clock(self.accounts, self.outlet, self.names.phone, window, time.time)
        self.tally = Tally()
        answers = Answers(self.names.status, self.names.dlq, self.names.send)
        self.intake = Intake(
            self.names.phone, answers, settings.default_region, settings.max_request_bytes
        )
        self.stage = PhoneStage(
            self.rules, self.accounts, self.clock, self.tally, answers, self.outlet, time.time
        )
        self.sweep = Sweep(self.owned, self.outlet, self.names.phone, self.rules, time.time)
        self._open = AsyncExitStack()
        self._declare()

    def owned(self) -> list[Rows]:
        """The rows of the partitions that this process owns now."""
        return [Rows(self.table, partition) for partition in self.table.owned_partitions()]

    def _declare(self) -> None:
        app = self.app
        for name, topic, agent in (
            ("intake", self.names.outbound, self._take_in),
            ("phone-stage", self.names.phone, self._fold),
        ):
            app.agent(app.raw_topic(topic), name=name, isolated_partitions=True)(agent)
        self.table.on_recovered(self._learn)
        app.before_join(self._listen)
        app.before_join(self._know_accounts)
        app.after_last_event(self._open.aclose)
        app.task(self.clock.run)
        app.task(self.sweep.run)

    async def _learn(self) -> None:
        """After a recovery, before any event: what is derived from the rows that are ours now."""
        self.clock.clear()
        self.tally.clear()
        for rows in self.owned():
            self.clock.learn(rows)
            await self._learn_phones(rows)
        log.info("%d partitions, %d phones wait", len(self.owned()), self.clock.waiting())

    async def _learn_phones(self, rows: Rows) -> None:
        found, last = rows.some_phones(b"", SLICE)
        while found:
            for row in found:
                self.clock.see(rows.partition, row.phone, row)
                self.tally.changed(None, row)
            await asyncio.sleep(0)  # probes are answered meanwhile
            found, last = rows.some_phones(last, SLICE)

    async def _listen(self) -> None:
        lag = LagExporter(
            self.settings,
            topics.dispatch_app_id(self.settings),
            (self.names.outbound, self.names.phone),
            metrics.LagMetrics(self.registry),
        )
        self.app.add_future(lag.run())
        await self._open.enter_async_context(
            serve_probes(
                self.settings,
                self.name,
                self.settings.web_port,
                readiness=self._readiness,
                health=self._health,
                registry=self.registry,
            )
        )

    def _readiness(self) -> tuple[bool, str]:
        said = self.app.readiness()
        return said.is_ready, said.reason

    def _health(self) -> dict[str, Any]:
        return health.health_document(
            is_healthy=self.app.readiness().is_ready,
            queue_length=self.tally[tally.QUEUED] + self.clock.outstanding(),
            cache_size=self.tally[tally.LOOKED_UP],
            conversation_states=self.tally[tally.PHONES],
            rate_limit_tracking=self.tally[tally.LIMITED],
        )

    async def _know_accounts(self) -> None:
        self._open.push_async_callback(self.view.stop)
        await self.view.start()
        for key, value in self.view.items():
            self.accounts.take(key, value)

    async def _take_in(self, stream: Any) -> None:
        async for event in stream.events():
            record = record_of(event)
            fate, records = self.intake.handle(record, time.time())
            await self.outlet.put(records)
            self.metrics.count_record(fate.value, time.time() - record.timestamp_ms / 1000)

    async def _fold(self, stream: Any) -> None:
        async for event in stream.events():
            message: Any = event.message
            rows = Rows(self.table, message.partition)
            await self.stage.handle(rows, message.offset, message.value)


def record_of(event: EventT[Any]) -> SourceRecord:
    """A Kafka record as it came."""
    message: Any = event.message
    return SourceRecord(
        topic=message.topic,
        partition=message.partition,
        offset=message.offset,
        timestamp_ms=int((message.timestamp or 0.0) * 1000),
        key=message.key,
        value=message.value,
        headers=tuple((name, value) for name, value in message.headers or ()),
    )


def rules(settings: Settings) -> Policy:
    """The settings that decisions rest on."""
    return Policy(
        rate_limit_per_minute=settings.rate_limit_per_minute,
        max_queue=settings.max_queue,
        max_retries=settings.max_retries,
        retry_delay_s=settings.retry_delay_ms / 1000,
        clock_skew_s=settings.clock_skew_ms / 1000,
        unknown_after_s=settings.unknown_after_s,
        idempotency_window_s=settings.dedup_s,
        conversation_expiry_s=settings.conversation_expiry_s,
        lookup_cache_found_s=settings.lookup_cache_found_s,
        lookup_cache_s=settings.lookup_cache_s,
        id_namespace=settings.topic_prefix,
    )


def run(settings: Settings, name: str) -> int:
    """Run a dispatcher until it is told to stop; returns the exit code."""
    return run_worker(Dispatcher(settings, name).app, settings)
