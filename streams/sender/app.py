"""The sender's composition root: one account's send topic, table, browser and probes on one Faust app.

A second process of the same account stands by: the consumer group assigns the send topic to one of
them. An ownership begins when the table is recovered and ends before the partition is revoked.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import Any, Protocol

import msgspec
from faust.types import TP

from streams.contract import account as accounts
from streams.contract.account import AccountRecord, describe_account
from streams.domain.accounts.groups import GroupReport, encode_groups, groups_key
from streams.domain.accounts.linking import Instructions, LinkedNumber, number_key
from streams.domain.accounts.requests import encode
from streams.domain.phone import events
from streams.domain.phone.events import Event
from streams.kafka import topics
from streams.media.factory import create_source
from streams.observability import metrics
from streams.observability.account_monitor import AccountCollector, AccountMonitor
from streams.observability.account_status import AccountStatus
from streams.observability.health import health_document
from streams.observability.metrics import observe_obstacles, register_store_metrics
from streams.observability.probes import serve_probes
from streams.observability.sampling import add_sampler
from streams.observability.worker_clock import create_worker_clock
from streams.runtime import worker
from streams.runtime.broker.broker_requests import repeat_until_answered
from streams.runtime.broker.publisher import OutgoingRecord
from streams.runtime.factory import create_app
from streams.runtime.table import DurableTable
from streams.sender import claim_store
from streams.sender.account import QrPrinter
from streams.sender.attempts.submitter import make_limits
from streams.sender.clock import Clock
from streams.sender.forgetting.instructions import ForgetInstructions
from streams.sender.inbound.records import publish as publish_inbound
from streams.sender.linking.instruction_reader import InstructionReader
from streams.sender.metrics import Metrics
from streams.sender.monitoring.browser_memory import BrowserMemoryCollector
from streams.sender.ownership import SendTopicOwnership
from streams.sender.ports import Ports
from streams.settings import Settings
from streams.whatsapp.driver import Driver, SessionState
from streams.whatsapp.install import bundle, executable
from streams.whatsapp.web.browser.launch import make_browser_config
from streams.whatsapp.web.whatsapp_web import WhatsAppWeb

log = logging.getLogger(__name__)


class MakeDriver(Protocol):
    """Makes a driver that reports its times in this clock."""

    def __call__(self, *, now_s: Callable[[], float]) -> Driver:
        """The driver, which is not started."""
        ...


class Sender:
    """The parts of a sender, on a Faust app that is not started yet."""

    def __init__(
        self,
        settings: Settings,
        account: str,
        name: str,
        make_driver: MakeDriver,
        *,
        show_session: Callable[[SessionState], object] = lambda session: None,
    ) -> None:
        self.settings = settings
        self.account = account
        self.name = name
        self.names = topics.names(settings)
        self.app = create_app(
            topics.sender_app_id(settings, account),
            settings,
            name=name,
            partitions=1,
            event_timeout_s=make_limits(settings).max_dispatch_s,
            is_leaving_at_stop=True,
        )
        self.table = DurableTable(self.app, topics.SENDS, check_row=claim_store.check_row)
        self.registry = metrics.new_registry(name, lambda: self.get_readiness()[0])
        self.broker_clock = create_worker_clock(self.app, settings, self.registry)
        self.account_monitor = AccountMonitor(settings, self.broker_clock.now_s)
        BrowserMemoryCollector(self.registry, make_browser_config(settings, account).profile_dir)
        register_store_metrics(self.registry, self.table)
        self.ownership: SendTopicOwnership | None = None
        self.instructions = InstructionReader(
            settings, account, self.names.account_requests, self._on_instructions
        )
        self.forget_instructions = ForgetInstructions(
            settings, account, self.names.forget, self._publish
        )
        AccountCollector(
            self.registry,
            self._get_account_statuses,
            (self.account_monitor.malformed, self.instructions.malformed),
        )
        self._exit_stack = AsyncExitStack()
        self._ports = Ports(
            table=self.table,
            read_send_end=self._read_send_end,
            fence=self.app.fence,
            make_driver=lambda: make_driver(now_s=self.broker_clock.now_s),
            publish_events=self._publish_events,
            publish_account=self._publish_account,
            publish_inbound=partial(publish_inbound, self.app.publisher, self.names.inbound),
            publish_groups=self._publish_groups,
            nack=self.app.nack,
            on_failure=self._crash,
            media=create_source(settings, name, self._exit_stack),
            metrics=Metrics(self.registry),
            clock=Clock(self.broker_clock.now_s),
            store_number=self._store_number,
            catch_up_requests=self.instructions.catch_up,
            forget_instructions=self.forget_instructions,
            show_session=show_session,
        )
        self._register_agents()

    def _register_agents(self) -> None:
        app, names = self.app, self.names
        app.target_topics |= {names.phone, names.accounts, names.account_requests, names.inbound}
        app.target_topics.add(names.forget)
        observe_obstacles(app.obstacles, self.registry)
        add_sampler(app, self.settings, self.registry, self.name, with_accounts=False)
        app.agent(app.raw_topic(self.names.send(self.account)), name="send-pipeline")(
            self._process_dispatches
        )
        app.task(self.account_monitor.run)
        self.table.on_recovered(self._start_ownership)
        app.before_revocation(self._end_ownership)
        app.before_join(self._follow_instructions)
        app.before_join(self._start_probes)
        app.after_last_event(self._exit_stack.aclose)

    # -- what a person requests

    async def _follow_instructions(self) -> None:
        for reader in (self.instructions, self.forget_instructions):
            self._exit_stack.push_async_callback(reader.stop)
            await reader.start()

    def _on_instructions(self, instructions: Instructions) -> None:
        if self.ownership is not None:
            self.ownership.apply_instructions(instructions)

    async def _store_number(self, number: LinkedNumber) -> None:
        topic, key = self.names.account_requests, number_key(number.account)
        record = OutgoingRecord(topic, encode(number), key)
        await self.app.publisher.publish_shortened([record], _has_no_shorter_form)

    # -- ownership

    async def _start_ownership(self) -> None:
        await self._end_ownership()
        if not self.table.owned_partitions():
            log.info("standing by: another process owns the send topic of %s", self.account)
            return
        ownership = SendTopicOwnership(self.settings, self.account, self._ports)
        await ownership.open(self.instructions.read())
        self.ownership = ownership
        ownership.apply_instructions(self.instructions.read())  # what has changed meanwhile

    async def _end_ownership(self) -> None:
        ownership, self.ownership = self.ownership, None
        if ownership is not None:
            await ownership.close()

    def _crash(self, error: BaseException) -> None:
        """An error that must not happen: end the process, which is restarted from what is durable."""
        log.critical("the sender of %s failed", self.account, exc_info=error)
        self.app.add_future(self.app.crash(error))

    # -- records

    async def _process_dispatches(self, stream: Any) -> None:
        async for event in stream.noack().events():
            if self.ownership is None:
                self.app.nack(event)
            elif event.message.value is None:  # a marker (streams/dispatch/flights/barrier.py)
                event.ack()
            else:
                timestamp, offset = event.message.timestamp, event.message.offset
                await self.ownership.pipeline.accept(event, timestamp, offset)

    async def _read_send_end(self) -> int:
        partition = TP(self.names.send(self.account), claim_store.PARTITION)
        ends: dict[TP, int] = {}

        async def read() -> None:
            ends.update(await self.app.typed_consumer.highwaters(partition))

        await repeat_until_answered(self.app, read, "the request for the end of the send topic")
        return ends[partition]

    async def _publish_events(self, phone_events: Sequence[Event]) -> None:
        records = [
            OutgoingRecord(self.names.phone, events.encode(event), event.phone.encode())
            for event in phone_events
        ]
        await self.app.publisher.publish_shortened(records, _has_no_shorter_form)

    async def _publish_account(self, record: AccountRecord) -> None:
        await self._publish(self.names.accounts, accounts.encode(record), self.account.encode())

    async def _publish_groups(self, report: GroupReport) -> None:
        key = groups_key(self.account)
        await self._publish(self.names.account_requests, encode_groups(report), key)

    async def _publish(self, topic: str, value: bytes | None, key: bytes) -> None:
        outgoing = OutgoingRecord(topic, value, key)
        await self.app.publisher.publish_shortened([outgoing], _has_no_shorter_form)

    # -- probes

    async def _start_probes(self) -> None:
        await self._exit_stack.enter_async_context(
            serve_probes(
                self.settings,
                self.name,
                self.settings.web_port,
                readiness=self.get_readiness,
                health=self._get_health,
                registry=self.registry,
                diagnosis=self._diagnose,
            )
        )

    def get_readiness(self) -> tuple[bool, str]:
        """Whether a message would be submitted now, and what limits that or why not.

        A process that stands by is ready too.
        """
        worker_readiness = self.app.readiness()
        if not worker_readiness.is_ready or self.ownership is None:
            return worker_readiness.is_ready, worker_readiness.reason
        record = self.ownership.account_record
        return record.state == "ready", describe_account(record).removeprefix("ready: ")

    async def _diagnose(self) -> bytes | None:
        """The document of `/api/diagnosis`; None while another process owns the send topic."""
        if self.ownership is None:
            return None
        return msgspec.json.encode(await self.ownership.browser_session.diagnose())

    def _get_account_statuses(self) -> Iterable[AccountStatus]:
        """What every process knows, and of our own account what is not published yet."""
        statuses = self.account_monitor.get_statuses()
        if self.ownership is not None:
            statuses[self.account] = AccountStatus(self.account, self.ownership.account_record)
        return statuses.values()

    def _get_health(self) -> dict[str, Any]:
        return health_document(
            is_ready=self.app.readiness().is_ready,
            accounts=self._get_account_statuses(),
            queue_length=len(self.ownership.pipeline) if self.ownership else 0,
            cache_size=0,
            conversation_states=0,
            rate_limit_tracking=0,
            under_replicated_topics=len(self.app.obstacles.under_replicated),
        )


def _has_no_shorter_form(_: OutgoingRecord) -> None:
    """Its topic was made too small for even this record. It is logged; a dispatch without an outcome has a deadline."""


def run(settings: Settings, account: str, name: str, *, prints_qr: bool = True) -> int:
    """Run a sender of this account until it gets a signal to stop; returns the exit code.

    `prints_qr`: whether it prints the QR codes that link the account.

    Raises:
        BrowserMissing, BundleMissing: the text says what to install.
        WorkerAlreadyRunning: another live process has this name.
        KafkaUnreachable, InvalidTopics: see streams/runtime/worker.py.
    """
    config = make_browser_config(settings, account)
    executable.find_chromium(config.executable, prefer_shell=config.prefer_shell)
    bundle.find_bundle(config.bundle)
    options = {"show_session": QrPrinter(account).show_session} if prints_qr else {}
    sender = Sender(settings, account, name, partial(WhatsAppWeb, config), **options)
    return worker.run(sender.app, settings)
