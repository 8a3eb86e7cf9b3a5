"""Fetches the file of a message ahead of its turn, and completes the content by it. Decides nothing.

The file is on disk before the claim is stored, so a slow or false URL costs no claim and can put nothing in doubt. A
message waits for its file only for a short time, and never beyond the deadline of its dispatch: then it is handed back,
and the download goes on (streams/media/source.py).
"""

import asyncio
import mmap
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Protocol, cast

import msgspec
import orjson
from msgspec.structs import replace

from streams.contract.errors import InvalidRequest
from streams.contract.request import media, media_url
from streams.contract.request.content import MEDIA_CLASSES, MediaContent, decode
from streams.domain.errors import Error
from streams.domain.sending import actions
from streams.media.errors import MediaError
from streams.media.source import FetchedFile
from streams.sender.clock import Clock

# Left of the dispatch's time for its claim and its submit.
_SUBMIT_MARGIN_S: Final = 5.0
_MIB: Final = 1 << 20


class Media(Protocol):
    """The files of URLs (streams/media)."""

    max_file_bytes: int

    async def fetch(
        self, url: str, *, max_bytes: int, message_id: str, wait_s: float
    ) -> FetchedFile:
        """The file of this URL. Raises MediaError."""
        ...


class MediaFetcher:
    """Turns a content with a URL into one with a file."""

    def __init__(self, files: Media, patience_s: float, clock: Clock) -> None:
        self._files = files
        self._patience_s = patience_s
        self._clock = clock

    async def fetch(
        self, content: Mapping[str, object], whatsapp_id: str, deadline_mono_s: float
    ) -> tuple[actions.MediaFetched | actions.MediaNotFetched, FetchedFile | None]:
        """The file, which the caller releases, or why there is none."""
        remaining_s = deadline_mono_s - _SUBMIT_MARGIN_S - self._clock.monotonic_s()
        wait_s = max(0.0, min(self._patience_s, remaining_s))
        file: FetchedFile | None = None
        try:
            parsed = _parse(content)
            file = await self._files.fetch(
                parsed.url or "",
                max_bytes=self._max_bytes(parsed),
                message_id=whatsapp_id,
                wait_s=wait_s,
            )
            completed = await asyncio.to_thread(_complete, parsed, file)
        except (MediaError, InvalidRequest, OSError) as error:
            if file is not None:
                file.release()
            return actions.MediaNotFetched(_to_error(error)), None
        except BaseException:
            if file is not None:
                file.release()
            raise
        return actions.MediaFetched(_to_mapping(content, completed)), file

    def _max_bytes(self, content: MediaContent) -> int:
        max_mb = media.MAX_MB_BY_KIND[media.get_kind(content)]
        return min(max_mb * _MIB, self._files.max_file_bytes)


def _parse(content: Mapping[str, object]) -> MediaContent:
    try:
        parsed = decode(orjson.dumps(content))
    except msgspec.DecodeError as error:
        raise InvalidRequest("schema_violation", "content: cannot be read") from error
    if not isinstance(parsed, MEDIA_CLASSES):
        raise InvalidRequest("schema_violation", "content: has a URL and is not a file")
    return parsed


def _complete(content: MediaContent, file: FetchedFile) -> MediaContent:
    """With the name that the caller gave, else the server, else the URL: only a document shows it."""
    if content.filename is None and media.get_kind(content) == "document":
        name = file.filename or media_url.read_filename(content.url or "")
        content = replace(content, filename=name)
    return _complete_by_bytes(content, file.path)


def _complete_by_bytes(content: MediaContent, path: Path) -> MediaContent:
    """The file is mapped into memory: only the parts that are looked at are read from disk."""
    with path.open("rb") as opened:
        if not path.stat().st_size:  # nothing can be mapped
            return media.complete_fetched(content, b"")
        with mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            return media.complete_fetched(content, mapped)


def _to_mapping(content: Mapping[str, object], completed: MediaContent) -> Mapping[str, object]:
    fields = {name: value for name, value in content.items() if name != "url"}
    return {**fields, "mime": completed.mime, "filename": completed.filename}


def _to_error(error: MediaError | InvalidRequest | OSError) -> Error:
    match error:
        case MediaError():
            return Error(error.code, error.detail)
        case InvalidRequest():
            return Error("media_rejected", error.detail)
        case _:
            detail = cast(Any, error).strerror or type(error).__name__
            return Error("media_fetch_failed", f"the file cannot be read ({detail})")
