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
from streams.operations.errors import Failed
from streams.sandbox.client import Sandbox
from streams.settings import Settings, load
from streams.supervisor.process import Process, last_line
from streams.whatsapp.driver import Phase, SessionState
from streams.whatsapp.errors import BrowserError
from streams.whatsapp.web.launch import BrowserConfig
from streams.whatsapp.web.whatsapp_web import WhatsAppWeb

_PAGE_WITHIN_S = 60.0
_SANDBOX_WITHIN_S = 60.0
_UNREACHABLE = "whatsapp_unreachable"


@click.command()
@click.option("--sandbox", is_flag=True, help="look at the page of the simulated WhatsApp instead")
@click.option("--page/--no-page", default=True, help="whether to open WhatsApp's page in a browser")
@output.json_option
def doctor(sandbox: bool, page: bool, as_json: bool) -> None:
    """Look over this machine: what is installed, what answers, what the page offers."""
    settings = load()
    missing = asyncio.run(_examine(settings, sandbox, page, as_json))
    if missing:
        raise Failed(f"missing: {', '.join(missing)}")


async def _examine(settings: Settings, sandbox: bool, page: bool, as_json: bool) -> list[str]:
    missing: list[str] = []
    async for check in _all(settings, sandbox, page):
        if as_json:
            output.document(msgspec.to_builtins(check))
        else:
            output.data(_line(check))
        if check.needed and not check.ok:
            missing.append(check.name)
    return missing


async def _all(settings: Settings, sandbox: bool, page: bool) -> AsyncIterator[Check]:
    async for check in checks.machine(settings):
        yield check
    async for check in checks.kafka(settings):
        yield check
    if run_dir.running(settings) is None:
        yield checks.port("web port", settings.web_port, "WA_WEB_PORT")
    if page:
        yield await _sandbox_page(settings) if sandbox else await _real_page(settings)


def _line(check: Check) -> str:
    word = "ok" if check.ok else "missing" if check.needed else "absent"
    advice = "" if check.ok or not check.do else f"  → {check.do}"
    return f"{word:<8} {check.name:<12} {check.found}{advice}"


async def _real_page(settings: Settings) -> Check:
    """Needed to send, but not for the demo or the tests: a machine may well be kept off WhatsApp."""
    check = await _page(settings, f"page {settings.whatsapp_url}")
    return msgspec.structs.replace(check, needed=check.ok or check.found != _UNREACHABLE)


async def _sandbox_page(settings: Settings) -> Check:
    async with _own_sandbox(settings) as url:
        told = await asyncio.to_thread(Sandbox(url).browser_args)
        settings = replace(settings, whatsapp_browser_args=(*settings.whatsapp_browser_args, *told))
        return await _page(settings, "sandbox page")


async def _page(settings: Settings, name: str) -> Check:
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
            async with asyncio.timeout(_PAGE_WITHIN_S):
                return _judged(name, await _first_word(driver))
        except BrowserError as error:
            return Check(name, False, "could not be opened", str(error))
        except TimeoutError:
            said = f"shows no code to scan within {_PAGE_WITHIN_S:g} s ({driver.session.phase})"
            return Check(name, False, said, "run with WA_LOG_LEVEL=debug, and report it")
        finally:
            await driver.stop()


async def _first_word(driver: WhatsAppWeb) -> SessionState:
    async for session in driver.watch_session():
        begins = session.phase in (Phase.STARTING, Phase.SYNCING)
        if not begins or session.reason == _UNREACHABLE:
            return session
    return driver.session


def _judged(name: str, session: SessionState) -> Check:
    if session.reason == _UNREACHABLE:
        return Check(name, False, _UNREACHABLE, "look at the network, or use --sandbox")
    if session.phase is not Phase.LINKING:
        return Check(name, False, f"{session.phase}: {session.reason}", "see the log of a sender")
    if session.degraded:
        said = f"does not offer {', '.join(session.degraded)}"
        return Check(name, False, said, "take a newer wa-js: WA_WEB_BUNDLE")
    return Check(name, True, "offers all that wa-js needs")


@asynccontextmanager
async def _own_sandbox(settings: Settings) -> AsyncIterator[str]:
    """One for this moment: one that runs here might link our page to an account."""
    with tempfile.TemporaryDirectory(prefix="wa-doctor-") as folder:
        log = Path(folder) / "log"
        command = (sys.executable, "-m", "streams.sandbox", "--json", "--port=0")
        environ = services.told(replace(settings, data_dir=Path(folder)))
        process = await Process.start((*command, f"--data-dir={folder}"), environ, log)
        try:
            async with asyncio.timeout(_SANDBOX_WITHIN_S):
                yield await _url(log)
        finally:
            await process.end(5.0)


async def _url(log: Path) -> str:
    """Where the sandbox says that it is."""
    while True:
        line = last_line(log)
        if line.startswith("{"):
            return json.loads(line)["url"]
        await asyncio.sleep(0.05)
