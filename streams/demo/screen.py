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
from streams.local.run_dir import ServiceStatus

SIMULATION_NOTICE: Final = (
    "This is a SIMULATED WhatsApp on this machine: a real Kafka, a real browser and the real wa-js, "
    "but no message leaves this machine and no account is needed."
)
_COUNTS_INTERVAL_S = 2.0


class DemoScreen(Protocol):
    """Where the demo shows itself; a context."""

    def __enter__(self) -> "DemoScreen": ...

    def __exit__(self, *error: object) -> None: ...

    def show_step(self, text: str) -> None:
        """What happens now."""
        ...

    def show_service(self, service: ServiceStatus) -> None:
        """A part of the service is in another state."""
        ...

    def show_event(self, event: StatusEvent) -> None:
        """Something became of a request."""
        ...


class RequestTracker:
    """Where each request of each phone stands."""

    def __init__(self) -> None:
        self.last_events: dict[str, StatusEvent] = {}

    def add(self, event: StatusEvent) -> None:
        """The newest word on a request."""
        self.last_events[event.id] = event

    def count_statuses(self, phone: str | None = None) -> Counter[str]:
        """How many requests have which status, of one phone or of all."""
        return Counter(
            each.status for each in self.last_events.values() if phone is None or each.to == phone
        )

    @property
    def phones(self) -> list[str]:
        """Those that something was said of."""
        return sorted({each.to for each in self.last_events.values() if each.to})

    def find_longest_wait(self, phone: str) -> StatusEvent | None:
        """The request of this phone that waits longest from now."""
        queued = [e for e in self.last_events.values() if e.to == phone and e.status == "queued"]
        return max(queued, key=lambda each: each.due_at or "", default=None)


class PlainScreen:
    """Plain lines: each step, whatever is out of the ordinary, and now and then the count."""

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
        """One line, when it is ready or in trouble."""
        if service.state != "starting" and service.state != "stopped":
            self._print_line(f"  {service.name} {service.state} {service.reason}".rstrip())

    def show_event(self, event: StatusEvent) -> None:
        """One line for what is out of the ordinary."""
        self._tracker.add(event)
        if event.error is not None:
            self._print_line(
                f"  {event.id} {event.status}: {event.error.code} ({event.error.detail})"
            )
        elif event.reason == "rate_limited" and event.due_at:
            self._print_line(
                f"  {event.id} waits {_format_remaining(event.due_at)}: {RATE_LIMIT_PER_MINUTE} a minute to one phone"
            )
        elif time.monotonic() - self._counts_shown_s >= _COUNTS_INTERVAL_S:
            self._counts_shown_s = time.monotonic()
            self._print_line("  " + _format_counts(self._tracker.count_statuses()))

    def _print_line(self, text: str) -> None:
        print(f"{time.strftime('%H:%M:%S')} {text}", file=self._out, flush=True)


class LiveScreen:
    """A live table of the phones."""

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
        """Above the table."""
        self._step = text

    def show_service(self, service: ServiceStatus) -> None:
        """In the line of parts."""
        self._services[service.name] = service

    def show_event(self, event: StatusEvent) -> None:
        """In its phone's row."""
        self._tracker.add(event)

    def _render(self) -> RenderableType:
        services = "  ".join(f"{each.name} {each.state}" for each in self._services.values())
        table = Table(box=None, pad_edge=False, header_style="bold")
        for name in ("phone", "waiting", "sent", "delivered", "refused", ""):
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
        counts, waiting_event = (
            self._tracker.count_statuses(phone),
            self._tracker.find_longest_wait(phone),
        )
        reason = (
            ""
            if waiting_event is None
            else f"{waiting_event.reason} {_format_remaining(waiting_event.due_at) if waiting_event.due_at else ''}"
        )
        return [
            phone,
            str(counts["accepted"] + counts["queued"] or ""),
            str(counts["sent"] or ""),
            str(counts["delivered"] + counts["read"] or ""),
            str(counts["failed"] + counts["rejected"] or ""),
            reason,
        ]


def make_screen(*, as_json: bool) -> DemoScreen:
    """The right one for where our output goes; with JSON stdout is left to that."""
    return LiveScreen() if sys.stdout.isatty() and not as_json else PlainScreen(use_stderr=as_json)


def _format_counts(counts: Counter[str]) -> str:
    return ", ".join(f"{number} {status}" for status, number in sorted(counts.items()))


def _format_remaining(due_at: str) -> str:
    remaining_s = (datetime.fromisoformat(due_at) - datetime.now(UTC)).total_seconds()
    return f"{max(0.0, remaining_s):.0f} s"
