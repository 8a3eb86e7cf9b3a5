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
from streams.demo.script import LIMIT
from streams.local.run_dir import ShownPart

SIMULATED: Final = (
    "This is a SIMULATED WhatsApp on this machine: a real Kafka, a real browser and the real wa-js, "
    "but no message leaves this machine and no account is needed."
)
_EVERY_S = 2.0


class Show(Protocol):
    """Where the demo shows itself; a context."""

    def __enter__(self) -> "Show": ...

    def __exit__(self, *error: object) -> None: ...

    def step(self, text: str) -> None:
        """What happens now."""
        ...

    def part(self, part: ShownPart) -> None:
        """A part of the service is in another state."""
        ...

    def event(self, event: StatusEvent) -> None:
        """Something became of a request."""
        ...


class Tally:
    """Where each request of each phone stands."""

    def __init__(self) -> None:
        self.last: dict[str, StatusEvent] = {}

    def event(self, event: StatusEvent) -> None:
        """The newest word on a request."""
        self.last[event.id] = event

    def of(self, phone: str | None = None) -> Counter[str]:
        """How many requests have which status, of one phone or of all."""
        return Counter(
            each.status for each in self.last.values() if phone is None or each.to == phone
        )

    @property
    def phones(self) -> list[str]:
        """Those that something was said of."""
        return sorted({each.to for each in self.last.values() if each.to})

    def waits(self, phone: str) -> StatusEvent | None:
        """The request of this phone that waits longest from now."""
        held = [e for e in self.last.values() if e.to == phone and e.status == "queued"]
        return max(held, key=lambda each: each.due_at or "", default=None)


class Lines:
    """Plain lines: each step, whatever is out of the ordinary, and now and then the count."""

    def __init__(self, *, errors: bool) -> None:
        self._out = sys.stderr if errors else sys.stdout
        self._tally = Tally()
        self._said_s = 0.0

    def __enter__(self) -> "Lines":
        self._say(SIMULATED)
        return self

    def __exit__(self, *error: object) -> None:
        return

    def step(self, text: str) -> None:
        """One line."""
        self._say(text)

    def part(self, part: ShownPart) -> None:
        """One line, when it is ready or in trouble."""
        if part.state != "starting" and part.state != "stopped":
            self._say(f"  {part.name} {part.state} {part.why}".rstrip())

    def event(self, event: StatusEvent) -> None:
        """One line for what is out of the ordinary."""
        self._tally.event(event)
        if event.error is not None:
            self._say(f"  {event.id} {event.status}: {event.error.code} ({event.error.detail})")
        elif event.reason == "rate_limited" and event.due_at:
            self._say(f"  {event.id} waits {_in(event.due_at)}: {LIMIT} a minute to one phone")
        elif time.monotonic() - self._said_s >= _EVERY_S:
            self._said_s = time.monotonic()
            self._say("  " + _counts(self._tally.of()))

    def _say(self, text: str) -> None:
        print(f"{time.strftime('%H:%M:%S')} {text}", file=self._out, flush=True)


class Picture:
    """A live table of the phones."""

    def __init__(self) -> None:
        self._tally = Tally()
        self._parts: dict[str, ShownPart] = {}
        self._step = ""
        self._live = Live(
            console=Console(markup=False, highlight=False, emoji=False),
            get_renderable=self._render,
            refresh_per_second=8,
        )

    def __enter__(self) -> "Picture":
        self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._live.stop()

    def step(self, text: str) -> None:
        """Above the table."""
        self._step = text

    def part(self, part: ShownPart) -> None:
        """In the line of parts."""
        self._parts[part.name] = part

    def event(self, event: StatusEvent) -> None:
        """In its phone's row."""
        self._tally.event(event)

    def _render(self) -> RenderableType:
        parts = "  ".join(f"{each.name} {each.state}" for each in self._parts.values())
        table = Table(box=None, pad_edge=False, header_style="bold")
        for name in ("phone", "waiting", "sent", "delivered", "refused", ""):
            table.add_column(name, justify="left" if name in ("phone", "") else "right")
        for phone in self._tally.phones:
            table.add_row(*self._row(phone))
        total = _counts(self._tally.of())
        return Group(
            Text(SIMULATED, style="yellow"),
            Text(parts, style="dim"),
            table,
            Text(total),
            self._now(),
        )

    def _now(self) -> Text:
        return Text(self._step, style="bold")

    def _row(self, phone: str) -> list[str]:
        counts, held = self._tally.of(phone), self._tally.waits(phone)
        why = "" if held is None else f"{held.reason} {_in(held.due_at) if held.due_at else ''}"
        return [
            phone,
            str(counts["accepted"] + counts["queued"] or ""),
            str(counts["sent"] or ""),
            str(counts["delivered"] + counts["read"] or ""),
            str(counts["failed"] + counts["rejected"] or ""),
            why,
        ]


def make(*, as_json: bool) -> Show:
    """The right one for where our output goes; with JSON stdout is left to that."""
    return Picture() if sys.stdout.isatty() and not as_json else Lines(errors=as_json)


def _counts(counts: Counter[str]) -> str:
    return ", ".join(f"{number} {status}" for status, number in sorted(counts.items()))


def _in(due_at: str) -> str:
    left_s = (datetime.fromisoformat(due_at) - datetime.now(UTC)).total_seconds()
    return f"{max(0.0, left_s):.0f} s"
