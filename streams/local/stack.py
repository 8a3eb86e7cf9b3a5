"""Everything that `up` runs on this machine, in its order.

    kafka-1 (unless WA_KAFKA_BOOTSTRAP_SERVERS is set) and sandbox (with `--sandbox`)
        → topics → dispatchers, the console, and webhooks (if WA_WEBHOOKS_FILE is set) → senders with their browsers

It stops in the reverse order: senders, webhooks, console, dispatchers, sandbox, broker. How each service runs is in
`services`; how a service is restarted is the supervisor's.
"""

import asyncio
import itertools
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from types import TracebackType

import aiohttp
import psutil

from streams.embedded_kafka.broker import EmbeddedBroker
from streams.kafka import admin
from streams.local import broker, run_dir, services
from streams.local.browsers import BrowserTracker
from streams.local.status import ServiceStatus, StackStatus
from streams.observability.run_file import read_run_file
from streams.operations import installation
from streams.settings import Settings
from streams.supervisor.orphans import OrphanReaper
from streams.supervisor.service import Service, ServiceSpec
from streams.supervisor.supervisor import Supervisor
from streams.system.tasks import CONSUMER_CANCEL_AGAIN_AFTER_S, cancel_tasks, race

_PUBLISH_INTERVAL_S = 0.5
_REAP_EVERY_TICKS = 10  # a tick is one publish interval


@dataclass(frozen=True, slots=True, kw_only=True)
class StackOptions:
    """What to run. `sandbox_options` are passed to the command `sandbox`."""

    sandbox: bool = False
    sandbox_options: tuple[str, ...] = ()
    dispatchers: int = 1


class LocalStack:
    """An async context: leaving it stops everything. `start` fills in the brokers in `settings`."""

    def __init__(
        self,
        settings: Settings,
        options: StackOptions,
        *,
        on_change: Callable[[ServiceStatus], None],
        on_progress: Callable[[str], None],
    ) -> None:
        self.settings = settings
        self.sandbox_url: str | None = None
        self._options = options
        self._on_change = on_change
        self._on_progress = on_progress
        self._started_s = psutil.Process().create_time()
        self._browsers: list[BrowserTracker] = []
        self._all_started = False
        self._last_published: StackStatus | None = None
        self._watch_task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "LocalStack":
        self._http = aiohttp.ClientSession()
        self._supervisor = Supervisor(self._on_service_change)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._supervisor.stop()
        if self._watch_task is not None:
            await cancel_tasks(self._watch_task, again_after_s=CONSUMER_CANCEL_AGAIN_AFTER_S)
        await self._http.close()

    async def start(
        self, on_topics_ready: Callable[[Settings], Awaitable[None]] | None = None
    ) -> None:
        """Start everything; returns once all of it is ready.

        `on_topics_ready` is called once the topics exist, before the dispatchers start.

        Raises:
            UsageError: a service refuses to start; the text says which one and what to do.
            BundleMissing, BrowserMissing: a sender lacks it, and it cannot be fetched.
            InvalidTopics, KafkaUnreachable: the topics have a wrong configuration, or Kafka does not
                answer.
        """
        self._watch_task = asyncio.create_task(self._watch())
        await asyncio.to_thread(installation.install_for_browser, self.settings, self._on_progress)
        embedded_broker, base_specs = self._build_base_specs()
        base_services = self._supervisor.start(*base_specs) if base_specs else []
        if embedded_broker is not None:
            await self._supervisor.wait_until_ready(base_services[0])
            self.settings = replace(
                self.settings, kafka_bootstrap_servers=embedded_broker.bootstrap_servers
            )
        created = await admin.create_topics(self.settings)
        if created:
            self._on_progress(f"created {len(created)} topics: {', '.join(created)}")
        if on_topics_ready is not None:
            await on_topics_ready(self.settings)
        self._supervisor.start(*self._build_dispatcher_specs())
        self._supervisor.start(services.build_console_spec(self.settings, self._http))
        if self.settings.webhooks_file is not None:
            self._supervisor.start(services.build_webhooks_spec(self.settings, self._http))
        await self._supervisor.wait_until_ready(*base_services)
        await self._start_senders()
        self._all_started = True
        await self._supervisor.wait_until_ready()
        self._publish()

    async def wait_for_sandbox(self) -> str:
        """The URL of the sandbox's control, once the sandbox is ready. Only with `--sandbox`."""
        sandbox = next(
            service for service in self._supervisor.services if service.name == "sandbox"
        )
        await self._supervisor.wait_until_ready(sandbox)
        run_file = read_run_file(self.settings.data_dir, "sandbox")
        assert run_file is not None, "a sandbox without a run file is not ready"
        return run_file.web

    async def wait_for_failure(self) -> None:
        """Never returns; raises what a task of ours raised, which is a bug."""
        assert self._watch_task is not None, "the stack has not been started"
        await race(self._supervisor.wait_for_failure(), _wait_for(self._watch_task))

    def kill(self) -> None:
        """Kill every service at once."""
        self._supervisor.kill()

    def get_status(self) -> StackStatus:
        """The status that `ps` shows."""
        console = read_run_file(self.settings.data_dir, "console")
        return StackStatus(
            ready=self._all_started and self._supervisor.is_ready,
            kafka=self.settings.kafka_bootstrap_servers,
            web=console.web if console else None,
            sandbox=self.sandbox_url,
            parts=[
                *(self._status_of(service) for service in self._supervisor.services),
                *(browser.get_status() for browser in self._browsers),
            ],
            data_dir=str(self.settings.data_dir),
            pid=os.getpid(),
            since=self._started_s,
        )

    def _build_base_specs(self) -> tuple[EmbeddedBroker | None, list[ServiceSpec]]:
        """The embedded broker, if no other is set, and the services that the others need."""
        embedded_broker, specs = None, []
        if self.settings.kafka_bootstrap_servers is None:
            embedded_broker, spec = broker.build_spec(self.settings, self._on_progress)
            specs.append(spec)
        if self._options.sandbox:
            specs.append(
                services.build_sandbox_spec(
                    self.settings, self._http, *self._options.sandbox_options
                )
            )
        return embedded_broker, specs

    def _build_dispatcher_specs(self) -> list[ServiceSpec]:
        numbers = range(1, self._options.dispatchers + 1)
        return [
            services.build_dispatcher_spec(self.settings, self._http, number) for number in numbers
        ]

    async def _start_senders(self) -> None:
        settings = self.settings
        if self._options.sandbox:
            self.sandbox_url = await self.wait_for_sandbox()
            async with self._http.get(self.sandbox_url) as response:
                sandbox_args = (await response.json())["browser_args"]
            settings = replace(
                settings, whatsapp_browser_args=(*settings.whatsapp_browser_args, *sandbox_args)
            )
        accounts = settings.accounts
        senders = self._supervisor.start(
            *(services.build_sender_spec(settings, self._http, account) for account in accounts)
        )
        for account, sender in zip(accounts, senders, strict=True):
            profile = settings.data_dir / "profiles" / account
            self._browsers.append(BrowserTracker(account, profile, sender))

    def _on_service_change(self, service: Service) -> None:
        self._on_change(self._status_of(service))
        self._publish()

    def _status_of(self, service: Service) -> ServiceStatus:
        run_file = read_run_file(self.settings.data_dir, service.name)
        is_current = run_file is not None and run_file.pid == service.pid
        return ServiceStatus(
            name=service.name,
            pid=service.pid,
            state=str(service.state),
            restarts=service.restarts,
            reason=service.reason,
            web=run_file.web if run_file is not None and is_current else None,
        )

    def _publish(self) -> None:
        status = self.get_status()
        if status == self._last_published:
            return
        self._last_published = status
        try:
            run_dir.publish(self.settings, status)
        except OSError as error:  # a full disk: the services go on, and `ps` shows an old status
            self._on_progress(f"cannot write the run file: {error}")

    async def _watch(self) -> None:
        """Publish what changes without a service: a browser that its sender has restarted, for example."""
        reaper = OrphanReaper()
        for tick in itertools.count():
            self._publish()
            if tick % _REAP_EVERY_TICKS == 0:
                reaper.reap()
            await asyncio.sleep(_PUBLISH_INTERVAL_S)


async def _wait_for(task: asyncio.Task[None]) -> None:
    """Await a task without cancelling it."""
    await asyncio.shield(task)
