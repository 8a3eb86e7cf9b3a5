"""Reads messages to the account, and their files, through the adapter of the page that is ready now.

What a page answers becomes the driver's values in rows.py. A page that cannot answer is asked again later, when
the session is ready again: so no call raises.
"""

import base64
import logging
from collections.abc import Callable, Mapping
from typing import Any, Final

from streams.domain.inbound.reader import ReadBatch, ReadRequest
from streams.whatsapp.errors import AdapterError, PageFailure
from streams.whatsapp.incoming import ChangeBatch, IncomingMessage, MediaFailed, OpenedMedia
from streams.whatsapp.web.incoming import rows
from streams.whatsapp.web.page import WhatsAppPage

log = logging.getLogger(__name__)

# WhatsApp downloads and decrypts a file of 100 MB in this time, at 1 MB/s.
DOWNLOAD_TIMEOUT_S: Final = 120.0
_FINAL_CODES: Final = frozenset({"media_gone", "media_too_large", "message_not_contains_media"})


class WebIncomingStore:
    """An `IncomingStore`."""

    def __init__(self, require_ready_page: Callable[[], WhatsAppPage], timeout_s: float) -> None:
        """`require_ready_page` raises PageFailure if there is none."""
        self._get_page = require_ready_page
        self._read_timeout_s = timeout_s

    async def read_messages(self, request: ReadRequest) -> ReadBatch[IncomingMessage] | None:  # noqa: D102
        argument = {
            "after_row": request.row,
            "after_key": request.key,
            "since_s": request.since_s,
            "pending": list(request.pending),
        }
        answer = await self._read("read_messages", argument)
        return None if answer is None else rows.decode_batch(answer)

    async def read_changes(  # noqa: D102
        self, since_s: float, *, after_row: int, before_row: int | None = None
    ) -> ChangeBatch | None:
        argument = {"since_s": since_s, "after_row": after_row, "before_row": before_row}
        answer = await self._read("read_changes", argument)
        return None if answer is None else rows.decode_changes(answer)

    async def open_media(self, key: str, max_bytes: int) -> OpenedMedia | MediaFailed:  # noqa: D102
        argument = {"key": key, "max_bytes": max_bytes}
        try:
            answer = await self._call("open_media", argument, DOWNLOAD_TIMEOUT_S)
        except (AdapterError, PageFailure) as error:
            return _describe_failure(error)
        return OpenedMedia(str(answer["token"]), int(answer["size"]))

    async def read_media(self, token: str, start: int, end: int) -> bytes | MediaFailed:  # noqa: D102
        argument = {"token": token, "start": start, "end": end}
        try:
            answer = await self._call("read_media", argument, self._read_timeout_s)
        except (AdapterError, PageFailure) as error:
            return _describe_failure(error)
        return base64.b64decode(answer["data"])

    async def close_media(self, token: str) -> None:  # noqa: D102
        await self._read("close_media", {"token": token})

    async def _read(self, name: str, argument: Mapping[str, object]) -> dict[str, Any] | None:
        try:
            return await self._call(name, argument, self._read_timeout_s)
        except (AdapterError, PageFailure) as error:
            log.info("%s failed: %s", name, _describe_failure(error).detail)
            return None

    async def _call(
        self, name: str, argument: Mapping[str, object], timeout_s: float
    ) -> dict[str, Any]:
        return await self._get_page().call(name, argument, timeout_s)


def _describe_failure(error: AdapterError | PageFailure) -> MediaFailed:
    """What is wrong, without what a stranger wrote."""
    if isinstance(error, AdapterError):
        return MediaFailed(error.code, is_final=error.code in _FINAL_CODES)
    return MediaFailed("the page does not answer")
