"""Fetches a file by a scheme of WA_MEDIA_SCHEMES, for example s3, with the library fsspec.

fsspec and the package of each scheme are installed by the operator, who also gives them their credentials in their own
way. A caller chooses only the address: everything that these credentials can read can be sent. Calls block, so they are
made in threads of their own: a store that does not answer holds up nothing else.
"""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Final

from streams.contract.errors import InvalidRequest
from streams.contract.request import media_url
from streams.media import errors
from streams.media.errors import MediaError
from streams.media.files import Download, IncomingFile, Validators
from streams.media.store_calls import StoreCalls, open_file_system

_MAX_THREADS: Final = 16
# What the file systems call the mark of a content, and the time of its last change.
_MARKS: Final = ("ETag", "etag", "md5Hash", "content_settings", "LastModified", "mtime", "modified")


class RemoteClient:
    """Reads from the stores of these schemes."""

    def __init__(self, schemes: Collection[str]) -> None:
        self._schemes = frozenset(schemes)
        self._calls = StoreCalls(_MAX_THREADS, "media-store")

    async def close(self) -> None:
        """A call under way is not waited for."""
        self._calls.close()

    async def download(
        self, url: str, path: Path, max_bytes: int, known: Validators
    ) -> Download | None:
        """Fetch it into a new file at `path`; None: it has not changed since `known` was noted.

        Raises:
            MediaError: there is no such file, or it may not be had.
        """
        self._check(url)
        try:
            return await self._read(url, path, max_bytes, known)
        except MediaError:
            raise
        except FileNotFoundError as error:
            raise errors.fetch_failed("there is no such file") from error
        except (ImportError, ValueError) as error:
            scheme = url.partition(":")[0]
            detail = f"install fsspec and its package for {scheme} beside wa-streams"
            raise errors.fetch_failed(detail) from error
        except Exception as error:  # each store has errors of its own
            raise errors.fetch_failed(
                f"the store cannot be read ({type(error).__name__})"
            ) from error

    def _check(self, url: str) -> None:
        try:
            media_url.check(url, self._schemes)
        except InvalidRequest as error:
            raise errors.not_allowed(error.detail) from error

    async def _read(
        self, url: str, path: Path, max_bytes: int, known: Validators
    ) -> Download | None:
        file_system, name = await self._calls.run(lambda: open_file_system(url))
        info: Mapping[str, Any] = await self._calls.run(lambda: file_system.info(name))
        validators = _read_validators(info)
        if validators.etag is not None and validators == known:
            return None
        async with IncomingFile(path, max_bytes) as file:
            file.expect(info.get("size"))
            await self._calls.copy(lambda: file_system.open(name, "rb"), file)
            return await file.finish(None, validators)


def _read_validators(info: Mapping[str, Any]) -> Validators:
    mark = next((str(info[name]) for name in _MARKS if info.get(name)), None)
    return Validators(etag=mark)
