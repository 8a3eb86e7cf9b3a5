"""The files of URLs: each is fetched once for all messages that need it at the same time, and kept for the next ones.

    the URL                                   what `fetch` does
    ---------------------------------------   ----------------------------------------------------------
    was fetched a short time ago              gives the file
    is being fetched                          waits for it, `patience_s` after its start at the longest;
                                              then it raises `media_pending`, and the download goes on
    failed, and this message has not been     raises the failure
    told so yet
    anything else                             begins to fetch it, or asks whether it has changed

So a message waits for a slow server without holding up others, and comes back for the file. Each message gets each
failure once: one that is tried again has the file fetched again, and a thousand messages with a dead URL do not ask
for it a thousand times. A download ends after `timeout_s`, whatever the server does.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from streams.media import errors
from streams.media.cache import MediaCache
from streams.media.errors import MediaError
from streams.media.files import Download, Validators
from streams.system.tasks import cancel_tasks

log = logging.getLogger(__name__)

# A message that waits holds a place of its account, of which there are WA_ACCOUNT_MAX_IN_FLIGHT; one that is handed
# back costs a few records.
PATIENCE_S: Final = 1.0
MAX_DOWNLOADS: Final = 32  # of one sender at a time
# Longer than a message that was handed back waits before it comes again (streams/domain/backoff.py).
_FAILURE_MEMORY_S: Final = 120.0
_MAX_FAILURES: Final = 1000


class Downloader(Protocol):
    """Fetches files by one kind of URL (web.py, remote.py)."""

    async def download(
        self, url: str, path: Path, max_bytes: int, known: Validators
    ) -> Download | None:
        """Fetch it into a new file; None: it has not changed. Raises MediaError and OSError."""
        ...

    async def close(self) -> None:
        """End all connections."""
        ...


@dataclass(frozen=True, slots=True)
class FetchedFile:
    """A file on disk, until `release`."""

    path: Path
    size_bytes: int
    sha256: str
    filename: str | None  # as the server calls it
    release: Callable[[], None]


@dataclass(slots=True)
class _Failure:
    error: MediaError
    at_s: float
    informed: set[str] = field(default_factory=set)  # the messages that have got it


@dataclass(slots=True)
class _Job:
    task: "asyncio.Task[Download | MediaError]"
    started_s: float


class MediaSource:
    """The files that one sender needs."""

    def __init__(
        self,
        cache: MediaCache,
        downloaders: Mapping[str, Downloader],
        *,
        max_file_bytes: int,
        timeout_s: float,
        patience_s: float = PATIENCE_S,
        min_free_bytes: int = 0,
    ) -> None:
        """`downloaders`: by the scheme of the URL."""
        self.max_file_bytes = max_file_bytes
        self._cache = cache
        self._downloaders = downloaders
        self._timeout_s = timeout_s
        self._patience_s = patience_s
        self._min_free_bytes = min_free_bytes
        self._jobs: dict[tuple[str, int], _Job] = {}
        self._failures: dict[tuple[str, int], _Failure] = {}
        self._is_open = False

    async def close(self) -> None:
        """End the downloads. Files in use stay until they are released, or until the next process of this name."""
        await cancel_tasks(*(job.task for job in self._jobs.values()))
        for downloader in set(self._downloaders.values()):
            await downloader.close()

    async def fetch(
        self, url: str, *, max_bytes: int, message_id: str, wait_s: float
    ) -> FetchedFile:
        """The file of this URL, for this message; waits `wait_s` for it at the longest.

        Raises:
            MediaError: there is none, or none yet.
        """
        try:
            download = await asyncio.to_thread(self._find_fresh, url)
        except OSError as error:
            raise errors.fetch_failed(f"the files cannot be kept ({error.strerror})") from error
        if download is None:
            download = await self._wait_for((url, max_bytes), message_id, wait_s)
        if download.size_bytes > max_bytes:
            raise errors.too_large(max_bytes)
        return await self._take(download)

    async def _take(self, download: Download) -> FetchedFile:
        try:
            path = await asyncio.to_thread(self._cache.take, download)
        except OSError as error:
            raise errors.fetch_failed(f"the file cannot be kept ({error.strerror})") from error
        return FetchedFile(
            path,
            download.size_bytes,
            download.sha256,
            download.filename,
            lambda: self._cache.release(path),
        )

    def _find_fresh(self, url: str) -> Download | None:
        if not self._is_open:
            self._is_open = True
            self._cache.open()
        return self._cache.find(url) if self._cache.is_fresh(url) else None

    # -- downloads

    async def _wait_for(self, key: tuple[str, int], message_id: str, wait_s: float) -> Download:
        job = self._jobs.get(key)
        if job is None:
            self._raise_failure(key, message_id)
            job = self._start(key)
        age_s = time.monotonic() - job.started_s
        await asyncio.wait({job.task}, timeout=max(0.0, min(wait_s, self._patience_s - age_s)))
        if not job.task.done():
            raise errors.still_fetching()
        result = job.task.result()
        if isinstance(result, Download):
            return result
        self._raise_failure(key, message_id)
        raise MediaError(result.code, result.detail)

    def _raise_failure(self, key: tuple[str, int], message_id: str) -> None:
        failure = self._failures.get(key)
        if failure is None or time.monotonic() - failure.at_s > _FAILURE_MEMORY_S:
            return
        if message_id not in failure.informed:
            failure.informed.add(message_id)
            raise MediaError(failure.error.code, failure.error.detail)

    def _start(self, key: tuple[str, int]) -> _Job:
        if len(self._jobs) >= MAX_DOWNLOADS:
            raise errors.still_fetching()
        job = _Job(asyncio.create_task(self._run(key), name="download"), time.monotonic())
        self._jobs[key] = job
        job.task.add_done_callback(lambda _: self._jobs.pop(key))
        return job

    async def _run(self, key: tuple[str, int]) -> Download | MediaError:
        url, max_bytes = key
        try:
            async with asyncio.timeout(self._timeout_s):
                download = await self._download(url, max_bytes)
        except TimeoutError:
            error = errors.fetch_failed(f"it took longer than {self._timeout_s:g} s")
        except MediaError as media_error:
            error = media_error
        except OSError as os_error:
            error = errors.fetch_failed(f"the file cannot be stored ({os_error.strerror})")
        except Exception as bug:
            log.exception("a file cannot be fetched: internal error")
            error = errors.fetch_failed(f"internal error: {type(bug).__name__}")
        else:
            self._failures.pop(key, None)
            return download
        self._remember(key, error)
        return error

    def _remember(self, key: tuple[str, int], error: MediaError) -> None:
        self._failures.pop(key, None)
        self._failures[key] = _Failure(error, time.monotonic())
        if len(self._failures) > _MAX_FAILURES:
            del self._failures[next(iter(self._failures))]

    async def _download(self, url: str, max_bytes: int) -> Download:
        """What another sender of this machine is fetching is waited for, and then it is there."""
        async with self._cache.lock(url):
            fresh = await asyncio.to_thread(self._find_fresh, url)
            return fresh or await self._download_alone(url, max_bytes)

    async def _download_alone(self, url: str, max_bytes: int) -> Download:
        known = await asyncio.to_thread(self._cache.find, url)
        await asyncio.to_thread(self._require_room)
        path = self._cache.make_path()
        try:
            validators = known.validators if known else Validators()
            downloader = self._get_downloader(url)
            download = await downloader.download(url, path, max_bytes, validators)
            if download is None and known is not None:
                await asyncio.to_thread(self._cache.refresh, url)
                return known
            if download is None:
                raise errors.fetch_failed("the server answered with status 304")
            await asyncio.to_thread(self._cache.store, url, path, download)
            return download
        finally:
            await asyncio.to_thread(path.unlink, missing_ok=True)

    def _get_downloader(self, url: str) -> Downloader:
        downloader = self._downloaders.get(url.partition(":")[0].lower())
        if downloader is None:  # it was allowed at acceptance, and is not allowed here
            raise errors.not_allowed("WA_MEDIA_SCHEMES of this sender does not allow its scheme")
        return downloader

    def _require_room(self) -> None:
        if self._cache.free_bytes() < self._min_free_bytes:
            raise errors.fetch_failed("the disk of WA_DATA_DIR is almost full; free some space")
