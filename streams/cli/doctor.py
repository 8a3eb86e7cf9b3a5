"""`doctor`: what is installed, what is missing and what to do, a line each; exit code 1 when something is."""

import asyncio
import json
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import click
import msgspec

from streams.cli import output
from streams.local import run_dir, services
from streams.operations import checks
from streams.operations.checks import Check
from streams.operations.errors import CommandFailed, UsageError
from streams.sandbox.client import SandboxClient
from streams.settings import Settings, load
from streams.supervisor.process import Process, read_last_line
from streams.whatsapp.driver import Phase, SessionState
from streams.whatsapp.errors import BrowserError
from streams.whatsapp.web.launch import BrowserConfig
from streams.whatsapp.web.whatsapp_web import WhatsAppWeb

_PAGE_TIMEOUT_S = 60.0
_SANDBOX_TIMEOUT_S = 60.0
_UNREACHABLE = "whatsapp_unreachable"


@click.command()
@click.option("--sandbox", is_flag=True, help="look at the page of the simulated WhatsApp instead")
@click.option("--page/--no-page", default=True, help="whether to open WhatsApp's page in a browser")
@output.json_option
def doctor(sandbox: bool, page: bool, as_json: bool) -> None:
    """Look over this machine: what is installed, what answers, what the page offers."""
    settings = load()
    missing = asyncio.run(_run_checks(settings, sandbox, page, as_json))
    if missing:
        raise CommandFailed(f"missing: {', '.join(missing)}")


async def _run_checks(settings: Settings, sandbox: bool, page: bool, as_json: bool) -> list[str]:
    missing: list[str] = []
    async for check in _iterate_checks(settings, sandbox, page):
        if as_json:
            output.print_json(msgspec.to_builtins(check))
        else:
            output.print_data(_format_check(check))
        if check.required and not check.ok:
            missing.append(check.name)
    return missing


async def _iterate_checks(settings: Settings, sandbox: bool, page: bool) -> AsyncIterator[Check]:
    async for check in checks.check_machine(settings):
        yield check
    async for check in _check_kafka(settings):
        yield check
    if run_dir.read_running_status(settings) is None:
        yield checks.check_port("web port", settings.web_port, "WA_WEB_PORT")
    if page:
        yield (
            await _check_sandbox_page(settings) if sandbox else await _check_whatsapp_page(settings)
        )


async def _check_kafka(settings: Settings) -> AsyncIterator[Check]:
    """The broker that is set or runs here; without one, whether an embedded one could start."""
    try:
        settings = run_dir.resolve_kafka(settings)
    except UsageError:
        yield checks.check_port("kafka port", settings.kafka_port, "WA_KAFKA_PORT")
        return
    async for check in checks.check_kafka(settings):
        yield check


def _format_check(check: Check) -> str:
    status = "ok" if check.ok else "missing" if check.required else "absent"
    advice = "" if check.ok or not check.advice else f"  → {check.advice}"
    return f"{status:<8} {check.name:<12} {check.detail}{advice}"


async def _check_whatsapp_page(settings: Settings) -> Check:
    """Needed to send, but not for the demo or the tests: a machine may well be kept off WhatsApp."""
    check = await _check_page(settings, f"page {settings.whatsapp_url}")
    return msgspec.structs.replace(check, required=check.ok or check.detail != _UNREACHABLE)


async def _check_sandbox_page(settings: Settings) -> Check:
    async with _run_sandbox(settings) as url:
        sandbox_args = await asyncio.to_thread(SandboxClient(url).fetch_browser_args)
        settings = replace(
            settings, whatsapp_browser_args=(*settings.whatsapp_browser_args, *sandbox_args)
        )
        return await _check_page(settings, "sandbox page")


async def _check_page(settings: Settings, name: str) -> Check:
    """Open the page with a profile of its own, and see whether it offers what wa-js needs."""
    with tempfile.TemporaryDirectory(prefix="wa-doctor-") as folder:
        config = BrowserConfig(
            profile_dir=Path(folder) / "profile",
            executable=settings.browser_executable,
            bundle=settings.whatsapp_bundle,
            extra_args=settings.whatsapp_browser_args,
            whatsapp_url=settings.whatsapp_url,
        )
        driver = WhatsAppWeb(config)
        try:
            await driver.start()
            async with asyncio.timeout(_PAGE_TIMEOUT_S):
                return _judge_session(name, await _wait_for_phase(driver))
        except BrowserError as error:
            return Check(name, False, "could not be opened", str(error))
        except TimeoutError:
            detail = f"shows no code to scan within {_PAGE_TIMEOUT_S:g} s ({driver.session.phase})"
            return Check(name, False, detail, "run with WA_LOG_LEVEL=debug, and report it")
        finally:
            await driver.stop()


async def _wait_for_phase(driver: WhatsAppWeb) -> SessionState:
    async for session in driver.watch_session():
        is_starting = session.phase in (Phase.STARTING, Phase.SYNCING)
        if not is_starting or session.reason == _UNREACHABLE:
            return session
    return driver.session


def _judge_session(name: str, session: SessionState) -> Check:
    if session.reason == _UNREACHABLE:
        return Check(name, False, _UNREACHABLE, "look at the network, or use --sandbox")
    if session.phase is not Phase.LINKING:
        return Check(name, False, f"{session.phase}: {session.reason}", "see the log of a sender")
    if session.degraded:
        detail = f"does not offer {', '.join(session.degraded)}"
        return Check(name, False, detail, "take a newer wa-js: WA_WHATSAPP_BUNDLE")
    return Check(name, True, "offers all that wa-js needs")


@asynccontextmanager
async def _run_sandbox(settings: Settings) -> AsyncIterator[str]:
    """One for this moment: one that runs here might link our page to an account."""
    with tempfile.TemporaryDirectory(prefix="wa-doctor-") as folder:
        log = Path(folder) / "log"
        command = (sys.executable, "-m", "streams.sandbox", "--json", "--port=0")
        environ = services.env_for(replace(settings, data_dir=Path(folder)))
        process = await Process.start((*command, f"--data-dir={folder}"), environ, log)
        try:
            async with asyncio.timeout(_SANDBOX_TIMEOUT_S):
                yield await _wait_for_url(log)
        finally:
            await process.stop(5.0)


async def _wait_for_url(log: Path) -> str:
    """Where the sandbox says that it is."""
    while True:
        line = read_last_line(log)
        if line.startswith("{"):
            return json.loads(line)["url"]
        await asyncio.sleep(0.05)
