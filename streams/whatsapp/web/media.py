"""Uploads a file into the page. It may not fetch anything: the content already has `data` (base64).

A file is uploaded in chunks, so that Playwright's driver never holds all of it: its heap is small.
"""

from collections.abc import Mapping

from streams.whatsapp.driver import Submission
from streams.whatsapp.errors import AdapterError
from streams.whatsapp.web.page import WhatsAppPage

_MEDIA_TYPES = frozenset({"image", "video", "audio", "document", "sticker"})
# A multiple of 4, so that each chunk is valid base64 by itself.
CHUNK_CHARACTERS = 1 << 20


def is_media(content: Mapping[str, object]) -> bool:
    """Whether the content is a file."""
    return content.get("type") in _MEDIA_TYPES


async def upload(page: WhatsAppPage, submission: Submission, timeout_s: float) -> dict[str, object]:
    """Put the file into the page under the message's id. Returns the content without its data.

    Raises AdapterError if there is no data or it is not base64, PageFailure if the page fails.
    """
    content = dict(submission.content)
    data = content.pop("data", None)
    if not isinstance(data, str) or not data:
        raise AdapterError("media_fetch_failed", "the content has no data")
    token = submission.whatsapp_id
    await page.call("drop_media", {"token": token}, timeout_s)
    for start in range(0, len(data), CHUNK_CHARACTERS):
        chunk = data[start : start + CHUNK_CHARACTERS]
        await page.call("add_media_chunk", {"token": token, "data": chunk}, timeout_s)
    return content
