"""All checks of `wa-streams doctor`, for this machine and what runs on it. Installs and changes nothing."""

import asyncio
from collections.abc import AsyncIterator
from enum import Enum, auto

from streams.local import run_dir
from streams.local.temporary_sandbox import run_temporary_sandbox
from streams.operations.doctor import checks, page_check
from streams.operations.doctor.checks import Check
from streams.operations.errors import UsageError
from streams.operations.sandbox import add_browser_args
from streams.sandbox.client import SandboxClient
from streams.settings import Settings


class Page(Enum):
    """Which page to open in the browser."""

    NONE = auto()
    WHATSAPP = auto()
    SANDBOX = auto()


async def check_all(settings: Settings, page: Page) -> AsyncIterator[Check]:
    """Every check, in the order in which `doctor` prints them; the slow one comes last."""
    async for check in checks.check_machine(settings):
        yield check
    async for check in _check_kafka(settings):
        yield check
    if run_dir.read_running_status(settings) is None:
        yield checks.check_port("web port", settings.web_port, "WA_WEB_PORT")
    if page is Page.WHATSAPP:
        yield await page_check.check_whatsapp_page(settings)
    elif page is Page.SANDBOX:
        yield await _check_sandbox_page(settings)


async def _check_kafka(settings: Settings) -> AsyncIterator[Check]:
    """The broker that is set or runs here; if there is none, whether an embedded one could start."""
    try:
        settings = run_dir.resolve_kafka(settings)
    except UsageError:
        yield checks.check_port("kafka port", settings.kafka_port, "WA_KAFKA_PORT")
        return
    async for check in checks.check_kafka(settings):
        yield check


async def _check_sandbox_page(settings: Settings) -> Check:
    async with run_temporary_sandbox(settings) as url:
        browser_args = await asyncio.to_thread(SandboxClient(url).fetch_browser_args)
        return await page_check.check_page(add_browser_args(settings, browser_args), "sandbox page")
