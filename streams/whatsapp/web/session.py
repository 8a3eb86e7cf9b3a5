"""From what the page says to where the session stands. Pure: no page, no clock, no file."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from streams.whatsapp.driver import Phase

# Stream modes and socket states that end sending until a person does something.
_RESTRICTIONS = {
    "TOS_BLOCK": "tos_block",
    "SMB_TOS_BLOCK": "tos_block",
    "PROXYBLOCK": "proxy_block",
    "DEPRECATED_VERSION": "deprecated_version",
}


@dataclass(frozen=True, slots=True)
class PageState:
    """What the adapter's `listen` says of the page, under its words (adapter/session.js, readState)."""

    authenticated: bool
    mode: str
    socket: str
    online: bool
    needs_update: bool
    phone: str | None
    qr: str | None
    pairing_code: str | None
    broken: tuple[str, ...]

    @classmethod
    def parse(cls, state: Mapping[str, Any]) -> "PageState":
        """From the adapter's answer."""
        return cls(
            authenticated=state["authenticated"],
            mode=state["mode"],
            socket=state["socket"],
            online=state["online"],
            needs_update=state["needs_update"],
            phone=state["phone"],
            qr=state["qr"],
            pairing_code=state["pairing_code"],
            broken=tuple(state["broken"]),
        )

    @property
    def degraded(self) -> tuple[str, ...]:
        """What the page no longer offers, and whether WhatsApp wants another version of itself."""
        return (*sorted(self.broken), *(("needs_update",) if self.needs_update else ()))


def derive_phase(state: PageState) -> tuple[Phase, str | None]:
    """The phase and the reason for it.

    wa-js calls itself fully ready on the QR screen too, so "can send" is linked, MAIN and online.
    """
    for value in (state.mode, state.socket):
        if value in _RESTRICTIONS:
            return Phase.RESTRICTED, _RESTRICTIONS[value]
    if not state.authenticated:
        code = state.qr or state.pairing_code
        return (Phase.LINKING if code else Phase.STARTING), None
    if state.mode == "CONFLICT" or state.socket == "CONFLICT":
        return Phase.RECONNECTING, "conflict"
    if state.mode == "OFFLINE" or not state.online:
        return Phase.RECONNECTING, "disconnected"
    return (Phase.READY if state.mode == "MAIN" else Phase.SYNCING), None


def is_unlinked(state: PageState) -> bool:
    """The page surely has no login: it shows a code, or waits to show one.

    Only "not authenticated" would also be true for a moment while a linked page starts.
    """
    return not state.authenticated and bool(state.qr or state.pairing_code)
