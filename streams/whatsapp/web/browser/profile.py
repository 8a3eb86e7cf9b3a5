"""A profile folder with one owner, and the id of its link with WhatsApp. May not start a browser.

Two browsers on one profile lose the login, or send twice. So there is a lock file beside the folder.
The process that gets the lock first ends the browsers that a dead owner left behind: a browser that
was frozen could go on sending what the server has not acked while we check whether a message was sent.
"""

import asyncio
import json
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import filelock
import psutil

from streams.system.files import write_atomic
from streams.whatsapp.errors import DiskFull, ProfileInUse
from streams.whatsapp.web.browser.unfinished_records import remove_unfinished_records

DRIVER_TMP_DIR = "tmp"  # what Playwright's driver leaves behind, in `state_dir`
SURVIVOR_EXIT_TIMEOUT_S = 1.0
_KILL_TIMEOUT_S = 5.0
_FOLDER_ARGUMENT = "--user-data-dir="
_POLL_INTERVAL_S = 0.01


@dataclass(frozen=True, slots=True)
class Link:
    """One linking of this profile. `phone` is None until WhatsApp has reported our number.

    `logout_reason` is why the link before it ended; None: there was none. `device` is the number that WhatsApp has
    given this link among the devices of the phone; None: the page did not tell it, or an earlier version wrote this.
    """

    id: str
    phone: str | None
    logout_reason: str | None = None
    device: int | None = None


class Profile:
    """The folder of one browser. Everything below `state_dir` is ours, the rest is Chromium's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.state_dir = self.folder / ".wa-streams"
        self._lock = filelock.FileLock(f"{self.folder}.lock", thread_local=False)

    async def acquire(self) -> None:
        """Become the owner: take the lock, end surviving browsers, remove Chromium's stale locks.

        Raises ProfileInUse if another process is the owner.
        """
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._lock.acquire(timeout=0)
        except filelock.Timeout:
            raise ProfileInUse(f"another process uses the profile {self.folder}") from None
        try:
            await self.prepare()
        except BaseException:
            self.release()
            raise

    async def prepare(self) -> None:
        """Remove other browsers, what they had not finished writing, and their locks, before each launch, as the owner.

        Chromium takes over a lock of its own only if the host has the same name: in a new container,
        it never does.
        """
        await end_survivors(self.folder)
        # Not in a thread: it would outlive a cancelled owner.
        remove_unfinished_records(self.folder)
        self.state_dir.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(self.state_dir / DRIVER_TMP_DIR, ignore_errors=True)
        for stale in self.folder.glob("Singleton*"):
            stale.unlink(missing_ok=True)

    def release(self) -> None:
        """Let another process become the owner."""
        self._lock.release()

    def measure_free_disk_mb(self) -> int:
        """The free disk space for this profile; also if the folder does not exist yet."""
        folder = next(path for path in (self.folder, *self.folder.parents) if path.exists())
        return shutil.disk_usage(folder).free // 1_000_000

    def require_free_disk(self, min_mb: int) -> None:
        """Raises DiskFull if there is less free space: WhatsApp Web logs out when its storage fails."""
        free_mb = self.measure_free_disk_mb()
        if free_mb < min_mb:
            raise DiskFull(f"{free_mb} MB are free for the profile {self.folder}, {min_mb} needed")

    async def wait_for_storage(self, since_s: float, timeout_s: float) -> bool:
        """Wait until Chromium has written localStorage after `since_s` (epoch): it contains the login.

        Chromium keeps it in memory for up to 5 s, and writes it when the last page of the site has
        closed. A browser that is killed before that has lost the login. What is written survives the
        kill of any process, but not a power cut.
        """
        storage = self.folder / "Default" / "Local Storage" / "leveldb"
        deadline_s = time.monotonic() + timeout_s
        while _newest_mtime_s(storage) < since_s:
            if time.monotonic() >= deadline_s:
                return False
            await asyncio.sleep(_POLL_INTERVAL_S)
        return True

    def load_link(self) -> Link:
        """The link on disk. A profile that has none gets one."""
        try:
            stored = json.loads((self.state_dir / "link.json").read_bytes())
            return Link(
                str(stored["id"]),
                stored["phone"],
                stored.get("logout_reason"),
                stored.get("device"),
            )
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return self.create_link(None)

    def create_link(
        self, phone: str | None, logout_reason: str | None = None, device: int | None = None
    ) -> Link:
        """Write a link with a new id. It is on disk when this returns."""
        link = Link(uuid.uuid4().hex, phone, logout_reason, device)
        content = json.dumps(asdict(link)).encode()
        write_atomic(self.state_dir / "link.json", content, is_durable=True)
        return link


def _newest_mtime_s(storage: Path) -> float:
    return max((file.stat().st_mtime for file in storage.glob("*.log")), default=0.0)


def find_browsers(folder: Path) -> Iterator[psutil.Process]:
    """The main processes of browsers on exactly this profile (their children have a `--type=`).

    Also those that a person has started, who may have named the folder in another way. Chromium's own lock
    does not stop them: the headless shell has none.
    """
    for process in psutil.process_iter(["cmdline"]):
        arguments = process.info["cmdline"] or []
        if any(argument.startswith("--type=") for argument in arguments):
            continue
        folders = [
            argument.removeprefix(_FOLDER_ARGUMENT)
            for argument in arguments
            if argument.startswith(_FOLDER_ARGUMENT)
        ]
        if folders and _resolve_folder(process, folders[-1]) == folder.resolve():
            yield process


def _resolve_folder(process: psutil.Process, folder: str) -> Path | None:
    try:
        return (Path(process.cwd()) / folder).resolve()
    except (psutil.Error, OSError):
        return Path(folder).resolve() if os.path.isabs(folder) else None


async def end_survivors(folder: Path) -> None:
    """Give the browsers on this profile a moment to end by themselves, then kill them."""
    survivors = list(find_browsers(folder))
    if survivors:
        await asyncio.to_thread(_end_browsers, survivors)


def _end_browsers(survivors: list[psutil.Process]) -> None:
    _, alive = psutil.wait_procs(survivors, timeout=SURVIVOR_EXIT_TIMEOUT_S)
    for process in alive:
        for member in (process, *_child_processes(process)):
            _kill(member)
    _, unkillable = psutil.wait_procs(alive, timeout=_KILL_TIMEOUT_S)
    if unkillable:
        raise ProfileInUse(f"the browser with pid {unkillable[0].pid} cannot be ended")


def _child_processes(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _kill(process: psutil.Process) -> None:
    try:
        process.kill()
    except psutil.NoSuchProcess:
        return
