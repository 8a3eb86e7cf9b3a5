"""What `up` shows while it runs: a live table in a terminal, plain lines elsewhere.

A screen shows what it receives and decides nothing.
"""

import re
import sys
import time
from typing import Final, Protocol, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from streams.cli.rendering import format_link_instructions, render_qr
from streams.local.status import ServiceStatus, StackStatus

_COLORS: Final = {"ready": "green", "starting": "yellow", "backoff": "red", "failed": "bold red"}


class Screen(Protocol):
    """A display of a running `up`; a context."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *error: object) -> None: ...

    def show_service(self, service: ServiceStatus) -> None:
        """Show the new state of a service."""
        ...

    def show_message(self, text: str) -> None:
        """Show a sentence."""
        ...

    def show_code(self, account: str, qr: str | None) -> None:
        """Show the QR code that links this account; None removes it."""
        ...

    def show_ready(self, status: StackStatus) -> None:
        """Show that everything is ready."""
        ...


_PERCENT = re.compile(r"\((\d+) %\)")


def _round_to_quarter(percent: re.Match[str]) -> str:
    return f"({int(percent[1]) // 25 * 25} %)"


class PlainScreen:
    """Plain lines with the time, for pipes, logs and CI."""

    def __init__(self, *, use_stderr: bool) -> None:
        self._out = sys.stderr if use_stderr else sys.stdout
        self._last_shown: dict[str, tuple[str, str]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        return

    def show_service(self, service: ServiceStatus) -> None:
        """One line, if the state or the reason is new; of progress, one line for each quarter."""
        shown = (service.state, _PERCENT.sub(_round_to_quarter, service.reason))
        if self._last_shown.get(service.name) == shown:
            return
        self._last_shown[service.name] = shown
        restarts = f", restarted {service.restarts} times" if service.restarts else ""
        reason = f": {service.reason}" if service.reason else ""
        self.show_message(f"{service.name} {service.state}{restarts}{reason}")

    def show_message(self, text: str) -> None:
        """One line."""
        print(f"{time.strftime('%H:%M:%S')} {text}", file=self._out, flush=True)

    def show_code(self, account: str, qr: str | None) -> None:
        """The code, which can be scanned from a log too."""
        if qr is not None:
            self.show_message(format_link_instructions(account))
            print(render_qr(qr, use_colors=self._out.isatty()), file=self._out, flush=True)

    def show_ready(self, status: StackStatus) -> None:
        """The addresses of everything."""
        self.show_message(summarize(status))


class LiveScreen:
    """A live table, with the QR codes below it."""

    def __init__(self) -> None:
        self._services: dict[str, ServiceStatus] = {}
        self._codes: dict[str, str] = {}
        self._message = ""
        self._live = Live(
            console=Console(markup=False, highlight=False, emoji=False),
            get_renderable=self._render,
            refresh_per_second=4,
            vertical_overflow="visible",  # half a QR code is useless
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._live.stop()

    def show_service(self, service: ServiceStatus) -> None:
        """The row of the service."""
        self._services[service.name] = service

    def show_message(self, text: str) -> None:
        """The line below the table."""
        self._message = text

    def show_code(self, account: str, qr: str | None) -> None:
        """Below the table, until it is scanned."""
        self._codes.pop(account, None)
        if qr is not None:
            self._codes[account] = qr

    def show_ready(self, status: StackStatus) -> None:
        """The addresses of everything."""
        self.show_message(summarize(status) + " · Ctrl-C stops everything")

    def _render(self) -> RenderableType:
        table = Table(box=None, pad_edge=False, header_style="bold")
        for name in ("service", "state", "pid", "restarts", ""):
            table.add_column(name, overflow="fold")
        for service in self._services.values():
            state = Text(service.state, style=_COLORS.get(service.state, "dim"))
            pid = "-" if service.pid is None else str(service.pid)
            table.add_row(service.name, state, pid, str(service.restarts), service.reason)
        codes = [
            Text(f"\n{format_link_instructions(account)}\n")
            + Text.from_ansi(render_qr(qr, use_colors=True))
            for account, qr in self._codes.items()
        ]
        return Group(table, *codes, Text(self._message))


def summarize(status: StackStatus) -> str:
    """The addresses of everything, in one line."""
    addresses = [
        f"Kafka {status.kafka}",
        *([f"probes {status.web}"] if status.web else []),
        *([f"simulated WhatsApp {status.sandbox}"] if status.sandbox else []),
    ]
    return "ready: " + " · ".join(addresses)


def make_screen(*, as_json: bool) -> Screen:
    """The screen for this stdout. With JSON stdout is left to the data."""
    if not as_json and sys.stdout.isatty():
        return LiveScreen()
    return PlainScreen(use_stderr=as_json)
