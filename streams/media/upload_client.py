"""Reads a file that was uploaded (upload_store.py), for a sender. Writes and removes nothing in the store."""

from pathlib import Path
from typing import Final

from streams.media import errors
from streams.media.errors import MediaError
from streams.media.files import Download, IncomingFile, Validators
from streams.media.store_calls import StoreCalls
from streams.media.upload_store import UploadStore, read_id

_MAX_THREADS: Final = 8


class UploadClient:
    """A downloader of `MediaSource`, by the scheme wa-media."""

    def __init__(self, store: UploadStore) -> None:
        self._store = store
        self._calls = StoreCalls(_MAX_THREADS, "media-upload")

    async def close(self) -> None:
        """A call under way is not waited for."""
        self._calls.close()

    async def download(
        self, url: str, path: Path, max_bytes: int, known: Validators
    ) -> Download | None:
        """Copy it into a new file at `path`; None: it is known, and an upload never changes.

        Raises:
            MediaError: there is no such file, or the store cannot be read.
        """
        upload_id = read_id(url)
        if upload_id is None:
            raise errors.not_allowed("is not the reference of an upload")
        if known.etag == upload_id:
            return None
        try:
            return await self._copy(upload_id, path, max_bytes)
        except MediaError:
            raise
        except FileNotFoundError as error:
            raise errors.fetch_failed(
                "there is no such upload here, or it has expired; see WA_MEDIA_STORE and WA_UPLOAD_RETENTION_DAYS"
            ) from error
        except Exception as error:  # each store has errors of its own
            raise errors.fetch_failed(
                f"WA_MEDIA_STORE cannot be read ({type(error).__name__})"
            ) from error

    async def _copy(self, upload_id: str, path: Path, max_bytes: int) -> Download:
        async with IncomingFile(path, max_bytes) as file:
            await self._calls.copy(lambda: self._store.open_for_reading(upload_id), file)
            return await file.finish(None, Validators(etag=upload_id))
