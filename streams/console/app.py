"""The composition root of the console: the clock, the read model, the accounts, the server. Decides nothing."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final, NamedTuple

from streams.console.accounts import ConsoleAccounts
from streams.console.model.read_model import ReadModel
from streams.console.producing import ConsoleProducer
from streams.console.web.access import Access
from streams.console.web.administration.reports import ReportRunner
from streams.console.web.api import uploads
from streams.console.web.console import Console
from streams.console.web.live import Changes
from streams.console.web.replays import ReplayRunner
from streams.console.web.server import build_application, require_token
from streams.kafka import admin
from streams.observability import health, metrics
from streams.observability.account_monitor import AccountCollector
from streams.observability.http_server import Server, serve_application
from streams.observability.probes import Probes
from streams.observability.service_clock import open_clock
from streams.settings import Settings
from streams.system.folder_lock import hold_folder
from streams.system.tasks import cancel_tasks, run_all

FOLDER: Final = "console"  # in the data folder


async def run(settings: Settings, name: str) -> None:
    """Serve the console until cancelled.

    Raises:
        FolderInUse: another console of this name runs on the data folder.
        CannotListen: the port is taken, or a token is missing.
        KafkaUnreachable, InvalidTopics: no broker answers, or a topic is missing.
    """
    async with open_console(settings, name) as console:
        await console.wait_for_failure()


class RunningConsole(NamedTuple):
    """A console that serves, and follows the topics."""

    server: Server
    works: asyncio.Task[None]

    async def wait_for_failure(self) -> None:
        """Never returns; raises what a task of ours raised, which is a bug or a misconfigured topic."""
        await asyncio.shield(self.works)


@asynccontextmanager
async def open_console(settings: Settings, name: str) -> AsyncIterator[RunningConsole]:
    """Run a console. Raises as `run`."""
    require_token(settings)
    if problems := await admin.check_topics(settings):
        raise admin.InvalidTopics(problems)
    async with AsyncExitStack() as stack:
        problem = f"another console named {name} runs on {settings.data_dir}; stop it, or give this one a --name"
        stack.enter_context(hold_folder(settings.data_dir / FOLDER, name, problem))
        clock = await stack.enter_async_context(open_clock(settings))
        changes = Changes()
        model = ReadModel(
            settings,
            settings.data_dir / FOLDER / f"{name}.sqlite3",
            now_s=clock.now_s,
            on_change=changes.notify,
        )
        accounts = ConsoleAccounts(settings, clock.now_s, lambda: changes.notify("accounts"))
        stack.push_async_callback(accounts.stop)
        await accounts.start()
        producer = await stack.enter_async_context(ConsoleProducer(settings))
        console = Console(
            settings=settings,
            model=model,
            accounts=accounts,
            producer=producer,
            access=Access(settings.console_view_token, settings.console_operate_token),
            changes=changes,
            now_s=clock.now_s,
            kafka_silence_s=clock.silence_s,
        )
        replays = ReplayRunner(settings, lambda: changes.notify("replay"))
        stack.push_async_callback(replays.stop)
        reports = ReportRunner(settings, clock.now_s, lambda: changes.notify("report"))
        stack.push_async_callback(reports.stop)
        works = asyncio.create_task(
            run_all(clock.run(), model.run(), accounts.monitor.run(), uploads.sweep(console))
        )
        stack.push_async_callback(cancel_tasks, works)
        application = build_application(console, replays, reports, _build_probes(console, name))
        server = await stack.enter_async_context(
            serve_application(settings, name, settings.web_port, application)
        )
        stack.callback(changes.close)
        yield RunningConsole(server, works)


def _build_probes(console: Console, name: str) -> Probes:
    model, monitor = console.model, console.accounts.monitor

    def check_readiness() -> tuple[bool, str]:
        if model.is_current:
            return True, ""
        return False, f"reads the topics: {', '.join(model.behind)}"

    def build_health() -> Mapping[str, Any]:
        """What the console does not count is null."""
        return health.health_document(
            is_ready=model.is_current,
            queue_length=model.waiting_count,
            cache_size=None,
            conversation_states=None,
            rate_limit_tracking=None,
            accounts=console.accounts.list(),
        )

    registry = metrics.new_registry(name, lambda: model.is_current)
    AccountCollector(registry, console.accounts.list, (monitor.malformed,))
    return Probes(check_readiness, build_health, registry)
