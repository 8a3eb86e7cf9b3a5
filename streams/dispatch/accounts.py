"""What the dispatcher knows of the sending accounts: their latest records on `wa.accounts`, and how old these are.

A sender repeats its record every ten seconds. An account whose last record is older than three of these heartbeats
is down, whatever the record says. Others can write to that topic, so a record that cannot be read must not
stop a dispatcher: its account counts as not ready.
"""

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from streams.contract import account
from streams.contract.account import MAX_HEARTBEAT_AGE_S, AccountRecord
from streams.contract.timestamps import parse_rfc3339
from streams.domain.accounts.availability.availabilities import Availabilities
from streams.domain.accounts.availability.free_times import FreeTimes
from streams.domain.accounts.requests import AccountRequest, decode_request
from streams.domain.accounts.routing import Availability

log = logging.getLogger(__name__)

_HELD: Final = {
    "paused": Availability.DOWN,
    "logged_out": Availability.DOWN,
    "removed": Availability.REMOVED,
}


@dataclass(slots=True)
class _Account:
    """One account. Its age counts on the monotonic clock, so that no step of another clock makes it older."""

    is_ready: bool = False
    has_sender: bool = False
    free_at_s: float = 0.0
    silent_from_mono_s: float = 0.0
    is_silent: bool = False
    stopped_from_mono_s: float | None = None  # its sender has published that it ends

    @property
    def can_send(self) -> bool:
        """Whether it is ready, and its sender alive."""
        return self.is_ready and not self.is_silent


class Accounts:
    """Which accounts there are, and what they can do now. `on_change` is called when that changes.

    The `configured` ones exist before their first record. `now_s` is the broker's time: None counts every record
    as new. `weights`: the shares of new conversations. What an event costs does not grow with the number of accounts.
    """

    def __init__(
        self,
        on_change: Callable[[], None],
        configured: Iterable[str] = (),
        *,
        now_s: Callable[[], float] | None = None,
        monotonic_s: Callable[[], float] = time.monotonic,
        weights: Mapping[str, float] | None = None,
    ) -> None:
        self._accounts = {name: _Account() for name in configured}
        self._requests: dict[str, AccountRequest] = {}
        self._summaries: dict[str, dict[str, Any]] = {}
        self._availabilities = Availabilities(weights=weights)
        self._free_times = FreeTimes()
        self._at_s = 0.0  # the time of the availabilities
        self._next_silent_mono_s = float("-inf")  # before then, no account becomes silent
        self._on_change = on_change
        self._now_s = now_s
        self._monotonic_s = monotonic_s
        for name in self._accounts:
            self._update_availability(name)

    def apply_record(self, key: bytes | None, value: bytes | None, append_s: float = 0.0) -> None:
        """Apply a record of `wa.accounts`; one without a value means that the account was removed."""
        name = (key or b"").decode(errors="replace")
        previous = self._describe(name)
        record = _decode_record(name, value)
        self._summaries.pop(name, None)
        if record is not None:
            self._summaries[name] = account.summarize_account(record)
        if value is None:
            self._accounts.pop(name, None)
        else:
            state = self._make_account(record, append_s, self._accounts.get(name))
            self._accounts[name] = state
            self._next_silent_mono_s = min(self._next_silent_mono_s, state.silent_from_mono_s)
        self._update_new_chats(name, is_allowed=record is None or record.new_chats_allowed)
        self._report_change(name, previous)

    def _make_account(
        self, record: AccountRecord | None, append_s: float, previous: _Account | None
    ) -> _Account:
        age_s = max(0.0, self._now_s() - append_s) if self._now_s is not None else 0.0
        stopped_from_mono_s = None
        if record is not None and _has_stopped(record):
            stopped_from_mono_s = previous.stopped_from_mono_s if previous is not None else None
            if stopped_from_mono_s is None:
                stopped_from_mono_s = self._monotonic_s() - age_s
        return _Account(
            is_ready=record is not None and record.state == "ready",
            has_sender=record is not None and not _has_stopped(record),
            free_at_s=parse_rfc3339(record.free_at) if record and record.free_at else 0.0,
            silent_from_mono_s=self._monotonic_s() + MAX_HEARTBEAT_AGE_S - age_s,
            is_silent=age_s > MAX_HEARTBEAT_AGE_S,
            stopped_from_mono_s=stopped_from_mono_s,
        )

    def apply_request(self, key: bytes, value: bytes | None, append_s: float) -> None:
        """Apply a record of `wa.internal.accounts`. What a person requests counts whatever the sender says."""
        name = key.decode(errors="replace")
        request = None if value is None else decode_request(key, value)
        if value is None:
            self._requests.pop(name, None)
        elif request is None:
            return  # a report, or a record that cannot be read: the last request stays
        else:
            self._requests[name] = request
            log.info("account %s: a person requests that it is %s", name, request.requested)
        self._update_availability(name)
        self._on_change()

    @property
    def removed(self) -> Mapping[str, AccountRequest]:
        """The accounts that a person has removed, with the request."""
        return {n: r for n, r in self._requests.items() if r.requested == "removed"}

    def check_heartbeats(self) -> None:
        """Take the accounts for down whose senders have been silent for too long. To be called every second."""
        now_mono_s = self._monotonic_s()
        if now_mono_s <= self._next_silent_mono_s:
            return
        for name, state in self._accounts.items():
            if not state.is_silent and now_mono_s > state.silent_from_mono_s:
                previous = self._describe(name)
                state.is_silent = True
                self._report_change(name, previous)
        alive = [state for state in self._accounts.values() if not state.is_silent]
        times_s = [state.silent_from_mono_s for state in alive]
        self._next_silent_mono_s = min(times_s, default=float("inf"))

    def _describe(self, name: str) -> tuple[bool | None, float, bool]:
        """What a change of this account is a change of; the first: whether it can send, None if there is none."""
        state = self._accounts.get(name)
        may_open_chats = name not in self.without_new_chats
        if state is None:
            return None, 0.0, may_open_chats
        return state.can_send, state.free_at_s, may_open_chats

    def _report_change(self, name: str, previous: tuple[bool | None, float, bool]) -> None:
        current = self._describe(name)
        state = self._accounts.get(name)
        if previous[0] != current[0]:
            is_silent = state is not None and state.is_ready and state.is_silent
            why = (
                f"down: no heartbeat for {MAX_HEARTBEAT_AGE_S:.0f} s" if is_silent else "not ready"
            )
            log.info("account %s is %s", name, "ready" if current[0] else why)
        if previous != current:
            self._update_availability(name)
            self._on_change()

    def is_sender_alive(self, name: str) -> bool:
        """Whether a process of this account runs, whatever the account can do now."""
        state = self._accounts.get(name)
        return state is not None and state.has_sender and not state.is_silent

    def lost_for_s(self, name: str) -> float:
        """For how long the account has been without a sender, by its own last record or its silence; 0: it has one.

        Nothing is known of an account without a record.
        """
        state = self._accounts.get(name)
        if state is None or state.silent_from_mono_s == 0.0:
            return 0.0
        if state.stopped_from_mono_s is not None:
            return self._monotonic_s() - state.stopped_from_mono_s
        return self._monotonic_s() - state.silent_from_mono_s if state.is_silent else 0.0

    def can_others_send(self, name: str) -> bool:
        """Whether an account besides this one is ready, and no person holds it."""
        return any(
            state.can_send and other != name and not self._is_held(other)
            for other, state in self._accounts.items()
        )

    def _is_held(self, name: str) -> bool:
        request = self._requests.get(name)
        return request is not None and request.requested != "active"

    def _update_new_chats(self, name: str, *, is_allowed: bool) -> None:
        if is_allowed != (name not in self.without_new_chats):
            log.info("account %s may open %s chats", name, "new" if is_allowed else "no new")
            self._availabilities.set_new_chats(name, is_allowed=is_allowed)

    @property
    def without_new_chats(self) -> AbstractSet[str]:
        """The accounts that may write only to people who have written to them."""
        return self._availabilities.without_new_chats

    @property
    def summaries(self) -> Mapping[str, Any]:
        """What explains the state of each account, for probes."""
        return self._summaries

    def get_availabilities(self, now_s: float) -> Availabilities:
        """What each account can do at this time. It is always the same object, which this call brings up to date."""
        if now_s != self._at_s:
            changed = self._free_times.list_between(self._at_s, now_s)
            self._at_s = now_s
            for name in changed:
                self._update_availability(name)
        return self._availabilities

    def next_change_s(self, now_s: float) -> float:
        """When the next account can do something else because time passes; infinity if none will."""
        return self._free_times.next_change_s(now_s)

    def _update_availability(self, name: str) -> None:
        state = self._accounts.get(name)
        self._free_times.set(name, state.free_at_s if state is not None else 0.0)
        self._availabilities.set(name, self._find_availability(name, state))

    def _find_availability(self, name: str, state: _Account | None) -> Availability | None:
        request = self._requests.get(name)
        if request is not None and request.requested != "active":
            return _HELD[request.requested]
        if state is not None and state.can_send:
            return self._free_times.get_availability(name, self._at_s)
        return None if state is None and request is None else Availability.DOWN


def _has_stopped(record: AccountRecord) -> bool:
    """Whether its sender has ended. While a browser is restarted, the state is `stopped` too, and has an owner."""
    return record.state == "stopped" and record.owner is None


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
