"""A message with a URL in the send pipeline: its file comes first, holds up nobody, and is let go at the end."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from streams.domain.errors import Error
from streams.domain.phone.events import Deferred, Failed, Result, Sent
from streams.domain.sending.command import SendCommand
from streams.domain.sending.message_id import derive_whatsapp_id
from streams.media import errors
from streams.sender import pipeline as pipeline_module
from tests.sender.conftest import open_sender
from tests.sender.fast import FastSender, make_command, run_until_idle, until

PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 40
OPUS = b"OggS" + b"\x00" * 24 + b"OpusHead"
URL = "https://example.com/files/a.png?signed=1"


@pytest.fixture
async def sender() -> AsyncIterator[FastSender]:
    """An open sender whose session is ready. At the end, no file is in use."""
    async with open_sender() as sender:
        yield sender
    assert sender.media.in_use == set()


def make_media_command(request_id: str, url: str = URL, **fields: Any) -> SendCommand:
    """A dispatch of an image; each has a recipient of its own."""
    options: dict[str, Any] = {
        name: fields.pop(name) for name in ("timeout_s", "number") if name in fields
    }
    content = orjson.dumps({"type": "image", "url": url, **fields})
    phone = f"+6012{sum(request_id.encode()):07}"
    return make_command(request_id, phone=phone, content=content, **options)


def add_file(sender: FastSender, folder: Path, data: bytes = PNG, url: str = URL) -> Path:
    """The URL has this file."""
    path = folder / f"{len(sender.media.files)}"
    path.write_bytes(data)
    sender.media.files[url] = path
    return path


async def test_the_page_gets_the_file_and_its_type(sender: FastSender, tmp_path: Path) -> None:
    """The content has no URL any more, and no bytes; the file stays until the result."""
    path = add_file(sender, tmp_path)
    result = await sender.send(make_media_command("a", caption="see"))
    assert isinstance(result, Sent)
    [submission] = sender.driver.submissions
    assert submission.media_path == path
    assert submission.content == {
        "type": "image",
        "caption": "see",
        "mime": "image/png",
        "filename": "image.png",
    }


@pytest.mark.parametrize(
    ("content", "data", "expected"),
    [
        ({"type": "document"}, b"%PDF-1.4", ("application/pdf", "bill.pdf")),
        ({"type": "document", "filename": "a.pdf"}, b"%PDF-1.4", ("application/pdf", "a.pdf")),
        ({"type": "audio", "voice": True}, OPUS, ("audio/ogg; codecs=opus", "audio.ogg")),
    ],
)
async def test_a_file_gets_a_name(
    sender: FastSender,
    tmp_path: Path,
    content: dict[str, Any],
    data: bytes,
    expected: tuple[str, str],
) -> None:
    """A document that the caller does not name has the name of its URL."""
    url = "https://example.com/x/bill.pdf"
    add_file(sender, tmp_path, data, url)
    assert isinstance(await sender.send(make_media_command("a", url, **content)), Sent)
    [submission] = sender.driver.submissions
    assert (submission.content["mime"], submission.content["filename"]) == expected


@pytest.mark.parametrize(
    ("content", "data", "detail"),
    [
        ({}, b"%PDF-1.4", "content.url: is application/pdf, which cannot be sent as an image"),
        ({}, b"", "content.url: is an empty file"),
        ({"mime": "image/gif"}, PNG, "content.mime: contradicts content.url, which is image/png"),
        (
            {"type": "document", "filename": "bill.pdf"},
            b"<!doctype html><p>Please log in",
            "content.url: is text/html, and its name says application/pdf",
        ),
    ],
)
async def test_a_file_that_is_something_else(
    sender: FastSender, tmp_path: Path, content: dict[str, Any], data: bytes, detail: str
) -> None:
    """It fails at once, and nothing is submitted or claimed."""
    add_file(sender, tmp_path, data)
    result = await sender.send(make_media_command("a", **content))
    assert result == Failed(error=Error("media_rejected", detail))
    assert sender.driver.submissions == []


@pytest.mark.parametrize(
    ("error", "is_deferred"),
    [
        (errors.fetch_failed("the server answered with status 404"), False),
        (errors.too_large(100), False),
        (errors.not_allowed("no"), False),
        (errors.still_fetching(), True),
    ],
)
async def test_a_message_without_its_file(
    sender: FastSender, error: errors.MediaError, is_deferred: bool
) -> None:
    """It fails with the contract's code, or it is handed back while the download goes on. No row is left open."""
    sender.media.files[URL] = error
    command = make_media_command("a")
    result = await sender.send(command)
    expected = Error(error.code, error.detail)
    assert result == (Deferred(error=expected) if is_deferred else Failed(error=expected))
    row = sender.claims.get(derive_whatsapp_id("wa", "main", command.phone, "a"))
    assert row is not None
    assert (row.claimed_at_s, row.result) == (0.0, result)


async def test_a_slow_url_holds_up_no_other_recipient(sender: FastSender, tmp_path: Path) -> None:
    """Not even many: each leaves its place in the queue to the next record."""
    gate = sender.media.gates[URL] = asyncio.Event()
    path = add_file(sender, tmp_path)
    slow = [f"slow-{number}" for number in range(pipeline_module.MAX_AHEAD * 3)]
    for request_id in slow:
        await sender.dispatch(make_media_command(request_id))
    assert isinstance(await sender.send(make_command("text")), Sent)
    assert sender.outcomes("slow-0") == []
    gate.set()
    results: list[Result] = [await sender.wait_for_result(request_id) for request_id in slow]
    assert all(isinstance(result, Sent) for result in results)
    assert [each.media_path for each in sender.driver.submissions] == [None, *[path] * len(slow)]


async def test_a_file_that_comes_after_the_deadline(sender: FastSender, tmp_path: Path) -> None:
    """Nothing is submitted then; the message comes back and is dispatched again."""
    gate = sender.media.gates[URL] = asyncio.Event()
    add_file(sender, tmp_path)
    await sender.dispatch(make_media_command("a", timeout_s=20.0))
    await until(lambda: sender.media.requested)
    sender.advance(30.0)
    gate.set()
    result = await sender.wait_for_result("a")
    assert isinstance(result, Deferred)
    assert result.error.code == "deadline_exceeded"
    assert sender.driver.submissions == []


async def test_a_message_in_doubt_has_its_file_when_it_is_submitted_again(
    sender: FastSender, tmp_path: Path
) -> None:
    """The file is fetched after the look-up of the id, and only then."""
    add_file(sender, tmp_path)
    sender.driver.fail_next_submit(arrives=False)
    result = await sender.send(make_media_command("a"))
    assert isinstance(result, Sent)
    assert sender.media.requested == [URL]
    assert len({submission.media_path for submission in sender.driver.submissions}) == 1
    assert len(sender.driver.submissions) == 2


async def test_a_close_ends_the_wait_for_a_file(sender: FastSender, tmp_path: Path) -> None:
    """The record is delivered again, and no claim is left."""
    sender.media.gates[URL] = asyncio.Event()
    add_file(sender, tmp_path)
    record = await sender.dispatch(make_media_command("a"))
    await until(lambda: sender.media.requested)
    await run_until_idle()
    await sender.pipeline.close()
    assert sender.nacked == [record]
    assert sender.outcomes("a") == []
