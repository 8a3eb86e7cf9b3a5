"""Files by a scheme of fsspec, with its file system in memory: what is not allowed, not there, or has not changed."""

import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from streams.media.cache import MediaCache
from streams.media.errors import MediaError
from streams.media.remote import RemoteClient
from streams.media.source import FetchedFile, MediaSource

MAX_BYTES = 3_000_000


@pytest.fixture
def store() -> Iterator[MemoryFileSystem]:
    """An empty store."""
    store = MemoryFileSystem()
    store.store.clear()
    yield store
    store.store.clear()


@pytest.fixture
async def source(tmp_path: Path) -> AsyncIterator[MediaSource]:
    """A source that may read from it. Each note is old at once."""
    source = MediaSource(
        MediaCache(tmp_path, "sender-main-1", max_bytes=1 << 30, max_age_s=0.0),
        {"memory": RemoteClient(["memory"])},
        max_file_bytes=MAX_BYTES,
        timeout_s=20.0,
        patience_s=20.0,
    )
    yield source
    await source.close()


async def fetch(source: MediaSource, url: str) -> FetchedFile:
    """The file of this URL."""
    return await source.fetch(url, max_bytes=MAX_BYTES, message_id="m1", wait_s=20.0)


async def fetch_error(source: MediaSource, url: str) -> MediaError:
    """Why there is no file."""
    with pytest.raises(MediaError) as caught:
        await fetch(source, url)
    return caught.value


async def test_a_file_is_fetched_piece_by_piece(
    source: MediaSource, store: MemoryFileSystem
) -> None:
    """Each byte of it, over several reads."""
    data = bytes(range(256)) * 10_000
    store.pipe("/bucket/a.bin", data)
    file = await fetch(source, "memory://bucket/a.bin")
    assert file.path.read_bytes() == data


async def test_a_file_that_has_not_changed_is_not_read_again(
    source: MediaSource, store: MemoryFileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its mark tells; without one it is read each time that its note is old."""
    info: dict[str, Any] = {"size": 1, "ETag": '"1"'}
    monkeypatch.setattr(MemoryFileSystem, "info", lambda *_, **__: info)
    store.pipe("/bucket/a", b"1")
    first = await fetch(source, "memory://bucket/a")
    store.pipe("/bucket/a", b"2")
    assert (await fetch(source, "memory://bucket/a")).sha256 == first.sha256
    info["ETag"] = '"2"'
    assert (await fetch(source, "memory://bucket/a")).path.read_bytes() == b"2"


@pytest.mark.parametrize(
    ("url", "code", "detail"),
    [
        ("memory://bucket/none", "media_fetch_failed", "there is no such file"),
        ("memory://bucket/large", "media_too_large", "more than 3000000 bytes"),
        ("file:///etc/passwd", "media_url_not_allowed", "does not allow its scheme"),
        ("memory://user:secret@bucket/a", "media_url_not_allowed", "a user name or a password"),
        ("memory://bucket/a::file:///etc/passwd", "media_url_not_allowed", "must not chain"),
    ],
)
async def test_what_cannot_be_fetched(
    source: MediaSource, store: MemoryFileSystem, url: str, code: str, detail: str
) -> None:
    """The code is one of the contract's, and the detail says why."""
    store.pipe("/bucket/large", bytes(MAX_BYTES + 1))
    error = await fetch_error(source, url)
    assert (error.code, detail in error.detail) == (code, True), error


async def test_a_lie_about_the_size_is_noticed(
    source: MediaSource, store: MemoryFileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is counted while it is read."""
    store.pipe("/bucket/large", bytes(MAX_BYTES + 1))
    monkeypatch.setattr(MemoryFileSystem, "info", lambda *_, **__: {"size": 1})
    assert (await fetch_error(source, "memory://bucket/large")).code == "media_too_large"


async def test_without_fsspec_the_remedy_is_named(
    source: MediaSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not installed with wa-streams."""
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    error = await fetch_error(source, "memory://bucket/a")
    assert "install fsspec and its package for memory" in error.detail


async def test_an_error_of_the_store_is_an_error_of_the_message(
    source: MediaSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of any type, because each store has its own; its text may hold what must not be logged."""

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("the secret key is wrong")

    monkeypatch.setattr(MemoryFileSystem, "info", fail)
    error = await fetch_error(source, "memory://bucket/a")
    assert (error.code, error.detail) == (
        "media_fetch_failed",
        "the store cannot be read (RuntimeError)",
    )
