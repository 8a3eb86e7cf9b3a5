"""Finds a Chromium on this machine, or installs one. May not open a page.

The order is: the configured one, Playwright's own download, the system's. If there is none,
`python -m streams.whatsapp.install.executable` gets one: Playwright's download, else Debian's package,
else one line says what to install. Of the system's headless shell, the real binary is used: Debian's
/usr/bin/chromium-headless-shell is a shell script that does not `exec`, so ending the process that
Playwright started would leave the real browser alive, and sending.
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

from streams.whatsapp.errors import BrowserMissing, PageHung
from streams.whatsapp.install.installing import run_installer

INSTALL_HINT = (
    "no Chromium found: run `playwright install chromium --only-shell`, or"
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
# Playwright tries several servers several times: on a network that blocks them, this costs seconds.
_SHORT_DOWNLOAD_TIMEOUT = {"PLAYWRIGHT_DOWNLOAD_CONNECTION_TIMEOUT": "5000"}


@dataclass(frozen=True, slots=True)
class Executable:
    """A Chromium that exists. The headless shell uses half of the memory of the full browser."""

    path: Path
    headless_shell: bool


def find_chromium(
    configured: str | None, *, prefer_shell: bool = True, root: Path = Path("/")
) -> Executable:
    """The Chromium to start. Raises BrowserMissing, with one line that says what to do.

    `root` is the root of the system's folders.
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

    Raises BrowserMissing if it does not run, PageHung if it does not answer in time.
    """
    process = await asyncio.create_subprocess_exec(
        str(executable.path),
        "--version",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), _VERSION_TIMEOUT_S)
    except TimeoutError:
        process.kill()
        await process.wait()
        raise PageHung(f"{executable.path} --version does not answer") from None
    match = _VERSION_PATTERN.search(output.decode(errors="replace"))
    if process.returncode != 0 or match is None:
        raise BrowserMissing(f"{executable.path} does not run as a Chromium")
    return match.group()


def install_chromium(configured: str | None, progress: Callable[[str], None]) -> Executable:
    """The Chromium to start; it is installed if none that runs is there.

    `progress` receives each line that the installers print. Raises BrowserMissing if all of them fail.
    """
    if configured is not None or _has_working_chromium():
        return find_chromium(configured)
    for install_from in (_install_from_playwright, _install_from_debian):
        if install_from(progress):
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
    downloads = Path(
        os.environ.get("PLAYWRIGHT_BROWSERS_PATH") or Path.home() / ".cache" / "ms-playwright"
    )
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
    """Whether a Chromium is there and also runs: a download alone lacks libraries of the system."""
    try:
        asyncio.run(read_version(find_chromium(None)))
    except (BrowserMissing, PageHung):
        return False
    return True


def _install_from_playwright(progress: Callable[[str], None]) -> bool:
    """A download that does not run on this machine is removed again, so that the system's is found."""
    command = [sys.executable, "-m", "playwright"]
    install_command = [*command, "install", "chromium", "--only-shell"]
    if run_installer(install_command, progress, extra_environment=_SHORT_DOWNLOAD_TIMEOUT) != 0:
        return False
    if not _has_working_chromium():
        progress("the download does not run here: it lacks libraries of the system")
        run_installer([*command, "uninstall"], progress)
    return _has_working_chromium()


def _install_from_debian(progress: Callable[[str], None]) -> bool:
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return False
    noninteractive = {"DEBIAN_FRONTEND": "noninteractive"}
    apt = ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300"]  # another clone may be installing too
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
    """Print where the Chromium is, after installing one if necessary; 2 with one line if it fails."""
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
