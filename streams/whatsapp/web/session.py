"""Derives the phase of the session from the page's state. Pure: no page, no clock, no file."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from streams.whatsapp.driver import Phase

# Stream modes and socket states that stop sending until a person acts.
_RESTRICTIONS = {
    "TOS_BLOCK": "tos_block",
    "SMB_TOS_BLOCK": "tos_block",
    "PROXYBLOCK": "proxy_block",
    "DEPRECATED_VERSION": "deprecated_version",
}


@dataclass(frozen=True, slots=True)
class PageState:
    """The page's state as the adapter's `listen` returns it (adapter/session.js, readState)."""

    authenticated: bool
    mode: str
    socket: str
    online: bool
    needs_update: bool
    phone: str | None
    qr: str | None
    pairing_code: str | None
    missing: tuple[str, ...]

    @classmethod
    def parse(cls, state: Mapping[str, Any]) -> "PageState":
        """The state in the adapter's result."""
        return cls(
            authenticated=state["authenticated"],
            mode=state["mode"],
            socket=state["socket"],
            online=state["online"],
            needs_update=state["needs_update"],
            phone=state["phone"],
            qr=state["qr"],
            pairing_code=state["pairing_code"],
            missing=tuple(state["missing"]),
        )

    @property
    def degraded(self) -> tuple[str, ...]:
        """What the page no longer offers, and whether WhatsApp wants another version of itself."""
        return (*sorted(self.missing), *(("needs_update",) if self.needs_update else ()))


def derive_phase(state: PageState) -> tuple[Phase, str | None]:
    """The phase, and the reason for it.

    wa-js reports "fully ready" on the QR screen too, so "can send" means linked, MAIN and online.
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
    """Whether it is certain that the page has no login: it shows a code.

    "Not authenticated" alone is also true for a moment while a linked page starts.
    """
    return not state.authenticated and bool(state.qr or state.pairing_code)
