"""How an HTTP server of a process listens: its port, its run file, its end. Knows no page and no probe.

A server without a port of its own keeps the one that it had last, because monitoring would lose another one.
"""

import errno
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from aiohttp import web

from streams.observability import run_file
from streams.observability.process_info import read_version
from streams.settings import Settings
from streams.system import network
from streams.system.network import is_loopback

log = logging.getLogger(__name__)

_SHUTDOWN_TIMEOUT_S: Final = 1.0


class CannotListen(Exception):
    """The server cannot start; the text is one line that says what to do."""


class Server:
    """A server that listens until it is closed."""

    def __init__(self, runner: web.AppRunner, host: str) -> None:
        self._runner = runner
        self._host = host
        self.port: int = runner.addresses[0][1]

    @property
    def url(self) -> str:
        """The URL for this machine, without a slash at the end."""
        host = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(self._host, self._host)
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    async def close(self) -> None:
        """Stop listening and close the open connections. A second call does nothing."""
        await self._runner.cleanup()


async def listen(application: web.Application, host: str, port: int) -> Server:
    """Serve the application. Port 0 means any free one.

    Raises:
        CannotListen: the port is taken, or the address is not one of this machine.
    """
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=_SHUTDOWN_TIMEOUT_S)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        await runner.cleanup()
        raise CannotListen(_describe_listen_error(error, host, port)) from error
    return Server(runner, host)


@asynccontextmanager
async def serve_application(
    settings: Settings, name: str, port: int, application: web.Application
) -> AsyncIterator[Server]:
    """Serve it on WA_WEB_HOST, and write the run file of this process. Port 0: its last one, if that is free.

    Raises:
        CannotListen: see `listen`.
    """
    server = await listen(application, settings.web_host, port or _choose_port(settings, name))
    log.info("%s (wa-streams %s) listens on %s", name, read_version(), server.url)
    try:
        if not port:
            run_file.save_port(settings.data_dir, name, server.port)
        with run_file.managed_run_file(settings.data_dir, name) as write_run_file:
            write_run_file(server.url)
            yield server
    finally:
        await server.close()


def _choose_port(settings: Settings, name: str) -> int:
    """A port that stays the worker's own: monitoring would lose one that changes at each restart."""
    last_port = run_file.read_last_port(settings.data_dir, name)
    if not is_loopback(settings.web_host):
        return last_port  # whether it is free there is seen when it is opened
    if last_port and network.is_free(last_port):
        return last_port
    if last_port:
        log.warning("another program has the port %d of %s: it gets a new one", last_port, name)
    return network.find_free()


def _describe_listen_error(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"WA_WEB_PORT={port}: is taken on {host}; set another port, or 0 for any free one"
    if error.errno == errno.EACCES:
        return f"WA_WEB_PORT={port}: this user may not open it; set a port above 1023"
    return f"WA_WEB_HOST={host}: cannot be listened on ({error.strerror}); set 127.0.0.1"
