"""Files are uploaded over real HTTP, and a sender finds them by the reference."""

import asyncio
import threading
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest

from streams.console.web.api import uploads
from streams.contract.request import media_url
from streams.media.errors import MediaError
from streams.media.factory import create_source
from streams.media.upload_store import UploadStore, read_id
from streams.settings import Settings
from tests.console.world import PHONE, Topics, Visitor, visit
from tests.media.servers import PNG
from tests.support.waiting import wait_until

pytestmark = pytest.mark.broker


async def upload(
    visitor: Visitor, body: Any, query: str = "", **headers: str
) -> tuple[int, dict[str, Any]]:
    """The status and the document of the answer."""
    url = f"{visitor.url}/api/media{query}"
    async with visitor.http.post(url, data=body, headers=headers) as response:
        return response.status, orjson.loads(await response.read())


def list_files(settings: Settings) -> list[str]:
    """What the store holds."""
    root = settings.data_dir / "media" / "_uploads"
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


async def test_an_uploaded_file_reaches_the_sender(topics: Topics) -> None:
    """The answer says what it is; the reference is accepted in a message, and read by a sender."""
    async with visit(topics.settings) as visitor:
        status, image = await upload(visitor, PNG)
        assert status == 201, image
        assert (image["mime"], image["size"]) == ("image/png", len(PNG))
        assert image["sha256"] == sha256(PNG).hexdigest()
        assert image["content"] == {"type": "image", "url": image["url"], "mime": "image/png"}
        status, document = await upload(visitor, PNG, "?kind=document&filename=bill%20%C3%A9.png")
        assert (status, document["content"]["filename"]) == (201, "bill é.png")
        message = {"to": PHONE, "content": image["content"]}
        async with visitor.http.post(f"{visitor.url}/api/messages", json=message) as response:
            assert response.status == 202
    assert media_url.check(image["url"])
    async with AsyncExitStack() as closing:
        source = create_source(topics.settings, "sender-main", closing)
        file = await source.fetch(image["url"], max_bytes=1 << 20, message_id="A", wait_s=30.0)
        assert file.path.read_bytes() == PNG
        file.release()
        for url in ("wa-media://20200101-" + "0" * 32, "wa-media://../../x", "wa-media://x"):
            with pytest.raises(MediaError):
                await source.fetch(url, max_bytes=1 << 20, message_id="B", wait_s=30.0)


async def test_what_cannot_be_sent_is_refused_and_leaves_nothing(topics: Topics) -> None:
    """Wrong kinds, empty files, paths as names, files that are too large, with and without saying so."""
    settings = replace(topics.settings, media_max_mb=1)

    async def many() -> Any:
        for _ in range(40):
            yield b"x" * 65_536

    async with visit(settings) as visitor:
        for body, query, expected in (
            (b"", "", 422),
            (PNG, "?kind=video", 422),
            (PNG, "?kind=text", 400),
            (PNG, "?filename=..%2F..%2Fetc%2Fpasswd", 400),
            (PNG, "?filename=", 400),
            (b"x" * (1 << 21), "", 413),
            (many(), "", 413),
        ):
            status, document = await upload(visitor, body, query)
            assert (status, document["status"]) == (expected, expected), (query, document)
            assert "content.url" not in document["detail"], "no field of this call has this name"
        _, video = await upload(visitor, PNG, "?kind=video")
        assert video["detail"] == "the file: is image/png, which cannot be sent as a video"
        _, page = await upload(visitor, b"<!doctype html>", "?kind=document&filename=bill.pdf")
        assert page["detail"] == "the file: is text/html, and its name says application/pdf"
        form = {"Content-Type": "multipart/form-data; boundary=x"}
        assert (await upload(visitor, PNG, **form))[0] == 415
        assert (await upload(visitor, PNG, Origin="http://evil.example"))[0] == 403
        assert list_files(settings) == []


async def test_a_body_of_100_mb_is_refused_while_it_comes(topics: Topics) -> None:
    """By both calls, with an answer or the end of the connection; then the next file is taken."""
    settings = replace(topics.settings, media_max_mb=1)

    async def pieces() -> Any:
        for _ in range(100):
            yield b"x" * (1 << 20)

    async with visit(settings) as visitor:
        for path in ("/api/media", "/api/messages"):
            status = 413
            headers = {"Content-Type": "application/json"}
            with suppress(aiohttp.ClientError):
                url = f"{visitor.url}{path}"
                async with visitor.http.post(url, data=pieces(), headers=headers) as response:
                    status = response.status
            assert status == 413
        assert list_files(settings) == []
        assert (await upload(visitor, PNG))[0] == 201


async def test_the_number_of_uploads_is_limited(
    topics: Topics, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One more is refused with a time to wait, and accepted when another one has ended."""
    monkeypatch.setattr(uploads, "_SILENCE_TIMEOUT_S", 600.0)  # a slow machine ends none of them
    released = asyncio.Event()

    async def slow() -> Any:
        yield PNG
        await released.wait()

    settings = replace(topics.settings, console_view_token="look", console_operate_token="act")
    act = {"Authorization": "Bearer act"}
    async with visit(settings) as visitor:
        assert (await upload(visitor, PNG))[0] == 401
        assert (await upload(visitor, PNG, Authorization="Bearer look"))[0] == 403
        running = [
            asyncio.create_task(upload(visitor, slow(), **act)) for _ in range(uploads.MAX_UPLOADS)
        ]
        await wait_until(lambda: len(list_files(settings)) == uploads.MAX_UPLOADS)
        status, document = await upload(visitor, PNG, **act)
        assert (status, "being uploaded" in document["detail"]) == (429, True)
        released.set()
        assert [status for status, _ in await asyncio.gather(*running)] == [201] * len(running)
        assert (await upload(visitor, PNG, **act))[0] == 201


async def test_a_store_that_does_not_answer_blocks_nobody(
    topics: Topics, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many uploads as are allowed get an answer, and when the store is back, the next file is taken."""
    answered, keep = threading.Event(), UploadStore._keep_local

    def hang(store: UploadStore, upload_id: str, path: Path) -> None:
        assert answered.wait(120)
        keep(store, upload_id, path)

    async with visit(topics.settings) as visitor:
        with monkeypatch.context() as patch:
            patch.setattr(UploadStore, "_keep_local", hang)
            patch.setattr(uploads, "_STORE_TIMEOUT_S", 0.5)
            for _ in range(uploads.MAX_UPLOADS + 1):
                status, document = await upload(visitor, PNG)
                assert (status, "in time" in document["detail"]) == (503, True), document
        answered.set()
        assert (await upload(visitor, PNG))[0] == 201


@pytest.mark.parametrize(
    ("error", "expected", "detail"),
    [
        (LookupError("an error of the store's library"), 503, "LookupError"),
        (TimeoutError(110, "Connection timed out"), 503, "in time"),
        (OSError(28, "No space left on device"), 507, "No space left"),
        (OSError("without a number"), 507, "OSError"),
    ],
)
async def test_an_error_of_the_store_is_an_answer(
    topics: Topics,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    expected: int,
    detail: str,
) -> None:
    """Each library has errors of its own; none is the caller's mistake."""

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(UploadStore, "_keep_local", fail)
    async with visit(topics.settings) as visitor:
        status, document = await upload(visitor, PNG)
    assert (status, detail in document["detail"]) == (expected, True), document
    assert list_files(topics.settings) == []


async def test_uploads_can_be_turned_off(topics: Topics) -> None:
    """Where no sender could read them."""
    async with visit(replace(topics.settings, uploads=False)) as visitor:
        status, document = await upload(visitor, PNG)
    assert (status, "WA_UPLOADS" in document["detail"]) == (501, True)


async def test_an_upload_expires(settings: Settings) -> None:
    """Its day goes after the retention; another folder and a younger day stay."""
    store = UploadStore(replace(settings, upload_retention_days=2))
    first = store.make_id(1_767_225_600.0)  # 2026-01-01
    async with store.reserve(first) as path:
        path.write_bytes(b"x")
        await store.keep(first, path)
    (settings.data_dir / "media" / "_uploads" / "other").mkdir()
    assert read_id(f"wa-media://{first}") == first
    assert store.get_expiry(first).isoformat() == "2026-01-04T00:00:00+00:00"
    assert store.remove_expired(1_767_225_600.0 + 2 * 86_400) == 0
    assert store.open_for_reading(first).read() == b"x"
    assert store.remove_expired(1_767_225_600.0 + 3 * 86_400) == 1
    assert list_files(settings) == []
    with pytest.raises(FileNotFoundError):
        store.open_for_reading(first)
