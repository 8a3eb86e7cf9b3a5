"""What `up` shows while it runs: a live screen in a terminal, plain lines elsewhere.

A screen shows what it receives and decides nothing. It never raises and never waits: a terminal that takes
nothing, or a pipe that is closed, must not end or hold up the service.
"""

import contextlib
import re
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Final, Protocol, Self

from streams.cli.live_screen import LinkCode, Snapshot, has_room, render
from streams.cli.rendering import format_link_instructions
from streams.local.status import ServiceStatus, StackStatus
from streams.operations.accounts import CODE_LIFETIME_S
from streams.system.qr_code import render_qr, write_png
from streams.system.terminal import FrameWriter, LineWriter

_PICTURE_NAME: Final = "link.png"
_MAX_PLAIN_CODES: Final = 12  # of one account in a row: a log must not grow for ever


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

    def __init__(self, *, descriptor: int, use_colors: bool) -> None:
        self._writer = LineWriter(descriptor)
        self._use_colors = use_colors
        self._last_shown: dict[str, tuple[str, str]] = {}
        self._shown_codes: dict[str, int] = {}

    def __enter__(self) -> Self:
        self._writer.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._writer.stop()

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
        self._writer.write(f"{time.strftime('%H:%M:%S')} {text}")

    def show_code(self, account: str, qr: str | None) -> None:
        """The code, which can be scanned from a log too; after some codes only how to get the current one."""
        if qr is None:
            return
        count = self._shown_codes[account] = self._shown_codes.get(account, 0) + 1
        if count <= _MAX_PLAIN_CODES:
            code = "\n".join(render_qr(qr, use_colors=self._use_colors))
            self.show_message(f"{format_link_instructions(account)}\n{code}")
        elif count == _MAX_PLAIN_CODES + 1:
            command = f"`wa-streams accounts link {account}` shows the current code"
            self.show_message(f"{account} is not linked; {command}")

    def show_ready(self, status: StackStatus) -> None:
        """The addresses of everything."""
        self.show_message(summarize(status))


class LiveScreen:
    """A live table, with a QR code below it, on the alternate screen of a terminal.

    If drawing fails, plain lines take its place. `picture_dir` is where the picture of a code is put that
    is too large for the terminal.
    """

    def __init__(
        self,
        *,
        picture_dir: Path,
        descriptor: int,
        code_lifetime_s: float = CODE_LIFETIME_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._snapshot = Snapshot()
        self._picture = picture_dir / _PICTURE_NAME
        self._pictured_code: LinkCode | None = None
        self._code_lifetime_s = code_lifetime_s
        self._clock = clock
        self._plain = PlainScreen(descriptor=descriptor, use_colors=True)
        self._has_failed = False
        self._frames = FrameWriter(
            self.draw, descriptor=descriptor, on_failure=self._switch_to_plain_lines
        )

    def __enter__(self) -> Self:
        self._remove_picture()
        self._plain.__enter__()
        self._frames.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._frames.stop()
        self._remove_picture()
        message = self._snapshot.message
        if (
            message and not self._has_failed
        ):  # the alternate screen is gone, and with it the message
            self._plain.show_message(message)
        self._plain.__exit__(*error)

    def show_service(self, service: ServiceStatus) -> None:
        """The row of the service."""
        services = {**self._snapshot.services, service.name: service}
        self._snapshot = replace(self._snapshot, services=MappingProxyType(services))
        if self._has_failed:
            self._plain.show_service(service)

    def show_message(self, text: str) -> None:
        """The line below the table."""
        self._snapshot = replace(self._snapshot, message=text)
        if self._has_failed:
            self._plain.show_message(text)

    def show_code(self, account: str, qr: str | None) -> None:
        """Below the table, until it is scanned or has expired."""
        codes = [code for code in self._snapshot.codes if code.account != account]
        if qr is not None:
            codes.append(LinkCode(account, qr, self._clock() + self._code_lifetime_s))
        codes.sort(key=lambda code: code.account)  # each new code stays in its place
        self._snapshot = replace(self._snapshot, codes=tuple(codes))
        if self._has_failed:
            self._plain.show_code(account, qr)

    def show_ready(self, status: StackStatus) -> None:
        """The addresses of everything."""
        self.show_message(summarize(status) + " · Ctrl-C stops everything")

    def draw(self, width: int, height: int) -> list[str]:
        """The lines of this moment. Runs in the thread of the screen."""
        snapshot, now_s = self._snapshot, self._clock()
        picture = self._update_picture(snapshot, now_s, width, height)
        return render(snapshot, width, height, now_s, picture)

    def _update_picture(
        self, snapshot: Snapshot, now_s: float, width: int, height: int
    ) -> Path | None:
        """The picture of a code for which there is no room; there is none of any other code."""
        code = snapshot.get_code(now_s)
        if code is None or has_room(snapshot, code, width, height):
            if self._pictured_code is not None:
                self._remove_picture()
            return None
        if code != self._pictured_code:
            try:
                write_png(code.qr, self._picture)
            except OSError:  # a full disk: there is no picture
                self._remove_picture()
                return None
            self._pictured_code = code
        return self._picture

    def _remove_picture(self) -> None:
        self._pictured_code = None
        with contextlib.suppress(OSError):
            self._picture.unlink(missing_ok=True)

    def _switch_to_plain_lines(self, error: Exception) -> None:
        """Runs in the thread of the screen, once: what is shown now follows as lines."""
        self._has_failed = True
        snapshot = self._snapshot
        self._plain.show_message(f"the live screen failed ({error!r}); plain lines follow")
        for service in snapshot.services.values():
            self._plain.show_service(service)
        if (code := snapshot.get_code(self._clock())) is not None:
            self._plain.show_code(code.account, code.qr)
        if snapshot.message:
            self._plain.show_message(snapshot.message)


def summarize(status: StackStatus) -> str:
    """The addresses of everything, in one line."""
    addresses = [
        f"Kafka {status.kafka}",
        *([f"console {status.web}"] if status.web else []),
        *([f"simulated WhatsApp {status.sandbox}"] if status.sandbox else []),
    ]
    return "ready: " + " · ".join(addresses)


def make_screen(*, as_json: bool, picture_dir: Path) -> Screen:
    """The screen for this stdout. With JSON stdout is left to the data."""
    out = sys.stderr if as_json else sys.stdout
    out.flush()
    if not as_json and out.isatty():
        return LiveScreen(picture_dir=picture_dir, descriptor=out.fileno())
    return PlainScreen(descriptor=out.fileno(), use_colors=out.isatty())
