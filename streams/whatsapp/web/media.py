"""Puts a file into the page. It may not fetch anything: the content has `data` (base64), or the file is on disk.

`data` is put there in chunks, so that Playwright's driver never holds all of it: its heap is small. A file on disk is
chosen in an input element of the page, as a person would: Chromium reads it from disk when the page does, and neither
Python nor the driver ever has its bytes (benchmarks/media_memory.py).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from streams.whatsapp.driver import Submission
from streams.whatsapp.errors import AdapterError
from streams.whatsapp.limits import MAX_UPLOAD_S
from streams.whatsapp.web.page import WhatsAppPage

# How long WhatsApp may take to prepare and upload a file: a base by kind, and the time that its bytes need
# at the slowest rate. A hung upload blocks the later messages of its chat.
UPLOAD_BASE_S: Final[dict[object, float]] = {
    "image": 60.0,
    "video": 120.0,
    "audio": 60.0,
    "document": 90.0,
    "sticker": 30.0,
}
_MIN_UPLOAD_BYTES_PER_S = 64 * 1024
# A multiple of 4, so that each chunk is valid base64 by itself.
CHUNK_CHARACTERS = 1 << 20


def is_media(content: Mapping[str, object]) -> bool:
    """Whether the content is a file."""
    return content.get("type") in UPLOAD_BASE_S


def upload_timeout_s(submission: Submission) -> float:
    """After this time, an upload of this message's file is cancelled. 0 for content without a file."""
    base_s = UPLOAD_BASE_S.get(submission.content.get("type"), 0.0)
    size = _measure(submission) if base_s else 0.0
    return min(base_s + size / _MIN_UPLOAD_BYTES_PER_S, MAX_UPLOAD_S)


def _measure(submission: Submission) -> float:
    if submission.media_path is not None:
        try:
            return submission.media_path.stat().st_size
        except OSError:  # nothing is uploaded then
            return 0.0
    data = submission.content.get("data")
    return len(data) * 3 / 4 if isinstance(data, str) else 0.0


async def upload(page: WhatsAppPage, submission: Submission, timeout_s: float) -> dict[str, object]:
    """Put the file into the page under the message's id. Returns the content without its data.

    Raises AdapterError if there is no file or it is not base64, PageFailure if the page fails.
    """
    content = dict(submission.content)
    data = content.pop("data", None)
    if submission.media_path is not None:
        await _choose_file(page, submission.whatsapp_id, submission.media_path, timeout_s)
        return content
    if not isinstance(data, str) or not data:
        raise AdapterError("media_fetch_failed", "the content has no data")
    token = {"token": submission.whatsapp_id}
    await page.call("drop_media", token, timeout_s)
    try:
        for start in range(0, len(data), CHUNK_CHARACTERS):
            chunk = data[start : start + CHUNK_CHARACTERS]
            await page.call("add_media_chunk", {**token, "data": chunk}, timeout_s)
    except AdapterError:
        await page.call("drop_media", token, timeout_s)  # no submit follows that would do it
        raise
    return content


async def _choose_file(page: WhatsAppPage, token: str, path: Path, timeout_s: float) -> None:
    await page.choose_file("media_input", {"token": token}, path, timeout_s)
