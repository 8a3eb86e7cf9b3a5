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

from streams.system.parent_death import bind_to_parent
from streams.whatsapp.install import executable
from streams.whatsapp.install.executable import Executable
from streams.whatsapp.web.calls import bounded
from streams.whatsapp.web.profile import SCRAPS, Profile
from streams.whatsapp.web.recovery_policy import Patience

# playwright/driver/package/lib/server/electron/loader.js: the last --enable-features wins, so
# Playwright's own list is said again.
_FEATURES = "NetworkServiceInProcess2,CDPScreenshotNewSurface,SkipListAccountsWithoutGaiaCookies"
_LEAN = ("--disable-software-rasterizer", "--disable-3d-apis", f"--enable-features={_FEATURES}")
_LEAN_SHELL = ("--in-process-gpu", "--no-zygote")
# wa-js is told not to report to Google; should it do so all the same, there is nobody there.
# Costs nothing, unlike a route, which takes each request through Python.
_NOWHERE = ", ".join(
    f"MAP {host} ~NOTFOUND"
    for host in ("analytics.google.com", "www.google-analytics.com", "www.googletagmanager.com")
)
# The heap that the driver needs for messages; media go through it in pieces.
_LEAN_NODE = "--max-old-space-size=96 --max-semi-space-size=1"

# PLAYWRIGHT_NODEJS_PATH is read from our own environment (playwright/_impl/_driver.py:27).
_environment = asyncio.Lock()


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
    web_url: str = "https://web.whatsapp.com/"
    page_heap_mb: int = 0  # of JavaScript, above which the page is loaded anew; 0: never
    timeouts: Timeouts = field(default_factory=Timeouts)
    patience: Patience = field(default_factory=Patience)


def arguments(program: Executable, version: str, extra: tuple[str, ...]) -> list[str]:
    """What is added to Playwright's own arguments.

    WhatsApp Web shows "unsupported browser" to a user agent that says Headless.
    """
    major = version.split(".")[0]
    return [
        *_LEAN,
        *(_LEAN_SHELL if program.headless_shell else ()),
        f"--host-resolver-rules={_NOWHERE}",
        f"--user-agent={user_agent(major)}",
        *extra,
    ]


def user_agent(major: str) -> str:
    """Chromium's own on Linux, reduced as it has been since version 110, without `Headless`."""
    engine = "AppleWebKit/537.36 (KHTML, like Gecko)"
    return f"Mozilla/5.0 (X11; Linux x86_64) {engine} Chrome/{major}.0.0.0 Safari/537.36"


def identity(version: str) -> dict[str, object]:
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
    script: Path, program: Path, death: signal.Signals, environment: str = ""
) -> Path:
    """A script that becomes `program`, leaves its pid in `<script>.pid` and dies with its parent."""
    becoming = bind_to_parent([str(program)], death)
    pid_file = shlex.quote(f"{script}.pid")
    script.write_text(
        f'#!/bin/sh\necho $$ > {pid_file}\n{environment}exec {shlex.join(becoming)} "$@"\n'
    )
    script.chmod(0o700)
    return script


class Chromium:
    """A running browser on one profile, with the Playwright that drives it."""

    def __init__(self, playwright: Playwright, own: Path, timeouts: Timeouts) -> None:
        self._playwright = playwright
        self._own = own
        self._timeouts = timeouts
        self._context: BrowserContext | None = None
        self._identity: dict[str, object] | None = None

    @classmethod
    async def launch(cls, config: BrowserConfig, profile: Profile) -> "Chromium":
        """Start it on a profile that is ours and clear. Raises PageTrouble or BrowserMissing."""
        program = executable.find(config.executable, prefer_shell=config.prefer_shell)
        version = await executable.version(program)
        within_s = config.timeouts.launch_s
        driver = await bounded(_start_driver(profile.own), within_s)
        browser = cls(driver, profile.own, config.timeouts)
        try:
            await bounded(browser._open(config, profile, program, version), within_s)
        except BaseException:
            await browser.close()
            raise
        return browser

    async def _open(
        self, config: BrowserConfig, profile: Profile, program: Executable, version: str
    ) -> None:
        wrapper = write_wrapper(
            profile.own / "browser", program.path, signal.SIGTERM, _own_folder()
        )
        self._identity = identity(version) if program.headless_shell else None
        self._context = await self._playwright.chromium.launch_persistent_context(
            str(profile.folder),
            executable_path=wrapper,
            args=arguments(program, version, config.extra_args),
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
        return await self._prepared(pages[0]) if pages else await self.new_page()

    async def new_page(self) -> Page:
        """One more page in this browser. Raises PageTrouble."""
        assert self._context is not None
        call = self._context.new_page()
        return await self._prepared(await bounded(call, self._timeouts.answer_s))

    async def _prepared(self, page: Page) -> Page:
        if self._identity is not None:
            session = await self.devtools(page)
            override = session.send("Emulation.setUserAgentOverride", self._identity)
            await bounded(override, self._timeouts.answer_s)
        return page

    async def devtools(self, page: Page) -> CDPSession:
        """Chromium's own protocol for one page. Raises PageTrouble."""
        assert self._context is not None
        return await bounded(self._context.new_cdp_session(page), self._timeouts.answer_s)

    @property
    def alive(self) -> bool:
        """Browser and driver run. The death of a driver gives no event, so the processes are asked."""
        return all(_runs(self._own / name) for name in ("browser.pid", "driver.pid"))

    async def close(self) -> None:
        """End browser and driver, gracefully while they answer, else with SIGKILL."""
        within_s = self._timeouts.close_s
        with contextlib.suppress(PlaywrightError, TimeoutError):
            if self._context is not None:
                await asyncio.wait_for(self._context.close(), within_s)
        await end(self._own / "browser.pid", within_s=0.5)
        with contextlib.suppress(PlaywrightError, TimeoutError):
            await asyncio.wait_for(self._playwright.stop(), within_s)
        await end(self._own / "driver.pid", within_s=0.5)


async def _start_driver(own: Path) -> Playwright:
    async with _environment:
        before = os.environ.get("PLAYWRIGHT_NODEJS_PATH")
        os.environ["PLAYWRIGHT_NODEJS_PATH"] = str(_driver_wrapper(own, before))
        try:
            return await async_playwright().start()
        except BaseException:
            await end(own / "driver.pid", within_s=0.0)
            raise
        finally:
            if before is None:
                del os.environ["PLAYWRIGHT_NODEJS_PATH"]
            else:
                os.environ["PLAYWRIGHT_NODEJS_PATH"] = before


def _driver_wrapper(own: Path, asked: str | None) -> Path:
    import playwright

    node = Path(asked) if asked else Path(playwright.__file__).parent / "driver" / "node"
    lean = f'export UV_THREADPOOL_SIZE=1 NODE_OPTIONS="{_LEAN_NODE} $NODE_OPTIONS"\n'
    # A driver that is killed leaves its folder of artifacts; here it goes before the next launch.
    scraps = own / SCRAPS
    scraps.mkdir(exist_ok=True)
    return write_wrapper(
        own / "driver", node, signal.SIGKILL, f"{lean}export TMPDIR={shlex.quote(str(scraps))}\n"
    )


def _own_folder() -> str:
    """The browser has our temporary folder, not the driver's: Unix sockets need a short path."""
    ours = os.environ.get("TMPDIR")
    return f"export TMPDIR={shlex.quote(ours)}\n" if ours else "unset TMPDIR\n"


def _runs(pid_file: Path) -> bool:
    try:
        return psutil.Process(int(pid_file.read_text())).status() != psutil.STATUS_ZOMBIE
    except (FileNotFoundError, ValueError, psutil.NoSuchProcess):
        return False


async def end(pid_file: Path, within_s: float) -> None:
    """Let the process of this file end by itself for a moment, then kill it."""
    await asyncio.to_thread(_end, pid_file, within_s)


def _end(pid_file: Path, within_s: float) -> None:
    # The file is as old as the process: a pid that was given to another since is told by its start.
    try:
        process = psutil.Process(int(pid_file.read_text()))
        if process.create_time() <= pid_file.stat().st_mtime + 1.0:
            _wait_then_kill(process, within_s)
    except (FileNotFoundError, ValueError, psutil.NoSuchProcess, ProcessLookupError):
        return
    finally:
        pid_file.unlink(missing_ok=True)


def _wait_then_kill(process: psutil.Process, within_s: float) -> None:
    # A pidfd tells the end itself; others wait until somebody has also collected the zombie.
    handle = os.pidfd_open(process.pid)
    try:
        ended, _, _ = select.select([handle], [], [], within_s)
        if not ended:
            process.kill()
            select.select([handle], [], [], 5.0)
    finally:
        os.close(handle)
