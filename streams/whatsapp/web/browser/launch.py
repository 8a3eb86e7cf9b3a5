"""Chromium through Playwright: how it is started, and how it is ended for certain. Knows nothing of WhatsApp.

A killed Python process takes Playwright's driver (Node) with it, and the driver takes the browser
with it; but a frozen one does not. So both are started through scripts (processes.py) that ask the
kernel for a signal at the death of the parent: TERM for the browser (with KILL, a login made moments
before would be lost), KILL for the driver.
"""

import asyncio
import contextlib
import logging
import os
import shlex
import signal
from dataclasses import dataclass, field
from pathlib import Path

from playwright.async_api import BrowserContext, CDPSession, Page, Playwright, async_playwright
from playwright.async_api import Error as PlaywrightError

from streams.settings import Settings
from streams.whatsapp.install import chromium_sandbox, executable
from streams.whatsapp.install.executable import Executable
from streams.whatsapp.web.browser.chromium_arguments import chromium_arguments, user_agent_override
from streams.whatsapp.web.browser.processes import end_process, is_running, write_wrapper
from streams.whatsapp.web.browser.profile import DRIVER_TMP_DIR, Profile
from streams.whatsapp.web.calls import call_with_timeout
from streams.whatsapp.web.recovery_policy import RecoverySettings

log = logging.getLogger(__name__)

# The heap that the driver needs for messages; media pass through it in chunks. The second
# optimizing compiler is off, and glibc returns what is free: benchmarks/README.md has what each saves and costs.
_NODE_OPTIONS = "--max-old-space-size=96 --max-semi-space-size=1"
_NODE_FLAGS = ("--no-opt", "--max-lazy")
_NODE_ENVIRONMENT = "UV_THREADPOOL_SIZE=1 MALLOC_ARENA_MAX=1 MALLOC_TRIM_THRESHOLD_=65536 MALLOC_MMAP_THRESHOLD_=65536"

# Playwright reads PLAYWRIGHT_NODEJS_PATH from our own environment (playwright/_impl/_driver.py:27).
_environment_lock = asyncio.Lock()


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds. A page that does not answer a heartbeat within `answer_s` is hung."""

    launch_s: float = 30.0
    load_s: float = 120.0  # until the page's modules are registered: 10 MB through a slow network
    ready_s: float = 30.0  # until wa-js is fully ready
    heartbeat_s: float = 2.0  # the adapter's `listen` returns after this at the latest
    answer_s: float = 5.0
    look_up_s: float = 15.0
    close_s: float = 3.0  # a healthy browser ends in a tenth of a second


@dataclass(frozen=True, slots=True)
class BrowserConfig:
    """The configuration of a driver. `extra_args` come last on Chromium's command line."""

    profile_dir: Path
    executable: str | None = None
    prefer_shell: bool = True
    bundle: str | None = None
    extra_args: tuple[str, ...] = ()
    whatsapp_url: str = "https://web.whatsapp.com/"
    page_heap_mb: int = 0  # a page with a larger JavaScript heap is reloaded; 0: never
    min_free_disk_mb: int = 0  # with less, the profile is not opened
    timeouts: Timeouts = field(default_factory=Timeouts)
    recovery: RecoverySettings = field(default_factory=RecoverySettings)


def make_browser_config(settings: Settings, account: str) -> BrowserConfig:
    """The configuration of the account's browser."""
    return BrowserConfig(
        profile_dir=settings.data_dir / "profiles" / account,
        executable=settings.browser_executable,
        bundle=settings.whatsapp_bundle,
        extra_args=settings.whatsapp_browser_args,
        whatsapp_url=settings.whatsapp_url,
        page_heap_mb=settings.whatsapp_page_heap_mb,
        min_free_disk_mb=settings.min_free_disk_mb,
    )


class Chromium:
    """A running browser on one profile, with the Playwright that drives it."""

    def __init__(self, playwright: Playwright, state_dir: Path, timeouts: Timeouts) -> None:
        self._playwright = playwright
        self._state_dir = state_dir
        self._timeouts = timeouts
        self._context: BrowserContext | None = None
        self._user_agent_override: dict[str, object] | None = None

    @classmethod
    async def launch(cls, config: BrowserConfig, profile: Profile) -> "Chromium":
        """Start it on a profile that we own and have prepared. Raises PageFailure or BrowserMissing."""
        program = executable.find_chromium(config.executable, prefer_shell=config.prefer_shell)
        version = await executable.read_version(program)
        has_sandbox = await _has_sandbox(program)
        timeout_s = config.timeouts.launch_s
        driver = await call_with_timeout(_start_driver(profile.state_dir), timeout_s)
        browser = cls(driver, profile.state_dir, config.timeouts)
        try:
            opening = browser._open(config, profile, program, version, has_sandbox=has_sandbox)
            await call_with_timeout(opening, timeout_s)
        except BaseException:
            await browser.close()
            raise
        return browser

    async def _open(
        self,
        config: BrowserConfig,
        profile: Profile,
        program: Executable,
        version: str,
        *,
        has_sandbox: bool,
    ) -> None:
        wrapper = write_wrapper(
            profile.state_dir / "browser", program.path, signal.SIGTERM, _export_tmpdir()
        )
        self._user_agent_override = user_agent_override(version) if program.headless_shell else None
        self._context = await self._playwright.chromium.launch_persistent_context(
            str(profile.folder),
            executable_path=wrapper,
            args=chromium_arguments(program, version, config.extra_args, has_sandbox=has_sandbox),
            chromium_sandbox=has_sandbox,
            headless=True,
            handle_sigint=False,
            handle_sigterm=False,
            handle_sighup=False,
            service_workers="block",
            timeout=0,  # the caller has one, which also works when the driver is frozen
        )

    async def first_page(self) -> Page:
        """The page that the browser opened at its start, else a new one. Raises PageFailure."""
        assert self._context is not None
        pages = self._context.pages
        return await self._prepare(pages[0]) if pages else await self.new_page()

    async def new_page(self) -> Page:
        """Open one more page in this browser. Raises PageFailure."""
        assert self._context is not None
        call = self._context.new_page()
        return await self._prepare(await call_with_timeout(call, self._timeouts.answer_s))

    async def _prepare(self, page: Page) -> Page:
        if self._user_agent_override is not None:
            session = await self.open_devtools(page)
            override = session.send("Emulation.setUserAgentOverride", self._user_agent_override)
            await call_with_timeout(override, self._timeouts.answer_s)
        return page

    async def open_devtools(self, page: Page) -> CDPSession:
        """Open a session of Chromium's DevTools protocol with one page. Raises PageFailure."""
        assert self._context is not None
        return await call_with_timeout(self._context.new_cdp_session(page), self._timeouts.answer_s)

    @property
    def is_alive(self) -> bool:
        """Whether browser and driver run. A driver's death gives no event, so this checks the processes."""
        return all(is_running(self._state_dir / name) for name in ("browser.pid", "driver.pid"))

    async def close(self) -> None:
        """End browser and driver: gracefully while they answer, else with SIGKILL."""
        timeout_s = self._timeouts.close_s
        with contextlib.suppress(PlaywrightError, TimeoutError):
            if self._context is not None:
                async with asyncio.timeout(timeout_s):
                    await self._context.close()
        await end_process(self._state_dir / "browser.pid", timeout_s=0.5)
        with contextlib.suppress(PlaywrightError, TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._playwright.stop()
        await end_process(self._state_dir / "driver.pid", timeout_s=0.5)


async def _has_sandbox(program: Executable) -> bool:
    obstacle = await chromium_sandbox.find_obstacle(program)
    if obstacle is not None:
        log.warning("Chromium runs without its sandbox: %s", obstacle)
    return obstacle is None


async def _start_driver(state_dir: Path) -> Playwright:
    async with _environment_lock:
        previous_node = os.environ.get("PLAYWRIGHT_NODEJS_PATH")
        os.environ["PLAYWRIGHT_NODEJS_PATH"] = str(_write_driver_wrapper(state_dir, previous_node))
        try:
            return await async_playwright().start()
        except BaseException:
            await end_process(state_dir / "driver.pid", timeout_s=0.0)
            raise
        finally:
            if previous_node is None:
                del os.environ["PLAYWRIGHT_NODEJS_PATH"]
            else:
                os.environ["PLAYWRIGHT_NODEJS_PATH"] = previous_node


def _write_driver_wrapper(state_dir: Path, configured_node: str | None) -> Path:
    import playwright

    node = (
        Path(configured_node)
        if configured_node
        else Path(playwright.__file__).parent / "driver" / "node"
    )
    exports = f'export {_NODE_ENVIRONMENT} NODE_OPTIONS="{_NODE_OPTIONS} $NODE_OPTIONS"\n'
    # A killed driver leaves its folder of artifacts behind; here, it is removed before the next launch.
    tmp_dir = state_dir / DRIVER_TMP_DIR
    tmp_dir.mkdir(exist_ok=True)
    return write_wrapper(
        state_dir / "driver",
        node,
        signal.SIGKILL,
        f"{exports}export TMPDIR={shlex.quote(str(tmp_dir))}\n",
        arguments=() if configured_node else _NODE_FLAGS,  # another Node may not know them
    )


def _export_tmpdir() -> str:
    """Give the browser our temporary folder, not the driver's: Unix sockets need a short path."""
    tmp_dir = os.environ.get("TMPDIR")
    return f"export TMPDIR={shlex.quote(tmp_dir)}\n" if tmp_dir else "unset TMPDIR\n"
