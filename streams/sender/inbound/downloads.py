"""Downloads the file of a received message into the media store. It ends in any case: with the file, or with why not.

A file that cannot be had holds up its chat for a bounded time. While there is no page nothing is counted as an attempt.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Final

from streams.contract.inbound import InboundMedia
from streams.sender.inbound.media_store import MediaStore, MediaStoreUnavailable, StoredFile
from streams.settings import Settings
from streams.whatsapp.incoming import IncomingMedia, IncomingMessage, IncomingStore, MediaFailed

log = logging.getLogger(__name__)

MAX_ATTEMPTS: Final = 3
RETRY_DELAY_S: Final = 2.0
TIMEOUT_S: Final = 300.0  # of all attempts, also while there is no page
MAX_PARALLEL: Final = 2
_PART_BYTES: Final = 1 << 20


class MediaDownloader:
    """Downloads a few files at a time."""

    def __init__(
        self,
        account: str,
        store: MediaStore,
        get_page: Callable[[], IncomingStore | None],
        *,
        max_bytes: int,
        retry_delay_s: float = RETRY_DELAY_S,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        """`get_page` gives the driver while its session is ready."""
        self._account = account
        self._store = store
        self._get_page = get_page
        self._max_bytes = max_bytes
        self._retry_delay_s = retry_delay_s
        self._timeout_s = timeout_s
        self._places = asyncio.Semaphore(MAX_PARALLEL)

    async def download(self, message: IncomingMessage, media: IncomingMedia) -> InboundMedia:
        """The file as it is in the record: with its url, or with an error."""
        described = {"mime": media.mime, "filename": media.filename}
        if not self._max_bytes:
            return InboundMedia(**described, size=media.size, error="downloads are off")
        async with self._places:
            stored = await self._download_with_retries(message, media)
        if isinstance(stored, MediaFailed):
            log.warning("a received file could not be stored: %s", stored.detail)
            return InboundMedia(**described, size=media.size, error=stored.detail)
        url, size, sha256 = stored
        return InboundMedia(**described, url=url, size=size, sha256=sha256)

    async def _download_with_retries(
        self, message: IncomingMessage, media: IncomingMedia
    ) -> StoredFile | MediaFailed:
        deadline_mono_s = time.monotonic() + self._timeout_s
        attempts = 0
        failed = MediaFailed("the page was not ready in time")
        while time.monotonic() < deadline_mono_s:
            page = self._get_page()
            if page is not None:
                stored = await self._download(page, message, media)
                if not isinstance(stored, MediaFailed):
                    return stored
                failed = stored
                attempts += self._get_page() is page
                if failed.is_final or attempts >= MAX_ATTEMPTS:
                    break
            await asyncio.sleep(self._retry_delay_s)
        return failed

    async def _download(
        self, page: IncomingStore, message: IncomingMessage, media: IncomingMedia
    ) -> StoredFile | MediaFailed:
        opened = await page.open_media(message.key, self._max_bytes)
        if isinstance(opened, MediaFailed):
            return opened
        chat = message.group or message.phone or message.chat_id
        try:
            async with self._store.create(self._account, chat, message.key, media.mime) as writer:
                for start in range(0, opened.size, _PART_BYTES):
                    part = await page.read_media(opened.token, start, start + _PART_BYTES)
                    if isinstance(part, MediaFailed):
                        return part
                    await writer.write(part)
                return await writer.finish()
        except MediaStoreUnavailable as error:
            return MediaFailed(str(error))
        finally:
            await page.close_media(opened.token)


def make_store(settings: Settings) -> MediaStore:
    """The store that the settings describe."""
    return MediaStore(settings.media_store or settings.data_dir / "media")


def make_downloader(
    settings: Settings,
    account: str,
    store: MediaStore,
    get_page: Callable[[], IncomingStore | None],
) -> MediaDownloader:
    """The downloader that the settings describe."""
    return MediaDownloader(
        account, store, get_page, max_bytes=settings.inbound_media_max_mb * 1_000_000
    )
