"""Derives the phase of the session from the page's state. Pure: no page, no clock, no file."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from streams.whatsapp.driver import NewChatQuota, Phase, TimeLock

# Stream modes that the page compares and, in August 2026, never sets (source: WAWebStreamModel).
_RESTRICTED_MODES = {
    "TOS_BLOCK": "tos_block",
    "SMB_TOS_BLOCK": "tos_block",
    "PROXYBLOCK": "proxy_block",
}
# Without these, it cannot be known whether the page could send; a reload does not bring them back.
_UNREADABLE = frozenset({"isAuthenticated", "Socket", "Stream", "Cmd", "adapter"})
_CONNECTED = "CONNECTED"
_NOT_LAUNCHED = "UNLAUNCHED"


@dataclass(frozen=True, slots=True)
class PageBan:
    """WhatsApp has banned the account for `remaining_s` from now; None: it does not say for how long."""

    reason: str
    remaining_s: float | None


@dataclass(frozen=True, slots=True)
class PageState:
    """The page's state as the adapter's `listen` returns it (adapter/session.js, readState).

    The defaults are those of a page that cannot be read: it is not connected and not linked.
    """

    # the connection (adapter/connection.js)
    authenticated: bool = False
    mode: str = ""
    socket: str = ""
    stream: str = ""
    accepted: bool = False
    service_unavailable: bool = False
    has_synced: bool = False
    delivery_ended: bool = False
    progress: int | None = None
    retry_at_s: float | None = None
    given_up: bool = False
    stopped: bool = False
    # restrictions (adapter/restrictions.js)
    ban: PageBan | None = None
    update_forced: bool = False
    time_lock: TimeLock | None = None
    new_chat_quota: NewChatQuota | None = None
    # linking (adapter/linking.js)
    qr: str | None = None
    pairing_code: str | None = None
    idle: bool = False
    needs_reload: bool = False
    logging_out: bool = False
    logout_reason: str | None = None
    logout_code: str | None = None
    storage_broken: bool = False
    # the page
    complete: bool = False
    needs_update: bool = False
    phone: str | None = None
    device: int | None = None  # its number among the devices of this phone
    pending: int = 0
    pending_since_ms: float | None = (
        None  # the oldest, or a look-up, gets no further; the page's clock
    )
    missing: tuple[str, ...] = ()

    @classmethod
    def parse(cls, state: Mapping[str, Any]) -> "PageState":
        """The state in the adapter's result. What the adapter does not tell keeps its default."""
        values = {name: state[name] for name in cls.__dataclass_fields__ if name in state}
        for name, parse in _PARSERS.items():
            if values.get(name) is not None:
                values[name] = parse(values[name])
        return cls(**values)

    @property
    def degraded(self) -> tuple[str, ...]:
        """What the page no longer offers, and whether WhatsApp wants another version of itself."""
        return (*sorted(self.missing), *(("needs_update",) if self.needs_update else ()))

    @property
    def is_connected(self) -> bool:
        """Whether the connection is open, the server has accepted the login, and the page keeps it.

        The mode does not say it (source: WAWebSocketModel).
        """
        return self.socket == self.stream == _CONNECTED and self.accepted and not self.given_up

    @property
    def is_unreadable(self) -> bool:
        """Whether something is missing without which nothing is known. Names are `group/name`."""
        return not _UNREADABLE.isdisjoint(name.rpartition("/")[2] for name in self.missing)


_PARSERS: Mapping[str, Any] = {
    "ban": lambda value: PageBan(**value),
    "time_lock": lambda value: TimeLock(**value),
    "new_chat_quota": lambda value: NewChatQuota(**value),
    "missing": tuple,
}


@dataclass(frozen=True, slots=True)
class PhaseInfo:
    """A phase with its reason, its expected end and its progress.

    `is_lasting`: the page is ready, or waits for a person. `is_backing_off`: it waits for its own next
    attempt to connect. A page in any other phase must get on, else it is stuck.
    """

    phase: Phase
    reason: str | None = None
    until_s: float | None = None
    progress: int | None = None
    is_lasting: bool = field(default=False, compare=False)
    is_backing_off: bool = field(default=False, compare=False)


def derive_phase(state: PageState) -> PhaseInfo:
    """The phase, and what is known about it.

    `ready` means: linked, socket and stream connected, the offline delivery ended, and the page complete.
    """
    restriction = _find_restriction(state)
    if restriction is not None:
        return restriction
    if state.logging_out:
        return PhaseInfo(Phase.LOGGED_OUT, state.logout_reason or "logged_out")
    if not state.authenticated:
        return _derive_unlinked(state)
    if not state.is_connected:
        return _derive_disconnected(state)
    if state.is_unreadable:
        return PhaseInfo(Phase.SYNCING, "page_unreadable", is_lasting=True)
    if not state.delivery_ended:
        return PhaseInfo(Phase.SYNCING, progress=state.progress)
    if state.mode != "MAIN" or not state.complete:
        return PhaseInfo(Phase.SYNCING)
    return PhaseInfo(Phase.READY, is_lasting=True)


def _find_restriction(state: PageState) -> PhaseInfo | None:
    if state.ban is not None:
        return PhaseInfo(Phase.RESTRICTED, state.ban.reason, is_lasting=True)
    for value in (state.mode, state.socket):
        if value in _RESTRICTED_MODES:
            return PhaseInfo(Phase.RESTRICTED, _RESTRICTED_MODES[value], is_lasting=True)
    if state.stopped and not state.update_forced and not state.logging_out:
        return PhaseInfo(Phase.RESTRICTED, "replaced", is_lasting=True)
    return None


def _derive_unlinked(state: PageState) -> PhaseInfo:
    if state.storage_broken:
        return PhaseInfo(Phase.LOGGED_OUT, "storage_failed")
    if state.qr or state.pairing_code:
        return PhaseInfo(Phase.LINKING, is_lasting=True)
    return PhaseInfo(Phase.LINKING, "qr_expired") if state.idle else PhaseInfo(Phase.STARTING)


def _derive_disconnected(state: PageState) -> PhaseInfo:
    if state.update_forced:
        return PhaseInfo(Phase.RECONNECTING, "update_required")
    if state.service_unavailable:
        until_s = state.retry_at_s
        return PhaseInfo(Phase.RECONNECTING, "service_unavailable", until_s, is_backing_off=True)
    if not state.socket:
        return PhaseInfo(Phase.RECONNECTING, "page_unreadable", is_lasting=True)
    is_opening = state.socket == "PAIRING" or (state.socket == _CONNECTED and not state.has_synced)
    if state.socket == _NOT_LAUNCHED or is_opening:
        return PhaseInfo(Phase.SYNCING, progress=state.progress)
    # WhatsApp Web waits up to 900 s between two attempts (source: WAWebCommsConfigBase).
    return PhaseInfo(Phase.RECONNECTING, "disconnected", state.retry_at_s, is_backing_off=True)


def is_unlinked(state: PageState) -> bool:
    """Whether it is certain that the page has no login: it shows a code, or could show one.

    "Not authenticated" alone is also true for a moment while a linked page starts. A page whose storage
    is broken proves nothing about the login in it.
    """
    has_code = bool(state.qr or state.pairing_code or state.idle)
    return not state.authenticated and has_code and not state.storage_broken
