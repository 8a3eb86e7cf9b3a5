"""What an `up` shows while it runs: a live table in a terminal, plain lines elsewhere.

It shows what it is told and decides nothing.
"""

import io
import sys
import time
from typing import Protocol

import segno
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from streams.local.run_dir import ServiceStatus, StackStatus

_COLOURS = {"ready": "green", "starting": "yellow", "backoff": "red", "failed": "bold red"}


class Screen(Protocol):
    """Where an `up` shows itself; a context."""

    def __enter__(self) -> "Screen": ...

    def __exit__(self, *error: object) -> None: ...

    def show_service(self, service: ServiceStatus) -> None:
        """A part is in another state."""
        ...

    def show_message(self, text: str) -> None:
        """A sentence."""
        ...

    def show_code(self, account: str, qr: str | None) -> None:
        """The account is to be linked with this code, or (None) no more."""
        ...

    def show_ready(self, status: StackStatus) -> None:
        """All is ready."""
        ...


def render_qr(qr: str, *, colours: bool) -> str:
    """The code in half blocks: light ones on dark ground, which `colours` make sure of."""
    out = io.StringIO()
    segno.make(qr, error="l").terminal(out, compact=True)
    lines = out.getvalue().splitlines()
    return "\n".join(f"\x1b[97;40m{line}\x1b[0m" if colours else line for line in lines)


def format_link_instructions(account: str) -> str:
    """What a person does with the code."""
    return f"{account}: scan this code with WhatsApp > Settings > Linked devices > Link a device"


class PlainScreen:
    """Plain lines with the time; for pipes, logs and CI."""

    def __init__(self, *, use_stderr: bool) -> None:
        self._out = sys.stderr if use_stderr else sys.stdout
        self._last_shown: dict[str, tuple[str, str]] = {}

    def __enter__(self) -> "PlainScreen":
        return self

    def __exit__(self, *error: object) -> None:
        return

    def show_service(self, service: ServiceStatus) -> None:
        """One line, when there is something new."""
        previous, self._last_shown[service.name] = (
            self._last_shown.get(service.name),
            (service.state, service.reason),
        )
        if previous == self._last_shown[service.name]:
            return
        restarted = f", restarted {service.restarts} times" if service.restarts else ""
        reason = f": {service.reason}" if service.reason else ""
        self.show_message(f"{service.name} {service.state}{restarted}{reason}")

    def show_message(self, text: str) -> None:
        """One line."""
        print(f"{time.strftime('%H:%M:%S')} {text}", file=self._out, flush=True)

    def show_code(self, account: str, qr: str | None) -> None:
        """The code, as it can be scanned from a log too."""
        if qr is not None:
            self.show_message(format_link_instructions(account))
            print(render_qr(qr, colours=self._out.isatty()), file=self._out, flush=True)

    def show_ready(self, status: StackStatus) -> None:
        """Where everything is."""
        self.show_message(summarize(status))


class LiveScreen:
    """A live table; codes below it."""

    def __init__(self) -> None:
        self._services: dict[str, ServiceStatus] = {}
        self._codes: dict[str, str] = {}
        self._message = ""
        self._live = Live(
            console=Console(markup=False, highlight=False, emoji=False),
            get_renderable=self._render,
            refresh_per_second=4,
            vertical_overflow="visible",  # half a code is none
        )

    def __enter__(self) -> "LiveScreen":
        self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._live.stop()

    def show_service(self, service: ServiceStatus) -> None:
        """Its row."""
        self._services[service.name] = service

    def show_message(self, text: str) -> None:
        """The line below the table."""
        self._message = text

    def show_code(self, account: str, qr: str | None) -> None:
        """Below the table until it is scanned."""
        self._codes.pop(account, None)
        if qr is not None:
            self._codes[account] = qr

    def show_ready(self, status: StackStatus) -> None:
        """Where everything is."""
        self.show_message(summarize(status) + " · Ctrl-C ends it")

    def _render(self) -> RenderableType:
        table = Table(box=None, pad_edge=False, header_style="bold")
        for name in ("service", "state", "pid", "restarts", ""):
            table.add_column(name, overflow="fold")
        for service in self._services.values():
            state = Text(service.state, style=_COLOURS.get(service.state, "dim"))
            pid = "-" if service.pid is None else str(service.pid)
            table.add_row(service.name, state, pid, str(service.restarts), service.reason)
        codes = [
            Text(f"\n{format_link_instructions(account)}\n")
            + Text.from_ansi(render_qr(qr, colours=True))
            for account, qr in self._codes.items()
        ]
        return Group(table, *codes, Text(self._message))


def summarize(status: StackStatus) -> str:
    """All of it in one line."""
    addresses = [
        f"Kafka {status.kafka}",
        *([f"probes {status.web}"] if status.web else []),
        *([f"simulated WhatsApp {status.sandbox}"] if status.sandbox else []),
    ]
    return "ready: " + " · ".join(addresses)


def make_screen(*, as_json: bool) -> Screen:
    """The right one for where our output goes; with JSON stdout is left to that."""
    if not as_json and sys.stdout.isatty():
        return LiveScreen()
    return PlainScreen(use_stderr=as_json)
