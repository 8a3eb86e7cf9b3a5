"""A profile has one owner: tests with real processes. No browser: programs with a browser's arguments."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from streams.whatsapp.errors import DiskFull, ProfileInUse
from streams.whatsapp.web.browser.profile import Profile, find_browsers

_IGNORES_TERM = "import signal,sys; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); signal.pause()"
_ACQUIRE = """
import asyncio, sys
from pathlib import Path
from streams.whatsapp.web.browser.profile import Profile
profile = Profile(Path(sys.argv[1]))
asyncio.run(profile.acquire())
print("acquired", flush=True)
sys.stdin.read()
"""


def start(script: str, *arguments: str) -> subprocess.Popen[bytes]:
    """A Python process that has printed its first line."""
    process = subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.readline()
    return process


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "main"


@pytest.fixture
def browser_like(folder: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
    """A program that looks like a browser on the profile, and two that differ in one argument."""
    processes = [
        start(_IGNORES_TERM, f"--user-data-dir={folder}", "about:blank"),
        start(_IGNORES_TERM, f"--user-data-dir={folder}", "--type=renderer"),
        start(_IGNORES_TERM, f"--user-data-dir={folder}-other"),
    ]
    yield processes
    for process in processes:
        process.kill()
        process.communicate()


async def test_a_second_owner_is_refused(folder: Path) -> None:
    """The error says that another process owns the profile; after its death the profile is free."""
    other = await asyncio.to_thread(start, _ACQUIRE, str(folder))
    profile = Profile(folder)
    with pytest.raises(ProfileInUse, match="another process uses the profile"):
        await profile.acquire()
    other.send_signal(signal.SIGKILL)
    await asyncio.to_thread(other.communicate)
    await profile.acquire()
    profile.release()


async def test_only_surviving_browsers_of_the_profile_are_ended(
    folder: Path, browser_like: list[subprocess.Popen[bytes]]
) -> None:
    """A browser on exactly this profile, without `--type=`, gets a second before it is killed."""
    assert [browser.pid for browser in find_browsers(folder)] == [browser_like[0].pid]
    before = time.monotonic()
    profile = Profile(folder)
    await profile.acquire()
    assert time.monotonic() - before >= 1.0
    assert not psutil.pid_exists(browser_like[0].pid)  # our process has also collected it
    assert [process.poll() for process in browser_like[1:]] == [None, None]
    profile.release()


async def test_a_browser_that_a_person_started_is_found(folder: Path, tmp_path: Path) -> None:
    """Chromium has no lock in the headless shell, and a person may name the folder in another way."""
    folder.mkdir()
    (tmp_path / "alias").symlink_to(folder)
    names = (f"{folder}/", str(tmp_path / "alias"), os.path.relpath(folder))
    started = [
        await asyncio.to_thread(start, _IGNORES_TERM, f"--user-data-dir={name}") for name in names
    ]
    try:
        browsers = {browser.pid for browser in find_browsers(folder)}
        assert browsers == {process.pid for process in started}
    finally:
        for process in started:
            process.kill()
            process.communicate()


def test_a_full_disk_is_reported_before_the_profile_is_opened(folder: Path) -> None:
    """WhatsApp Web logs out when its storage fails, so a browser on a full disk costs the login."""
    profile = Profile(folder)
    free_mb = profile.measure_free_disk_mb()
    profile.require_free_disk(free_mb // 2)
    with pytest.raises(DiskFull, match="needed"):
        profile.require_free_disk(free_mb * 2 + 1)


async def test_the_owner_removes_chromiums_stale_locks(folder: Path) -> None:
    """Chromium itself would never take over a lock with another host name."""
    folder.mkdir()
    (folder / "SingletonLock").symlink_to("old-container-4711")
    (folder / "SingletonCookie").write_text("x")
    profile = Profile(folder)
    await profile.acquire()
    assert not list(folder.glob("Singleton*"))
    profile.release()


async def test_a_refused_process_removes_nothing(folder: Path) -> None:
    """Chromium's lock stays while its owner lives."""
    owner = Profile(folder)
    await owner.acquire()
    (folder / "SingletonLock").symlink_to("this-host-1")
    other = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", _ACQUIRE, str(folder)], capture_output=True
    )
    assert other.returncode != 0
    assert b"ProfileInUse" in other.stderr
    assert (folder / "SingletonLock").is_symlink()
    owner.release()


async def test_the_link_is_kept_until_a_new_one_is_created(folder: Path) -> None:
    """A linking has one id; a lost or damaged file counts as a new linking."""
    profile = Profile(folder)
    await profile.acquire()
    unlinked = profile.load_link()
    linked = profile.create_link("+905550000001")
    assert unlinked.id != linked.id
    assert Profile(folder).load_link() == linked
    (profile.state_dir / "link.json").write_text("{")
    assert profile.load_link().id not in {unlinked.id, linked.id}
    assert profile.load_link() == profile.load_link()
    profile.release()


async def test_wait_for_storage(folder: Path) -> None:
    """A write after the login counts, one before it does not, and without any the answer is no."""
    storage = folder / "Default" / "Local Storage" / "leveldb"
    storage.mkdir(parents=True)
    log = storage / "000003.log"
    log.write_bytes(b"before")
    os.utime(log, (1000.0, 1000.0))
    profile = Profile(folder)
    assert not await profile.wait_for_storage(2000.0, timeout_s=0.05)
    waiting = asyncio.create_task(profile.wait_for_storage(2000.0, timeout_s=60))
    await asyncio.sleep(0)
    os.utime(log, (2001.0, 2001.0))
    assert await waiting


def test_an_unused_profile_has_no_browser(folder: Path) -> None:
    """The test's own command line does not count as a browser."""
    assert list(find_browsers(folder)) == []
    assert psutil.pid_exists(os.getpid())
