"""The live screen of `up`: what it shows at one moment, and how that becomes lines. Decides nothing.

A thread draws it. So what is shown is one immutable value, which the program replaces as a whole: nothing
changes while it is drawn. A QR code has an end of its own, and is not drawn after it, whatever else happens.
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from streams.cli.rendering import format_link_instructions
from streams.local.status import ServiceStatus
from streams.system.qr_code import make_hyperlink, render_qr

_COLORS: Final = {"ready": "green", "starting": "yellow", "backoff": "red", "failed": "bold red"}


@dataclass(frozen=True, slots=True)
class LinkCode:
    """The QR code that links an account; it can be scanned until `valid_until_s` (monotonic)."""

    account: str
    qr: str
    valid_until_s: float


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that is shown at one moment."""

    services: Mapping[str, ServiceStatus] = field(default_factory=lambda: MappingProxyType({}))
    codes: tuple[LinkCode, ...] = ()
    message: str = ""

    def get_code(self, now_s: float) -> LinkCode | None:
        """The code to show: the first that can be scanned."""
        return next((code for code in self.codes if code.valid_until_s > now_s), None)


def render(
    snapshot: Snapshot, width: int, height: int, now_s: float, picture: Path | None = None
) -> list[str]:
    """The lines of the screen, at most `height` of them.

    A QR code is shown whole or not at all. If it does not fit, a line names its `picture`.
    """
    table = render_table(list(snapshot.services.values()), width)
    message = _wrap(snapshot.message, width)
    code = snapshot.get_code(now_s)
    if code is None:
        return [*table[: max(height - len(message), 0)], *message][:height]
    if not has_room(snapshot, code, width, height):
        link = [*_render_link(snapshot, code, picture, width), *message]
        return [*table[: max(height - len(link), 0)], *link][:height]
    lines = _render_code(snapshot, code, width)
    room = height - len(lines) - len(message)
    head = table if len(table) <= room else [_summarize(snapshot)][: max(room, 0)]
    return [*head, *lines, *(message if room >= 0 else [])]


def has_room(snapshot: Snapshot, code: LinkCode, width: int, height: int) -> bool:
    """Whether the whole code can be shown, with the words above it."""
    lines = render_qr(code.qr, use_colors=False)
    return len(lines[0]) <= width and len(_render_code(snapshot, code, width)) <= height


def _render_code(snapshot: Snapshot, code: LinkCode, width: int) -> list[str]:
    return [
        *_wrap(format_link_instructions(code.account), width),
        *_render_waiting(snapshot, code, width),
        *render_qr(code.qr, use_colors=True),
    ]


def render_table(services: Sequence[ServiceStatus], width: int) -> list[str]:
    """The services, one a row."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("service", "state", "pid", "restarts", ""):
        table.add_column(name, overflow="fold")
    for service in services:
        state = Text(service.state, style=_COLORS.get(service.state, "dim"))
        pid = "-" if service.pid is None else str(service.pid)
        table.add_row(service.name, state, pid, str(service.restarts), service.reason)
    return _render_lines(table, width)


def _summarize(snapshot: Snapshot) -> str:
    """The table in one line, for a terminal without room for it."""
    states = [service.state for service in snapshot.services.values()]
    return f"{states.count('ready')} of {len(states)} services are ready (`wa-streams ps`)"


def _render_waiting(snapshot: Snapshot, shown: LinkCode, width: int) -> list[str]:
    """The other accounts whose codes follow."""
    others = [code.account for code in snapshot.codes if code.account != shown.account]
    return _wrap(f"then: {', '.join(others)}", width) if others else []


def _render_link(snapshot: Snapshot, code: LinkCode, picture: Path | None, width: int) -> list[str]:
    lines_needed = len(_render_code(snapshot, code, width))
    enlarge = f"make this terminal at least {lines_needed} lines high, and the code is shown here"
    if picture is None:
        return _wrap(f"To link {code.account}, {enlarge}.", width)
    return [
        *_wrap(f"To link {code.account}, open this picture and scan the code with", width),
        *_wrap("WhatsApp > Settings > Linked devices > Link a device:", width),
        # A path is never broken: it could not be opened or copied.
        f"  {picture}",
        f"  {make_hyperlink(picture)}",
        *_wrap(f"Or {enlarge}.", width),
        *_render_waiting(snapshot, code, width),
    ]


def _wrap(text: str, width: int) -> list[str]:
    return _render_lines(Text(text), width) if text else []


def _render_lines(renderable: Table | Text, width: int) -> list[str]:
    out = io.StringIO()
    console = Console(
        file=out,
        width=width,
        force_terminal=True,
        color_system="standard",
        markup=False,
        highlight=False,
        emoji=False,
    )
    console.print(renderable)
    return [line.rstrip() for line in out.getvalue().splitlines()]
