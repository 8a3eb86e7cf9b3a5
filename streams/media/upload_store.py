"""The files that programs upload before they send them: in a folder of this machine, or at an address of `fsspec`.

The reference of a file is `wa-media://<day>-<32 hex digits>`, so a file's folder, and the day on which it goes, follow
from its reference alone. The second part is random, so nobody can guess the reference. Names that a caller gave are
never part of a path. Blocking calls are made in threads.
"""

import asyncio
import os
import re
import secrets
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from streams.contract.request.media_url import UPLOAD_SCHEME
from streams.media.store_calls import StoreCalls, open_file_system
from streams.settings import Settings
from streams.system.private_files import PRIVATE_DIR_MODE

_FOLDER: Final = "_uploads"  # an account, whose received files are beside it, cannot have this name
_ID: Final = re.compile(r"(\d{8})-[0-9a-f]{32}")
_MAX_THREADS: Final = 4  # as many files as are uploaded at a time
_PART: Final = ".part"
_DAY: Final = "%Y%m%d"


class UploadStore:
    """The store that the settings describe. While a file comes, it is on this machine's disk."""

    def __init__(self, settings: Settings) -> None:
        address = settings.media_store or str(settings.data_dir / "media")
        self._is_remote = "://" in address and not address.startswith("file://")
        self._address = address.removeprefix("file://").rstrip("/")
        root = settings.data_dir / "media" if self._is_remote else Path(self._address).expanduser()
        self._root = root / _FOLDER
        self._calls = StoreCalls(_MAX_THREADS, "upload-store")
        self._max_age = timedelta(days=settings.upload_retention_days)

    def make_id(self, now_s: float) -> str:
        """A new reference's id. `now_s`: the broker's time."""
        return f"{datetime.fromtimestamp(now_s, UTC).strftime(_DAY)}-{secrets.token_hex(16)}"

    def get_expiry(self, upload_id: str) -> datetime:
        """When the file may be removed: a day begins after the days of its retention."""
        return _read_day(upload_id) + self._max_age + timedelta(days=1)

    def free_bytes(self) -> int:
        """What the disk has left on which files arrive."""
        self._root.mkdir(parents=True, exist_ok=True, mode=PRIVATE_DIR_MODE)
        return shutil.disk_usage(self._root).free

    @asynccontextmanager
    async def reserve(self, upload_id: str) -> AsyncIterator[Path]:
        """Where to write the file. `keep` stores it; without that, nothing remains of it. Raises OSError."""
        path = self._root / f"{upload_id}{_PART}"
        await asyncio.to_thread(self._root.mkdir, PRIVATE_DIR_MODE, parents=True, exist_ok=True)
        try:
            yield path
        finally:
            await asyncio.to_thread(path.unlink, missing_ok=True)

    async def keep(self, upload_id: str, path: Path) -> None:
        """Store a file that was received whole; it is durable when this returns.

        Raises:
            OSError: it cannot be written. A remote store has errors of its own.
        """
        keep = self._keep_remote if self._is_remote else self._keep_local
        await self._calls.run(lambda: keep(upload_id, path))

    def _keep_local(self, upload_id: str, path: Path) -> None:
        with path.open("rb") as file:
            os.fsync(file.fileno())
        target = self._root / upload_id[:8] / upload_id
        target.parent.mkdir(exist_ok=True, mode=PRIVATE_DIR_MODE)
        path.replace(target)

    def _keep_remote(self, upload_id: str, path: Path) -> None:
        file_system, name = open_file_system(self._get_address(upload_id))
        file_system.makedirs(name.rpartition("/")[0], exist_ok=True)
        file_system.put_file(str(path), name)

    def _get_address(self, upload_id: str) -> str:
        return f"{self._address}/{_FOLDER}/{upload_id[:8]}/{upload_id}"

    def open_for_reading(self, upload_id: str) -> Any:
        """The file. Raises FileNotFoundError, and what the store raises."""
        if not self._is_remote:
            return (self._root / upload_id[:8] / upload_id).open("rb")
        file_system, name = open_file_system(self._get_address(upload_id))
        return file_system.open(name, "rb")

    def remove_expired(self, now_s: float) -> int:
        """Remove the days that are over; returns how many. Blocks. Raises OSError, and what the store raises."""
        today = datetime.fromtimestamp(now_s, UTC)
        first_kept = (today - self._max_age).strftime(_DAY)
        self._remove_parts((today - timedelta(days=1)).strftime(_DAY))
        if self._is_remote:
            return self._remove_remote(first_kept)
        days = [path for path in self._root.glob("*") if _is_before(path.name, first_kept)]
        for folder in days:
            shutil.rmtree(folder)
        return len(days)

    def _remove_parts(self, day: str) -> None:
        """Of uploads that a killed process did not end."""
        for path in self._root.glob(f"*{_PART}"):
            if _is_before(path.name[:8], day):
                path.unlink(missing_ok=True)

    def _remove_remote(self, first_kept: str) -> int:
        file_system, name = open_file_system(f"{self._address}/{_FOLDER}")
        paths = file_system.ls(name, detail=False) if file_system.exists(name) else []
        names = [str(path).rstrip("/") for path in paths]
        days = [path for path in names if _is_before(path.rpartition("/")[2], first_kept)]
        for folder in days:
            file_system.rm(folder, recursive=True)
        return len(days)


def make_url(upload_id: str) -> str:
    """The reference."""
    return f"{UPLOAD_SCHEME}://{upload_id}"


def read_id(url: str) -> str | None:
    """The id in a reference; None: it is none of ours."""
    parts = urlsplit(url)
    is_ours = parts.scheme == UPLOAD_SCHEME and _ID.fullmatch(parts.netloc) is not None
    return parts.netloc if is_ours else None


def _read_day(upload_id: str) -> datetime:
    return datetime.strptime(upload_id[:8], _DAY).replace(tzinfo=UTC)


def _is_before(name: str, day: str) -> bool:
    """Whether this is the folder of a day before that one; what is no day's folder stays."""
    return len(name) == len(day) and name.isdigit() and name < day
