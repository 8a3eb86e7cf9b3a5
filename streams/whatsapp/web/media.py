"""Media on their way into the page. Fetches nothing: `data` (base64) is in the content already.

A file goes over in pieces, so that Playwright's driver never holds all of it: its heap is small.
"""

from collections.abc import Mapping

from streams.whatsapp.driver import Submission
from streams.whatsapp.errors import AdapterError
from streams.whatsapp.web.page import WhatsAppPage

_MEDIA_TYPES = frozenset({"image", "video", "audio", "document", "sticker"})
# A multiple of 4, so that each piece is whole base64 by itself.
CHUNK_CHARACTERS = 1 << 20


def is_media(content: Mapping[str, object]) -> bool:
    """Whether the content is a file."""
    return content.get("type") in _MEDIA_TYPES


async def upload(page: WhatsAppPage, submission: Submission, timeout_s: float) -> dict[str, object]:
    """Put the file into the page, under the message's id; returns the content without its data.

    Raises PageRefused when there is no data or it is no base64, PageTrouble when the page fails.
    """
    content = dict(submission.content)
    data = content.pop("data", None)
    if not isinstance(data, str) or not data:
        raise AdapterError("media_fetch_failed", "the content has no data")
    token = submission.whatsapp_id
    await page.call("media_drop", {"token": token}, timeout_s)
    for start in range(0, len(data), CHUNK_CHARACTERS):
        chunk = data[start : start + CHUNK_CHARACTERS]
        await page.call("media_chunk", {"token": token, "data": chunk}, timeout_s)
    return content
