"""Everything that an `up` runs on this machine, from the broker to the browsers, in its order.

    kafka-1 (unless WA_KAFKA is set) and sandbox (if asked for) → topics → dispatchers and senders

and back in the reverse order: senders, dispatchers, sandbox, broker.
"""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from types import TracebackType

import aiohttp

from streams.embedded_kafka.broker import EmbeddedBroker
from streams.kafka import admin
from streams.local import broker, run_dir, services
from streams.local.browsers import Browser
from streams.local.run_dir import Picture, ShownPart
from streams.settings import Settings
from streams.supervisor.process import Orphans
from streams.supervisor.service import Part, Plan
from streams.supervisor.supervisor import Supervisor

_LOOK_EVERY_S = 0.5
_COLLECT_EVERY = 10  # looks


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What an `up` is asked for. `sandbox_options` are those of the command `sandbox`."""

    sandbox: bool = False
    sandbox_options: tuple[str, ...] = ()
    dispatchers: int = 1


class Fleet:
    """An async context; on its way out everything has ended. `settings` are filled in by `start`."""

    def __init__(
        self,
        settings: Settings,
        options: Options,
        *,
        changed: Callable[[ShownPart], None],
        progress: Callable[[str], None],
    ) -> None:
        self.settings = settings
        self.sandbox: str | None = None
        self._options = options
        self._changed = changed
        self._progress = progress
        self._since = run_dir.own_start()
        self._browsers: list[Browser] = []
        self._complete = False
        self._published: Picture | None = None
        self._watching: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Fleet":
        self._http = aiohttp.ClientSession()
        self._supervisor = Supervisor(self._part_changed)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._supervisor.stop()
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait({self._watching})
        await self._http.close()

    async def start(self, when_topics: Callable[[Settings], Awaitable[None]] | None = None) -> None:
        """Start everything; returns once all of it is ready. `when_topics` is called once they exist.

        Raises:
            Wrong: a part refuses to start; the text says which and what to do.
            TopicsWrong, KafkaUnreachable: the topics are not what is needed, or nobody answers.
        """
        self._watching = asyncio.create_task(self._watch())
        kafka, beneath = self._beneath()
        first = self._supervisor.start(*beneath) if beneath else []
        if kafka is not None:
            await self._supervisor.until_ready(first[0])
            self.settings = replace(self.settings, kafka_bootstrap_servers=kafka.bootstrap_servers)
        created = await admin.create_topics(self.settings)
        if created:
            self._progress(f"created {len(created)} topics: {', '.join(created)}")
        if when_topics is not None:
            await when_topics(self.settings)
        self._supervisor.start(*self._dispatchers())
        await self._supervisor.until_ready(*first)
        await self._start_senders()
        self._complete = True
        await self._supervisor.until_ready()
        self._publish()

    async def until_sandbox(self) -> str:
        """The sandbox's control, once it is ready. Only where a sandbox was asked for."""
        await self._supervisor.until_ready(
            *(p for p in self._supervisor.parts if p.name == "sandbox")
        )
        here = run_dir.worker(self.settings, "sandbox")
        assert here is not None
        return here.web

    async def until_broken(self) -> None:
        """Never returns; raises a fault of ours."""
        assert self._watching is not None
        broken = asyncio.create_task(self._supervisor.until_broken())
        try:
            await asyncio.wait({broken, self._watching}, return_when=asyncio.FIRST_COMPLETED)
            for each in (broken, self._watching):
                if each.done():
                    each.result()
        finally:
            broken.cancel()

    def kill(self) -> None:
        """End every part at once."""
        self._supervisor.kill()

    def picture(self) -> Picture:
        """What `ps` shows."""
        dispatcher = run_dir.worker(self.settings, "dispatch-1")
        return Picture(
            ready=self._complete and self._supervisor.ready,
            kafka=self.settings.kafka_bootstrap_servers,
            web=dispatcher.web if dispatcher else None,
            sandbox=self.sandbox,
            parts=[
                *(_shown(part) for part in self._supervisor.parts),
                *(browser.shown() for browser in self._browsers),
            ],
            data_dir=str(self.settings.data_dir),
            pid=run_dir.own_pid(),
            since=self._since,
        )

    def _beneath(self) -> tuple[EmbeddedBroker | None, list[Plan]]:
        """The broker, if it is ours to start, and what the other parts stand on."""
        kafka, found = None, []
        if self.settings.kafka_bootstrap_servers is None:
            kafka, plan = broker.plan(self.settings, self._progress)
            found.append(plan)
        if self._options.sandbox:
            found.append(
                services.sandbox(self.settings, self._http, *self._options.sandbox_options)
            )
        return kafka, found

    def _dispatchers(self) -> list[Plan]:
        numbers = range(1, self._options.dispatchers + 1)
        return [services.dispatcher(self.settings, self._http, number) for number in numbers]

    async def _start_senders(self) -> None:
        settings = self.settings
        if self._options.sandbox:
            self.sandbox = await self.until_sandbox()
            async with self._http.get(self.sandbox) as answer:
                told = (await answer.json())["browser_args"]
            settings = replace(settings, whatsapp_browser_args=(*settings.whatsapp_browser_args, *told))
        accounts = settings.accounts
        senders = self._supervisor.start(
            *(services.sender(settings, self._http, account) for account in accounts)
        )
        for account, sender in zip(accounts, senders, strict=True):
            profile = settings.data_dir / "profiles" / account
            self._browsers.append(Browser(account, profile, sender))

    def _part_changed(self, part: Part) -> None:
        self._changed(_shown(part))
        self._publish()

    def _publish(self) -> None:
        picture = self.picture()
        if picture == self._published:
            return
        self._published = picture
        try:
            run_dir.publish(self.settings, picture)
        except OSError as error:  # a full disk: what runs goes on, and `ps` is behind
            self._progress(f"cannot write the run file: {error}")

    async def _watch(self) -> None:
        """A browser that its sender has started anew changes no part of ours."""
        orphans = Orphans()
        for tick in itertools.count():
            self._publish()
            if tick % _COLLECT_EVERY == 0:
                orphans.collect()
            await asyncio.sleep(_LOOK_EVERY_S)


def _shown(part: Part) -> ShownPart:
    return ShownPart(part.name, part.pid, str(part.state), part.restarts, part.why)
