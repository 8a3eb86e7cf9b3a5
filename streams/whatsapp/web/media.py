"""Uploads a file into the page. It may not fetch anything: the content already has `data` (base64).

A file is uploaded in chunks, so that Playwright's driver never holds all of it: its heap is small.
"""

from collections.abc import Mapping
from typing import Final

from streams.whatsapp.driver import Submission
from streams.whatsapp.errors import AdapterError
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


def upload_timeout_s(content: Mapping[str, object]) -> float:
    """After this time, an upload of this content is cancelled. 0 for content without a file."""
    base_s = UPLOAD_BASE_S.get(content.get("type"), 0.0)
    data = content.get("data")
    size = len(data) * 3 / 4 if base_s and isinstance(data, str) else 0.0
    return base_s + size / _MIN_UPLOAD_BYTES_PER_S


async def upload(page: WhatsAppPage, submission: Submission, timeout_s: float) -> dict[str, object]:
    """Put the file into the page under the message's id. Returns the content without its data.

    Raises AdapterError if there is no data or it is not base64, PageFailure if the page fails.
    """
    content = dict(submission.content)
    data = content.pop("data", None)
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
