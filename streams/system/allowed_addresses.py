"""HTTP connections to allowed addresses only (`streams/domain/addresses.py`), whatever the host of a URL is.

* Every address that a name resolves to must be allowed; one that is not refuses the name.
* The connection goes to an address that was checked, without another look-up. TLS still proves the name.
"""

import asyncio
import socket
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from streams.domain.addresses import Network, is_allowed, parse_address

_MAX_LOOKUP_THREADS: Final = 16  # of their own: a name server that does not answer holds a thread


def describe_connection_failure(error: aiohttp.ClientError) -> str | None:
    """Why there was no connection; None: there was one. Without the text of the error, which may name the URL."""
    match error:
        case aiohttp.ClientConnectorDNSError():
            return "the host has no address"
        case aiohttp.ClientSSLError():
            return "the server cannot prove who it is (TLS)"
        case aiohttp.ClientConnectorError():
            return "the server cannot be reached"
        case _:
            return None


class AllowedAddresses:
    """Connectors to the public addresses and to these networks. `make_refusal`: the error for any other address."""

    def __init__(
        self, networks: Iterable[Network], make_refusal: Callable[[], Exception], thread_name: str
    ) -> None:
        self._networks = tuple(networks)
        self._make_refusal = make_refusal
        self._threads = ThreadPoolExecutor(_MAX_LOOKUP_THREADS, thread_name)

    def build_connector(self, **options: Any) -> aiohttp.TCPConnector:
        """A connector with these options of aiohttp."""
        return aiohttp.TCPConnector(
            resolver=_CheckedResolver(self._require_allowed, self._threads),
            use_dns_cache=False,
            socket_factory=self._open_socket,
            **options,
        )

    def close(self) -> None:
        """A look-up under way is not waited for."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _open_socket(self, address_info: Any) -> socket.socket:
        """The last check: this is the address that is connected to, however it was found."""
        family, kind, protocol, _, address = address_info
        self._require_allowed(address[0])
        return socket.socket(family=family, type=kind, proto=protocol)

    def _require_allowed(self, host: str) -> None:
        address = parse_address(host)
        if address is None or not is_allowed(address, self._networks):
            raise self._make_refusal()


class _CheckedResolver(AbstractResolver):
    """Resolves names, and refuses one with any address that is not allowed."""

    def __init__(self, require_allowed: Callable[[str], None], threads: ThreadPoolExecutor) -> None:
        self._require_allowed = require_allowed
        self._threads = threads

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Raises the refusal, or OSError if the name has no address."""
        look_up = partial(socket.getaddrinfo, host, port, family=family, type=socket.SOCK_STREAM)
        infos = await asyncio.get_running_loop().run_in_executor(self._threads, look_up)
        for *_, address in infos:
            self._require_allowed(str(address[0]))
        return [
            ResolveResult(
                hostname=host,
                host=str(address[0]),
                port=port,
                family=info_family,
                proto=protocol,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for info_family, _, protocol, _, address in infos
        ]

    async def close(self) -> None:
        """Nothing: the threads are those of all connectors."""
