"""What the dispatcher knows of the sending accounts: their latest records on `wa.accounts`.

Others can write to that topic, so a record that cannot be read must not stop a dispatcher: its account
counts as not ready.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from streams.contract import account
from streams.contract.account import AccountRecord
from streams.contract.timestamps import parse_rfc3339
from streams.domain.accounts.routing import Availability

log = logging.getLogger(__name__)


class Accounts:
    """Which accounts there are, and what they can do now. `on_change` is called when that changes.

    The `configured` ones exist before their first record.
    """

    def __init__(self, on_change: Callable[[], None], configured: Iterable[str] = ()) -> None:
        self._ready = dict.fromkeys(configured, False)
        self._free_at_s = dict.fromkeys(self._ready, 0.0)
        self._with_sender: set[str] = set()
        self._without_new_chats: frozenset[str] = frozenset()
        self._summaries: dict[str, dict[str, Any]] = {}
        self._on_change = on_change

    def apply_record(self, key: bytes | None, value: bytes | None) -> None:
        """Apply a record of `wa.accounts`; one without a value means that the account was removed."""
        name = (key or b"").decode(errors="replace")
        previous = self._ready.get(name), self._free_at_s.get(name), self._without_new_chats
        record = _decode_record(name, value)
        self._summaries.pop(name, None)
        if record is not None:
            self._summaries[name] = account.summarize_account(record)
        if value is None:
            self._ready.pop(name, None)
        else:
            self._ready[name] = record is not None and record.state == "ready"
        self._update_sender(name, has_sender=record is not None and record.state != "stopped")
        self._free_at_s[name] = parse_rfc3339(record.free_at) if record and record.free_at else 0.0
        self._update_new_chats(name, is_allowed=record is None or record.new_chats_allowed)
        if previous[0] != self._ready.get(name):
            log.info("account %s is %s", name, "ready" if self._ready.get(name) else "not ready")
        if previous != (self._ready.get(name), self._free_at_s[name], self._without_new_chats):
            self._on_change()

    def _update_sender(self, name: str, *, has_sender: bool) -> None:
        if has_sender:
            self._with_sender.add(name)
        else:
            self._with_sender.discard(name)

    def is_sender_alive(self, name: str) -> bool:
        """Whether a process of this account runs, whatever the account can do now."""
        return name in self._with_sender

    def _update_new_chats(self, name: str, *, is_allowed: bool) -> None:
        if is_allowed == (name not in self._without_new_chats):
            return
        log.info("account %s may open %s chats", name, "new" if is_allowed else "no new")
        self._without_new_chats ^= {name}

    @property
    def without_new_chats(self) -> frozenset[str]:
        """The accounts that may write only to people who have written to them."""
        return self._without_new_chats

    @property
    def summaries(self) -> Mapping[str, Any]:
        """What explains the state of each account, for probes."""
        return self._summaries

    def get_availability(self, now_s: float) -> Mapping[str, Availability]:
        """What each account can do now."""
        return {
            name: self._account_availability(name, ready, now_s)
            for name, ready in self._ready.items()
        }

    def next_free_s(self, now_s: float) -> float:
        """When the next busy account will be free; infinity if none is busy."""
        future_times_s = (at_s for at_s in self._free_at_s.values() if at_s > now_s)
        return min(future_times_s, default=float("inf"))

    def _account_availability(self, name: str, is_ready: bool, now_s: float) -> Availability:
        if not is_ready:
            return Availability.DOWN
        return Availability.BUSY if self._free_at_s[name] > now_s else Availability.READY


def _decode_record(name: str, value: bytes | None) -> AccountRecord | None:
    if value is None:
        return None
    try:
        return account.decode(value)
    except msgspec.DecodeError as error:
        log.warning(
            "account %s: its record cannot be read (%s), so it counts as not ready", name, error
        )
        return None
