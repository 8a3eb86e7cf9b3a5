"""A file while it is being fetched: written to disk piece by piece, hashed and counted. It is never whole in memory.

Nothing here knows where the bytes come from.
"""

import asyncio
import hashlib
import os
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from streams.media import errors

# So much is collected in memory before it is written by a thread.
_WRITE_BYTES: Final = 1 << 20


class Validators(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a server recognises its own file by: it then sends it again only if it has changed."""

    etag: str | None = None
    last_modified: str | None = None


class Download(msgspec.Struct, frozen=True):
    """A file that was fetched whole."""

    sha256: str
    size_bytes: int
    filename: str | None  # as the server calls it
    validators: Validators


class IncomingFile:
    """The file at `path` in the making. Open it with `async with`; it is not removed on errors."""

    def __init__(self, path: Path, max_bytes: int) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._hash = hashlib.sha256()
        self._pieces = bytearray()
        self._file: BinaryIO | None = None
        self.size_bytes = 0

    async def __aenter__(self) -> "IncomingFile":
        self._file = await asyncio.to_thread(self._open)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._file is not None
        await asyncio.to_thread(self._file.close)

    def _open(self) -> BinaryIO:
        """Only the owner may read it, whatever the umask is."""
        return open(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")

    def expect(self, size_bytes: int | None) -> None:
        """The source says that it has this many bytes. Raises MediaError if that is too many."""
        if size_bytes is not None and size_bytes > self._max_bytes:
            raise errors.too_large(self._max_bytes)

    async def write(self, piece: bytes) -> None:
        """Raises MediaError as soon as the file is too large."""
        self.size_bytes += len(piece)
        if self.size_bytes > self._max_bytes:
            raise errors.too_large(self._max_bytes)
        self._pieces += piece
        if len(self._pieces) >= _WRITE_BYTES:
            await self._flush()

    async def finish(self, filename: str | None, validators: Validators) -> Download:
        """All of it has come."""
        await self._flush()
        return Download(self._hash.hexdigest(), self.size_bytes, filename, validators)

    async def _flush(self) -> None:
        pieces, self._pieces = bytes(self._pieces), bytearray()
        await asyncio.to_thread(self._write, pieces)

    def _write(self, pieces: bytes) -> None:
        assert self._file is not None
        self._hash.update(pieces)
        self._file.write(pieces)
