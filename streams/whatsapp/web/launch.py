"""Chromium through Playwright: how it is started and how it surely ends. Knows no WhatsApp.

Who dies with whom: a killed Python takes Playwright's driver (Node) with it, and that one the
browser; but a frozen one does not. Both are therefore started through small scripts that ask the
kernel for a signal at the death of the parent: TERM for the browser (with KILL a login made moments
before would be lost), KILL for the driver. The scripts also leave the pids, so that what does not
end when it is asked can be ended.
"""

import asyncio
import contextlib
import os
import select
import shlex
import signal
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from playwright.async_api import BrowserContext, CDPSession, Page, Playwright, async_playwright
from playwright.async_api import Error as PlaywrightError

from streams.system import processes
from streams.system.parent_death import bind_to_parent
from streams.whatsapp.install import executable
from streams.whatsapp.install.executable import Executable
from streams.whatsapp.web.calls import call_with_timeout
from streams.whatsapp.web.profile import DRIVER_TMP_DIR, Profile
from streams.whatsapp.web.recovery_policy import RecoverySettings

# playwright/driver/package/lib/server/electron/loader.js: the last --enable-features wins, so
# Playwright's own list is said again.
_FEATURES = "NetworkServiceInProcess2,CDPScreenshotNewSurface,SkipListAccountsWithoutGaiaCookies"
_LEAN_ARGS = (
    "--disable-software-rasterizer",
    "--disable-3d-apis",
    f"--enable-features={_FEATURES}",
)
_LEAN_SHELL_ARGS = ("--in-process-gpu", "--no-zygote")
# wa-js is told not to report to Google; should it do so all the same, there is nobody there.
# Costs nothing, unlike a route, which takes each request through Python.
_BLOCKED_HOSTS = ", ".join(
    f"MAP {host} ~NOTFOUND"
    for host in ("analytics.google.com", "www.google-analytics.com", "www.googletagmanager.com")
)
# The heap that the driver needs for messages; media go through it in pieces.
_NODE_OPTIONS = "--max-old-space-size=96 --max-semi-space-size=1"

# PLAYWRIGHT_NODEJS_PATH is read from our own environment (playwright/_impl/_driver.py:27).
_environment_lock = asyncio.Lock()


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds. A page that does not answer a heartbeat in `answer_s` is hung."""

    launch_s: float = 30.0
    load_s: float = 30.0  # the page's modules are there
    ready_s: float = 30.0  # wa-js is fully ready
    heartbeat_s: float = 2.0  # a call that listens comes back at the latest after this
    answer_s: float = 5.0
    look_up_s: float = 15.0
    close_s: float = 3.0  # a healthy browser ends in a tenth of a second


@dataclass(frozen=True, slots=True)
class BrowserConfig:
    """All that a driver must be told. `extra_args` come last on Chromium's command line."""

    profile_dir: Path
    executable: str | None = None
    prefer_shell: bool = True
    bundle: str | None = None
    extra_args: tuple[str, ...] = ()
    whatsapp_url: str = "https://web.whatsapp.com/"
    page_heap_mb: int = 0  # of JavaScript, above which the page is loaded anew; 0: never
    timeouts: Timeouts = field(default_factory=Timeouts)
    recovery: RecoverySettings = field(default_factory=RecoverySettings)


def chromium_arguments(program: Executable, version: str, extra_args: tuple[str, ...]) -> list[str]:
    """What is added to Playwright's own arguments.

    WhatsApp Web shows "unsupported browser" to a user agent that says Headless.
    """
    major = version.split(".")[0]
    return [
        *_LEAN_ARGS,
        *(_LEAN_SHELL_ARGS if program.headless_shell else ()),
        f"--host-resolver-rules={_BLOCKED_HOSTS}",
        f"--user-agent={user_agent(major)}",
        *extra_args,
    ]


def user_agent(major: str) -> str:
    """Chromium's own on Linux, reduced as it has been since version 110, without `Headless`."""
    engine = "AppleWebKit/537.36 (KHTML, like Gecko)"
    return f"Mozilla/5.0 (X11; Linux x86_64) {engine} Chrome/{major}.0.0.0 Safari/537.36"


def user_agent_override(version: str) -> dict[str, object]:
    """The override that also takes `HeadlessChrome` out of the shell's sec-ch-ua header."""
    major = version.split(".")[0]
    brands = (("Chromium", major, version), ("Not;A=Brand", "24", "24.0.0.0"))
    return {
        "userAgent": user_agent(major),
        "userAgentMetadata": {
            "brands": [{"brand": name, "version": short} for name, short, _ in brands],
            "fullVersionList": [{"brand": name, "version": full} for name, _, full in brands],
            "platform": "Linux",
            "platformVersion": "",
            "architecture": "x86",
            "bitness": "64",
            "model": "",
            "mobile": False,
        },
    }


def write_wrapper(
    script: Path, program: Path, death_signal: signal.Signals, environment_lines: str = ""
) -> Path:
    """A script that becomes `program`, leaves its pid in `<script>.pid` and dies with its parent."""
    command = bind_to_parent([str(program)], death_signal)
    pid_file = shlex.quote(f"{script}.pid")
    script.write_text(
        f'#!/bin/sh\necho $$ > {pid_file}\n{environment_lines}exec {shlex.join(command)} "$@"\n'
    )
    script.chmod(0o700)
    return script


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
        """Start it on a profile that is ours and clear. Raises PageTrouble or BrowserMissing."""
        program = executable.find_chromium(config.executable, prefer_shell=config.prefer_shell)
        version = await executable.read_version(program)
        timeout_s = config.timeouts.launch_s
        driver = await call_with_timeout(_start_driver(profile.state_dir), timeout_s)
        browser = cls(driver, profile.state_dir, config.timeouts)
        try:
            await call_with_timeout(browser._open(config, profile, program, version), timeout_s)
        except BaseException:
            await browser.close()
            raise
        return browser

    async def _open(
        self, config: BrowserConfig, profile: Profile, program: Executable, version: str
    ) -> None:
        wrapper = write_wrapper(
            profile.state_dir / "browser", program.path, signal.SIGTERM, _export_tmpdir()
        )
        self._user_agent_override = user_agent_override(version) if program.headless_shell else None
        self._context = await self._playwright.chromium.launch_persistent_context(
            str(profile.folder),
            executable_path=wrapper,
            args=chromium_arguments(program, version, config.extra_args),
            headless=True,
            handle_sigint=False,
            handle_sigterm=False,
            handle_sighup=False,
            service_workers="block",
            timeout=0,  # the caller has one, which also holds when the driver is frozen
        )

    async def first_page(self) -> Page:
        """The page that the browser began with, else a new one. Raises PageTrouble."""
        assert self._context is not None
        pages = self._context.pages
        return await self._prepare(pages[0]) if pages else await self.new_page()

    async def new_page(self) -> Page:
        """One more page in this browser. Raises PageTrouble."""
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
        """Chromium's own protocol for one page. Raises PageTrouble."""
        assert self._context is not None
        return await call_with_timeout(self._context.new_cdp_session(page), self._timeouts.answer_s)

    @property
    def is_alive(self) -> bool:
        """Browser and driver run. The death of a driver gives no event, so the processes are asked."""
        return all(_is_running(self._state_dir / name) for name in ("browser.pid", "driver.pid"))

    async def close(self) -> None:
        """End browser and driver, gracefully while they answer, else with SIGKILL."""
        timeout_s = self._timeouts.close_s
        with contextlib.suppress(PlaywrightError, TimeoutError):
            if self._context is not None:
                await asyncio.wait_for(self._context.close(), timeout_s)
        await end_process(self._state_dir / "browser.pid", timeout_s=0.5)
        with contextlib.suppress(PlaywrightError, TimeoutError):
            await asyncio.wait_for(self._playwright.stop(), timeout_s)
        await end_process(self._state_dir / "driver.pid", timeout_s=0.5)


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
    exports = f'export UV_THREADPOOL_SIZE=1 NODE_OPTIONS="{_NODE_OPTIONS} $NODE_OPTIONS"\n'
    # A driver that is killed leaves its folder of artifacts; here it goes before the next launch.
    tmp_dir = state_dir / DRIVER_TMP_DIR
    tmp_dir.mkdir(exist_ok=True)
    return write_wrapper(
        state_dir / "driver",
        node,
        signal.SIGKILL,
        f"{exports}export TMPDIR={shlex.quote(str(tmp_dir))}\n",
    )


def _export_tmpdir() -> str:
    """The browser has our temporary folder, not the driver's: Unix sockets need a short path."""
    tmp_dir = os.environ.get("TMPDIR")
    return f"export TMPDIR={shlex.quote(tmp_dir)}\n" if tmp_dir else "unset TMPDIR\n"


def _is_running(pid_file: Path) -> bool:
    process = processes.read_pid_file(pid_file)
    return process is not None and processes.is_running(process.pid)


async def end_process(pid_file: Path, timeout_s: float) -> None:
    """Let the process of this file end by itself for a moment, then kill it."""
    await asyncio.to_thread(_end_process, pid_file, timeout_s)


def _end_process(pid_file: Path, timeout_s: float) -> None:
    process = processes.read_pid_file(pid_file)
    try:
        if process is not None:
            _wait_then_kill(process, timeout_s)
    except (psutil.NoSuchProcess, ProcessLookupError):
        return
    finally:
        pid_file.unlink(missing_ok=True)


def _wait_then_kill(process: psutil.Process, timeout_s: float) -> None:
    # A pidfd tells the end itself; others wait until somebody has also collected the zombie.
    pidfd = os.pidfd_open(process.pid)
    try:
        ended, _, _ = select.select([pidfd], [], [], timeout_s)
        if not ended:
            process.kill()
            select.select([pidfd], [], [], 5.0)
    finally:
        os.close(pidfd)
