"""Where received files go: a folder of this machine, or an address of `fsspec`. What is in a file is not looked at.

Names follow from the account, the chat and the key of the message, never from what a stranger wrote. A file is complete
before its name exists, and only its owner can read it. Writing the same file again gives the same name. The files of a
chat share a folder, so that they can be removed when its recipient is forgotten.
"""

import asyncio
import hashlib
import importlib
import os
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO, Any, Final, NamedTuple, Protocol

from streams.system.private_files import PRIVATE_DIR_MODE

_FILE_MODE: Final = 0o600
_PART_SUFFIX: Final = ".part"
_EXTENSIONS: Final = {
    "image/jpeg": ".jpg",
    "image/png": ".png",
    "image/webp": ".webp",
    "image/gif": ".gif",
    "video/mp4": ".mp4",
    "audio/ogg": ".ogg",
    "audio/mpeg": ".mp3",
    "audio/mp4": ".m4a",
    "application/pdf": ".pdf",
}


class StoredFile(NamedTuple):
    """A file in the store."""

    url: str
    size: int
    sha256: str


class MediaWriter(Protocol):
    """A file that is being written."""

    async def write(self, data: bytes) -> None:
        """Add these bytes."""
        ...

    async def finish(self) -> StoredFile:
        """The file is complete. Without this, nothing remains of it."""
        ...


class MediaStoreUnavailable(Exception):
    """The store cannot be written to. The text says what to do, and holds nothing private."""


class MediaStore:
    """The store at an address: a path, or `scheme://…`."""

    def __init__(self, address: str | Path) -> None:
        self._address = str(address)
        self._is_remote = "://" in self._address and not self._address.startswith("file://")

    @asynccontextmanager
    async def create(
        self, account: str, chat: str, key: str, mime: str | None
    ) -> AsyncIterator[MediaWriter]:
        """Write the file of a message in a chat (a number, or WhatsApp's id). Raises MediaStoreUnavailable."""
        name = build_name(account, chat, key, mime)
        writer = _RemoteWriter(self._address, name) if self._is_remote else self._open_local(name)
        try:
            yield writer
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise MediaStoreUnavailable(f"WA_MEDIA_STORE cannot be written: {reason}") from error
        finally:
            await asyncio.to_thread(writer.discard)

    async def remove_chat(self, account: str, chat: str) -> int:
        """Remove all files of a chat; returns how many there were. Raises MediaStoreUnavailable."""
        name = build_folder(account, chat)
        remove = self._remove_remote if self._is_remote else self._remove_local
        try:
            return await asyncio.to_thread(remove, name)
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise MediaStoreUnavailable(f"WA_MEDIA_STORE cannot be emptied: {reason}") from error

    def _remove_local(self, name: str) -> int:
        folder = self._find_local(name)
        if not folder.is_dir():
            return 0
        count = sum(1 for path in folder.iterdir() if path.suffix != _PART_SUFFIX)
        shutil.rmtree(folder)
        return count

    def _remove_remote(self, name: str) -> int:
        filesystem, path = open_filesystem(f"{self._address.rstrip('/')}/{name}")
        if not filesystem.exists(path):
            return 0
        count = len(filesystem.find(path))
        filesystem.rm(path, recursive=True)
        return count

    def _open_local(self, name: str) -> "_LocalWriter":
        return _LocalWriter(self._find_local(name))

    def _find_local(self, name: str) -> Path:
        return Path(self._address.removeprefix("file://")).expanduser() / name


def build_name(account: str, chat: str, key: str, mime: str | None) -> str:
    """The name of a message's file."""
    extension = _EXTENSIONS.get((mime or "").partition(";")[0].strip().lower(), ".bin")
    return f"{build_folder(account, chat)}/{_hash(account, key)}{extension}"


def build_folder(account: str, chat: str) -> str:
    """Where the files of a chat are."""
    return f"{account}/{_hash(account, chat)}"


def _hash(account: str, name: str) -> str:
    return hashlib.sha256(f"{account}/{name}".encode()).hexdigest()[:40]


class _Writer:
    """Counts and hashes what is written. Blocking calls are made in a thread."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._hash = hashlib.sha256()
        self._size = 0
        self._file: IO[bytes] | None = None

    async def write(self, data: bytes) -> None:
        """Add these bytes."""
        await asyncio.to_thread(self._write, data)

    async def finish(self) -> StoredFile:
        """The file is complete."""
        await asyncio.to_thread(self._finish)
        return StoredFile(self._url, self._size, self._hash.hexdigest())

    def _write(self, data: bytes) -> None:
        self._file = self._file or self.open()
        self._file.write(data)
        self._hash.update(data)
        self._size += len(data)

    def _finish(self) -> None:
        self._write(b"")  # an empty file exists too
        self.complete()

    def open(self) -> IO[bytes]:
        """Open the file."""
        raise NotImplementedError

    def complete(self) -> None:
        """Give the file its name."""
        raise NotImplementedError

    def discard(self) -> None:
        """Remove what is not complete."""
        raise NotImplementedError


class _LocalWriter(_Writer):
    """Writes beside the name, and renames at the end."""

    def __init__(self, path: Path) -> None:
        super().__init__(path.absolute().as_uri())
        self._path = path
        self._part = path.with_name(f"{path.name}.{os.getpid()}{_PART_SUFFIX}")

    def open(self) -> IO[bytes]:
        """Only the owner can read it."""
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=PRIVATE_DIR_MODE)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        return os.fdopen(os.open(self._part, flags, _FILE_MODE), "wb")

    def complete(self) -> None:
        """On the disk before it has its name."""
        assert self._file is not None
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._part.replace(self._path)

    def discard(self) -> None:
        """Remove the part, if it was not renamed."""
        if self._file is not None:
            self._file.close()
        self._part.unlink(missing_ok=True)


class _RemoteWriter(_Writer):
    """Writes through fsspec. A store such as S3 shows a file only when it is closed."""

    def __init__(self, address: str, name: str) -> None:
        super().__init__(f"{address.rstrip('/')}/{name}")
        self._is_complete = False
        self._remove: Callable[[], object] = lambda: None

    def open(self) -> IO[bytes]:
        """Open it in the file system of its address."""
        filesystem, path = open_filesystem(self._url)
        filesystem.makedirs(path.rpartition("/")[0], exist_ok=True)
        self._remove = lambda: filesystem.rm(path)
        return filesystem.open(path, "wb")

    def complete(self) -> None:
        """Close it: then it is there."""
        assert self._file is not None
        self._file.close()
        self._is_complete = True

    def discard(self) -> None:
        """Remove what is not complete, if the store has it."""
        if self._is_complete or self._file is None:
            return
        self._file.close()
        self._remove()


def open_filesystem(address: str) -> tuple[Any, str]:
    """The file system of an address, and the path in it. Raises MediaStoreUnavailable."""
    try:
        fsspec = importlib.import_module("fsspec")
        return fsspec.core.url_to_fs(address)
    except ImportError as error:
        scheme = address.partition("://")[0]
        raise MediaStoreUnavailable(
            f"WA_MEDIA_STORE={scheme}://…: install fsspec and its package for {scheme}"
        ) from error
    except ValueError as error:
        raise MediaStoreUnavailable(f"WA_MEDIA_STORE: {error}") from error
