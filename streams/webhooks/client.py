"""Posts one event to one endpoint, and answers what came back. Decides nothing, and knows no retry.

The URL is the operator's, but what answers there may be anybody's:

* Only allowed addresses are connected to, and a redirect is not followed: it is an answer like any other.
* The status must come within the time limit, and is the answer, whatever happens to the body. Of that only a little is
  read, for a moment, so that the connection can be used again; a longer one ends it. Cookies are neither kept nor sent.
"""

import asyncio
import logging
from typing import Final

import aiohttp
from aiohttp import ClientResponse, ClientTimeout, hdrs

from streams.domain.addresses import parse_networks
from streams.domain.webhooks.conclusion import Answer
from streams.settings import Settings
from streams.system.allowed_addresses import AllowedAddresses, describe_connection_failure

log = logging.getLogger(__name__)

_MAX_BODY_BYTES: Final = 1 << 16
_BODY_TIMEOUT_S: Final = 2.0  # the event has arrived: nothing in the body matters
# Shorter than servers keep an idle connection (gunicorn: 2 s, Node: 5 s): one that is just being closed is a failure,
# because aiohttp does not send a POST a second time.
_KEEPALIVE_S: Final = 1.0


class AddressNotAllowed(Exception):
    """The host has an address that may not be connected to."""


class EndpointClient:
    """One HTTP client for all endpoints. An async context."""

    def __init__(self, settings: Settings, *, body_timeout_s: float = _BODY_TIMEOUT_S) -> None:
        self._body_timeout_s = body_timeout_s
        self._timeout_s = settings.webhooks_timeout_s
        self._addresses = AllowedAddresses(
            parse_networks(settings.webhooks_allowed_networks), _refuse_address, "webhook-name"
        )
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> "EndpointClient":
        self._session = aiohttp.ClientSession(
            connector=self._addresses.build_connector(
                limit=0,  # the deliveries are limited
                keepalive_timeout=_KEEPALIVE_S,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            timeout=ClientTimeout(total=None),  # ours is around everything
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._session is not None
        await self._session.close()
        self._addresses.close()

    async def post(self, url: str, headers: dict[str, str], body: bytes) -> Answer:
        """The endpoint's answer. Never raises for what the endpoint or the network does."""
        assert self._session is not None
        try:
            async with asyncio.timeout(self._timeout_s):
                response = await self._session.post(
                    url, headers=headers, data=body, allow_redirects=False
                )
        except TimeoutError:
            return Answer(error=f"no answer within {self._timeout_s} s")
        except AddressNotAllowed as error:
            return Answer(error=str(error))
        except aiohttp.ClientError as error:
            return Answer(error=_describe(error))
        except (OSError, ValueError) as error:  # of a name that cannot be encoded, for example
            return Answer(error=f"the request cannot be made ({type(error).__name__})")
        await _drain(response, self._body_timeout_s)
        return Answer(status=response.status, retry_after_s=_read_retry_after(response))


async def _drain(response: ClientResponse, timeout_s: float) -> None:
    """Read what little there is. The status has come, so nothing here is a failure."""
    remaining = _MAX_BODY_BYTES
    try:
        async with asyncio.timeout(timeout_s):
            while remaining > 0 and (piece := await response.content.read(remaining)):
                remaining -= len(piece)
        if remaining > 0:
            response.release()
    except (TimeoutError, aiohttp.ClientError, OSError):
        log.debug("the body of an answer could not be read to its end")
    finally:
        response.close()  # does nothing after a release


def _read_retry_after(response: ClientResponse) -> float:
    """The seconds that the endpoint asks for; a date is ignored, because its clock may be another one."""
    text = response.headers.get(hdrs.RETRY_AFTER, "").strip()
    return float(text) if text.isascii() and text.isdigit() and len(text) <= 9 else 0.0


def _refuse_address() -> Exception:
    return AddressNotAllowed(
        "the host has an address that is not public; the operator can set WA_WEBHOOKS_ALLOWED_NETWORKS"
    )


def _describe(error: aiohttp.ClientError) -> str:
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "the server closed the connection"
    failure = describe_connection_failure(error)
    return failure or f"the answer cannot be read ({type(error).__name__})"
