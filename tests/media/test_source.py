"""The files of URLs as a sender uses them: fetched once, kept within bounds, and never taken away in use."""

import asyncio
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from streams.media import source as source_module
from streams.media.errors import MediaError
from streams.media.source import FetchedFile, MediaSource
from tests.media.servers import FileServer, open_source, serve_files

MAX_BYTES = 500_000


@pytest.fixture
async def server() -> AsyncIterator[FileServer]:
    """A web server."""
    async with serve_files() as server:
        yield server


async def fetch(
    source: MediaSource, url: str, message_id: str = "m1", wait_s: float = 20.0
) -> FetchedFile:
    """The file of this URL, for this message."""
    return await source.fetch(url, max_bytes=MAX_BYTES, message_id=message_id, wait_s=wait_s)


async def fetch_code(source: MediaSource, url: str, message_id: str, wait_s: float = 20.0) -> str:
    """The code of the error."""
    with pytest.raises(MediaError) as caught:
        await fetch(source, url, message_id, wait_s)
    return caught.value.code


def list_files(folder: Path) -> list[str]:
    """The kept contents."""
    return sorted(path.name for path in (folder / "files").iterdir())


async def test_many_messages_with_one_url_fetch_it_once(server: FileServer, tmp_path: Path) -> None:
    """Those at the same time wait for one download, and those after it get what it left."""
    async with open_source(tmp_path) as source:
        url = f"{server.url}/slow"
        together = [asyncio.create_task(fetch(source, url, f"m{n}")) for n in range(50)]
        while not server.requests:  # noqa: ASYNC110 - the server is in this process
            await asyncio.sleep(0)
        server.gate.set()
        files = await asyncio.gather(*together)
        changed_at_ns = files[0].path.stat().st_mtime_ns  # Chromium reads no file that has changed
        files.append(await fetch(source, url, "later"))
        assert server.requests == {"/slow": 1}
        assert len({file.path for file in files}) == 51
        assert {file.path.stat().st_ino for file in files} == {files[0].path.stat().st_ino}
        assert {file.path.stat().st_mtime_ns for file in files} == {changed_at_ns}
        for file in files:
            file.release()
        assert list((tmp_path / "in-use").iterdir()) == []


async def test_another_sender_of_this_machine_finds_the_file(
    server: FileServer, tmp_path: Path
) -> None:
    """The folder is shared by all accounts of the machine."""
    url = f"{server.url}/a.png"
    async with open_source(tmp_path) as first, open_source(tmp_path, owner="other") as second:
        await fetch(first, url)
        await fetch(second, url)
    assert server.requests == {"/a.png": 1}


async def test_two_senders_fetch_a_file_once(server: FileServer, tmp_path: Path) -> None:
    """They need it at the same moment: the second one waits for the first, and takes what it left."""
    url = f"{server.url}/slow"
    async with open_source(tmp_path) as first, open_source(tmp_path, owner="other") as second:
        together = [asyncio.create_task(fetch(source, url)) for source in (first, second)]
        while not server.requests:  # noqa: ASYNC110 - the server is in this process
            await asyncio.sleep(0)
        server.gate.set()
        files = await asyncio.gather(*together)
    assert server.requests == {"/slow": 1}
    assert files[0].sha256 == files[1].sha256


async def test_a_sender_that_ends_lets_the_other_one_fetch(
    server: FileServer, tmp_path: Path
) -> None:
    """Its lock ends with its download, whatever becomes of that."""
    url = f"{server.url}/slow"
    async with open_source(tmp_path, owner="other") as second:
        async with open_source(tmp_path) as first:
            await fetch_code(first, url, "m1", wait_s=0.0)
            while not server.requests:  # noqa: ASYNC110 - the server is in this process
                await asyncio.sleep(0)
            waiting = asyncio.create_task(fetch(second, url))
        server.gate.set()
        assert (await waiting).size_bytes > 0
    assert server.requests == {"/slow": 2}


async def test_only_the_owner_can_read_the_files(server: FileServer, tmp_path: Path) -> None:
    """A file may be private, and its URL may be signed: it is written down nowhere."""
    async with open_source(tmp_path / "cache") as source:
        server.files["/b.png"] = b"b"
        await fetch(source, f"{server.url}/b.png?signed=secret")
        folders = [tmp_path / "cache", *(tmp_path / "cache").iterdir()]
        assert {stat.S_IMODE(folder.stat().st_mode) for folder in folders} == {0o700}
        notes = [path.read_text() for path in (tmp_path / "cache" / "urls").iterdir()]
        assert len(notes) == 1
        assert "secret" not in notes[0]


async def test_an_old_file_is_asked_for_again(server: FileServer, tmp_path: Path) -> None:
    """A server that knows its own file sends it again only if it has changed."""
    server.headers["ETag"] = '"1"'
    url = f"{server.url}/a.png"
    async with open_source(tmp_path, max_age_s=0.0) as source:
        first = await fetch(source, url)
        second = await fetch(source, url)
        assert second.sha256 == first.sha256
        server.headers["ETag"], server.files["/a.png"] = '"2"', b"another"
        third = await fetch(source, url)
        assert third.path.read_bytes() == b"another"
    assert server.statuses == [200, 304, 200]


async def test_the_server_may_name_its_file(server: FileServer, tmp_path: Path) -> None:
    """A path, or a name that deceives, is no name."""
    server.headers["Content-Disposition"] = 'attachment; filename="bill 1.pdf"'
    async with open_source(tmp_path, max_age_s=0.0) as source:
        assert (await fetch(source, f"{server.url}/a.png")).filename == "bill 1.pdf"
        server.headers["Content-Disposition"] = 'attachment; filename="..%2f..%2fpasswd"'
        name = (await fetch(source, f"{server.url}/a.png")).filename
        assert name is None or "/" not in name


async def test_a_slow_file_comes_while_its_message_waits_elsewhere(
    server: FileServer, tmp_path: Path
) -> None:
    """Messages are handed back, at once if the download is slow already; they find the file when they come again."""
    async with open_source(tmp_path, patience_s=0.05) as source:
        url = f"{server.url}/slow"
        assert await fetch_code(source, url, "m1") == "media_pending"
        assert await fetch_code(source, url, "m2") == "media_pending"
        server.gate.set()
        while source._jobs:  # noqa: ASYNC110 - the download has no event for others
            await asyncio.sleep(0.001)
        assert (await fetch(source, url)).size_bytes > 0
    assert server.requests == {"/slow": 1}


async def test_each_message_gets_each_failure_once(server: FileServer, tmp_path: Path) -> None:
    """A second try of a message asks the server again; the first one of another message does not."""
    async with open_source(tmp_path) as source:
        url = f"{server.url}/none"
        for message_id in ("m1", "m2", "m3"):
            assert await fetch_code(source, url, message_id) == "media_fetch_failed"
        assert server.requests == {"/none": 1}
        assert await fetch_code(source, url, "m1") == "media_fetch_failed"
        assert server.requests == {"/none": 2}
        server.files["/none"] = b"now it is there"
        assert (await fetch(source, url, "m1")).size_bytes == 15
        assert (await fetch(source, url, "m2")).size_bytes == 15


async def test_the_least_recently_used_files_make_room(server: FileServer, tmp_path: Path) -> None:
    """Beyond the bound; one in use keeps its content until it is released, also for another sender."""
    server.files = {f"/{name}": name.encode() * 1000 for name in "abcd"}
    async with (
        open_source(tmp_path, max_cache_bytes=2500) as source,
        open_source(tmp_path, owner="other", max_cache_bytes=2500) as other,
    ):
        files = {}
        for name in "ab":
            files[name] = await fetch(source, f"{server.url}/{name}")
            await asyncio.sleep(0.01)  # the time of a file has to differ
        await fetch(source, f"{server.url}/a")
        for name in "cd":
            await asyncio.sleep(0.01)
            files[name] = await fetch(other, f"{server.url}/{name}")
        kept = list_files(tmp_path)
        assert kept == sorted(files[name].sha256 for name in "cd")
        assert files["b"].path.read_bytes() == server.files["/b"]
        files["b"].release()
        assert not files["b"].path.exists()


async def test_what_a_killed_process_left_is_removed(server: FileServer, tmp_path: Path) -> None:
    """By the next one of its name, and only what was its own."""
    for folder in ("incoming", "in-use"):
        (tmp_path / folder).mkdir()
        for owner in ("sender-main-1", "sender-other-1"):
            (tmp_path / folder / f"{owner}-0").write_bytes(b"left")
    async with open_source(tmp_path) as source:
        await fetch(source, f"{server.url}/a.png")
        left = [path.name for path in (tmp_path / "incoming").iterdir()]
        assert left == ["sender-other-1-0"]
        assert (tmp_path / "in-use" / "sender-other-1-0").exists()


async def test_a_full_or_broken_disk_is_an_error_of_the_message(
    server: FileServer, tmp_path: Path
) -> None:
    """It is tried again later, and the detail says what to do."""
    (tmp_path / "file").write_text("not a folder")
    async with open_source(tmp_path / "file" / "cache") as source:
        assert await fetch_code(source, f"{server.url}/a.png", "m1") == "media_fetch_failed"
    async with open_source(tmp_path / "cache") as source:
        source._min_free_bytes = 1 << 62
        with pytest.raises(MediaError, match="almost full; free some space"):
            await fetch(source, f"{server.url}/a.png")
    assert not server.requests


async def test_only_so_many_downloads_run_at_a_time(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message of one more is handed back, as if its download were slow."""
    monkeypatch.setattr(source_module, "MAX_DOWNLOADS", 1)
    async with open_source(tmp_path) as source:
        assert await fetch_code(source, f"{server.url}/slow", "m1", wait_s=0.0) == "media_pending"
        assert await fetch_code(source, f"{server.url}/a.png", "m2") == "media_pending"
    assert not source._jobs
