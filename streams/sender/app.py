"""The sender put together: one account's lane, its table, its browser, its probes. The one place that knows all.

A second process of the same account stands by: the group gives the lane to one of them. A tenure begins
when the table is recovered and ends before the partition is given back.
"""

import logging
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

from prometheus_client import CollectorRegistry

from streams.contract import account as accounts
from streams.contract.account import AccountRecord
from streams.domain.phone import events
from streams.domain.phone.events import Event
from streams.kafka import topics
from streams.observability.health import health_document
from streams.observability.probes import serve_probes
from streams.runtime import worker
from streams.runtime.factory import create_app
from streams.runtime.publisher import OutgoingRecord, publish, publish_all
from streams.runtime.table import DurableTable
from streams.sender.metrics import Metrics
from streams.sender.tenure import Tenure, World, limits
from streams.settings import Settings
from streams.whatsapp.driver import Driver, Phase
from streams.whatsapp.install import bundle, executable
from streams.whatsapp.web.launch import BrowserConfig
from streams.whatsapp.web.whatsapp_web import WhatsAppWeb

log = logging.getLogger(__name__)


class Sender:
    """A sender's parts, on a Faust app that is not started yet."""

    def __init__(
        self, settings: Settings, account: str, name: str, make_driver: Callable[[], Driver]
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
            event_timeout_s=limits(settings).longest_s,
        )
        self.table = DurableTable(self.app, topics.SENDS)
        self.registry = CollectorRegistry()
        self.tenure: Tenure | None = None
        self._web = AsyncExitStack()
        self._world = World(
            table=self.table,
            fence=self.app.fence,
            make_driver=make_driver,
            tell=self._tell,
            tell_account=self._tell_account,
            give_back=self.app.nack,
            failed=self._failed,
            metrics=Metrics(self.registry),
        )
        self._declare()

    def _declare(self) -> None:
        app = self.app
        app.agent(app.raw_topic(self.names.send(self.account)), name="lane")(self._take)
        self.table.on_recovered(self._begin)
        app.before_revocation(self._end)
        app.before_join(self._listen)
        app.after_last_event(self._web.aclose)

    # -- tenures

    async def _begin(self) -> None:
        await self._end()
        if not self.table.owned_partitions():
            log.info("standing by: another process has the lane of %s", self.account)
            return
        tenure = Tenure(self.settings, self.account, self._world)
        await tenure.open()
        self.tenure = tenure

    async def _end(self) -> None:
        tenure, self.tenure = self.tenure, None
        if tenure is not None:
            await tenure.close()

    def _failed(self, error: BaseException) -> None:
        """Something that must not fail has: end, and be started again from what is durable."""
        log.critical("the sender of %s failed", self.account, exc_info=error)
        self.app.add_future(self.app.crash(error))

    # -- records

    async def _take(self, stream: Any) -> None:
        async for event in stream.noack().events():
            if self.tenure is None:
                self.app.nack(event)
            else:
                await self.tenure.lane.accept(event)

    async def _tell(self, told: Sequence[Event]) -> None:
        topic = self.names.phone
        records = [OutgoingRecord(topic, events.encode(each), each.phone.encode()) for each in told]
        await publish_all(self.app, records)

    async def _tell_account(self, record: AccountRecord) -> None:
        key = self.account.encode()
        await publish(self.app, self.names.accounts, accounts.encode(record), key=key)

    # -- probes

    async def _listen(self) -> None:
        await self._web.enter_async_context(
            serve_probes(
                self.settings,
                self.name,
                self.settings.web_port,
                readiness=self.readiness,
                health=self._health,
                registry=self.registry,
            )
        )

    def readiness(self) -> tuple[bool, str]:
        """Whether a message would be sent now; who stands by is ready too."""
        app = self.app.readiness()
        if not app.is_ready or self.tenure is None:
            return app.is_ready, app.reason
        session = self.tenure.seat.session
        if session.phase is Phase.READY:
            return True, "ready"
        reason = f": {session.reason}" if session.reason else ""
        return False, f"the session is {session.phase}{reason}"

    def _health(self) -> dict[str, Any]:
        return health_document(
            is_healthy=self.readiness()[0],
            queue_length=len(self.tenure.lane) if self.tenure else 0,
            cache_size=0,
            conversation_states=0,
            rate_limit_tracking=0,
        )


def browser_config(settings: Settings, account: str) -> BrowserConfig:
    """The account's browser."""
    return BrowserConfig(
        profile_dir=settings.data_dir / "profiles" / account,
        executable=settings.browser_executable,
        bundle=settings.web_bundle,
        extra_args=settings.web_browser_args,
        web_url=settings.web_url,
        page_heap_mb=settings.web_page_heap_mb,
    )


def run(settings: Settings, account: str, name: str) -> int:
    """Run a sender of this account until it is told to stop; returns the exit code.

    Raises:
        BrowserMissing, BundleMissing: what to install is in the text.
        WorkerRuns: a live process has this name.
        KafkaUnreachable, TopicsWrong: see streams/runtime/worker.py.
    """
    config = browser_config(settings, account)
    executable.find(config.executable, prefer_shell=config.prefer_shell)
    bundle.find(config.bundle)
    sender = Sender(settings, account, name, partial(WhatsAppWeb, config))
    return worker.run(sender.app, settings)
