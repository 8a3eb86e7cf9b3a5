"""What the demo shows while it runs: a live table in a terminal, plain lines elsewhere. Decides nothing."""

import sys
import time
from collections import Counter
from datetime import UTC, datetime
from typing import Final, Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from streams.contract.status import StatusEvent
from streams.demo.script import RATE_LIMIT_PER_MINUTE
from streams.local.status import ServiceStatus

SIMULATION_NOTICE: Final = (
    "This is a SIMULATED WhatsApp. Kafka, the browser and wa-js are real, but no message leaves "
    "this machine and no account is needed."
)
_COUNTS_INTERVAL_S = 2.0


class DemoScreen(Protocol):
    """A display of the running demo; a context."""

    def __enter__(self) -> "DemoScreen": ...

    def __exit__(self, *error: object) -> None: ...

    def show_step(self, text: str) -> None:
        """Show what happens now."""
        ...

    def show_service(self, service: ServiceStatus) -> None:
        """Show the new state of a service."""
        ...

    def show_event(self, event: StatusEvent) -> None:
        """Show a status event."""
        ...


class RequestTracker:
    """The last status of each request. A thread may draw it: `last_events` is replaced, never changed."""

    def __init__(self) -> None:
        self.last_events: dict[str, StatusEvent] = {}

    def add(self, event: StatusEvent) -> None:
        """Record the newest event of a request."""
        self.last_events = {**self.last_events, event.id: event}

    def count_statuses(self, phone: str | None = None) -> Counter[str]:
        """The number of requests with each status, of one phone or of all."""
        return Counter(
            event.status
            for event in self.last_events.values()
            if phone is None or event.to == phone
        )

    @property
    def phones(self) -> list[str]:
        """The phones of all events, sorted."""
        return sorted({event.to for event in self.last_events.values() if event.to})

    def find_longest_wait(self, phone: str) -> StatusEvent | None:
        """The request of this phone that must wait the longest from now."""
        queued = [e for e in self.last_events.values() if e.to == phone and e.status == "queued"]
        return max(queued, key=lambda event: event.due_at or "", default=None)


class PlainScreen:
    """Plain lines: each step, each event that is not a regular one, and the counts every two seconds."""

    def __init__(self, *, use_stderr: bool) -> None:
        self._out = sys.stderr if use_stderr else sys.stdout
        self._tracker = RequestTracker()
        self._counts_shown_s = 0.0

    def __enter__(self) -> "PlainScreen":
        self._print_line(SIMULATION_NOTICE)
        return self

    def __exit__(self, *error: object) -> None:
        return

    def show_step(self, text: str) -> None:
        """One line."""
        self._print_line(text)

    def show_service(self, service: ServiceStatus) -> None:
        """One line if it is ready or has a problem."""
        if service.state != "starting" and service.state != "stopped":
            self._print_line(f"  {service.name} {service.state} {service.reason}".rstrip())

    def show_event(self, event: StatusEvent) -> None:
        """One line for an error or a wait; for others the counts, every two seconds."""
        self._tracker.add(event)
        if event.error is not None:
            self._print_line(
                f"  {event.id} {event.status}: {event.error.code} ({event.error.detail})"
            )
        elif event.reason == "rate_limited" and event.due_at:
            self._print_line(
                f"  {event.id} waits {_format_remaining(event.due_at)}: "
                f"at most {RATE_LIMIT_PER_MINUTE} a minute to one phone"
            )
        elif time.monotonic() - self._counts_shown_s >= _COUNTS_INTERVAL_S:
            self._counts_shown_s = time.monotonic()
            self._print_line("  " + _format_counts(self._tracker.count_statuses()))

    def _print_line(self, text: str) -> None:
        print(f"{time.strftime('%H:%M:%S')} {text}", file=self._out, flush=True)


class LiveScreen:
    """A live table with a row for each phone."""

    def __init__(self) -> None:
        self._tracker = RequestTracker()
        self._services: dict[str, ServiceStatus] = {}
        self._step = ""
        self._live = Live(
            console=Console(markup=False, highlight=False, emoji=False),
            get_renderable=self._render,
            refresh_per_second=8,
        )

    def __enter__(self) -> "LiveScreen":
        self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._live.stop()

    def show_step(self, text: str) -> None:
        """The last line."""
        self._step = text

    def show_service(self, service: ServiceStatus) -> None:
        """In the line of services."""
        self._services = {**self._services, service.name: service}

    def show_event(self, event: StatusEvent) -> None:
        """In the row of its phone."""
        self._tracker.add(event)

    def _render(self) -> RenderableType:
        services = "  ".join(
            f"{service.name} {service.state}" for service in self._services.values()
        )
        table = Table(box=None, pad_edge=False, header_style="bold")
        for name in ("phone", "waiting", "sent", "delivered", "failed", ""):
            table.add_column(name, justify="left" if name in ("phone", "") else "right")
        for phone in self._tracker.phones:
            table.add_row(*self._render_row(phone))
        total = _format_counts(self._tracker.count_statuses())
        return Group(
            Text(SIMULATION_NOTICE, style="yellow"),
            Text(services, style="dim"),
            table,
            Text(total),
            self._render_step(),
        )

    def _render_step(self) -> Text:
        return Text(self._step, style="bold")

    def _render_row(self, phone: str) -> list[str]:
        counts = self._tracker.count_statuses(phone)
        return [
            phone,
            str(counts["accepted"] + counts["queued"] or ""),
            str(counts["sent"] or ""),
            str(counts["delivered"] + counts["read"] or ""),
            str(counts["failed"] + counts["rejected"] or ""),
            _format_wait(self._tracker.find_longest_wait(phone)),
        ]


def make_screen(*, as_json: bool) -> DemoScreen:
    """The screen for this stdout. With JSON stdout is left to the data."""
    return LiveScreen() if sys.stdout.isatty() and not as_json else PlainScreen(use_stderr=as_json)


def _format_counts(counts: Counter[str]) -> str:
    return ", ".join(f"{number} {status}" for status, number in sorted(counts.items()))


def _format_wait(event: StatusEvent | None) -> str:
    if event is None:
        return ""
    return f"{event.reason} {_format_remaining(event.due_at) if event.due_at else ''}"


def _format_remaining(due_at: str) -> str:
    remaining_s = (datetime.fromisoformat(due_at) - datetime.now(UTC)).total_seconds()
    return f"{max(0.0, remaining_s):.0f} s"
