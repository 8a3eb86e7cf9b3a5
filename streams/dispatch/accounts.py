"""What the dispatcher knows of the sending accounts: their newest records on `wa.accounts`."""

import logging
from collections.abc import Callable, Mapping

import msgspec

from streams.contract import account
from streams.contract.account import AccountRecord
from streams.contract.timestamps import parse_rfc3339
from streams.domain.accounts.routing import Availability

log = logging.getLogger(__name__)


class Accounts:
    """Which accounts there are, and what they can do now. `changed` is called when that differs."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._ready: dict[str, bool] = {}
        self._free_at_s: dict[str, float] = {}
        self._changed = changed

    def take(self, key: bytes | None, value: bytes | None) -> None:
        """A record of `wa.accounts`; one without a value means that the account is no more."""
        name = (key or b"").decode(errors="replace")
        before = self._ready.get(name), self._free_at_s.get(name)
        record = _read(name, value)
        if value is None:
            self._ready.pop(name, None)
        else:
            self._ready[name] = record is not None and record.state == "ready"
        self._free_at_s[name] = parse_rfc3339(record.free_at) if record and record.free_at else 0.0
        if before[0] != self._ready.get(name):
            log.info("account %s is %s", name, "ready" if self._ready.get(name) else "not ready")
        if before != (self._ready.get(name), self._free_at_s[name]):
            self._changed()

    def able(self, now_s: float) -> Mapping[str, Availability]:
        """Each account that is known."""
        return {name: self._able(name, ready, now_s) for name, ready in self._ready.items()}

    def next_s(self, now_s: float) -> float:
        """When an account that is busy will be free; infinity if none is."""
        later = (at_s for at_s in self._free_at_s.values() if at_s > now_s)
        return min(later, default=float("inf"))

    def _able(self, name: str, ready: bool, now_s: float) -> Availability:
        if not ready:
            return Availability.DOWN
        return Availability.BUSY if self._free_at_s[name] > now_s else Availability.READY


def _read(name: str, value: bytes | None) -> AccountRecord | None:
    if value is None:
        return None
    try:
        return account.decode(value)
    except msgspec.DecodeError as error:
        log.warning("account %s: no account record (%s); taken for not ready", name, error)
        return None
