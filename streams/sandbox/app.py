"""The process: puts the parts together, opens the two ports, says that it is ready, ends on a signal.

Ports that nobody named are kept from one run to the next: a browser that knows where this WhatsApp
is finds it again after a restart.
"""

import asyncio
import contextlib
import json
import signal
import ssl
import sys
from collections.abc import Callable
from pathlib import Path

import filelock
from aiohttp import web

from streams.sandbox.control import Control
from streams.sandbox.server import Server
from streams.sandbox.site import Site
from streams.sandbox.state.habits import Habits
from streams.sandbox.state.store import Store
from streams.sandbox.tls import identity

_LOOPBACK = "127.0.0.1"
_CLOSE_WITHIN_S = 1.0


class CannotStart(Exception):
    """The sandbox cannot start; the text says what to do."""


def run(
    *,
    data_dir: Path,
    port: int,
    page_port: int = 0,
    auto_scan: bool = False,
    ack_delay_ms: int = 0,
    delivery_ms: int | None = 20,
    read_ms: int | None = None,
    qr_ttl_s: float = 20.0,
    as_json: bool = False,
    ready: Callable[[str], None] | None = None,
) -> int:
    """Play WhatsApp until SIGTERM or SIGINT; returns the exit code (0, or 2: it cannot start).

    Everything it keeps is in `<data_dir>/sandbox`. `port` is the control's, `page_port` that of the
    page; 0 is the one of the last run, else any free one. The times are those of `Habits`. One line
    says that it is ready, with the control's URL (`as_json`: an object); `ready` is called with it.
    """
    habits = Habits(
        ack_delay_ms=ack_delay_ms,
        delivery_ms=delivery_ms,
        read_ms=read_ms,
        qr_ttl_s=qr_ttl_s,
        auto_scan=auto_scan,
    )

    def say(url: str, browser_args: list[str]) -> None:
        line = {"ready": True, "url": url, "browser_args": browser_args}
        print(json.dumps(line) if as_json else f"sandbox: ready at {url}", flush=True)
        if ready is not None:
            ready(url)

    try:
        asyncio.run(_play(data_dir / "sandbox", port, page_port, habits, say))
    except CannotStart as error:
        print(f"sandbox: {error}", file=sys.stderr, flush=True)
        return 2
    return 0


async def _play(
    folder: Path,
    port: int,
    page_port: int,
    habits: Habits,
    say: Callable[[str, list[str]], None],
) -> None:
    stopped = _stop_on_signals()
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(_owner(folder))
        store = Store(folder / "journal.jsonl")
        stack.callback(store.close)
        server = Server(store, habits)
        who = identity(folder)
        kept = _Ports(folder / "ports.json")
        site = Site(server).application()
        page_port = await _listen(stack, site, kept.wish("page", page_port), who.context())
        browser_args = who.browser_args(page_port)
        control = Control(server, browser_args).application()
        port = await _listen(stack, control, kept.wish("control", port))
        stack.push_async_callback(server.close)
        kept.keep(page=page_port, control=port)
        say(f"http://{_LOOPBACK}:{port}", browser_args)
        await stopped.wait()


def _stop_on_signals() -> asyncio.Event:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for one in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(one, stopped.set)
    return stopped


def _owner(folder: Path) -> contextlib.AbstractContextManager[object]:
    folder.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(folder / "lock")
    try:
        return lock.acquire(timeout=0)
    except filelock.Timeout:
        raise CannotStart(
            f"another sandbox uses {folder}; stop it, or set WA_DATA_DIR to another folder"
        ) from None


async def _listen(
    stack: contextlib.AsyncExitStack,
    application: web.Application,
    wish: "_Wish",
    tls: ssl.SSLContext | None = None,
) -> int:
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=_CLOSE_WITHIN_S)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    for port in wish.ports:
        site = web.TCPSite(runner, _LOOPBACK, port, ssl_context=tls)
        try:
            await site.start()
        except OSError:
            continue
        return runner.addresses[0][1]
    raise CannotStart(f"port {wish.ports[0]} is taken; {wish.advice}")


class _Wish:
    """The ports to try, in order."""

    def __init__(self, ports: list[int], advice: str) -> None:
        self.ports = ports
        self.advice = advice


class _Ports:
    """The ports of the last run."""

    def __init__(self, file: Path) -> None:
        self._file = file
        try:
            self._last: dict[str, int] = json.loads(file.read_bytes())
        except (FileNotFoundError, ValueError):
            self._last = {}

    def wish(self, name: str, asked: int) -> _Wish:
        if asked:
            return _Wish([asked], "set WA_SANDBOX_PORT to another one, 0 for any that is free")
        last = self._last.get(name)
        return _Wish([last, 0] if last else [0], "none is free")

    def keep(self, **ports: int) -> None:
        self._file.write_text(json.dumps(ports))
