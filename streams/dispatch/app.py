"""The composition root of the dispatcher: topics, table, agents, timers, sweep, probes.

Three agents run on one Faust app: intake reads `wa.outbound`, the phone stage the phone log, the batch stage the batch
log. Each has one actor per partition, takes records in order, and acknowledges a record when everything that follows
from it is on the broker. Nothing is decided here.
"""

import asyncio
import logging
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from typing import Any

import uvloop
from faust.types import EventT

from streams.dispatch.accounts import Accounts
from streams.dispatch.alerts.wiring import add_alerts
from streams.dispatch.batches.stage import BatchStage
from streams.dispatch.batches.store import BatchStore, check_row
from streams.dispatch.conversion import (
    make_policy,
    read_append_s,
    to_log_records,
    to_source_record,
)
from streams.dispatch.flights.barrier import BarrierWriter
from streams.dispatch.flights.claim_reader import ClaimReader
from streams.dispatch.flights.drain_reporter import DrainReporter
from streams.dispatch.flights.resolver import Resolver
from streams.dispatch.gauges import Gauges
from streams.dispatch.health_report import HealthReport
from streams.dispatch.intake import Disposition, Intake
from streams.dispatch.phone_census import PhoneCensus
from streams.dispatch.phone_stage import PhoneStage
from streams.dispatch.phone_store import WAITING_PHONES, PhoneStore
from streams.dispatch.publisher import KafkaPublisher
from streams.dispatch.queue_survey import QueueSurvey
from streams.dispatch.records.mapper import create_record_mapper
from streams.dispatch.records.shortening import make_shortener
from streams.dispatch.request_reader import create_request_reader
from streams.dispatch.sweep import BATCH_SIZE, Sweep
from streams.dispatch.templates.library import TemplateLibrary
from streams.dispatch.timer_service import TimerService
from streams.domain.accounts.linking import check_record
from streams.domain.accounts.routing import parse_weights
from streams.domain.phone.clock_steps import correct_phone
from streams.kafka import topics
from streams.kafka.view import CompactedView
from streams.observability import metrics
from streams.observability.account_monitor import AccountCollector, AccountMonitor
from streams.observability.lag import LagExporter, LagMetrics
from streams.observability.worker_clock import create_worker_clock
from streams.runtime.event_groups import process_in_groups
from streams.runtime.factory import create_app
from streams.runtime.table import DurableTable
from streams.runtime.worker import run as run_worker
from streams.settings import Settings

log = logging.getLogger(__name__)


class Dispatcher:
    """The parts of a dispatcher, on a Faust app that is not started yet."""

    def __init__(self, settings: Settings, name: str) -> None:
        self.settings = settings
        self.name = name
        self.app = create_app(
            topics.dispatch_app_id(settings), settings, name=name, partitions=settings.partitions
        )
        self.names = topics.names(settings)
        self.policy = make_policy(settings)
        self.table = DurableTable(self.app, topics.ROWS, check_row=check_row, index=WAITING_PHONES)
        self.registry = metrics.new_registry(name, lambda: self.app.readiness().is_ready)
        metrics.register_store_metrics(self.registry, self.table)
        self.clock = create_worker_clock(
            self.app, settings, self.registry, on_jump=self._apply_clock_jump
        )
        self.metrics = metrics.DispatcherMetrics(
            self.registry,
            partitions=lambda: len(self.table.owned_partitions()),
            phones_waiting=lambda: self.timer_service.count_waiting_phones(),
            dispatches_in_flight=lambda: self.timer_service.count_in_flight(),
            overdue_s=lambda: self.timer_service.overdue_s(),
            flights_overdue=lambda: self.timer_service.flights.count_overdue(),
        )
        metrics.observe_obstacles(self.app.obstacles, self.registry)
        shorten = make_shortener(self.names.status, self.names.dlq)
        self.publisher = KafkaPublisher(self.app.publisher, self.names, self.metrics, shorten)
        self.accounts = Accounts(
            lambda: self.timer_service.notify(),
            settings.accounts,
            now_s=self.clock.now_s,
            weights=parse_weights(settings.account_weights),
        )
        self.view = CompactedView(
            settings, self.names.accounts, on_change=self.accounts.apply_record
        )
        self.requests_view = CompactedView(
            settings,
            self.names.account_requests,
            on_change=self.accounts.apply_request,
            check=check_record,
        )
        self.templates = TemplateLibrary(self.clock.passed_s)
        self.templates_view = CompactedView(
            settings, self.names.templates, on_change=self.templates.apply_record
        )
        self.templates.follow(self.templates_view)
        max_in_flight = max(1, settings.account_max_in_flight // settings.partitions)
        self.timer_service = TimerService(
            self.accounts,
            self.publisher,
            self.names.phone,
            max_in_flight,
            self.clock.passed_s,
            self.clock.latest_s,
        )
        barriers = BarrierWriter(self.app.publisher.publish, name, self.names.send)
        self.resolver = Resolver(
            self.timer_service.flights,
            ClaimReader(settings, barriers),
            self.publisher,
            self.metrics,
            phone_topic=self.names.phone,
            namespace=settings.topic_prefix,
            policy=self.policy,
            senders=self.accounts,
        )
        self.drain_reporter = DrainReporter(
            self.accounts,
            self.timer_service.flights,
            self.table.owned_partitions,
            self.publisher,
            self.names.account_requests,
        )
        self.gauges = Gauges()
        record_mapper = create_record_mapper(self.names)
        reader = create_request_reader(settings, self.templates)
        self.intake = Intake(self.names.phone, record_mapper, reader)
        self.phone_stage = PhoneStage(
            self.policy,
            self.accounts,
            self.timer_service,
            self.gauges,
            record_mapper,
            self.publisher,
            self.metrics,
            self.clock.accept_s,
        )
        self.batch_stage = BatchStage(
            self.publisher,
            record_mapper,
            self.metrics,
            progress_topic=self.names.batches,
            phone_log=self.names.phone,
            keep_s=settings.idempotency_window_s,
            owned_stores=lambda: [BatchStore(self.table, p) for p in self.table.owned_partitions()],
            now_s=self.clock.passed_s,
        )
        self.sweep = Sweep(
            self.owned_stores, self.publisher, self.names.phone, self.policy, self.clock.passed_s
        )
        self.phone_census = PhoneCensus(self.gauges, self.owned_stores)
        self.queue_survey = QueueSurvey(self.registry, self._iter_waiting_phones, self.clock.now_s)
        self.account_monitor = AccountMonitor(settings, self.clock.now_s)
        AccountCollector(
            self.registry,
            lambda: self.account_monitor.get_statuses().values(),
            (self.account_monitor.malformed, self.requests_view.malformed),
        )
        add_alerts(
            self.app,
            settings,
            self.registry,
            name,
            self.publisher,
            self.clock.now_s,
            self.table.owned_partitions,
        )
        self._exit_stack = AsyncExitStack()
        self._register_agents()

    def _iter_waiting_phones(self) -> Iterator[tuple[PhoneStore, str]]:
        owned = {store.partition: store for store in self.owned_stores()}
        for partition, phone in self.timer_service.iter_phones():
            if partition in owned:
                yield owned[partition], phone

    def owned_stores(self) -> list[PhoneStore]:
        """The rows of the partitions that this process owns now."""
        return [PhoneStore(self.table, partition) for partition in self.table.owned_partitions()]

    def _register_agents(self) -> None:
        app = self.app
        names = self.names
        app.target_topics |= {names.status, names.dlq, names.batches, names.consent, names.forget}
        for name, topic, agent in (
            ("intake", names.outbound, self._process_requests),
            ("phone-stage", names.phone, self._process_phone_log),
            ("batch-stage", names.batch, self._process_batch_log),
        ):
            source = app.raw_topic(topic, is_free=topic == names.outbound)
            app.agent(source, name=name, isolated_partitions=True)(agent)
        self.table.on_recovered(self._rebuild_state)
        app.before_join(self._start_probes)
        app.before_join(self._load_views)
        app.after_last_event(self._exit_stack.aclose)
        app.task(self.timer_service.run)
        app.task(self.sweep.run)
        app.task(self.queue_survey.run)
        app.task(self.account_monitor.run)
        app.task(self.phone_census.run)
        for part in (self.resolver, self.drain_reporter, self.batch_stage):
            app.task(part.run)

    async def _rebuild_state(self) -> None:
        """After a recovery and before any event: build what is derived from the rows."""
        self.timer_service.clear()
        self.gauges.clear()
        self.batch_stage.load()
        for store in self.owned_stores():
            self.gauges.begin(store.partition)
            self.timer_service.load_scheduled(store)
            await self._load_phones(store)
        log.info(
            "recovered %d partitions, in which %d phones wait",
            len(self.owned_stores()),
            self.timer_service.count_waiting_phones(),
        )

    async def _load_phones(self, store: PhoneStore) -> None:
        for number, row in enumerate(store.iter_waiting()):
            corrected = correct_phone(row, self.clock.now_s(), self.policy)
            self.timer_service.load_phone(store.partition, corrected)
            self.gauges.load_waiting(row)
            if number % BATCH_SIZE == BATCH_SIZE - 1:
                await asyncio.sleep(0)  # lets probes be answered

    async def _start_probes(self) -> None:
        lag = LagExporter(
            self.settings,
            topics.dispatch_app_id(self.settings),
            (self.names.outbound, self.names.phone, self.names.batch),
            LagMetrics(self.registry),
        )
        self.app.add_future(lag.run())
        report = HealthReport(
            self.app, self.metrics, self.gauges, self.timer_service, self.account_monitor
        )
        await self._exit_stack.enter_async_context(
            report.serve(self.settings, self.name, self.registry)
        )

    async def _load_views(self) -> None:
        for view in (self.view, self.requests_view, self.templates_view):
            self._exit_stack.push_async_callback(view.stop)
            await view.start()
            view.report_all()

    async def _process_requests(self, stream: Any) -> None:
        async def handle(events: Sequence[EventT[Any]]) -> None:
            now_s = self.clock.now_s()
            records = [(to_source_record(event), read_append_s(event, now_s)) for event in events]
            dispositions = await self.intake.process_group(records, self.publisher)
            now_s = self.clock.now_s()
            for disposition, (_, append_s) in zip(dispositions, records, strict=True):
                if disposition is Disposition.FAILED:
                    self.metrics.count_internal_error("intake")
                self.metrics.count_record(disposition.value, now_s - append_s)

        await process_in_groups(self.app, stream, handle)

    async def _process_phone_log(self, stream: Any) -> None:
        async def handle(events: Sequence[EventT[Any]]) -> None:
            store = PhoneStore(self.table, events[0].message.partition)
            await self.phone_stage.handle_group(store, to_log_records(events, self.clock.now_s()))

        await process_in_groups(self.app, stream, handle)

    async def _process_batch_log(self, stream: Any) -> None:
        async def handle(events: Sequence[EventT[Any]]) -> None:
            store = BatchStore(self.table, events[0].message.partition)
            await self.batch_stage.handle(store, to_log_records(events, self.clock.now_s()))

        await process_in_groups(self.app, stream, handle)

    def _apply_clock_jump(self, jump_s: float) -> None:
        """After a step back, timers must not wait for the old time. A jump ahead is accepted by the clock, later."""
        if jump_s < 0:
            self.timer_service.shift_timers(jump_s)


def run(settings: Settings, name: str) -> int:
    """Run a dispatcher until it is stopped; returns the exit code."""
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    return run_worker(Dispatcher(settings, name).app, settings)
