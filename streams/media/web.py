"""Fetches a file by http or https, from allowed addresses only.

The caller chooses the URL, so nothing here may trust it:

* Only allowed addresses are connected to (`streams/system/allowed_addresses.py`).
* Each redirect is a URL like the first one. No proxy of the environment is used: it would resolve the names itself.
* A file is counted while it comes, whatever the server says of it. Cookies are neither kept nor sent.
"""

from collections.abc import Iterable
from http import HTTPStatus
from pathlib import Path
from typing import Final

import aiohttp
from aiohttp import ClientResponse, ClientTimeout, hdrs
from yarl import URL

from streams.contract.errors import InvalidRequest
from streams.contract.request import media_url
from streams.domain.addresses import Network
from streams.media import errors
from streams.media.files import Download, IncomingFile, Validators
from streams.system.allowed_addresses import AllowedAddresses, describe_connection_failure

MAX_REDIRECTS: Final = 5
_CONNECT_TIMEOUT_S: Final = 10.0
_SILENCE_TIMEOUT_S: Final = 60.0  # some servers make a file only when it is requested
_CHUNK_BYTES: Final = 1 << 16
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_HEADERS: Final = {
    hdrs.ACCEPT: "*/*",
    hdrs.ACCEPT_ENCODING: "identity",
    hdrs.USER_AGENT: "wa-streams",
}


class WebClient:
    """One HTTP client. It may fetch several files at the same time."""

    def __init__(self, allowed_networks: Iterable[Network]) -> None:
        self._addresses = AllowedAddresses(allowed_networks, _refuse_address, "media-name")
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """End all connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()
        self._addresses.close()

    async def download(
        self, url: str, path: Path, max_bytes: int, known: Validators
    ) -> Download | None:
        """Fetch it into a new file at `path`; None: it has not changed since `known` was noted.

        Raises:
            MediaError: there is no such file, or it may not be had.
        """
        try:
            return await self._follow(URL(url), path, max_bytes, known)
        except aiohttp.InvalidURL as error:
            raise errors.not_allowed("the URL is not valid") from error
        except TimeoutError as error:
            raise errors.fetch_failed("the server is too slow") from error
        except aiohttp.ClientError as error:
            raise errors.fetch_failed(_describe(error)) from error
        except ValueError as error:  # of yarl
            raise errors.not_allowed("the URL is not valid") from error

    async def _follow(
        self, url: URL, path: Path, max_bytes: int, known: Validators
    ) -> Download | None:
        headers = _HEADERS | _make_conditions(known)
        for _ in range(MAX_REDIRECTS + 1):
            _check_url(url)
            async with self._open_session().get(
                url, headers=headers, allow_redirects=False
            ) as response:
                if response.status not in _REDIRECTS:
                    return await _save(response, path, max_bytes)
                location = response.headers.get(hdrs.LOCATION)
            if not location:
                raise errors.fetch_failed("the server redirects to nowhere")
            url = url.join(URL(location))
        raise errors.fetch_failed(f"the server redirects more than {MAX_REDIRECTS} times")

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            # The number of downloads is limited, so that of the connections is not.
            connector = self._addresses.build_connector(force_close=True, limit=0)
            self._session = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=ClientTimeout(
                    total=None,  # of the whole download: its task has a bound
                    connect=_CONNECT_TIMEOUT_S,
                    sock_connect=_CONNECT_TIMEOUT_S,
                    sock_read=_SILENCE_TIMEOUT_S,
                ),
            )
        return self._session


def _refuse_address() -> Exception:
    return errors.not_allowed(
        "the host has an address that is not public; the operator can set WA_MEDIA_ALLOWED_NETWORKS"
    )


def _check_url(url: URL) -> None:
    """The first URL was checked at acceptance; a redirect is checked here."""
    try:
        media_url.check(str(url))
    except InvalidRequest as error:
        raise errors.not_allowed(error.detail.removeprefix("content.url: ")) from error


def _make_conditions(known: Validators) -> dict[str, str]:
    conditions = {
        hdrs.IF_NONE_MATCH: known.etag,
        hdrs.IF_MODIFIED_SINCE: None if known.etag else known.last_modified,
    }
    return {str(name): value for name, value in conditions.items() if value}


async def _save(response: ClientResponse, path: Path, max_bytes: int) -> Download | None:
    if response.status == HTTPStatus.NOT_MODIFIED:
        return None
    if response.status != HTTPStatus.OK:
        raise errors.fetch_failed(f"the server answered with status {response.status}")
    async with IncomingFile(path, max_bytes) as file:
        if not response.headers.get(hdrs.CONTENT_ENCODING):
            file.expect(response.content_length)
        async for piece in response.content.iter_chunked(_CHUNK_BYTES):
            await file.write(piece)
        return await file.finish(_read_filename(response), _read_validators(response))


def _read_filename(response: ClientResponse) -> str | None:
    disposition = response.content_disposition
    return media_url.make_filename(disposition.filename if disposition else None)


def _read_validators(response: ClientResponse) -> Validators:
    return Validators(response.headers.get(hdrs.ETAG), response.headers.get(hdrs.LAST_MODIFIED))


def _describe(error: aiohttp.ClientError) -> str:
    if isinstance(error, aiohttp.ClientPayloadError):
        return "the file ended too early"
    failure = describe_connection_failure(error)
    return failure or f"the server's answer cannot be read ({type(error).__name__})"
