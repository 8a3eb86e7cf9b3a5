"""Where a Chromium is on this machine, and how one is installed. Starts no browser.

Order: the configured one; Playwright's own download; the system's. If there is none,
`install_chromium` gets one: Playwright's download, else Debian's package (only as root, and only when
the caller allows it), else its error says in one line what to install. Of the system's headless shell
the real binary is taken: Debian's /usr/bin/chromium-headless-shell is a shell script that does not
`exec`, so ending what Playwright started would leave the real browser alive, and sending.
"""

import asyncio
import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import playwright

from streams.system import cache
from streams.whatsapp.errors import BrowserMissing, PageHung
from streams.whatsapp.install.installing import run_installer

INSTALL_HINT = (
    "no Chromium found: run `wa-streams setup`, or `playwright install chromium --only-shell`, or"
    " `apt-get install chromium-headless-shell`, or set WA_BROWSER_EXECUTABLE"
)
_SYSTEM_SHELL_PATHS = ("usr/lib/chromium/chromium-headless-shell",)
_SYSTEM_FULL_PATHS = (
    "usr/lib/chromium/chromium",
    "opt/google/chrome/chrome",
    "usr/bin/chromium",
    "usr/bin/chromium-browser",
    "usr/bin/google-chrome-stable",
    "usr/bin/google-chrome",
)
_VERSION_PATTERN = re.compile(r"\d+(?:\.\d+){1,3}")
_VERSION_TIMEOUT_S = 10.0
# Playwright tries several servers several times: without a network that takes seconds.
_SHORT_DOWNLOAD_TIMEOUT = {"PLAYWRIGHT_DOWNLOAD_CONNECTION_TIMEOUT": "5000"}


@dataclass(frozen=True, slots=True)
class Executable:
    """A Chromium that exists. The headless shell takes half of the memory of the full one."""

    path: Path
    headless_shell: bool


def find_chromium(
    configured: str | None, *, prefer_shell: bool = True, root: Path = Path("/")
) -> Executable:
    """The Chromium to start. Raises BrowserMissing; its message says what to do, in one line.

    The system's folders are looked for below `root`.
    """
    if configured is not None:
        return _resolve_configured(configured)
    for candidate in (
        *_playwright_candidates(prefer_shell),
        *_system_candidates(root, prefer_shell),
    ):
        if _is_executable_file(candidate.path):
            return candidate
    raise BrowserMissing(INSTALL_HINT)


async def read_version(executable: Executable) -> str:
    """Its version, such as `156.0.8078.79`.

    Raises BrowserMissing when it does not run, PageHung when it does not answer in time.
    """
    process = await asyncio.create_subprocess_exec(
        str(executable.path),
        "--version",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(_VERSION_TIMEOUT_S):
            output, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise PageHung(f"{executable.path} --version does not answer") from None
    match = _VERSION_PATTERN.search(output.decode(errors="replace"))
    if process.returncode != 0 or match is None:
        raise BrowserMissing(f"{executable.path} does not run as a Chromium")
    return match.group()


def install_chromium(
    configured: str | None, progress: Callable[[str], None], *, with_system_package: bool = True
) -> Executable:
    """The Chromium to start; it is fetched if there is none that runs.

    `progress` gets each line that the installers print. `with_system_package` allows Debian's package,
    which changes the machine and not only this user's cache. Raises BrowserMissing when none could be
    installed.
    """
    if configured is not None or _has_working_chromium():
        return find_chromium(configured)
    if _install_from_playwright(progress):
        return find_chromium(None)
    if with_system_package and _install_from_debian(progress):
        return find_chromium(None)
    raise BrowserMissing(INSTALL_HINT)


def _resolve_configured(configured: str) -> Executable:
    resolved = shutil.which(configured)
    if resolved is None:
        raise BrowserMissing(f"WA_BROWSER_EXECUTABLE={configured} is not a program that can be run")
    path = Path(resolved)
    real_binary = Path("/usr/lib/chromium") / path.name
    if path.parent == Path("/usr/bin") and _is_executable_file(real_binary):
        path = real_binary
    return Executable(path, _is_shell(path))


def _playwright_candidates(prefer_shell: bool) -> Iterator[Executable]:
    configured = os.environ.get("PLAYWRIGHT_BROWSERS_PATH")
    try:
        downloads = Path(configured) if configured else cache.user_cache_dir() / "ms-playwright"
    except cache.CacheUnusable:
        return  # a user without a home folder has no downloads
    shell = f"chromium_headless_shell-{_read_revision('chromium-headless-shell')}"
    full = f"chromium-{_read_revision('chromium')}"
    for folder in (shell, full) if prefer_shell else (full, shell):
        for path in sorted((downloads / folder).glob("chrom*-linux*/chrom*")):
            if path.name in {"chrome", "chrome-headless-shell"}:
                yield Executable(path, _is_shell(path))


def _read_revision(browser: str) -> str:
    browsers_file = Path(playwright.__file__).parent / "driver" / "package" / "browsers.json"
    browsers = json.loads(browsers_file.read_bytes())["browsers"]
    return next(entry["revision"] for entry in browsers if entry["name"] == browser)


def _system_candidates(root: Path, prefer_shell: bool) -> Iterator[Executable]:
    names = (
        (_SYSTEM_SHELL_PATHS, _SYSTEM_FULL_PATHS)
        if prefer_shell
        else (_SYSTEM_FULL_PATHS, _SYSTEM_SHELL_PATHS)
    )
    for path in (root / name for group in names for name in group):
        yield Executable(path, _is_shell(path))


def _is_shell(path: Path) -> bool:
    return "headless" in path.name


def _is_executable_file(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)


def _has_working_chromium() -> bool:
    """Whether there is one, and it runs: a download may lack libraries of the system.

    One that does not answer in time is slow, and not missing: it must not be installed again or removed.
    """
    try:
        asyncio.run(read_version(find_chromium(None)))
    except BrowserMissing:
        return False
    except PageHung:
        return True
    return True


def _install_from_playwright(progress: Callable[[str], None]) -> bool:
    """A download that does not run here is removed, so that the system's Chromium is found."""
    command = [sys.executable, "-m", "playwright"]
    install_command = [*command, "install", "chromium", "--only-shell"]
    if run_installer(install_command, progress, extra_environment=_SHORT_DOWNLOAD_TIMEOUT) != 0:
        return False
    if not _has_working_chromium():
        progress("the downloaded Chromium does not run: this system lacks libraries that it needs")
        run_installer([*command, "uninstall"], progress)
    return _has_working_chromium()


def _install_from_debian(progress: Callable[[str], None]) -> bool:
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return False
    noninteractive = {"DEBIAN_FRONTEND": "noninteractive"}
    apt = ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300"]  # another process may hold the lock
    install_command = [*apt, "install", "-y", "--no-install-recommends"]
    run_installer([*apt, "update"], progress, extra_environment=noninteractive)
    for package in ("chromium-headless-shell", "chromium"):
        if (
            run_installer([*install_command, package], progress, extra_environment=noninteractive)
            == 0
            and _has_working_chromium()
        ):
            return True
    return False


def main() -> int:
    """Install a Chromium if there is none, and print where it is; 2 with one line when that fails."""
    configured = os.environ.get("WA_BROWSER_EXECUTABLE") or None
    try:
        chromium = install_chromium(configured, lambda line: print(f"setup: {line}", flush=True))
    except BrowserMissing as error:
        print(error, file=sys.stderr)
        return 2
    print(f"browser: {chromium.path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
