"""What WhatsApp holds against an account: bans, time locks, caps of messages to new chats. No I/O.

A stranger is somebody who has never written to the account. Under a time lock, and when the cap is used up,
the server refuses messages to strangers; everybody else still gets them.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from streams.sandbox.state.faults import FaultValue
from streams.sandbox.state.world import World

_T = TypeVar("_T")
_D = TypeVar("_D")
REACHOUT_TIMELOCKED = 463
NEW_CHAT_MESSAGES_CAPPED = 475
_BAN_CODE = 101
_CYCLE_S = 30 * 24 * 3600
# From these shares of the quota on, WhatsApp warns. Its own thresholds are not public.
_WARNINGS = ((1.0, "CAPPED"), (0.9, "SECOND_WARNING"), (0.8, "FIRST_WARNING"))


@dataclass(slots=True)
class _Cap:
    """The cap of one fault: each account has the whole quota."""

    total_quota: int
    cycle_start_s: int
    used_quota: dict[str, int] = field(default_factory=dict)


class Restrictions:
    """The restrictions of all accounts. A key of None stands for every account."""

    def __init__(
        self, read_world: Callable[[], World], clock: Callable[[], float] = time.time
    ) -> None:
        self._read_world = read_world
        self._clock = clock
        self._bans_end_s: dict[str | None, float] = {}
        self._time_locks_end_s: dict[str | None, float] = {}
        self._caps: dict[str | None, _Cap] = {}
        self._last_update_ms = 0

    def set(self, name: str, account: str | None, value: FaultValue) -> None:
        """Set the restriction that the fault `name` requests, from now on."""
        now_s = self._clock()
        if name == "ban":
            self._bans_end_s[account] = now_s + float(value)
        elif name == "time_lock":
            self._time_locks_end_s[account] = now_s + float(value)
        else:
            self._caps[account] = _Cap(int(value), int(now_s))

    def clear(self) -> None:
        """Lift every restriction."""
        self._bans_end_s.clear()
        self._time_locks_end_s.clear()
        self._caps.clear()

    def remaining_ban(self, phone: str) -> dict[str, Any] | None:
        """The fields of the failure that tells of a ban, or None. `expire` counts the seconds that remain."""
        remaining_s = _find(self._bans_end_s, phone, 0.0) - self._clock()
        if remaining_s <= 0:
            return None
        expire_s = max(1, round(remaining_s))
        return {"code": _BAN_CODE, "expire": expire_s, "message": None, "url": None}

    def time_lock(self, phone: str) -> dict[str, Any]:
        """The fields of WhatsApp's notification of a time lock. Its end is in seconds."""
        end_s = _find(self._time_locks_end_s, phone, 0.0)
        is_active = end_s > self._clock()
        return {
            "is_active": is_active,
            "enforcement_type": "DEFAULT",
            "time_enforcement_ends": round(end_s) if is_active else None,
        }

    def new_chat_cap(self, phone: str) -> dict[str, Any] | None:
        """The fields of WhatsApp's notification of a cap, if the account has one."""
        cap = _find(self._caps, phone, None)
        if cap is None:
            return None
        used_quota = cap.used_quota.get(phone, 0)
        # The page ignores a notification that is not newer than the last one.
        self._last_update_ms = max(self._last_update_ms + 1, int(self._clock() * 1000))
        return {
            "total_quota": cap.total_quota,
            "used_quota": used_quota,
            "capping_status": _capping_status(used_quota, cap.total_quota),
            "ote_status": "NOT_ELIGIBLE",
            "mv_status": "NOT_ELIGIBLE",
            "cycle_start_timestamp": cap.cycle_start_s,
            "cycle_end_timestamp": cap.cycle_start_s + _CYCLE_S,
            "server_sent_timestamp": self._last_update_ms,
        }

    # -- messages

    def is_stranger(self, phone: str, to: str) -> bool:
        """Whether `to` has never written to the account."""
        return to not in self._read_world().get_account(phone).correspondents

    def find_refusal(self, phone: str, to: str, whatsapp_id: str) -> int | None:
        """The code with which the server refuses a message, or None. A repeat is not refused."""
        is_repeat = self._read_world().find_message(to, whatsapp_id) is not None
        if is_repeat or not self.is_stranger(phone, to):
            return None
        if self.time_lock(phone)["is_active"]:
            return REACHOUT_TIMELOCKED
        cap = _find(self._caps, phone, None)
        is_capped = cap is not None and cap.used_quota.get(phone, 0) >= cap.total_quota
        return NEW_CHAT_MESSAGES_CAPPED if is_capped else None

    def count_message(self, phone: str, to: str) -> bool:
        """Count a message that was accepted. Returns whether it used up some of the quota."""
        cap = _find(self._caps, phone, None)
        if cap is None or not self.is_stranger(phone, to):
            return False
        cap.used_quota[phone] = cap.used_quota.get(phone, 0) + 1
        return True


def _find(values: dict[str | None, _T], phone: str, default: _D) -> _T | _D:
    return values[phone] if phone in values else values.get(None, default)


def _capping_status(used_quota: int, total_quota: int) -> str:
    share = used_quota / total_quota if total_quota else 1.0
    return next((status for threshold, status in _WARNINGS if share >= threshold), "NONE")
