"""The sandbox's process: builds the parts, opens the two ports, prints the ready line, ends on a signal.

No behaviour of WhatsApp may be in this file. A port that is not configured stays the same from one
run to the next, so a browser finds the sandbox again after a restart.
"""

import asyncio
import contextlib
import dataclasses
import json
import signal
import ssl
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import filelock
from aiohttp import web

from streams.sandbox.control import Control
from streams.sandbox.server import Server
from streams.sandbox.site import Site
from streams.sandbox.state.faults import Defaults
from streams.sandbox.state.store import Store
from streams.sandbox.tls import load_or_create_identity

_LOOPBACK = "127.0.0.1"
_CLOSE_TIMEOUT_S = 1.0


class CannotStart(Exception):
    """The sandbox cannot start. The message says what to do."""


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
    behaviour: Mapping[str, Any] | None = None,
    as_json: bool = False,
    on_ready: Callable[[str], None] | None = None,
) -> int:
    """Simulate WhatsApp until SIGTERM or SIGINT. Returns the exit code (0, or 2: it cannot start).

    All its data is in `<data_dir>/sandbox`. `port` is the port of the control interface, `page_port`
    that of the page; 0 means the port of the last run, else any free one. `Defaults` explains the times
    and has more of them: `behaviour` sets any of them by name.
    When the sandbox is ready, it prints one line with the control interface's URL (`as_json`: an
    object) and calls `on_ready` with the URL.
    """
    defaults = Defaults(
        ack_delay_ms=ack_delay_ms,
        delivery_ms=delivery_ms,
        read_ms=read_ms,
        qr_ttl_s=qr_ttl_s,
        auto_scan=auto_scan,
    )
    defaults = dataclasses.replace(defaults, **(behaviour or {}))

    def print_ready(url: str, browser_args: list[str]) -> None:
        line = {"ready": True, "url": url, "browser_args": browser_args}
        print(json.dumps(line) if as_json else f"sandbox: ready at {url}", flush=True)
        if on_ready is not None:
            on_ready(url)

    try:
        asyncio.run(_serve(data_dir / "sandbox", port, page_port, defaults, print_ready))
    except CannotStart as error:
        print(f"sandbox: {error}", file=sys.stderr, flush=True)
        return 2
    return 0


async def _serve(
    folder: Path,
    port: int,
    page_port: int,
    defaults: Defaults,
    print_ready: Callable[[str, list[str]], None],
) -> None:
    shutdown = _stop_on_signals()
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(_lock_folder(folder))
        store = Store(folder / "journal.jsonl")
        stack.callback(store.close)
        server = Server(store, defaults)
        tls_identity = load_or_create_identity(folder)
        saved_ports = _SavedPorts(folder / "ports.json")
        site = Site(server).build_application()
        page_port = await _listen(
            stack, site, saved_ports.choose("page", page_port), tls_identity.server_context()
        )
        browser_args = tls_identity.browser_args(page_port)
        control = Control(server, browser_args).build_application()
        port = await _listen(stack, control, saved_ports.choose("control", port))
        stack.push_async_callback(server.close)
        saved_ports.save(page=page_port, control=port)
        print_ready(f"http://{_LOOPBACK}:{port}", browser_args)
        await shutdown.wait()


def _stop_on_signals() -> asyncio.Event:
    shutdown = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_number, shutdown.set)
    return shutdown


def _lock_folder(folder: Path) -> contextlib.AbstractContextManager[object]:
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
    choice: "_PortChoice",
    tls: ssl.SSLContext | None = None,
) -> int:
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=_CLOSE_TIMEOUT_S)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    for port in choice.ports:
        site = web.TCPSite(runner, _LOOPBACK, port, ssl_context=tls)
        try:
            await site.start()
        except OSError:
            continue
        return runner.addresses[0][1]
    raise CannotStart(f"port {choice.ports[0]} is taken; {choice.advice}")


class _PortChoice:
    """The ports to try, in this order, and what to do if none is free."""

    def __init__(self, ports: list[int], advice: str) -> None:
        self.ports = ports
        self.advice = advice


class _SavedPorts:
    """The ports of the last run, in a file."""

    def __init__(self, file: Path) -> None:
        self._file = file
        try:
            self._last_ports: dict[str, int] = json.loads(file.read_bytes())
        except (FileNotFoundError, ValueError):
            self._last_ports = {}

    def choose(self, name: str, configured: int) -> _PortChoice:
        if configured:
            return _PortChoice(
                [configured], "set WA_SANDBOX_PORT to another one, or to 0 for any free port"
            )
        last = self._last_ports.get(name)
        return _PortChoice([last, 0] if last else [0], "none is free")

    def save(self, **ports: int) -> None:
        self._file.write_text(json.dumps(ports))
