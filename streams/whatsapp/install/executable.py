"""Where a Chromium is on this machine, and how one gets there. Starts no browser.

Order: the one that was asked for; Playwright's own download; the system's. Where there is none,
`python -m streams.whatsapp.install.executable` gets one: Playwright's download, else Debian's package, else it
says in one line what to install. Of the system's headless shell the real binary is taken: Debian's
/usr/bin/chromium-headless-shell is a shell script that does not `exec`, so ending what Playwright
started would leave the real browser alive, and sending.
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
from streams.whatsapp.install.installing import run

WHAT_TO_DO = (
    "no Chromium found: run `playwright install chromium --only-shell`, or"
    " `apt-get install chromium-headless-shell`, or set WA_BROWSER_EXECUTABLE"
)
_SYSTEM_SHELL = ("usr/lib/chromium/chromium-headless-shell",)
_SYSTEM_FULL = (
    "usr/lib/chromium/chromium",
    "opt/google/chrome/chrome",
    "usr/bin/chromium",
    "usr/bin/chromium-browser",
    "usr/bin/google-chrome-stable",
    "usr/bin/google-chrome",
)
_VERSION = re.compile(r"\d+(?:\.\d+){1,3}")
_VERSION_WITHIN_S = 10.0
# Playwright tries several servers several times: a network that lets nothing through costs seconds.
_NO_LONG_WAIT = {"PLAYWRIGHT_DOWNLOAD_CONNECTION_TIMEOUT": "5000"}


@dataclass(frozen=True, slots=True)
class Executable:
    """A Chromium that exists. The headless shell takes half of the memory of the full one."""

    path: Path
    headless_shell: bool


def find(asked: str | None, *, prefer_shell: bool = True, root: Path = Path("/")) -> Executable:
    """The Chromium to start. Raises BrowserMissing, with one line of what to do.

    `root` is where the system's folders are looked for.
    """
    if asked is not None:
        return _asked(asked)
    for candidate in (*_playwrights(prefer_shell), *_systems(root, prefer_shell)):
        if _is_program(candidate.path):
            return candidate
    raise BrowserMissing(WHAT_TO_DO)


async def version(executable: Executable) -> str:
    """Its version, such as `156.0.8078.79`.

    Raises BrowserMissing when it does not run, PageHung when it takes too long to say so.
    """
    process = await asyncio.create_subprocess_exec(
        str(executable.path),
        "--version",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), _VERSION_WITHIN_S)
    except TimeoutError:
        process.kill()
        await process.wait()
        raise PageHung(f"{executable.path} --version does not answer") from None
    match = _VERSION.search(output.decode(errors="replace"))
    if process.returncode != 0 or match is None:
        raise BrowserMissing(f"{executable.path} does not run as a Chromium")
    return match.group()


def install(asked: str | None, progress: Callable[[str], None]) -> Executable:
    """The Chromium to start, fetched where there is none that runs.

    `progress` gets each line that the installers print. Raises BrowserMissing when none is to be had.
    """
    if asked is not None or _found_one():
        return find(asked)
    for get in (_from_playwright, _from_debian):
        if get(progress):
            return find(None)
    raise BrowserMissing(WHAT_TO_DO)


def _asked(asked: str) -> Executable:
    found = shutil.which(asked)
    if found is None:
        raise BrowserMissing(f"WA_BROWSER_EXECUTABLE={asked} is not a program that can be run")
    path = Path(found)
    real = Path("/usr/lib/chromium") / path.name
    if path.parent == Path("/usr/bin") and _is_program(real):
        path = real
    return Executable(path, _is_shell(path))


def _playwrights(prefer_shell: bool) -> Iterator[Executable]:
    downloads = Path(
        os.environ.get("PLAYWRIGHT_BROWSERS_PATH") or Path.home() / ".cache" / "ms-playwright"
    )
    shell = f"chromium_headless_shell-{_revision('chromium-headless-shell')}"
    full = f"chromium-{_revision('chromium')}"
    for folder in (shell, full) if prefer_shell else (full, shell):
        for path in sorted((downloads / folder).glob("chrom*-linux*/chrom*")):
            if path.name in {"chrome", "chrome-headless-shell"}:
                yield Executable(path, _is_shell(path))


def _revision(browser: str) -> str:
    listing = Path(playwright.__file__).parent / "driver" / "package" / "browsers.json"
    browsers = json.loads(listing.read_bytes())["browsers"]
    return next(entry["revision"] for entry in browsers if entry["name"] == browser)


def _systems(root: Path, prefer_shell: bool) -> Iterator[Executable]:
    names = (_SYSTEM_SHELL, _SYSTEM_FULL) if prefer_shell else (_SYSTEM_FULL, _SYSTEM_SHELL)
    for path in (root / name for group in names for name in group):
        yield Executable(path, _is_shell(path))


def _is_shell(path: Path) -> bool:
    return "headless" in path.name


def _is_program(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)


def _found_one() -> bool:
    """Whether there is one already that also runs: a download alone lacks the system's libraries."""
    try:
        asyncio.run(version(find(None)))
    except (BrowserMissing, PageHung):
        return False
    return True


def _from_playwright(progress: Callable[[str], None]) -> bool:
    """A download that does not run here is removed again, so that the system's is found."""
    command = [sys.executable, "-m", "playwright"]
    get = [*command, "install", "chromium", "--only-shell"]
    if run(get, progress, environment=_NO_LONG_WAIT) != 0:
        return False
    if not _found_one():
        progress("the download does not run here: it lacks libraries of the system")
        run([*command, "uninstall"], progress)
    return _found_one()


def _from_debian(progress: Callable[[str], None]) -> bool:
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return False
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    apt = ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300"]  # another clone may be at it
    get = [*apt, "install", "-y", "--no-install-recommends"]
    run([*apt, "update"], progress, environment=quiet)
    for package in ("chromium-headless-shell", "chromium"):
        if run([*get, package], progress, environment=quiet) == 0 and _found_one():
            return True
    return False


def main() -> int:
    """Print where the Chromium is, after getting one if need be; 2 with one line when it cannot."""
    asked = os.environ.get("WA_BROWSER_EXECUTABLE") or None
    try:
        found = install(asked, lambda line: print(f"setup: {line}", flush=True))
    except BrowserMissing as error:
        print(error, file=sys.stderr)
        return 2
    print(f"browser: {found.path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
