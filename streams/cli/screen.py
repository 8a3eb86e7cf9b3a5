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

from streams.local.run_dir import Picture, ShownPart

_COLOURS = {"ready": "green", "starting": "yellow", "backoff": "red", "failed": "bold red"}


class Screen(Protocol):
    """Where an `up` shows itself; a context."""

    def __enter__(self) -> "Screen": ...

    def __exit__(self, *error: object) -> None: ...

    def changed(self, part: ShownPart) -> None:
        """A part is in another state."""
        ...

    def say(self, text: str) -> None:
        """A sentence."""
        ...

    def code(self, account: str, qr: str | None) -> None:
        """The account is to be linked with this code, or (None) no more."""
        ...

    def picture(self, picture: Picture) -> None:
        """All is ready."""
        ...


def qr_text(qr: str, *, colours: bool) -> str:
    """The code in half blocks: light ones on dark ground, which `colours` make sure of."""
    out = io.StringIO()
    segno.make(qr, error="l").terminal(out, compact=True)
    lines = out.getvalue().splitlines()
    return "\n".join(f"\x1b[97;40m{line}\x1b[0m" if colours else line for line in lines)


def qr_advice(account: str) -> str:
    """What a person does with the code."""
    return f"{account}: scan this code with WhatsApp > Settings > Linked devices > Link a device"


class Lines:
    """Plain lines with the time; for pipes, logs and CI."""

    def __init__(self, *, errors: bool) -> None:
        self._out = sys.stderr if errors else sys.stdout
        self._known: dict[str, tuple[str, str]] = {}

    def __enter__(self) -> "Lines":
        return self

    def __exit__(self, *error: object) -> None:
        return

    def changed(self, part: ShownPart) -> None:
        """One line, when there is something new."""
        known, self._known[part.name] = self._known.get(part.name), (part.state, part.why)
        if known == self._known[part.name]:
            return
        restarted = f", restarted {part.restarts} times" if part.restarts else ""
        why = f": {part.why}" if part.why else ""
        self.say(f"{part.name} {part.state}{restarted}{why}")

    def say(self, text: str) -> None:
        """One line."""
        print(f"{time.strftime('%H:%M:%S')} {text}", file=self._out, flush=True)

    def code(self, account: str, qr: str | None) -> None:
        """The code, as it can be scanned from a log too."""
        if qr is not None:
            self.say(qr_advice(account))
            print(qr_text(qr, colours=self._out.isatty()), file=self._out, flush=True)

    def picture(self, picture: Picture) -> None:
        """Where everything is."""
        self.say(summary(picture))


class LiveTable:
    """A live table; codes below it."""

    def __init__(self) -> None:
        self._parts: dict[str, ShownPart] = {}
        self._codes: dict[str, str] = {}
        self._said = ""
        self._live = Live(
            console=Console(markup=False, highlight=False, emoji=False),
            get_renderable=self._render,
            refresh_per_second=4,
            vertical_overflow="visible",  # half a code is none
        )

    def __enter__(self) -> "LiveTable":
        self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._live.stop()

    def changed(self, part: ShownPart) -> None:
        """Its row."""
        self._parts[part.name] = part

    def say(self, text: str) -> None:
        """The line below the table."""
        self._said = text

    def code(self, account: str, qr: str | None) -> None:
        """Below the table until it is scanned."""
        self._codes.pop(account, None)
        if qr is not None:
            self._codes[account] = qr

    def picture(self, picture: Picture) -> None:
        """Where everything is."""
        self.say(summary(picture) + " · Ctrl-C ends it")

    def _render(self) -> RenderableType:
        table = Table(box=None, pad_edge=False, header_style="bold")
        for name in ("part", "state", "pid", "restarts", ""):
            table.add_column(name, overflow="fold")
        for part in self._parts.values():
            state = Text(part.state, style=_COLOURS.get(part.state, "dim"))
            pid = "-" if part.pid is None else str(part.pid)
            table.add_row(part.name, state, pid, str(part.restarts), part.why)
        codes = [
            Text(f"\n{qr_advice(account)}\n") + Text.from_ansi(qr_text(qr, colours=True))
            for account, qr in self._codes.items()
        ]
        return Group(table, *codes, Text(self._said))


def summary(picture: Picture) -> str:
    """All of it in one line."""
    places = [
        f"Kafka {picture.kafka}",
        *([f"probes {picture.web}"] if picture.web else []),
        *([f"simulated WhatsApp {picture.sandbox}"] if picture.sandbox else []),
    ]
    return "ready: " + " · ".join(places)


def make(*, as_json: bool) -> Screen:
    """The right one for where our output goes; with JSON stdout is left to that."""
    if not as_json and sys.stdout.isatty():
        return LiveTable()
    return Lines(errors=as_json)
