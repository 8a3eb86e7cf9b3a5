"""`POST /api/media`: takes a file, and answers with a reference that a message may have as `url`.

The body is the file. It goes to the disk while it comes, and is never whole in memory. What it is, its bytes say; what
they contradict is refused now, and not when the message is sent.
"""

import asyncio
import logging
import mmap
from pathlib import Path
from typing import Any, Final

import msgspec
import orjson
from aiohttp import web

from streams.console.web.console import Console
from streams.console.web.problems import RETRY_AFTER_S, Refused, problem
from streams.contract.errors import InvalidRequest
from streams.contract.request import media, media_url
from streams.contract.request.content import MEDIA_CLASSES, MediaContent
from streams.contract.timestamps import format_rfc3339
from streams.media.errors import MediaError
from streams.media.files import Download, IncomingFile, Validators
from streams.media.upload_store import UploadStore, make_url

log = logging.getLogger(__name__)

MAX_UPLOADS: Final = 4  # at a time: each one holds a connection and the disk
_CHUNK_BYTES: Final = 1 << 16
_SILENCE_TIMEOUT_S: Final = 30.0
_STORE_TIMEOUT_S: Final = 120.0  # for the largest file, to a store that is not near
_MIB: Final = 1 << 20
_CLASSES: Final = {kind.__struct_config__.tag: kind for kind in MEDIA_CLASSES}


class Uploads:
    """The handler, and how many uploads run."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._settings = console.settings
        self._store = UploadStore(console.settings)
        self._running = 0

    def routes(self) -> list[web.RouteDef]:
        """The route and its handler."""
        return [web.post("/api/media", self.upload)]

    async def upload(self, request: web.Request) -> web.Response:
        """Store the file."""
        if self._running >= MAX_UPLOADS:
            detail = f"{MAX_UPLOADS} files are being uploaded: try again in a moment"
            return problem(429, detail, headers={"Retry-After": str(RETRY_AFTER_S)})
        self._running += 1
        try:
            return await self._upload(request)
        except Refused as refusal:
            return refusal.response
        except MediaError as error:
            return problem(413, error.detail, code=error.code)
        except InvalidRequest as error:
            return problem(422, error.detail, code="media_rejected")
        except OSError as error:
            return _refuse_storing(error)
        finally:
            self._running -= 1

    async def _upload(self, request: web.Request) -> web.Response:
        if not self._settings.uploads:
            raise Refused(problem(501, "uploads are turned off here (WA_UPLOADS)"))
        kind, filename = _read_query(request)
        if request.content_type.startswith("multipart/"):
            detail = "the body must be the file itself: curl --data-binary @FILE"
            raise Refused(problem(415, detail))
        max_bytes = self._get_max_bytes(kind)
        await self._require_room(request.content_length)
        upload_id = self._store.make_id(self._console.now_s())
        async with self._store.reserve(upload_id) as path:
            async with IncomingFile(path, max_bytes) as file:
                file.expect(request.content_length)
                await _receive(request, file, self._settings.media_timeout_s)
                download = await file.finish(filename, Validators())
            content = await asyncio.to_thread(_identify, path, kind, filename)
            limit_bytes = self._get_max_bytes(media.get_kind(content))
            if download.size_bytes > limit_bytes:
                raise MediaError("media_too_large", f"the file has more than {limit_bytes} bytes")
            await self._keep(upload_id, path)
        return self._answer(upload_id, download, content)

    async def _keep(self, upload_id: str, path: Path) -> None:
        """Give the file to the store, which may be far away. Raises Refused."""
        try:
            async with asyncio.timeout(_STORE_TIMEOUT_S):
                await self._store.keep(upload_id, path)
        except TimeoutError as error:
            raise Refused(_refuse_for_now("does not answer in time")) from error
        except OSError as error:
            raise Refused(_refuse_storing(error)) from error
        except Exception as error:  # each store has errors of its own
            log.warning("an uploaded file cannot be stored: %r", error)
            reason = f"cannot be written ({type(error).__name__})"
            raise Refused(_refuse_for_now(reason)) from error

    def _get_max_bytes(self, kind: str | None) -> int:
        """Of this kind; without one, of the kind that may have most."""
        limits = media.MAX_MB_BY_KIND
        max_mb = max(limits.values()) if kind is None else limits[kind]
        return min(max_mb, self._settings.media_max_mb) * _MIB

    async def _require_room(self, size_bytes: int | None) -> None:
        free_bytes = await asyncio.to_thread(self._store.free_bytes)
        if free_bytes - (size_bytes or 0) < self._settings.min_free_disk_mb * _MIB:
            raise Refused(problem(507, "the disk of the console is almost full"))

    def _answer(self, upload_id: str, download: Download, content: MediaContent) -> web.Response:
        url, kind = make_url(upload_id), media.get_kind(content)
        body: dict[str, Any] = {
            "url": url,
            "mime": content.mime,
            "size": download.size_bytes,
            "sha256": download.sha256,
            "expires_at": format_rfc3339(self._store.get_expiry(upload_id).timestamp()),
            "content": {"type": kind, "url": url, "mime": content.mime},
        }
        if kind == "document":
            body["content"]["filename"] = content.filename
        return web.Response(status=201, body=orjson.dumps(body), content_type="application/json")


async def sweep(console: Console, interval_s: float = 3600.0) -> None:
    """Remove what has expired, now and then, until cancelled. What cannot be removed is tried again."""
    store = UploadStore(console.settings)
    while True:
        try:
            await asyncio.to_thread(store.remove_expired, console.now_s())
        except Exception as error:  # noqa: BLE001 — each store has errors of its own
            log.warning("uploaded files that have expired cannot be removed: %r", error)
        await asyncio.sleep(interval_s)


def _read_query(request: web.Request) -> tuple[str | None, str | None]:
    """The kind and the file name, if they are given. Raises Refused."""
    kind, name = request.query.get("kind"), request.query.get("filename")
    if kind is not None and kind not in _CLASSES:
        detail = f"kind: must be one of {', '.join(map(str, _CLASSES))}"
        raise Refused(problem(400, detail, field="kind"))
    filename = media_url.make_filename(name)
    if name is not None and filename is None:
        detail = "filename: must be a name of at most 255 characters, without a path"
        raise Refused(problem(400, detail, field="filename"))
    return kind, filename


async def _receive(request: web.Request, file: IncomingFile, timeout_s: float) -> None:
    """Raises MediaError as soon as it is too large, and Refused if it takes too long or its sender falls silent."""
    deadline_s = asyncio.get_running_loop().time() + timeout_s
    while True:
        silence_s = asyncio.get_running_loop().time() + _SILENCE_TIMEOUT_S
        try:
            async with asyncio.timeout_at(min(deadline_s, silence_s)):
                piece = await request.content.read(_CHUNK_BYTES)
        except TimeoutError as error:
            raise Refused(problem(408, "the file did not arrive in time")) from error
        if not piece:
            return
        await file.write(piece)


def _refuse_for_now(reason: str) -> web.Response:
    headers = {"Retry-After": str(RETRY_AFTER_S)}
    return problem(503, f"the store of the files (WA_MEDIA_STORE) {reason}", headers=headers)


def _refuse_storing(error: OSError) -> web.Response:
    reason = error.strerror or type(error).__name__
    return problem(507, f"the file cannot be stored ({reason})")


def _identify(path: Path, kind: str | None, filename: str | None) -> MediaContent:
    """What the file is sent as. Raises InvalidRequest: it is not of this kind, or is empty."""
    if not path.stat().st_size:
        raise InvalidRequest("schema_violation", "the file is empty")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        chosen = kind or media.choose_kind(data, filename or "")
        content = msgspec.convert(
            {"type": chosen, "url": "https://upload.invalid/", "filename": filename},
            _CLASSES[chosen],
        )
        return media.complete_fetched(content, data, "the file")
