"""The fetched files on disk: each content once, under its SHA-256, and for each URL a note of what it had last.

    files/<sha256>             a file that was fetched whole, whatever its URLs are; its access time is that of its
                               last use. Its other time never changes: Chromium reads no file that has changed
    urls/<sha256 of a URL>     a note; its time is that of the last answer of the server
    incoming/<owner>-<n>       a file in the making
    in-use/<owner>-<n>         a second name of a file that a message needs now
    locks/<sha256 of a URL>    held while a sender fetches from it, so that no other one does at the same time

Several senders share the folder. The second name keeps a file that another one evicts. `owner` is the worker's name, of
which there is one process at a time: what an earlier one left is removed. Only the owner of the folder may read it.
Calls block for as long as a disk takes, so they are made in a thread.
"""

import itertools
import logging
import os
import shutil
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from typing import Final

import filelock
import msgspec

from streams.media.files import Download
from streams.system.private_files import PRIVATE_DIR_MODE

log = logging.getLogger(__name__)

_FOLDERS: Final = ("files", "urls", "incoming", "in-use", "locks")
_LOCK_POLL_S: Final = 0.1
_MAX_UNUSED_S: Final = 86_400.0  # nothing is kept for longer without a use


class MediaCache:
    """The folder, as one sender uses it."""

    def __init__(self, folder: Path, owner: str, *, max_bytes: int, max_age_s: float) -> None:
        """A note is fresh for `max_age_s`. Beyond `max_bytes`, the files are removed that were not used for longest."""
        self._folder = folder
        paths = [folder / name for name in _FOLDERS]
        self._files, self._urls, self._incoming, self._in_use, self._locks = paths
        self._owner = owner
        self._max_bytes = max_bytes
        self._max_age_s = max_age_s
        self._numbers = itertools.count()

    def open(self) -> None:
        """Create the folder, and remove what an earlier process of this owner left. Raises OSError."""
        self._folder.parent.mkdir(parents=True, exist_ok=True)
        for folder in (self._folder, *(self._folder / name for name in _FOLDERS)):
            folder.mkdir(mode=PRIVATE_DIR_MODE, exist_ok=True)
        for folder in (self._incoming, self._in_use):
            for path in folder.glob(f"{self._owner}-*"):
                path.unlink(missing_ok=True)
        self._evict(keep="")

    # -- notes

    def find(self, url: str) -> Download | None:
        """What the URL had last, if its file is still there."""
        try:
            note = msgspec.json.decode(self._note_path(url).read_bytes(), type=Download)
        except (OSError, msgspec.DecodeError):
            return None
        return note if (self._files / note.sha256).is_file() else None

    def is_fresh(self, url: str) -> bool:
        """Whether the server need not be asked again. A clock that was set back makes a note old."""
        try:
            age_s = time.time() - self._note_path(url).stat().st_mtime
        except OSError:
            return False
        return 0 <= age_s < self._max_age_s

    def refresh(self, url: str) -> None:
        """The server has said that the file is the same. Raises OSError."""
        os.utime(self._note_path(url))

    def _note_path(self, url: str) -> Path:
        """The URL itself is not written down: it may be signed."""
        return self._urls / sha256(url.encode()).hexdigest()

    @asynccontextmanager
    async def lock(self, url: str) -> AsyncIterator[None]:
        """Held by one sender of this machine at a time. To wait for it blocks nothing. Raises OSError."""
        path = self._locks / self._note_path(url).name
        async with filelock.AsyncFileLock(path, poll_interval=_LOCK_POLL_S):
            try:
                yield
            finally:
                path.unlink(missing_ok=True)

    # -- files

    def make_path(self) -> Path:
        """The path of a new file in the making."""
        return self._incoming / f"{self._owner}-{next(self._numbers)}"

    def free_bytes(self) -> int:
        """What is free on its disk. Raises OSError."""
        return shutil.disk_usage(self._files).free

    def store(self, url: str, path: Path, download: Download) -> None:
        """Take over a file that was fetched whole, and make room for it. Raises OSError."""
        path.replace(self._files / download.sha256)
        note_path = self.make_path()
        note_path.write_bytes(msgspec.json.encode(download))
        note_path.replace(self._note_path(url))
        self._evict(keep=download.sha256)

    def take(self, download: Download) -> Path:
        """A name of the file that stays until it is released. Raises OSError, also if the file was evicted."""
        file, path = self._files / download.sha256, self._in_use / self.make_path().name
        os.utime(file, ns=(time.time_ns(), file.stat().st_mtime_ns))
        try:
            path.hardlink_to(file)
        except FileNotFoundError:
            raise
        except OSError:  # a file system without hard links
            shutil.copyfile(file, path)
        return path

    def release(self, path: Path) -> None:
        """The file is not needed under this name any more."""
        path.unlink(missing_ok=True)

    # -- room

    def _evict(self, keep: str) -> None:
        """Remove what is old, and the least recently used files beyond the bound; never `keep`."""
        oldest_s = time.time() - _MAX_UNUSED_S
        total_bytes = 0
        for used_at_s, size_bytes, file in _list_newest_first(self._files, _get_access_s):
            total_bytes += size_bytes
            is_surplus = total_bytes > self._max_bytes or used_at_s < oldest_s
            if is_surplus and file.name != keep:
                file.unlink(missing_ok=True)
                total_bytes -= size_bytes
        for folder in (self._urls, self._locks):  # a process that was killed leaves its locks
            for changed_at_s, _, file in _list_newest_first(folder, _get_change_s):
                if changed_at_s < oldest_s:
                    file.unlink(missing_ok=True)


def _get_access_s(status: os.stat_result) -> float:
    return status.st_atime


def _get_change_s(status: os.stat_result) -> float:
    return status.st_mtime


def _list_newest_first(
    folder: Path, get_time_s: Callable[[os.stat_result], float]
) -> list[tuple[float, int, Path]]:
    entries: list[tuple[float, int, Path]] = []
    for path in folder.iterdir():
        try:
            status = path.stat()
        except FileNotFoundError:  # another sender removes files too
            continue
        entries.append((get_time_s(status), status.st_size, path))
    return sorted(entries, reverse=True)
